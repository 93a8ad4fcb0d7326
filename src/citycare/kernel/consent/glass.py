"""Break the glass: a clinician opens a record in an emergency, says why, and is reviewed.

Every one lands on the review list; nobody reviews their own; "unjustified" closes what is still
open. The person sees it in the access log like any other reading.

Source: ours (a reason and a review); GB/T 39725-2020 (emergency access, from memory, UNVERIFIED).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from psycopg.rows import class_row

from citycare.kernel import audit, events, identity
from citycare.kernel.consent.access import require
from citycare.kernel.context import Context, policy
from citycare.kit import ids
from citycare.kit.errors import Conflict, Forbidden, Incorrect, NotFound
from citycare.kit.pages import PAGE_MAX, Page, encode, read

REASON_LENGTH_MIN = 10
REASON_LENGTH_MAX = 500

OPEN = """
    INSERT INTO consent.break_glass (id, account_id, person_id, reason, opened_at, ends_at)
    VALUES (%(id)s, %(account)s, %(person)s, %(reason)s, %(now)s, %(until)s)
"""
COLUMNS = """id, account_id, person_id, reason, opened_at, ends_at, reviewed_at, reviewed_by,
       verdict, note"""
UNREVIEWED = f"""
    SELECT {COLUMNS} FROM consent.break_glass
     WHERE reviewed_at IS NULL
       AND (%(at)s::timestamptz IS NULL
            OR (opened_at, id) > (%(at)s::timestamptz, %(after)s::uuid))
     ORDER BY opened_at, id LIMIT %(limit)s
"""
REVIEWED = f"""
    SELECT {COLUMNS} FROM consent.break_glass
     WHERE reviewed_at IS NOT NULL ORDER BY reviewed_at DESC, id DESC LIMIT %(limit)s
"""
ONE = f"SELECT {COLUMNS} FROM consent.break_glass WHERE id = %(id)s"
GET = f"{ONE} FOR UPDATE"
REVIEW = f"""
    UPDATE consent.break_glass
       SET reviewed_at = %(now)s, reviewed_by = %(by)s, verdict = %(verdict)s, note = %(note)s,
           ends_at = CASE WHEN %(verdict)s = 'unjustified'
                          THEN greatest(opened_at, least(ends_at, %(now)s)) ELSE ends_at END
     WHERE id = %(id)s
 RETURNING {COLUMNS}
"""


class Review(StrEnum):
    """What the review found."""

    JUSTIFIED = "justified"
    UNJUSTIFIED = "unjustified"


class ReasonTooShort(Incorrect):
    """Say why, in at least ten characters."""

    code = "consent.reason_too_short"
    words = "请写明紧急查阅的原因（至少10个字），例如“患者昏迷，急诊抢救需要了解过敏史”。"


class GlassUnknown(NotFound):
    """There is no such emergency access."""

    code = "request.not_found"


class GlassReviewed(Conflict):
    """This emergency access has been reviewed already."""

    code = "consent.glass_reviewed"
    words = "这次紧急查阅已经审核过了，请刷新列表。"


class OwnReview(Forbidden):
    """Nobody reviews their own emergency access."""

    code = "consent.own_review"
    words = "不能审核自己的紧急查阅，请交给其他审核人员。"


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """One emergency access: who opened whose record, why, until when, and the review."""

    id: UUID
    account_id: UUID
    person_id: UUID
    reason: str
    opened_at: datetime
    ends_at: datetime
    reviewed_at: datetime | None = None
    reviewed_by: UUID | None = None
    verdict: Review | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Take the verdict as the enum, also from a database row."""
        if self.verdict is not None:
            object.__setattr__(self, "verdict", Review(self.verdict))


