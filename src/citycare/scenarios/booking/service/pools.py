"""What must be known of people before it can be said which pools they may draw on."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.rules.places import People
from citycare.scenarios.booking.store import bookings as booking_store


async def people_of(cx: Context, asked: Collection[tuple[Pool, UUID]]) -> People:
    """Read ages and past visits of (pool, person), only where the pool depends on them."""
    elders = {person for pool, person in asked if pool is Pool.ELDER}
    returning = {person for pool, person in asked if pool is Pool.FOLLOWUP}
    found = await identity.list_persons(cx, elders) if elders else {}
    return People(
        born_on={person_id: person.born_on for person_id, person in found.items()},
        seen=await _seen(cx, returning) if returning else frozenset(),
    )


async def _seen(cx: Context, persons: Collection[UUID]) -> frozenset[tuple[UUID, UUID]]:
    """Return (person, clinic) of past visits, also of those under another id of the person."""
    aliases = await identity.list_aliases(cx.db, persons)
    seen = await booking_store.seen(cx.db, set(persons).union(*aliases.values()))
    return seen | {
        (person, clinic)
        for person, others in aliases.items()
        for other, clinic in seen
        if other in others
    }
