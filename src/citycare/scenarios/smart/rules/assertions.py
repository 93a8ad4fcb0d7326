"""What a client's signed assertion must say, once its signature holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from citycare.scenarios.smart.model import OAuthError, Refused

ALGORITHMS = ("RS384", "ES384")
LIFE_MAX = timedelta(minutes=5)
SKEW = timedelta(seconds=60)
JTI_CHARS_MAX = 256
FAR = 32_503_680_000  # the year 3000: beyond it a number is no time of ours
JWT = re.compile(r"[A-Za-z0-9_-]{1,4000}\.[A-Za-z0-9_-]{1,8000}\.[A-Za-z0-9_-]{1,2000}")


@dataclass(frozen=True, slots=True)
class Assertion:
    """What is kept of an assertion, so that it serves once."""

    jti: str
    expires_at: datetime


def check_header(header: Mapping[str, Any], keys_url: str | None) -> str:
    """Return the key id of an assertion's header.

    Raises:
        Refused: another algorithm than ours (`none` too), no key id, or keys from elsewhere.

    Source: HL7 SMART App Launch 2.2.0, "Client Authentication: Asymmetric" (alg, kid, typ, jku).
    """
    kid = header.get("kid")
    if header.get("alg") not in ALGORITHMS:
        raise _refused("assertion_algorithm")
    if not isinstance(kid, str) or not kid:
        raise _refused("assertion_without_kid")
    if header.get("typ", "JWT") != "JWT" or "crit" in header:
        raise _refused("assertion_header")
    if "jku" in header and header["jku"] != keys_url:
        raise _refused("assertion_jku")
    return kid


def check_claims(
    claims: Mapping[str, Any], client_id: str, audiences: Sequence[str], now: datetime
) -> Assertion:
    """Hold the claims of an assertion against the client and the clock.

    Args:
        claims: as they were signed.
        client_id: who it must be from and about.
        audiences: our token endpoint, in the ways it may be named.
        now: the instant of the request; clocks may differ by a minute.

    Raises:
        Refused: from or about another, for another, out of time, or lasting over five minutes.

    Source: RFC 7523 §3; HL7 SMART App Launch 2.2.0, "Client Authentication: Asymmetric" (`exp` at
    most five minutes ahead, `jti` a nonce).
    """
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise _refused("assertion_issuer")
    aud = claims.get("aud")
    named = aud if isinstance(aud, list) else [aud]
    if not any(isinstance(one, str) and one in audiences for one in named):
        raise _refused("assertion_audience")
    expires_at = _instant(claims.get("exp"))
    if expires_at is None or expires_at + SKEW <= now:
        raise _refused("assertion_expired")
    if expires_at > now + LIFE_MAX + SKEW:
        raise _refused("assertion_too_long")
    for name in ("nbf", "iat"):
        if name in claims:
            begins_at = _instant(claims[name])
            if begins_at is None or begins_at > now + SKEW:
                raise _refused("assertion_from_the_future")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= JTI_CHARS_MAX:
        raise _refused("assertion_without_jti")
    return Assertion(jti, expires_at + SKEW)


def _instant(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < FAR:
        return None
    return datetime.fromtimestamp(value, UTC)


def _refused(why: str) -> Refused:
    return Refused(OAuthError.INVALID_CLIENT, why)
