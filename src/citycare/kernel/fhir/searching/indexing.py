"""What a resource puts into the index: keys, measures, words of its codes, and what is there.

Lanes of `ways` are gone once each; of a value a lane writes what searches of its type ask for:
    token      `code`, `system|code`, `system|`; of a code with a required binding, a text or an
               address `code` alone (a query knows the systems); a phone number without its
               punctuation; of an identifier also `system|code|value` of its type
    string     beginnings of its texts and their words, for `:contains` pairs of signs
    reference  what it leads to, and its identifier as a token
    uri        the address, and the folders above it
    composite  of tokens and references one key of them together, for `system|code` and `code`
    date, number, quantity, special: measures, but the main date
A resource has a key for each compartment it belongs to.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from typing import Any

from citycare.kernel.fhir.r4 import compartments
from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.searching import measures, tokens, words
from citycare.kernel.fhir.searching.model import ParamType
from citycare.kernel.fhir.searching.tokens import Measure, Sink
from citycare.kernel.fhir.searching.walking import Found, Json, Walk
from citycare.kernel.fhir.searching.ways import Lane, belonging_of, main_of, ways_of

__all__ = ["VERSION", "Indexed", "Measure", "indexed"]

VERSION = 1
"""Of what stands here and in `ways`: raised when a resource is to be put into the index anew."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What is kept of one version of a resource.

    Attributes:
        keys: signed 64-bit, sorted, each once; see `keys`.
        present: bit n is set if lane n has a value; of a composite, one with all parts.
        main: the span of the type's main date, as `measures` has it; None: it has none.
        measures: each once, sorted.
        wordings: (`hash32` of a lane; key of what has this text; folded texts with a blank between,
            the whole first, then its words), for `:text`. A row stands for all resources with the
            key, so recheck; a text longer than `words.LONG_MIN` has `keys.long_key` instead.
    """

    keys: tuple[int, ...]
    present: int
    main: tuple[float, float] | None
    measures: tuple[Measure, ...]
    wordings: tuple[tuple[int, int, str], ...]


Write = Callable[[Sequence[Found], Json, Sink], bool]
"""Writes what is found; returns whether it is something."""


def indexed(resource: Json, base: str = "") -> Indexed:
    """Return what a resource puts into the index. What has a form R4 does not give it is left out.

    Args:
        resource: its `resourceType` tells the lanes.
        base: the server's own address: references written with it lead here.

    Raises:
        TypeUnknown: R4 has no such type.
    """
    sink = Sink(base.rstrip("/"))
    present = 0
    kind = resource.get("resourceType")
    always, by_name = _plan(kind if isinstance(kind, str) else "")
    for lanes in (always, *[by_name[name] for name in resource if name in by_name]):
        for bit, walk, write in lanes:
            found: list[Found] = []
            walk(resource, resource, found)
            if found and write(found, resource, sink):
                present |= bit
    id_ = resource.get("id")
    if isinstance(kind, str) and kind in compartments() and isinstance(id_, str):
        sink.keys.add(of.compartment_key(kind, of.resource_hash(kind, id_)))
    return Indexed(
        tuple(sorted(sink.keys)),
        present,
        sink.main,
        tuple(sorted(sink.measures)),
        tuple(sorted(sink.wordings)),
    )


Lanes = list[tuple[int, Walk, Write]]


@cache
def _plan(resource_type: str) -> tuple[Lanes, Mapping[str, Lanes]]:
    """Return the lanes that are gone for each resource, and those for what has a JSON name."""
    main, belonging = main_of(resource_type), belonging_of(resource_type)
    always: Lanes = []
    by_name: dict[str, Lanes] = {}
    for lane in ways_of(resource_type):
        write = _main if lane in main else _write(lane, belonging.get(lane))
        for lanes in [by_name.setdefault(name, []) for name in lane.starts] or [always]:
            lanes.append((1 << lane.number, lane.walk, write))
    return always, by_name


def _write(lane: Lane, belonging: frozenset[str] | None) -> Write:
    writers = [WRITERS[each](lane) for each in sorted(lane.searched)] if lane.indexed else []
    if belonging:
        writers.append(_belonging(belonging))
    if len(writers) == 1:
        return writers[0]

    def every(found: Sequence[Found], resource: Json, sink: Sink) -> bool:
        for write in writers:
            write(found, resource, sink)
        return True

    return every


# Tokens


def _token(lane: Lane) -> Write:
    write: Callable[[Lane, Any, Sink], object] = {
        "CodeableConcept": tokens.write_concept,
        "Coding": tokens.write_coding,
        "Identifier": tokens.write_identifier,
        "ContactPoint": tokens.write_contact,
    }.get(lane.kind, tokens.write_code)

    def token(found: Sequence[Found], _: Json, sink: Sink) -> bool:
        for each in found:
            write(lane, each[1], sink)
        return True

    return token


# Strings, addresses, references


@lru_cache(maxsize=16_384)
def _text_hashes(text: str) -> tuple[int, ...]:
    """Return the hashes of every beginning and piece of a text; names recur."""
    starts = [of.value_hash(of.BEGINNING, each) for each in words.beginnings(text)]
    pieces = [of.value_hash(of.PIECE, each) for each in words.pieces(words.fold(text))]
    return tuple({*starts, *pieces})


def _string(lane: Lane) -> Write:
    lane_hash = lane.hash

    def string(found: Sequence[Found], _: Json, sink: Sink) -> bool:
        texts = {text for kind, value in found for text in words.wholes_of(kind, value)}
        if sum(map(len, texts)) > words.LONG_MIN:
            sink.keys.add(of.long_key(lane))
            return True
        for text in texts:
            sink.keys.update([lane_hash ^ each for each in _text_hashes(text)])
        return True

    return string


@lru_cache(maxsize=16_384)
def _address_hashes(kind: str, address: str) -> tuple[int, ...]:
    """Return the hashes of an address, of a canonical without its version, of what it is below."""
    same = [address]
    if kind == "canonical" and "|" in address:
        same.append(address.partition("|")[0])
    below = [of.value_hash(of.BELOW, folder) for folder in of.folders_of(address)]
    return (*(of.value_hash(of.URI, each) for each in same), *below)


def _uri(lane: Lane) -> Write:
    own = lane.hash

    def uri(found: Sequence[Found], _: Json, sink: Sink) -> bool:
        for kind, value in found:
            if isinstance(value, str):
                hashes = _address_hashes if len(value) <= of.SHORT else _address_hashes.__wrapped__
                sink.keys.update([own ^ each for each in hashes(kind, value)])
        return True

    return uri


def _reference(lane: Lane) -> Write:
    own = lane.hash

    def reference(found: Sequence[Found], _: Json, sink: Sink) -> bool:
        for value in [each[1] for each in found]:
            sink.keys.update([own ^ each for each in _links(value, sink.base)])
            identifier = value.get("identifier") if type(value) is dict else None
            if type(identifier) is dict and "resourceType" not in value:
                system, number = identifier.get("system"), identifier.get("value")
                tokens.write_coded(lane, system, number, sink)
        return True

    return reference


def _links(value: Any, base: str) -> of.Keys:
    """Return the hashes of what a Reference, an address or an entry of a Bundle is or leads to."""
    if type(value) is str:
        return of.link_hashes(value, base)
    if "resourceType" in value:
        kind, id_ = value["resourceType"], value.get("id")
        return (of.resource_hash(kind, id_),) if isinstance(id_, str) else ()
    text = value.get("reference")
    return of.link_hashes(text, base) if type(text) is str else ()


def _belonging(kinds: frozenset[str]) -> Write:
    """Make the writer of the compartments a lane puts the resource into."""

    def belong(found: Sequence[Found], _: Json, sink: Sink) -> bool:
        for value in [each[1] for each in found]:
            text = value.get("reference") if type(value) is dict else None
            if type(text) is not str:
                continue
            target = of.target_of(text, sink.base)
            if target is not None and target[0] in kinds:
                (own,) = of.link_hashes(text, sink.base)
                sink.keys.add(of.compartment_key(target[0], own))
        return True

    return belong


# What has an order


def _main(found: Sequence[Found], _: Json, sink: Sink) -> bool:
    """Write the main date, of which there is at most one."""
    for kind, value in found:
        for span in measures.DATES.get(kind, _none)(value):
            sink.main = span.low, span.high
    return True


def _measured(spans: Mapping[str, measures.Spans]) -> Callable[[Lane], Write]:
    def writer(lane: Lane) -> Write:
        def measure(found: Sequence[Found], _: Json, sink: Sink) -> bool:
            for kind, value in found:
                if kind in spans:
                    for span in spans[kind](value):
                        sink.measures.add(Measure(lane.hash32, *span))
            return True

        return measure

    return writer


# Composites


def _composite(lane: Lane) -> Write:
    """Make the writer: one key of all parts of an element, where all are points.

    What has a part of another type is found by its parts, each a parameter of its own, and
    rechecked.
    """
    points = all(part.searched & of.POINTS for part in lane.parts)

    def composite(found: Sequence[Found], resource: Json, sink: Sink) -> bool:
        something = False
        for _, element in found:
            values = _all_parts(lane, element, resource)
            if values is None:
                continue
            something = True
            if points:
                told = zip(lane.parts, values, strict=True)
                hashes = (_points(part, each, sink.base) for part, each in told)
                sink.keys.update(of.tuple_key(lane, each) for each in product(*hashes))
        return something

    return composite


def _all_parts(lane: Lane, element: Any, resource: Json) -> list[list[Found]] | None:
    """Return the values of each part; None where one has none, the last looked at first."""
    values = []
    for part in reversed(lane.parts):  # values are what is rarest
        found = part.values(element, resource)
        if not found:
            return None
        values.append(found)
    return values[::-1]


def _points(part: Lane, found: Sequence[Found], base: str) -> list[int]:
    """Return the hashes of a part's tokens (`system|code` and `code`) or references, each once."""
    hashes: dict[int, None] = {}
    for kind, value in found:
        if ParamType.REFERENCE in part.searched:
            hashes |= dict.fromkeys(_links(value, base))
        else:
            hashes |= dict.fromkeys(tokens.token_hashes(part, kind, value))
    return list(hashes)


def _none(_: Any) -> Iterable[measures.Span]:
    return ()


ORDERED: Mapping[ParamType, Mapping[str, measures.Spans]] = {
    ParamType.DATE: measures.DATES,
    ParamType.NUMBER: measures.NUMBERS,
    ParamType.QUANTITY: measures.QUANTITIES,
    ParamType.SPECIAL: measures.POSITIONS,
}
WRITERS: Mapping[ParamType, Callable[[Lane], Write]] = {
    ParamType.TOKEN: _token,
    ParamType.STRING: _string,
    ParamType.URI: _uri,
    ParamType.REFERENCE: _reference,
    ParamType.COMPOSITE: _composite,
    **{type_: _measured(spans) for type_, spans in ORDERED.items()},
}
