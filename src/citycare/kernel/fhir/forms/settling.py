"""What follows from the answers of a form, kept up to date answer by answer.

Only what depends on a changed answer is evaluated again (`rules`); `evaluations` counts.
Whatever the answers are, it comes to an end, and the same answers always lead to the same state:
rules that depend on each other in a circle begin anew from nothing and have a limited number of
rounds; where they do not settle they count as not calculated and enabled, and the form says so.
Source: HL7 FHIR R4 §2.4.3; SDC 3.0.0 "Form behavior and calculation" (enableWhenExpression,
calculatedExpression, answerExpression, candidateExpression, variable; %resource, %context,
%questionnaire, %qitem).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from citycare.kernel.fhir.forms import answers, choices, enabling
from citycare.kernel.fhir.forms import rules as ordering
from citycare.kernel.fhir.forms.asking import Asking
from citycare.kernel.fhir.forms.form import Form
from citycare.kernel.fhir.forms.formulas import Formula, Items
from citycare.kernel.fhir.forms.model import (
    EVALUATIONS_MAX,
    ROUNDS_MAX,
    Answer,
    Choice,
    FormBroken,
    Json,
    ResponseTooLong,
    Sources,
)
from citycare.kernel.fhir.forms.rules import Kind, Rule
from citycare.kernel.fhir.forms.spots import Spot
from citycare.kernel.fhir.path import Node, PathError, values

CIRCLE_MAX = 5_000  # rules of a circle evaluated, at most, beside the first three rounds
CYCLE: Final = "cycle"


class Settling(Asking):
    """A form being filled in; after each change all that follows from it is found.

    Attributes:
        evaluations: how many rules were evaluated so far, each place counted.
        faults: codes of variables of the whole form that failed, by rule.
        fresh: spots that came with an answer or a repetition and know nothing yet.
    """

    def __init__(
        self, form: Form, response: Json, *, now: datetime | None, sources: Sources
    ) -> None:
        """Read a response; nothing follows from it yet (`settle`).

        Raises:
            ResponseTooLong: it has more items than a form may.
        """
        super().__init__(form, response, now=now, sources=sources)
        self.rules = ordering.of_form(form)
        self.evaluations = 0
        self.faults: dict[str, str] = {}
        self.fresh: list[Spot] = []

    def settle(self, rules: Iterable[int] | None = None) -> None:
        """Evaluate rules (all, if none are named) and what depends on what they change.

        Raises:
            ResponseTooLong: more would have to be evaluated than any sensible form asks for.
        """
        if rules is None:
            self.tree.write()
            rules = range(len(self.rules.rules))
        dirty = set(rules)
        limit = self.evaluations + EVALUATIONS_MAX
        waiting = sorted({self.rules.rules[index].step for index in dirty})
        while waiting:
            members = self.rules.steps[heapq.heappop(waiting)]
            if dirty.isdisjoint(members):
                continue
            dirty.difference_update(members)
            if self.evaluations > limit:
                raise ResponseTooLong(limit=EVALUATIONS_MAX)
            for index in self._step(members):
                if index not in dirty:
                    dirty.add(index)
                    heapq.heappush(waiting, self.rules.rules[index].step)

    def _step(self, members: list[int]) -> list[int]:
        """Evaluate the rules of one step; return those that are to be looked at because of it."""
        rule = self.rules.rules[members[0]]
        if rule.circular:
            return self._circle(members)
        return list(self.rules.told_by(rule)) if self._evaluate(rule) else []

    def _circle(self, members: list[int]) -> list[int]:
        """Evaluate rules that depend on each other, from nothing, until nothing changes."""
        circle = [self.rules.rules[index] for index in members]
        for rule in circle:
            self._reset(rule)
        inside = set(members)
        pending = set(members)
        for _ in range(max(3, min(ROUNDS_MAX, CIRCLE_MAX // len(members)))):
            for rule in circle:
                if rule.index in pending:
                    pending.discard(rule.index)
                    if self._evaluate(rule):
                        pending |= inside.intersection(self.rules.told_by(rule))
            if not pending:
                break
        if pending:
            for rule in circle:
                self._reset(rule, unsettled=True)
        told = {index for rule in circle for index in self.rules.told_by(rule)}
        return sorted(told - inside)

    def _reset(self, rule: Rule, *, unsettled: bool = False) -> None:
        """Let a rule of a circle begin anew, or leave it so where the circle does not settle."""
        spots = self._spots(rule)
        for faults in [self.faults] if rule.item is None else [spot.faults for spot in spots]:
            faults.pop(CYCLE, None)
            if unsettled:
                faults[CYCLE] = CYCLE
        if rule.kind is Kind.VARIABLE and rule.formula is not None:
            for known in [self.variables] if rule.item is None else [s.variables for s in spots]:
                known[rule.formula.name] = []
        for spot in spots:
            if rule.kind is Kind.CALCULATED:
                self._calculate(spot, [] if unsettled else None)
            elif rule.kind is Kind.ENABLED:
                self._enable(spot, enabled=True)

    def _spots(self, rule: Rule) -> list[Spot]:
        """Return where a rule's item stands now."""
        return [] if rule.item is None else list(self.tree.by_link[rule.item.link_id])

    def _evaluate(self, rule: Rule) -> bool:
        """Evaluate a rule wherever its item stands; tell whether anything came of it."""
        if rule.item is None:
            return self._variable(None, rule)
        changed = False
        for spot in self._spots(rule):
            match rule.kind:
                case Kind.VARIABLE:
                    changed |= self._variable(spot, rule)
                case Kind.ENABLED:
                    changed |= self._enable(spot, enabled=self._is_enabled(spot, rule))
                case Kind.OFFERED:
                    changed |= self._offer(spot, rule)
                case Kind.CALCULATED:
                    found = self._calculated(spot, rule) if spot.on else None
                    changed |= self._calculate(spot, found)
        return changed

    def _variable(self, spot: Spot | None, rule: Rule) -> bool:
        """Find a variable; it may use those told before it in the same place, not itself."""
        assert rule.formula is not None
        known = self.variables if spot is None else spot.variables
        told = self.form.variables if spot is None else spot.item.variables
        earlier: dict[str, Any] = {}
        population = self.form.population if spot is None else spot.item.population
        if population is not None and population.name in known:
            earlier[population.name] = known[population.name]
        for formula in told:
            if formula is rule.formula:
                break
            if formula.name in known:
                earlier[formula.name] = known[formula.name]
        before = known.get(rule.formula.name)
        made = self._found(rule, spot, earlier)
        known[rule.formula.name] = [] if made is None else made
        return _differ(before, known[rule.formula.name])

    def _is_enabled(self, spot: Spot, rule: Rule) -> bool:
        """Tell whether an item is to be answered; an expression that fails hides nothing."""
        if rule.formula is None:
            self.evaluations += 1
            return enabling.is_enabled(spot, self.tree.by_link)
        made = self._found(rule, spot)
        if made is None:
            return True
        if len(made) > 1:
            spot.faults[_label(rule)] = "expression_type"
            return True
        return values.truth(made) is True

    def _enable(self, spot: Spot, *, enabled: bool) -> bool:
        if spot.enabled is enabled:
            return False
        spot.enabled = enabled
        self.switch(spot)
        return True

    def switch(self, spot: Spot) -> None:
        """Pass on to what is within a spot whether it is to be answered."""
        was_live = spot.live
        switched(spot, on=spot.above is None or spot.above.on)
        if spot.live != was_live:
            self.tree.rewrite_above(spot)

    def _calculated(self, spot: Spot, rule: Rule) -> list[Answer]:
        made = self._found(rule, spot)
        if made is None:
            return []
        found = [self.as_answer(spot, each) for each in made]
        whole = [each for each in found if each is not None]
        if len(whole) < len(made) or (len(whole) > 1 and not spot.item.repeats):
            spot.faults[_label(rule)] = "expression_type"
            return []
        return whole

    def as_answer(self, spot: Spot, made: Any) -> Answer | None:
        """Return what an expression found as an answer to a question, None if it is none."""
        item = spot.item
        for kind in item.kinds:
            answer = answers.made(kind, made, item.unit)
            if answer is None and kind == "Coding":
                text = values.plain(made)
                options = self.options(spot) if isinstance(text, str) else None
                choice = options.coded(text) if options is not None else None
                answer = None if choice is None else choice.answer
            if answer is not None:
                return answer
        return None

    def _calculate(self, spot: Spot, made: list[Answer] | None) -> bool:
        """Take over what was calculated; tell whether the answers that count are others now."""
        before = spot.answers
        spot.computed = made
        if made is not None and spot.given and answers.same_lists(made, spot.given):
            spot.given = []  # it was calculated when it was saved; nobody wrote it
        if not answers.same_lists(before, spot.answers):
            self.changed(spot)
            return True
        if made is not None and not spot.given:
            spot.computed = before  # the objects that are in the response already
        return False

    def _offer(self, spot: Spot, rule: Rule) -> bool:
        before, spot.offered = spot.offered, None
        made = self._found(rule, spot)
        if made is not None:
            offered = [self.as_answer(spot, each) for each in made]
            try:
                spot.offered = choices.of_answers([each for each in offered if each is not None])
            except FormBroken:
                offered = [None]
            if None in offered:
                spot.faults[_label(rule)] = "expression_type"
        if _choices(before) == _choices(spot.offered):
            return False
        self.weigh(spot)
        return True

    def _found(
        self, rule: Rule, spot: Spot | None, own: Mapping[str, Any] | None = None
    ) -> Items | None:
        """Evaluate a rule's expression at a spot; None where it fails, which is noted."""
        assert rule.formula is not None
        self.evaluations += 1
        faults = self.faults if spot is None else spot.faults
        label = _label(rule)
        faults.pop(label, None)
        return self.try_asking(rule.formula, spot, faults, label, own)

    def try_asking(
        self,
        formula: Formula,
        spot: Spot | None,
        faults: dict[str, str],
        label: str,
        own: Mapping[str, Any] | None = None,
    ) -> Items | None:
        """Evaluate an expression; where it fails note its fault under the label."""
        try:
            return self.ask(formula, spot, own)
        except PathError:
            faults[label] = formula.fault or "expression"
            return None

    def changed(self, spot: Spot) -> None:
        """Write a spot whose answers have changed, and ask within each of them."""
        if spot.item.items:
            self._branch_out(spot)
            spot.refresh()
            self.tree.rewrite_above(spot)  # arranging may have brought the spot to life already
        else:
            self.tree.rewrite(spot)
        self.weigh(spot)

    def _branch_out(self, spot: Spot) -> None:
        """Give each answer what is asked within it; what belonged to answers now gone goes too."""
        wanted = max(1, len(spot.answers))
        for branch in spot.branches[wanted:]:
            for inner in branch:
                self.tree.forget(inner)
        del spot.branches[wanted:]
        if len(spot.branches) == wanted:
            return
        while len(spot.branches) < wanted:
            index = len(spot.branches)
            spot.branches.append(self.tree.read(spot.item.items, None, spot, index))
            self.fresh += spot.branches[-1]
        self.tree.relist()
        switched(spot, on=spot.above is None or spot.above.on)


def _choices(offered: Any) -> tuple[Choice, ...] | None:
    return offered.choices if isinstance(offered, choices.Options) else None


def switched(spot: Spot, *, on: bool) -> None:
    """Switch a spot and all within it, and write their JSON from the innermost out."""
    spot.on = on and spot.enabled
    for branch in spot.branches:
        for inner in branch:
            switched(inner, on=spot.on)
    spot.refresh()


def _label(rule: Rule) -> str:
    name = "" if rule.formula is None else rule.formula.name
    return f"{rule.kind} {name}"


def _differ(before: Any, after: Items) -> bool:
    """Tell whether a variable is another; pieces of the response may have changed inside."""
    if before is None or any(isinstance(each, Node) for each in (*before, *after)):
        return True
    return [values.key(each) for each in before] != [values.key(each) for each in after]
