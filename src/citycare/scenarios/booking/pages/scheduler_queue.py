"""The queue before a release, in the panel of a clinic: on or off, and how many are let in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from starlette.requests import Request

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.scenarios.booking.service import queue
from citycare.web import forms
from citycare.web.i18n import mark
from citycare.web.manner import manner_of, words_of
from citycare.web.parts import Option
from citycare.web.rendering import local_day, local_time


class Way(StrEnum):
    """How people get to the places of a release."""

    PLAIN = "plain"
    QUEUED = "queued"


WAYS = {
    Way.PLAIN: (mark("不排队"), mark("到点谁先点到谁约上")),
    Way.QUEUED: (mark("先排队再选号"), mark("适合号少人多的门诊")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePart:
    """The form, what it means in words, and the queue that is open if there is one."""

    ways: tuple[Option, ...]
    rate: str
    hint: str
    explained: str
    now: str
    errors: Mapping[str, str] = field(default_factory=dict)


async def part_of(
    request: Request, cx: Context, clinic_id: UUID, form: forms.Form | None = None
) -> QueuePart:
    """Read how a clinic's releases go; what was typed wrong stays in the form."""
    words = words_of(request)
    setting, running = await queue.setting_of(cx, clinic_id)
    way = Way.QUEUED if setting.queued else Way.PLAIN
    chosen, rate, errors = str(way), str(setting.rate_per_s or ""), {}
    if form is not None:
        chosen, rate = form.values.get("queue", chosen), form.values.get("rate", "")
        errors = {name: words(sentence) for name, sentence in form.errors.items()}
    return QueuePart(
        ways=tuple(
            Option(value=str(one), label=words(label), note=words(note), selected=one == chosen)
            for one, (label, note) in WAYS.items()
        ),
        rate=rate,
        hint=words("空着就和全市一样，每秒 %(n)d 位。", n=setting.usual_per_s),
        explained=words(
            "打开以后：放号前 %(before)d 分钟可以进来排，放号后 %(gather)d 秒内到的人一起"
            "随机排先后，轮到谁谁选号，手快和用外挂都占不到便宜。窗口和电话照常，不用排。",
            before=setting.before_min,
            gather=setting.gather_s,
        ),
        now=_now(request, cx, running) if running is not None else "",
        errors=errors,
    )


def _now(request: Request, cx: Context, running: Row) -> str:
    """Write where the queue stands that is open, or when it will open."""
    words = words_of(request)
    if cx.now < running["opens_at"]:
        day = local_day(clock.day_of(running["opens_at"]), manner_of(request).lang)
        return words("%(day)s %(time)s 放号，现在可以进来排了。", day=day,
                     time=local_time(running["opens_at"]))  # fmt: skip
    return words(
        "正在放号：放进了 %(n)d 位，还剩 %(left)d 个号，%(time)s 结束排队。",
        n=running["admitted"],
        left=running["places_left"],
        time=local_time(running["ends_at"]),
    )
