"""What the pages of the pre-consultation share: what is in use, the port, words for origins."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

from starlette.requests import Request

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.scenarios.preconsult.model import Alarm, Alarms, Origin
from citycare.scenarios.preconsult.service.papers import Papers
from citycare.scenarios.preconsult.service.visits import Patient
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of
from citycare.web.rendering import local_day

ALARMS_MAX = 3
FROM = {
    Origin.TRIAGE: mark("导诊时说的"),
    Origin.RECORD: mark("病历里的"),
    Origin.RESIDENT: mark("这次答的"),
}
SEXES = {"female": mark("女"), "male": mark("男")}


def papers_of(request: Request) -> Papers:
    """Return the questionnaires this process has read."""
    made: Papers = request.app.state.preconsult
    return made


def alarms_of(request: Request, findings: Collection[str], patient: Patient) -> tuple[Alarm, ...]:
    """Return what of these findings must not wait, in the language of the page."""
    ask: Alarms = request.app.state.preconsult_alarms
    found = ask(findings, patient.age, patient.sex, manner_of(request).lang)
    once = {say or name: (name, say) for name, say in reversed(found)}  # the first of those alike
    return tuple(reversed(once.values()))[:ALARMS_MAX]


def who_of(patient: Patient, words: Words) -> str:
    """Say sex and age."""
    age = words("%(age)s 岁", age=int(patient.age)) if patient.age >= 1 else words("不满 1 岁")
    return " · ".join(filter(None, (words(SEXES[patient.sex]) if patient.sex else "", age)))


def day_of(request: Request, instant: datetime) -> str:
    """Write the day of an instant."""
    return local_day(clock.day_of(instant), manner_of(request).lang)


def today(cx: Context) -> date:
    """Return the day in the city."""
    return clock.day_of(cx.now)
