"""Ways through JSON to the values of an expression, and the functions that go them.

A way is known before there is data: R4 says of each element its JSON name, its type and whether it
is an array, so that a choice is as many ways as it has types. What in the data has another form
than R4 gives it is passed over, as it is no value that could be searched.

Source: HL7 FHIR R4 4.0.1 §2.6.2 JSON, §2.3.0 References (literal references).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from citycare.kernel.fhir.definitions import RESOURCES, structures
from citycare.kernel.fhir.r4.checking import REFERENCE
from citycare.kernel.fhir.r4.shapes import ANY_RESOURCE

Json = dict[str, Any]
Found = tuple[str, Any]
"""The name of a FHIR type, and JSON of it."""
Walk = Callable[[Json, Json, list[Found]], None]
"""From an object (and the resource it is part of) to what is found, which it appends."""

NUMBERS = {
    "boolean": (bool,),
    "decimal": (int, Decimal, float),
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), (int,)),
}


@dataclass(frozen=True, slots=True)
class Get:
    """To what stands under a JSON name.

    Attributes:
        at: of an array, only the item at this index; None: all.
    """

    key: str
    type: str
    many: bool
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Equals:
    """On, where the text under a JSON name is this one."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Leads:
    """On, where a reference leads to a resource of this type."""

    type: str


@dataclass(frozen=True, slots=True)
class Restart:
    """To the whole resource."""


Step = Get | Equals | Leads | Restart


@dataclass(frozen=True, slots=True)
class Way:
    """Steps, and the type of what they lead to."""

    steps: tuple[Step, ...]
    type: str

    def then(self, step: Step, type_: str = "") -> Way:
        """Return the way with one step more."""
        return Way((*self.steps, step), type_ or self.type)


def walk(way: Way) -> Walk:
    """Make the function that goes a way."""
    last = way.steps[-1] if way.steps else None
    if isinstance(last, Get) and last.type != ANY_RESOURCE:
        made, steps = _taken(last), way.steps[:-1]
    else:
        made, steps = _kept(way.type), way.steps
    for step in reversed(steps):
        match step:
            case Get():
                made = _got(step, made)
            case Equals():
                made = _equal(step, made)
            case Leads():
                made = _leading(step, made)
            case Restart():
                made = _restarted(made)
    return made


@cache
def _forms(type_: str) -> tuple[type, ...]:
    """Return the Python types of JSON that has this FHIR type."""
    if type_ == ANY_RESOURCE or structures()[type_]["kind"] != "primitive":
        return (dict,)
    return NUMBERS.get(type_, (str,))


def _kept(type_: str) -> Walk:
    def keep(value: Json, _: Json, found: list[Found]) -> None:
        found.append((type_, value))

    def keep_resource(value: Json, _: Json, found: list[Found]) -> None:
        told = value.get("resourceType")
        if isinstance(told, str) and told in RESOURCES:
            found.append((told, value))

    return keep_resource if type_ == ANY_RESOURCE else keep


def _taken(step: Get) -> Walk:
    """The last step: what `_got` and `_kept` do, in one call instead of two."""
    key, type_, at, forms = step.key, step.type, step.at, _forms(step.type)

    def take(value: Json, _: Json, found: list[Found]) -> None:
        inner = value.get(key)
        if inner is not None and type(inner) in forms:
            found.append((type_, inner))

    def take_all(value: Json, _: Json, found: list[Found]) -> None:
        inner = value.get(key)
        if inner is not None and type(inner) is list:
            some = inner if at is None else inner[at : at + 1]
            found += [(type_, each) for each in some if type(each) in forms]

    return take_all if step.many else take


def _got(step: Get, then: Walk) -> Walk:
    key, at = step.key, step.at

    def get(value: Json, resource: Json, found: list[Found]) -> None:
        inner = value.get(key)
        if inner is not None and type(inner) is dict:
            then(inner, resource, found)

    def get_all(value: Json, resource: Json, found: list[Found]) -> None:
        inner = value.get(key)
        if inner is not None and type(inner) is list:
            for each in inner if at is None else inner[at : at + 1]:
                if type(each) is dict:
                    then(each, resource, found)

    return get_all if step.many else get


def _equal(step: Equals, then: Walk) -> Walk:
    key, text = step.key, step.text

    def check(value: Json, resource: Json, found: list[Found]) -> None:
        if value.get(key) == text:
            then(value, resource, found)

    return check


def _leading(step: Leads, then: Walk) -> Walk:
    wanted = step.type

    def check(value: Json, resource: Json, found: list[Found]) -> None:
        if target_type(value, resource) == wanted:
            then(value, resource, found)

    return check


def _restarted(then: Walk) -> Walk:
    def restart(_: Json, resource: Json, found: list[Found]) -> None:
        if type(resource) is dict:
            then(resource, resource, found)

    return restart


def target_type(reference: Json, resource: Json) -> str:
    """Return the type of the resource a Reference leads to; "" where that is not told.

    Its text tells (`Patient/1`, an address that ends so), the contained resource it names, or else
    its `type`.
    """
    text = reference.get("reference")
    told = _of_text(text, resource) if isinstance(text, str) else ""
    return told or _text(reference.get("type"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _of_text(text: str, resource: Json) -> str:
    head, slash, _ = text.partition("/")
    if slash and head in RESOURCES:
        return head
    if head[:1] == "#":
        inside = resource.get("contained") if text != "#" else [resource]
        for each in inside if isinstance(inside, list) else ():
            if isinstance(each, dict) and (text == "#" or each.get("id") == text[1:]):
                return _text(each.get("resourceType"))
        return ""
    match = REFERENCE.fullmatch(text) if slash else None  # most others are urn:uuid:…
    return match["type"] if match is not None and match["type"] in RESOURCES else ""


def together(ways: Sequence[Way]) -> Walk:
    """Make the function that goes several ways, each once."""
    walks = [walk(way) for way in dict.fromkeys(ways)]
    if len(walks) == 1:
        return walks[0]

    def every(value: Json, resource: Json, found: list[Found]) -> None:
        for each in walks:
            each(value, resource, found)

    return every
