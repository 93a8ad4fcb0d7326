"""A receiver, and a city whose record has subscriptions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Actor, Context
from citycare.kernel.fhir.finding import EVERYTHING, Visible
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.scenarios.exchange.model.subscriptions import Event, Owner, Pace, Standing
from citycare.scenarios.exchange.service.subscriptions import keeping
from citycare.scenarios.exchange.service.subscriptions.delivering import Deliverer
from citycare.scenarios.exchange.service.subscriptions.feeding import Feeder
from citycare.scenarios.exchange.service.subscriptions.sending import Sender
from citycare.scenarios.exchange.store import subscriptions as store
from tests.scenarios.exchange.subscriptions.receiver import Receiver, receiving

Json = dict[str, Any]
BASE = "https://city.example/fhir/R4"
ACCOUNT = UUID("018f6b2e-0000-7000-8000-000000000017")
CLIENT = Actor(ACCOUNT, None, (), name="hospital")
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
QUICK = Pace(tries=3, backoff_s=0.02, margin_s=1.0, poll_s=0.02, look_s=0.02, at_once=16)
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"


def subscription(url: str, criteria: str = "Observation?", **more: Any) -> Json:
    """Return a Subscription whose notifications are Bundles; `content` of R4 alone is None."""
    content = more.pop("content", "id-only")
    extensions = more.pop("extensions", {})
    channel: Json = {"type": "rest-hook", "endpoint": url, "payload": "application/fhir+json"}
    if content is not None:
        told = {"url": BACKPORT + "payload-content", "valueCode": content}
        channel["_payload"] = {"extension": [told]}
    if extensions:
        channel["extension"] = [
            {"url": BACKPORT + name, "valueUnsignedInt": value}
            for name, value in extensions.items()
        ]
    return {
        "resourceType": "Subscription",
        "id": "s-1",
        "status": "requested",
        "reason": "to know what happens",
        "criteria": criteria,
        "channel": channel | more.pop("channel", {}),
        **more,
    }


def observation(id_: str, code: str = "8867-4", patient: str = "p-1", **more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


@dataclass(slots=True)
class City:
    """A record with subscriptions, worked on by hand: `feed`, then `deliver`."""

    database: Database
    feeder: Feeder
    deliverer: Deliverer
    visible: dict[UUID, Visible] = field(default_factory=lambda: {ACCOUNT: EVERYTHING})

    async def subscribe(self, *resources: Json) -> None:
        """Store Subscriptions for the client, and let them become active."""
        async with self.database.transaction() as db:
            cx = Context(db, CLIENT, clock.now(), "test-request")
            for each in resources:
                await keeping.take(cx, each, base=BASE)
            await fhir.put(cx, resources)
        await self.feed()
        await self.deliverer.deliver_due()

    async def put(self, *resources: Json) -> None:
        async with self.database.transaction() as db:
            await fhir.put(Context(db, CLIENT, clock.now(), "test-request"), resources)

    async def delete(self, kind: str, id_: str) -> None:
        async with self.database.transaction() as db:
            await fhir.delete(Context(db, CLIENT, clock.now(), "test-request"), kind, id_)

    async def read(self, kind: str, id_: str) -> Json:
        async with self.database.autocommit() as db:
            return await fhir.get(Context(db, CLIENT, clock.now(), "test-request"), kind, id_)

    async def feed(self) -> None:
        """Look at all that has changed; twice, as the server's own status is a change too."""
        for _ in range(2):
            while await self.feeder.go_round() == 0.0:
                pass

    async def deliver(self, receivers_due: Callable[[], bool] | None = None) -> None:
        """Deliver until nothing is due."""
        while await self.deliverer.deliver_due():
            if receivers_due is not None and receivers_due():
                return

    async def standing(self, id_: str = "s-1") -> Standing:
        async with self.database.autocommit() as db:
            return (await store.find(db, [id_]))[0]

    async def events(self, id_: str = "s-1") -> list[Event]:
        async with self.database.autocommit() as db:
            return await store.list_events(db, id_, after=0, until=10**9, count=10**6)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
async def city(database: Database) -> AsyncIterator[City]:
    sender = Sender(LOOPBACK)
    visible = {ACCOUNT: EVERYTHING}

    async def sees(_: Context, owner: Owner) -> Visible:
        return visible.get(owner.account_id, Visible())

    yield City(
        database,
        Feeder(database, sees, BASE, QUICK),
        Deliverer(database, sender, sees, BASE, QUICK),
        visible,
    )
    await sender.close()
