"""A questionnaire, compiled once: items by linkId, their rules read from elements and extensions.

What is wrong with an expression or a bound does not stop people from answering: it is kept in
`Form.faults` for who wrote the form. What makes answers ambiguous (two items of one linkId) does.
Source: HL7 FHIR R4 §2.4 Questionnaire and its invariants; the extensions in `extensions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from citycare.kernel.fhir.forms import answers, choices, extensions
from citycare.kernel.fhir.forms.answers import DISPLAY, GROUP
from citycare.kernel.fhir.forms.choices import Contained, Options
from citycare.kernel.fhir.forms.elements import (
    Condition,
    Constraint,
    bounds_of,
    condition_of,
    constraints_of,
    context_of,
    list_of,
    text_of,
    variables_of,
)
from citycare.kernel.fhir.forms.extensions import Extensions
from citycare.kernel.fhir.forms.formulas import Formula, formula
from citycare.kernel.fhir.forms.model import (
    DEPTH_MAX,
    ITEMS_MAX,
    NO_BOUNDS,
    Answer,
    Bounds,
    FormBroken,
    Json,
    Problem,
)
from citycare.kernel.fhir.forms.words import problem

FOLDED: Final = ("help", "flyover")  # displays that are part of what they stand in


@dataclass(slots=True, eq=False)
class Item:
    """One item of a questionnaire, compiled; nothing changes it afterwards.

    Attributes:
        above: the item it stands in, or None.
        order: its place in the questionnaire, read from top to bottom; all that is within it
            comes next, up to `end`.
        folded: a help text; it is shown with the item it stands in.
        kinds: types its answers may have.
        open: texts that are not offered may be written.
    """

    source: Json
    link_id: str
    type: str
    above: Item | None
    depth: int
    order: int
    end: int = 0
    text: str = ""
    prefix: str = ""
    items: tuple[Item, ...] = ()
    required: bool = False
    repeats: bool = False
    read_only: bool = False
    hidden: bool = False
    folded: bool = False
    open: bool = False
    control: str = ""
    category: str = ""
    help: str = ""
    kinds: tuple[str, ...] = ()
    bounds: Bounds = NO_BOUNDS
    options: Options | None = None
    value_set: str = ""
    unit: Json | None = None
    units: Options | None = None
    unit_set: str = ""
    initial: tuple[Answer, ...] = ()
    conditions: tuple[Condition, ...] = ()
    every_condition: bool = False
    enable_formula: Formula | None = None
    calculated: Formula | None = None
    initial_formula: Formula | None = None
    population: Formula | None = None
    answers_formula: Formula | None = None
    candidates_formula: Formula | None = None
    variables: tuple[Formula, ...] = ()
    constraints: tuple[Constraint, ...] = ()

    @property
    def is_group(self) -> bool:
        """Whether it holds items and no answers."""
        return self.type == GROUP

    @property
    def is_question(self) -> bool:
        """Whether it takes answers."""
        return self.type not in (GROUP, DISPLAY)

    @property
    def is_fixed(self) -> bool:
        """Whether people cannot answer it."""
        return self.read_only or self.hidden

    @property
    def is_computed(self) -> bool:
        """Whether only its expression answers it; one that is not understood answers nothing."""
        return self.is_fixed and self.calculated is not None and not self.calculated.fault

    def formulas(self) -> Iterator[Formula]:
        """Yield all expressions."""
        given = (
            *(self.enable_formula, self.calculated, self.initial_formula, self.population),
            *(self.answers_formula, self.candidates_formula),
            *self.variables,
            *(each.formula for each in self.constraints),
            *(each for each in (self.bounds.low, self.bounds.high) if isinstance(each, Formula)),
        )
        yield from (each for each in given if each is not None)


@dataclass(slots=True, eq=False)
class Form:
    """A compiled questionnaire; `Form.of` makes it.

    Attributes:
        items: those at the top.
        by_link: every item by linkId, in the questionnaire's order.
        ordered: every item by `Item.order`.
        context: names of the launch context.
        faults: what is wrong with the form itself.
        kept: what other modules have made of the form once, by their name.
    """

    source: Json
    url: str = ""
    version: str = ""
    title: str = ""
    items: tuple[Item, ...] = ()
    by_link: Mapping[str, Item] = field(default_factory=dict)
    ordered: tuple[Item, ...] = ()
    variables: tuple[Formula, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    population: Formula | None = None
    context: tuple[str, ...] = ()
    faults: tuple[Problem, ...] = ()
    kept: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, questionnaire: Json) -> Form:
        """Compile a Questionnaire.

        Raises:
            FormBroken: it is none, has no linkIds, the same one twice, a type R4 does not know,
                or is too big or deep.
        """
        return _Reader(questionnaire).form()

    def canonical(self) -> str:
        """Return what a response names: `url|version`."""
        return f"{self.url}|{self.version}" if self.version else self.url


class _Reader:
    """Reads one questionnaire."""

    def __init__(self, questionnaire: Json) -> None:
        """Begin to read."""
        if not isinstance(questionnaire, dict):
            raise FormBroken(problem("form"))
        if questionnaire.get("resourceType") != "Questionnaire":
            raise FormBroken(problem("form"))
        self.broken: list[Problem] = []
        self.questionnaire = questionnaire
        self.contained = Contained(questionnaire)
        self.value_sets: dict[str, Options | None] = {}
        self.ordered: list[Item] = []
        self.by_link: dict[str, Item] = {}
        self.faults: list[Problem] = []

    def form(self) -> Form:
        source = self.questionnaire
        items = self.items(source.get("item", []), None, 0)
        if self.broken:
            raise FormBroken(*self.broken)
        more = extensions.extensions(source)
        made = Form(
            source,
            url=text_of(source, "url"),
            version=text_of(source, "version"),
            title=text_of(source, "title"),
            items=items,
            by_link=self.by_link,
            ordered=tuple(self.ordered),
            variables=variables_of(more, extensions.VARIABLE),
            constraints=constraints_of(more),
            population=formula(extensions.first(more, extensions.POPULATION)),
            context=context_of(more),
        )
        for each in (*made.variables, *([made.population] if made.population else [])):
            if each.fault:
                self.faults.append(problem(each.fault))
        for item in self.ordered:
            self.check(item)
        made.faults = tuple(self.faults)
        return made

    def items(self, given: Any, above: Item | None, depth: int) -> tuple[Item, ...]:
        place = above.link_id if above else ""
        if not isinstance(given, list):
            self.broken.append(problem("form_array", place, place))
            return ()
        if depth >= DEPTH_MAX and given:
            self.broken.append(problem("form_depth", place, place, limit=DEPTH_MAX))
            return ()
        found = []
        for each in given:
            if len(self.ordered) >= ITEMS_MAX:
                raise FormBroken(*self.broken, problem("form_items", limit=ITEMS_MAX))
            item = self.item(each, above, depth)
            if item is not None:
                found.append(item)
        return tuple(found)

    def item(self, source: Any, above: Item | None, depth: int) -> Item | None:
        """Read an item and all within it; None where it has no place, which is noted."""
        if not isinstance(source, dict):
            place = above.link_id if above else ""
            self.broken.append(problem("form_item", place, place))
            return None
        kind = source.get("type")
        link_id = self.link_id(source, kind, above)
        if not isinstance(kind, str) or kind not in answers.KINDS:
            self.broken.append(problem("form_type", link_id, link_id))
            kind = GROUP  # so that what is within is looked at too
        item = Item(source, link_id, kind, above, depth, len(self.ordered))
        self.by_link[item.link_id] = item
        self.ordered.append(item)
        _plain(item)
        more = extensions.extensions(source)
        if more:
            _extended(item, more)
        if above is not None and above.hidden:
            item.hidden = True  # R4: with an item all within it is hidden
        try:
            if item.is_question:
                self.question(item, more)
            if "enableWhen" in source:
                self.enable_when(item)
        except FormBroken as error:
            self.broken += [replace(each, path=link_id, link_id=link_id) for each in error.problems]
        if "item" in source:
            item.items = self.items(source["item"], item, depth + 1)
            _fold(item)
        item.end = len(self.ordered)
        return item

    def link_id(self, source: Json, kind: Any, above: Item | None) -> str:
        """Return the linkId; a display without one, as official examples have, gets one."""
        found = source.get("linkId")
        place = f"{above.link_id if above else ''}#{len(self.ordered)}"
        if isinstance(found, str) and found:
            if found not in self.by_link:
                return found
            self.broken.append(problem("form_link_again", found, found))
        elif kind != DISPLAY:
            self.broken.append(problem("form_link", place))
        return place

    def question(self, item: Item, more: Extensions) -> None:
        source = item.source
        item.kinds = answers.KINDS[item.type]
        item.open = item.type == "open-choice"
        if "answerOption" in source:
            item.options = choices.of_options(list_of(source["answerOption"]))
            if item.type in answers.CHOICES:
                text = ("String",) if item.open else ()
                item.kinds = tuple(dict.fromkeys((*item.options.kinds, *text)))
        value_set = source.get("answerValueSet")
        if isinstance(value_set, str):
            item.value_set = value_set
            item.options = self.value_set(value_set)
        if "initial" in source:
            item.initial = tuple(
                {name: value for name, value in each.items() if name.startswith("value")}
                for each in list_of(source["initial"])
                if isinstance(each, dict) and answers.kind_of(each) is not None
            )
        elif item.options is not None:
            item.initial = tuple(each.answer for each in item.options.choices if each.initial)
        if more:
            self.units(item, more)

    def units(self, item: Item, more: Extensions) -> None:
        unit = extensions.first(more, extensions.UNIT)
        item.unit = unit if isinstance(unit, dict) else None
        offered = [extensions.value(each) for each in more.get(extensions.UNIT_OPTION, ())]
        if offered:
            item.units = choices.of_codings([each[1] for each in offered if each is not None])
        value_set = extensions.first(more, extensions.UNIT_VALUE_SET)
        if isinstance(value_set, str):
            item.unit_set = value_set
            item.units = self.value_set(value_set)

    def value_set(self, canonical: str) -> Options | None:
        if canonical not in self.value_sets:
            codings = self.contained.expand(canonical)
            made = None if codings is None else choices.of_codings(codings)
            self.value_sets[canonical] = made
        return self.value_sets[canonical]

    def enable_when(self, item: Item) -> None:
        found = []
        for each in list_of(item.source["enableWhen"]):
            condition = condition_of(each)
            if condition is None:
                self.faults.append(problem("enable_when", item.link_id, item.link_id))
            else:
                found.append(condition)
        item.conditions = tuple(found)
        item.every_condition = item.source.get("enableBehavior") == "all"

    def check(self, item: Item) -> None:
        """Note what is wrong with an item's rules."""
        place = item.link_id
        for each in item.formulas():
            if each.fault:
                self.faults.append(problem(each.fault, place, place))
        for condition in item.conditions:
            if condition.question not in self.by_link:
                self.faults.append(problem("enable_when", place, place))
        if item.value_set.startswith("#") and item.options is None:
            self.faults.append(problem("value_set", place, place))


