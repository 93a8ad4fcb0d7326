"""What the API takes in and gives out. pydantic stays at this edge.

Whoever connects a system reads this in `/api/openapi.json`: each field says what it is, in plain
words, and what is sent has an example. `tests/contract` holds both.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from citycare.kernel.context import Channel
from citycare.scenarios.booking.model.core import Pool, Source, State

SLOT = "0193a1f0-7d1a-7c3e-9f10-2b6f6c1d4e01"
PERSON = "0193a1f0-7d1a-7c3e-9f10-2b6f6c1d4e02"
CLINIC = "0193a1f0-7d1a-7c3e-9f10-2b6f6c1d4e03"


def example(**fields: Any) -> dict[str, Any]:
    """Give a model an example in the interface description."""
    return {"examples": [fields]}


def said(words: str) -> Any:
    """Describe a field in plain words."""
    return Field(description=words)


PersonId = Annotated[UUID, said("the person it is about, by id")]
SlotId = Annotated[UUID, said("the window, by the `id` of GET /api/v1/slots")]
ClinicId = Annotated[UUID, said("a doctor's clinic or a department's general one, by id")]
HouseId = Annotated[UUID, said("the hospital or health centre, by id")]
PoolIs = Annotated[
    Pool,
    said(
        "whose places: `public` for everybody; kept are `referral` (booked by a family doctor), "
        "`onsite` (at the hospital, the same day), `elder` (from the age in the policy), "
        "`followup` (who was seen in this clinic before)"
    ),
]
StartsAt = Annotated[datetime, said("when the window begins, UTC")]
EndsAt = Annotated[datetime, said("when the window ends, UTC")]
Kind = Annotated[
    Literal["general", "expert", "special"],
    said("a department's general clinic, an expert's, or a special one"),
]
Title = Annotated[str, said("the doctor's title in Chinese, as 主任医师; empty without a doctor")]
Doctor = Annotated[str, said("the doctor's name; empty in a general clinic")]
Department = Annotated[str, said("code in 《医疗机构诊疗科目名录》, as 03.04")]
Fee = Annotated[int, said("the fee in fen: 5000 is 50 yuan")]
Next = Annotated[str | None, said("send it as `page` for the page after this; null: the last")]
Number = Annotated[int, said("the number of the place within its window, from 1")]
BookingState = Annotated[
    State,
    said(
        "`booked` and `arrived` stand; `fulfilled`: was seen; `moved`: another booking follows it; "
        "`stopped`: the clinic was stopped; `no_show`: did not come; `cancelled`"
    ),
]
CameBy = Annotated[Source, said("how it came about: booked, drawn, offered, moved, replaced")]
Follows = Annotated[UUID | None, said("the booking this one was moved from or replaces")]
WaitState = Annotated[
    Literal["waiting", "offered", "accepted", "declined", "expired", "left"],
    said("`offered`: a place is kept until `offer_until`; accept it, or leave"),
]


class Strict(BaseModel):
    """Unknown fields are refused: a typing error must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class NewBooking(Strict):
    """A place wanted in a window for a person."""

    model_config = ConfigDict(
        json_schema_extra=example(slot_id=SLOT, person_id=PERSON, pool="public")
    )

    slot_id: SlotId
    person_id: PersonId
    pool: PoolIs = Pool.PUBLIC


class Reason(Strict):
    """Why a booking is cancelled; may be empty."""

    model_config = ConfigDict(json_schema_extra=example(reason="感冒好了"))

    reason: str = Field(
        "", max_length=200, description="in the person's words; the hospital reads it"
    )


class NewWindow(Strict):
    """The window to move a booking to."""

    model_config = ConfigDict(json_schema_extra=example(slot_id=SLOT))

    slot_id: SlotId


class NewWait(Strict):
    """A wish to be offered a place that comes back."""

    model_config = ConfigDict(
        json_schema_extra=example(
            person_id=PERSON, clinic_id=CLINIC, from_day="2026-11-23", to_day="2026-11-30"
        )
    )

    person_id: PersonId
    clinic_id: ClinicId
    from_day: Annotated[date, said("the first day that would do, today or later")]
    to_day: Annotated[
        date, said("the last day; at most twice as far ahead as one can book (28 days at first)")
    ]
    pool: PoolIs = Pool.PUBLIC


class BookingOut(BaseModel):
    """A place held by a person."""

    id: Annotated[UUID, said("the booking, also the id of its FHIR Appointment")]
    slot_id: SlotId
    person_id: PersonId
    number: Number
    pool: PoolIs
    state: BookingState
    starts_at: StartsAt
    channel: Annotated[Channel, said("through what it was booked")]
    source: CameBy
    follows: Follows
    appointment: Annotated[str, said("reference to the FHIR resource: Appointment/ and the id")]


