"""What led to a booking: a number in the address, kept and read by whoever led there.

Who that is stands where the application is put together; booking only carries the number.
"""

from __future__ import annotations

from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Form, Query
from pydantic import BeforeValidator
from starlette.requests import Request

from citycare.kernel.context import Context

_OrNothing = BeforeValidator(lambda given: given or None)
InAddress = Annotated[UUID | None, _OrNothing, Query(alias="from")]
InForm = Annotated[UUID | None, _OrNothing, Form(alias="from")]


class Origins(Protocol):
    """Who leads people to bookings."""

    async def keep(self, cx: Context, booking_id: UUID, person_id: UUID, led_by: UUID) -> None:
        """Note that `led_by` led to the booking; what is not theirs is passed over."""
        ...

    async def address_of(self, cx: Context, booking_id: UUID) -> str:
        """Return where clinicians read what led to a booking; empty: nothing is known."""
        ...


def _origins(request: Request) -> Origins:
    made: Origins = request.app.state.booking_origins
    return made


async def keep(
    request: Request, cx: Context, booking_id: UUID, person_id: UUID, led: UUID | None
) -> None:
    """Note what led to a booking, if anything did."""
    if led is not None:
        await _origins(request).keep(cx, booking_id, person_id, led)


async def address_of(request: Request, cx: Context, booking_id: UUID) -> str:
    """Return where to read what led to a booking; empty: nothing is known."""
    return await _origins(request).address_of(cx, booking_id)
