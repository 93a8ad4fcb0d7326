"""A resident lets an app in, the app reads and comes back, the resident takes it back."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import KeySet

from citycare.kernel import consent, identity
from citycare.kernel.context import App as NamedApp
from citycare.kernel.context import Context, Grant, Role
from citycare.kernel.events import Event
from citycare.kernel.fhir import publish
from citycare.scenarios.exchange.api import rest
from citycare.scenarios.smart import tasks
from citycare.scenarios.smart.model import Auth
from citycare.scenarios.smart.service import approving, tokens
from citycare.scenarios.smart.service.tokens import Granted
from tests.scenarios.booking.resident import BASE, must_sign_in, needs_token
from tests.scenarios.smart.apps import AUTHORIZE, FHIR, SCOPES, App, Town, facts_of, refused
from tests.web.operator_city import plain


async def found(town: Town, token: str) -> Granted | None:
    async with town.database.autocommit() as db:
        return await tokens.find(db, token, town.now)


async def test_the_whole_story(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    page = await browser.page(app.address())
    for said in ("允许“血压日记”查看健康档案？", "某某科技有限公司", "林静", "检验结果和测量值",
                 "只查看，不改动", "可以看多久", "回到 app.example.test"):  # fmt: skip
        assert said in page, said
    answer = await app.allow(browser, person)
    back = facts_of(answer)
    assert (back["state"], back["iss"]) == ("s-4711", BASE)
    given = (await app.exchange(back["code"])).json()
    assert given["patient"] == str(person)
    assert given["scope"] == SCOPES
    assert given["expires_in"] == 15 * 60
    granted = await found(town, given["access_token"])
    assert granted is not None
    assert granted.actor.person_id == person
    assert granted.actor.grants == (Grant(Role.RESIDENT),)
    assert granted.actor.app == NamedApp(app.client.id, "血压日记")
    assert (granted.client_id, granted.organisation_id) == (app.client.id, None)
    assert not granted.is_backend
    assert granted.allowed.patient_id == person
    assert granted.allowed.allows("Observation", "s")
    assert not granted.allowed.allows("Observation", "c")
    assert not granted.allowed.allows("Condition", "r")


async def test_the_id_token_says_who_and_is_signed_by_our_published_key(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    given = (await app.exchange(await app.code(browser, person))).json()
    client = town.stranger().client
    about = (await client.get("/fhir/R4/.well-known/smart-configuration")).json()
    assert about["jwks_uri"].startswith(BASE)
    keys = (await client.get(about["jwks_uri"])).json()
    assert all("d" not in key for key in keys["keys"])
    claims = jwt.decode(given["id_token"], KeySet.import_key_set(keys), ["RS256"]).claims
    assert claims["fhirUser"] == f"{FHIR}/Patient/{person}"
    assert (claims["iss"], claims["aud"]) == (about["issuer"], str(app.client.id))
    assert claims["nonce"] == "n-0815"


async def test_the_person_may_give_less(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    code = await app.code(browser, person, data=["patient/Patient.rs"])
    given = (await app.exchange(code)).json()
    assert "Observation" not in given["scope"]
    nothing = await app.allow(browser, person, data=[])
    assert nothing.status_code == 422
    assert "一项数据都没有选" in nothing.text
    more = await app.allow(browser, person, data=["patient/*.cruds"])
    assert more.status_code == 422


async def test_no_is_told_the_app_and_written_down(town: Town) -> None:
    _, browser = await town.resident()
    app = await town.app_of_residents()
    answer = await browser.post(AUTHORIZE, app.address(), **app.query(), decision="deny")
    assert facts_of(answer)["error"] == "access_denied"
    assert await town.trail("smart.approved") == [("refused", "said_no")]


async def test_refresh_tokens_rotate_and_one_that_comes_again_ends_it_all(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    first = (await app.exchange(await app.code(browser, person))).json()
    town.later(hours=2)
    assert await found(town, first["access_token"]) is None
    second = (await app.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    less = (await app.refresh(second["refresh_token"], scope="patient/Patient.r")).json()
    assert less["scope"] == "patient/Patient.r"
    whole = (await app.refresh(less["refresh_token"])).json()
    assert whole["scope"] == SCOPES
    again = await app.refresh(first["refresh_token"])
    assert refused(again) == (400, "invalid_grant", "refresh_unknown_or_used")
    assert await found(town, whole["access_token"]) is None
    assert refused(await app.refresh(whole["refresh_token"]))[1] == "invalid_grant"
    assert await town.trail("smart.ended") == [("ok", "replayed")]


async def test_what_is_over_by_time_is_over(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    given = (await app.exchange(await app.code(browser, person))).json()
    town.later(days=30, minutes=2)
    assert refused(await app.refresh(given["refresh_token"]))[2] == "approval_over"


async def test_without_offline_access_there_is_no_refresh_token(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    scope = "launch/patient patient/Patient.r"
    page = await browser.page(app.address(scope=scope))
    assert "只有这一次" in page
    given = (await app.exchange(await app.code(browser, person, scope=scope))).json()
    assert "refresh_token" not in given
    assert "id_token" not in given


async def test_signing_in_alone_hands_nothing_on(town: Town) -> None:
    browser = await town.signed_in(None, "某人")
    app = await town.app_of_residents()
    refusal = await browser.get(app.address())
    assert (refusal.status_code, "smart.no_person" in refusal.text) == (403, True)
    scope = "openid fhirUser offline_access"
    assert "用城医通登录“血压日记”？" in await browser.page(app.address(scope=scope))
    given = (await app.exchange(await app.code(browser, None, scope=scope))).json()
    assert given["scope"] == "openid fhirUser"
    assert not {"patient", "refresh_token"} & set(given)
    granted = await found(town, given["access_token"])
    assert granted is not None
    assert not granted.allowed.allows("Patient", "r")


async def test_seen_and_taken_back_in_me(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    assert "现在没有应用能看您的档案" in await browser.page("/me/apps")
    given = (await app.exchange(await app.code(browser, person))).json()
    await app.code(browser, person)  # the same app on another phone
    page = await browser.page("/me/apps")
    (at,) = re.findall(r'href="(/me/apps/[^"/]+)"', page)
    assert "林静的档案，到 2026 年12月22日" in plain(page)
    page = await browser.page(at)
    assert "检验结果和测量值" in page
    assert "不让它看了" in page
    assert "撤回对“血压日记”的同意？" in await browser.page(f"{at}/end")
    answer = await browser.post(f"{at}/end", f"{at}/end")
    assert (answer.status_code, answer.headers["location"]) == (303, "/me/apps")
    assert await found(town, given["access_token"]) is None
    assert refused(await app.refresh(given["refresh_token"]))[2] == "approval_over"
    assert await town.trail("smart.ended") == [("ok", "withdrawn")] * 2
    assert (await browser.get(at)).status_code == 404

    async def has(cx: Context) -> bool:
        return await consent.has(cx, person, approving.PURPOSE)

    assert await town.within(has) is False


async def test_another_person_sees_and_ends_nothing(town: Town) -> None:
    person, browser = await town.resident()
    _, stranger = await town.resident("周敏")
    app = await town.app_of_residents()
    await app.code(browser, person)
    (at,) = re.findall(r'href="(/me/apps/[^"/]+)"', await browser.page("/me/apps"))
    assert (await stranger.get(at)).status_code == 404
    assert (await stranger.post(f"{at}/end", "/me")).status_code == 404
    other = await app.allow(stranger, person)
    assert other.status_code == 404


async def test_a_guardian_decides_for_the_child_and_nobody_else(town: Town) -> None:
    mother = await town.person("林静")
    child = await town.person("林小满", guardian=mother)
    browser = await town.signed_in(mother, "林静")
    app = await town.app_of_residents()
    page = await browser.page(app.address())
    assert "看谁的档案？" in page
    assert "林小满" in page
    given = (await app.exchange(await app.code(browser, child))).json()
    assert given["patient"] == str(child)
    assert "林小满的档案" in await browser.page("/me/apps")
    alone = await town.signed_in(child, "林小满")
    assert (await app.allow(alone, child)).status_code == 403


async def test_a_consent_withdrawn_elsewhere_ends_the_apps(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    given = (await app.exchange(await app.code(browser, person))).json()

    async def withdraw(cx: Context) -> None:
        granted = await found(town, given["access_token"])
        assert granted is not None
        await consent.withdraw(replace(cx, actor=granted.actor), person, approving.PURPOSE)

    await town.within(withdraw)
    refusal = refused(await app.refresh(given["refresh_token"]))
    assert refusal == (400, "invalid_grant", "consent_withdrawn")
    assert await found(town, given["access_token"]) is None


async def test_a_consent_withdrawn_counts_at_once_and_agreeing_anew_brings_nothing_back(
    town: Town,
) -> None:
    person, browser = await town.resident()
    app, other = await town.app_of_residents(), await town.app_of_residents()
    old = (await app.exchange(await app.code(browser, person))).json()
    granted = await found(town, old["access_token"])
    assert granted is not None
    acting = granted.actor

    async def withdraw(cx: Context) -> None:
        await consent.withdraw(replace(cx, actor=acting), person, approving.PURPOSE)

    await town.within(withdraw)  # and no worker is there to hear of it
    assert await found(town, old["access_token"]) is None
    town.later(minutes=1)
    new = (await other.exchange(await other.code(browser, person))).json()
    assert await found(town, new["access_token"]) is not None
    assert await found(town, old["access_token"]) is None
    refusal = refused(await app.refresh(old["refresh_token"]))
    assert refusal == (400, "invalid_grant", "consent_withdrawn")


async def test_a_residents_token_is_over_with_the_account(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    given = (await app.exchange(await app.code(browser, person))).json()
    granted = await found(town, given["access_token"])
    assert granted is not None
    account = granted.actor.account_id
    assert account is not None
    await town.within(lambda cx: identity.close_account(cx, account))
    assert await found(town, given["access_token"]) is None


async def test_the_handler_spares_what_was_allowed_later(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    old = (await app.exchange(await app.code(browser, person))).json()
    facts = {"person": str(person), "purpose": approving.PURPOSE}
    event = Event("consent.withdrawn", facts, at=town.now)
    town.later(minutes=1)
    new = (await app.exchange(await app.code(browser, person))).json()
    await town.within(lambda cx: tasks.end_withdrawn(replace(cx, now=town.now), event))
    assert await found(town, old["access_token"]) is None
    assert await found(town, new["access_token"]) is not None


async def test_strangers_sign_in_first_and_come_back(town: Town) -> None:
    app = await town.app_of_residents()
    await must_sign_in(town, [app.address(), "/me/apps"])
    _, browser = await town.resident()
    await needs_token(browser, [AUTHORIZE])


async def test_elders_are_asked_little(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    page = await browser.page(app.address() + "&elder=1")
    assert "30 天" in plain(page)
    assert 'type="checkbox"' not in page
    assert 'type="radio"' not in page
    assert UUID(re.findall(r'name="patient" value="([^"]+)"', page)[0]) == person


async def test_an_app_with_a_secret_proves_itself_by_it(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents(auth=Auth.SECRET)
    assert app.secret is not None
    code = await app.code(browser, person)
    thief = App(town, app.client, secret="ccs_" + "x" * 43, verifier=app.verifier)
    assert refused(await thief.exchange(code)) == (401, "invalid_client", "secret")
    bare = App(town, app.client, verifier=app.verifier)
    assert refused(await bare.exchange(code)) == (401, "invalid_client", "method")
    assert (await app.exchange(code)).status_code == 200


async def test_a_token_opens_the_record_as_far_as_it_goes(town: Town) -> None:
    person, browser = await town.resident()
    other = await town.person("周敏")

    async def publish_(cx: Context) -> None:
        for one in (person, other):
            await publish.publish(cx, [publish.patient(await identity.get_person(cx, one), [])])

    await town.within(publish_)
    town.app.state.exchange = rest.door(town.app.state.edge, tokens.find)
    app = await town.app_of_residents()
    code = await app.code(browser, person, data=["patient/Patient.rs"])
    given = (await app.exchange(code)).json()
    client = town.stranger().client
    client.headers["authorization"] = f"Bearer {given['access_token']}"
    answer = await client.get(f"/fhir/R4/Patient/{person}")
    assert (answer.status_code, answer.json()["id"]) == (200, str(person))
    assert (await client.get(f"/fhir/R4/Patient/{other}")).status_code == 404
    assert (await client.get("/fhir/R4/Observation/x")).status_code == 403
    assert (await client.put(f"/fhir/R4/Patient/{person}", json=answer.json())).status_code == 403
    town.later(minutes=16)
    assert (await client.get(f"/fhir/R4/Patient/{person}")).status_code == 401
