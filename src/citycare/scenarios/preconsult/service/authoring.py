"""What authors of questionnaires look at: how they stand, how they are used. Nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from citycare.kernel import consent
from citycare.kernel.context import Context
from citycare.kernel.fhir import forms
from citycare.kit import clock
from citycare.scenarios.preconsult.rules.paper import Json
from citycare.scenarios.preconsult.rules.summary import sections_of, text_of
from citycare.scenarios.preconsult.service.filling import make_room
from citycare.scenarios.preconsult.service.papers import Papers
from citycare.scenarios.preconsult.store import interviews

__all__ = ["LOOK", "Listed", "Tried", "begin", "list_all", "make_room", "minutes_saved", "tried"]

LOOK = "operator.questionnaires"
UNVERIFIED = "UNVERIFIED"
SECONDS_A_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Listed:
    """One questionnaire: how it stands, and how many visits began it and sent it."""

    id: str
    title: str
    version: str
    status: str
    reviewed: bool
    faults: int
    begun: int
    sent: int


@dataclass(frozen=True, slots=True)
class Tried:
    """A questionnaire filled in for a look: its form, what a doctor would read, its faults."""

    form: forms.Form
    filling: forms.Filling
    text: str
    faults: tuple[forms.Problem, ...]


async def list_all(cx: Context, papers: Papers) -> list[Listed]:
    """Return every questionnaire that can be read."""
    await consent.require(cx, LOOK)
    counted = {one.questionnaire: one for one in await interviews.count(cx.db)}
    found = []
    for name, form in papers.forms.items():
        count = counted.get(form.url)
        source = form.source
        reviewed = UNVERIFIED not in source.get("description", "") and "approvalDate" in source
        found.append(
            Listed(
                id=name,
                title=form.title,
                version=form.version,
                status=str(source.get("status", "")),
                reviewed=reviewed,
                faults=len(form.faults),
                begun=count.begun if count else 0,
                sent=count.sent if count else 0,
            )
        )
    return found


async def minutes_saved(cx: Context, since: datetime) -> float:
    """Estimate the minutes of typing spared in the whole city since an instant."""
    await consent.require(cx, LOOK)
    return await interviews.seconds_saved(cx.db, since) / SECONDS_A_MINUTE


def begin(papers: Papers, name: str, now: datetime, age: int, sex: str) -> forms.Filling:
    """Begin a questionnaire for nobody, of this age in years and this sex."""
    born = clock.day_of(now).year - age
    patient = {"resourceType": "Patient", "gender": sex, "birthDate": f"{born}-01-01"}
    return forms.begin(papers.forms[name], now=now, sources=forms.record_of(patient))


def tried(papers: Papers, name: str, filling: forms.Filling) -> Tried:
    """Return what a doctor would read of these answers, and what is wrong with the form."""
    answers: dict[str, tuple[Json, ...]] = filling.answers()
    sections = sections_of(papers.papers[name], answers, {}, papers.units(name))
    return Tried(papers.forms[name], filling, text_of(sections), filling.faults())
