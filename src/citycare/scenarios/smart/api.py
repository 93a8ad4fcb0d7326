"""What apps speak to: discovery, tokens, introspection, revocation, our keys.

These addresses are open (the list of open routes says so): a client proves itself by what it
sends, never by a cookie, so a form token would guard nothing. Errors have the form of OAuth.

Source: HL7 SMART App Launch 2.2.0, "Conformance" (smart-configuration, CORS); RFC 6749 §5; RFC
7662; RFC 7009; OpenID Connect Discovery 1.0 §4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import ANONYMOUS, Channel, Context
from citycare.kit.errors import AppError
from citycare.scenarios.smart.model import Auth, Client, OAuthError, Refused
from citycare.scenarios.smart.rules.assertions import ALGORITHMS
from citycare.scenarios.smart.rules.scopes import WORDS
from citycare.scenarios.smart.service import identity_tokens, proving, tokens
from citycare.scenarios.smart.service.identity_tokens import Signer
from citycare.scenarios.smart.service.keys import KeyCache
from citycare.scenarios.smart.service.proving import Claimed
from citycare.web.edge.answers import Json
from citycare.web.edge.clients import client_of
from citycare.web.edge.errors import headers_of, status_of
from citycare.web.edge.exchange import edge_of, exchange_of

router = APIRouter(include_in_schema=False)

FHIR_PATH = "/fhir/R4"
AUTHORIZE, TOKEN, JWKS = "/oauth/authorize", "/oauth/token", "/oauth/jwks"
INTROSPECT, REVOKE = "/oauth/introspect", "/oauth/revoke"
CONFIGURATION = FHIR_PATH + "/.well-known/smart-configuration"
OPENID_CONFIGURATION = "/.well-known/openid-configuration"
MANAGE = "/me/apps"
FORM = "application/x-www-form-urlencoded"
BYTES_MAX = 65_536
FIELDS_MAX = 30
# Per address, not per client: a hospital has many systems behind one, an attacker has many names.
BURST, REFILL_S = 300, 0.1
# Apps in browsers read these answers from their own pages (`web.edge.cors`).
OPEN_PATHS = (TOKEN, INTROSPECT, REVOKE, JWKS, CONFIGURATION, OPENID_CONFIGURATION)
FRESH = {"Cache-Control": "no-store", "Pragma": "no-cache"}
CACHED = {"Cache-Control": "public, max-age=300"}
CAPABILITIES = (
    "launch-standalone",
    "launch-ehr",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-standalone-patient",
    "context-ehr-patient",
    "permission-offline",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
KEYS = KeyCache()  # of this process; a test puts its own into `app.state.smart_keys`


def fhir_base(request: Request) -> str:
    """Return the address of the record, which apps name as `aud`."""
    return edge_of(request).site.base_url + FHIR_PATH


@router.get(CONFIGURATION)
async def smart_configuration(request: Request) -> Response:
    """Tell apps where to go and what is supported."""
    base = edge_of(request).site.base_url
    return Json(_about(base) | {"capabilities": list(CAPABILITIES)}, headers=CACHED)


@router.get(OPENID_CONFIGURATION)
async def openid_configuration(request: Request) -> Response:
    """Tell the same to those who read OpenID Connect Discovery."""
    base = edge_of(request).site.base_url
    more = {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [identity_tokens.ALGORITHM],
    }
    return Json(_about(base) | more, headers=CACHED)


def _about(base: str) -> dict[str, Any]:
    methods = [Auth.NONE, Auth.SECRET, Auth.KEY]
    data = [f"{level}/*.{what}" for level in ("patient", "user", "system")
            for what in ("rs", "cruds", "read", "write")]  # fmt: skip
    return {
        "issuer": base,
        "jwks_uri": base + JWKS,
        "authorization_endpoint": base + AUTHORIZE,
        "token_endpoint": base + TOKEN,
        "introspection_endpoint": base + INTROSPECT,
        "revocation_endpoint": base + REVOKE,
        "management_endpoint": base + MANAGE,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": [*WORDS, *data],
    }


@router.get(JWKS)
async def jwks(request: Request) -> Response:
    """Publish the keys that sign ID tokens."""
    return Json((await _signer(request)).jwks(), headers=CACHED)


async def _signer(request: Request) -> Signer:
    site = edge_of(request).site
    return await asyncio.to_thread(identity_tokens.signer_of, site.home, site.base_url)


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a client that has proved who it is, in its transaction."""

    cx: Context
    client: Client
    form: dict[str, str]


@router.post(TOKEN)
async def token(request: Request) -> Response:
    """Give tokens for a code, a refresh token, or a backend's own word."""
    signer = await _signer(request)

    async def answer(call: Call) -> dict[str, Any]:
        return await tokens.exchange(call.cx, call.client, call.form, signer, fhir_base(request))

    return await _serve(request, "smart.token", TOKEN, answer)


