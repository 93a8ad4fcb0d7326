"""Book, cancel, move, wait: the JSON routes.

POST /api/v1/bookings does not go through FastAPI's body parsing and dependencies: it is the one
route that a whole city presses in the same second (api/rush.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, cast
from uuid import UUID

import orjson
from fastapi import APIRouter, FastAPI, Header, Path, Query, Request
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import Response

from citycare.kernel.context import Channel
from citycare.kit.errors import AppError, Incorrect
from citycare.kit.pages import PAGE_MAX
from citycare.scenarios.booking.api import schemas
from citycare.scenarios.booking.api.draw import keys_of
from citycare.scenarios.booking.api.once import KEY, KEY_CHARS_MAX, KEY_WORDS, KeyHeader, once
from citycare.scenarios.booking.api.queue import HEADER, TOKEN_CHARS_MAX
from citycare.scenarios.booking.api.rush import ACTION, Rush, Wanted
from citycare.scenarios.booking.rules.queue import claimed
from citycare.scenarios.booking.service import book, lists, wait
from citycare.scenarios.booking.service.rush import body_of
from citycare.web.edge import Json, answer, cookies, edge_of, errors, exchange_of, forgery
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.lane import Call

router = APIRouter(prefix="/api/v1", tags=["booking"])
PATH = "/api/v1/bookings"
A_PAGE = "how many on a page"
BookingId = Annotated[UUID, Path(description="the booking, by id")]
WaitId = Annotated[UUID, Path(description="the entry in the waiting list, by id")]
OfPerson = Annotated[UUID, Query(description="whose, by id")]
PageToken = Annotated[
    str | None, Query(max_length=200, description="`next` of the page before; without it the first")
]

QUEUE_WORDS = (
    "only while a release is queued for: the `token` of POST /api/v1/queues/{clinic_id}/join, "
    "once it is `admitted`"
)
TokenHeader = Annotated[
    str | None, Header(alias=HEADER, max_length=TOKEN_CHARS_MAX, description=QUEUE_WORDS)
]

NEW_BOOKING = TypeAdapter(schemas.NewBooking)


class KeyMissing(Incorrect):
    """Send an Idempotency-Key header (1 to 200 characters) so that a repetition is known."""

    code = "request.key_missing"
    words = "这次提交缺少编号，请刷新页面后再试，内容不会丢。"


def _described(shape: type[BaseModel]) -> dict[str, Any]:
    """Describe a body that FastAPI does not parse; the parts it names are among the others."""
    found = shape.model_json_schema(ref_template="#/components/schemas/{model}")
    return {name: part for name, part in found.items() if name != "$defs"}


BODY_DOC: dict[str, Any] = {
    "parameters": [
        {
            "name": KEY,
            "in": "header",
            "required": True,
            "description": KEY_WORDS,
            "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX},
        },
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "description": QUEUE_WORDS,
            "schema": {"type": "string"},
        },
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _described(schemas.NewBooking)}},
    },
}


@router.post(
    "/bookings",
    status_code=201,
    response_model=schemas.BookingOut,
    dependencies=[gate(ACTION)],
    openapi_extra=BODY_DOC,
)
async def create_booking(request: Request) -> Response:
    """Book a place in a window.

    Refused with 409: `booking.slot_unavailable` (no place is left), `booking.slot_past`,
    `booking.slot_stopped`, `booking.not_yet_open`, `booking.draw_only` (enter the draw),
    `booking.already_booked` (at this time), `booking.too_many` (limits a day, department, in all).
    With 403: `booking.pool_closed` (kept for others), `booking.on_hold` (paused after missed
    visits). With 404: `booking.slot_unknown`.

    While the release of a window is queued for: 409 `booking.queue_token_missing` and
    `booking.queue_token_early` (not your turn yet), 403 `booking.queue_token_used`, 400
    `booking.queue_token_wrong`; at other times the token is ignored.
    """
    edge, case = edge_of(request), exchange_of(request)
    token, by_cookie = cookies.find_token(request, edge)
    if token is None:
        raise errors.SignInNeeded
    if by_cookie:
        case.token, case.by_cookie = token, by_cookie
        await forgery.require(request, edge, case)
    call = Call(token, dict(request.headers.raw), await request.body(), case.request_id)
    try:
        status, body = await book_plainly(rush_of(request.app), call)
    except AppError as error:  # answered here: the batch has written the refusal down itself
        return await answer(request, error)
    return Response(body, status, media_type="application/json")


def rush_of(app: FastAPI) -> Rush:
    """Return the process's batcher, made by the composition root."""
    return cast("Rush", app.state.rush)


