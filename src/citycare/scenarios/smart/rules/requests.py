"""The request with which an app sends a person to us, held against what it must say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from citycare.scenarios.smart.model import OAuthError, Refused

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of a SHA-256
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
NAMES = (
    "response_type", "client_id", "redirect_uri", "launch", "scope", "state", "aud",
    "code_challenge", "code_challenge_method", "nonce",
)  # fmt: skip
UNSUPPORTED = ("request", "request_uri")
STATE_CHARS_MAX = 1_000
VALUE_CHARS_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Request:
    """An authorization request as it came. What came twice or is too long stands in `unclear`."""

    values: dict[str, str]
    unclear: frozenset[str] = frozenset()
    unsupported: frozenset[str] = frozenset()

    @property
    def client_id(self) -> UUID | None:
        """The client it names, if that is an id of ours, written as we write it."""
        text = self.values.get("client_id", "")
        try:
            found = UUID(text)
        except ValueError:
            return None
        return found if str(found) == text and "client_id" not in self.unclear else None

    @property
    def redirect_uri(self) -> str:
        """Where the answer goes; empty when that is not clear."""
        return "" if "redirect_uri" in self.unclear else self.values.get("redirect_uri", "")

    def get(self, name: str) -> str:
        """Return a parameter, empty when it is not there."""
        return self.values.get(name, "")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What a form carries on, so that the same request can be read from it again."""
        return [(name, self.values[name]) for name in NAMES if name in self.values]


def read(pairs: Sequence[tuple[str, str]]) -> Request:
    """Take the parameters of an authorization request; others than ours are ignored.

    Source: RFC 6749 §3.1 (no parameter twice, unknown ones ignored).
    """
    values: dict[str, str] = {}
    unclear: set[str] = set()
    seen: set[str] = set()
    for name, value in pairs:
        if name in seen or len(value) > VALUE_CHARS_MAX:
            unclear.add(name)
        seen.add(name)
        if name in NAMES:
            values.setdefault(name, value)
    unsupported = frozenset(name for name, _ in pairs if name in UNSUPPORTED)
    return Request(values, frozenset(unclear), unsupported)


def check(request: Request, fhir_base: str) -> None:
    """Hold what an app must send against the rules, once client and redirect address hold.

    Raises:
        Refused: to be told the app at its redirect address.

    Source: HL7 SMART App Launch 2.2.0, "Obtain authorization code" (`aud`, `state`, PKCE with
    S256); RFC 7636 §4.3; OpenID Connect Core 1.0 §6.
    """
    faults = (
        (bool(request.unclear), OAuthError.INVALID_REQUEST, "parameter_unclear"),
        (bool(request.unsupported), OAuthError.REQUEST_NOT_SUPPORTED, "request_object"),
        (
            request.get("response_type") != "code",
            OAuthError.UNSUPPORTED_RESPONSE_TYPE,
            "response_type",
        ),
        (
            not 0 < len(request.get("state")) <= STATE_CHARS_MAX,
            OAuthError.INVALID_REQUEST,
            "state",
        ),
        (
            request.get("code_challenge_method") != "S256"
            or not CHALLENGE.fullmatch(request.get("code_challenge")),
            OAuthError.INVALID_REQUEST,
            "pkce",
        ),
        (request.get("aud").rstrip("/") != fhir_base, OAuthError.INVALID_REQUEST, "aud"),
    )
    for is_wrong, error, why in faults:
        if is_wrong:
            raise Refused(error, why)


def with_query(address: str, facts: dict[str, str]) -> str:
    """Add parameters to an address, keeping what its query has.

    Source: RFC 6749 §4.1.2 (the query of the redirect address is retained).
    """
    parts = urlsplit(address)
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *facts.items()]
    return urlunsplit(parts._replace(query=urlencode(pairs)))
