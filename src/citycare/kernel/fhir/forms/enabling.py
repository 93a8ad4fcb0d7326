"""enableWhen: which question is meant, and whether its answers fulfil a condition.

Source: HL7 FHIR R4 §2.4.3 Questionnaire.item.enableWhen: the nearest occurrence of the question
(ancestors, then what comes before, then what comes after); what is disabled counts as not
answered. Value set questionnaire-enable-operator: every operator but `!=` wants an answer that
fulfils it; `!=` wants that none equals, so it holds as well where nothing is answered.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Final

from citycare.kernel.fhir.forms import answers
from citycare.kernel.fhir.forms.elements import Condition
from citycare.kernel.fhir.forms.spots import Spot

ORDERS: Final[dict[str, Callable[[int, int], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


def is_enabled(spot: Spot, by_link: dict[str, list[Spot]]) -> bool:
    """Tell whether the conditions of an item are fulfilled at a spot; with none they are."""
    item = spot.item
    if not item.conditions:
        return True
    combine = all if item.every_condition else any
    return combine(_holds(condition, spot, by_link) for condition in item.conditions)


def _holds(condition: Condition, spot: Spot, by_link: dict[str, list[Spot]]) -> bool:
    question = nearest(spot, by_link.get(condition.question, []))
    given = question.answers if question is not None and question.on else []
    if condition.operator == "exists":
        return bool(given) is condition.answer[1]
    found = [answer for answer in map(answers.kind_of, given) if answer is not None]
    if condition.operator == "=":
        return any(answers.same(answer, condition.answer) for answer in found)
    if condition.operator == "!=":
        return not any(answers.same(answer, condition.answer) for answer in found)
    fits = ORDERS[condition.operator]
    orders = (answers.order(answer, condition.answer) for answer in found)
    return any(order is not None and fits(order, 0) for order in orders)


def nearest(spot: Spot, candidates: list[Spot]) -> Spot | None:
    """Return the occurrence of a question that an item means, None where there is none."""
    if len(candidates) <= 1:
        return candidates[0] if candidates else None
    distance: dict[int, int] = {}
    here: Spot | None = spot
    while here is not None:
        distance[id(here)] = len(distance)
        here = here.above
    best, best_rank = None, (len(distance) + 1, 0)
    for candidate in candidates:  # in the order of the form
        shared: Spot | None = candidate
        while shared is not None and id(shared) not in distance:
            shared = shared.above
        away = len(distance) if shared is None else distance[id(shared)]
        before = candidate.item.order <= spot.item.order
        rank = (away, 0 if before else 1)
        if rank < best_rank or (before and rank == best_rank):  # the last before, the first after
            best, best_rank = candidate, rank
    return best
