"""A form with its answers: what follows from them, kept up to date answer by answer.

Only what depends on a changed answer is evaluated again (`rules`); `State.evaluations` counts.
Whatever the answers are, it comes to an end, and the same answers always lead to the same state:
rules that depend on each other in a circle begin anew from nothing and have a limited number of
rounds; where they do not settle they count as not calculated and enabled, and the form says so.
Source: HL7 FHIR R4 §2.4.3; SDC 3.0.0 "Form behavior and calculation" (enableWhenExpression,
calculatedExpression, answerExpression, candidateExpression, variable; %resource, %context,
%questionnaire, %qitem).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from citycare.kernel.fhir.forms import answers, choices, enabling
from citycare.kernel.fhir.forms import rules as ordering
from citycare.kernel.fhir.forms.choices import Options
from citycare.kernel.fhir.forms.form import Form, Item
from citycare.kernel.fhir.forms.formulas import Formula, Items, Place, Scope, found
from citycare.kernel.fhir.forms.model import (
    NO_SOURCES,
    NOTHING,
    ROUNDS_MAX,
    Answer,
    FormBroken,
    Json,
    Sources,
)
from citycare.kernel.fhir.forms.rules import Kind, Rule
from citycare.kernel.fhir.forms.spots import Spot, Tree
from citycare.kernel.fhir.path import Hooks, Node, PathError, values

CIRCLE_MAX = 5_000  # evaluations of rules in a circle, at most, beside the first three rounds
CYCLE: Final = "cycle"


class State:
    """A form being filled in.

    Attributes:
        tree: the spots and the response as it would be sent.
        evaluations: how many rules were evaluated so far, each place counted.
        variables: those of the whole form.
    """

    def __init__(
        self,
        form: Form,
        response: Json,
        *,
        now: datetime | None = None,
        sources: Sources = NO_SOURCES,
        settled: bool = True,
    ) -> None:
        """Read a response and find all that follows from it.

        Args:
            form: the form.
            response: a QuestionnaireResponse; it need not be right (see `validate`).
            now: the instant of now() and today(); without it these expressions fail.
            sources: what expressions may ask.
            settled: False leaves the evaluation to `settle`, after answers were filled in.

        Raises:
            ResponseTooLong: it has more items than a form may.
        """
        self.form = form
        self.now = now
        self.sources = sources
        self.tree = Tree(form, response)
        self.rules = ordering.of_form(form)
        self.evaluations = 0
        self.variables: dict[str, Any] = {}
        self.faults: dict[str, str] = {}
        self._expanded: dict[str, Options | None] = {}
        self._weights: dict[int, tuple[Json, Decimal | int | None]] | None = None
        self._hooks = Hooks(resolve=sources.resolve, weight=self._weight, member=self._member)
        self._declared: Mapping[str, Any] = {
            **dict.fromkeys(form.context, []),
            **sources.context,
            "questionnaire": form.source,
        }
        if settled:
            self.settle()

    # what follows

    def settle(self, rules: Iterable[int] | None = None) -> None:
        """Evaluate rules (all, if none are named) and what depends on what they change."""
        if rules is None:
            self.tree.write()
            rules = range(len(self.rules.rules))
        dirty = set(rules)
        waiting = sorted({self.rules.rules[index].step for index in dirty})
        while waiting:
            members = self.rules.steps[heapq.heappop(waiting)]
            if dirty.isdisjoint(members):
                continue
            dirty.difference_update(members)
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
        rounds = max(3, min(ROUNDS_MAX, CIRCLE_MAX // len(members)))
        for _ in range(rounds):
            if not pending:
                break
            for rule in circle:
                if rule.index in pending:
                    pending.discard(rule.index)
                    if self._evaluate(rule):
                        pending |= inside.intersection(self.rules.told_by(rule))
        if pending:
            for rule in circle:
                self._reset(rule, fault=CYCLE)
        told = {index for rule in circle for index in self.rules.told_by(rule)}
        return sorted(told - inside)

    def _reset(self, rule: Rule, fault: str = "") -> None:
        """Let a rule of a circle begin anew, or end so."""
        for spot in self._spots(rule):
            spot.faults.pop(CYCLE, None)
            if fault:
                spot.faults[CYCLE] = fault
            if rule.kind is Kind.CALCULATED:
                self._calculate(spot, [] if fault else None)
            elif rule.kind is Kind.ENABLED:
                self._enable(spot, enabled=True)
            elif rule.kind is Kind.VARIABLE and rule.formula is not None:
                spot.variables.pop(rule.formula.name, None)
                if fault:
                    spot.variables[rule.formula.name] = []
        if rule.item is None and rule.formula is not None:
            self.variables.pop(rule.formula.name, None)
            if fault:
                self.variables[rule.formula.name] = []

    def _spots(self, rule: Rule) -> list[Spot]:
        return [] if rule.item is None else self.tree.by_link[rule.item.link_id]

    def _evaluate(self, rule: Rule) -> bool:
        """Evaluate a rule wherever its item stands; tell whether anything came of it."""
        if rule.item is None:
            return self._root_variable(rule)
        changed = False
        for spot in self._spots(rule):
            match rule.kind:
                case Kind.VARIABLE:
                    changed |= self._variable(spot, rule)
                case Kind.ENABLED:
                    changed |= self._enable(spot, enabled=self._is_enabled(spot, rule))
                case Kind.OFFERED:
                    self._offer(spot, rule)
                case Kind.CALCULATED:
                    if spot.on:
                        changed |= self._calculate(spot, self._calculated(spot, rule))
        return changed

    def _root_variable(self, rule: Rule) -> bool:
        assert rule.formula is not None
        name = rule.formula.name
        before = self.variables.pop(name, None)
        earlier = [each.name for each in self.form.variables if each is not rule.formula]
        scope = Scope({each: self.variables[each] for each in earlier if each in self.variables})
        made = self._found(rule, None, scope)
        self.variables[name] = [] if made is None else made
        return _differ(before, self.variables[name])

    def _variable(self, spot: Spot, rule: Rule) -> bool:
        assert rule.formula is not None
        name = rule.formula.name
        before = spot.variables.pop(name, None)
        made = self._found(rule, spot, spot.variables)
        spot.variables[name] = [] if made is None else made
        return _differ(before, spot.variables[name])

    def _is_enabled(self, spot: Spot, rule: Rule) -> bool:
        """Tell whether an item is to be answered; an expression that fails hides nothing."""
        if rule.formula is None:
            self.evaluations += 1
            return enabling.is_enabled(spot, self.tree.by_link)
        made = self._found(rule, spot, spot.variables)
        if made is None:
            return True
        try:
            return values.truth(made) is True
        except PathError:
            spot.faults[rule.kind] = "expression_type"
            return True

    def _enable(self, spot: Spot, *, enabled: bool) -> bool:
        if spot.enabled is enabled:
            return False
        spot.enabled = enabled
        self._switch(spot)
        return True

    def _switch(self, spot: Spot) -> None:
        """Pass on to what is within a spot whether it is to be answered."""
        for each in _inside_out(spot):
            above: Spot | None = each
            while above is not None and above.enabled:
                above = above.above
            each.on = above is None
            each.refresh()
        self.tree.rewrite(spot)
        if spot.above is not None:
            spot.above.refresh()
        self._touch_up(spot)

    def _touch_up(self, spot: Spot) -> None:
        """Write what a spot stands in, whether or not it seems to have changed."""
        here = spot.above
        while here is not None:
            here.refresh()
            here = here.above
        self.tree.document["item"] = [each.json for each in self.tree.top if each.live]

    def _calculated(self, spot: Spot, rule: Rule) -> list[Answer]:
        made = self._found(rule, spot, spot.variables)
        if made is None:
            return []
        item = spot.item
        found_answers = [self._as_answer(spot, each) for each in made]
        whole = [each for each in found_answers if each is not None]
        if len(whole) < len(made) or (len(whole) > 1 and not item.repeats):
            spot.faults[rule.kind] = "expression_type"
            return []
        return whole

    def _as_answer(self, spot: Spot, made: Any) -> Answer | None:
        """Return what an expression found as an answer to a question, None if it is none."""
        item = spot.item
        for kind in item.kinds:
            answer = answers.made(kind, made, item.unit)
            if answer is None and kind == "Coding":
                text = values.plain(made)
                options = self.options(spot)
                choice = options.coded(text) if options and isinstance(text, str) else None
                answer = None if choice is None else choice.answer
            if answer is not None:
                return answer
        return None

    def _calculate(self, spot: Spot, made: list[Answer] | None) -> bool:
        """Take over what was calculated; tell whether the answers that count are others now."""
        before = spot.answers
        if made is not None and spot.given and answers.same_lists(made, spot.given):
            spot.given = []  # it was calculated when it was saved; nobody wrote it
        spot.computed = made
        if answers.same_lists(before, spot.answers):
            spot.computed = before if made is not None and not spot.given else made
            return False
        self._changed(spot)
        return True

    def _changed(self, spot: Spot) -> None:
        """Write a spot whose answers have changed."""
        self._branch_out(spot)
        self.tree.rewrite(spot)
        if self._weights is not None:
            self._weigh(spot)

    def _branch_out(self, spot: Spot) -> None:
        """Give each answer what is asked within it; what belonged to answers now gone goes too."""
        if not spot.item.items:
            return
        wanted = max(1, len(spot.answers))
        for branch in spot.branches[wanted:]:
            for inner in branch:
                self.tree.forget(inner)
        del spot.branches[wanted:]
        fresh = len(spot.branches) < wanted
        while len(spot.branches) < wanted:
            index = len(spot.branches)
            spot.branches.append(self.tree.read(spot.item.items, None, spot, index))
        if fresh:
            self.tree.relist()
            for each in _inside_out(spot):
                each.on = spot.on and each.enabled
                each.refresh()

    def _offer(self, spot: Spot, rule: Rule) -> None:
        made = self._found(rule, spot, spot.variables)
        if made is None:
            spot.offered = None
            return
        offered = [self._as_answer(spot, each) for each in made]
        try:
            spot.offered = choices.of_answers([each for each in offered if each is not None])
        except FormBroken:
            spot.offered = None
            spot.faults[rule.kind] = "expression_type"
        if None in offered:
            spot.faults[rule.kind] = "expression_type"

    # asking expressions

    def _found(self, rule: Rule, spot: Spot | None, own: Mapping[str, Any]) -> Items | None:
        """Evaluate a rule's expression at a spot; None where it fails, which is noted."""
        assert rule.formula is not None
        self.evaluations += 1
        faults = self.faults if spot is None else spot.faults
        label = f"{rule.kind} {rule.formula.name}".strip()
        faults.pop(label, None)
        try:
            return self.ask(rule.formula, spot, own)
        except PathError:
            faults[label] = rule.formula.fault or "expression"
            return None

    def ask(
        self, formula: Formula, spot: Spot | None, own: Mapping[str, Any] | None = None
    ) -> Items:
        """Evaluate an expression at a spot, or on the whole response.

        Raises:
            PathError: it cannot be evaluated.
        """
        mappings = [] if own is None else [own]
        here = spot if own is None or spot is None else spot.above
        while here is not None:
            if here.variables:
                mappings.append(here.variables)
            here = here.above
        if own is None or spot is not None:
            mappings.append(self.variables)
        item = NOTHING if spot is None else {"qitem": spot.item.source}
        document = self.tree.document
        place = Place(
            document if spot is None else spot.json,
            document,
            Scope(*mappings, self._declared, item),
            self.now,
            self._hooks,
            self.sources,
        )
        return found(formula, place)

    def _weight(self, coding: Any) -> Decimal | int | None:
        """Return the score of an answer's Coding; the question it answers decides."""
        if self._weights is None:
            self._weights = {}
            for spot in self.tree.all():
                self._weigh(spot)
        known = self._weights.get(id(coding))
        return None if known is None else known[1]

    def _weigh(self, spot: Spot) -> None:
        """Note the scores of a spot's answers, by the very objects they are."""
        if self._weights is None or "Coding" not in spot.item.kinds:
            return
        options = self.options(spot)
        if options is None or not options.has_weights:
            return
        for answer in (*spot.given, *(spot.computed or ())):
            coding = answer.get("valueCoding")
            choice = options.find(answer) if isinstance(coding, dict) else None
            if isinstance(coding, dict) and choice is not None:
                self._weights[id(coding)] = (coding, choice.weight)

    def _member(self, value: Any, canonical: str) -> bool | None:
        options = self.expanded(canonical)
        coding = value if isinstance(value, dict) else {"code": value}
        if options is not None:
            return options.find({"valueCoding": coding}) is not None
        return None if self.sources.member is None else self.sources.member(coding, canonical)

    def options(self, spot: Spot) -> Options | None:
        """Return what a question offers at a spot; None where that is not known."""
        if isinstance(spot.offered, Options):
            return spot.offered
        item = spot.item
        if item.options is not None or not item.value_set:
            return item.options
        return self.expanded(item.value_set)

    def units(self, item: Item) -> Options | None:
        """Return the units a quantity may have; None where any or not known."""
        if item.units is not None or not item.unit_set:
            return item.units
        return self.expanded(item.unit_set)

    def expanded(self, canonical: str) -> Options | None:
        """Return a value set that was asked for, once; None where it is not known."""
        if canonical not in self._expanded:
            inside = choices.Contained(self.form.source).expand(canonical)
            if inside is None and self.sources.expand is not None:
                asked = self.sources.expand(canonical)
                inside = None if asked is None else list(asked)
            self._expanded[canonical] = None if inside is None else choices.of_codings(inside)
        return self._expanded[canonical]

    def answer(self, spot: Spot, given: Sequence[Answer]) -> None:
        """Take the answers of one question and find what follows from them."""
        spot.given = list(given)
        if spot.computed is not None and answers.same_lists(spot.given, spot.computed):
            spot.given = []
        self._changed(spot)
        item = spot.item
        if not item.items:
            self.settle(self.rules.told_by_items((item.order,)))
            return
        self.touch(spot)

    def touch(self, spot: Spot) -> None:
        """Find anew all that concerns a spot, what is within it and who reads these."""
        orders = range(spot.item.order, spot.item.end)
        owned = [index for order in orders for index in self.rules.owned[order]]
        self.settle([*owned, *self.rules.told_by_items(orders)])

    def open(self, spot: Spot) -> None:
        """Switch on a spot that was added, with what is within, and find what follows."""
        self._switch(spot)
        self.touch(spot)


def _inside_out(spot: Spot) -> Iterable[Spot]:
    return reversed(list(spot.within()))


def _differ(before: Any, after: Items) -> bool:
    """Tell whether a variable is another; pieces of the response may have changed inside."""
    if before is None or any(isinstance(each, Node) for each in (*before, *after)):
        return True
    return [values.key(each) for each in before] != [values.key(each) for each in after]