class BookingCard(BaseModel):
    """A booking as a list shows it, with the clinic's card."""

    id: Annotated[UUID, said("the booking, also the id of its FHIR Appointment")]
    slot_id: SlotId
    person_id: PersonId
    number: Number
    pool: PoolIs
    state: BookingState
    starts_at: StartsAt
    ends_at: EndsAt
    channel: Annotated[Channel, said("through what it was booked")]
    source: CameBy
    follows: Follows
    created_at: Annotated[datetime, said("when it was booked, UTC")]
    ended_at: Annotated[datetime | None, said("when it was cancelled, moved, seen …; UTC")]
    reason: Annotated[str, said("why it was cancelled or stopped; else empty")]
    clinic_id: ClinicId
    organisation_id: HouseId
    organisation_name: Annotated[str, said("the hospital's full name")]
    department_code: Department
    department_name: Annotated[str, said("the department's name in this hospital")]
    practitioner_name: Doctor
    title: Title
    room: Annotated[str, said("where to go, in the hospital's words; may be empty")]
    kind: Kind
    fee_fen: Fee


class BookingsOut(BaseModel):
    """A page of bookings."""

    items: Annotated[list[BookingCard], said("the bookings, in order")]
    next: Next


class SlotOut(BaseModel):
    """A window with open places."""

    id: Annotated[UUID, said("the window: `slot_id` of a booking")]
    clinic_id: ClinicId
    starts_at: StartsAt
    ends_at: EndsAt
    open: Annotated[int, said("places of the pool asked for that can be booked now, at least 1")]
    capacity: Annotated[int, said("all places of the window, of every pool, taken or not")]
    release: Annotated[
        Literal["first_come", "draw"],
        said("`draw`: places are given by lottery; enter it (/api/v1/draws) instead of booking"),
    ]
    organisation_id: HouseId
    organisation_name: Annotated[str, said("the hospital's full name")]
    district: Annotated[str, said("GB/T 2260 code of its district, as 310106")]
    department_code: Department
    department_name: Annotated[str, said("the department's name in this hospital")]
    practitioner_id: Annotated[UUID | None, said("the doctor; null in a general clinic")]
    practitioner_name: Doctor
    title: Title
    kind: Kind
    fee_fen: Fee


class SlotsOut(BaseModel):
    """A page of windows, by time."""

    items: Annotated[list[SlotOut], said("the windows, the soonest first")]
    next: Next


class WaitOut(BaseModel):
    """An entry in a waiting list."""

    id: Annotated[UUID, said("the entry: `wait_id` to accept or leave")]
    person_id: PersonId
    clinic_id: ClinicId
    from_day: Annotated[date, said("the first day that would do")]
    to_day: Annotated[date, said("the last day that would do")]
    pool: PoolIs
    state: WaitState


class WaitCard(WaitOut):
    """Where a person waits, and the offer made, if any."""

    position: Annotated[
        int, said("from 1; may grow on the day of joining, since all of one day are drawn by lot")
    ]
    created_at: Annotated[datetime, said("when the person joined, UTC")]
    offer_slot_id: Annotated[UUID | None, said("the window offered, if there is an offer")]
    offer_until: Annotated[datetime | None, said("until when the offer stands, UTC")]
    starts_at: Annotated[datetime | None, said("when the window offered begins, UTC")]
    ends_at: Annotated[datetime | None, said("when the window offered ends, UTC")]
    organisation_short: Annotated[str, said("the hospital's short name")]
    department_name: Annotated[str, said("the department's name in this hospital")]
    practitioner_name: Doctor
    title: Title
    fee_fen: Fee


class WaitsOut(BaseModel):
    """Where a person waits: all of it, there are never many."""

    items: Annotated[list[WaitCard], said("offers first, then by when the person joined")]


class LinkFile(BaseModel):
    """One file of a SMART Scheduling Links manifest."""

    type: Annotated[str, said("the FHIR type of its lines: Location, Schedule or Slot")]
    url: Annotated[str, said("where to read it")]


class ManifestOut(BaseModel):
    """SMART Scheduling Links: which files hold what."""

    transactionTime: Annotated[datetime, said("when it was written")]  # noqa: N815 - the standard's
    request: Annotated[str, said("the address of this manifest")]
    output: Annotated[list[LinkFile], said("the files")]
    error: Annotated[list[LinkFile], said("always empty: nothing is left out")]