async def book_plainly(rush: Rush, call: Call) -> tuple[int, bytes]:
    """Serve one POST /bookings, from the lane or from the framework.

    Raises:
        AppError: any refusal; the caller writes the problem.
    """
    reply = await rush.submit(_wanted(call))
    if reply.error is not None:
        raise reply.error
    return 201, orjson.dumps(reply.body)


def _wanted(call: Call) -> Wanted:
    key = call.header(b"idempotency-key")
    if not 1 <= len(key) <= KEY_CHARS_MAX:
        raise KeyMissing
    try:
        wanted = NEW_BOOKING.validate_json(call.body)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        if found[0]["type"] == "json_invalid":
            raise errors.BodyBroken from error
        facts = {".".join(("body", *map(str, item["loc"]))): item["msg"] for item in found}
        raise errors.RequestInvalid(**facts) from error
    try:
        channel = Channel(call.header(b"x-channel", Channel.PHONE))
    except ValueError as error:
        raise errors.HeaderWrong(header="X-Channel", allowed=" ".join(Channel)) from error
    content = wanted.slot_id.bytes + wanted.person_id.bytes + wanted.pool.encode()
    digest = hashlib.sha256(b"book" + content).digest()
    return Wanted(
        call.token,
        wanted.slot_id,
        wanted.person_id,
        wanted.pool,
        channel,
        call.request_id,
        key,
        digest,
        call.header(b"queue-token"),
    )


@router.post(
    "/bookings/{booking_id}/cancel",
    response_model=schemas.BookingOut,
    dependencies=[gate("booking.cancel")],
)
async def cancel_booking(
    booking_id: BookingId, body: schemas.Reason, key: KeyHeader, cx: WriteContext
) -> Any:
    """Give a place back.

    Cancelling twice answers the same. Refused with 409: `booking.too_late` (about to begin),
    `booking.wrong_state` (was seen, moved …); with 404 `booking.unknown`.
    """

    async def run() -> tuple[int, dict[str, Any]]:
        return 200, body_of(await book.cancel(cx, booking_id, body.reason))

    return await once(cx, key, ["cancel", booking_id], run)


@router.post(
    "/bookings/{booking_id}/reschedule",
    status_code=201,
    response_model=schemas.BookingOut,
    dependencies=[gate("booking.reschedule")],
)
async def reschedule_booking(
    request: Request,
    booking_id: BookingId,
    body: schemas.NewWindow,
    key: KeyHeader,
    cx: WriteContext,
    queue_token: TokenHeader = None,
) -> Any:
    """Move a booking to another window: the new place is taken before the old one is let go.

    It stays in its pool where you may draw on that and a place is free, else it takes a public
    place. Answers with the new booking, which `follows` the old one. Refused as a booking and as a
    cancellation are; then the old booking stands as it was.
    """
    ticket = claimed(keys_of(request).queue, queue_token) if queue_token else None

    async def run() -> tuple[int, dict[str, Any]]:
        return 201, body_of(await book.reschedule(cx, booking_id, body.slot_id, ticket))

    return await once(cx, key, ["reschedule", booking_id, body.slot_id], run)


@router.get(
    "/bookings/{booking_id}",
    response_model=schemas.BookingOut,
    dependencies=[gate("booking.read")],
)
async def get_booking(booking_id: BookingId, cx: WriteContext) -> Any:
    """Return one booking.

    404 `booking.unknown` if there is none, or none that you may see. The reading is written to the
    access log that the person can read.
    """
    booking, _ = await lists.get_booking(cx, booking_id)
    row = {**booking, "appointment": f"Appointment/{booking['id']}"}
    return Json(_only(schemas.BookingOut, row))


@router.get("/bookings", response_model=schemas.BookingsOut, dependencies=[gate("booking.read")])
async def list_bookings(
    person_id: OfPerson,
    cx: WriteContext,
    *,
    upcoming: Annotated[bool, Query(description="those to come; `false`: all others")] = True,
    page: PageToken = None,
    count: Annotated[int, Query(ge=1, le=lists.MINE_MAX, description=A_PAGE)] = 20,
) -> Any:
    """Return a person's bookings.

    The person and who may book for them get all; staff of a hospital get those in their own
    hospitals, which may be none. Coming ones go from the next on, past ones from the last back.
    The reading is written to the access log that the person can read.
    """
    found = await lists.list_mine(cx, person_id, upcoming=upcoming, token=page, count=count)
    items = [_only(schemas.BookingCard, row) for row in found.items]
    return Json({"items": items, "next": found.next})


