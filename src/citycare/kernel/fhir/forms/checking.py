"""What is wrong with a response: its shape, its answers, and what is still missing.

A draft may lack answers; what it has must be of the right kind and within its bounds. A complete
response lacks nothing that is asked for. What is not asked for (disabled) is never wrong.
Within a group that repeats an item is required only where that repetition holds something, or is
the only one of a group that is required; within a question only where that is answered.
Source: HL7 FHIR R4 §2.4.3 Questionnaire.item (required, repeats, maxLength, answerOption,
answerValueSet), §2.4.4 QuestionnaireResponse and its invariants; the extensions in `extensions`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from citycare.kernel.fhir.forms import answers
from citycare.kernel.fhir.forms.asking import Asking
from citycare.kernel.fhir.forms.elements import MEGABYTE, Constraint
from citycare.kernel.fhir.forms.formulas import Formula
from citycare.kernel.fhir.forms.model import Answer, Json, Problem
from citycare.kernel.fhir.forms.spots import Spot
from citycare.kernel.fhir.forms.words import problem
from citycare.kernel.fhir.path import PathError, regex, values

STATUSES: Final = ("in-progress", "completed", "amended", "entered-in-error", "stopped")
BASE64 = (3, 4)  # bytes in so many characters


def problems(asking: Asking, *, complete: bool) -> tuple[Problem, ...]:
    """Return all that is wrong, that of the whole response first, then in the form's order."""
    found = [*_of_header(asking), *_constraints(asking, None, asking.form.constraints)]
    places = {spot.path(): at for at, spot in enumerate(asking.tree.all())}
    within: list[Problem] = list(asking.tree.problems)
    for spot in asking.tree.all():
        within += _of_spot(asking, spot, complete=complete)
    within.sort(key=lambda each: places.get(each.path, len(places)))
    return (*found, *within)


def _of_header(asking: Asking) -> Iterator[Problem]:
    document, form = asking.tree.document, asking.form
    if document.get("resourceType") != "QuestionnaireResponse":
        yield problem("response")
    status = document.get("status")
    if status is not None and status not in STATUSES:
        yield problem("status")
    named = document.get("questionnaire")
    if named is None or not form.url:
        return
    url, _, version = str(named).partition("|")
    if url not in (form.url, f"Questionnaire/{form.source.get('id')}"):
        yield problem("questionnaire")
    elif version and form.version and version != form.version:
        yield problem("version")


def _of_spot(asking: Asking, spot: Spot, *, complete: bool) -> Iterator[Problem]:
    item = spot.item
    if not spot.on:
        if spot.given:
            yield _at(spot, "disabled")
        return
    if spot.is_asked:
        if complete:
            yield from _missing(asking, spot)
        yield from _too_many(asking, spot)
        if complete or spot.live:
            yield from _constraints(asking, spot, item.constraints)
    if item.is_computed:
        if spot.given and not answers.same_lists(spot.given, spot.computed or []):
            yield _at(spot, "calculated")
        return
    if spot.answers:
        yield from _of_answers(asking, spot)


def _at(spot: Spot, code: str, *, warning: bool | None = None, **facts: Any) -> Problem:
    return problem(code, spot.path(), spot.item.link_id, warning=warning, **facts)


def _count(asking: Asking, spot: Spot) -> int | None:
    """Return how many answers or repetitions there are; None at all but the first repetition."""
    if spot.item.is_question:
        return len(spot.answers)
    if spot.number:
        return None
    return sum(1 for each in asking.tree.around(spot) if each.item is spot.item and each.live)


def _missing(asking: Asking, spot: Spot) -> Iterator[Problem]:
    item = spot.item
    count = _count(asking, spot)
    if count is None or item.is_computed or item.type == answers.DISPLAY:
        return
    if item.required and not count:
        yield _at(spot, "required", warning=item.hidden or None)  # nobody could fill it in
    elif item.bounds.min_occurs and (item.required or count) and count < item.bounds.min_occurs:
        yield _at(spot, "min_occurs", limit=item.bounds.min_occurs)


def _too_many(asking: Asking, spot: Spot) -> Iterator[Problem]:
    count, most = _count(asking, spot), spot.item.bounds.max_occurs
    if count is None:
        return
    if spot.item.is_question and count > 1 and not spot.item.repeats:
        yield _at(spot, "answer_many")
    elif most is not None and count > most:
        yield _at(spot, "max_occurs", limit=most)


def _constraints(
    asking: Asking, spot: Spot | None, given: tuple[Constraint, ...]
) -> Iterator[Problem]:
    place, link_id = ("", "") if spot is None else (spot.path(), spot.item.link_id)
    for each in given:
        try:
            if values.truth(asking.ask(each.formula, spot)) is not True:
                human = each.human or each.formula.text
                yield problem("constraint", place, link_id, warning=each.warning, human=human)
        except PathError:
            yield problem("expression", place, link_id)


def _of_answers(asking: Asking, spot: Spot) -> Iterator[Problem]:
    seen = set()
    offered = asking.options(spot)
    choices = []
    for answer in spot.answers:
        found = answers.kind_of(answer)
        if found is None or found[0] not in spot.item.kinds or not answers.is_of(*found):
            yield _at(spot, "answer_type")
            continue
        key = (found[0], answers.key(*found))
        if key in seen:
            yield _at(spot, "answer_twice")
        seen.add(key)
        yield from _of_value(asking, spot, *found)
        if offered is not None:
            choices.append(offered.find(answer))
        yield from _of_choice(asking, spot, answer, *found)
    if len(spot.answers) > 1 and any(each is not None and each.exclusive for each in choices):
        yield _at(spot, "exclusive")


