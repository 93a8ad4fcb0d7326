"""What a hostile app, thief or page tries against the app server."""

from __future__ import annotations

import asyncio
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from typing import Any

import orjson
import pytest

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.scenarios.smart import api
from citycare.scenarios.smart.model import Auth
from citycare.scenarios.smart.service import tokens
from tests.scenarios.booking.resident import BASE, CSRF, HTML
from tests.scenarios.smart.apps import (
    AUTHORIZE,
    BACK,
    SCOPES,
    TOKEN,
    App,
    Town,
    assertion,
    backend,
    facts_of,
    new_key,
    proof,
    refused,
)


async def test_a_code_used_twice_ends_what_came_of_it(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    code = await app.code(browser, person)
    given = (await app.exchange(code)).json()
    assert refused(await app.exchange(code)) == (400, "invalid_grant", "code_unknown_or_used")
    async with town.database.autocommit() as db:
        assert await tokens.find(db, given["access_token"], town.now) is None
    assert refused(await app.refresh(given["refresh_token"]))[1] == "invalid_grant"
    assert await town.trail("smart.ended") == [("ok", "replayed")]


async def test_of_many_at_once_one_gets_the_token(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    code = await app.code(browser, person)
    answers = await asyncio.gather(*(app.exchange(code) for _ in range(8)))
    assert sorted(one.status_code for one in answers) == [200] + [400] * 7


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"code_verifier": "x" * 43}, "code_verifier"),
        ({"code_verifier": ""}, "code_verifier"),
        ({"code_verifier": "é" * 43}, "code_verifier"),
        ({"redirect_uri": BACK + "/"}, "redirect_uri"),
        ({"redirect_uri": ""}, "redirect_uri"),
        ({"code": "ccc_" + "x" * 43}, "code_unknown_or_used"),
        ({"code": "\x00"}, "code_unknown"),
        ({"code": ""}, "code_unknown"),
    ],
)
async def test_a_code_needs_its_verifier_and_address(
    town: Town, changes: dict[str, str], why: str
) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    code = await app.code(browser, person)
    assert refused(await app.exchange(**{"code": code, **changes})) == (400, "invalid_grant", why)
    if "code" not in changes:  # a code that was tried is spent
        assert refused(await app.exchange(code))[1] == "invalid_grant"
    assert ("refused", why) in await town.trail("smart.issued")


async def test_a_code_serves_for_a_minute_and_its_own_client_only(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    late = await app.code(browser, person)
    stolen = await app.code(browser, person)
    other = await town.app_of_residents(name="别的应用")
    thief = App(town, other.client, verifier=app.verifier)
    assert refused(await thief.exchange(stolen))[2] == "of_another_client"
    assert await town.trail("smart.ended") == [("ok", "replayed")]
    town.later(seconds=61)
    assert refused(await app.exchange(late))[2] == "code_expired"


async def test_a_refresh_token_is_its_own_clients(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    given = (await app.exchange(await app.code(browser, person))).json()
    other = await town.app_of_residents(name="别的应用")
    assert refused(await other.refresh(given["refresh_token"]))[2] == "of_another_client"
    assert refused(await app.refresh(given["refresh_token"]))[1] == "invalid_grant"


async def test_scopes_are_never_widened(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    wide = SCOPES + " patient/*.cruds user/*.read system/*.read"
    data = ["patient/*.cruds", "patient/Patient.rs", "patient/Observation.rs", "system/*.read"]
    given = (await app.exchange(await app.code(browser, person, data=data, scope=wide))).json()
    assert given["scope"] == SCOPES
    for scope in ("patient/Patient.cruds", "patient/*.rs", "launch", "patient/Patient.r x/y"):
        given = (await app.exchange(await app.code(browser, person))).json()
        wider = await app.refresh(given["refresh_token"], scope=scope)
        assert refused(wider) == (400, "invalid_scope", "wider_than_allowed"), scope
    nothing = await browser.get(app.address(scope="patient/Condition.rs system/*.read"))
    assert facts_of(nothing)["error"] == "invalid_scope"


async def test_nothing_goes_to_an_address_that_is_not_registered(town: Town) -> None:
    _, browser = await town.resident()
    app = await town.app_of_residents()
    for uri in ("https://evil.test/", BACK + "/../x", BACK + "#", f"{BACK}@evil.test", ""):
        answer = await browser.get(app.address(redirect_uri=uri))
        assert answer.status_code == 400, uri
        assert "location" not in answer.headers
        answer = await browser.post(
            AUTHORIZE, app.address(), **app.query(redirect_uri=uri), decision="allow"
        )
        assert answer.status_code == 400, uri
    twice = await browser.get(app.address() + "&redirect_uri=https://evil.test")
    assert twice.status_code == 400
    for name in ("x", "00000000-0000-0000-0000-000000000000", str(app.client.id).upper()):
        assert (await browser.get(app.address(client_id=name))).status_code == 404


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"code_challenge": ""}, "pkce"),
        ({"code_challenge_method": "plain"}, "pkce"),
        ({"code_challenge_method": ""}, "pkce"),
        ({"state": ""}, "state"),
        ({"aud": "https://evil.test/fhir"}, "aud"),
        ({"response_type": "token"}, "response_type"),
    ],
)
async def test_an_incomplete_request_goes_back_without_asking(
    town: Town, changes: dict[str, str], why: str
) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    facts = facts_of(await browser.get(app.address(**changes)))
    assert facts["error_description"] == why
    form = {**app.query(**changes), "decision": "allow", "patient": str(person), "days": "30"}
    answer = await browser.post(AUTHORIZE, app.address(), **form)
    assert facts_of(answer)["error_description"] == why
    assert await town.trail("smart.approved") == [("refused", why)] * 2


