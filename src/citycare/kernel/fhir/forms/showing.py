"""A form as a page draws it: frozen parts with texts in the person's language.

Source: HL7 FHIR R4 extensions translation, questionnaire-itemControl (value set
questionnaire-item-control); SDC 3.0.0 "Advanced form rendering".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from citycare.kernel.fhir.forms import answers, checking, extensions
from citycare.kernel.fhir.forms.asking import Asking
from citycare.kernel.fhir.forms.choices import Options
from citycare.kernel.fhir.forms.form import Item
from citycare.kernel.fhir.forms.model import (
    REPEATS_MAX,
    Answer,
    Bounds,
    Choice,
    Entry,
    Problem,
    Shown,
    Widget,
)
from citycare.kernel.fhir.forms.spots import Spot

YES_OR_NO: Final = Options(
    [Choice({"valueBoolean": value}, answers.shown("Boolean", value)) for value in (True, False)]
)
LISTS: Final = ("drop-down", "autocomplete", "lookup")
OPEN_LIST_MAX = 20  # choices that are drawn one below the other; more become a list
PLAIN: Final = {
    "boolean": Widget.BOOLEAN,
    "decimal": Widget.DECIMAL,
    "integer": Widget.INTEGER,
    "date": Widget.DATE,
    "dateTime": Widget.DATE_TIME,
    "time": Widget.TIME,
    "string": Widget.STRING,
    "text": Widget.TEXT,
    "url": Widget.URL,
    "quantity": Widget.QUANTITY,
    "group": Widget.GROUP,
    "display": Widget.DISPLAY,
}


def shown(asking: Asking, problems: Iterable[Problem], lang: str) -> tuple[Shown, ...]:
    """Return the items at the top with all that is within them.

    Args:
        asking: a settled form.
        problems: shown at their places.
        lang: `zh` is the form's own; others are taken from its translations, where it has them.
    """
    told: dict[str, list[Problem]] = {}
    for each in problems:
        told.setdefault(each.path, []).append(each)
    drawing = _Drawing(asking, told, lang)
    return drawing.items(asking.tree.top, 0)


def flat(items: Iterable[Shown]) -> Iterator[Shown]:
    """Yield items and all within them, from top to bottom; `Shown.depth` tells how deep."""
    for item in items:
        yield item
        yield from flat(item.items)
        for entry in item.entries:
            yield from flat(entry.items)


class _Drawing:
    """Draws one form once."""

    def __init__(self, asking: Asking, told: dict[str, list[Problem]], lang: str) -> None:
        """Keep what is drawn."""
        self.asking = asking
        self.told = told
        self.lang = lang
        self.offered: dict[tuple[int, ...], tuple[Choice, ...]] = {}

    def items(self, spots: list[Spot], depth: int) -> tuple[Shown, ...]:
        return tuple(self.item(spot, depth) for spot in spots if not spot.item.folded)

    def item(self, spot: Spot, depth: int) -> Shown:
        item, path = spot.item, spot.path()
        options = self.asking.options(spot) if item.is_question else None
        given = spot.answers
        branches = [self.items(branch, depth + 1) for branch in spot.branches]
        entries = tuple(
            self.entry(answer, branches[index] if index < len(branches) else ())
            for index, answer in enumerate(given)
        )
        return Shown(
            path=path,
            link_id=item.link_id,
            type=item.type,
            widget=widget(item, options),
            text=extensions.said(item.source, "text", self.lang),
            prefix=item.prefix,
            control=item.control,
            category=item.category,
            help=self.help(item),
            depth=depth,
            number=spot.number,
            enabled=spot.on,
            required=item.required,
            read_only=item.is_fixed,
            hidden=item.hidden,
            repeats=item.repeats,
            may_add=self.may_add(spot),
            calculated=item.calculated is not None,
            open=item.open,
            hints=item.candidates_formula is not None and item.answers_formula is None,
            entries=entries,
            options=self.choices(YES_OR_NO if item.type == "boolean" else options),
            unit=answers.shown("Coding", item.unit) if item.unit else "",
            unit_coding=item.unit,
            units=self.choices(self.asking.units(item)) if item.type == "quantity" else (),
            bounds=self.bounds(spot),
            problems=tuple(self.told.get(path, ())),
            items=branches[0] if branches and not given else (),
        )

    def entry(self, answer: Answer, items: tuple[Shown, ...]) -> Entry:
        kind, value = answers.kind_of(answer) or ("", None)
        return Entry(kind, value, answers.shown(kind, value, self.lang), items)

    def help(self, item: Item) -> str:
        texts = (
            extensions.said(each.source, "text", self.lang)
            for each in item.items
            if each.folded and each.control != "unit"
        )
        return "\n".join(texts)

    def choices(self, options: Options | None) -> tuple[Choice, ...]:
        if options is None:
            return ()
        if self.lang == "zh":
            return options.choices
        return tuple(
            replace(each, text=self.entry(each.answer, ()).text) for each in options.choices
        )

    def bounds(self, spot: Spot) -> Bounds:
        """Return the bounds as they are now, each as the value of its type."""
        given = spot.item.bounds
        if given.low is None and given.high is None:
            return given
        low, high = (checking.limit(self.asking, spot, each) for each in (given.low, given.high))
        return replace(
            given,
            low=None if low is None else answers.system_value(*low),
            high=None if high is None else answers.system_value(*high),
        )

    def may_add(self, spot: Spot) -> bool:
        item = spot.item
        if not item.repeats or item.is_fixed or not spot.on:
            return False
        if item.is_question:
            number = len(spot.answers)
        else:
            number = sum(1 for each in self.asking.tree.around(spot) if each.item is item)
        most = item.bounds.max_occurs
        return number < (REPEATS_MAX if most is None else min(most, REPEATS_MAX))


def widget(item: Item, options: Options | None) -> Widget:
    """Tell what an item is drawn as."""
    if item.type in ("attachment", "reference") and options is None:
        return Widget.UNSUPPORTED
    if item.is_question and options is not None and options.choices:
        if item.repeats:
            return Widget.CHECKBOXES
        long = len(options.choices) > OPEN_LIST_MAX and item.control != "radio-button"
        return Widget.LIST if item.control in LISTS or long else Widget.RADIOS
    if item.type in answers.CHOICES:
        return Widget.STRING if item.open else Widget.UNSUPPORTED
    return PLAIN[item.type]
