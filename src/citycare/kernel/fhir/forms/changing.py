"""What people do to a form: answers to a question, one more repetition, one fewer.

Nothing is evaluated here: each change returns the rules to evaluate because of it (`settle`), and
`Settling.fresh` holds the spots that are new.
Source: HL7 FHIR R4 §2.4.4 QuestionnaireResponse (items within an answer; repeating groups).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from citycare.kernel.fhir.forms import answers
from citycare.kernel.fhir.forms.model import REPEATS_MAX, Answer, ResponseTooLong
from citycare.kernel.fhir.forms.settling import Settling, switched
from citycare.kernel.fhir.forms.spots import Spot


class Changing(Settling):
    """A form whose answers and repetitions change."""

    def put(self, spot: Spot, given: Sequence[Answer]) -> list[int]:
        """Put answers to one question; what is asked within an answer goes where that goes."""
        before, branches = spot.answers, list(spot.branches)
        spot.given = list(given)
        if spot.computed is not None and answers.same_lists(spot.given, spot.computed):
            spot.given = []
        if branches:
            self._arrange(spot, before)
        self.changed(spot)
        if len(branches) == len(spot.branches) and all(map(operator.is_, branches, spot.branches)):
            return self.rules.told_by_answer(spot.item.order)
        return self.rules_of(spot)

    def _arrange(self, spot: Spot, before: list[Answer]) -> None:
        """Let what is asked within each answer follow it to its new place."""
        if not spot.answers and not before:
            return
        moves = _followed(before, spot.answers) or [None]
        old = spot.branches
        for index in set(range(len(old))).difference(each for each in moves if each is not None):
            for inner in old[index]:
                self.tree.forget(inner)
        spot.branches = []
        for index, move in enumerate(moves):
            if move is None:
                branch = self.tree.read(spot.item.items, None, spot, index)
                self.fresh += branch
            else:
                branch = old[move]
            for inner in branch:
                inner.branch = index
            spot.branches.append(branch)
        self.tree.relist()
        switched(spot, on=spot.above is None or spot.above.on)

    def grow(self, spot: Spot, number: int = 1) -> list[Spot]:
        """Add repetitions of a group after its last one; return them.

        Raises:
            ResponseTooLong: there are as many as a form may have.
        """
        around = self.tree.around(spot)
        last = max(at for at, each in enumerate(around) if each.item is spot.item)
        first = around[last].number + 1
        if first + number > REPEATS_MAX:
            raise ResponseTooLong(link_id=spot.item.link_id, limit=REPEATS_MAX)
        made = []
        for count in range(number):
            new = self.tree.new(spot.item, spot.above, spot.branch, first + count)
            new.branches = [self.tree.read(spot.item.items, None, new)]
            made.append(new)
        around[last + 1 : last + 1] = made
        self.tree.relist()
        for new in made:
            switched(new, on=spot.above is None or spot.above.on)
        self.fresh += made
        return made

    def shrink(self, spot: Spot) -> list[int]:
        """Take a repetition of a group away; of the last one only what is within it."""
        around = self.tree.around(spot)
        same = [each for each in around if each.item is spot.item]
        if len(same) == 1:
            self.grow(spot)
            same = [each for each in around if each.item is spot.item]
        self.tree.forget(spot)
        around.remove(spot)
        same.remove(spot)
        for number, each in enumerate(same):
            each.number = number
        self.tree.rewrite_above(spot)
        return self.rules_of(spot)

    def rules_of(self, spot: Spot) -> list[int]:
        """Return the rules that concern a spot, what is within it, and who reads these."""
        orders = range(spot.item.order, spot.item.end)
        owned = [index for order in orders for index in self.rules.owned[order]]
        return [*owned, *self.rules.told_by_items(orders)]


def _followed(before: list[Answer], after: list[Answer]) -> list[int | None]:
    """Return for each answer which one it was before: the same one, else the one in its place."""
    places: dict[Any, list[int]] = {}
    for index, answer in reversed(list(enumerate(before))):
        places.setdefault(_key(answer), []).append(index)
    left = set(range(max(1, len(before))))  # without an answer there is a place for one
    found: list[int | None] = []
    for answer in after:
        same = places.get(_key(answer))
        found.append(same.pop() if same else None)
        left.discard(-1 if found[-1] is None else found[-1])
    for index, move in enumerate(found):
        if move is None and index in left:
            left.discard(index)
            found[index] = index
    return found


def _key(answer: Answer) -> Any:
    found = answers.kind_of(answer)
    return None if found is None else (found[0], answers.key(*found))