async def test_a_yes_needs_the_form_token_of_that_browser(town: Town) -> None:
    person, browser = await town.resident()
    _, other = await town.resident("周敏")
    app = await town.app_of_residents()
    form: dict[str, Any] = {**app.query(), "decision": "allow", "patient": str(person)}
    form |= {"days": "30", "data": "patient/Patient.rs"}
    found = CSRF.search(await other.page(app.address()))
    assert found is not None
    for token in ("", "1.x", found.group(1)):
        answer = await browser.client.post(AUTHORIZE, data={**form, "csrf": token}, headers=HTML)
        assert answer.status_code == 403
    good = CSRF.search(await browser.page(app.address()))
    assert good is not None
    cross = {"origin": "https://evil.test", "sec-fetch-site": "cross-site", **HTML}
    form["csrf"] = good.group(1)
    assert (await browser.client.post(AUTHORIZE, data=form, headers=cross)).status_code == 403
    assert await town.trail("smart.approved") == []


async def test_the_page_may_end_at_the_app_and_nowhere_else(town: Town) -> None:
    _, browser = await town.resident()
    app = await town.app_of_residents()
    answer = await browser.get(app.address())
    policy = answer.headers["content-security-policy"]
    assert "form-action 'self' https://app.example.test;" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script>" not in (await browser.page(app.address(state="<script>")))


async def test_a_form_from_another_page_of_ours_is_asked_once_more(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    form = {**app.query(), "decision": "allow", "patient": str(person), "days": "30"}
    form |= {"data": "patient/Patient.rs"}
    for page, leaves in (
        ("/login/kept/x", False),
        (AUTHORIZE, False),
        (app.address(), True),
        ("", True),
    ):
        found = CSRF.search(await browser.page(app.address()))
        assert found is not None
        headers = {"referer": BASE + page, **HTML} if page else HTML
        sent = {**form, "csrf": found.group(1)}
        answer = await browser.client.post(AUTHORIZE, data=sent, headers=headers)
        assert answer.headers["location"].startswith(BACK if leaves else f"{AUTHORIZE}?response"), (
            page
        )
    assert len(await town.trail("smart.approved")) == 2


async def test_assertions_serve_once_and_only_as_signed(town: Town) -> None:
    app = await backend(town)
    one = proof(app)
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    assert (await app.ask(**form, **one)).status_code == 200
    assert refused(await app.ask(**form, **one)) == (401, "invalid_client", "assertion_replayed")
    same = proof(app, jti="j-1"), proof(app, jti="j-1")
    answers = await asyncio.gather(*(app.ask(**form, **each) for each in same))
    assert sorted(each.status_code for each in answers) == [200, 401]
    forged = assertion(replace_key(app))
    assert refused(await tried(app, forged))[2] == "assertion_signature"
    assert refused(await tried(app, assertion(app, header={"kid": "k2"})))[1] == "invalid_client"
    assert refused(await tried(app, assertion(app, aud="https://evil.test")))[1] == "invalid_client"
    head, body, signature = assertion(app).split(".")
    none = b64({"alg": "none", "kid": "k1"})
    for text in (f"{none}.{body}.", f"{none}.{body}.{signature}", f"{head}.{body}.", "x", "a.b.c",
                 f"{b64({'alg': 'HS384', 'kid': 'k1'})}.{body}.{signature}",
                 f"{head}.{b64([1])}.{signature}"):  # fmt: skip
        answer = await tried(app, text)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), text


