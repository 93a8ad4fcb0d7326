"""What the triage's pages share: what is in use, where somebody is, and words in their language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Header
from starlette.requests import Request

from citycare.scenarios.triage.model.answer import Alarm, Question
from citycare.scenarios.triage.model.entries import Finding
from citycare.scenarios.triage.model.places import EmergenciesFor, PlacesFor, Position
from citycare.scenarios.triage.rules.advise import Triage
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of

PATH = "/triage"
# Degrees with at most three decimals: nobody is asked more exactly than to a hundred metres.
POSITION = r"^(-?\d{1,2}\.\d{1,3},-?\d{1,3}\.\d{1,3})?$"
Here = Annotated[str, Header(alias="X-Position", pattern=POSITION)]
SEXES = (("", mark("不说")), ("female", mark("女")), ("male", mark("男")))


def triage_of(request: Request) -> Triage:
    """Return the triage this process runs; the first to ask waits while it is read."""
    made: Triage = request.app.state.triage()
    return made


def places_of(request: Request) -> PlacesFor:
    """Return who knows open places."""
    made: PlacesFor = request.app.state.triage_places
    return made


def emergencies_of(request: Request) -> EmergenciesFor:
    """Return who knows emergency departments."""
    made: EmergenciesFor = request.app.state.triage_emergencies
    return made


def position_of(here: str) -> Position | None:
    """Read the position a browser sent with this one request; None when there is none."""
    if not here:
        return None
    latitude, longitude = here.split(",")
    return Position(float(latitude), float(longitude))


@dataclass(frozen=True, slots=True)
class Speech:
    """The knowledge's words in the language of the page."""

    triage: Triage
    words: Words
    english: bool

    def finding(self, name: str) -> str:
        """Name a finding; one this knowledge no longer has keeps its id."""
        index = self.triage.knowledge.finding.get(name)
        return name if index is None else self.name(self.triage.knowledge.entries.findings[index])

    def findings(self, names: Iterable[str]) -> str:
        """Name several findings within a sentence, with the language's own comma between."""
        named = [self.finding(name) for name in names]
        return self.words("、").join(one[:1].lower() + one[1:] for one in named)

    def name(self, one: Finding) -> str:
        """Name a finding of the entries."""
        return one.en if self.english else one.name

    def department(self, code: str) -> str:
        """Name a department."""
        one = self.triage.knowledge.entries.departments[self.triage.knowledge.department[code]]
        return one.en if self.english else one.name

    def plain(self, code: str) -> str:
        """Say what a department treats, as one would at the desk; empty where nobody wrote it."""
        one = self.triage.knowledge.entries.departments[self.triage.knowledge.department[code]]
        return "" if self.english else one.plain

    def question(self, question: Question) -> str:
        """Write a question as one reads it out."""
        if len(question.findings) > 1:
            if question.danger:
                return self.words("下面这些，现在有吗？")
            return self.words("下面这些，有吗？有的都点上。")
        finding = self.triage.knowledge.entries.findings[
            self.triage.knowledge.finding[question.findings[0]]
        ]
        if not self.english:
            return finding.ask if question.danger else question.text
        return finding.ask_en or self.words("您有这个情况吗：%(what)s", what=finding.en.lower())

    def alarm(self, alarm: Alarm) -> tuple[str, str]:
        """Return what a red flag is about and what to do until help comes."""
        if not self.english:
            return alarm.name, alarm.say
        flags = self.triage.knowledge.entries.red_flags
        flag = next((one for one in flags if one.id == alarm.id), None)
        return (flag.en, flag.say_en) if flag is not None else (alarm.name, "")


def speech_of(request: Request) -> Speech:
    """Return the knowledge's words for this request."""
    return Speech(triage_of(request), words_of(request), manner_of(request).lang == "en")
