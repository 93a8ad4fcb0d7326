"""An app and its developer, for tests: the whole application, clients, keys, the OAuth dance."""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from citycare import app as application
from citycare.kernel import identity
from citycare.kernel.context import Actor, Context, Grant, Role
from citycare.kernel.identity import NewPerson, Organisation, OrganisationKind, Sex
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.scenarios import smart
from citycare.scenarios.smart import api
from citycare.scenarios.smart.model import Audience, Auth, Client, NewClient
from citycare.scenarios.smart.pages import authorize, launch, mine, operator
from citycare.scenarios.smart.service import clients
from citycare.scenarios.smart.service.proving import BEARER
from citycare.settings import read
from tests.conftest import NOW
from tests.scenarios.booking.resident import BASE, Browser, House

FHIR = f"{BASE}/fhir/R4"
BACK = "https://app.example.test/back"
TOKEN = "/oauth/token"
AUTHORIZE = "/oauth/authorize"
ROUTERS = (api.router, authorize.router, launch.router, mine.router, operator.router)
HOSPITAL = Organisation(
    ids.derive("smart", "hospital"), "东湖医院", "东湖", OrganisationKind.HOSPITAL, "东湖区"
)
SCOPES = "openid fhirUser offline_access launch/patient patient/Observation.rs patient/Patient.rs"


class Town(House):
    """The application with the app server, at an instant that can be moved."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.now: datetime = NOW
        settings = {"CITYCARE_HOME": str(home), "CITYCARE_BASE_URL": BASE}
        parts = replace(
            application.PARTS,
            routers=(*ROUTERS, *application.PARTS.routers),  # before the record's own route
            templates=(*application.PARTS.templates, Path(smart.__file__).parent / "templates"),
            now=lambda: self.now,
        )
        self.app = application.create(read(settings), database, parts)

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)

    async def person(self, name: str, guardian: UUID | None = None) -> UUID:
        async def run(cx: Context) -> UUID:
            born = date(2019, 5, 4) if guardian else date(1986, 6, 20)
            new = NewPerson(name, Sex.FEMALE, born, guardian_id=guardian)
            return (await identity.register_person(cx, new, [], verified_by="window:t")).id

        return UUID(str(await self.within(run)))

    async def resident(self, name: str = "林静") -> tuple[UUID, Browser]:
        person = await self.person(name)
        return person, await self.signed_in(person, name)

    async def staff(self, role: Role, place: UUID | None, *, strong: bool = True) -> Browser:
        async def run(cx: Context) -> str:
            account = await identity.register_account(cx, "urn:t", f"{role}/{place}", name="陈立")
            await identity.add_grant(cx, account.id, Grant(role, place))
            return await identity.open_session(cx, account.id, second_factor=strong)

        browser = self.stranger()
        browser.client.cookies.set("cc_session", await self.within(run))
        return browser

    async def client(self, new: NewClient) -> tuple[Client, str | None]:
        async def run(cx: Context) -> tuple[Client, str | None]:
            await identity.register_organisation(cx, HOSPITAL)
            return await clients.register(replace(cx, actor=OPERATOR), new)

        made: tuple[Client, str | None] = await self.within(run)
        return made

    def on_record(self, token: str) -> httpx.AsyncClient:
        """A client of the record with an access token."""
        transport = httpx.ASGITransport(self.app)
        head = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(transport=transport, base_url=f"{FHIR}/", headers=head)

    async def app_of_residents(self, **changes: Any) -> App:
        new = replace(PUBLIC, **changes)
        made, secret = await self.client(new)
        return App(self, made, secret)

    async def trail(self, action: str) -> list[tuple[str, str]]:
        """What the trail has of an action: outcome and why, oldest first."""
        async with self.database.autocommit() as db:
            rows = await db.execute(
                "SELECT line::jsonb AS line FROM audit.entry WHERE action = %(a)s"
                " ORDER BY at_us, seq",
                {"a": action},
            )
            lines = [row["line"] for row in await rows.fetchall()]
        return [(one["outcome"], one["detail"].get("why", "")) for one in lines]


OPERATOR = Actor(ids.derive("smart", "operator"), None, (Grant(Role.OPERATOR),), None, "operator")
PUBLIC = NewClient("血压日记", "某某科技有限公司", Audience.RESIDENT, Auth.NONE, SCOPES,
                   redirect_uris=(BACK,))  # fmt: skip


@dataclass
class App:
    """A registered app on somebody's phone or server."""

    town: Town
    client: Client
    secret: str | None = None
    key: ECKey | None = None
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def query(self, **changes: str) -> dict[str, str]:
        """A whole authorization request; a change to "" leaves a parameter out."""
        challenge = urlsafe_b64encode(sha256(self.verifier.encode()).digest()).decode()
        whole = {
            "response_type": "code",
            "client_id": str(self.client.id),
            "redirect_uri": BACK,
            "scope": SCOPES,
            "state": "s-4711",
            "aud": FHIR,
            "code_challenge": challenge.rstrip("="),
            "code_challenge_method": "S256",
            "nonce": "n-0815",
        }
        return {name: value for name, value in {**whole, **changes}.items() if value}

    def address(self, **changes: str) -> str:
        return f"{AUTHORIZE}?{urlencode(self.query(**changes))}"

    async def code(self, browser: Browser, patient: UUID | None, **changes: Any) -> str:
        """Let somebody say yes to everything, and return the code."""
        answer = await self.allow(browser, patient, **changes)
        assert answer.status_code == 303, answer.text[:3000]
        return facts_of(answer)["code"]

    async def allow(
        self, browser: Browser, patient: UUID | None, data: list[str] | None = None, **changes: str
    ) -> httpx.Response:
        shown = self.address(**changes)
        page = await browser.page(shown)
        chosen = data if data is not None else re.findall(r'name="data"\s+value="([^"]+)"', page)
        fields = {"decision": "allow", "data": chosen, "days": "30"}
        if patient is not None:
            fields["patient"] = str(patient)
        return await browser.post(AUTHORIZE, shown, **self.query(**changes), **fields)

    async def ask(self, path: str = TOKEN, **form: str) -> httpx.Response:
        """Send a form to the server as this client, proving itself as it is registered."""
        if self.secret is not None:
            user = httpx.BasicAuth(str(self.client.id), self.secret)
            return await self.town.stranger().client.post(path, data=form, auth=user)
        if self.key is not None:
            form = {**proof(self), **form}
        elif "client_assertion" not in form:
            form = {"client_id": str(self.client.id), **form}
        return await self.town.stranger().client.post(path, data=form)

    async def exchange(self, code: str, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": BACK,
            "code_verifier": self.verifier,
        }
        return await self.ask(**{**form, **changes})

    async def refresh(self, token: str, **more: str) -> httpx.Response:
        return await self.ask(grant_type="refresh_token", refresh_token=token, **more)


