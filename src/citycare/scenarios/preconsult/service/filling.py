"""An interview's form as it stands: begun, taken up again, prefilled from what is known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from citycare.kernel.fhir import forms
from citycare.scenarios.preconsult.model import Interview, Origin, Told
from citycare.scenarios.preconsult.rules.paper import Json, Paper, link_of
from citycare.scenarios.preconsult.rules.telling import answers_told, is_known, told_from_json
from citycare.scenarios.preconsult.service.papers import FALLBACK, Papers

REPETITION = re.compile(r"\[(\d{1,3})\]")
REPETITIONS_MAX = 100
ROUNDS_MAX = 5  # an answer told opens a question that is told, and so on


@dataclass(slots=True)
class Sheet:
    """A form being filled in, with who said what.

    `lost` counts answers that a newer version of the questionnaire no longer has; `carried` says
    that the answers came from another version.
    """

    form: forms.Form
    paper: Paper
    filling: forms.Filling
    told: Told
    origins: dict[str, str] = field(default_factory=dict)
    carried: bool = False
    lost: int = 0

    def answers(self) -> dict[str, tuple[Json, ...]]:
        """Return what counts: place to its answers."""
        return self.filling.answers()

    def known(self) -> set[str]:
        """Return the places that need not be asked: all there is to know is known.

        Of several options to tick that is so only where triage knows each of them.
        """
        found = set()
        for path, given in self.answers().items():
            question = self.paper.questions.get(link_of(path))
            if question is None or self.origins.get(path) not in (Origin.TRIAGE, Origin.RECORD):
                continue
            if given and (not question.repeats or is_known(question, self.told)):
                found.add(path)
        return found


def begin(papers: Papers, name: str, told: Told, sources: forms.Sources, now: datetime) -> Sheet:
    """Begin a form: filled from the record, then from the triage."""
    form = papers.forms[name]
    sheet = Sheet(form, papers.papers[name], forms.begin(form, now=now, sources=sources), told)
    sheet.origins = dict.fromkeys(sheet.answers(), Origin.RECORD.value)
    fill_told(sheet, now)
    return sheet


def take_up(papers: Papers, one: Interview, sources: forms.Sources, now: datetime) -> Sheet:
    """Take an interview up where it stands; of another version the answers are carried over."""
    return _read(papers, one, one.response, one.provenance, sources, now)


def take_sent(papers: Papers, one: Interview, sources: forms.Sources, now: datetime) -> Sheet:
    """Take up what was sent to the doctor."""
    return _read(papers, one, one.sent or {}, one.sent_provenance or {}, sources, now)


def fill_told(sheet: Sheet, now: datetime) -> None:
    """Fill in what the triage told, wherever it is asked for and nobody has answered yet."""
    for _ in range(ROUNDS_MAX):
        places = {
            one.link_id: one.path
            for one in forms.flat(sheet.filling.shown())
            if one.enabled and not one.read_only and one.type not in ("group", "display")
        }
        answers = sheet.answers()
        open_ = {
            link: path
            for link, path in places.items()
            if sheet.origins.get(path, Origin.RECORD) == Origin.RECORD
        }
        known = {link: answers.get(path, ()) for link, path in open_.items()}
        found = answers_told(sheet.paper, sheet.told, now, known)
        given = {open_[link]: answer for link, answer in found.items() if link in open_}
        if not given:
            return
        sheet.filling.prefill(given)
        sheet.origins |= dict.fromkeys(given, Origin.TRIAGE.value)


def make_room(filling: forms.Filling, places: Iterable[str]) -> None:
    """Let the repetitions of these places exist: a page drew them, empty ones are not kept."""
    for place in places:
        for match in REPETITION.finditer(place):
            group, number = place[: match.start()], int(match[1])
            for _ in range(min(number, REPETITIONS_MAX) + 1):
                there = {one.path for one in forms.flat(filling.shown()) if one.type == "group"}
                if f"{group}[{number}]" in there or f"{group}[0]" not in there:
                    break
                filling.add(f"{group}[0]")


def settled(sheet: Sheet, now: datetime, sources: forms.Sources) -> tuple[Json, Sheet]:
    """Return the response as it is kept, and the sheet as it is taken up from there.

    Empty repetitions are not kept, so those after them move up, and who said what with them.
    """
    response = sheet.filling.response("in-progress", authored=now)
    again = forms.resume(sheet.form, response, now=now, sources=sources)
    before, after = list(sheet.answers()), list(again.answers())
    moved = dict(zip(before, after, strict=len(before) == len(after)))
    origins = {
        moved.get(path, path): origin
        for path, origin in sheet.origins.items()
        if path in moved or "[" not in path
    }
    return response, replace(sheet, filling=again, origins=origins)


def add_row(filling: forms.Filling, wish: str) -> None:
    """Add an empty repetition after the last one of a group, as the button `add <place>` asks."""
    verb, _, place = wish.partition(" ")
    groups = [
        one
        for one in forms.flat(filling.shown())
        if one.path.startswith(place.rpartition("[")[0] + "[") and one.type == "group"
    ]
    if verb == "add" and groups and groups[-1].may_add:
        filling.add(groups[-1].path)


def _read(
    papers: Papers,
    one: Interview,
    response: Json,
    origins: Mapping[str, str],
    sources: forms.Sources,
    now: datetime,
) -> Sheet:
    name = papers.find(one.questionnaire) or FALLBACK
    form, paper, told = papers.forms[name], papers.papers[name], told_from_json(one.told)
    if form.canonical() == one.questionnaire:
        filling = forms.resume(form, response, now=now, sources=sources)
        return Sheet(form, paper, filling, told, dict(origins))
    filling, lost = forms.carry(form, response, now=now, sources=sources)
    by_link = {link_of(path): origin for path, origin in origins.items()}
    moved = {
        path: origins.get(path, by_link.get(link_of(path), Origin.RESIDENT.value))
        for path in filling.answers()
    }
    return Sheet(form, paper, filling, told, moved, carried=True, lost=len(lost))
