"""A search read from the pairs of its query: what must hold, and what is to be returned.

Criteria are read by `criteria`, values by `values`. Meanings that `model` leaves open:

    compartment  a Criterion `_compartment` (type special) whose values are Links to the resources
                 of which it must belong to one
    of-type      a value is Parts: Token of the identifier's type, Token(None, its value)
    near         values in metres; 5 km where no distance is given
    ap           spans are widened here already, by a tenth of the number or of the way to now
    include `*`  source "" where the client named none: any type

Source: HL7 FHIR R4 4.0.1 §3.1.1 Search; §3.1.1.3 (errors), §3.1.1.5 (what is returned).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TypeVar

from citycare.kernel.fhir.definitions import structures
from citycare.kernel.fhir.model import ParameterUnknown, TypeUnknown
from citycare.kernel.fhir.r4 import RESOURCES, compartments
from citycare.kernel.fhir.searching.criteria import Criteria, broken, known, shown, unknown
from citycare.kernel.fhir.searching.model import (
    Criterion,
    Having,
    Include,
    Link,
    ParamType,
    Query,
    Sort,
    Summary,
    Total,
)
from citycare.kernel.fhir.searching.values import ID, Setting, says_nothing

PAIRS_MAX = 64
NAME_MAX = 500
VALUE_MAX = 10_000
COUNT_MAX = 1_000
COUNT_DEFAULT = 50
INCLUDES_MAX = 20
SORTS_MAX = 8
LIST_MAX = 200  # types, elements, words

PASSED_OVER = frozenset(("_format", "_pretty"))
UNSORTED = frozenset((ParamType.COMPOSITE, ParamType.SPECIAL))
UNHELD = re.compile("[\x00\ud800-\udfff]")  # neither UTF-8 nor PostgreSQL holds them
NUMERAL = re.compile(r"\d{1,9}", re.ASCII)
ELEMENT = re.compile(r"[A-Za-z][A-Za-z0-9]*", re.ASCII)

Kind = TypeVar("Kind", bound=StrEnum)


def read(
    types: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    *,
    now: datetime,
    lenient: bool = False,
    compartment: tuple[str, str] | None = None,
    base: str = "",
) -> Query:
    """Return what a query asks for.

    Args:
        types: the type that is searched; several or none (all) for a search of the whole server.
        pairs: names and values, decoded, in order, with repeats.
        now: the instant of the request, aware; what is approximately then depends on it.
        lenient: parameters that are not known, and those without a value, are passed over and
            named in `Query.unknown`. Modifiers and values that cannot be read are still refused.
        compartment: type and id of the resource to which what is found must belong.
        base: address of this server, so that its own absolute addresses are local references.

    Raises:
        TypeUnknown: one of `types` is no type of R4.
        ParameterUnknown: a parameter the types do not (all) have; a modifier that does not fit it.
        ValueBroken: a value that cannot be read; a limit that is passed.
    """
    for each in types:
        if each not in RESOURCES:
            raise TypeUnknown(type=shown(each))
    if len(pairs) > PAIRS_MAX:
        raise broken(pairs[PAIRS_MAX][0], "", f"more than {PAIRS_MAX} parameters")
    for name, text in pairs:
        _check(name, text)
    asked = _narrowed(tuple(dict.fromkeys(types)), pairs)
    reading = _Reading(asked, Setting(now, base), lenient=lenient)
    if compartment is not None:
        reading.enter(*compartment)
    for name, text in pairs:
        if name not in PASSED_OVER and (name != "_type" or not text):
            reading.take(name, text)
    return reading.query()


def _check(name: str, text: str) -> None:
    """Refuse what nothing further on could carry.

    Raises:
        ValueBroken: too long, or characters that are in no FHIR text.
    """
    if len(name) > NAME_MAX:
        raise broken(name, "", f"a name of more than {NAME_MAX} characters")
    if len(text) > VALUE_MAX:
        raise broken(name, text, f"more than {VALUE_MAX} characters")
    if UNHELD.search(name) or UNHELD.search(text):
        raise broken(name, text, "a character that no text can hold")


def _narrowed(types: tuple[str, ...], pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return the types that `_type` leaves; it may stand anywhere and more than once."""
    for name, text in pairs:
        if name != "_type" or not text:
            continue
        wanted = _listed(name, text)
        for each in wanted:
            if each not in RESOURCES:
                raise broken(name, text, f"no type {shown(each)}")
        types = tuple(each for each in wanted if not types or each in types)
        if not types:
            raise broken(name, text, "none of these types is searched here")
    return types


