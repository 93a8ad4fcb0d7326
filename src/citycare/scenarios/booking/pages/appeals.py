"""Appeals against a pause after missed visits: the operator reads and decides, with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, identity
from citycare.kernel.context import Context
from citycare.scenarios.booking.model.core import Hold, WrongState
from citycare.scenarios.booking.service import holds
from citycare.web.actors import masked
from citycare.web.edge.contexts import WriteContext
from citycare.web.forms import MISSING
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.operator.common import clean, operator_gate, stamp
from citycare.web.parts import Cell, Column, Fact, Row
from citycare.web.rendering import local_day
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
GATE = operator_gate("hold.decide")
PATH = "/operator/appeals"
SHOWN = 60


class Decision(StrEnum):
    """What becomes of a pause."""

    LIFT = "lift"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealPanel:
    """One appeal: who, why, and the form to decide."""

    id: UUID
    title: str
    facts: tuple[Fact, ...]
    text: str
    reason: str
    reason_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealsPage:
    """What waits for a decision, oldest first."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    appeal: AppealPanel | None


@router.get(PATH, dependencies=[GATE])
async def list_appeals(request: Request, cx: WriteContext) -> Response:
    """List what waits for a decision."""
    page = await _page(request, cx, None)
    return await respond(request, cx, "booking/appeals.html", page)


@router.get(PATH + "/{hold_id}", dependencies=[GATE])
async def one(request: Request, cx: WriteContext, hold_id: UUID) -> Response:
    """Show one appeal; reading it is an access to the person."""
    page = await _page(request, cx, hold_id)
    return await respond(request, cx, "booking/appeals.html", page, partial="booking/_appeal.html")


async def _page(
    request: Request,
    cx: Context,
    chosen: UUID | None,
    *,
    reason: str = "",
    reason_error: str = "",
) -> AppealsPage:
    words = words_of(request)
    lang = manner_of(request).lang
    found = await holds.open_appeals(cx)
    people = await identity.list_persons(cx, {hold.person_id for hold in found})
    panel = None
    if chosen is not None:
        hold = next((hold for hold in found if hold.id == chosen), None)
        if hold is None:
            raise WrongState(hold=chosen)
        person = people[hold.person_id]
        await audit.append(cx, [audit.Entry("person.read", hold.person_id, f"hold/{hold.id}")])
        panel = AppealPanel(
            id=hold.id,
            title=person.name,
            facts=_facts(hold, words, local_day(hold.ends_at, lang)),
            text=hold.appeal or "",
            reason=reason,
            reason_error=reason_error,
        )
    heads = (mark("交上来"), mark("谁"), mark("为什么没有来"), mark("爽约"), mark("暂停到"))
    return AppealsPage(
        columns=tuple(
            Column(label=words(head), is_number=head in ("交上来", "爽约")) for head in heads
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=stamp(hold.appealed_at) if hold.appealed_at else ""),
                    Cell(text=masked(people[hold.person_id].name)),
                    Cell(text=_brief(hold.appeal or "")),
                    Cell(text=words("%(n)d 次", n=len(hold.no_shows))),
                    Cell(text=local_day(hold.ends_at, lang)),
                ),
                href=f"{PATH}/{hold.id}",
                lead=1,
                selected=hold.id == chosen,
            )
            for hold in found
        ),
        appeal=panel,
    )


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def _facts(hold: Hold, words: Words, until: str) -> tuple[Fact, ...]:
    return (
        Fact(name=words("爽约"), text=words("%(n)d 次", n=len(hold.no_shows))),
        Fact(name=words("暂停从"), text=stamp(hold.starts_at)),
        Fact(name=words("暂停到"), text=until),
        Fact(
            name=words("交上来"),
            text=stamp(hold.appealed_at) if hold.appealed_at else "",
        ),
    )


@router.post(PATH + "/{hold_id}", dependencies=[GATE])
async def decide(
    request: Request,
    cx: WriteContext,
    hold_id: UUID,
    decision: Annotated[Decision, Form()],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Lift the pause or keep it; the person reads the reason."""
    words = words_of(request)
    why = clean(reason)
    if not why:
        page = await _page(request, cx, hold_id, reason=reason, reason_error=words(MISSING))
        return await respond(request, cx, "booking/appeals.html", page, status=422)
    await holds.decide(cx, hold_id, lift=decision is Decision.LIFT, reason=why)
    text = (
        words("暂停解除了，已经通知他可以预约。")
        if decision is Decision.LIFT
        else words("暂停不变，理由已经告诉他。")
    )
    return redirect(request, PATH, notice=Toast(text=text))
