"""Entering a draw, and what everybody may know of it: nothing to rush for, all to check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.draw import WISHES_MAX, Draw, DrawState
from citycare.scenarios.booking.pages.words import place_of, when
from citycare.scenarios.booking.service import draw as service
from citycare.scenarios.booking.service import draw_list, lists
from citycare.scenarios.booking.service.draw_list import Look
from citycare.web import forms, i18n
from citycare.web.edge.contexts import ReadContext, WriteContext, gate
from citycare.web.edge.errors import SignInNeeded
from citycare.web.edge.exchange import edge_of
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Fact, Link, Option, Step, StepState
from citycare.web.portals import persons
from citycare.web.rendering import local_day, local_time
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
WISHES = tuple(f"wish{n}" for n in range(1, WISHES_MAX + 1))
NTH = (mark("第一想要"), mark("第二想要"), mark("第三想要"))
ASKING = (mark("最想要哪个时间？"), mark("要不要选一个备选？"), mark("再选一个备选？"))
TWICE = mark("同一个时间选了两次，请换一个，或者留空。")
SHOWN = 5
Offers = tuple[dict[str, str], dict[str, int]]  # windows by id: when, and how many places


class Stage(StrEnum):
    """What a resident can do with a draw now."""

    NONE = "none"
    SOON = "soon"
    OPEN = "open"
    DRAWING = "drawing"
    WON = "won"
    LOST = "lost"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picker:
    """One wish of the form: its name and the windows to choose from."""

    name: str
    label: str
    options: tuple[Option, ...]
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """In elder mode, the one question of the screen: rows to tap; `enough` goes on without."""

    title: str
    rows: tuple[Link, ...]
    enough: str
    more: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterPage:
    """A draw from one of its windows, for one person."""

    slot_id: UUID
    draw_id: UUID | None
    stage: Stage
    place: str
    person: str
    facts: tuple[Fact, ...]
    pickers: tuple[Picker, ...]
    question: Question | None
    wishes: tuple[tuple[str, str], ...]
    entered: bool
    changing: bool
    public_id: str
    won: str
    missed: str
    booking_href: str
    error: str
    back: str
    wait_href: str


@router.get("/draws/of/{slot_id}", dependencies=[gate("booking.enter_draw")])
async def ask_enter(
    request: Request,
    cx: WriteContext,
    slot_id: UUID,
    w: Annotated[list[UUID], Query(max_length=WISHES_MAX)] = [],  # noqa: B006 - FastAPI copies it
    change: bool = False,  # noqa: FBT001, FBT002
    sure: bool = False,  # noqa: FBT001, FBT002
    skip: Annotated[int, Query(ge=0, le=1000)] = 0,
) -> Response:
    """Explain the draw and take the wishes, or tell what came of it."""
    chosen = _Chosen(tuple(str(one) for one in w), change=change or bool(w), sure=sure, skip=skip)
    page = await _page(request, cx, slot_id, chosen)
    return await respond(request, cx, "booking/draw.html", page)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What the form or the address says so far."""

    wishes: tuple[str, ...] = ()
    change: bool = False
    sure: bool = False
    skip: int = 0
    error: str = ""
    errors: tuple[tuple[str, str], ...] = ()


async def _page(request: Request, cx: Context, slot_id: UUID, chosen: _Chosen) -> EnterPage:
    words = words_of(request)
    person = await persons.in_hand(request, cx)
    if person is None:
        raise SignInNeeded
    card = await lists.get_slot(cx, slot_id)
    seen = await draw_list.look(cx, person.person_id, slot_id, card["clinic_id"])
    stage = _stage(cx, seen)
    held = [str(one) for one in seen.request.wishes] if seen and seen.request else []
    wishes = chosen.wishes or (() if chosen.change else tuple(held))
    windows = seen.windows if seen is not None else ()
    names = {str(row["id"]): _window(request, row, card, words) for row in windows}
    places = {str(row["id"]): row["places"] for row in windows}
    asking = stage is Stage.OPEN and manner_of(request).elder and (chosen.change or not held)
    won = seen.outcome if seen is not None and stage is Stage.WON else None
    day = clock.day_of(card["starts_at"])
    most = await service.wishes_max(cx)
    return EnterPage(
        slot_id=slot_id,
        draw_id=seen.draw.id if seen is not None else None,
        stage=stage,
        place=place_of(card, words),
        person=person.name,
        facts=_facts(request, seen, person.name, words),
        pickers=_pickers((wishes or (str(slot_id),), most), (names, places), chosen, words),
        question=_question(slot_id, (chosen, most), (names, places), words) if asking else None,
        wishes=tuple((one, names.get(one, "")) for one in wishes),
        entered=bool(held),
        changing=chosen.change or not held,
        public_id=str(seen.request.public_id) if seen and seen.request else "",
        won=names.get(str(won["slot_id"]), "") if won else "",
        missed=(won["missed"] or "") if won else "",
        booking_href=f"/bookings/{seen.booking_id}" if seen and seen.booking_id else "/bookings",
        error=chosen.error,
        back=f"/book?clinic={card['clinic_id']}&day={day}",
        wait_href=f"/wait/{card['clinic_id']}?day={day}",
    )


