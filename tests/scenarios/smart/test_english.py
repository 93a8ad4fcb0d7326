"""The pages in English, with no Chinese left over but names."""

from __future__ import annotations

import re

from citycare.kernel.context import Role
from citycare.scenarios.smart.model import Auth
from tests.scenarios.smart.apps import HOSPITAL, Town, backend
from tests.scenarios.smart.test_staff import SCOPES, opened, staff_app, treated

NAMES = (
    "林静", "林小满", "林秀英", "血压日记", "查房助手", "检验系统", "陈立", "林", "陈",
    "某某科技有限公司", "东湖医院信息科", "东湖医院", "上海",
)  # fmt: skip


async def test_pages_of_residents(town: Town) -> None:
    mother = await town.person("林静")
    child = await town.person("林小满", guardian=mother)
    browser = await town.signed_in(mother, "林静")
    app = await town.app_of_residents()
    await browser.english(app.address(), NAMES)
    await browser.english(app.address(scope="openid"), NAMES)
    await app.code(browser, child)
    await browser.english("/me/apps", NAMES)
    (at,) = re.findall(r'href="(/me/apps/[^"/]+)"', await browser.page("/me/apps"))
    await browser.english(at, NAMES)
    await browser.english(f"{at}/end", NAMES)


async def test_pages_at_work(town: Town) -> None:
    app = await staff_app(town)
    person = await treated(town)
    doctor = await town.staff(Role.CLINICIAN, HOSPITAL.id)
    await doctor.english(f"/clinic/apps/{person}", NAMES)
    launch = await opened(doctor, app, person)
    await doctor.english(app.address(scope=SCOPES, launch=launch), NAMES)
    system = await backend(town)
    secret = await town.app_of_residents(auth=Auth.SECRET)
    operator = await town.staff(Role.OPERATOR, None)
    for path in (
        "",
        "/new",
        f"/{system.client.id}",
        f"/{system.client.id}/keys",
        f"/{system.client.id}/disable",
        f"/{secret.client.id}/secret",
    ):
        await operator.english(f"/operator/apps{path}", NAMES)
