"""The doctor's page: what the patient answered, as a case history; to take over or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import consent
from citycare.kernel.consent import NotAllowed, NotVisible
from citycare.kernel.context import Context, Role
from citycare.kit import ids
from citycare.kit.errors import AppError, Incorrect
from citycare.scenarios.preconsult.model import (
    Alarm,
    AnswersChanged,
    By,
    Fragment,
    State,
    TextMissing,
)
from citycare.scenarios.preconsult.pages.base import FROM, alarms_of, papers_of, who_of
from citycare.scenarios.preconsult.rules.summary import SECTIONS
from citycare.scenarios.preconsult.service import reviews
from citycare.scenarios.preconsult.service.reviews import Prepared
from citycare.web import forms
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.i18n import mark
from citycare.web.i18n import words_of as error_words
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Tag, Tone
from citycare.web.rendering import local_day, local_time
from citycare.web.respond import is_partial, redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
CLINICIANS = (Role.CLINICIAN, Role.COMMUNITY_GP)
Asking = Annotated[str, Query(alias="do", pattern="^(edit|again)?$")]
NAMES = {
    "chief": mark("主诉"),
    "present": mark("现病史"),
    "past": mark("既往史"),
    "medicine": mark("用药"),
    "allergy": mark("过敏史"),
    "family": mark("家族史"),
    "social": mark("个人史"),
}
DECIDED = {
    State.ACCEPTED: mark("已采用到病历"),
    State.EDITED: mark("改过后已采用"),
    State.REJECTED: mark("没有采用"),
}
TONES = {State.ACCEPTED: Tone.OK, State.EDITED: Tone.OK, State.REJECTED: Tone.GRAY}
BY = {
    By.NOBODY: "",
    By.SELF: mark("本人答"),
    By.PROXY: mark("家人代答"),
    By.CLERK: mark("窗口代答"),
}
SECONDS_A_MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One sentence with the answers behind it: question, answer, from whom."""

    words: str
    negative: bool
    said: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One section of the case history."""

    name: str
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A test to tick; `done`: ordered already."""

    value: str
    label: str
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Tests that may help: why, from what it follows, and the source."""

    tests: tuple[Test, ...]
    why: str
    because: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPage:
    """A prepared visit. `closed`: it may not be read yet. `key` makes sending twice once."""

    id: UUID
    name: str
    who: str
    closed: bool
    tag: Tag
    begun: bool
    by: str
    alarms: tuple[Alarm, ...]
    parts: tuple[Part, ...]
    text: str
    revision: int
    key: UUID
    editing: bool
    deciding: bool
    decided: str
    reason: str
    kept: str
    difference: str
    minutes: int
    advice: tuple[Advice, ...]
    error: str
    typed: str
    said: str = ""


class DecisionMissing(Incorrect):
    """Say what to do with the text: take it over, change it, or leave it."""

    code = "preconsult.decision_missing"
    words = "请选一样：采用、修改后采用，或不采用。"


@router.get(
    "/clinic/prepared/{appointment_id}", dependencies=[gate("preconsult.read", roles=CLINICIANS)]
)
async def prepared(
    request: Request, cx: WriteContext, appointment_id: UUID, do: Asking = ""
) -> Response:
    """Show what the patient has prepared; within another page as a part of it."""
    try:
        found = await reviews.prepared(cx, papers_of(request), appointment_id)
    except (NotVisible, NotAllowed) as error:
        if not is_partial(request):
            raise
        await consent.keep_refusals(cx, [error])
        return await respond(request, cx, "preconsult/_prepared.html", _closed(appointment_id))
    return await _show(request, cx, found, do=do)


@router.post(
    "/clinic/prepared/{appointment_id}/review",
    dependencies=[gate("preconsult.review", roles=CLINICIANS)],
)
async def decide(request: Request, cx: WriteContext, appointment_id: UUID) -> Response:
    """Take the text over, changed or not, or leave it."""
    sent = await forms.read(request)
    decision = sent.choice("decision", State)
    key, revision = sent.id("key"), sent.number("revision", 1, 1_000_000)
    if decision in (None, State.DRAFT, State.COMPLETED) or key is None or revision is None:
        raise DecisionMissing
    papers, kept = papers_of(request), sent.values.get("kept", "").replace("\r\n", "\n")
    try:
        await reviews.decide(
            cx,
            papers,
            appointment_id,
            key=key,
            decision=decision,
            revision=revision,
            kept=kept,
            reason=sent.values.get("reason", ""),
        )
    except (AnswersChanged, TextMissing) as error:
        found = await reviews.prepared(cx, papers, appointment_id)
        do = "edit" if decision is State.EDITED else ""
        return await _show(request, cx, found, do=do, error=error, typed=kept)
    words = words_of(request)
    return await _done(request, cx, appointment_id, words(DECIDED[decision]))


@router.post(
    "/clinic/prepared/{appointment_id}/order",
    dependencies=[gate("preconsult.review", roles=CLINICIANS)],
)
async def order(request: Request, cx: WriteContext, appointment_id: UUID) -> Response:
    """Order the tests that were ticked; no tick, no order."""
    sent = await forms.read(request)
    wanted = [tuple(one.split("\t", 1)) for one in sent.many.get("test", ()) if "\t" in one]
    pairs = [(one[0], one[1]) for one in wanted]
    count = await reviews.order(cx, papers_of(request), appointment_id, pairs)
    words = words_of(request)
    said = words("开了 %(n)d 项检查。", n=count) if count else words("没有点选检查，没有开单。")
    return await _done(request, cx, appointment_id, said)


async def _done(request: Request, cx: Context, appointment_id: UUID, said: str) -> Response:
    """Show the part as it is now; without script go back to the whole page."""
    if is_partial(request):
        found = await reviews.prepared(cx, papers_of(request), appointment_id)
        return await _show(request, cx, found, said=said)
    return redirect(request, f"/clinic/prepared/{appointment_id}", notice=Toast(text=said))


async def _show(
    request: Request,
    cx: Context,
    found: Prepared,
    *,
    do: str = "",
    error: AppError | None = None,
    typed: str = "",
    said: str = "",
) -> Response:
    page = replace(_page(request, found, do, error, typed), said=said)
    return await respond(
        request,
        cx,
        "preconsult/prepared.html",
        page,
        partial="preconsult/_prepared.html",
        status=200 if error is None else 409,
    )


def _closed(appointment_id: UUID) -> PreparedPage:
    return PreparedPage(
        id=appointment_id, name="", who="", closed=True, tag=Tag(text=""), begun=False, by="",
        alarms=(), parts=(), text="", revision=0, key=appointment_id, editing=False,
        deciding=False, decided="", reason="", kept="", difference="", minutes=0, advice=(),
        error="", typed="",
    )  # fmt: skip


def _page(
    request: Request, found: Prepared, do: str, error: AppError | None, typed: str
) -> PreparedPage:
    words, lang = words_of(request), manner_of(request).lang
    one, review = found.interview, found.review
    decided = ""
    if review is not None:
        at = f"{local_day(review.decided_at, lang)} {local_time(review.decided_at)}"
        decided = " · ".join(filter(None, (words(DECIDED[review.decision]), review.reviewer, at)))
    return PreparedPage(
        id=found.visit.id,
        name=found.patient.person.name,
        who=who_of(found.patient, words),
        closed=False,
        tag=_tag(found, words),
        begun=one is not None,
        by=_by(found, words),
        alarms=alarms_of(request, found.findings, found.patient),
        parts=tuple(
            Part(
                name=words(NAMES[section.code]),
                told=tuple(_told(f, words) for f in section.fragments),
            )
            for section in found.sections
        ),
        text=found.text,
        revision=one.revision if one else 0,
        key=ids.new(),
        editing=do == "edit",
        deciding=review is None or do != "",
        decided=decided,
        reason=review.reason if review else "",
        kept=review.kept if review else "",
        difference=review.difference if review else "",
        minutes=round(review.seconds_saved / SECONDS_A_MINUTE) if review else 0,
        advice=_advice(found, lang, words),
        error=error_words(error, lang) if error else "",
        typed=typed,
    )


def _tag(found: Prepared, words: Words) -> Tag:
    if found.interview is None:
        return Tag(text=words("未填"), tone=Tone.GRAY)
    if found.interview.sent is None:
        left = words("差 %(n)d 题", n=found.left) if found.left else words("还没发")
        return Tag(text=left, tone=Tone.SOON)
    if found.review is None:
        return Tag(text=words("已完成"))
    return Tag(text=words(DECIDED[found.review.decision]), tone=TONES[found.review.decision])


def _by(found: Prepared, words: Words) -> str:
    one = found.interview
    if one is None or one.sent is None:
        return ""
    minutes = max(1, round(one.seconds / SECONDS_A_MINUTE))
    by = words(BY[one.answered_by]) if BY[one.answered_by] else ""
    return " · ".join(filter(None, (by, words("用时约 %(n)d 分钟", n=minutes))))


def _told(one: Fragment, words: Words) -> Told:
    said = tuple((each.question, each.answer, words(FROM[each.origin])) for each in one.said)
    return Told(words=one.words, negative=one.negative, said=said)


def _advice(found: Prepared, lang: str, words: Words) -> tuple[Advice, ...]:
    made = []
    for one in found.suggestions:
        names = one.tests if lang == "zh" else one.tests_en
        tests = tuple(
            Test(value=f"{one.id}\t{test}", label=name, done=(one.id, test) in found.ordered)
            for test, name in zip(one.tests, names, strict=True)
        )
        because = words("；").join(one.because) or words("导诊时说过")
        made.append(Advice(tests=tests, why=one.why, because=because, source=one.source))
    return tuple(made)


assert NAMES.keys() == SECTIONS.keys()
