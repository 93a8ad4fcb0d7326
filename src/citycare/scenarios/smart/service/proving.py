"""A client proves who it is: by a signed assertion, by a secret, or (a public app) not at all.

The address of its keys is asked before a connection is taken, so a slow one holds none. The
assertion is written down in the transaction of what it is used for (`see`).

Source: HL7 SMART App Launch 2.2.0, "Client Authentication"; RFC 7521 §4.2, RFC 7523 §3; RFC 6749
§2.3 (one method a request).
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus
from uuid import UUID

import orjson
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from citycare.kit.db import Connection
from citycare.scenarios.smart.model import Auth, Client, OAuthError, Refused
from citycare.scenarios.smart.rules import assertions
from citycare.scenarios.smart.rules.assertions import Assertion
from citycare.scenarios.smart.service import keys, secrets
from citycare.scenarios.smart.service.keys import KeyCache
from citycare.scenarios.smart.store import clients as store
from citycare.scenarios.smart.store import tokens

BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a request says of its client, not yet believed."""

    client_id: UUID
    auth: Auth
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Proven:
    """A client that has proved who it is; `assertion` must still be seen for the first time."""

    client: Client
    assertion: Assertion | None = None


def claim(form: Mapping[str, str], authorization: str) -> Claimed:
    """Read who a request says it is from.

    Raises:
        Refused: nothing readable, or two ways at once.
    """
    scheme, _, given = authorization.partition(" ")
    ways = [bool(authorization), "client_assertion" in form, "client_secret" in form]
    if sum(ways) > 1 or "client_secret" in form:
        raise _refused("one_way_only")
    if authorization:
        if scheme.lower() != "basic":
            raise _refused("authorization_scheme")
        user, secret = _basic(given)
        return Claimed(_same(user, form), Auth.SECRET, secret)
    if "client_assertion" in form:
        if form.get("client_assertion_type") != BEARER:
            raise _refused("assertion_type")
        return Claimed(_same(_issuer(form["client_assertion"]), form), Auth.KEY,
                       form["client_assertion"])  # fmt: skip
    return Claimed(_same(form.get("client_id", ""), form), Auth.NONE)


def _basic(given: str) -> tuple[str, str]:
    """Read user and password, each form-encoded (RFC 6749 §2.3.1)."""
    try:
        user, _, secret = b64decode(given.strip(), validate=True).decode("ascii").partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise _refused("basic_unreadable") from error
    return unquote_plus(user), unquote_plus(secret)


def _issuer(assertion: str) -> str:
    """Read whose assertion it says it is, to know whose key to hold it against."""
    if not assertions.JWT.fullmatch(assertion):
        raise _refused("assertion_unreadable")
    try:
        claims = orjson.loads(jws.extract_compact(assertion.encode()).payload)
    except (JoseError, ValueError) as error:
        raise _refused("assertion_unreadable") from error
    return str(claims.get("iss", "")) if isinstance(claims, dict) else ""


def _same(named: str, form: Mapping[str, str]) -> UUID:
    """Return the client; an id in the form must be the same."""
    try:
        client_id = UUID(named)
    except ValueError as error:
        raise _refused("client_id") from error
    if form.get("client_id", named) != named or str(client_id) != named:
        raise _refused("client_id")
    return client_id


async def prove(
    client: Client | None,
    claimed: Claimed,
    cache: KeyCache,
    audiences: Sequence[str],
    now: datetime,
) -> Proven:
    """Hold what a client says against what is registered of it.

    Raises:
        Refused: it is not that client, or is switched off, or proves itself another way.
    """
    if client is None or client.disabled_at is not None:
        raise _refused("client_unknown")
    if client.auth is not claimed.auth:
        raise _refused("method")
    match client.auth:
        case Auth.NONE:
            return Proven(client)
        case Auth.SECRET:
            given = secrets.hash_of(claimed.proof)
            if not hmac.compare_digest(given, client.secret_hash or b""):
                raise _refused("secret")
            return Proven(client)
        case Auth.KEY:
            assertion = await _assertion(client, claimed.proof, cache, audiences, now)
            return Proven(client, assertion)


async def _assertion(
    client: Client, text: str, cache: KeyCache, audiences: Sequence[str], now: datetime
) -> Assertion:
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError) as error:
        raise _refused("assertion_unreadable") from error
    kid = assertions.check_header(header, client.jwks_url)
    if client.jwks_url is not None:
        known = await cache.keys_of(client.jwks_url, kid, now)
    else:
        known = keys.check(client.jwks or {})
    chosen = [key for key in known.keys if key.kid == kid]
    try:
        token = jwt.decode(text, KeySet(chosen), algorithms=list(assertions.ALGORITHMS))
    except (JoseError, ValueError) as error:
        raise _refused("assertion_signature") from error
    return assertions.check_claims(token.claims, str(client.id), audiences, now)


async def find_client(db: Connection, claimed: Claimed) -> Client | None:
    """Return the client a request names."""
    return await store.find(db, claimed.client_id)


async def see(db: Connection, proven: Proven) -> None:
    """Let an assertion serve once.

    Raises:
        Refused: it was used before.
    """
    one = proven.assertion
    if one is not None:
        jti = secrets.hash_of(one.jti)
        if not await tokens.see_assertion(db, proven.client.id, jti, one.expires_at):
            raise _refused("assertion_replayed")


def _refused(why: str) -> Refused:
    return Refused(OAuthError.INVALID_CLIENT, why)
