"""From a settled form to what the template draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from citycare.kernel.fhir.forms import Entry, Filling, Problem, Shown, Widget
from citycare.kit.clock import CITY
from citycare.web import i18n
from citycare.web.i18n import mark
from citycare.web.parts import Option
from citycare.web.questions.parts import (
    Asked,
    Box,
    Look,
    Page,
    Posted,
    Typed,
    is_chosen,
    name_of,
    token,
)
from citycare.web.shell import Lang

NO_ANSWER = mark("不回答这一项")
CHOOSE = mark("请选择")
SEVERAL = mark("可以选几个。")
FOR_EXAMPLE = mark("例如：%(what)s")
REPETITION = mark("%(name)s（第 %(n)d 个）")
HINTS_MAX = 8
TYPES: Final = {  # widget to the type of its field, and its keyboard
    Widget.INTEGER: ("text", "numeric"),
    Widget.DECIMAL: ("text", "decimal"),
    Widget.QUANTITY: ("text", "decimal"),
    Widget.DATE: ("date", ""),
    Widget.DATE_TIME: ("datetime-local", ""),
    Widget.TIME: ("time", ""),
    Widget.URL: ("url", "url"),
    Widget.STRING: ("text", ""),
    Widget.TEXT: ("text", ""),
}
WHOLE_DATE = len("2026-11-29")
WHOLE_MINUTE = len("08:00")


def draw(
    filling: Filling,
    lang: Lang,
    *,
    posted: Posted | None = None,
    complete: bool = False,
    within: str = "",
) -> Page:
    """Draw a form, or a part of it.

    Args:
        filling: the form.
        lang: the person's language.
        posted: what could not be read of what was sent; it is shown again with its error.
        complete: also say what is missing; else only what is wrong.
        within: the place of one item to draw; "" draws the whole form.
    """
    problems = filling.problems(complete=complete)
    found = filling.shown(lang, problems)
    if within:
        found = tuple(each for each in _all(found) if each.path == within)
    drawing = _Drawing(lang, posted or Posted())
    items = tuple(drawing.items(found))
    return Page(items=items, errors=tuple(drawing.errors), labels=drawing.labels)


def _all(items: Iterable[Shown]) -> Iterator[Shown]:
    for item in items:
        yield item
        yield from _all(item.items)
        for entry in item.entries:
            yield from _all(entry.items)


class _Drawing:
    """Draws items; notes the errors it meets."""

    def __init__(self, lang: Lang, posted: Posted) -> None:
        """Begin to draw."""
        self.lang = lang
        self.say = i18n.translations(lang).gettext
        self.posted = posted
        self.errors: list[tuple[str, str]] = []
        self.labels: dict[str, str] = {}

    def items(self, found: Iterable[Shown]) -> Iterator[Asked]:
        """Draw what is asked for; what is hidden, not asked for or only empty is left out."""
        shown = [each for each in found if each.enabled and not each.hidden and not _empty(each)]
        last = {each.link_id: each.path for each in shown}
        count = dict.fromkeys(last, 0)
        for each in shown:
            count[each.link_id] += 1
        for each in shown:
            is_last = last[each.link_id] == each.path
            yield self.item(each, is_last=is_last, is_only=count[each.link_id] == 1)

    def item(self, shown: Shown, *, is_last: bool, is_only: bool) -> Asked:
        error = self.error(shown)
        asked = Asked(
            look=Look.FIELD,
            place=shown.path,
            name=name_of(shown.path),
            label=f"{shown.prefix} {shown.text}".strip() or shown.link_id,
            hint=self.hint(shown),
            error=error,
            required=shown.required,
        )
        if error:
            self.errors.append((asked.name, error))
            self.labels[asked.name] = asked.label
        if shown.widget is Widget.DISPLAY:
            return replace(asked, look=Look.WORDS, loud=shown.category == "security")
        if shown.widget is Widget.GROUP:
            return self.group(shown, asked, is_last=is_last, is_only=is_only)
        if shown.read_only:
            text = "、".join(each.text for each in shown.entries)
            return replace(asked, look=Look.FIXED, text=text, items=self.within(shown))
        if shown.widget is Widget.UNSUPPORTED:
            return replace(asked, look=Look.UNSUPPORTED)
        if is_chosen(shown):
            return self.choices(shown, asked)
        return self.field(shown, asked)

    def within(self, shown: Shown) -> tuple[Asked, ...]:
        """Draw what is asked within the answers of a question, or of a group."""
        inner = [*shown.items, *(each for entry in shown.entries for each in entry.items)]
        return tuple(self.items(inner))

    def error(self, shown: Shown) -> str:
        told = self.posted.errors.get(shown.path)
        if told is not None:
            return self.say(told)
        return next((self.words(each) for each in shown.problems if not each.warning), "")

    def words(self, problem: Problem) -> str:
        return problem.words + "。" if self.lang == "zh" else problem.message

    def hint(self, shown: Shown) -> str:
        parts = [shown.help]
        if shown.widget is Widget.CHECKBOXES:
            parts.append(self.say(SEVERAL))
        if shown.hints and shown.options:
            texts = "、".join(each.text for each in shown.options[:HINTS_MAX])
            parts.append(self.say(FOR_EXAMPLE) % {"what": texts})
        return " ".join(each for each in parts if each)

    def group(self, shown: Shown, asked: Asked, *, is_last: bool, is_only: bool) -> Asked:
        label = asked.label if shown.text else ""
        if shown.repeats and label:
            label = self.say(REPETITION) % {"name": label, "n": shown.number + 1}
        return replace(
            asked,
            look=Look.GROUP,
            label=label,
            text=asked.label if shown.text else "",
            items=self.within(shown),
            add=f"add {shown.path}" if shown.may_add and is_last else "",
            remove=f"remove {shown.path}" if shown.repeats and not is_only else "",
        )

    def choices(self, shown: Shown, asked: Asked) -> Asked:
        typed = self.posted.typed.get(shown.path)
        chosen = {token({f"value{each.kind}": each.value}) for each in shown.entries}
        texts = [each.text for each in shown.entries if each.kind == "String"]
        tokens = [token(each.answer) for each in shown.options]
        if typed is not None:
            chosen = set(typed.values)
        options = [
            Option(value=one, label=f"{each.prefix} {each.text}".strip(), selected=one in chosen)
            for one, each in zip(tokens, shown.options, strict=True)
        ]
        many = shown.widget is Widget.CHECKBOXES
        if shown.widget is Widget.LIST:
            empty = Option(value="", label=self.say(CHOOSE), selected=not chosen)
            options.insert(0, empty)
        elif not many and chosen and not shown.required:
            options.append(Option(value="", label=self.say(NO_ANSWER)))
        other = None
        if shown.open:
            written = [text for text in texts if text not in tokens]
            other = typed.other if typed is not None else "；".join(written)
        return replace(
            asked,
            look=Look.LIST if shown.widget is Widget.LIST else Look.CHOICES,
            many=many,
            options=tuple(options),
            other=other,
            items=self.within(shown),
        )

    def field(self, shown: Shown, asked: Asked) -> Asked:
        kind, inputmode = TYPES.get(shown.widget, ("text", ""))
        typed = self.posted.typed.get(shown.path)
        boxes = _boxes(shown, typed, asked.name)
        drawn = [
            replace(box, items=tuple(self.items(entry.items if entry else ())))
            for box, entry in zip(boxes, [*shown.entries, *[None] * len(boxes)], strict=False)
        ]
        if any(not _fits(kind, box.value) for box in drawn):
            kind = "text"  # "2026-11" is a date, too, but no browser shows it in its field
        look = Look.QUANTITY if shown.widget is Widget.QUANTITY else Look.FIELD
        units = [Option(value=token(each.answer), label=each.text) for each in shown.units]
        offered = {each.value for each in units}
        if units and any(box.value and box.unit not in offered for box in drawn):
            units.insert(0, Option(value="", label=self.say(CHOOSE)))  # never another one silently
        return replace(
            asked,
            look=Look.AREA if shown.widget is Widget.TEXT else look,
            type=kind,
            inputmode=inputmode,
            attrs=_attrs(shown, kind),
            boxes=tuple(drawn),
            unit=shown.unit,
            units=tuple(units),
            free_unit=shown.widget is Widget.QUANTITY and not shown.unit and not units,
            items=tuple(self.items(shown.items)),
        )


def _empty(shown: Shown) -> bool:
    """Tell whether nobody but the system can answer, and it knows nothing."""
    is_question = shown.widget not in (Widget.GROUP, Widget.DISPLAY)
    return is_question and shown.read_only and not shown.calculated and not shown.entries


def _boxes(shown: Shown, typed: Typed | None, name: str) -> list[Box]:
    """Return a box for each answer, and an empty one for the next."""
    if typed is not None:
        units = [*typed.units, *[""] * len(typed.values)]
        found = list(zip(typed.values, units, strict=False))
    else:
        found = [_written(entry) for entry in shown.entries]
    if not found or (shown.repeats and shown.may_add and all(value for value, _ in found)):
        found.append(("", ""))
    return [
        Box(id=f"{name}:{index}" if index else name, value=value, unit=unit)
        for index, (value, unit) in enumerate(found)
    ]


def _written(entry: Entry) -> tuple[str, str]:
    """Return (what stands in the field, token of the unit)."""
    value: Any = entry.value
    if entry.kind == "Quantity" and isinstance(value, dict):
        coding = {name: value[name] for name in ("system", "code") if name in value}
        coding |= {"display": value["unit"]} if "unit" in value else {}
        unit = token({"valueCoding": coding}) if "code" in coding else str(value.get("unit", ""))
        return _number(value.get("value", "")), unit
    if entry.kind == "DateTime" and isinstance(value, str):
        return _local(value), ""
    if entry.kind == "Time" and isinstance(value, str):
        return value[:WHOLE_MINUTE] if value.endswith(":00") else value, ""
    return (_number(value) if not isinstance(value, str) else value), ""


def _number(value: Any) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _local(value: str) -> str:
    """Write an instant as the wall clock in the city shows it; a day alone stays one."""
    if len(value) <= WHOLE_DATE:
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    there = moment.astimezone(CITY) if moment.tzinfo else moment
    return there.strftime("%Y-%m-%dT%H:%M")


def _fits(kind: str, value: str) -> bool:
    """Tell whether a browser shows a value in a field of this type."""
    if not value or kind not in ("date", "datetime-local", "time"):
        return True
    if kind == "date":
        return len(value) == WHOLE_DATE
    return "T" in value if kind == "datetime-local" else len(value) == WHOLE_MINUTE


def _attrs(shown: Shown, kind: str) -> dict[str, str]:
    bounds = shown.bounds
    found: dict[str, str] = {}
    if bounds.max_length is not None:
        found["maxlength"] = str(bounds.max_length)
    if bounds.entry_format:
        found["placeholder"] = bounds.entry_format
    if kind == "date":
        for name, bound in (("min", bounds.low), ("max", bounds.high)):
            if len(str(bound)) == WHOLE_DATE:
                found[name] = str(bound)
    return found
