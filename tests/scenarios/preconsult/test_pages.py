"""The pages without script: the patient answers, the doctor reads and decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from citycare.kit.db import Database
from tests.scenarios.booking.resident import House
from tests.scenarios.preconsult.city import (
    doctor,
    prepared_city,
    sent,
)

CODES = "https://citycare.example/fhir/CodeSystem/preconsult-answer"
FINDINGS = "https://citycare.example/fhir/CodeSystem/triage-finding"
ANSWERS = {
    "q.g-now/heart-beat": f"{CODES}|normal-beat",
    "q.g-now/breath": f"{FINDINGS}|exertion_breath",
    "q.g-medicine/medicine-any": "true",
    "q.g-allergy/allergy-any": "true",
}


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


async def test_the_thin_path_from_the_booking_to_the_doctor(house: House) -> None:
    made = await prepared_city(house)
    browser = await house.signed_in(made.person)
    assert made.prepare in await browser.page(f"/bookings/{made.id}")
    page = await browser.page(made.prepare)
    assert "走快了胸闷" in page
    assert "您已经说过的" in page
    assert "缬沙坦" in page
    done = await sent(browser, made.prepare, go="send", **ANSWERS)
    assert done.status_code == 303, done.text[-3000:]
    assert "发给医生了" in await browser.page(made.prepare)
    client = await doctor(house)
    read = (await client.get(made.prepared)).text
    for words in ("主诉", "走快了胸闷", "否认心悸", "缬沙坦", "青霉素", "导诊时说的", "病历里的"):
        assert words in read, words
