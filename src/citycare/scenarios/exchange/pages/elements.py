"""A resource element by element, as people read it: labels, codes with their names, links.

What a type holds is told by its definition; only the labels are ours. An element without a label
stands under its own name.

Source: HL7 FHIR R4 4.0.1 §2.24 Data Types (how each is said); §2.3 References.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from citycare.kernel.fhir import dumps
from citycare.kernel.fhir.r4.shapes import shape
from citycare.kernel.fhir.searching import keys as of
from citycare.scenarios.exchange.pages.common import resource_url
from citycare.scenarios.exchange.pages.labels import LABELS, SYSTEMS
from citycare.scenarios.exchange.pages.rows import concept_text, day_of
from citycare.web.i18n import mark
from citycare.web.manner import Words

Json = dict[str, Any]

LINES_MAX = 400
DEPTH_MAX = 6
TEXT_MAX = 1_000
CHOICE = re.compile(r"value(?=[A-Z]).*")
LEFT_OUT = frozenset(("resourceType", "id", "meta", "text"))
YES, NO = mark("是"), mark("否")


@dataclass(frozen=True, slots=True)
class Line:
    """One element: `href` where it leads to; without text it is the head of those below it."""

    label: str
    text: str = ""
    note: str = ""
    href: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class _Said:
    text: str
    note: str = ""
    href: str = ""


def lines(resource: Json, words: Words, base: str = "") -> tuple[Line, ...]:
    """Return the elements of a resource in the order they stand in, up to LINES_MAX lines."""
    found = []
    for line in _Lines(words, base).of(resource, str(resource["resourceType"]), 0):
        found.append(line)
        if len(found) == LINES_MAX:
            found.append(Line(words("后面还有，请看 JSON")))
            break
    return tuple(found)


def label_of(name: str, words: Words) -> str:
    """Say an element as people do, or by its own name."""
    known = LABELS.get(name)
    return words(known) if known else name


def path_words(path: str, words: Words) -> str:
    """Say a path as people do: `component[1].valueQuantity.value` is 组成部分 2 › 值."""
    said: list[str] = []
    for piece in path.split("."):
        name, _, number = piece.partition("[")
        name = CHOICE.sub("value", name)
        count = f" {int(number[:-1]) + 1}" if number else ""
        label = label_of(name, words) + count
        if not said or said[-1] != label:
            said.append(label)
    return " › ".join(said)


def indented(value: Any, depth: int = 0) -> str:
    """Write JSON for eyes, in the order it is kept in; a number has the digits it was given."""
    before, end = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict) and value:
        inside = [
            f"{before}{dumps(str(key))}: {indented(one, depth + 1)}" for key, one in value.items()
        ]
        return "{\n" + ",\n".join(inside) + f"\n{end}}}"
    if isinstance(value, list) and value:
        inside = [before + indented(one, depth + 1) for one in value]
        return "[\n" + ",\n".join(inside) + f"\n{end}]"
    return dumps(value)


@dataclass(frozen=True, slots=True)
class _Lines:
    words: Words
    base: str

    def of(self, value: Json, kind: str, depth: int) -> Iterator[Line]:
        """Yield the elements of one object."""
        fields = _fields(kind)
        for name, one in value.items():
            if (depth == 0 and name in LEFT_OUT) or name.startswith("_"):
                continue
            field = fields.get(name)
            type_ = field.type if field else ""
            many = one if isinstance(one, list) else [one]
            for number, each in enumerate(many):
                count = f" {number + 1}" if len(many) > 1 else ""
                label = label_of(field.element if field else name, self.words) + count
                yield from self._line(label, each, type_, depth)

    def _line(self, label: str, value: Any, type_: str, depth: int) -> Iterator[Line]:
        said = self._said(value, type_)
        if said is not None:
            if said.text:
                yield Line(label, said.text[:TEXT_MAX], said.note, said.href, depth)
        elif depth >= DEPTH_MAX:
            yield Line(label, self.words("太深了，请看 JSON"), depth=depth)
        else:
            if value.get("resourceType"):
                type_ = str(value["resourceType"])
                label = f"{label} {type_}"
            yield Line(label, depth=depth)
            yield from self.of(value, type_, depth + 1)

    def _said(self, value: Any, type_: str) -> _Said | None:
        """Say a value on one line; None: it has elements of its own that are lines."""
        if isinstance(value, bool):
            return _Said(self.words(YES if value else NO))
        if not isinstance(value, dict):
            text = str(value)
            return _Said(day_of(text) if type_ in ("dateTime", "instant") else text)
        if type_ == "Reference":
            return self._reference(value)
        if type_ == "Extension":
            return self._extension(value)
        say = SAID.get(type_)
        return say(value) if say else None

    def _reference(self, value: Json) -> _Said:
        text = str(value.get("reference", ""))
        target = of.target_of(text, self.base) if text else None
        shown = str(value.get("display") or text)
        if not shown and isinstance(value.get("identifier"), dict):
            return _identifier(value["identifier"])
        href = resource_url(*target) if target else ""
        return _Said(shown, text if shown != text else "", href)

    def _extension(self, value: Json) -> _Said | None:
        url = str(value.get("url", ""))
        name = next((one for one in value if one.startswith("value")), "")
        if not name:
            return None if value.get("extension") else _Said(url)
        kind = name.removeprefix("value")
        inner = value[name]
        said = self._said(inner, kind if isinstance(inner, dict) else kind[:1].lower() + kind[1:])
        text = said.text if said else "…"
        return _Said(text, url.rpartition("/")[2], said.href if said else "")


def _fields(kind: str) -> Mapping[str, Any]:
    try:
        return shape(kind).fields
    except KeyError:  # of something R4 does not know
        return {}


def _concept(value: Json) -> _Said:
    codings = [one for one in value.get("coding", ()) if isinstance(one, dict)]
    notes = " · ".join(filter(None, map(_code, codings)))
    text = concept_text(value)
    return _Said(text, notes if notes != text else "")


def _code(coding: Json) -> str:
    system = str(coding.get("system", ""))
    named = SYSTEMS.get(system) or system.removesuffix("/").rpartition("/")[2].rpartition(":")[2]
    return " ".join(filter(None, (named, str(coding.get("code", "")))))


def _coding(value: Json) -> _Said:
    return _Said(concept_text(value), _code(value))


def _quantity(value: Json) -> _Said:
    unit = value.get("unit") or value.get("code") or ""
    parts = (value.get("comparator", ""), value.get("value", ""), unit)
    return _Said(" ".join(str(one) for one in parts if one != ""))


def _period(value: Json) -> _Said:
    start, end = day_of(str(value.get("start", ""))), day_of(str(value.get("end", "")))
    return _Said(f"{start or '…'} – {end or '…'}")


def _range(value: Json) -> _Said:
    low, high = (_quantity(value.get(one, {})).text or "…" for one in ("low", "high"))
    return _Said(f"{low} – {high}")


def _ratio(value: Json) -> _Said:
    parts = (_quantity(value.get(one, {})).text for one in ("numerator", "denominator"))
    return _Said(" / ".join(parts))


def _identifier(value: Json) -> _Said:
    system = str(value.get("system", ""))
    return _Said(str(value.get("value", "")), SYSTEMS.get(system, system))


def _name(value: Json) -> _Said:
    given = " ".join(map(str, value.get("given", ())))
    parts = " ".join(filter(None, (str(value.get("family", "")), given)))
    return _Said(str(value.get("text") or parts), str(value.get("use", "")))


def _address(value: Json) -> _Said:
    parts = [value.get(one, "") for one in ("state", "city", "district")]
    return _Said(str(value.get("text") or "".join(map(str, [*parts, *value.get("line", ())]))))


def _contact(value: Json) -> _Said:
    notes = (str(value.get("system", "")), str(value.get("use", "")))
    return _Said(str(value.get("value", "")), " · ".join(filter(None, notes)))


def _annotation(value: Json) -> _Said:
    return _Said(str(value.get("text", "")), day_of(str(value.get("time", ""))))


def _attachment(value: Json) -> _Said:
    size = f"{value['size']:,} B" if isinstance(value.get("size"), int) else ""
    kind = str(value.get("contentType", ""))
    return _Said(
        str(value.get("title") or value.get("url") or kind or "…"), f"{kind} {size}".strip()
    )


def _money(value: Json) -> _Said:
    return _Said(" ".join(str(value[one]) for one in ("value", "currency") if one in value))


SAID: Mapping[str, Callable[[Json], _Said]] = {
    "CodeableConcept": _concept,
    "Coding": _coding,
    "Quantity": _quantity,
    "Age": _quantity,
    "Duration": _quantity,
    "Distance": _quantity,
    "Count": _quantity,
    "SimpleQuantity": _quantity,
    "MoneyQuantity": _quantity,
    "Money": _money,
    "Period": _period,
    "Range": _range,
    "Ratio": _ratio,
    "Identifier": _identifier,
    "HumanName": _name,
    "Address": _address,
    "ContactPoint": _contact,
    "Annotation": _annotation,
    "Attachment": _attachment,
}
