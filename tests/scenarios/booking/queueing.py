"""A clinic that releases places by queue, at the real time; used by tests of the queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit import clock
from citycare.kit.db import Connection, Database
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.draw import Keys
from citycare.scenarios.booking.service import queue as service
from citycare.scenarios.booking.store import queue as store
from tests.scenarios.booking.conftest import clinic_of, open_slot

KEY = b"\x05" * 32
KEYS = Keys(b"\x01" * 32, b"\x02" * 32, KEY)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Release:
    """Windows of one clinic that open together."""

    clinic_id: UUID
    slots: list[UUID]
    queue_id: UUID | None


def context(db: Connection, now: datetime | None = None) -> Context:
    return Context(db, SYSTEM, now or clock.now(), "test", Channel.PHONE, "test")


async def run(database: Database, work: Callable[[Context], Awaitable[T]]) -> T:
    async with database.transaction() as db:
        return await work(context(db))


async def make_release(
    database: Database,
    *,
    places: int = 2,
    windows: int = 1,
    opens_in: timedelta = timedelta(minutes=5),
    shares: Mapping[Pool, int] | None = None,
    due: bool = True,
) -> Release:
    """Write windows that open soon, on different days, and open their queue."""

    async def make(cx: Context) -> Release:
        clinic = clinic_of()
        slots = []
        for n in range(windows):
            slot = await open_slot(
                cx,
                clinic=clinic,
                starts_at=cx.now + timedelta(days=2 + n),
                shares=shares or {Pool.PUBLIC: places},
                opens_at=cx.now + opens_in,
            )
            slots.append(slot.id)
        await service.set_queued(cx, clinic.id, queued=True)
        if due:
            await service.open_due(cx)
        queue = await store.of_clinic(cx.db, clinic.id, cx.now)
        return Release(clinic.id, slots, queue["id"] if queue else None)

    return await run(database, make)


async def open_now(database: Database, release: Release, *, rate: int = 200) -> None:
    """Let the release be half a minute ago."""

    async def shift(cx: Context) -> None:
        await cx.db.execute(
            "UPDATE booking.queue SET opens_at = now() - interval '30 s', gather_s = 1,"
            " rate_per_s = %(rate)s, advanced_at = now() WHERE id = %(queue)s",
            {"rate": rate, "queue": release.queue_id},
        )
        await cx.db.execute(
            "UPDATE booking.place SET opens_at = now() - interval '30 s'"
            " WHERE slot_id = ANY(%(slots)s)",
            {"slots": release.slots},
        )

    await run(database, shift)


async def let_all_in(database: Database, release: Release, elapsed_s: int = 5) -> int:
    """Let some seconds pass; return up to which position people are in."""
    assert release.queue_id is not None
    await run(
        database,
        lambda cx: cx.db.execute(
            "UPDATE booking.queue SET advanced_at = now() - make_interval(secs => %(s)s)",
            {"s": elapsed_s},
        ),
    )
    return await service.advance(database, release.queue_id)