@router.post(INTROSPECT)
async def introspect(request: Request) -> Response:
    """Tell a confidential client about a token."""

    async def answer(call: Call) -> dict[str, Any]:
        if call.client.auth is Auth.NONE:
            raise Refused(OAuthError.INVALID_CLIENT, "public_client")
        return await tokens.introspect(call.cx, call.client, _named(call.form))

    return await _serve(request, "smart.introspect", INTROSPECT, answer)


@router.post(REVOKE)
async def revoke(request: Request) -> Response:
    """End a token, and with a refresh token all it stands for."""

    async def answer(call: Call) -> dict[str, Any]:
        await tokens.revoke(call.cx, call.client, _named(call.form))
        return {}

    return await _serve(request, "smart.revoke", REVOKE, answer)


def _named(form: dict[str, str]) -> str:
    if not form.get("token"):
        raise Refused(OAuthError.INVALID_REQUEST, "token")
    return form["token"]


async def _serve(
    request: Request, purpose: str, path: str, answer: Callable[[Call], Awaitable[dict[str, Any]]]
) -> Response:
    """Let a client prove itself, answer it in one transaction, and write refusals down.

    Keys at an address are asked for before the transaction, so a slow one holds no connection. A
    refusal commits: a spent code stays spent, and the trail has it.
    """
    edge, case = edge_of(request), exchange_of(request)
    claimed: Claimed | None = None
    try:
        _count(request)
        try:
            form = await _form(request)
            claimed = proving.claim(form, request.headers.get("authorization", ""))
            async with edge.database.autocommit() as db:
                client = await proving.find_client(db, claimed)
            audiences = (edge.site.base_url + TOKEN, edge.site.base_url + path)
            proven = await proving.prove(client, claimed, _cache(request), audiences, case.now)
        except Refused as error:
            return await _refuse(request, purpose, claimed, error)
        async with edge.database.transaction() as db:
            channel = Channel.HOSPITAL if proven.client.organisation_id else Channel.PHONE
            cx = Context(db, ANONYMOUS, case.now, case.request_id, channel, purpose)
            try:
                await proving.see(db, proven)
                return _answer(await answer(Call(cx, proven.client, form)))
            except Refused as error:
                await tokens.note_refused(cx, proven.client.id, error)
                return _error(request, error)
    except AppError as error:
        return _away(error)


async def _form(request: Request) -> dict[str, str]:
    """Read the form of a request; nothing in it may stand twice (RFC 6749 §3.2)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if kind != FORM or len(body) > BYTES_MAX:
        raise Refused(OAuthError.INVALID_REQUEST, "form")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX,
                          errors="strict")  # fmt: skip
    except ValueError as error:
        raise Refused(OAuthError.INVALID_REQUEST, "form") from error
    form = dict(pairs)
    if len(form) < len(pairs):
        raise Refused(OAuthError.INVALID_REQUEST, "parameter_twice")
    return form


def _count(request: Request) -> None:
    edge = edge_of(request)
    peer = request.client.host if request.client else None
    forwarded = request.headers.getlist("x-forwarded-for")
    who = client_of(peer, forwarded, edge.site.proxies)
    edge.attempts.take(f"oauth/{who}", exchange_of(request).now, burst=BURST, refill_s=REFILL_S)


def _cache(request: Request) -> KeyCache:
    return cast("KeyCache", getattr(request.app.state, "smart_keys", KEYS))


async def _refuse(
    request: Request, purpose: str, claimed: Claimed | None, error: Refused
) -> Response:
    """Refuse somebody who is not the client they say, with an audit entry of its own."""
    edge, case = edge_of(request), exchange_of(request)
    async with edge.database.transaction() as db:
        cx = Context(db, ANONYMOUS, case.now, case.request_id, Channel.PHONE, purpose)
        await tokens.note_refused(cx, claimed.client_id if claimed else None, error)
    return _error(request, error)


def _answer(body: dict[str, Any]) -> Response:
    return Json(body, headers=FRESH)


def _error(request: Request, error: Refused) -> Response:
    """Write a refusal as RFC 6749 §5.2 has it."""
    body = {"error": error.error, "error_description": error.why}
    headers = dict(FRESH)
    if error.error is not OAuthError.INVALID_CLIENT:
        return Json(body, 400, headers)
    if request.headers.get("authorization"):
        headers["WWW-Authenticate"] = 'Basic realm="citycare"'
    return Json(body, 401, headers)


def _away(error: AppError) -> Response:
    """Say that it cannot be answered now: too many, or the database is away."""
    body = {"error": "temporarily_unavailable", "error_description": error.code}
    return Json(body, status_of(error), FRESH | dict(headers_of(error)))
