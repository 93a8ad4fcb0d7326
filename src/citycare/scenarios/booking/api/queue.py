"""The queue before a release over JSON: join, ask where one stands, say which clinics queue."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Request
from pydantic import BaseModel, ConfigDict

from citycare.scenarios.booking.api.draw import keys_of
from citycare.scenarios.booking.api.schemas import PERSON, PersonId, Strict, example, said
from citycare.scenarios.booking.model.queue import Standing
from citycare.scenarios.booking.service import queue
from citycare.web.edge.contexts import ReadContext, WriteContext, gate

router = APIRouter(prefix="/api/v1/queues", tags=["booking"])
HEADER = "Queue-Token"
TOKEN_CHARS_MAX = 100
ClinicId = Annotated[UUID, Path(description="the clinic, by id")]


class JoinIn(Strict):
    """For whom a place in the queue is wanted."""

    model_config = ConfigDict(json_schema_extra=example(person_id=PERSON))

    person_id: PersonId


class QueuedIn(Strict):
    """Whether the clinic's releases go by queue."""

    model_config = ConfigDict(json_schema_extra=example(queued=True))

    queued: Annotated[bool, said("`true`: from the next release on one queues; `false`: no more")]


class StandingOut(BaseModel):
    """Where somebody stands in a queue."""

    token: Annotated[str, said("send it as Queue-Token with the booking once `admitted`")]
    opens_at: Annotated[datetime, said("when the places are released, UTC")]
    position: Annotated[
        int | None,
        said("from 1; null until the seconds that are put in one random order are over"),
    ]
    ahead: Annotated[int | None, said("how many stand before; null as long as `position` is")]
    wait_s: Annotated[int | None, said("the longest it can take, in seconds; null: unknown")]
    left: Annotated[int, said("places nobody has or is choosing, as of about a second ago")]
    admitted: Annotated[bool, said("whether it is their turn to book")]
    used: Annotated[bool, said("whether the token has been used for a booking")]
    until: Annotated[datetime | None, said("an admitted token works until then, UTC")]
    poll_s: Annotated[int, said("ask again after so many seconds, not before")]


def _out(found: Standing) -> dict[str, Any]:
    return {name: getattr(found, name) for name in StandingOut.model_fields}


@router.post("/{clinic_id}/join", response_model=StandingOut, dependencies=[gate("booking.book")])
async def join_queue(request: Request, clinic_id: ClinicId, body: JoinIn, cx: WriteContext) -> Any:
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
async def get_standing(
    request: Request,
    cx: ReadContext,
    queue_token: Annotated[
        str,
        Header(
            alias=HEADER,
            min_length=1,
            max_length=TOKEN_CHARS_MAX,
            description="the `token` of the answer to joining; it is all the permission needed",
        ),
    ],
) -> Any:
    """Tell the holder of a token where they stand. 400 `booking.queue_token_wrong` if not ours."""
    return _out(await queue.standing(cx, keys_of(request), queue_token))


@router.put("/{clinic_id}", status_code=204, dependencies=[gate("booking.schedule")])
async def set_queued(clinic_id: ClinicId, body: QueuedIn, cx: WriteContext) -> None:
    """Say whether a clinic's releases go by queue; for schedulers of its hospital.

    404 `booking.clinic_unknown`.
    """
    await queue.set_queued(cx, clinic_id, queued=body.queued)
