"""A form being filled in, as the rest of the system sees it.

    form = read(questionnaire)
    filling = begin(form, now=now, sources=record_of(patient, resources))
    filling.answer({"cough": [{"valueBoolean": True}]})
    problems = filling.problems(complete=True)
    page = filling.shown("zh", problems)
    resource = filling.response("completed", authored=now)

Source: HL7 FHIR R4 §2.4 Questionnaire, QuestionnaireResponse; SDC 3.0.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from citycare.kernel.fhir.forms import answers, checking, population, showing
from citycare.kernel.fhir.forms.changing import Changing
from citycare.kernel.fhir.forms.form import Form
from citycare.kernel.fhir.forms.model import (
    ANSWERS_MAX,
    NO_SOURCES,
    Answer,
    AnswerBroken,
    Json,
    PlaceFixed,
    PlaceUnknown,
    Problem,
    ResponseTooLong,
    Shown,
    Sources,
)
from citycare.kernel.fhir.forms.spots import Spot, is_wild
from citycare.kernel.fhir.forms.words import problem

HEADER = ("resourceType", "id", "meta", "language")  # what stands before the rest of a response


class Filling:
    """One response to a form, always settled: all that follows from its answers is known."""

    def __init__(self, changing: Changing) -> None:
        """Keep the response; `begin` and `resume` make one."""
        self._changing = changing

    @property
    def form(self) -> Form:
        """The form."""
        return self._changing.form

    @property
    def evaluations(self) -> int:
        """How many expressions and conditions were evaluated so far."""
        return self._changing.evaluations

    def answer(self, given: Mapping[str, Sequence[Answer]]) -> None:
        """Put a person's answers: place (`Shown.path`) to all answers there; none clears it.

        Nothing is changed unless every place and answer can be.

        Raises:
            PlaceUnknown: the form has no such question there.
            PlaceFixed: only the form itself answers it.
            AnswerBroken: an answer is no `{"value…": …}`.
            ResponseTooLong: there are more than a form may hold.
        """
        self._put(given, is_person=True)

    def prefill(self, given: Mapping[str, Sequence[Answer]]) -> None:
        """Put what is known from elsewhere, also where people cannot answer; as `answer`."""
        self._put(given, is_person=False)

    def _put(self, given: Mapping[str, Sequence[Answer]], *, is_person: bool) -> None:
        places = self._places()
        wanted = [(self._asked(places, path, is_person=is_person), path) for path in given]
        for spot, path in wanted:
            _checked(spot, given[path])
        wanted.sort(key=lambda each: each[0].item.order)  # what is above before what is within
        dirty: list[int] = []
        for spot, path in wanted:
            if self._changing.tree.has(spot):  # not if its answer above went
                bare = [{k: v for k, v in each.items() if k != "item"} for each in given[path]]
                dirty += self._changing.put(spot, bare)
        self._settle(dirty)

    def add(self, path: str) -> str:
        """Add a repetition after the last one of a group; return its place.

        Raises:
            PlaceUnknown: there is no such group, or it does not repeat.
            ResponseTooLong: there are as many as allowed.
        """
        spot = self._group(path)
        around = self._changing.tree.around(spot)
        most = spot.item.bounds.max_occurs
        if most is not None and sum(1 for each in around if each.item is spot.item) >= most:
            raise ResponseTooLong(link_id=spot.item.link_id, limit=most)
        new = self._changing.grow(spot)[0]
        self._settle(self._changing.rules_of(new))
        return new.path()

    def remove(self, path: str) -> None:
        """Take a repetition of a group away; of the only one its answers.

        Raises:
            PlaceUnknown: there is no such group, or it does not repeat.
        """
        self._settle(self._changing.shrink(self._group(path)))

    def _settle(self, dirty: Iterable[int]) -> None:
        fresh = [index for spot in self._changing.fresh for index in self._changing.rules_of(spot)]
        population.begin_fresh(self._changing)
        self._changing.settle([*dirty, *fresh])

    def _places(self) -> dict[str, Spot]:
        return {spot.path(): spot for spot in self._changing.tree.all()}

    def _asked(self, places: Mapping[str, Spot], path: str, *, is_person: bool) -> Spot:
        spot = places.get(path)
        if spot is None or not spot.item.is_question:
            raise PlaceUnknown(path=path[:100])
        if spot.item.is_computed or (is_person and spot.item.is_fixed):
            raise PlaceFixed(path=path[:100])
        return spot

    def _group(self, path: str) -> Spot:
        spot = self._places().get(path)
        if spot is None or not spot.item.is_group or not spot.item.repeats:
            raise PlaceUnknown(path=path[:100])
        return spot

    def problems(self, *, complete: bool) -> tuple[Problem, ...]:
        """Return what is wrong with the answers; `complete`: also what is missing.

        A response may be completed when all that is left are warnings.
        """
        return checking.problems(self._changing, complete=complete)

    def faults(self) -> tuple[Problem, ...]:
        """Return what is wrong with the form, as far as these answers show it; for its author."""
        changing = self._changing
        found = list(self.form.faults)
        found += [problem(code) for code in changing.faults.values()]
        for spot in changing.tree.all():
            codes = dict.fromkeys(spot.faults.values())
            found += [problem(code, spot.path(), spot.item.link_id) for code in codes]
        return tuple(found)

    def shown(self, lang: str = "zh", problems: Iterable[Problem] = ()) -> tuple[Shown, ...]:
        """Return the form as a page draws it; problems stand at their places."""
        return showing.shown(self._changing, problems, lang)

    def answers(self) -> dict[str, tuple[Answer, ...]]:
        """Return what counts: place to its answers, of what is asked for and answered."""
        return {
            spot.path(): tuple(spot.answers)
            for spot in self._changing.tree.all()
            if spot.on and spot.answers
        }

    def response(self, status: str, *, authored: datetime | None = None) -> Json:
        """Return the QuestionnaireResponse: what counts, with the texts of the form it answers.

        Args:
            status: `in-progress` for a draft, `completed`, `amended` …
            authored: the instant it was written.
        """
        document = self._changing.tree.document
        made = {name: document[name] for name in HEADER if name in document}
        made["questionnaire"] = self.form.canonical()
        if not made["questionnaire"]:
            del made["questionnaire"]
        made["status"] = status
        made |= {name: each for name, each in document.items() if name not in (*made, "item")}
        made["status"] = status
        if authored is not None:
            made["authored"] = authored.isoformat()
        items = [_written(spot) for spot in self._changing.tree.top if spot.live]
        return made | {"item": items} if items else made


def begin(form: Form, *, now: datetime | None = None, sources: Sources = NO_SOURCES) -> Filling:
    """Begin a new response, filled with what the form knows from the start.

    Args:
        form: the compiled questionnaire.
        now: the instant of now() and today(), aware; without it they are nothing.
        sources: launch context and what else expressions may ask.

    Raises:
        ResponseTooLong: what is found in the record is more than a form may hold.
    """
    changing = Changing(form, {}, now=now, sources=sources)
    population.begin(changing)
    return Filling(changing)


def resume(
    form: Form, response: Json, *, now: datetime | None = None, sources: Sources = NO_SOURCES
) -> Filling:
    """Take a response up again, whatever is in it; `problems` tells what does not belong.

    Raises:
        AnswerBroken: it is no JSON object.
        ResponseTooLong: it holds more than a form may.
    """
    if not isinstance(response, dict):
        raise AnswerBroken
    changing = Changing(form, response, now=now, sources=sources)
    changing.settle()
    return Filling(changing)


def _checked(spot: Spot, given: Sequence[Answer]) -> None:
    if len(given) > ANSWERS_MAX:
        raise ResponseTooLong(link_id=spot.item.link_id, limit=ANSWERS_MAX)
    for each in given:
        if not isinstance(each, dict) or answers.kind_of(each) is None or is_wild(each):
            raise AnswerBroken(link_id=spot.item.link_id)


def _written(spot: Spot) -> Json:
    """Return a spot's item of the response, with its text and without what is empty."""
    made: Json = {"linkId": spot.item.link_id}
    if spot.item.text:
        made["text"] = spot.item.text
    made |= {name: each for name, each in spot.json.items() if name not in ("answer", "item")}
    if spot.item.is_group:
        made["item"] = [_written(inner) for inner in spot.branches[0] if inner.live]
        return made
    given = spot.answers
    written: list[Any] = []
    for index in range(max(len(given), len(spot.branches))):
        answer = dict(given[index]) if index < len(given) else {}
        branch = spot.branches[index] if index < len(spot.branches) else []
        within = [_written(inner) for inner in branch if inner.live]
        if within:
            answer["item"] = within
        if answer:
            written.append(answer)
    return made | {"answer": written}
