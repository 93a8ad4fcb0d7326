"""Which booking a dialogue led to: told by whoever books, read for the clinicians' link."""

from __future__ import annotations

from uuid import UUID

from citycare.kernel import consent, identity
from citycare.kernel.context import Context
from citycare.scenarios.triage.store import led as store

ASK = "triage.ask"


async def keep(cx: Context, booking_id: UUID, person_id: UUID, dialogue_id: UUID) -> None:
    """Note that a dialogue led to a person's booking.

    Safe to repeat. A dialogue about nobody, about another person, or one that is gone is passed
    over: the number came in an address, and an address proves nothing.

    Raises:
        NotVisible: the actor may not act for the person.
    """
    await consent.require(cx, ASK, person_id)
    known_as = await identity.ids_of(cx.db, person_id)
    await store.add(cx.db, booking_id, dialogue_id, sorted(known_as, key=str), cx.now)


async def find(cx: Context, booking_id: UUID) -> UUID | None:
    """Return the dialogue that led to a booking. Only its id: reading it asks for more."""
    return await store.find(cx.db, booking_id)
