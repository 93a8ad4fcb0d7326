"""Breaking the glass over JSON: a clinician opens somebody's bookings in an emergency (R101)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from citycare.kernel import consent
from citycare.kernel.consent.glass import REASON_LENGTH_MAX, REASON_LENGTH_MIN
from citycare.scenarios.booking.api.once import KeyHeader, once
from citycare.scenarios.booking.api.schemas import PERSON, PersonId, Strict, example, said
from citycare.web.edge.contexts import WriteContext, gate

router = APIRouter(prefix="/api/v1", tags=["booking"])


class GlassIn(Strict):
    """Whose bookings must be seen at once, and why."""

    model_config = ConfigDict(
        json_schema_extra=example(person_id=PERSON, reason="患者昏迷，需要知道在哪里看病")
    )

    person_id: PersonId
    reason: str = Field(
        min_length=REASON_LENGTH_MIN,
        max_length=REASON_LENGTH_MAX,
        description="why; the person reads it in their access log, and it is reviewed",
    )


class GlassOut(BaseModel):
    """An emergency access as it was opened."""

    id: Annotated[UUID, said("the emergency access, by id")]
    person_id: PersonId
    reason: Annotated[str, said("as it was written down")]
    opened_at: Annotated[datetime, said("from when on the bookings can be read, UTC")]
    ends_at: Annotated[datetime, said("until when; sooner if the review finds it unjustified")]


@router.post(
    "/break-glass",
    status_code=201,
    response_model=GlassOut,
    dependencies=[gate("record.break_glass")],
)
async def break_glass(body: GlassIn, key: KeyHeader, cx: WriteContext) -> Any:
    """Open a person's bookings to yourself in an emergency, to read for the hours policy gives.

    For clinicians only. Each opening is reviewed by somebody else, and the person sees it, with
    the reason, among who looked. 400 `consent.reason_too_short`; 404 for a person nobody knows.
    """

    async def run() -> tuple[int, dict[str, Any]]:
        opened = await consent.break_glass(cx, body.person_id, body.reason)
        return 201, {name: getattr(opened, name) for name in GlassOut.model_fields}

    return await once(cx, key, ["break-glass", body.model_dump(mode="json")], run)
