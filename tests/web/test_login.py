from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from citycare import app as application
from citycare.kernel import identity
from citycare.kernel.context import SYSTEM, Context, Grant, Role
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.kit.errors import NotFound
from citycare.settings import Settings
from citycare.web.edge.exchange import Edge
from citycare.web.login.demo_people import DEMO_ISSUER
from citycare.web.login.provider import SignInRefused
from citycare.web.login.routes import device_of
from citycare.web.login.tokens import PersonNeeded, PlaceNotNeeded, issue_token
from citycare.web.oidc_dev import DevProvider

Browser = Callable[[], httpx.AsyncClient]
HTML = {"accept": "text/html"}


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page) or re.search(
        rf'name="{name}"[^>]*? value="([^"]*)"', page
    )
    assert found is not None, name
    return found.group(1)


async def follow(client: httpx.AsyncClient, url: str) -> httpx.Response:
    """Open an address as a browser does, through every redirect of ours."""
    for _ in range(8):
        answer = await client.get(url, headers=HTML)
        if not answer.is_redirect:
            return answer
        url = answer.headers["location"]
    raise AssertionError("too many redirects")


async def sign_in(client: httpx.AsyncClient, role: str, query: str = "") -> httpx.Response:
    """Sign in through the development provider, second step included."""
    page = await follow(client, f"/login/demo?as={role}{query}")
    if page.url.path != "/login/code":
        return page
    form = {name: field(page.text, name) for name in ("csrf", "next", "code")}
    answer = await client.post("/login/code", data=form)
    assert answer.status_code == 303, answer.text
    return await follow(client, answer.headers["location"])


@pytest.mark.parametrize(
    ("role", "home"),
    [
        ("resident", "/"),
        ("clinician", "/clinic"),
        ("clerk", "/desk"),
        ("scheduler", "/scheduler"),
        ("operator", "/operator"),
    ],
)
async def test_each_role_signs_in_and_lands_at_its_work(
    client: httpx.AsyncClient, role: str, home: str
) -> None:
    page = await sign_in(client, role)
    assert page.status_code == 200
    assert page.url.path == home
    cookie = next(c for c in client.cookies.jar if c.name == "cc_session")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"


async def test_without_the_second_step_staff_grants_do_not_work(
    client: httpx.AsyncClient,
) -> None:
    page = await follow(client, "/login/demo?as=clerk")
    assert page.url.path == "/login/code"
    answer = await client.get("/desk", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login/code?next=/desk")
    assert (await client.get("/desk")).status_code in (303, 401)


async def test_a_code_works_once(client: httpx.AsyncClient) -> None:
    page = await follow(client, "/login/demo?as=clerk")
    form = {name: field(page.text, name) for name in ("csrf", "next", "code")}
    assert (await client.post("/login/code", data=form)).status_code == 303
    again = await client.post("/login/code", data=form)
    assert again.status_code == 422
    assert "已经用过" in again.text


async def test_wrong_codes_lock_the_second_step(client: httpx.AsyncClient) -> None:
    page = await follow(client, "/login/demo?as=clerk")
    form = {name: field(page.text, name) for name in ("csrf", "next", "code")}
    right = form["code"]
    form["code"] = "000000" if right != "000000" else "111111"
    for _ in range(5):
        answer = await client.post("/login/code", data=form)
        assert answer.status_code == 422
    answer = await client.post("/login/code", data={**form, "code": right})
    assert answer.status_code == 422
    assert "以后再试" in answer.text


async def test_a_resident_may_not_enter_the_desk(client: httpx.AsyncClient) -> None:
    await sign_in(client, "resident")
    answer = await client.get("/desk", headers=HTML)
    assert answer.status_code == 403
    assert "换一个身份" in answer.text


async def to_callback(client: httpx.AsyncClient, role: str = "resident") -> str:
    """Go to the provider and back, and return the callback address without opening it."""
    answer = await client.get(f"/login/demo?as={role}")
    answer = await client.get(answer.headers["location"])
    assert "/login/callback?" in answer.headers["location"]
    return str(answer.headers["location"])


async def test_a_wrong_state_is_refused(client: httpx.AsyncClient) -> None:
    url = await to_callback(client)
    query = parse_qs(urlsplit(url).query)
    forged = urlencode({"code": query["code"][0], "state": "x" * 32})
    answer = await client.get(f"/login/callback?{forged}", headers=HTML)
    assert answer.status_code == 403
    assert "cc_session" not in client.cookies


async def test_another_browser_cannot_use_the_answer(
    client: httpx.AsyncClient, browser: Browser
) -> None:
    url = await to_callback(client)
    async with browser() as other:
        answer = await other.get(url, headers=HTML)
    assert answer.status_code == 400
    assert "重新登录" in answer.text


async def test_a_code_of_the_provider_is_good_once(client: httpx.AsyncClient) -> None:
    url = await to_callback(client)
    sign_in_cookie = client.cookies["cc_sign_in"]
    assert (await client.get(url)).status_code == 303
    client.cookies.clear()
    client.cookies.set("cc_sign_in", sign_in_cookie)
    assert (await client.get(url, headers=HTML)).status_code == 403


def forge(edge: Edge, changes: dict[str, Any], key: ECKey | None = None) -> str:
    dev = edge.dev_provider
    assert isinstance(dev, DevProvider)
    now = int(clock.now().timestamp())
    claims = {
        "iss": DEMO_ISSUER,
        "sub": "demo-resident",
        "aud": "citycare",
        "iat": now,
        "exp": now + 300,
        "nonce": "nonce-4411",
        **changes,
    }
    signer = key or dev.key
    return jwt.encode({"alg": "ES256", "kid": dev.key.kid}, claims, signer)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "another"},
        {"iss": "https://evil.example"},
        {"aud": "somebody-else"},
        {"exp": 1_700_000_000},
        {"iat": 4_000_000_000},
        {"aud": ["citycare", "other"]},
        {"azp": "other"},
        {"sub": None},
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(app: FastAPI, changes: dict[str, Any]) -> None:
    provider = app.state.edge.provider
    with pytest.raises(SignInRefused):
        await provider.check(forge(app.state.edge, changes), "nonce-4411", clock.now())