def replace_key(app: App) -> App:
    return replace(app, key=new_key())


def b64(value: object) -> str:
    return urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


async def tried(app: App, text: str) -> Any:
    return await app.ask(
        grant_type="client_credentials", scope="system/*.rs", client_assertion=text
    )


async def test_one_way_of_proving_at_a_time_and_nothing_twice(town: Town) -> None:
    app = await town.app_of_residents()
    client, me = town.stranger().client, str(app.client.id)
    form = {"grant_type": "authorization_code", "code": "x", "client_id": me}
    basic = {"authorization": "Basic " + b64encode(f"{me}:x".encode()).decode()}
    tries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({**form, "client_secret": "x"}, {}),
        ({**form, "client_assertion": "x"}, basic),
        ({**form, "client_assertion": "x"}, {}),
        (form, basic),
        (form, {"authorization": "Bearer x"}),
        (form, {"authorization": "Basic ="}),
        ({**form, "client_id": "nobody"}, {}),
        ({"grant_type": "authorization_code"}, {}),
    ]
    for body, headers in tries:
        answer = await client.post(TOKEN, data=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), body
        assert ("www-authenticate" in answer.headers) == ("authorization" in headers)
    kind = {"content-type": api.FORM}
    for text in (f"client_id={me}&code=1&code=2", "%ff=1", "&".join(f"a{n}=1" for n in range(40))):
        answer = await client.post(TOKEN, content=text, headers=kind)
        assert refused(answer)[:2] == (400, "invalid_request"), text
    answer = await client.post(TOKEN, json={"client_id": me})
    assert refused(answer)[:2] == (400, "invalid_request")


async def test_cookies_carry_no_power_at_the_token_endpoint(town: Town) -> None:
    _, browser = await town.resident()
    answer = await browser.client.post(TOKEN, data={"grant_type": "authorization_code"})
    assert answer.status_code == 401


async def test_an_app_of_residents_cannot_act_by_itself(town: Town) -> None:
    app = await town.app_of_residents()
    answer = await app.ask(grant_type="client_credentials", scope=SCOPES)
    assert refused(answer) == (400, "unauthorized_client", "not_a_backend")
    for kind in ("password", "implicit", ""):
        assert refused(await app.ask(grant_type=kind))[1] == "unsupported_grant_type"


async def test_too_many_from_one_address_wait(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "BURST", 3)
    app = await town.app_of_residents()
    answers = [await app.refresh("ccr_x") for _ in range(5)]
    assert [one.status_code for one in answers] == [400, 400, 400, 429, 429]
    assert answers[-1].json()["error"] == "temporarily_unavailable"
    assert answers[-1].headers["retry-after"]


async def test_a_switched_off_app_and_a_closed_account_get_nothing(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    given = (await app.exchange(await app.code(browser, person))).json()

    async def close(cx: Context) -> None:
        async with town.database.autocommit() as db:
            granted = await tokens.find(db, given["access_token"], town.now)
        assert granted is not None
        assert granted.actor.account_id is not None
        await identity.close_account(cx, granted.actor.account_id)

    await town.within(close)
    assert refused(await app.refresh(given["refresh_token"]))[2] == "account_closed"


async def test_nothing_secret_is_stored_or_written_into_the_trail(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents(auth=Auth.SECRET)
    code = await app.code(browser, person)
    given = (await app.exchange(code)).json()
    words = [code, app.secret or "", given["access_token"], given["refresh_token"]]
    async with town.database.autocommit() as db:
        for table in ("client", "code", "access", "refresh", "approval"):
            rows = await db.execute(f"SELECT t::text AS text FROM smart.{table} t".encode())
            text = "".join(row["text"] for row in await rows.fetchall())
            assert not any(word in text for word in words)
        rows = await db.execute("SELECT line FROM audit.entry")
        assert not any(word in row["line"] for row in await rows.fetchall() for word in words)
