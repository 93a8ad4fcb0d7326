"""Background jobs: what waits, runs and has failed; replay or give up what failed; events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, consent, events
from citycare.kernel.context import Context
from citycare.kernel.events import DeadLetter, JobState, NoDeadLetter
from citycare.web.edge.contexts import ReadContext, WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.operator.common import TEXT_MAX, address, clean, operator_gate, stamp
from citycare.web.parts import Cell, Column, Fact, Option, Row, Tag, Tone
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
ACTION = "operator.jobs"
GATE = operator_gate(ACTION)
PATH = "/operator/jobs"
NUMBERS = (2, 4)  # columns of figures and instants stay whole


class View(StrEnum):
    """Which jobs the page lists."""

    FAILED = "failed"
    WAITING = "waiting"
    RUNNING = "running"


VIEWS: dict[View, tuple[str, JobState]] = {
    View.FAILED: (mark("失败 %(n)d"), JobState.FAILED),
    View.WAITING: (mark("在等 %(n)d"), JobState.WAITING),
    View.RUNNING: (mark("在做 %(n)d"), JobState.RUNNING),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPanel:
    """One failed job: what it is, what its tries ran into, what can be done."""

    id: int
    name: str
    facts: tuple[Fact, ...]
    args: str
    columns: tuple[Column, ...]
    tries: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPage:
    """The list in one view, and the job in the panel."""

    view: View
    filters: tuple[Option, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    next: str
    job: JobPanel | None


@router.get(PATH, dependencies=[GATE])
async def list_jobs(
    request: Request, cx: ReadContext, state: View = View.FAILED, page: str = ""
) -> Response:
    """List the jobs in one state; failed ones first, because they need a hand."""
    await consent.require(cx, ACTION)
    shown = await _page(request, cx, state, page, None)
    return await respond(request, cx, "operator/jobs.html", shown)


@router.get(PATH + "/{job_id}", dependencies=[GATE])
async def one(request: Request, cx: ReadContext, job_id: int, page: str = "") -> Response:
    """Show one failed job beside the list."""
    await consent.require(cx, ACTION)
    shown = await _page(request, cx, View.FAILED, page, await _panel(cx, job_id, words_of(request)))
    return await respond(request, cx, "operator/jobs.html", shown, partial="operator/_job.html")


async def _page(
    request: Request, cx: Context, view: View, token: str, job: JobPanel | None
) -> JobsPage:
    words = words_of(request)
    backlog = await events.backlog(cx.db)
    counts = {
        View.FAILED: backlog.dead,
        View.WAITING: backlog.waiting,
        View.RUNNING: backlog.running,
    }
    filters = [
        Option(
            value=address(PATH, state="" if one is View.FAILED else one),
            label=words(label, n=counts[one]),
            selected=one is view,
        )
        for one, (label, _) in VIEWS.items()
    ]
    if view is View.FAILED:
        letters = await events.list_dead_letters(cx, token or None)
        rows = tuple(_dead_row(one, words, token, job) for one in letters.items)
        more = letters.next or ""
        heads = (words("编号"), words("任务"), words("试过"), words("错误"), words("最后一次"))
    else:
        found = await events.list_jobs(cx, VIEWS[view][1], token or None)
        rows = tuple(_queued_row(one, words) for one in found.items)
        more = found.next or ""
        heads = (words("编号"), words("任务"), words("试过"), words("内容"), words("不早于"))
    columns = tuple(Column(label=head, is_number=at in NUMBERS) for at, head in enumerate(heads))
    after = address(PATH, state=view, page=more) if more else ""
    return JobsPage(
        view=view, filters=tuple(filters), columns=columns, rows=rows, next=after, job=job
    )


def _dead_row(one: DeadLetter, words: Words, token: str, job: JobPanel | None) -> Row:
    return Row(
        cells=(
            Cell(text=str(one.job_id)),
            Cell(text=one.name),
            Cell(text=words("%(n)d 次", n=one.tries)),
            Cell(text=one.error or words("没有记下"), note=one.place or ""),
            Cell(text=stamp(one.failed_at) if one.failed_at else ""),
        ),
        href=address(f"{PATH}/{one.job_id}", page=token),
        lead=1,
        selected=job is not None and job.id == one.job_id,
    )


def _queued_row(one: events.QueuedJob, words: Words) -> Row:
    return Row(
        cells=(
            Cell(text=str(one.id)),
            Cell(text=one.name),
            Cell(text=words("%(n)d 次", n=one.tries)),
            Cell(text=brief(one.args)),
            Cell(text=stamp(one.scheduled_at) if one.scheduled_at else ""),
        )
    )


def brief(facts: Any, chars_max: int = 80) -> str:
    """Write ids and numbers on one line."""
    text = ", ".join(f"{name}={value}" for name, value in dict(facts).items())
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


async def _panel(cx: Context, job_id: int, words: Words) -> JobPanel:
    found = await events.find_dead_letter(cx, job_id)
    if found is None:
        raise NoDeadLetter(job=job_id)
    letter, failures = found
    return JobPanel(
        id=job_id,
        name=letter.name,
        facts=_facts(letter, words),
        args=orjson.dumps(letter.args, option=orjson.OPT_INDENT_2).decode(),
        columns=(Column(label=words("时间"), is_number=True), Column(label=words("错误和位置"))),
        tries=tuple(
            Row(cells=(Cell(text=stamp(one.at)), Cell(text=one.error, note=one.place)))
            for one in failures
        ),
    )


def _facts(letter: DeadLetter, words: Words) -> tuple[Fact, ...]:
    return (
        Fact(name=words("编号"), text=str(letter.job_id)),
        Fact(
            name=words("试过"),
            text=words("%(n)d 次", n=letter.tries),
            tag=Tag(text=words("不再自动重试"), tone=Tone.DANGER),
        ),
        Fact(name=words("错误"), text=letter.error or words("没有记下")),
        Fact(name=words("位置"), text=letter.place or words("没有记下")),
    )


@router.post(PATH + "/{job_id}/replay", dependencies=[GATE])
async def replay(request: Request, cx: WriteContext, job_id: int) -> Response:
    """Let a failed job be tried again from the start."""
    await consent.require(cx, ACTION)
    await events.replay(cx, job_id)
    await audit.append(cx, [audit.Entry("job.replayed", None, f"job/{job_id}")])
    text = words_of(request)(mark("任务 %(n)d 已重新排队。再失败会回到这里。"), n=job_id)
    return redirect(request, PATH, notice=Toast(text=text))


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardPage:
    """What would be given up."""

    id: int
    facts: tuple[Fact, ...]


@router.get(PATH + "/{job_id}/discard", dependencies=[GATE])
async def ask_discard(request: Request, cx: ReadContext, job_id: int) -> Response:
    """Ask once more, and for the reason."""
    await consent.require(cx, ACTION)
    panel = await _panel(cx, job_id, words_of(request))
    name = Fact(name=words_of(request)(mark("任务")), text=panel.name)
    shown = DiscardPage(id=job_id, facts=(name, *panel.facts))
    return await respond(request, cx, "operator/discard.html", shown)


@router.post(PATH + "/{job_id}/discard", dependencies=[GATE])
async def discard(
    request: Request,
    cx: WriteContext,
    job_id: int,
    reason: Annotated[str, Form(min_length=1, max_length=TEXT_MAX)],
) -> Response:
    """Give a failed job up for good, with the reason in the audit trail."""
    await consent.require(cx, ACTION)
    await events.discard(cx, job_id)
    detail = {"reason": clean(reason)}
    await audit.append(cx, [audit.Entry("job.discarded", None, f"job/{job_id}", "ok", detail)])
    text = words_of(request)(mark("任务 %(n)d 不再做了，理由已记入审计。"), n=job_id)
    return redirect(request, PATH, notice=Toast(text=text))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPage:
    """What happened, newest first."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    next: str


@router.get("/operator/events", dependencies=[GATE])
async def list_events(
    request: Request, cx: ReadContext, name: str = "", page: str = ""
) -> Response:
    """List what happened and how far its handlers are."""
    await consent.require(cx, ACTION)
    words = words_of(request)
    sought = clean(name)
    found = await events.list_events(cx, sought, page or None)
    shown = EventsPage(
        name=sought,
        columns=tuple(
            Column(label=words(head), is_number=head == "时间")
            for head in (mark("时间"), mark("事件"), mark("内容"), mark("处理"))
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=stamp(one.at)),
                    Cell(text=one.name),
                    Cell(text=brief(one.facts)),
                    Cell(tag=_handled(one, words)),
                )
            )
            for one in found.items
        ),
        next=address("/operator/events", name=sought, page=found.next) if found.next else "",
    )
    return await respond(request, cx, "operator/events.html", shown)


def _handled(one: events.Happened, words: Words) -> Tag:
    if one.open:
        return Tag(text=words("还有 %(n)d 个没做完", n=one.open), tone=Tone.SOON)
    if one.handled:
        return Tag(text=words("%(n)d 个都做完", n=one.handled))
    return Tag(text=words("没有要做的"), tone=Tone.GRAY)