def _stage(cx: Context, seen: Look | None) -> Stage:
    if seen is None:
        return Stage.NONE
    draw = seen.draw
    if draw.state is DrawState.OPEN and cx.now < draw.opens_at:
        return Stage.SOON
    if draw.state is DrawState.OPEN and cx.now < draw.closes_at:
        return Stage.OPEN
    if draw.state is not DrawState.DONE:
        return Stage.DRAWING
    if seen.request is None or seen.outcome is None:
        return Stage.OVER
    return Stage.WON if seen.outcome["wish"] else Stage.LOST


def _window(request: Request, row: Any, card: Any, words: Words) -> str:
    """Write a window to choose: its time, and the doctor when it is another's."""
    text = when(request, row)
    return text if row["clinic_id"] == card["clinic_id"] else f"{text} · {place_of(row, words)}"


def at(request: Request, instant: Any) -> str:
    """Write day and time of an instant."""
    return f"{local_day(instant, manner_of(request).lang)} {local_time(instant)}"


def _facts(request: Request, seen: Look | None, person: str, words: Words) -> tuple[Fact, ...]:
    facts = [Fact(name=words("给谁"), text=person)]
    if seen is None:
        return tuple(facts)
    draw = seen.draw
    if draw.state is DrawState.OPEN:
        facts.append(Fact(name=words("开始登记"), text=at(request, draw.opens_at)))
    facts += [
        Fact(name=words("截止登记"), text=at(request, draw.closes_at)),
        Fact(name=words("什么时候摇"), text=_moment(draw, words)),
    ]
    if draw.state is DrawState.DONE and draw.done_at is not None:
        facts[-1] = Fact(name=words("结果公布"), text=at(request, draw.done_at))
    if seen.entrants:
        facts.append(Fact(name=words("已登记"), text=words("%(n)d 人", n=seen.entrants)))
    return tuple(facts)


def _moment(draw: Draw, words: Words) -> str:
    if draw.beacon_source:
        return words("%(source)s 公布以后", source=draw.beacon_source)
    return words("截止后马上摇，结果发消息给您")


def _pickers(
    wished: tuple[Sequence[str], int], offers: Offers, chosen: _Chosen, words: Words
) -> tuple[Picker, ...]:
    (wishes, most), (names, places) = wished, offers
    errors = dict(chosen.errors)
    made = []
    for n, name in enumerate(WISHES[:most]):
        picked = wishes[n] if n < len(wishes) else ""
        options = [Option(value="", label=words("不选"), selected=not picked)] if n else []
        options += [
            Option(
                value=value,
                label=words("%(when)s，%(n)d 个号", when=label, n=places[value]),
                selected=value == picked,
            )
            for value, label in names.items()
        ]
        error = words(errors[name]) if name in errors else ""
        made.append(Picker(name=name, label=words(NTH[n]), options=tuple(options), error=error))
    return tuple(made)


def _question(
    slot_id: UUID, wished: tuple[_Chosen, int], offers: Offers, words: Words
) -> Question | None:
    """Ask for the next wish; None once there are enough: then the page asks 'sure?'."""
    (chosen, most), (names, places) = wished, offers
    got = [one for one in chosen.wishes if one in names]
    if chosen.sure or len(got) >= most or len(got) == len(names):
        return None

    def href(**more: object) -> str:
        values: dict[str, object] = {"w": got, "change": "true", **more}
        return f"/draws/of/{slot_id}?" + urlencode(values, doseq=True)

    left = [(value, label) for value, label in names.items() if value not in got]
    shown = left[chosen.skip : chosen.skip + SHOWN]
    return Question(
        title=words(ASKING[len(got)]),
        rows=tuple(
            Link(
                label=label,
                note=words("%(n)d 个号", n=places[value]),
                href=href(w=[*got, value]),
            )
            for value, label in shown
        ),
        enough=href(sure="true") if got else "",
        more=href(skip=chosen.skip + SHOWN) if len(left) > chosen.skip + SHOWN else "",
    )


