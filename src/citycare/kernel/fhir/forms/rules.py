"""The rules of a form in the order in which they are to be evaluated.

A rule is one expression or condition of one item: a variable, whether the item is enabled, what an
expression offers, what is calculated. It reads items and variables and tells of items; a rule
comes after those that tell of what it reads. Rules that depend on each other in a circle are one
step together. Source: R. Tarjan, "Depth-first search and linear graph algorithms", 1972; SDC 3.0.0
"Form behavior and calculation".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from citycare.kernel.fhir.forms.form import Form, Item
from citycare.kernel.fhir.forms.formulas import Formula
from citycare.kernel.fhir.forms.reading import Reads, reads


class Kind(StrEnum):
    """What a rule makes."""

    VARIABLE = "variable"
    ENABLED = "enabled"
    OFFERED = "offered"
    CALCULATED = "calculated"


@dataclass(slots=True, eq=False)
class Rule:
    """One rule.

    Attributes:
        item: the item it belongs to; None for a variable of the whole form.
        formula: the expression; None for `enableWhen`.
        readers: rules that read what this one makes, if it is a variable.
        step: its place in the order; rules of one step depend on each other.
        circular: whether there are others in its step, or it reads what it makes.
    """

    kind: Kind
    item: Item | None
    formula: Formula | None
    index: int
    reads: Reads = field(default_factory=Reads)
    readers: list[int] = field(default_factory=list)
    step: int = 0
    circular: bool = False


@dataclass(slots=True, eq=False)
class Rules:
    """All rules of a form.

    Attributes:
        rules: by index.
        steps: the indexes of rules in order, those that depend on each other together.
        readers: for each item (by order) the rules that read it.
        everything: rules that read the whole response.
        gated: for each item (by order) its rules that wait for it to be enabled.
        owned: for each item (by order) all its rules.
    """

    rules: list[Rule]
    steps: list[list[int]]
    readers: list[list[int]]
    gated: list[list[int]]
    owned: list[list[int]]
    everything: list[int]

    def told_by(self, rule: Rule) -> Iterable[int]:
        """Yield the rules that may have to be evaluated again when this one made something."""
        if rule.kind is Kind.VARIABLE:
            return rule.readers
        item = rule.item
        assert item is not None
        if rule.kind is Kind.OFFERED:  # a calculated code is one offered, and so is its score
            told = [*self.gated[item.order], *self.told_by_answer(item.order)]
            return [each for each in dict.fromkeys(told) if each != rule.index]
        if rule.kind is Kind.CALCULATED and not item.items:
            return self.told_by_answer(item.order)
        told = self.told_by_items(range(item.order, item.end))
        if rule.kind is Kind.CALCULATED:  # as many answers, as often what is asked within each
            told = [each for each in told if each not in self.gated[item.order]]
            told += [
                each for order in range(item.order + 1, item.end) for each in self.owned[order]
            ]
        return list(dict.fromkeys(told))

    def variables_within(self, item: Item) -> list[int]:
        """Return the variables of an item and of all within it, in their order."""
        owned = [index for order in range(item.order, item.end) for index in self.owned[order]]
        return [index for index in owned if self.rules[index].kind is Kind.VARIABLE]

    def told_by_answer(self, order: int) -> list[int]:
        """Return the rules that read the answers of an item; each once."""
        return list(dict.fromkeys((*self.readers[order], *self.everything)))

    def told_by_items(self, orders: Iterable[int]) -> list[int]:
        """Return the rules that read items, or wait for them; each once."""
        found = dict.fromkeys(self.everything)
        for order in orders:
            found.update(dict.fromkeys(self.readers[order]))
            found.update(dict.fromkeys(self.gated[order]))
        return list(found)


def of_form(form: Form) -> Rules:
    """Return the rules of a form, in order; made once."""
    made = form.kept.get("rules")
    if not isinstance(made, Rules):
        made = form.kept["rules"] = _made(form)
    return made


def _made(form: Form) -> Rules:
    rules = _all(form)
    size = len(form.ordered)
    readers, gated, owned = ([list[int]() for _ in range(size)] for _ in range(3))
    made = Rules(rules, [], readers, gated, owned, [])
    named: dict[tuple[int | None, str], list[Rule]] = {}
    for rule in rules:
        if rule.item is not None:
            made.owned[rule.item.order].append(rule.index)
        if rule.kind is Kind.VARIABLE and rule.formula is not None:
            named.setdefault((_order_of(rule.item), rule.formula.name), []).append(rule)
    for rule in rules:
        _read(form, made, rule, named)
    _order(made)
    return made


def _order_of(item: Item | None) -> int | None:
    return None if item is None else item.order


def _all(form: Form) -> list[Rule]:
    found: list[Rule] = []

    def add(kind: Kind, item: Item | None, formula: Formula | None) -> None:
        found.append(Rule(kind, item, formula, len(found)))

    for variable in form.variables:
        add(Kind.VARIABLE, None, variable)
    for item in form.ordered:
        for variable in item.variables:
            add(Kind.VARIABLE, item, variable)
        if item.enable_formula is not None or item.conditions:
            add(Kind.ENABLED, item, item.enable_formula)
        offered = item.answers_formula or item.candidates_formula
        if offered is not None and not offered.fault:
            add(Kind.OFFERED, item, offered)
        if item.calculated is not None and item.is_question and not item.calculated.fault:
            add(Kind.CALCULATED, item, item.calculated)
    return found


def _read(
    form: Form, made: Rules, rule: Rule, named: dict[tuple[int | None, str], list[Rule]]
) -> None:
    """Note what a rule reads, at what it reads."""
    if rule.formula is not None:
        rule.reads = reads(*rule.formula.paths())
    if rule.kind is Kind.ENABLED and rule.item is not None:
        rule.reads.links |= {condition.question for condition in rule.item.conditions}
    if rule.reads.own and rule.item is None:
        rule.reads.everything = True
    if rule.reads.everything:
        made.everything.append(rule.index)
    else:
        items = [form.by_link[link] for link in rule.reads.links & form.by_link.keys()]
        if rule.reads.own and rule.item is not None:
            items.append(rule.item)
        for order in {order for item in items for order in range(item.order, item.end)}:
            made.readers[order].append(rule.index)
    for name in sorted(rule.reads.variables):
        source = _variable(named, rule, name)
        if source is not None:
            source.readers.append(rule.index)
    if rule.item is not None and rule.kind in (Kind.CALCULATED, Kind.OFFERED):
        made.gated[rule.item.order].append(rule.index)


def _variable(
    named: dict[tuple[int | None, str], list[Rule]], reader: Rule, name: str
) -> Rule | None:
    """Find the variable a rule means: of its item or of the nearest above that has it.

    A variable may use those told before it, also one of its own name.
    """
    holder = reader.item
    while True:
        for rule in reversed(named.get((_order_of(holder), name), [])):
            if reader.kind is not Kind.VARIABLE or rule.index < reader.index:
                return rule
        if holder is None:
            return None
        holder = holder.above


HUB: Final = -1  # stands between all rules that change answers and those that read everything


def _order(made: Rules) -> None:
    """Put the rules into steps: each after what it reads."""
    edges: dict[int, list[int]] = {HUB: list(made.everything)}
    for rule in made.rules:
        told = list(made.told_by(rule))
        if rule.kind in (Kind.ENABLED, Kind.CALCULATED) and made.everything:
            everything = set(made.everything)
            told = [index for index in told if index not in everything] + [HUB]
        edges[rule.index] = told
    for group in reversed(_circles(edges)):
        members = sorted(index for index in group if index != HUB)
        circular = len(group) > 1 or any(index in edges[index] for index in members)
        for index in members:
            made.rules[index].step = len(made.steps)
            made.rules[index].circular = circular
        if members:
            made.steps.append(members)


def _circles(edges: dict[int, list[int]]) -> list[list[int]]:
    """Return the strongly connected groups, each before those that lead to it (Tarjan)."""
    number: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    waiting: set[int] = set()
    groups: list[list[int]] = []
    for start in sorted(edges):
        if start in number:
            continue
        work = [(start, iter(edges[start]))]
        number[start] = lowest[start] = len(number)
        stack.append(start)
        waiting.add(start)
        while work:
            here, following = work[-1]
            after = next(
                (each for each in following if each not in number or each in waiting), None
            )
            if after is None:
                work.pop()
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[here])
                if lowest[here] == number[here]:
                    groups.append(_popped(stack, waiting, here))
            elif after in number:
                lowest[here] = min(lowest[here], number[after])
            else:
                number[after] = lowest[after] = len(number)
                stack.append(after)
                waiting.add(after)
                work.append((after, iter(edges[after])))
    return groups


def _popped(stack: list[int], waiting: set[int], until: int) -> list[int]:
    group = []
    while True:
        index = stack.pop()
        waiting.discard(index)
        group.append(index)
        if index == until:
            return group
