"""What a form knows from the start: fixed answers, and what is found in the record.

In this order: `initial` and options selected from the start; groups repeated as often as their
population context finds something; `initialExpression`, from top to bottom, over what is fixed.
It happens once, for a new response or a new repetition; afterwards the answers are the person's.
Source: HL7 FHIR R4 §2.4.3 Questionnaire.item.initial; SDC 3.0.0 "Form population", expression-based
(launchContext, itemPopulationContext, initialExpression).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from citycare.kernel.fhir.forms.changing import Changing
from citycare.kernel.fhir.forms.formulas import Formula, Items
from citycare.kernel.fhir.forms.model import REPEATS_MAX, Answer, ResponseTooLong
from citycare.kernel.fhir.forms.spots import Spot

INITIAL = "initial"
POPULATION = "population"


def begin(filling: Changing) -> None:
    """Fill a new response with what the form knows; all that follows from it is found.

    Raises:
        ResponseTooLong: a context finds more than a form may hold.
    """
    form = filling.form
    if form.population is not None:
        found = filling.try_asking(form.population, None, filling.faults, POPULATION)
        filling.variables[form.population.name] = found or []
    _fixed(filling, filling.tree.top)
    filling.settle()
    _repeat(filling)
    _find(filling, list(filling.tree.all()))
    begin_fresh(filling)
    filling.settle()


def begin_fresh(filling: Changing) -> None:
    """Fill the spots that are new in a response; what follows is not found yet (`settle`)."""
    while filling.fresh:  # what is given to a question may bring new ones within it
        known, filling.fresh = filling.fresh, []
        _fixed(filling, known)
        for spot in known:
            filling.settle(filling.rules.variables_within(spot.item))
        _find(filling, [inner for spot in known for inner in spot.within()])


def _fixed(filling: Changing, spots: Iterable[Spot]) -> None:
    for spot in spots:
        item = spot.item
        if item.initial and not spot.given:
            _give(filling, spot, list(item.initial))
        for branch in spot.branches:
            _fixed(filling, branch)


def _repeat(filling: Changing) -> None:
    """Repeat groups for what their context finds; each repetition knows its own."""
    for item in filling.form.ordered:
        if item.population is None or not item.is_group:
            continue
        for spot in list(filling.tree.by_link[item.link_id]):
            if spot.number:
                continue
            found = filling.try_asking(item.population, spot, spot.faults, POPULATION) or []
            if item.repeats:
                _one_for_each(filling, item.population, spot, found)
            else:
                _know(filling, item.population, spot, found)


def _one_for_each(filling: Changing, population: Formula, first: Spot, found: Items) -> None:
    if len(found) > REPEATS_MAX:
        raise ResponseTooLong(link_id=first.item.link_id, limit=REPEATS_MAX)
    spots = [first, *filling.grow(first, len(found) - 1)] if len(found) > 1 else [first]
    _fixed(filling, spots[1:])
    filling.fresh = []
    for spot, item in zip(spots, found, strict=False):
        if population.name:
            spot.variables[population.name] = [item]
    filling.settle(filling.rules.variables_within(first.item))


def _know(filling: Changing, population: Formula, spot: Spot, found: Items) -> None:
    """Let a context be seen within a spot, and find the variables there, which may use it."""
    if population.name:
        spot.variables[population.name] = found
    filling.settle(filling.rules.variables_within(spot.item))


def _find(filling: Changing, spots: list[Spot]) -> None:
    for spot in spots:
        formula = spot.item.initial_formula
        if formula is None or not spot.item.is_question:
            continue
        found = filling.try_asking(formula, spot, spot.faults, INITIAL)
        made = list(_made(filling, spot, found or []))
        if len(made) < len(found or []) or (len(made) > 1 and not spot.item.repeats):
            spot.faults[INITIAL] = "expression_type"
        elif made:
            _give(filling, spot, made)


def _made(filling: Changing, spot: Spot, found: Items) -> Iterator[Answer]:
    for each in found:
        answer = filling.as_answer(spot, each)
        if answer is not None:
            yield answer


def _give(filling: Changing, spot: Spot, given: list[Answer]) -> None:
    spot.given = given
    filling.changed(spot)