def _listed(name: str, text: str) -> tuple[str, ...]:
    """Return the items of a list, each once."""
    items = tuple(dict.fromkeys(text.split(",")))
    if len(items) > LIST_MAX:
        raise broken(name, text, f"more than {LIST_MAX}")
    if not all(items):
        raise broken(name, text, "an item is empty")
    return items


@dataclass(slots=True)
class _Reading:
    """Collects a query."""

    types: tuple[str, ...]
    setting: Setting
    lenient: bool
    criteria: list[Criterion | Having] = field(default_factory=list)
    sort: list[Sort] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    once: dict[str, str] = field(default_factory=dict)
    reader: Criteria = field(init=False)

    def __post_init__(self) -> None:
        self.reader = Criteria(self.setting)

    def query(self) -> Query:
        """Return what was collected."""
        count = self._count()
        summary = _choice(Summary, "_summary", self.once, Summary.FALSE)
        return Query(
            types=self.types,
            criteria=tuple(self.criteria),
            sort=tuple(self.sort),
            includes=tuple(dict.fromkeys(self.includes)),
            count=count,
            total=_choice(Total, "_total", self.once, Total.NONE),
            summary=summary if count else Summary.COUNT,
            elements=tuple(dict.fromkeys(self.elements)),
            content=tuple(dict.fromkeys(self.content)),
            unknown=tuple(self.unknown),
        )

    def enter(self, kind: str, key: str) -> None:
        """Let only what belongs to a compartment be found."""
        table = compartments().get(kind)
        if table is None:
            raise ParameterUnknown(parameter=shown(kind), known=" ".join(sorted(compartments())))
        if not ID.fullmatch(key):
            raise broken(kind, key, "not an id")
        within = sorted({kind, *table})
        types = tuple(each for each in self.types or within if each in within)
        if not types:
            raise ParameterUnknown(
                type=" ".join(self.types[:3]), parameter=kind, known=" ".join(within)
            )  # fmt: skip
        self.types = types
        self.criteria.append(within_compartments(Link(key, (kind,))))

    def take(self, name: str, text: str) -> None:
        """Read one pair."""
        code, colon, modifier = name.partition(":")
        try:
            if not text:
                if not self.lenient:
                    raise broken(name, text, "empty")
                self.unknown.append(name)  # R4 §3.1.1.3: empty parameters are just ignored
            elif code not in RESULTS:
                self.criteria.append(self.reader.read(self.types, name, text))
            elif colon and (modifier != "iterate" or RESULTS[code] is not _Reading.include):
                raise unknown(self.types, name, modifier)
            else:
                RESULTS[code](self, name, text)
        except ParameterUnknown as error:
            if not self.lenient or "modifier" in error.facts:
                raise  # R4 §3.1.1.4.4: a server shall reject modifiers it does not support
            self.unknown.append(name)

    def _count(self) -> int:
        if "_count" not in self.once:
            return COUNT_DEFAULT
        text = self.once["_count"]
        if not NUMERAL.fullmatch(text):
            raise broken("_count", text, "not a number")
        return min(int(text), COUNT_MAX)

    def single(self, name: str, text: str) -> None:
        """Keep what can be said once."""
        if self.once.setdefault(name, text) != text:
            raise broken(name, text, "given twice")

    def order(self, name: str, text: str) -> None:
        """Read `_sort`."""
        for key in text.split(","):
            code = key.removeprefix("-")
            param = known(self.types).get(code)
            if param is None or param.type in UNSORTED:
                raise broken(name, text, f"nothing to sort by: {shown(key)}")
            self.sort.append(Sort(code, param.type, key.startswith("-")))
            if len(self.sort) > SORTS_MAX:
                raise broken(name, text, f"more than {SORTS_MAX} keys")

    def include(self, name: str, text: str) -> None:
        """Read `_include` and `_revinclude`."""
        code, _, modifier = name.partition(":")
        if len(self.includes) == INCLUDES_MAX:
            raise broken(name, text, f"more than {INCLUDES_MAX} includes")
        source, param, target = _joined(name, text)
        self.includes.append(
            Include(source, param, target, code == "_revinclude", modifier == "iterate")
        )

    def listed(self, name: str, text: str) -> None:
        """Read `_elements`."""
        for element in _listed(name, text):
            if not ELEMENT.fullmatch(element) or not _has_element(self.types, element):
                raise broken(name, text, f"no element {shown(element)}")
            self.elements.append(element)

    def words(self, name: str, text: str) -> None:
        """Read `_content`: words which must all be there."""
        found = text.split()
        if "," in text or "\\" in text:
            raise broken(name, text, "words with blanks between them; no alternatives, no escapes")
        if len(found) > LIST_MAX:
            raise broken(name, text, f"more than {LIST_MAX} words")
        if any(says_nothing(word) for word in found) or not found:
            raise broken(name, text, "no words")
        self.content += found


