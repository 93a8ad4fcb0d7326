"""The lanes of a type: the unique ways its search parameters go, each with a name and a number.

Values are indexed by lane, not by parameter: `subject` and `patient` of an Observation share one,
and a parameter is an OR of its lanes. A lane is a way without `resolve() is T`; what that asks for
is a matter of the query, as `targets`. A composite has a lane for each kind of element it is of,
with its parts as lanes of their own, which start at that element.

Names are stable, as keys in the store hold their hashes: the JSON names from the type on, a `where`
or the parts of a composite in brackets (`Patient.telecom[system=phone]`). So are numbers, which
follow the order of the names, as long as the definitions of the type stay as they are.

Source: HL7 FHIR R4 4.0.1 SearchParameter resources; §3.1.1.4.17 composite parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import blake2b
from typing import Any

from citycare.kernel.fhir.definitions import RESOURCES, compartments
from citycare.kernel.fhir.model import TypeUnknown
from citycare.kernel.fhir.path.parser import parse
from citycare.kernel.fhir.path.syntax import Binary
from citycare.kernel.fhir.r4.shapes import ANY_RESOURCE, shape
from citycare.kernel.fhir.searching.extracting import (
    BOOLEAN,
    WITHOUT_VALUES,
    definitions_of,
    extractors,
    ways_through,
)
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

IN_THE_ROW = frozenset(("_id", "_lastUpdated"))
"""Parameters whose values are columns of every resource: they have lanes, but no keys."""

Systems = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """One way of a type. Two are the same if they are one object: `ways_of` makes each once.

    Attributes:
        name: stable; unique among all types.
        number: of its bit in `present`; -1 of a part, which has none.
        kind: the FHIR type of its values; of a part that is a union, of the first.
        searched: the types of parameters that go it.
        indexed: whether it has keys; see IN_THE_ROW.
        codes: of a code with a required binding, the systems of each code.
        parts: of a composite, in order.
        starts: JSON names: a resource that has none of them has no value; empty: it may have.
        hash, hash32: of the name, signed.
    """

    name: str
    number: int
    kind: str
    searched: frozenset[ParamType]
    walk: Walk = field(repr=False)
    indexed: bool = True
    codes: Systems = field(default_factory=dict, repr=False)
    parts: tuple[Lane, ...] = ()
    starts: frozenset[str] = frozenset()
    hash: int = 0
    hash32: int = 0

    def values(self, value: Any, resource: Any = None) -> list[Found]:
        """Return (FHIR type, JSON) of each value in a resource; of a part, in an element of it.

        Never raises.
        """
        found: list[Found] = []
        if type(value) is dict:
            self.walk(value, value if resource is None else resource, found)
        return found


Taken = tuple[Lane, frozenset[str]]


@cache
def ways_of(resource_type: str) -> tuple[Lane, ...]:
    """Return the lanes of a type; the number of each is its place.

    Raises:
        TypeUnknown: R4 has no such type.
    """
    return _table(resource_type)[0]


def lanes_for(resource_type: str, code: str) -> tuple[Taken, ...]:
    """Return the lanes of a parameter, each with the types its references may lead to.

    Types are empty where any will do or it is no reference. Where they are fewer than the lane has
    (`patient` goes the lane of `subject`), what does not tell its type, an address or an identifier
    alone, has to be rechecked, and so has `:missing`: the bit is of the whole lane.

    Raises:
        TypeUnknown: R4 has no such type.
        KeyError: the type has no such parameter, or one without values (`_content`).
    """
    return _table(resource_type)[1][code]


@cache
def belonging_of(resource_type: str) -> Mapping[Lane, frozenset[str]]:
    """Return the lanes whose references put a resource into a compartment, with which of these.

    Raises:
        TypeUnknown: R4 has no such type.
    """
    found: dict[Lane, set[str]] = {}
    for kind, types in compartments().items():
        for code in types.get(resource_type, ()):
            for lane, _ in lanes_for(resource_type, code) if code != "{def}" else ():
                found.setdefault(lane, set()).add(kind)
    return {lane: frozenset(kinds) for lane, kinds in found.items()}


@cache
def main_of(resource_type: str) -> frozenset[Lane]:
    """Return the lanes of a type's main date, whose span is a column of its row; empty: none.

    It is the first element of the type itself, in the order of the definition, that does not repeat
    and that a date parameter looks at: `effective[x]` of an Observation, `birthDate` of a Patient.

    Raises:
        TypeUnknown: R4 has no such type.
    """
    names = {lane.name: lane for lane in ways_of(resource_type) if ParamType.DATE in lane.searched}
    main = None
    found = []
    for name, told in shape(resource_type).fields.items():
        lane = names.get(f"{resource_type}.{name}")
        if lane is not None and not told.many and main in (None, told.element):
            main = told.element
            found.append(lane)
    return frozenset(found)


@cache
def main_param(resource_type: str) -> str | None:
    """Return the parameter of a type's main date, if it has one.

    Raises:
        TypeUnknown: R4 has no such type.
    """
    main = main_of(resource_type)
    codes = [
        code
        for code, taken in _table(resource_type)[1].items()
        if taken and all(lane in main for lane, _ in taken)
    ]
    return min(codes, default=None)


@cache
def reference_lanes() -> tuple[int, ...]:
    """Return the hashes of all lanes of references: XOR a resource's own, keys of links to it."""
    return tuple(
        lane.hash
        for kind in sorted(RESOURCES)
        for lane in ways_of(kind)
        if ParamType.REFERENCE in lane.searched
    )


