"""Subscriptions of apps: told is what the app may read, as long as it is in use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from citycare import worker
from citycare.kernel import identity
from citycare.kernel.context import Context, Grant, Role
from citycare.kernel.fhir.finding import Visible
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.scenarios.exchange.model.subscriptions import Owner
from citycare.scenarios.exchange.service.subscriptions.delivering import Deliverer
from citycare.scenarios.exchange.service.subscriptions.feeding import Feeder
from citycare.scenarios.exchange.service.subscriptions.sending import Sender
from citycare.scenarios.smart.service import clients
from tests.scenarios.exchange.subscriptions.conftest import (
    LOOPBACK,
    QUICK,
    City,
    observation,
    subscription,
)
from tests.scenarios.exchange.subscriptions.receiver import Receiver
from tests.scenarios.exchange.subscriptions.test_topics import TOPIC, part, topic
from tests.scenarios.smart.apps import FHIR, HOSPITAL, OPERATOR, App, Town, exchanging
from tests.scenarios.smart.conftest import town
from tests.scenarios.smart.test_staff import treated

__all__ = ["town"]


@pytest.fixture
async def city(database: Database) -> AsyncIterator[City]:
    """Return the city with the worker's own idea of who sees what."""
    sender = Sender(LOOPBACK)
    feeder = Feeder(database, worker.sees, FHIR, QUICK)
    yield City(database, feeder, Deliverer(database, sender, worker.sees, FHIR, QUICK))
    await sender.close()


def about(kind: str) -> dict[str, object]:
    url = f"http://hl7.org/fhir/StructureDefinition/{kind}"
    return topic(part("resource", valueUri=url))


async def asked(client: httpx.AsyncClient, url: str, criteria: str) -> None:
    asked = subscription(url, criteria, content="full-resource")
    answer = await client.put("Subscription/s-1", json=asked)
    assert answer.status_code == 201, answer.text


def told_of(receiver: Receiver, id_: str) -> bool:
    return any(f'"{id_}"' in request.body.decode() for request in receiver.taken)


async def switch(town: Town, app: App, *, on: bool) -> None:
    await town.within(lambda cx: clients.switch(replace(cx, actor=OPERATOR), app.client.id, on=on))


@pytest.mark.parametrize(("more", "told"), [("", False), (" system/Observation.r", True)])
async def test_a_topic_that_becomes_another_tells_an_app_of_nothing_it_may_not_read(
    town: Town, city: City, receiver: Receiver, more: str, *, told: bool
) -> None:
    scopes = f"system/Patient.rs system/Basic.crus system/Subscription.crus{more}"
    _, client = await exchanging(town, scopes)
    assert (await client.put("Basic/t-1", json=about("Patient"))).status_code == 201
    await city.feed()
    await asked(client, receiver.url, TOPIC)
    await city.feed()
    await city.deliver()
    assert (await client.put("Basic/t-1", json=about("Observation"))).status_code == 200
    await city.feed()
    await city.put(observation("o-1"))
    await city.feed()
    await city.deliver()
    assert told_of(receiver, "o-1") is told


async def test_an_app_that_is_switched_off_is_told_nothing_more(
    town: Town, city: City, receiver: Receiver
) -> None:
    app, client = await exchanging(town, "system/*.cruds")
    await asked(client, receiver.url, "Observation?")
    await city.feed()
    await city.deliver()
    await city.put(observation("o-1"))
    await city.feed()  # so it waits to be told
    await switch(town, app, on=False)
    await city.put(observation("o-2"))
    await city.feed()
    await city.deliver()
    await switch(town, app, on=True)
    await city.put(observation("o-3"))
    await city.feed()
    await city.deliver()
    assert [told_of(receiver, id_) for id_ in ("o-1", "o-2", "o-3")] == [False, False, True]


async def test_an_app_that_is_gone_sees_nothing(town: Town) -> None:
    app, _ = await exchanging(town, "system/*.rs")
    account = app.client.account_id
    assert account is not None

    async def seen(cx: Context) -> list[Visible]:
        owners = [Owner(account, None, app_id) for app_id in (app.client.id, ids.new())]
        return [await worker.sees(cx, one) for one in owners]

    there, gone = await town.within(seen)
    assert there.everything
    assert gone == Visible()


async def test_an_app_that_is_no_system_any_more_sees_nobody(town: Town) -> None:
    app, _ = await exchanging(town, "system/*.rs")
    account = app.client.account_id
    assert account is not None
    await treated(town)

    async def seen(cx: Context) -> list[Visible]:
        await identity.add_grant(cx, account, Grant(Role.CLINICIAN, HOSPITAL.id))
        await identity.end_grant(cx, account, Grant(Role.EXCHANGE))
        return [
            await worker.sees(cx, Owner(account, None, app_id)) for app_id in (app.client.id, None)
        ]

    as_app, as_clinician = await town.within(seen)
    assert (as_app.patients, as_app.organisations) == (frozenset(), frozenset())
    assert as_clinician.patients
