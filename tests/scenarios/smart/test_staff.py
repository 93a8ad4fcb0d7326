"""Apps at work: opened with a patient at hand, or by themselves; the operator's pages."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from citycare.kernel import consent, identity
from citycare.kernel.consent import CareRow
from citycare.kernel.context import Context, Grant, Role
from citycare.kit import ids
from citycare.scenarios.smart.model import Audience, Auth
from citycare.scenarios.smart.service import tokens
from citycare.scenarios.smart.service.tokens import Granted
from tests.conftest import NOW
from tests.scenarios.booking.resident import Browser, must_sign_in
from tests.scenarios.smart.apps import FHIR, HOSPITAL, App, Town, facts_of, new_key, public
from tests.web.operator_city import plain

SCOPES = "launch openid fhirUser patient/*.rs user/Patient.rs"
OPEN = "https://app.example.test/open"


async def staff_app(town: Town, **changes: Any) -> App:
    return await town.app_of_residents(
        audience=Audience.STAFF, organisation_id=HOSPITAL.id, scopes=SCOPES, launch_url=OPEN,
        name="查房助手", **changes,
    )  # fmt: skip


async def treated(town: Town, name: str = "林秀英") -> UUID:
    person = await town.person(name)
    day = timedelta(days=1)
    row = CareRow(person, HOSPITAL.id, None, f"Appointment/{person}", NOW - day, NOW + day)
    await town.within(lambda cx: consent.open_care(cx, [row]))
    return person


async def opened(doctor: Browser, app: App, person: UUID) -> str:
    """Open the app with a patient, and return what it brings back."""
    page = await doctor.page(f"/clinic/apps/{person}")
    assert "查房助手" in page
    answer = await doctor.get(f"/clinic/apps/{person}/{app.client.id}")
    assert answer.headers["location"].startswith(OPEN)
    facts = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert facts["iss"] == FHIR
    return facts["launch"]


async def test_an_app_opened_with_a_patient_gets_that_patient(town: Town) -> None:
    app = await staff_app(town)
    person = await treated(town)
    doctor = await town.staff(Role.CLINICIAN, HOSPITAL.id)
    launch = await opened(doctor, app, person)
    page = await doctor.page(app.address(scope=SCOPES, launch=launch))
    assert "林秀英" in page
    assert 'type="checkbox"' not in page
    given = (await app.exchange(await app.code(doctor, person, scope=SCOPES, launch=launch))).json()
    assert given["patient"] == str(person)
    assert "refresh_token" not in given
    async with town.database.autocommit() as db:
        granted = await tokens.find(db, given["access_token"], NOW)
    assert granted is not None
    assert granted.actor.grants == (Grant(Role.CLINICIAN, HOSPITAL.id),)
    assert granted.patient_id == person
    assert granted.organisation_id == HOSPITAL.id
    assert await consent_of(town, person) is False


async def consent_of(town: Town, person: UUID) -> bool:
    return bool(await town.within(lambda cx: consent.has(cx, person, "record.apps")))


async def test_without_a_patient_at_hand_there_are_no_scopes_of_one(town: Town) -> None:
    app = await staff_app(town)
    doctor = await town.staff(Role.CLINICIAN, HOSPITAL.id)
    code = await app.code(doctor, None, scope=SCOPES)
    given = (await app.exchange(code)).json()
    assert given["scope"] == "openid fhirUser user/Patient.rs"
    assert "patient" not in given


async def test_its_token_is_over_when_its_user_is_no_longer_staff_there(town: Town) -> None:
    app = await staff_app(town)
    doctor = await town.staff(Role.CLINICIAN, HOSPITAL.id)
    code = await app.code(doctor, None, scope=SCOPES)
    given = (await app.exchange(code)).json()

    async def found() -> Granted | None:
        async with town.database.autocommit() as db:
            return await tokens.find(db, given["access_token"], NOW)

    granted = await found()
    assert granted is not None
    account = granted.actor.account_id
    assert account is not None
    (grant,) = granted.actor.grants
    await town.within(lambda cx: identity.end_grant(cx, account, grant))
    assert await found() is None


async def test_a_launch_serves_its_account_app_and_five_minutes_only(town: Town) -> None:
    app, other = await staff_app(town), await staff_app(town)
    person = await treated(town)
    doctor = await town.staff(Role.CLINICIAN, HOSPITAL.id)
    colleague = await town.staff(Role.COMMUNITY_GP, HOSPITAL.id)
    launch = await opened(doctor, app, person)
    for browser, asking, sealed in (
        (colleague, app, launch),
        (doctor, other, launch),
        (doctor, app, launch[:-2] + "xx"),
        (doctor, app, "x"),
    ):
        answer = await browser.get(asking.address(scope=SCOPES, launch=sealed))
        assert facts_of(answer)["error_description"] == "launch"
    town.later(minutes=5)
    answer = await doctor.get(app.address(scope=SCOPES, launch=launch))
    assert facts_of(answer)["error_description"] == "launch"


async def test_whoever_is_not_treated_here_is_not_opened(town: Town) -> None:
    app = await staff_app(town)
    stranger = await town.person("周敏")
    doctor = await town.staff(Role.CLINICIAN, HOSPITAL.id)
    assert (await doctor.get(f"/clinic/apps/{stranger}")).status_code == 404
    assert (await doctor.get(f"/clinic/apps/{stranger}/{app.client.id}")).status_code == 404
    await must_sign_in(town, [f"/clinic/apps/{stranger}"])


async def test_apps_of_staff_are_for_clinical_staff_of_the_house(town: Town) -> None:
    app = await staff_app(town)
    elsewhere = ids.derive("smart", "elsewhere")
    house = replace(HOSPITAL, id=elsewhere, name="西山医院")
    await town.within(lambda cx: identity.register_organisation(cx, house))
    _, resident = await town.resident()
    clerk = await town.staff(Role.CLERK, HOSPITAL.id)
    other = await town.staff(Role.CLINICIAN, elsewhere)
    for browser in (resident, clerk, other):
        answer = await browser.get(app.address(scope=SCOPES))
        assert answer.status_code == 403
        assert "smart.staff_only" in answer.text
    weak = await town.staff(Role.CLINICIAN, HOSPITAL.id, strong=False)
    answer = await weak.get(app.address(scope=SCOPES))
    assert answer.headers["location"].startswith("/login/code?next=/oauth/authorize")


async def test_a_role_taken_away_before_the_token_is_no_role(town: Town) -> None:
    app = await staff_app(town)
    doctor = await town.staff(Role.CLINICIAN, HOSPITAL.id)
    code = await app.code(doctor, None, scope=SCOPES)

    async def take(cx: Context) -> None:
        account = await identity.register_account(
            cx, "urn:t", f"{Role.CLINICIAN}/{HOSPITAL.id}", name="陈立"
        )
        await identity.end_grant(cx, account.id, Grant(Role.CLINICIAN, HOSPITAL.id))

    await town.within(take)
    assert (await app.exchange(code)).json()["error_description"] == "no_longer_staff"


def form(**changes: str) -> dict[str, str]:
    whole = {
        "name": "检验系统", "publisher": "东湖医院信息科", "audience": "backend",
        "auth": "private_key_jwt", "organisation": str(HOSPITAL.id), "scopes": "system/*.rs",
        "jwks_url": "https://keys.example.test/jwks",
    }  # fmt: skip
    return {**whole, **changes}


async def test_an_operator_registers_gives_new_keys_and_switches_off(town: Town) -> None:
    await staff_app(town)
    operator = await town.staff(Role.OPERATOR, None)
    page = await operator.page("/operator/apps")
    assert "查房助手" in page
    new = "/operator/apps/new"
    assert "公钥清单（JWKS）" in await operator.page(new)
    answer = await operator.post(new, new, **form())
    assert answer.status_code == 303
    at = answer.headers["location"]
    page = await operator.page(at)
    assert "机构的后台系统" in page
    assert "https://keys.example.test/jwks" in page
    answer = await operator.post(f"{at}/keys", f"{at}/keys", jwks="{")
    assert (answer.status_code, "不是一份公钥清单" in answer.text) == (422, True)
    weak = str(public(new_key(crv="P-256"))).replace("'", '"')
    answer = await operator.post(f"{at}/keys", f"{at}/keys", jwks=weak)
    assert (answer.status_code, "公钥不够强" in answer.text) == (422, True)
    good = str(public(new_key("k-7"))).replace("'", '"')
    answer = await operator.post(f"{at}/keys", f"{at}/keys", jwks=good)
    assert answer.status_code == 303
    assert "k-7" in await operator.page(at)
    assert "停用“检验系统”？" in await operator.page(f"{at}/disable")
    await operator.post(f"{at}/disable", f"{at}/disable")
    assert "已停用" in await operator.page(at)
    await operator.post(f"{at}/enable", at)
    assert "停用于" not in await operator.page(at)
    for what, count in (("registered", 2), ("rotated", 1), ("disabled", 1), ("enabled", 1)):
        assert len(await town.trail(f"smart.client_{what}")) == count, what


async def test_a_secret_is_told_once(town: Town) -> None:
    app = await town.app_of_residents(auth=Auth.SECRET)
    operator = await town.staff(Role.OPERATOR, None)
    at = f"/operator/apps/{app.client.id}"
    assert "ccs_" not in await operator.page(at)
    answer = await operator.post(f"{at}/secret", f"{at}/secret")
    (secret,) = set(re.findall(r"ccs_[\w-]+", answer.text))
    assert "只显示这一次" in answer.text
    assert "ccs_" not in await operator.page(at)
    ended = await app.refresh("ccr_x")
    assert ended.json()["error_description"] == "secret"
    app.secret = secret
    assert (await app.refresh("ccr_x")).json()["error"] == "invalid_grant"


async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(town: Town) -> None:
    await staff_app(town)
    operator = await town.staff(Role.OPERATOR, None)
    new = "/operator/apps/new"
    for changes, said in (
        ({"name": ""}, "这里还没有填"),
        ({"auth": "none"}, "后台系统只能用私钥签名"),
        ({"jwks_url": "http://x.test"}, "公钥地址要以 https:// 开头"),
        ({"scopes": "patient/*.rs"}, "后台系统只能要 system/…"),
        ({"scopes": "system/*.rs 全部"}, "这一项看不懂，请对照规范改正：全部"),
        ({"audience": "resident", "auth": "none", "jwks_url": "", "redirect_uris": "x"},
         "返回地址要以 https:// 开头"),
    ):  # fmt: skip
        answer = await operator.post(new, new, **form(**changes))
        assert answer.status_code == 422, changes
        assert said in plain(answer.text), changes
        assert "东湖医院信息科" in answer.text


async def test_only_operators_see_what_is_registered(town: Town) -> None:
    app = await staff_app(town)
    paths = ["/operator/apps", "/operator/apps/new", f"/operator/apps/{app.client.id}"]
    await must_sign_in(town, paths)
    clerk = await town.staff(Role.CLERK, None)
    doctor = await town.staff(Role.OPERATOR, HOSPITAL.id)  # of one house only
    for browser in (clerk, doctor):
        for path in paths:
            assert (await browser.get(path)).status_code == 403
