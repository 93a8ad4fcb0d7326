"""Booking's port for what led to a booking, answered by the triage."""

from __future__ import annotations

from uuid import UUID

from citycare.kernel.context import Context
from citycare.scenarios.triage.service import led


class Origins:
    """Dialogues of the triage that led to bookings."""

    async def keep(self, cx: Context, booking_id: UUID, person_id: UUID, led_by: UUID) -> None:
        """Note the dialogue; one that is not about this person is passed over."""
        await led.keep(cx, booking_id, person_id, led_by)

    async def address_of(self, cx: Context, booking_id: UUID) -> str:
        """Return the page of why, for clinicians; empty: no dialogue led to it."""
        found = await led.find(cx, booking_id)
        return f"/clinic/triage/{found}" if found is not None else ""
