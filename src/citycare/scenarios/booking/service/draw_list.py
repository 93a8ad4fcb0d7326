"""Draws as a resident looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from citycare.kernel import audit, consent
from citycare.kernel.context import Context
from citycare.kit.db import Row
from citycare.scenarios.booking.model.draw import Draw, DrawRequest
from citycare.scenarios.booking.service.draw import get_draw
from citycare.scenarios.booking.store import draw as draw_store
from citycare.scenarios.booking.store import draw_list as store

SHOWN_FOR = timedelta(days=14)
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Look:
    """One draw from one window: what may be wished for, what this person asked and got.

    `outcome` is none until the draw is done; its wish 0 means nothing was won.
    """

    draw: Draw
    windows: Sequence[Row]
    entrants: int
    request: DrawRequest | None
    outcome: Any
    booking_id: UUID | None


async def look(cx: Context, person_id: UUID, slot_id: UUID, clinic_id: UUID) -> Look | None:
    """Return the draw of a window for a person; None while the window is in no draw.

    The reading is audited: it tells what the person asked for.
    """
    await consent.require(cx, "booking.read", person_id)
    draw_id = await store.draw_of(cx.db, slot_id)
    if draw_id is None:
        return None
    draw = await get_draw(cx.db, draw_id)
    asked = await draw_store.requests_of(cx.db, person_id, draw_id, 1)
    request = asked[0] if asked and asked[0].withdrawn_at is None else None
    outcome, booking_id = None, None
    if request is not None:
        outcome = await draw_store.outcome_of(cx.db, draw_id, request.public_id)
        if outcome is not None and outcome["wish"]:
            booking_id = await store.booking_of(cx.db, person_id, outcome["slot_id"])
        await audit.append(cx, [audit.Entry("booking.read", person_id, f"draw/{draw_id}")])
    wished = request.wishes if request is not None else ()
    return Look(
        draw=draw,
        windows=await store.windows(cx.db, draw_id, clinic_id, wished),
        entrants=await store.entrants(cx.db, draw_id) if draw.requests is None else draw.requests,
        request=request,
        outcome=outcome,
        booking_id=booking_id,
    )


async def list_entries(cx: Context, person_id: UUID) -> list[Row]:
    """Return a person's draws under way and those of the last two weeks, the latest first."""
    await consent.require(cx, "booking.read", person_id)
    return await store.entries(cx.db, person_id, cx.now - SHOWN_FOR, SHOWN)
