"""The queue before a release over JSON: join, ask where one stands, say which clinics queue."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, Field

from citycare.scenarios.booking.api.draw import keys_of
from citycare.scenarios.booking.api.schemas import Strict
from citycare.scenarios.booking.model.queue import Standing
from citycare.scenarios.booking.service import queue
from citycare.web.edge.contexts import ReadContext, WriteContext, gate

router = APIRouter(prefix="/api/v1/queues", tags=["booking"])
HEADER = "Queue-Token"
TOKEN_CHARS_MAX = 100


class JoinIn(Strict):
    """For whom a place in the queue is wanted."""

    person_id: UUID


class QueuedIn(Strict):
    """Whether the clinic's releases go by queue."""

    queued: bool


class StandingOut(BaseModel):
    """Where somebody stands. Send `token` as Queue-Token with the booking once `admitted`.

    `position` is null until the seconds that are put in one random order are over; `wait_s` is the
    longest it can take, null when nobody can say; ask again after `poll_s` seconds, not before.
    """

    token: str
    opens_at: datetime
    position: int | None
    ahead: int | None
    wait_s: int | None
    left: int = Field(description="places nobody has or is choosing, as of about a second ago")
    admitted: bool
    used: bool
    until: datetime | None = Field(description="an admitted token works until then")
    poll_s: int


def _out(found: Standing) -> dict[str, Any]:
    return {name: getattr(found, name) for name in StandingOut.model_fields}


@router.post("/{clinic_id}/join", response_model=StandingOut, dependencies=[gate("booking.book")])
async def join(request: Request, clinic_id: UUID, body: JoinIn, cx: WriteContext) -> Any:
    """Stand in the queue of a clinic's release. Safe to repeat: one place a person.

    Needs no Idempotency-Key: whoever stands there keeps the place, and the answer says where they
    stand now. From some minutes before the release; 409 `booking.queue_not_open` when nobody needs
    to queue.
    """
    return _out(await queue.join(cx, keys_of(request), clinic_id, body.person_id))


@router.get(
    "/standing",
    response_model=StandingOut,
    dependencies=[gate("booking.queue", anonymous=True)],
)
async def standing(
    request: Request,
    cx: ReadContext,
    queue_token: Annotated[str, Header(alias=HEADER, min_length=1, max_length=TOKEN_CHARS_MAX)],
) -> Any:
    """Tell the holder of a token where they stand."""
    return _out(await queue.standing(cx, keys_of(request), queue_token))


@router.put("/{clinic_id}", status_code=204, dependencies=[gate("booking.schedule")])
async def set_queued(clinic_id: UUID, body: QueuedIn, cx: WriteContext) -> None:
    """Say whether a clinic's releases go by queue (schedulers)."""
    await queue.set_queued(cx, clinic_id, queued=body.queued)
