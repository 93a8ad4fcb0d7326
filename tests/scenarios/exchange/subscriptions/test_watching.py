"""Who is to be told: the index finds whoever would be found by looking at all."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir.changes import Change
from citycare.kernel.fhir.finding import Visible
from citycare.kernel.fhir.searching.indexing import indexed
from citycare.kernel.fhir.searching.keys import owner_key
from citycare.scenarios.exchange.rules import subscriptions as rules
from citycare.scenarios.exchange.service.subscriptions.watching import (
    Plan,
    Watch,
    sees,
    watches,
)
from tests.conftest import NOW
from tests.scenarios.exchange.subscriptions.conftest import BASE, observation, subscription

Json = dict[str, Any]
URL = "https://hospital.example/hook"
ORGANISATION = UUID("018f6b2e-0000-7000-8000-000000000031")
PERSON = UUID("018f6b2e-0000-7000-8000-000000000032")


def change(resource: Json, *more_keys: int, deleted: bool = False) -> Change:
    keys = () if deleted else (*indexed(resource, BASE).keys, *more_keys)
    body = None if deleted else fhir.dumps(resource)
    return Change(
        1, resource["resourceType"], resource["id"], 1, NOW, deleted, keys, len(body or ""), body
    )


def watch(criteria: str, id_: str = "s-1") -> list[Watch]:
    read = rules.read_subscription(subscription(URL, criteria, id=id_))
    return watches(read, {}, now=NOW, base=BASE)


def plan_of(every: list[Watch]) -> Plan:
    plan = Plan()
    for each in every:
        plan.put(each.subscription_id, [each])
    return plan


CRITERIA = [
    "Observation",
    "Observation?",
    "Observation?code={code}",
    "Observation?code=http://loinc.org|{code}",
    "Observation?code=http://loinc.org%7C{code},http://loinc.org|none",
    "Observation?code=http://loinc.org|",
    "Observation?code:not={code}",
    "Observation?subject=Patient/{patient}",
    "Observation?patient={patient}",
    "Observation?patient={patient}&code={code}",
    "Observation?subject={patient}&status=final",
    "Observation?status=final,amended",
    "Observation?date=ge2026-11-01T00:00:00+08:00",
    "Observation?value-quantity=gt5",
    "Observation?_id={id}",
    "Observation?subject=" + BASE + "/Patient/{patient}",
    "Condition?subject=Patient/{patient}",
    "Patient?name=li",
]


def test_the_index_misses_nobody_whom_looking_at_all_finds() -> None:
    dice = random.Random(11)
    every: list[Watch] = []
    for number in range(600):
        filled = dice.choice(CRITERIA).format(
            code=dice.randrange(6), patient=f"p-{dice.randrange(6)}", id=f"o-{dice.randrange(6)}"
        )
        every += watch(filled, f"s-{number}")
    plan = plan_of(every)
    for number in range(120):
        resource = observation(
            f"o-{number % 9}",
            str(dice.randrange(6)),
            f"p-{dice.randrange(6)}",
            status=dice.choice(["final", "amended", "preliminary"]),
            effectiveDateTime=f"2026-{dice.choice(['10', '11'])}-05",
            valueQuantity={"value": dice.randrange(10)},
        )
        one = change(resource)
        all_of = {
            each.subscription_id
            for each in every
            if each.trigger.type == one.type and each.meets(one, resource, None)
        }
        some = plan.candidates(one)
        assert {each.subscription_id for each in some if each.meets(one, resource, None)} == all_of
        assert all_of
        assert len(some) == len(set(some))


def test_who_waits_for_a_patient_costs_the_changes_of_others_nothing() -> None:
    every = [
        each
        for number in range(1_000)
        for each in watch(f"Observation?patient=Patient/p-{number}", f"s-{number}")
    ]
    plan = plan_of(every)
    assert [each.subscription_id for each in plan.candidates(change(observation("o-1")))] == ["s-1"]
    assert plan.candidates(change({"resourceType": "Location", "id": "l-1"})) == []
    assert plan.candidates(change(observation("o-1"), deleted=True)) == []


def test_a_subscription_that_changes_or_goes_is_found_so() -> None:
    plan = plan_of(watch("Observation?code=1") + watch("Observation?code=1", "s-2"))
    one = change(observation("o-1", "1"))
    assert len(plan.candidates(one)) == 2
    plan.put("s-1", watch("Observation?code=2"))
    assert [each.subscription_id for each in plan.candidates(one)] == ["s-2"]
    plan.drop("s-2")
    plan.drop("never there")
    assert plan.candidates(one) == []


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (Visible(), False),
        (Visible(everything=True), True),
        (Visible(everything=True, types=frozenset(("Patient",))), False),
        (Visible(open_types=frozenset(("Observation",))), True),
        (Visible(patients=frozenset((str(PERSON),))), True),
        (Visible(patients=frozenset((str(ORGANISATION),))), False),
        (Visible(organisations=frozenset((ORGANISATION,))), True),
        (Visible(organisations=frozenset((PERSON,))), False),
    ],
)
def test_what_may_be_seen_is_decided_as_in_a_search(
    visible: Visible,
    expected: bool,  # noqa: FBT001
) -> None:
    one = change(observation("o-1", patient=str(PERSON)), owner_key(str(ORGANISATION)))
    assert sees(visible, one) is expected
