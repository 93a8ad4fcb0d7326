"""Answers taken over to another version of a form: what still fits stays, what does not is told.

An answer stays where its linkId is still a question that takes such an answer. An item that moved
to another group is found again by its linkId, as long as neither version repeats it.
Source: HL7 FHIR R4 §2.4.3 Questionnaire.item.linkId ("unique … across versions").
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from citycare.kernel.fhir.forms import answers
from citycare.kernel.fhir.forms.changing import Changing
from citycare.kernel.fhir.forms.filling import Filling
from citycare.kernel.fhir.forms.form import Form, Item
from citycare.kernel.fhir.forms.model import (
    DEPTH_MAX,
    NO_SOURCES,
    Answer,
    AnswerBroken,
    Json,
    Problem,
    Sources,
)
from citycare.kernel.fhir.forms.spots import Spot
from citycare.kernel.fhir.forms.words import problem

MOVED = ("item_misplaced", "item_unknown")


def carry(
    form: Form, response: Json, *, now: datetime | None = None, sources: Sources = NO_SOURCES
) -> tuple[Filling, tuple[Problem, ...]]:
    """Take the answers of a response to another version over; return what did not fit, too.

    Raises:
        AnswerBroken: it is no JSON object.
        ResponseTooLong: it holds more than a form may.
    """
    if not isinstance(response, dict):
        raise AnswerBroken
    old = {name: each for name, each in response.items() if name != "questionnaire"}
    changing = Changing(form, old, now=now, sources=sources)
    lost = [each for each in changing.tree.problems if each.code not in MOVED]
    changing.tree.problems.clear()
    for link_id, given in _answered(response.get("item")):
        spot = _place(changing, link_id)
        if spot is None:
            lost.append(problem("item_unknown", "", link_id))
        elif not spot.given:
            spot.given = list(given)
            changing.changed(spot)
    for spot in list(changing.tree.all()):
        fitting = [each for each in spot.given if _fits(changing, spot, each)]
        if len(fitting) < len(spot.given):
            lost.append(problem("option", spot.path(), spot.item.link_id))
            changing.put(spot, fitting)
    changing.settle()
    return Filling(changing), tuple(lost)


def _answered(items: object, depth: int = 0) -> Iterator[tuple[str, list[Answer]]]:
    """Yield (linkId, answers) of a response, whatever the form; groups only lead to more."""
    for item in items if isinstance(items, list) and depth < DEPTH_MAX else ():
        if not isinstance(item, dict) or not isinstance(item.get("linkId"), str):
            continue
        found = item.get("answer")
        given = (
            [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        )
        bare = [{name: each for name, each in one.items() if name != "item"} for one in given]
        if any(bare):
            yield item["linkId"], [each for each in bare if each]
        for one in (item, *given):
            yield from _answered(one.get("item"), depth + 1)


def _place(changing: Changing, link_id: str) -> Spot | None:
    """Return where a question stands; of one that repeats any place, which has its answers."""
    spots = changing.tree.by_link.get(link_id)
    if not spots or not spots[0].item.is_question:
        return None
    answered = [spot for spot in spots if spot.given]
    if answered:
        return answered[0]
    return None if _repeats(spots[0].item) else spots[0]


def _repeats(item: Item) -> bool:
    above = item.above
    while above is not None:
        if above.repeats:
            return True
        above = above.above
    return False


def _fits(changing: Changing, spot: Spot, answer: Answer) -> bool:
    found = answers.kind_of(answer)
    if found is None or found[0] not in spot.item.kinds or not answers.is_of(*found):
        return False
    offered = changing.options(spot)
    is_free = spot.item.open and found[0] == "String"
    return offered is None or is_free or offered.find(answer) is not None