async def break_glass(cx: Context, person_id: UUID, reason: str) -> BreakGlass:
    """Open one person's record to this clinician for the hours the policy gives.

    Writes the opening, an audit entry and the event `consent.glass_broken` together.

    Raises:
        NotAllowed, NotVisible, SignInNeeded: not a clinician with a second factor (audited).
        ReasonTooShort; PersonUnknown.
    """
    await require(cx, "record.break_glass", person_id)
    why = " ".join(reason.replace("\x00", " ").split())
    if len(why) < REASON_LENGTH_MIN:
        raise ReasonTooShort
    person_id = await identity.resolve(cx, person_id)
    hours = await policy.value(cx, "consent.break_glass.hours")
    account = cx.actor.account_id
    assert account is not None
    opened = BreakGlass(
        ids.new(), account, person_id, why[:REASON_LENGTH_MAX], cx.now,
        cx.now + timedelta(hours=hours),
    )  # fmt: skip
    parameters = {
        "id": opened.id, "account": account, "person": person_id, "reason": opened.reason,
        "now": cx.now, "until": opened.ends_at,
    }  # fmt: skip
    await cx.db.execute(OPEN, parameters)
    await _tell(cx, "record.break_glass", "consent.glass_broken", opened, opened.reason)
    return opened


async def _tell(cx: Context, action: str, event: str, opened: BreakGlass, why: str) -> None:
    record = f"break_glass/{opened.id}"
    entry = audit.Entry(action, opened.person_id, record, "ok", {"reason": why})
    await audit.append(cx, [entry])
    facts = {"glass": str(opened.id), "person": str(opened.person_id)}
    await events.emit(cx, [events.Event(event, facts)])


async def list_unreviewed(
    cx: Context, after: str | None = None, limit: int = 50
) -> Page[BreakGlass]:
    """Return what waits for review, oldest first; `after` is a page's `next`.

    Raises:
        NotAllowed, SignInNeeded: not an operator.
        TokenBroken: `after` is not ours.
    """
    await require(cx, "operator.audit")
    limit = max(1, min(limit, PAGE_MAX))
    at, last = read(after, datetime, UUID) if after else (None, None)
    parameters = {"at": at, "after": last, "limit": limit + 1}
    async with cx.db.cursor(row_factory=class_row(BreakGlass)) as cursor:
        rows = await (await cursor.execute(UNREVIEWED, parameters)).fetchall()
    more = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], encode(more.opened_at.isoformat(), str(more.id)) if more else None)


async def list_reviewed(cx: Context, limit: int = 50) -> list[BreakGlass]:
    """Return what was reviewed last, newest first.

    Raises:
        NotAllowed, SignInNeeded: not an operator.
    """
    await require(cx, "operator.audit")
    parameters = {"limit": max(1, min(limit, PAGE_MAX))}
    async with cx.db.cursor(row_factory=class_row(BreakGlass)) as cursor:
        return await (await cursor.execute(REVIEWED, parameters)).fetchall()


async def get_break_glass(cx: Context, glass_id: UUID) -> BreakGlass:
    """Return one emergency access for its review.

    Raises:
        NotAllowed, SignInNeeded: not an operator.
        GlassUnknown.
    """
    await require(cx, "operator.audit")
    async with cx.db.cursor(row_factory=class_row(BreakGlass)) as cursor:
        found = await (await cursor.execute(ONE, {"id": glass_id})).fetchone()
    if found is None:
        raise GlassUnknown
    return found


async def review(cx: Context, glass_id: UUID, verdict: Review, note: str = "") -> BreakGlass:
    """Write down what the review found; "unjustified" ends the access now.

    Raises:
        NotAllowed, SignInNeeded: not an operator.
        GlassUnknown, GlassReviewed, OwnReview.
    """
    await require(cx, "operator.audit")
    async with cx.db.cursor(row_factory=class_row(BreakGlass)) as cursor:
        opened = await (await cursor.execute(GET, {"id": glass_id})).fetchone()
        if opened is None:
            raise GlassUnknown
        if opened.reviewed_at is not None:
            raise GlassReviewed
        if opened.account_id == cx.actor.account_id:
            raise OwnReview
        parameters = {
            "id": glass_id, "now": cx.now, "by": cx.actor.account_id, "verdict": str(verdict),
            "note": note.strip()[:REASON_LENGTH_MAX],
        }  # fmt: skip
        reviewed = await (await cursor.execute(REVIEW, parameters)).fetchone()
    assert reviewed is not None
    await _tell(cx, f"break_glass.{verdict}", "consent.glass_reviewed", reviewed, reviewed.note)
    return reviewed
