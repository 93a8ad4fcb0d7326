"""The values of each search parameter in a resource: R4's expressions as functions over JSON.

The expressions of the definitions use a small part of FHIRPath. That part is compiled here, with
the types R4 gives each element, into functions some ten times as fast as FHIRPath itself; an
expression beyond it is an error when its type is first asked for, never a parameter left out.

Differences from FHIRPath, each meant:
    `as` takes every value of the type, as `ofType` does: the definitions apply it to elements that
    repeat. `DateTime` means `dateTime`. A union may give equal values twice. `resolve() is T` looks
    at nothing but the reference: its text, or its `type` where that does not tell. Contained
    resources are not searched: they have no identity of their own.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4 (search parameters), §2.1.9 FHIRPath; SearchParameter resources.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

from citycare.kernel.fhir.definitions import RESOURCES, parameters, structures
from citycare.kernel.fhir.model import TypeUnknown
from citycare.kernel.fhir.path.parser import parse
from citycare.kernel.fhir.path.syntax import (
    Ast,
    Binary,
    Call,
    Const,
    Index,
    Member,
    OfType,
    Special,
    Variable,
)
from citycare.kernel.fhir.r4.shapes import shape
from citycare.kernel.fhir.searching.model import ParamType
from citycare.kernel.fhir.searching.walking import (
    Equals,
    Found,
    Get,
    Json,
    Leads,
    Restart,
    Walk,
    Way,
    together,
)

__all__ = ["Extractor", "Found", "Json", "extractors"]

BOOLEAN = "boolean"
WITHOUT_VALUES = frozenset(("_content", "_query", "_text"))
"""Parameters of every resource that have no expression: they ask for more than its elements."""


class Values(Protocol):
    """From a resource, or for a part from a value of its composite, to what is found there."""

    def __call__(self, value: Any, resource: Any = None) -> list[Found]:
        """Return the values; `resource` is the whole, where `value` is a piece of it."""
        ...


@dataclass(frozen=True, slots=True)
class Extractor:
    """One search parameter of one type.

    Attributes:
        code: its name in a search.
        targets: types of resources a reference may lead to.
        values: from the resource to (FHIR type, JSON) of each value; never raises. A parameter that
            asks whether something is there has one value, ("boolean", …). An element with elements
            of its own has its path as type: `Observation.component`.
        parts: of a composite, its components; of each `value` the composite has, their values are
            `part.values(value, resource)`.
    """

    code: str
    type: ParamType
    targets: frozenset[str]
    values: Values
    parts: tuple[Extractor, ...] = ()


class Beyond(ValueError):
    """An expression is not of the part of FHIRPath that is compiled here."""


@cache
def extractors(resource_type: str) -> Mapping[str, Extractor]:
    """Return the search parameters of a type by code, with those every resource has.

    Made when a type is first asked for, and kept.

    Raises:
        TypeUnknown: R4 has no such type.
        Beyond: the definitions hold an expression that cannot be compiled.
    """
    if resource_type not in RESOURCES:
        raise TypeUnknown(type=resource_type[:100])
    told = definitions_of(resource_type)
    return {
        code: _extractor(resource_type, code, one)
        for code, one in told.items()
        if code not in WITHOUT_VALUES
    }


def definitions_of(resource_type: str) -> Mapping[str, Any]:
    """Return the definitions of a type and of what it is a kind of."""
    found: dict[str, Any] = {}
    for kind in reversed(list(_kinds(resource_type))):
        found |= parameters().get(kind, {})
    return found


def _kinds(type_: str) -> Iterator[str]:
    """Yield a type and the types above it."""
    while type_ in structures():
        yield type_
        type_ = structures()[type_].get("base", "")


def _extractor(resource_type: str, code: str, one: Mapping[str, Any]) -> Extractor:
    focus = Way((), resource_type)
    ast = parse(one["x"])
    if isinstance(ast, Binary) and ast.operator == "and":
        return _made(code, one, _condition(ast, focus))
    ways = ways_through(ast, focus, resource_type)
    return _made(
        code, one, together(ways),
        tuple(
            _part(resource_type, other, expression, ways)
            for other, expression in one.get("p", ())
        ),
    )  # fmt: skip


def _part(resource_type: str, code: str, expression: str, within: Sequence[Way]) -> Extractor:
    """Make a component, for each kind of value its composite has: where equal, a way is one."""
    ast = parse(expression)
    ways = [
        way
        for kind in dict.fromkeys(each.type for each in within)
        for way in ways_through(ast, Way((), kind), resource_type)
    ]
    return _made(code, definitions_of(resource_type)[code], together(ways))


def _made(
    code: str, one: Mapping[str, Any], walk: Walk, parts: tuple[Extractor, ...] = ()
) -> Extractor:
    def values(value: Any, resource: Any = None) -> list[Found]:
        found: list[Found] = []
        if type(value) is dict:
            walk(value, value if resource is None else resource, found)
        return found

    return Extractor(code, ParamType(one["t"]), frozenset(one.get("r", ())), values, parts)


def ways_through(ast: Ast, focus: Way, resource_type: str) -> list[Way]:  # noqa: C901, PLR0911 - a line a form
    """Return the ways of an expression that starts at a focus.

    Raises:
        Beyond: it has a form that is not known here, or leads nowhere in R4.
    """

    def below(inner: Ast | None) -> list[Way]:
        return [focus] if inner is None else ways_through(inner, focus, resource_type)

    match ast:
        case Special(name="$this"):
            return [focus]
        case Variable(name="resource"):
            return [Way((Restart(),), resource_type)]
        case Member(target=None, name=name) if name[:1].isupper():
            return _typed([focus], name)
        case Member(target=target, name=name):
            return _members(below(target), name)
        case OfType(operator="as", left=left, name=name):
            return _typed(below(left), name)
        case Call(target=target, name="as" | "ofType", args=(Member(target=None, name=name),)):
            return _typed(below(target), name)
        case Call(target=target, name="where", args=(test,)):
            return [_where(way, test) for way in below(target)]
        case Index(target=target, at=Const(values=(int() as at,))):
            return [_item(way, at) for way in below(target)]
        case Binary(operator="|", left=left, right=right):
            return below(left) + below(right)
    raise Beyond(f"search expression: {ast}")


def _members(ways: Sequence[Way], name: str) -> list[Way]:
    found = [
        way.then(Get(key, field.type, field.many), field.type)
        for way in ways
        for key, field in shape(way.type).fields.items()
        if field.element == name
    ]
    if not found:
        raise Beyond(f"no element {name} in {[way.type for way in ways]}")
    return found


def _typed(ways: Sequence[Way], name: str) -> list[Way]:
    """Keep the ways to a type; in one definition `DateTime` stands for `dateTime`."""
    wanted = name if name in structures() else name[:1].lower() + name[1:]
    found = [way for way in ways if wanted in _kinds(way.type)]
    if not found:
        raise Beyond(f"no {name} among {[way.type for way in ways]}")
    return found


def _item(way: Way, at: int) -> Way:
    *before, last = way.steps or (None,)
    if not isinstance(last, Get) or not last.many or last.at is not None or at < 0:
        raise Beyond(f"no array to take [{at}] of: {way}")
    if any(isinstance(step, Get) and step.many for step in before):
        raise Beyond(f"[{at}] of several arrays: {way}")
    return Way((*way.steps[:-1], replace(last, at=at)), way.type)


def _where(way: Way, test: Ast) -> Way:
    match test:
        case Binary(operator="=", left=Member(target=None, name=name), right=Const(values=(text,))):
            field = shape(way.type).fields.get(name)
            if field is not None and not field.many and isinstance(text, str):
                return way.then(Equals(name, text))
        case OfType(operator="is", left=Call(target=None, name="resolve", args=()), name=name):
            last = way.steps[-1] if way.steps else None
            if isinstance(last, Get) and last.type == "Reference" and name in RESOURCES:
                return way.then(Leads(name))
    raise Beyond(f"where: {test}")


def _condition(ast: Binary, focus: Way) -> Walk:
    """Compile `X.exists() and X != literal`, in FHIRPath's logic of three values."""
    match ast.left, ast.right:
        case (
            Call(target=Member() as there, name="exists", args=()),
            Binary(operator="!=", left=Member() as compared, right=Const(values=(literal,))),
        ) if there == compared and isinstance(literal, bool):
            ways = ways_through(there, focus, focus.type)
        case _:
            raise Beyond(f"condition: {ast}")
    find = together(ways)
    find_beside = together([_beside(way) for way in ways])

    def decide(value: Json, resource: Json, found: list[Found]) -> None:
        values: list[Found] = []
        find(value, resource, values)
        if values:
            found.append((BOOLEAN, any(each is not literal for _, each in values)))
            return
        find_beside(value, resource, values)
        if not values:  # with extensions alone it is there, but of no value: neither true nor false
            found.append((BOOLEAN, False))

    return decide


def _beside(way: Way) -> Way:
    """Return the way to the extensions of what a way leads to, if that is a primitive."""
    last = way.steps[-1]
    assert isinstance(last, Get)
    return Way((*way.steps[:-1], replace(last, key="_" + last.key, type="Element")), "Element")
