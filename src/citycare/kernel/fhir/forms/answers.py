"""Answers: which types a question takes, what equals and precedes what, words, conversion.

Source: HL7 FHIR R4 §2.4.4 QuestionnaireResponse.item.answer.value[x]; §2.4.3 item types and
enableWhen operators; SDC 3.0.0 "Form behavior and calculation" (results of expressions).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from citycare.kernel.fhir import path
from citycare.kernel.fhir.forms import extensions
from citycare.kernel.fhir.forms.model import DIGITS_MAX, Answer
from citycare.kernel.fhir.path import (
    DATE,
    DATE_TIME,
    TIME,
    PathError,
    Quantity,
    Temporal,
    temporal,
    values,
)
from citycare.kernel.fhir.path import quantity as quantities

GROUP, DISPLAY = "group", "display"
KINDS: Final[dict[str, tuple[str, ...]]] = {  # item type to the types of its answers
    "boolean": ("Boolean",),
    "decimal": ("Decimal",),
    "integer": ("Integer",),
    "date": ("Date",),
    "dateTime": ("DateTime",),
    "time": ("Time",),
    "string": ("String",),
    "text": ("String",),
    "url": ("Uri",),
    "choice": ("Coding",),
    "open-choice": ("Coding", "String"),
    "attachment": ("Attachment",),
    "reference": ("Reference",),
    "quantity": ("Quantity",),
    GROUP: (),
    DISPLAY: (),
}
CHOICES: Final = ("choice", "open-choice")
TEMPORAL: Final = {"Date": DATE, "DateTime": DATE_TIME, "Time": TIME}
OBJECTS: Final = frozenset(("Attachment", "Coding", "Quantity", "Reference"))
TEXTS: Final = frozenset(("String", "Uri"))
YES_NO: Final = {"zh": ("否", "是"), "en": ("No", "Yes")}
FULL_TIME: Final = 6  # FHIR writes a time of day with its seconds
HOURS_ONLY: Final = 4  # and no DateTime with an hour but no minute


def kind_of(answer: Answer) -> tuple[str, Any] | None:
    """Return (type, value) of an answer: ("Coding", {…}); None where it has no value."""
    for name, value in answer.items():
        if name.startswith("value"):
            return name[5:], value
    return None


def is_of(kind: str, value: Any) -> bool:
    """Tell whether a JSON value can be of this FHIR type."""
    if kind in OBJECTS:
        return isinstance(value, dict) and bool(value)
    if kind in TEXTS:
        return isinstance(value, str)
    if kind in TEMPORAL:
        return isinstance(value, str) and _temporal(kind, value) is not None
    if kind == "Boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (kind == "Decimal" and isinstance(value, float | Decimal))


def _temporal(kind: str, text: str) -> Temporal | None:
    found = temporal.read(text, TEMPORAL[kind])
    if found is None:
        return None
    if kind == "Time":
        return found if found.precision == FULL_TIME and text[0] != "T" else None
    return None if found.precision == HOURS_ONLY else found


def system_value(kind: str, value: Any) -> Any:
    """Return what is compared: number, text, Temporal, Quantity; the JSON itself of an object."""
    if kind in TEMPORAL and isinstance(value, str):
        return temporal.read(value, TEMPORAL[kind]) or value
    if kind == "Quantity" and isinstance(value, dict):
        return quantities.from_fhir(value) or value
    return quantities.decimal_of(value) if isinstance(value, float) else value


def key(kind: str, value: Any) -> Any:
    """Return something hashable that is the same for the same answer.

    Codings are the same by system and code, else by display; references by their text.
    """
    if isinstance(value, dict):
        if kind == "Coding":
            code = value.get("code")
            if isinstance(code, str):
                return ("Coding", str(value.get("system", "")), code)
            return ("Coding", None, str(value.get("display", "")))
        if kind == "Reference" and isinstance(value.get("reference"), str):
            return ("Reference", value["reference"])
    return (kind, values.key(path.Node(value, "value", kind[:1].lower() + kind[1:])))


def same(left: tuple[str, Any], right: tuple[str, Any]) -> bool:
    """Tell whether two (type, value) are the same answer; a Coding without system is of any."""
    if left[0] == right[0] == "Coding":
        return _same_coding(left[1], right[1])
    if left[0] == right[0] == "Reference":
        return bool(key(*left) == key(*right))
    mine, other = system_value(*left), system_value(*right)
    if isinstance(mine, dict) or isinstance(other, dict):
        return bool(mine == other)
    return bool(values.equal(mine, other))


def _same_coding(left: Any, right: Any) -> bool:
    if not isinstance(left, dict) or not isinstance(right, dict):
        return False
    systems = [each["system"] for each in (left, right) if "system" in each]
    if len(systems) > 1 and systems[0] != systems[1]:
        return False
    if "code" in left and "code" in right:
        return bool(left["code"] == right["code"])
    return "display" in left and left.get("display") == right.get("display")


def order(left: tuple[str, Any], right: tuple[str, Any]) -> int | None:
    """Return -1, 0 or 1; None where the two have no order or it cannot be known."""
    try:
        return values.compare(system_value(*left), system_value(*right))
    except (PathError, AttributeError, AssertionError):
        return None  # objects have no order


def same_lists(left: Iterable[Answer], right: Iterable[Answer]) -> bool:
    """Tell whether two lists hold the same answers in the same order."""
    mine, other = ([kind_of(each) for each in answers] for answers in (left, right))
    return len(mine) == len(other) and all(
        a == b or (a is not None and b is not None and a[0] == b[0] and key(*a) == key(*b))
        for a, b in zip(mine, other, strict=True)
    )


def shown(kind: str, value: Any, lang: str = "zh") -> str:
    """Return an answer as people read it."""
    if isinstance(value, bool):
        return YES_NO.get(lang, YES_NO["zh"])[value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if not isinstance(value, dict):
        return str(value)
    match kind:
        case "Coding":
            found = extensions.said(value, "display", lang) or value.get("code")
        case "Quantity":
            amount = shown("Decimal", value.get("value", ""))
            found = f"{amount} {value.get('unit') or value.get('code') or ''}".strip()
        case "Reference":
            found = value.get("display") or value.get("reference")
        case _:
            found = value.get("title") or value.get("url") or value.get("contentType")
    return str(found or "")


def made(kind: str, item: Any, unit: dict[str, Any] | None = None) -> Answer | None:
    """Return what an expression found as an answer of a type; None where it is none.

    Numbers become quantities in the question's unit; a date and a DateTime become each other, as
    far as known; anything that can be written becomes a text.
    """
    if isinstance(item, path.Node) and isinstance(item.value, dict) and kind != "Quantity":
        value = item.value
        if kind == "Coding" and isinstance(value.get("coding"), list) and value["coding"]:
            value = value["coding"][0]
        if kind == "Reference" and "resourceType" in value and "id" in value:
            value = {"reference": f"{value['resourceType']}/{value['id']}"}
        fits = kind in OBJECTS and is_of(kind, value) and "resourceType" not in value
        return {f"value{kind}": value} if fits else None
    value = _converted(kind, values.plain(item), unit)
    return None if value is None else {f"value{kind}": value}


def _converted(kind: str, value: Any, unit: dict[str, Any] | None) -> Any:
    match kind:
        case "Boolean":
            return value if isinstance(value, bool) else None
        case "Integer" | "Decimal":
            return _number(kind, value)
        case "String" | "Uri":
            return values.written(value) or None
        case "Quantity":
            return _quantity(value, unit)
    if kind in TEMPORAL:
        return _moment(kind, value)
    return None


def _number(kind: str, value: Any) -> int | Decimal | None:
    if isinstance(value, Quantity):
        value = value.value
    if not values.is_number(value):
        return None
    if isinstance(value, Decimal) and (not value.is_finite() or value.adjusted() > DIGITS_MAX):
        return None
    if kind == "Decimal":
        return value if isinstance(value, int) else Decimal(value)
    return int(value) if value == int(value) else None


def _quantity(value: Any, unit: dict[str, Any] | None) -> dict[str, Any] | None:
    wanted = unit or {}
    if isinstance(value, path.Node):
        return value.value if is_of("Quantity", value.value) and "value" in value.value else None
    if values.is_number(value):
        return {"value": value, **_unit_of_coding(wanted)}
    if not isinstance(value, Quantity):
        return None
    code = wanted.get("code")
    moved = quantities.convert(value, code) if isinstance(code, str) else None
    if moved is not None:
        return {"value": moved.value, **_unit_of_coding(wanted)}
    found: dict[str, Any] = {"value": value.value}
    if value.unit != "1":
        definite = {word: code for code, word in quantities.DEFINITE.items()}
        code = definite.get(value.unit, value.unit)
        found |= {"unit": value.unit, "system": quantities.UCUM, "code": code}
    return found


def _unit_of_coding(unit: dict[str, Any]) -> dict[str, Any]:
    """Return a unit given as Coding in the elements of a Quantity."""
    found = {"unit": unit.get("display") or unit.get("code")}
    found |= {name: unit.get(name) for name in ("system", "code")}
    return {name: each for name, each in found.items() if isinstance(each, str)}


def _moment(kind: str, value: Any) -> str | None:
    if isinstance(value, str):
        return value if is_of(kind, value) else None
    if not isinstance(value, Temporal) or (value.kind == TIME) != (kind == "Time"):
        return None
    text = str(temporal.day_of(value) if kind == "Date" else value)
    return text if is_of(kind, text) else None