def _of_choice(
    asking: Asking, spot: Spot, answer: Answer, kind: str, value: Any
) -> Iterator[Problem]:
    """Hold an answer against what is offered; a free text of an open choice is always right."""
    item = spot.item
    offered = asking.options(spot)
    if item.candidates_formula is not None and item.answers_formula is None:
        return  # only hints
    is_free = item.open and (kind == "String" or not value.get("code"))
    if is_free:
        return
    if offered is not None:
        if offered.find(answer) is None:
            yield _at(spot, "option")
    elif item.value_set:
        member = asking.sources.member
        is_in = member(value, item.value_set) if member and isinstance(value, dict) else None
        if is_in is None:
            yield _at(spot, "value_set")
        elif not is_in:
            yield _at(spot, "option")


def _of_value(asking: Asking, spot: Spot, kind: str, value: Any) -> Iterator[Problem]:
    if kind in answers.TEXTS:
        yield from _of_text(spot, value)
    elif kind in ("Integer", "Decimal", "Quantity", *answers.TEMPORAL):
        yield from _of_size(asking, spot, kind, value)
    elif kind == "Attachment":
        yield from _of_file(spot, value)
    elif kind == "Reference" and not ({"reference", "identifier", "display"} & value.keys()):
        yield _at(spot, "empty")


def _of_text(spot: Spot, value: str) -> Iterator[Problem]:
    bounds = spot.item.bounds
    if not value.strip():
        yield _at(spot, "empty")
        return
    if bounds.max_length is not None and len(value) > bounds.max_length:
        yield _at(spot, "max_length", limit=bounds.max_length)
    if bounds.min_length is not None and len(value) < bounds.min_length:
        yield _at(spot, "min_length", limit=bounds.min_length)
    if bounds.pattern is not None:
        try:
            if not regex.matches_full(bounds.pattern, value):
                yield _at(spot, "pattern")
        except PathError:
            yield _at(spot, "bounds")


def limit(asking: Asking, spot: Spot, bound: Any) -> tuple[str, Any] | None:
    """Return (type, value) of a bound as it is now; None where there is none or none known."""
    if not isinstance(bound, Formula):
        return bound if isinstance(bound, tuple) else None
    try:
        found = asking.ask(bound, spot)
    except PathError:
        return None
    if len(found) != 1:
        return None
    for kind in spot.item.kinds:
        made = answers.made(kind, found[0], spot.item.unit)
        if made is not None:
            return answers.kind_of(made)
    return None


def _of_size(asking: Asking, spot: Spot, kind: str, value: Any) -> Iterator[Problem]:
    bounds = spot.item.bounds
    low, high = (limit(asking, spot, bound) for bound in (bounds.low, bounds.high))
    if kind == "Quantity":
        if not _is_number(value.get("value")):
            yield _at(spot, "answer_type" if "value" in value else "empty")
            return
        yield from _of_unit(asking, spot, value)
    for bound, side, code in ((low, -1, "min_value"), (high, 1, "max_value")):
        if bound is not None and _compared(kind, value, bound) == side:
            yield _at(spot, code, limit=answers.shown(*bound))
    number = value.get("value") if kind == "Quantity" else value
    if bounds.max_places is not None and _places(number) > bounds.max_places:
        yield _at(spot, "places", limit=bounds.max_places)
    if bounds.step is not None and _is_number(number):
        start = low[1] if low is not None and _is_number(low[1]) else 0
        if (_decimal(number) - _decimal(start)) % _decimal(bounds.step):
            yield _at(spot, "step", limit=bounds.step)


def _compared(kind: str, value: Any, bound: tuple[str, Any]) -> int | None:
    """Compare with a bound; a Quantity with a bare number by its number."""
    if kind == "Quantity" and bound[0] != "Quantity":
        kind, value = "Decimal", value.get("value")
    return answers.order((kind, value), bound)


def _of_unit(asking: Asking, spot: Spot, value: Json) -> Iterator[Problem]:
    offered = asking.units(spot.item)
    if offered is None:
        return
    code = value.get("code")
    coding = {"system": value.get("system"), "code": code} if code else {}
    coding |= {"display": value["unit"]} if "unit" in value else {}
    given = {name: each for name, each in coding.items() if each is not None}
    if offered.find({"valueCoding": given}) is None:
        yield _at(spot, "unit")


def _of_file(spot: Spot, value: Json) -> Iterator[Problem]:
    bounds = spot.item.bounds
    if bounds.mime_types and value.get("contentType") not in bounds.mime_types:
        yield _at(spot, "mime_type")
    size, data = value.get("size"), value.get("data")
    if not isinstance(size, int) and isinstance(data, str):
        size = len(data) * BASE64[0] // BASE64[1]
    if bounds.max_bytes is not None and isinstance(size, int) and size > bounds.max_bytes:
        yield _at(spot, "max_bytes", limit=f"{bounds.max_bytes / MEGABYTE:g} MB")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _decimal(number: Any) -> Decimal:
    return number if isinstance(number, Decimal) else Decimal(str(number))


def _places(number: Any) -> int:
    """Count the digits after the point, as they were written."""
    if isinstance(number, int) or not _is_number(number):
        return 0
    exponent = _decimal(number).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
