"""What a form knows from the start: fixed answers, and what is found in the record.

In this order: `initial` and options selected from the start; groups repeated as often as their
population context finds something; `initialExpression`, from top to bottom, over what is fixed.
It happens once, for a new response or a new repetition; afterwards the answers are the person's.
Source: HL7 FHIR R4 §2.4.3 Questionnaire.item.initial; SDC 3.0.0 "Form population", expression-based
(launchContext, itemPopulationContext, initialExpression).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from citycare.kernel.fhir.forms.formulas import Formula, Items
from citycare.kernel.fhir.forms.model import REPEATS_MAX, Answer, ResponseTooLong
from citycare.kernel.fhir.forms.settling import Settling
from citycare.kernel.fhir.forms.spots import Spot

INITIAL = "initial"
POPULATION = "population"


def begin(settling: Settling) -> None:
    """Fill a new response with what the form knows; all that follows from it is found.

    Raises:
        ResponseTooLong: a context finds more than a form may hold.
    """
    form = settling.form
    if form.population is not None:
        found = settling.try_asking(form.population, None, settling.faults, POPULATION)
        settling.variables[form.population.name] = found or []
    _fixed(settling, settling.tree.top)
    settling.settle()
    _repeat(settling)
    _find(settling, list(settling.tree.all()))
    settling.settle()


def begin_within(settling: Settling, spots: Iterable[Spot]) -> None:
    """Fill spots that are new in a response; what follows is not found yet (`settle`)."""
    known = list(spots)
    _fixed(settling, known)
    _find(settling, [inner for spot in known for inner in spot.within()])


def _fixed(settling: Settling, spots: Iterable[Spot]) -> None:
    for spot in spots:
        item = spot.item
        if item.initial and not spot.given:
            _give(settling, spot, list(item.initial))
        for branch in spot.branches:
            _fixed(settling, branch)


def _repeat(settling: Settling) -> None:
    """Repeat groups for what their context finds; each repetition knows its own."""
    for item in settling.form.ordered:
        if item.population is None or not item.is_group:
            continue
        for spot in list(settling.tree.by_link[item.link_id]):
            if spot.number:
                continue
            found = settling.try_asking(item.population, spot, spot.faults, POPULATION) or []
            if item.repeats:
                _one_for_each(settling, spot, found)
            else:
                _know(settling, item.population, spot, found)


def _one_for_each(settling: Settling, first: Spot, found: Items) -> None:
    if len(found) > REPEATS_MAX:
        raise ResponseTooLong(link_id=first.item.link_id, limit=REPEATS_MAX)
    population = first.item.population
    assert population is not None
    _know(settling, population, first, found[:1])
    for item in found[1:]:
        spot = settling.grow(first)
        _fixed(settling, [spot])
        _know(settling, population, spot, [item])


def _know(settling: Settling, population: Formula, spot: Spot, found: Items) -> None:
    """Let a context be seen within a spot, and find the variables there, which may use it."""
    if population.name:
        spot.variables[population.name] = found
    settling.settle(settling.rules.variables_within(spot.item))


def _find(settling: Settling, spots: list[Spot]) -> None:
    for spot in spots:
        formula = spot.item.initial_formula
        if formula is None or not spot.item.is_question:
            continue
        found = settling.try_asking(formula, spot, spot.faults, INITIAL)
        made = list(_made(settling, spot, found or []))
        if len(made) < len(found or []) or (len(made) > 1 and not spot.item.repeats):
            spot.faults[INITIAL] = "expression_type"
        elif made:
            _give(settling, spot, made)


def _made(settling: Settling, spot: Spot, found: Items) -> Iterator[Answer]:
    for each in found:
        answer = settling.as_answer(spot, each)
        if answer is not None:
            yield answer


def _give(settling: Settling, spot: Spot, given: list[Answer]) -> None:
    spot.given = given
    settling.changed(spot)
