"""What the API takes in and gives out. pydantic stays at this edge."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from citycare.kernel.context import Channel
from citycare.scenarios.booking.model.core import Pool, Source, State


class Strict(BaseModel):
    """Unknown fields are refused: a typing error must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class NewBooking(Strict):
    """A place wanted in a window for a person."""

    slot_id: UUID
    person_id: UUID
    pool: Pool = Pool.PUBLIC


class Reason(Strict):
    """Why a booking is cancelled; may be empty."""

    reason: str = Field("", max_length=200)


class NewWindow(Strict):
    """The window to move a booking to."""

    slot_id: UUID


class NewWait(Strict):
    """A wish to be offered a place that comes back."""

    person_id: UUID
    clinic_id: UUID
    from_day: date
    to_day: date
    pool: Pool = Pool.PUBLIC


class BookingOut(BaseModel):
    """A place held by a person. Instants are UTC."""

    id: UUID
    slot_id: UUID
    person_id: UUID
    number: int
    pool: Pool
    state: State
    starts_at: datetime
    channel: Channel
    source: Source
    follows: UUID | None
    appointment: str


class SlotOut(BaseModel):
    """A window with open places. Instants are UTC, the fee is in fen."""

    id: UUID
    clinic_id: UUID
    starts_at: datetime
    ends_at: datetime
    open: int
    capacity: int
    release: str
    organisation_id: UUID
    organisation_name: str
    district: str
    department_code: str
    department_name: str
    practitioner_id: UUID | None
    practitioner_name: str
    title: str
    kind: str
    fee_fen: int


class SlotsOut(BaseModel):
    """A page of windows; `next` asks for more."""

    items: list[SlotOut]
    next: str | None


class WaitOut(BaseModel):
    """An entry in a waiting list."""

    id: UUID
    person_id: UUID
    clinic_id: UUID
    from_day: date
    to_day: date
    pool: Pool
    state: str