@router.post("/draws/of/{slot_id}", dependencies=[gate("booking.enter_draw")])
async def enter(request: Request, cx: WriteContext, slot_id: UUID) -> Response:
    """Enter the person, or change the wishes."""
    words = words_of(request)
    person = await persons.in_hand(request, cx)
    if person is None:
        raise SignInNeeded
    form = await forms.read(request)
    wishes = [form.id(name, required=name == WISHES[0]) for name in WISHES]
    chosen = [one for one in wishes if one is not None]
    for n, name in enumerate(WISHES):
        if wishes[n] is not None and wishes[n] in wishes[:n]:
            form.errors[name] = TWICE
    typed = tuple(form.values.get(name, "") for name in WISHES)
    if form.errors:
        kept = _Chosen(typed, sure=True, change=True, errors=tuple(form.errors.items()))
        page = await _page(request, cx, slot_id, kept)
        return await respond(request, cx, "booking/draw.html", page, status=422)
    card = await lists.get_slot(cx, slot_id)
    seen = await draw_list.look(cx, person.person_id, slot_id, card["clinic_id"])
    keys = service.keys_in(edge_of(request).site.home)
    try:
        async with cx.db.transaction():
            draw_id = seen.draw.id if seen is not None else slot_id
            await service.request_places(cx, keys, draw_id, person.person_id, chosen)
    except AppError as error:
        said = i18n.words_of(error, manner_of(request).lang)
        kept = _Chosen(tuple(str(one) for one in chosen), change=True, sure=True, error=said)
        page = await _page(request, cx, slot_id, kept)
        return await respond(request, cx, "booking/draw.html", page, status=409)
    text = words("登记好了，不用守着。结果出来会发消息给您。")
    return redirect(request, f"/draws/of/{slot_id}", notice=Toast(text=text))


@router.post("/draws/{draw_id}/withdraw", dependencies=[gate("booking.enter_draw")])
async def withdraw(
    request: Request, cx: WriteContext, draw_id: UUID, slot_id: Annotated[UUID, Form()]
) -> Response:
    """Take the person out; until the closing they may enter again."""
    person = await persons.in_hand(request, cx)
    if person is None:
        raise SignInNeeded
    await service.withdraw(cx, draw_id, person.person_id)
    text = words_of(request)(mark("退出登记了。截止以前还可以再登记。"))
    return redirect(request, f"/draws/of/{slot_id}", notice=Toast(text=text))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPage:
    """What is published of a draw, to read and to check."""

    id: UUID
    name: str
    title: str
    steps: tuple[Step, ...]
    facts: tuple[Fact, ...]
    commitment: str
    list_digest: str
    beacon_source: str
    beacon: str
    seed: str
    list_href: str
    is_done: bool


@router.get("/draws/{draw_id}", dependencies=[gate("booking.read_draw", anonymous=True)])
async def result(request: Request, cx: ReadContext, draw_id: UUID) -> Response:
    """Show what everybody may know of a draw; nothing in it says who asked."""
    words = words_of(request)
    draw = await service.get_draw(cx.db, draw_id)
    facts = [Fact(name=words("截止登记"), text=at(request, draw.closes_at))]
    if draw.requests is not None:
        facts.append(Fact(name=words("登记的人"), text=words("%(n)d 人", n=draw.requests)))
    if draw.won is not None:
        facts.append(Fact(name=words("摇中的人"), text=words("%(n)d 人", n=draw.won)))
    if draw.done_at is not None:
        facts.append(Fact(name=words("结果公布"), text=at(request, draw.done_at)))
    page = ResultPage(
        id=draw_id,
        name=draw.name,
        title=words(TITLES[_reached(cx, draw)]),
        steps=_steps(request, cx, draw, words),
        facts=tuple(facts),
        commitment=draw.commitment.hex(),
        list_digest=draw.list_digest.hex() if draw.list_digest else "",
        beacon_source=draw.beacon_source,
        beacon=draw.beacon or "",
        seed=draw.seed.hex() if draw.seed else "",
        list_href=f"/api/v1/draws/{draw_id}/list.ndjson" if draw.list_digest else "",
        is_done=draw.state is DrawState.DONE,
    )
    return await respond(request, cx, "booking/draw_result.html", page)


BOUND = mark("开始前已经公布种子的指纹，之后换不了。")
TITLES = (mark("正在登记"), mark("登记截止，名单已封存"), mark("正在摇号"), mark("摇号结果"))


def _reached(cx: Context, draw: Draw) -> int:
    """Return how many steps of four are behind us."""
    if draw.state is DrawState.OPEN:
        return 0 if cx.now < draw.closes_at else 1
    if draw.state is DrawState.DONE:
        return 3
    return 1 if draw.list_digest is None or draw.state is DrawState.FROZEN else 2


def _steps(request: Request, cx: Context, draw: Draw, words: Words) -> tuple[Step, ...]:
    reached = _reached(cx, draw)
    closes = at(request, draw.closes_at)
    said = (
        (words("登记，%(time)s 截止", time=closes), words(BOUND)),
        (words("封存名单"), words("名单和它的指纹公布，谁也加不进、删不掉。")),
        (words("摇号"), _public(draw, words)),
        (words("公布种子和结果"), words("任何人都能用种子重算一遍。")),
    )
    if draw.state is DrawState.DONE:
        reached = len(said)
    states = [StepState.DONE] * reached + [StepState.NOW] + [StepState.LATER] * len(said)
    return tuple(
        Step(label=label, note=note, state=state)
        for (label, note), state in zip(said, states, strict=False)
    )


def _public(draw: Draw, words: Words) -> str:
    if draw.beacon_source:
        return words("还要用 %(source)s，封存名单以后才知道。", source=draw.beacon_source)
    return words("种子和名单一起决定次序，先后登记都一样。")