@cache
def _table(resource_type: str) -> tuple[tuple[Lane, ...], Mapping[str, tuple[Taken, ...]]]:
    if resource_type not in RESOURCES:
        raise TypeUnknown(type=resource_type[:100])
    made: dict[str, Lane] = {}
    params: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for code, one in definitions_of(resource_type).items():
        if code in WITHOUT_VALUES:
            continue
        of_param = params.setdefault(code, [])
        for lane, targets in _lanes(resource_type, code, one):
            before = made.setdefault(lane.name, lane)
            made[lane.name] = replace(
                before,
                searched=before.searched | lane.searched,
                indexed=before.indexed or lane.indexed,
            )
            of_param.append((lane.name, targets))
    numbered = {
        name: replace(made[name], number=number) for number, name in enumerate(sorted(made))
    }
    taken = {
        code: tuple((numbered[name], targets) for name, targets in dict.fromkeys(some))
        for code, some in params.items()
    }
    return tuple(numbered.values()), taken


def _lanes(resource_type: str, code: str, one: Mapping[str, Any]) -> list[Taken]:
    ast = parse(one["x"])
    searched = frozenset((ParamType(one["t"]),))
    if isinstance(ast, Binary) and ast.operator == "and":
        name = f"{resource_type}.{code}[exists]"
        return [(_lane(name, BOOLEAN, searched, _condition(resource_type, code)), frozenset())]
    found = []
    for way in ways_through(ast, Way((), resource_type), resource_type):
        bare, targets = _without_leads(way)
        name = f"{resource_type}{_name(bare)}"
        name, parts = _parts(resource_type, name, way.type, one)
        lane = _lane(
            name,
            way.type,
            searched,
            together([bare]),
            indexed=code not in IN_THE_ROW,
            codes=_codes(bare, resource_type, resource_type),
            parts=parts,
            starts=_starts([bare]) if bare.steps or not parts else parts[-1].starts,
        )
        found.append((lane, targets or frozenset(one.get("r", ()))))
    return found


def _lane(
    name: str,
    kind: str,
    searched: frozenset[ParamType],
    walk: Walk,
    *,
    indexed: bool = True,
    codes: Systems | None = None,
    parts: tuple[Lane, ...] = (),
    starts: frozenset[str] = frozenset(),
) -> Lane:
    digest = blake2b(name.encode(), digest_size=8).digest()
    whole = int.from_bytes(digest, "big", signed=True)
    half = int.from_bytes(digest[:4], "big", signed=True)
    return Lane(name, -1, kind, searched, walk, indexed, codes or {}, parts, starts, whole, half)


def _parts(
    resource_type: str, name: str, kind: str, one: Mapping[str, Any]
) -> tuple[str, tuple[Lane, ...]]:
    """Return the name of a composite's lane, and its parts, named by their number: `…#0`."""
    if "p" not in one:
        return name, ()
    told = definitions_of(resource_type)
    parts = [
        (code, ways_through(parse(expression), Way((), kind), resource_type))
        for code, expression in one["p"]
    ]
    name += f"[{'$'.join('|'.join(map(_name, ways)) for _, ways in parts)}]"
    return name, tuple(
        _lane(
            f"{name}#{number}", ways[0].type, frozenset((ParamType(told[code]["t"]),)),
            together(ways), codes=_codes(ways[0], kind, resource_type), starts=_starts(ways),
        )
        for number, (code, ways) in enumerate(parts)
    )  # fmt: skip


def _starts(ways: Sequence[Way]) -> frozenset[str]:
    """Return the JSON names these ways begin with; none where one does not begin at an element."""
    first = [way.steps[0] if way.steps else None for way in ways]
    names = [step.key for step in first if isinstance(step, Get)]
    return frozenset(names if len(names) == len(ways) else ())


def _condition(resource_type: str, code: str) -> Walk:
    values: Callable[[Any], list[Found]] = extractors(resource_type)[code].values

    def decide(value: Json, _: Json, found: list[Found]) -> None:
        found += values(value)

    return decide


def _without_leads(way: Way) -> tuple[Way, frozenset[str]]:
    steps = tuple(step for step in way.steps if not isinstance(step, Leads))
    targets = frozenset(step.type for step in way.steps if isinstance(step, Leads))
    return Way(steps, way.type), targets


def _name(way: Way) -> str:
    return "".join(map(_step, way.steps))


def _step(step: Get | Equals | Leads | Restart) -> str:
    match step:
        case Get(key=key, at=None):
            return f".{key}"
        case Get(key=key, at=at):
            return f".{key}[{at}]"
        case Equals(key=key, text=text):
            return f"[{key}={text}]"
        case Restart():
            return "%resource"
        case Leads(type=type_):
            return f"[is {type_}]"


def _codes(way: Way, start: str, resource_type: str) -> Systems:
    """Return the systems of each code of the required binding a way ends at, if it has one."""
    last = way.steps[-1] if way.steps else None
    if not isinstance(last, Get) or last.type == ANY_RESOURCE:
        return {}
    above = start
    for step in way.steps[:-1]:
        if isinstance(step, Get):
            above = step.type
        elif isinstance(step, Restart):
            above = resource_type
    told = shape(above).fields.get(last.key) if above != ANY_RESOURCE else None
    found: dict[str, set[str]] = {}
    for system, codes in ((told and told.allowed) or {}).items():
        for code in codes:
            found.setdefault(code, set()).add(system)
    return {code: frozenset(systems) for code, systems in found.items()}