def _joined(name: str, text: str) -> tuple[str, str, str]:
    """Read source, parameter and target of an include.

    Raises:
        ValueBroken: there is no such reference.
    """
    if text == "*":
        return "", "*", ""
    source, _, rest = text.partition(":")
    code, colon, target = rest.partition(":")
    if source not in RESOURCES:
        raise broken(name, text, f"no type {shown(source)}")
    if code == "*":
        targets: Collection[str] = RESOURCES
    else:
        param = known((source,)).get(code)
        if param is None or param.type is not ParamType.REFERENCE:
            raise broken(name, text, f"{source} has no reference {shown(code)}")
        targets = param.targets
    if colon and target not in targets:
        raise broken(name, text, f"it leads to no {shown(target)}")
    return source, code, target


def _has_element(types: tuple[str, ...], name: str) -> bool:
    """Tell whether one of the types has this element at its top; of all types, what any may."""
    return not types or any(name in _elements(each) for each in types)


@cache
def _elements(kind: str) -> frozenset[str]:
    """Return the names of the elements of a type: `value`, and `valueQuantity` as JSON has it."""
    entry = structures()[kind]
    names = set(_elements(entry["base"])) if entry.get("base") in structures() else set()
    for element, told in entry["elements"].items():
        bare = element.removesuffix("[x]")
        names.add(bare)
        if bare != element:
            names.update(bare + one[0].upper() + one[1:] for one in told["t"])
    return frozenset(names)


def _choice(kind: type[Kind], name: str, given: Mapping[str, str], otherwise: Kind) -> Kind:
    if name not in given:
        return otherwise
    text = given[name]
    if text not in set(kind):
        raise broken(name, text, "none of " + ", ".join(kind))
    return kind(text)


def within_compartments(*some: Link) -> Criterion:
    """Return the criterion of what belongs to one of these compartments, as `Type/id` each."""
    return Criterion("_compartment", ParamType.SPECIAL, values=some)


RESULTS: Mapping[str, Callable[[_Reading, str, str], None]] = {
    "_sort": _Reading.order,
    "_include": _Reading.include,
    "_revinclude": _Reading.include,
    "_elements": _Reading.listed,
    "_content": _Reading.words,
    "_count": _Reading.single,
    "_total": _Reading.single,
    "_summary": _Reading.single,
}