@router.get(
    "/organisations/{organisation_id}/bookings",
    response_model=schemas.BookingsOut,
    dependencies=[gate("booking.list_day")],
)
async def list_day_bookings(
    organisation_id: Annotated[UUID, Path(description="your hospital, by id")],
    on: Annotated[date, Query(description="the day, by the city's clock")],
    cx: WriteContext,
    clinic_id: Annotated[UUID | None, Query(description="only this clinic's")] = None,
    page: PageToken = None,
    count: Annotated[int, Query(ge=1, le=PAGE_MAX, description=A_PAGE)] = 50,
) -> Any:
    """Return the bookings of one day in an organisation, or in one of its clinics, by time.

    For its own staff: clerks, schedulers, clinicians. What was moved elsewhere is left out. 400
    `booking.period_wrong` for a day over ten years away. The reading is written to the access log
    of each person on the page.
    """
    found = await lists.page_of_day(cx, organisation_id, on, clinic_id, page, count)
    items = [_only(schemas.BookingCard, row) for row in found.items]
    return Json({"items": items, "next": found.next})


def _only(shape: type[BaseModel], row: Mapping[str, Any]) -> dict[str, Any]:
    """Give out what the description promises, and nothing more."""
    return {name: row[name] for name in shape.model_fields}


@router.post(
    "/waitlist",
    status_code=201,
    response_model=schemas.WaitOut,
    dependencies=[gate("booking.wait")],
)
async def join_waitlist(body: schemas.NewWait, key: KeyHeader, cx: WriteContext) -> Any:
    """Ask to be offered a place that comes back in a clinic.

    Whoever joined on an earlier day comes first; those of one day are in an order drawn by lot, so
    nobody gains by being quick. Refused with 409 `booking.already_waiting`, 404
    `booking.clinic_unknown`, 400 `booking.period_wrong` (days in the past, in the wrong order or
    too far ahead), 403 `booking.pool_closed` (the pool is kept for others; on site nobody waits).
    """

    async def run() -> tuple[int, dict[str, Any]]:
        entry = await wait.join(
            cx, body.person_id, body.clinic_id, body.from_day, body.to_day, body.pool
        )
        return 201, {name: getattr(entry, name) for name in schemas.WaitOut.model_fields}

    return await once(cx, key, ["wait", body.model_dump(mode="json")], run)


@router.get("/waitlist", response_model=schemas.WaitsOut, dependencies=[gate("booking.wait")])
async def list_waitlist(person_id: OfPerson, cx: WriteContext) -> Any:
    """Return where a person waits, at which position, and any open offer.

    Clerks see where the person waits in their own hospitals. The reading is written to the access
    log that the person can read.
    """
    rows = await lists.list_waits(cx, person_id)
    return Json({"items": [_only(schemas.WaitCard, row) for row in rows]})


@router.post(
    "/waitlist/{wait_id}/accept",
    status_code=201,
    response_model=schemas.BookingOut,
    dependencies=[gate("booking.wait")],
)
async def accept_offer(wait_id: WaitId, key: KeyHeader, cx: WriteContext) -> Any:
    """Take the place that was offered: it becomes a booking.

    Refused with 409: `booking.offer_gone` (run out, or answered before), `booking.already_booked`,
    `booking.too_many`; with 403 `booking.on_hold`; with 404 `booking.unknown`.
    """

    async def run() -> tuple[int, dict[str, Any]]:
        return 201, body_of(await wait.accept(cx, wait_id))

    return await once(cx, key, ["accept", wait_id], run)


@router.post("/waitlist/{wait_id}/leave", status_code=204, dependencies=[gate("booking.wait")])
async def leave_waitlist(wait_id: WaitId, key: KeyHeader, cx: WriteContext) -> Response:
    """Leave the waiting list, or say no to the offer, which then goes to the next.

    Leaving twice is the same. 404 `booking.unknown` if there is no such entry that you may see.
    """

    async def run() -> tuple[int, None]:
        await wait.leave(cx, wait_id)
        return 204, None

    return await once(cx, key, ["leave", wait_id], run)
