"""A plain model of FHIR R4 search in memory, slow and obvious, to compare the real server with.

Values come from the general FHIRPath engine on the expressions of the definitions, as written but
for this: `as` takes every value of a type (elements repeat); `DateTime` is `dateTime`; `|` keeps
equal values (5.4 and 5.40 differ in precision); `where(resolve() is T)` is answered from what the
reference says, see `Oracle._leads`. Values are compared as `comparing` and `wording` say; nothing
is indexed or cut off.

Where R4 leaves room, this model takes, on purpose:
    A criterion is met if any value of the resource meets any value asked for; `:not` and `:not-in`
    if none does, so also where there is none.
    `:missing` looks at the element: it is there if the expression finds anything that has a value
    (an object always has), also where that is of no use to the comparison.
    Contained resources are not searched, nor reached by a chain.
    Order: see `Oracle.order`. Texts of `_content` are found anywhere in the resource's own texts.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4 parameters, §3.1.1.5 managing returned resources.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from citycare.kernel.fhir import dates
from citycare.kernel.fhir.model import ParameterUnknown, ValueBroken
from citycare.kernel.fhir.path import Node, compiled
from citycare.kernel.fhir.r4 import RESOURCES, compartments, parameters
from citycare.kernel.fhir.searching.model import (
    Amount,
    Chain,
    Criterion,
    Having,
    Include,
    Link,
    Missing,
    Moment,
    Near,
    Number,
    ParamType,
    Parts,
    Query,
    Text,
    Token,
    Uri,
    Value,
)
from tests.kernel.fhir.searching import comparing, ordering, wording
from tests.kernel.fhir.searching.typed import Thing, typed
from tests.kernel.fhir.searching.wording import Member

Json = dict[str, Any]
Key = tuple[str, str]

WITHOUT_DOMAIN = frozenset(("Binary", "Bundle", "Parameters"))
AS = re.compile(r"\(([\w.]+) as (\w+)\)")
LEADS = re.compile(r"(.+)\.where\(resolve\(\) is (\w+)\)")
PARTS = re.compile(r"\s+\|\s+")


def no_member(system: str | None, code: str, value_set: str) -> bool:
    """Know no value set. Raises: ValueBroken."""
    raise ValueBroken(parameter=value_set, value=f"{system}|{code}")


def definition(kind: str, param: str) -> Mapping[str, Any]:
    """Return the definition of a parameter for a type.

    Raises:
        ParameterUnknown: the type has no such parameter.
    """
    above = ("Resource",) if kind in WITHOUT_DOMAIN else ("DomainResource", "Resource")
    for name in (kind, *above):
        if param in parameters().get(name, {}):
            found: Mapping[str, Any] = parameters()[name][param]
            return found
    raise ParameterUnknown(type=kind, parameter=param)


def readable(expression: str) -> str:
    """Return an expression of the definitions as the engine takes it."""
    expression = AS.sub(r"\1.ofType(\2)", expression).replace(".as(", ".ofType(")
    return expression.replace("(DateTime)", "(dateTime)")


class Oracle:
    """Resources, and what of them a search finds.

    Args:
        resources: each with `id` and `meta.lastUpdated`; the last of those with one id counts.
        member: knows value sets and hierarchies of codes; see `wording.meets_set`.
        base: the server's own address, so that absolute references to it lead here.
    """

    def __init__(
        self, resources: Iterable[Json], *, member: Member = no_member, base: str = ""
    ) -> None:
        self.resources: dict[Key, Json] = {
            (one["resourceType"], one["id"]): one for one in resources
        }
        self._typed: dict[Key, Thing] = {key: typed(one) for key, one in self.resources.items()}
        self._member = member
        self._base = base
        self._now: datetime | None = None
        self._found: dict[tuple[Key, str], list[Any]] = {}

    def matches(self, query: Query, now: datetime | None = None) -> list[Json]:
        """Return all resources that match, in order; `count` and paging are not looked at.

        Raises:
            ParameterUnknown: a type that is searched has no such parameter.
            ValueBroken: a value is not of the parameter's type, or a value set is not known.
        """
        self._now = now
        found = [
            key
            for key in self.resources
            if not query.types or key[0] in query.types
            if all(self._holds(key, each) for each in query.criteria)
            if all(_says(self.resources[key], words) for words in query.content)
        ]
        return [self.resources[key] for key in self.order(found, query)]

    def order(self, keys: Iterable[Key], query: Query) -> list[Key]:
        """Sort: by each key of `_sort`, then the last updated first, then by type and id.

        Of several values the least counts ascending, the greatest descending; resources without a
        value come last either way; what a value is sorted by, `ordering.rank` says.

        Source: R4 §3.1.1.5.1 sorting, which leaves all of this to the server.
        """
        ordered = sorted(keys)
        ordered.sort(key=lambda key: _updated(self.resources[key]), reverse=True)
        for sort in reversed(query.sort):
            ranks = {
                key: ordering.rank(self.values(key, sort.param), sort.type, sort.descending)
                for key in ordered
            }
            there = [key for key in ordered if ranks[key] is not None]
            rest = [key for key in ordered if ranks[key] is None]
            there.sort(key=lambda key: ranks[key], reverse=sort.descending)
            ordered = there + rest
        return ordered

    # Values

    def values(self, key: Key, param: str) -> list[Any]:
        """Return the values of a parameter, each with its type (see `typed`)."""
        if (key, param) not in self._found:
            expression = definition(key[0], param)["x"]
            self._found[key, param] = self._evaluated(expression, self._typed[key], key)
        return self._found[key, param]

    def _evaluated(self, expression: str, focus: Any, key: Key) -> list[Any]:
        values = []
        for part in PARTS.split(readable(expression)):
            leads = LEADS.fullmatch(part)
            items = compiled(leads[1] if leads else part).items(
                focus, now=self._now, resource=self._typed[key]
            )
            found = [item.value if isinstance(item, Node) else item for item in items]
            values += [each for each in found if not leads or self._leads(each, leads[2], key)]
        return [value for value in values if value is not None]

    def _leads(self, value: Any, kind: str, key: Key) -> bool:
        """Tell whether a reference leads to a type, by what it says, whether that is there or not.

        Its text tells, the contained resource it names, or else its `type`; a reference that tells
        nothing passes where R4 lets the element lead to this type alone.
        Source: R4 §2.3.0 (literal and logical references, Reference.type).
        """
        text = value.get("reference", "")
        literal = wording.LITERAL.fullmatch(text)
        told = value.get("type")
        if literal and literal[2] in RESOURCES:
            told = literal[2]
        for each in self.resources[key].get("contained", ()):
            if text == f"#{each.get('id')}":
                told = each["resourceType"]
        return bool(value.targets == {kind} if told is None else told == kind)

    # Criteria

    def _holds(self, key: Key, criterion: Criterion | Having) -> bool:
        if isinstance(criterion, Having):
            return self._had(key, criterion)
        if criterion.param == "_compartment":
            links = (asked for asked in criterion.values if isinstance(asked, Link))
            return any(self._belongs(key, kind, link.id) for link in links for kind in link.types)
        values = self.values(key, criterion.param)
        if criterion.chain is not None:
            return any(self._chained(value, criterion.chain) for value in values)
        if criterion.modifier == "missing":
            return any(
                isinstance(asked, Missing) and asked.missing == (not values)
                for asked in criterion.values
            )
        found = any(
            self._meets(key, criterion, value, asked)
            for value in values
            for asked in criterion.values
        )
        return found != criterion.modifier.startswith("not")

    def _belongs(self, key: Key, kind: str, id_: str) -> bool:
        """Tell whether this is the resource a compartment is of, or refers to it as one in it does.

        Source: R4 §3.1.1.2.1 compartments; CompartmentDefinition resources.
        """
        codes = compartments()[kind].get(key[0], ())
        links = (self._targets(key, code) for code in codes if code != "{def}")
        return key == (kind, id_) or any((kind, id_) in some for some in links)

    def _chained(self, value: Any, chain: Chain) -> bool:
        """Tell whether the target of a reference is here, and holds.

        Source: R4 §3.1.1.4.15 chained parameters.
        """
        key = self._target(value)
        return key in self.resources and any(
            key[0] == kind and self._holds(key, criterion) for kind, criterion in chain.criteria
        )

    def _had(self, key: Key, having: Having) -> bool:
        """Tell whether a resource that holds refers to this one.

        Source: R4 §3.1.1.4.16 reverse chaining.
        """
        return any(
            key in self._targets(other, having.param) and self._holds(other, having.criterion)
            for other in self.resources
            if other[0] == having.type
        )

    def _target(self, value: Any) -> Key:
        target = wording.target_of(value, self._base)
        return target.type, target.id

    def _targets(self, key: Key, param: str) -> set[Key]:
        return {self._target(value) for value in self.values(key, param)}

    def _meets(self, key: Key, criterion: Criterion, value: Any, asked: Value) -> bool:
        if criterion.type is ParamType.COMPOSITE and isinstance(asked, Parts):
            return self._meets_parts(key, criterion.param, value, asked)
        return self.meets(criterion.type, criterion.modifier, value, asked)

    def _meets_parts(self, key: Key, param: str, element: Any, asked: Parts) -> bool:
        """Tell whether one and the same element meets every part.

        Source: R4 §3.1.1.4.17 composite search parameters.
        """
        components = definition(key[0], param)["p"]
        if len(components) != len(asked.parts):
            raise ValueBroken(parameter=param)
        return all(
            any(
                self.meets(ParamType(definition(key[0], code)["t"]), "", value, part)
                for value in self._evaluated(expression, element, key)
            )
            for (code, expression), part in zip(components, asked.parts, strict=True)
        )

    def meets(  # noqa: PLR0911 - one line a type
        self, kind: ParamType, modifier: str, value: Any, asked: Value
    ) -> bool:
        """Tell whether one value meets one value of a search of this type.

        `:of-type` is asked as Parts of two Tokens: the type, and the value.
        """
        match kind, asked:
            case ParamType.DATE, Moment():
                return comparing.meets_date(value, asked)
            case ParamType.NUMBER, Number():
                return comparing.meets_number(value, asked)
            case ParamType.QUANTITY, Amount():
                return comparing.meets_quantity(value, asked)
            case ParamType.SPECIAL, Near():
                return comparing.meets_near(value, asked)
            case ParamType.STRING, Text():
                return wording.meets_string(value, asked.words, modifier)
            case ParamType.URI, Uri():
                return wording.meets_uri(value, asked.address, modifier)
            case ParamType.REFERENCE, Link():
                return wording.meets_link(value, asked, self._base)
            case ParamType.REFERENCE, Token() if modifier == "identifier":
                return wording.meets_identifier(value, asked)
            case ParamType.TOKEN, _:
                return self._meets_token(modifier, value, asked)
        raise ValueBroken(parameter=f"{kind}:{modifier}", value=repr(asked)[:100])

    def _meets_token(self, modifier: str, value: Any, asked: Value) -> bool:
        match asked:
            case Text() if modifier == "text":
                return wording.meets_text(value, asked.words)
            case Uri() if modifier in ("in", "not-in"):
                return wording.meets_set(value, asked.address, self._member)
            case Token() if modifier in ("above", "below"):
                concept = f"{modifier}:{asked.system or ''}|{asked.code}"
                return wording.meets_set(value, concept, self._member)
            case Parts((Token() as kind, Token() as number)) if modifier == "of-type":
                return wording.meets_of_type(value, kind, number.code)
            case Token() if modifier in ("", "not"):
                return wording.meets_token(value, asked)
        raise ValueBroken(parameter=f"token:{modifier}", value=repr(asked)[:100])

    # Included

    def included(self, query: Query, matches: Iterable[Json]) -> list[Json]:
        """Return what `_include` and `_revinclude` add to these matches, each once, by type and id.

        Without `:iterate` an include looks at the matches alone; with it also at what was included,
        until nothing more is found. `*` is every reference parameter.

        Source: R4 §3.1.1.5.3 including other resources.
        """
        first = {(one["resourceType"], one["id"]) for one in matches}
        seen = set(first)
        fresh = first
        includes = list(query.includes)
        while fresh:
            found = {key for include in includes for key in self._led(include, fresh)}
            fresh = found - seen
            seen |= fresh
            includes = [each for each in query.includes if each.iterate]
        return [self.resources[key] for key in sorted(seen - first)]

    def _led(self, include: Include, fresh: set[Key]) -> Iterator[Key]:
        pairs = self._links(include)
        for source, target in pairs:
            if target in self.resources and include.target in ("", target[0]):
                here, there = (target, source) if include.reverse else (source, target)
                if here in fresh:
                    yield there

    def _links(self, include: Include) -> Iterator[tuple[Key, Key]]:
        """Yield every pair of resources that a parameter of `source` connects."""
        for key in self.resources:
            if include.source not in ("", "*", key[0]):
                continue
            params = reference_params(key[0]) if include.param == "*" else [include.param]
            for param in params:
                for target in self._targets(key, param):
                    yield key, target


def reference_params(kind: str) -> list[str]:
    """Return the codes of a type's reference parameters."""
    found = parameters().get(kind, {})
    return [code for code, one in found.items() if one["t"] == "reference"]


def _updated(resource: Json) -> datetime:
    text = resource.get("meta", {}).get("lastUpdated")
    return dates.span(text)[0] if text else dates.EARLIEST


def _says(resource: Json, words: str) -> bool:
    """Tell whether words stand in any text of a resource. Source: ours; R4 §3.1.1.4.20 is open."""
    asked = wording.fold(words)
    return any(asked in wording.fold(text) for text in _texts(resource))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
