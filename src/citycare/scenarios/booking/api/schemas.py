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


class BookingCard(BaseModel):
    """A booking as a list shows it, with the clinic's card. Instants are UTC, the fee is in fen."""

    id: UUID
    slot_id: UUID
    person_id: UUID
    number: int
    pool: Pool
    state: State
    starts_at: datetime
    ends_at: datetime
    channel: Channel
    source: Source
    follows: UUID | None
    created_at: datetime
    ended_at: datetime | None
    reason: str
    clinic_id: UUID
    organisation_id: UUID
    organisation_name: str
    department_code: str
    department_name: str
    practitioner_name: str
    title: str
    room: str
    kind: str
    fee_fen: int


class BookingsOut(BaseModel):
    """A page of bookings; `next` asks for more."""

    items: list[BookingCard]
    next: str | None


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


class WaitCard(WaitOut):
    """Where a person waits: the position from 1, and the offer made, if any."""

    position: int
    created_at: datetime
    offer_slot_id: UUID | None
    offer_until: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None
    organisation_short: str
    department_name: str
    practitioner_name: str
    title: str
    fee_fen: int


class WaitsOut(BaseModel):
    """Where a person waits."""

    items: list[WaitCard]


class LinkFile(BaseModel):
    """One file of a SMART Scheduling Links manifest."""

    type: str
    url: str


class ManifestOut(BaseModel):
    """SMART Scheduling Links: which files hold what."""

    transactionTime: datetime  # noqa: N815 - the standard's name
    request: str
    output: list[LinkFile]
    error: list[LinkFile]
