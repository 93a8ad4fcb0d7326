"""Our side of OpenID Connect: authorization code with PKCE, state and nonce, any provider.

Source: OpenID Connect Core 1.0 §3.1 (code flow), §3.1.3.7 (ID token checks); OpenID Connect
Discovery 1.0 §4; RFC 7636 (PKCE); RFC 9700 (OAuth security: exact redirect, PKCE for all, mix-up).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from citycare.kit.errors import Forbidden, Unavailable

ALGORITHMS = ["RS256", "ES256", "PS256"]
SCOPES = "openid profile phone"
SKEW_S = 60
KEEP = timedelta(hours=1)
REFETCH = timedelta(seconds=30)
TIMEOUT_S = 5.0
TOKEN_CHARS_MAX = 20_000
TLS = "https://"


class ProviderAway(Unavailable):
    """The sign-in service does not answer; try again in a moment."""

    code = "login.provider_away"
    words = "统一登录现在连不上，请过一会儿再试；急事请打电话或到窗口办理。"


class SignInRefused(Forbidden):
    """The sign-in did not hold; start again."""

    code = "login.refused"
    words = "这次登录没有成功，请重新登录。"


@dataclass(frozen=True, slots=True)
class Started:
    """What we remember of a sign-in that has gone to the provider."""

    state: str
    nonce: str
    verifier: str


@dataclass(slots=True)
class Provider:
    """One provider, as it describes itself; what it said is kept for an hour."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    client: Callable[[], httpx.AsyncClient]
    _metadata: Mapping[str, Any] = field(default_factory=dict)
    _metadata_at: datetime | None = None
    _keys: KeySet | None = None
    _keys_at: datetime | None = None

    async def start(self, now: datetime, hints: Mapping[str, str]) -> tuple[str, Started]:
        """Return the address to send the browser to, and what to remember meanwhile."""
        started = Started(*(secrets.token_urlsafe(size) for size in (24, 24, 48)))
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": SCOPES,
            "state": started.state,
            "nonce": started.nonce,
            "code_challenge": create_s256_code_challenge(started.verifier),
            "code_challenge_method": "S256",
            **hints,
        }
        endpoint = (await self._about(now))["authorization_endpoint"]
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", started

    async def finish(self, code: str, started: Started, now: datetime) -> dict[str, Any]:
        """Change the code for an ID token, check it, and return its claims.

        Raises:
            SignInRefused: the provider or a check said no. ProviderAway: it does not answer.
        """
        about = await self._about(now)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "client_id": self.client_id,
            "code_verifier": started.verifier,
        }
        if self.client_secret:
            form["client_secret"] = self.client_secret
        answer = await self._call("POST", about["token_endpoint"], form)
        token = answer.get("id_token")
        if not isinstance(token, str) or len(token) > TOKEN_CHARS_MAX:
            raise SignInRefused(why="no_id_token")
        return await self.check(token, started.nonce, now, access_token=answer.get("access_token"))

    async def check(
        self, token: str, nonce: str, now: datetime, *, access_token: str | None = None
    ) -> dict[str, Any]:
        """Check an ID token: signature, issuer, audience, times, nonce; return its claims."""
        try:
            decoded = await self._decode(token, now)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                options={
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self.client_id},
                    "sub": {"essential": True},
                },
                params={
                    "nonce": nonce,
                    "client_id": self.client_id,
                    "access_token": access_token,
                },
            )
            claims.validate(now=int(now.timestamp()), leeway=SKEW_S)
        except (JoseError, ValueError) as error:
            raise SignInRefused(why=type(error).__name__) from error
        return dict(claims)

    async def _decode(self, token: str, now: datetime) -> jwt.Token:
        """Check the signature; a key we do not know yet is asked for, at most twice a minute."""
        keys = await self._key_set(now, KEEP)
        try:
            return jwt.decode(token, keys, algorithms=ALGORITHMS)
        except (InvalidKeyIdError, ValueError):
            keys = await self._key_set(now, REFETCH)
            return jwt.decode(token, keys, algorithms=ALGORITHMS)

    async def _key_set(self, now: datetime, keep: timedelta) -> KeySet:
        if self._keys is None or self._keys_at is None or now - self._keys_at > keep:
            found = await self._call("GET", (await self._about(now))["jwks_uri"])
            try:
                self._keys = KeySet.import_key_set(cast("Any", found))
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise ProviderAway(what="jwks") from error
            self._keys_at = now
        return self._keys

    async def _about(self, now: datetime) -> Mapping[str, Any]:
        if self._metadata_at is None or now - self._metadata_at > KEEP:
            found = await self._call("GET", f"{self.issuer}/.well-known/openid-configuration")
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if found.get("issuer") != self.issuer or not all(
                isinstance(found.get(name), str) for name in needed
            ):
                raise ProviderAway(what="discovery")
            asked = (found["token_endpoint"], found["jwks_uri"])
            if self.issuer.startswith(TLS) and not all(one.startswith(TLS) for one in asked):
                raise ProviderAway(what="endpoint_without_tls")
            self._metadata, self._metadata_at = found, now
        return self._metadata

    async def _call(
        self, method: str, url: str, form: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            async with self.client() as client:
                answer = await client.request(method, url, data=form)
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderAway(what=type(error).__name__) from error
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise ProviderAway(what=answer.status_code)
        if answer.is_error or not isinstance(found, dict):
            raise SignInRefused(why="provider_refused")
        return found


def network_client() -> httpx.AsyncClient:
    """Return a client for a provider somewhere else; it follows no redirects."""
    return httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False)
