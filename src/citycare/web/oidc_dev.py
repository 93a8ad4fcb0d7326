"""A development provider that speaks real OpenID Connect, so the demo uses the real client code.

Discovery, authorize (a page to choose whom to be), token and keys. It trusts everybody, so it
exists only in the demo. Its key is made at the first start and kept in the settings' home.

Source: OpenID Connect Core 1.0 §3.1; RFC 7636; RFC 7517.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core.util import create_half_hash  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from citycare.kit import clock, keyfile
from citycare.kit.errors import Incorrect
from citycare.web.edge.exchange import Site
from citycare.web.edge.seal import Sealer
from citycare.web.login.demo_people import DEMO_ISSUER, DemoPerson

KEY_FILE = "oidc_dev.jwk"
CODE_LIFE = timedelta(seconds=60)
TOKEN_LIFE_S = 300
USED_MAX = 10_000
AUTHORIZE_PATH = "/dev/oidc/authorize"


class RequestWrong(Incorrect):
    """The sign-in request is not one this provider answers."""

    code = "login.request_wrong"
    words = "登录请求不完整，请回到首页重新登录。"


class DevProvider:
    """The provider: the page's decisions, and a back channel of its own (`back_channel`)."""

    def __init__(
        self,
        site: Site,
        sealer: Sealer,
        redirect_uri: str,
        people: Sequence[DemoPerson],
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """Read or make the key. Refused outside the demo."""
        if not site.demo:
            raise ValueError("the development provider runs in the demo only")
        self.people = people
        self._site = site
        self._sealer = sealer
        self._redirect_uri = redirect_uri
        self._now = now
        self._used: OrderedDict[str, None] = OrderedDict()
        self.key = _load_key(site.home)
        self.back_channel = Starlette(
            routes=[
                Route("/oidc/.well-known/openid-configuration", self._discovery),
                Route("/oidc/jwks", self._jwks),
                Route("/oidc/token", self._token, methods=["POST"]),
            ]
        )

    def check(self, request: Request) -> None:
        """Hold an authorization request against what this client may ask, or raise."""
        query = request.query_params
        expected = {
            "response_type": "code",
            "client_id": self._site.oidc_client_id,
            "redirect_uri": self._redirect_uri,
            "code_challenge_method": "S256",
        }
        wrong = [name for name, value in expected.items() if query.get(name) != value]
        wrong += [name for name in ("state", "nonce", "code_challenge") if not query.get(name)]
        if "openid" not in query.get("scope", "").split():
            wrong.append("scope")
        if wrong:
            raise RequestWrong(wrong=" ".join(wrong))

    def person(self, subject: str) -> DemoPerson | None:
        """Return the person of a subject."""
        return next((one for one in self.people if one.subject == subject), None)

    def allow(self, request: Request, person: DemoPerson) -> str:
        """Return the address that takes the browser back with a code."""
        query = request.query_params
        facts = {
            "id": secrets.token_urlsafe(12),
            "sub": person.subject,
            "name": person.name,
            "nonce": query["nonce"],
            "challenge": query["code_challenge"],
        }
        code = self._sealer.seal("oidc/code", facts, self._now(), CODE_LIFE)
        return f"{self._redirect_uri}?{urlencode({'code': code, 'state': query['state']})}"

    async def _discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": DEMO_ISSUER,
                "authorization_endpoint": self._site.base_url + AUTHORIZE_PATH,
                "token_endpoint": f"{DEMO_ISSUER}/token",
                "jwks_uri": f"{DEMO_ISSUER}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _jwks(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        facts = self._sealer.open("oidc/code", str(form.get("code", "")), self._now())
        if facts is None or facts["id"] in self._used:
            return JSONResponse({"error": "invalid_grant"}, 400)
        verifier = str(form.get("code_verifier", ""))
        expected = {
            "grant_type": "authorization_code",
            "client_id": self._site.oidc_client_id,
            "redirect_uri": self._redirect_uri,
        }
        proves = hmac.compare_digest(create_s256_code_challenge(verifier), facts["challenge"])
        if not proves or any(form.get(name) != value for name, value in expected.items()):
            return JSONResponse({"error": "invalid_grant"}, 400)
        self._used[facts["id"]] = None
        while len(self._used) > USED_MAX:
            self._used.popitem(last=False)
        access = secrets.token_urlsafe(24)
        return JSONResponse(
            {
                "access_token": access,
                "token_type": "Bearer",
                "expires_in": TOKEN_LIFE_S,
                "id_token": self._id_token(facts, access),
            },
            headers={"Cache-Control": "no-store"},
        )

    def _id_token(self, facts: dict[str, Any], access: str) -> str:
        issued = int(self._now().timestamp())
        claims = {
            "iss": DEMO_ISSUER,
            "sub": facts["sub"],
            "aud": self._site.oidc_client_id,
            "iat": issued,
            "exp": issued + TOKEN_LIFE_S,
            "nonce": facts["nonce"],
            "name": facts["name"],
            "at_hash": create_half_hash(access, "ES256").decode(),
        }
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)


def _load_key(home: Path) -> ECKey:
    return ECKey.import_key(orjson.loads(keyfile.keep(home / KEY_FILE, _new_key)))


def _new_key() -> bytes:
    made = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    return orjson.dumps(made.as_dict(private=True))
