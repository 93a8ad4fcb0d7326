"""Parts of an item as dataclasses: conditions, constraints, bounds, variables.

Source: HL7 FHIR R4 §2.4.3 Questionnaire.item; the extensions in `extensions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from citycare.kernel.fhir.forms import answers, extensions
from citycare.kernel.fhir.forms.extensions import Extensions
from citycare.kernel.fhir.forms.formulas import Formula, formula
from citycare.kernel.fhir.forms.model import NO_BOUNDS, Bounds, FormBroken, Json
from citycare.kernel.fhir.forms.words import problem

MEGABYTE: Final = 1_000_000
OPERATORS: Final = ("exists", "=", "!=", ">", "<", ">=", "<=")


@dataclass(frozen=True, slots=True)
class Condition:
    """One `enableWhen`: question, operator, (type, value) to compare with."""

    question: str
    operator: str
    answer: tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Constraint:
    """A rule over an item: it is broken where the expression is not true."""

    formula: Formula
    human: str
    warning: bool


def bounds_of(given: Bounds, more: Extensions) -> Bounds:
    """Return what the extensions of a question ask of its answers."""
    size = extensions.first(more, extensions.MAX_SIZE)
    step = extensions.first(more, extensions.SLIDER_STEP)
    found = Bounds(
        low=_bound(more, extensions.MIN_VALUE),
        high=_bound(more, extensions.MAX_VALUE),
        max_length=given.max_length,
        min_length=extensions.count(more, extensions.MIN_LENGTH),
        max_places=extensions.count(more, extensions.MAX_PLACES),
        pattern=extensions.text(more, extensions.REGEX) or None,
        step=step if isinstance(step, int | Decimal) and step > 0 else None,
        min_occurs=extensions.count(more, extensions.MIN_OCCURS),
        max_occurs=extensions.count(more, extensions.MAX_OCCURS),
        max_bytes=int(size * MEGABYTE) if isinstance(size, int | Decimal) else None,
        mime_types=tuple(
            each["valueCode"]
            for each in more.get(extensions.MIME_TYPE, ())
            if isinstance(each.get("valueCode"), str)
        ),
        entry_format=extensions.text(more, extensions.ENTRY_FORMAT),
    )
    return NO_BOUNDS if found == NO_BOUNDS else found


def _bound(more: Extensions, addresses: tuple[str, ...]) -> Any:
    """Return (type, value) of a bound, or the expression that gives it (cqf-calculatedValue)."""
    for address in addresses:
        for each in more.get(address, ()):
            found = extensions.value(each)
            if found is not None:
                return found
            for name, beside in each.items():
                if name.startswith("_value") and isinstance(beside, dict):
                    inner = extensions.extensions(beside)
                    return formula(extensions.first(inner, *extensions.CQF_EXPRESSION))
    return None


def condition_of(given: Any) -> Condition | None:
    """Return one `enableWhen`; None where it cannot be understood."""
    if not isinstance(given, dict):
        return None
    question, operator = given.get("question"), given.get("operator")
    if not isinstance(question, str) or operator not in OPERATORS:
        return None
    for name, value in given.items():
        if name.startswith("answer"):
            kind = name.removeprefix("answer")
            wrong = operator == "exists" and kind != "Boolean"
            return (
                None
                if wrong or not answers.is_of(kind, value)
                else Condition(question, str(operator), (kind, value))
            )
    return None


def variables_of(more: Extensions, address: str) -> tuple[Formula, ...]:
    """Return expressions that have a name, the first of each."""
    found: dict[str, Formula] = {}
    for each in more.get(address, ()):
        made = formula(each.get("valueExpression"))
        if made is not None and made.name:
            found.setdefault(made.name, made)
    return tuple(found.values())


def constraints_of(more: Extensions) -> tuple[Constraint, ...]:
    """Return the rules over an item or the whole form."""
    found = []
    for address in extensions.CONSTRAINT:
        for each in more.get(address, ()):
            parts = extensions.extensions(each)
            given = extensions.first(parts, "expression")
            made = formula({"expression": given} if isinstance(given, str) else given)
            if made is not None:
                human = str(extensions.first(parts, "human") or "")
                warning = extensions.first(parts, "severity") == "warning"
                found.append(Constraint(made, human, warning))
    return tuple(found)


def context_of(more: Extensions) -> tuple[str, ...]:
    """Return the names of the launch context."""
    names = []
    for address in extensions.LAUNCH_CONTEXT:
        for each in more.get(address, ()):
            name = extensions.first(extensions.extensions(each), "name")
            name = name.get("code") if isinstance(name, dict) else name
            if isinstance(name, str):
                names.append(name)
    return tuple(names)


def text_of(source: Json, name: str) -> str:
    """Return a text element, or ""."""
    found = source.get(name)
    return found if isinstance(found, str) else ""


def list_of(given: Any) -> list[Any]:
    """Return an element that repeats."""
    if not isinstance(given, list):
        raise FormBroken(problem("form_array"))
    return given