def new_key(kid: str = "k1", crv: str = "P-384") -> ECKey:
    return ECKey.generate_key(crv, {"use": "sig", "kid": kid})


def public(*keys: ECKey) -> dict[str, Any]:
    return {"keys": [dict(key.as_dict(private=False)) for key in keys]}


def assertion(app: App, **changes: Any) -> str:
    """A client assertion as it should be, but for the changes; None leaves a claim out."""
    assert app.key is not None
    issued = int(app.town.now.timestamp())
    header = {"alg": "ES384", "kid": "k1", "typ": "JWT", **changes.pop("header", {})}
    whole = {
        "iss": str(app.client.id),
        "sub": str(app.client.id),
        "aud": BASE + TOKEN,
        "exp": issued + 240,
        "jti": secrets.token_urlsafe(12),
        **changes,
    }
    claims = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(header, claims, app.key, algorithms=["ES384"])


def proof(app: App, **changes: Any) -> dict[str, str]:
    return {"client_assertion_type": BEARER, "client_assertion": assertion(app, **changes)}


async def backend(town: Town, scopes: str = "system/*.rs", **changes: Any) -> App:
    key = new_key()
    new = NewClient("检验系统", "东湖医院信息科", Audience.BACKEND, Auth.KEY, scopes,
                    organisation_id=HOSPITAL.id, jwks=public(key))  # fmt: skip
    made, _ = await town.client(replace(new, **changes))
    return App(town, made, key=key)


async def exchanging(town: Town, scopes: str) -> tuple[App, httpx.AsyncClient]:
    """A backend that acts for the whole city, and its client of the record."""
    app = await backend(town, scopes)
    account = app.client.account_id
    assert account is not None
    await town.within(lambda cx: identity.add_grant(cx, account, Grant(Role.EXCHANGE)))
    given = (await app.ask(grant_type="client_credentials", scope=scopes)).json()
    return app, town.on_record(given["access_token"])


def facts_of(answer: httpx.Response) -> dict[str, str]:
    """What an answer carries back to the app in its address."""
    assert answer.headers["location"].startswith(BACK), answer.headers
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["error"], body["error_description"]