def _plain(item: Item) -> None:
    source = item.source
    item.text = text_of(source, "text")
    item.prefix = text_of(source, "prefix")
    item.required = source.get("required") is True
    item.repeats = source.get("repeats") is True
    item.read_only = source.get("readOnly") is True
    longest = source.get("maxLength")
    if isinstance(longest, int) and not isinstance(longest, bool):
        item.bounds = Bounds(max_length=longest)


def _extended(item: Item, more: Extensions) -> None:
    item.hidden = extensions.flag(more, extensions.HIDDEN)
    item.control = extensions.code(more, extensions.CONTROL)
    item.category = extensions.code(more, extensions.CATEGORY)
    item.enable_formula = formula(extensions.first(more, extensions.ENABLE_WHEN))
    item.calculated = formula(extensions.first(more, extensions.CALCULATED))
    item.initial_formula = formula(extensions.first(more, extensions.INITIAL))
    item.population = formula(extensions.first(more, extensions.POPULATION))
    item.answers_formula = formula(extensions.first(more, extensions.ANSWERS))
    item.candidates_formula = formula(extensions.first(more, extensions.CANDIDATES))
    item.variables = variables_of(more, extensions.VARIABLE)
    item.constraints = constraints_of(more)
    if item.type != DISPLAY:
        item.bounds = bounds_of(item.bounds, more)


def _fold(item: Item) -> None:
    """Take help texts into the item they stand in, and a unit's text with them."""
    texts = []
    for each in item.items:
        if each.type != DISPLAY:
            continue
        if each.control in FOLDED:
            each.folded = True
            texts.append(each.text)
        elif each.control == "unit" and item.unit is None:
            each.folded = True
            item.unit = {"display": each.text}
    item.help = "\n".join(texts)
