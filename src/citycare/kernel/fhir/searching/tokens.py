"""What tokens put into the index, and where all writers put it.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.10 token: Coding, CodeableConcept, Identifier, ContactPoint,
code, boolean, uri, string; §3.1.1.4.4 `:text` and `:of-type`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.searching import words
from citycare.kernel.fhir.searching.walking import Json
from citycare.kernel.fhir.searching.ways import Lane

PHONES = frozenset(("phone", "fax", "pager", "sms"))


class Measure(NamedTuple):
    """One row of ordered values.

    Attributes:
        way: `hash32` of a lane.
        unit: `measures.RAW`, or that of a `measures.canonical` unit.
        low, high: see `measures`.
    """

    way: int
    unit: int
    low: float
    high: float


@dataclass(slots=True)
class Sink:
    """What a resource puts into the index, as it is gathered; `base`: the server's own address."""

    base: str
    keys: set[int] = field(default_factory=set)
    measures: set[Measure] = field(default_factory=set)
    wordings: set[tuple[int, int, str]] = field(default_factory=set)
    main: tuple[float, float] | None = None


def write_concept(lane: Lane, value: Json, sink: Sink) -> None:
    """Write each coding of a CodeableConcept, and its text for the first that has a code."""
    first = None
    for coding in dicts(value.get("coding")):
        coded = write_coding(lane, coding, sink)
        first = coded if first is None else first
    text = value.get("text")
    if type(text) is str:
        _write_words(lane, text, first, sink)


def write_coding(lane: Lane, value: Json, sink: Sink) -> int | None:
    """Write a Coding, and its display; return the hash of what it is, if it has a code."""
    system, code = _text(value.get("system")), value.get("code")
    write_coded(lane, system, code, sink)
    coded = of.coding_hashes(system, code)[1] if type(code) is str else None
    display = value.get("display")
    if type(display) is str:
        _write_words(lane, display, coded, sink)
    return coded


def write_coded(lane: Lane, system: Any, code: Any, sink: Sink) -> None:
    """Write `system|`, `code` and `system|code`, as far as they are there."""
    system = _text(system)
    if type(code) is str:
        own = lane.hash
        sink.keys.update([own ^ each for each in of.coding_hashes(system, code)])
    elif system:
        sink.keys.add(lane.hash ^ of.value_hash(of.SYSTEM, system))


def _write_words(lane: Lane, text: str, hash_: int | None, sink: Sink) -> None:
    """Write a text and the key of what has it; a text without a code has a key of its own."""
    if len(text) > words.LONG_MIN:
        sink.keys.add(of.long_key(lane))
        return
    written = words.spaced(text)
    if not written:
        return
    if hash_ is None:
        hash_ = of.value_hash(of.TEXT, written)
        sink.keys.add(lane.hash ^ hash_)
    sink.wordings.add((lane.hash32, lane.hash ^ hash_, written))


def write_identifier(lane: Lane, value: Json, sink: Sink) -> None:
    """Write an Identifier, with each coding of its type, and the text of that."""
    number = value.get("value")
    write_coded(lane, value.get("system"), number, sink)
    kind = value.get("type")
    if not isinstance(kind, dict):
        return
    if isinstance(number, str):
        for coding in dicts(kind.get("coding")):
            system, code = _text(coding.get("system")), coding.get("code")
            if isinstance(code, str):
                sink.keys.add(lane.hash ^ of.of_type_hash(system, code, number))
    text = kind.get("text")
    if isinstance(text, str):
        _write_words(lane, text, None, sink)


def write_contact(lane: Lane, value: Json, sink: Sink) -> None:
    """Write a ContactPoint by its value, a phone number as it is compared."""
    number, system = value.get("value"), value.get("system")
    if isinstance(number, str):
        if isinstance(system, str) and system in PHONES:
            sink.keys.add(of.key(lane, of.PHONE, words.phone(number)))
        else:
            sink.keys.add(of.key(lane, of.CODE, number))


def write_code(lane: Lane, value: Any, sink: Sink) -> None:
    """Write a code, text, address or boolean, which has no system of its own."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, str):
        sink.keys.add(of.key(lane, of.CODE, value))


def token_hashes(part: Lane, kind: str, value: Any) -> Iterable[int]:
    """Yield the hashes of a token as a part: of `code`, and of it with its system or with none."""
    match kind, value:
        case "CodeableConcept", dict():
            codings = [
                (_text(each.get("system")), each.get("code")) for each in dicts(value.get("coding"))
            ]
        case "Coding", dict():
            codings = [(_text(value.get("system")), value.get("code"))]
        case _, bool():
            codings = [("", "true" if value else "false")]
        case _, str():
            codings = [(system, value) for system in sorted(part.codes.get(value, ("",)))]
        case _:
            codings = []
    for system, code in codings:
        if isinstance(code, str):
            yield from of.coding_hashes(system, code)[:2]


def dicts(value: Any) -> list[Json]:
    """Return the objects of an array; of anything else none."""
    return [each for each in value if type(each) is dict] if type(value) is list else []


def _text(value: Any) -> str:
    return value if type(value) is str else ""