async def test_a_good_token_passes_and_skew_is_allowed(app: FastAPI) -> None:
    edge = app.state.edge
    ahead = int((clock.now() + timedelta(seconds=45)).timestamp())
    claims = await edge.provider.check(forge(edge, {"iat": ahead}), "nonce-4411", clock.now())
    assert claims["sub"] == "demo-resident"


async def test_a_token_of_another_key_or_of_none_is_refused(app: FastAPI) -> None:
    edge = app.state.edge
    other = ECKey.generate_key("P-256", auto_kid=True)
    with pytest.raises(SignInRefused):
        await edge.provider.check(forge(edge, {}, other), "nonce-4411", clock.now())
    good = forge(edge, {})
    _, body, _ = good.split(".")
    unsigned = f"eyJhbGciOiJub25lIn0.{body}."
    with pytest.raises(SignInRefused):
        await edge.provider.check(unsigned, "nonce-4411", clock.now())


async def test_a_revoked_session_is_out_at_once(
    client: httpx.AsyncClient, browser: Browser
) -> None:
    await sign_in(client, "resident")
    async with browser() as phone:
        await sign_in(phone, "resident")
        assert (await phone.get("/me", headers=HTML)).status_code == 200
        page = await client.get("/me/sessions", headers=HTML)
        form = {"csrf": field(page.text, "csrf")}
        answer = await client.post("/me/sessions/end-others", data=form)
        assert answer.status_code == 303
        assert (await phone.get("/me", headers=HTML)).status_code == 303
    page = await follow(client, "/me/sessions")
    assert "已经退出那台设备" in page.text
    assert "已经退出那台设备" not in (await client.get("/me/sessions")).text


async def test_nobody_ends_a_session_of_somebody_else(
    client: httpx.AsyncClient, browser: Browser
) -> None:
    await sign_in(client, "resident")
    page = await client.get("/me", headers=HTML)
    form = {"csrf": field(page.text, "csrf")}
    async with browser() as other:
        await sign_in(other, "operator")
        listed = (await other.get("/me/sessions", headers=HTML)).text
        assert "/end-others" not in listed
        stranger = UUID(int=7)
        answer = await client.post(f"/me/sessions/{stranger}/end", data=form)
        assert answer.status_code == 404


async def test_sign_out_ends_the_session_on_the_server(client: httpx.AsyncClient) -> None:
    await sign_in(client, "resident")
    token = client.cookies["cc_session"]
    page = await client.get("/me", headers=HTML)
    answer = await client.post("/logout", data={"csrf": field(page.text, "csrf")})
    assert answer.status_code == 303
    assert "cc_session" not in client.cookies
    client.cookies.set("cc_session", token)
    assert (await client.get("/me", headers=HTML)).status_code == 303


