"""Topics: kept as Basic, triggers on the version before and the new one, filters."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel.context import Context
from citycare.kernel.fhir.finding import EVERYTHING
from citycare.kit import clock
from citycare.scenarios.exchange.model.subscriptions import SubscriptionRefused
from citycare.scenarios.exchange.service.subscriptions import asking
from tests.scenarios.exchange.subscriptions.conftest import (
    ACCOUNT,
    BACKPORT,
    CLIENT,
    City,
    subscription,
)
from tests.scenarios.exchange.subscriptions.receiver import Receiver

Json = dict[str, Any]
TOPIC = "http://city.example/SubscriptionTopic/encounter-complete"
R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic."
R4B = "http://hl7.org/fhir/4.3/StructureDefinition/extension-SubscriptionTopic."


def part(name: str, **value: Any) -> Json:
    return {"url": name, **value}


def topic(*trigger: Json, id_: str = "t-1", url: str = TOPIC, **more: Any) -> Json:
    return {
        "resourceType": "Basic",
        "id": id_,
        "code": {
            "coding": [{"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}]
        },
        "extension": [
            {"url": R5 + "url", "valueUri": url},
            {"url": R4B + "resourceTrigger", "extension": list(trigger)},
        ],
        **more,
    }


ENCOUNTER = part("resource", valueUri="http://hl7.org/fhir/StructureDefinition/Encounter")
COMPLETE = part(
    "queryCriteria",
    extension=[
        part("previous", valueString="status:not=finished"),
        part("resultForCreate", valueCode="test-passes"),
        part("current", valueString="status=finished"),
        part("resultForDelete", valueCode="test-fails"),
        part("requireBoth", valueBoolean=True),
    ],
)


def encounter(id_: str, status: str, patient: str = "p-1") -> Json:
    return {
        "resourceType": "Encounter",
        "id": id_,
        "status": status,
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "AMB",
        },
        "subject": {"reference": f"Patient/{patient}"},
    }


def filtered(*filters: str) -> Json:
    told = [{"url": BACKPORT + "filter-criteria", "valueString": each} for each in filters]
    return {"_criteria": {"extension": told}}


async def told(city: City) -> list[str]:
    await city.feed()
    return [f"{each.resource_id} {each.interaction}" for each in await city.events()]


async def test_an_event_is_the_step_from_before_to_now(city: City, receiver: Receiver) -> None:
    await city.put(topic(ENCOUNTER, COMPLETE))
    await city.feed()
    await city.subscribe(subscription(receiver.url, TOPIC))
    await city.put(encounter("e-1", "arrived"), encounter("e-2", "finished"))
    await city.put(encounter("e-1", "finished"))
    await city.put(encounter("e-1", "finished"))
    await city.delete("Encounter", "e-1")
    assert await told(city) == ["e-2 create", "e-1 update"]
    await city.deliver()
    assert receiver.taken[-1].status("topic") == TOPIC


async def test_only_the_interactions_it_names_and_deletions_too(
    city: City, receiver: Receiver
) -> None:
    await city.put(topic(ENCOUNTER, part("supportedInteraction", valueCode="delete")))
    await city.feed()
    await city.subscribe(subscription(receiver.url, TOPIC))
    await city.put(encounter("e-1", "arrived"))
    await city.put(encounter("e-1", "finished"))
    await city.delete("Encounter", "e-1")
    assert await told(city) == ["e-1 delete"]
    await city.deliver()
    entries = receiver.taken[-1].json()["entry"]
    assert entries[1]["request"] == {"method": "DELETE", "url": "Encounter/e-1"}


async def test_filters_must_all_be_met_and_may_ask_for_what_was_deleted(
    city: City, receiver: Receiver
) -> None:
    await city.put(topic(ENCOUNTER))
    await city.feed()
    more = filtered("Encounter?subject=Patient/p-2", "class=AMB")
    await city.subscribe(subscription(receiver.url, TOPIC, **more))
    await city.put(encounter("e-1", "arrived"), encounter("e-2", "arrived", "p-2"))
    await city.delete("Encounter", "e-1")
    await city.delete("Encounter", "e-2")
    assert await told(city) == ["e-2 create", "e-2 delete"]


async def test_a_topic_that_goes_takes_its_subscriptions_into_error(
    city: City, receiver: Receiver
) -> None:
    await city.put(topic(ENCOUNTER))
    await city.feed()
    await city.subscribe(subscription(receiver.url, TOPIC))
    async with city.database.autocommit() as db:
        cx = Context(db, CLIENT, clock.now(), "test-request")
        assert await asking.topics(cx) == [TOPIC]
    retired = {"url": R5 + "status", "valueCode": "retired"}
    await city.put(topic(ENCOUNTER, modifierExtension=[retired]))
    await city.put(encounter("e-1", "arrived"))
    assert await told(city) == []
    stored = await city.read("Subscription", "s-1")
    assert (stored["status"], stored["error"]) == (
        "error",
        "Subscription.criteria: this server has no such topic",
    )


@pytest.mark.parametrize(
    ("criteria", "filters", "problem"),
    [
        ("http://city.example/none", [], "no such topic"),
        (TOPIC, ["Patient?name=x"], "no event is of type Patient"),
        (TOPIC, ["subject:Patient.name=x"], "no chains"),
        (TOPIC, ["_has:Observation:encounter:code=x"], "no chains"),
        (TOPIC, ["class:in=http://x.example/vs"], ":in is not served"),
        (TOPIC, ["_sort=date"], "decides on one resource"),
        (TOPIC, ["status="], "empty"),
    ],
)
async def test_what_cannot_be_served_is_refused(
    city: City, receiver: Receiver, criteria: str, filters: list[str], problem: str
) -> None:
    await city.put(topic(ENCOUNTER))
    await city.feed()
    assert city.visible[ACCOUNT] is EVERYTHING
    with pytest.raises(SubscriptionRefused) as refused:
        await city.subscribe(subscription(receiver.url, criteria, **filtered(*filters)))
    assert problem in str(refused.value.facts["problem"])