async def test_a_form_survives_an_expired_session(client: httpx.AsyncClient) -> None:
    await sign_in(client, "resident")
    page = await client.get("/me/people", headers=HTML)
    form = {"csrf": field(page.text, "csrf"), "person_id": field(page.text, "person_id")}
    del client.cookies["cc_session"]
    answer = await client.post("/me/people", data=form, headers=HTML)
    assert answer.status_code == 303
    door = await follow(client, answer.headers["location"])
    assert "您填的内容已经留好" in door.text
    kept = parse_qs(urlsplit(answer.headers["location"]).query)["kept"][0]
    page = await sign_in(client, "resident", f"&kept={kept}")
    assert "您填的内容还在" in page.text
    again = {"csrf": field(page.text, "csrf"), "person_id": field(page.text, "person_id")}
    assert again["person_id"] == form["person_id"]
    answer = await client.post("/me/people", data=again, headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"


async def test_a_kept_form_is_shown_to_its_own_browser_only(
    client: httpx.AsyncClient, browser: Browser
) -> None:
    answer = await client.post("/me/people", data={"person_id": "odd-5531"}, headers=HTML)
    kept = parse_qs(urlsplit(answer.headers["location"]).query)["kept"][0]
    async with browser() as other:
        page = await sign_in(other, "resident", f"&kept={kept}")
    assert "odd-5531" not in page.text


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_nobody_is_sent_to_another_site(client: httpx.AsyncClient, target: str) -> None:
    page = await sign_in(client, "resident", "&" + urlencode({"next": target}))
    assert page.url.path == "/"
    assert page.url.host == "127.0.0.1"


async def test_the_development_provider_exists_in_the_demo_only(
    settings: Settings, database: Database
) -> None:
    real = application.create(replace(settings, demo=False), database)
    assert real.state.edge.dev_provider is None
    transport = httpx.ASGITransport(real)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for path in ("/login/demo?as=operator", "/dev/oidc/authorize"):
            assert (await client.get(path, headers=HTML)).status_code == 404
        assert (await client.get("/login/start", headers=HTML)).status_code == 503
        assert "演示" not in (await client.get("/login", headers=HTML)).text


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Linux; Android 14) Chrome/130.0 MicroMessenger/8.0", "WeChat · Android"),
        ("Mozilla/5.0 (iPhone; like Mac OS X) Version/18.0 Safari/604.1", "Safari · iPhone"),
        ("curl/8.1", ""),
    ],
)
def test_a_device_has_a_name_its_owner_knows(agent: str, name: str) -> None:
    assert device_of(agent) == name


async def test_sign_in_attempts_are_limited_per_client(client: httpx.AsyncClient) -> None:
    codes = [(await client.get("/login/demo?as=resident")).status_code for _ in range(300)]
    assert codes[0] == 303
    assert codes[-1] == 429


async def test_cookies_are_host_bound_over_tls(settings: Settings, database: Database) -> None:
    base = "https://care.example"
    secure = application.create(replace(settings, base_url=base), database)
    transport = httpx.ASGITransport(secure)
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        await sign_in(client, "resident")
        cookie = next(c for c in client.cookies.jar if c.name == "__Host-cc_session")
        assert cookie.secure
        assert cookie.path == "/"
        assert not cookie.domain_specified


async def test_a_token_of_the_command_line_opens_the_desk(
    client: httpx.AsyncClient, database: Database
) -> None:
    token = await issue_token(database, Role.CLERK)
    answer = await client.get("/desk", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    with pytest.raises(PersonNeeded):
        await issue_token(database, Role.RESIDENT)


async def test_a_token_of_the_command_line_can_hold_for_one_organisation(
    database: Database,
) -> None:
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test")
        kind = identity.OrganisationKind.HOSPITAL
        house = identity.Organisation(ids.new(), "示例第一医院", "示例一院", kind, "310106")
        await identity.register_organisation(cx, house)
    token = await issue_token(database, Role.CLERK, organisation=house.id)
    async with database.transaction() as db:
        actor = (await identity.actor_of(db, [token], clock.now()))[token]
    assert actor.grants == (Grant(Role.CLERK, house.id),)
    with pytest.raises(NotFound):
        await issue_token(database, Role.CLERK, organisation=ids.new())
    with pytest.raises(PlaceNotNeeded):
        await issue_token(database, Role.RESIDENT, ids.new(), house.id)
