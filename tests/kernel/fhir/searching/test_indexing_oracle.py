"""The index against the oracle, on resources made by Hypothesis.

The oracle decides whether a value is met; the index must have a key or a measure wherever it is (no
match is lost), and where `keys` promises that no recheck is needed, only there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings

from citycare.kernel.fhir.searching import keys, measures, words
from citycare.kernel.fhir.searching.extracting import extractors
from citycare.kernel.fhir.searching.indexing import Measure, indexed
from citycare.kernel.fhir.searching.model import (
    Amount,
    Link,
    Moment,
    ParamType,
    Parts,
    Prefix,
    Text,
    Token,
    Uri,
)
from citycare.kernel.fhir.searching.values import Param, Setting, value
from citycare.kernel.fhir.searching.ways import Lane, lanes_for
from tests.kernel.fhir.searching import made, wording
from tests.kernel.fhir.searching.oracle import Oracle

Json = dict[str, Any]


TOKENS = (
    *(Token(one.get("system"), one.get("code")) for one in made.CODINGS if one.get("code")),
    *(Token(None, one["code"]) for one in made.CODINGS if one.get("code")),
    Token("", "8480-6"), Token(made.LOINC, None), Token(made.ID_CARD, None), Token("", "7"),
    Token(None, "7"), Token("urn:x:mrn", "7"), Token(None, "male"), Token(None, "true"),
    Token("", "true"), Token("http://hl7.org/fhir/administrative-gender", "male"),
    Token("", "male"), Token(None, "final"), Token("http://hl7.org/fhir/observation-status", None),
    *(Token(None, one["value"]) for one in made.TELECOMS), Token("", "02164071234"),
)  # fmt: skip
TEXTS = (*made.WORDS, "张", "王芳", "zhang", "zw", "on", "上海", "Calle", "海", "ma", "28013", "Dr")
LINKS = (
    *(Link(f"p{n}", ("Patient",)) for n in range(2)), Link("o0"), Link("d0", ("Practitioner",)),
    Link("", (), "https://other.example/r4/Patient/p0"), Link("b0", ("Observation", "Group")),
    Link("", (), "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
)  # fmt: skip
URIS = (*made.PROFILES, "http://acme.example/", "http://acme.example/fh", "urn:x:a")


def claims(one: Json, code: str, kind: ParamType) -> Iterator[tuple[str, Any, bool, bool]]:
    """Yield modifier, value, whether the keys say so, and whether they alone decide."""
    found = indexed(one, made.BASE)
    have = set(found.keys)
    taken = lanes_for(one["resourceType"], code)
    ways = [way for way, _ in taken]
    long = any(keys.long_key(way) in have for way in ways)

    def any_of(some: list[tuple[int, ...]]) -> bool:
        return any(have & set(each) for each in some)

    match kind:
        case ParamType.TOKEN:
            for token in TOKENS:
                yield "", token, any_of([keys.token_keys(way, token) for way in ways]), True
        case ParamType.STRING:
            for text in TEXTS:
                begun = [keys.word_keys(way, text) for way in ways]
                sure = len(words.fold(text)) <= words.BEGINNING_MAX and not long
                yield "", Text(text), any_of(begun), sure
                yield "exact", Text(text), any_of(begun), False
                pieces = [set(keys.contained_keys(way, text)) for way in ways]
                yield "contains", Text(text), long or any(each <= have for each in pieces), False
        case ParamType.URI:
            for uri in URIS:
                yield "", Uri(uri), any_of([keys.uri_keys(way, uri) for way in ways]), True
                below = [keys.below_keys(way, uri) for way in ways]
                yield "below", Uri(uri), any_of(below), uri.endswith("/") or uri[:3] == "urn"
                above = [keys.above_keys(way, uri) for way in ways]
                yield "above", Uri(uri), any_of(above), "|" not in uri
        case ParamType.REFERENCE:
            yield from claims_of_links(have, taken)


def claims_of_links(
    have: set[int], taken: tuple[tuple[Lane, frozenset[str]], ...]
) -> Iterator[tuple[str, Any, bool, bool]]:
    """Yield the same for references, of which those that do not tell their type are rechecked."""

    def any_of(some: list[tuple[int, ...]]) -> bool:
        return any(have & set(each) for each in some)

    whole = all(targets >= ALL.get(way.name, frozenset()) for way, targets in taken)
    for link in LINKS:
        asked = Link(link.id, link.types or tuple(sorted(taken[0][1])), link.address)
        told = [keys.reference_keys(way, asked, targets) for way, targets in taken]
        fits = not asked.types or set(asked.types) <= taken[0][1]
        if link.address or fits:
            yield "", asked, any_of(told), whole or not link.address
    for token in (Token("", "7"), Token(None, "7"), Token(made.ID_CARD, None), Token("urn:x", "7")):
        told = [keys.identifier_keys(way, token) for way, _ in taken]
        yield "identifier", token, any_of(told), whole


ALL: dict[str, frozenset[str]] = {}
for _kind in made.KINDS:
    for _code in extractors(_kind):
        for _way, _targets in lanes_for(_kind, _code):
            ALL[_way.name] = ALL.get(_way.name, frozenset()) | _targets


@given(made.resources())
@settings(max_examples=25, deadline=None)
def test_keys_agree_with_the_oracle(town: list[Json]) -> None:
    oracle = Oracle(town, base=made.BASE)
    for one in town:
        key = one["resourceType"], one["id"]
        for code, extractor in extractors(key[0]).items():
            if code in {"_id", "_lastUpdated"}:
                continue
            values = oracle.values(key, code)
            for modifier, asked, ours, sure in claims(one, code, extractor.type):
                theirs = any(
                    oracle.meets(extractor.type, modifier, value, asked) for value in values
                )
                assert ours or not theirs, (key, code, modifier, asked, values)
                assert theirs or not (ours and sure), (key, code, modifier, asked, values)


@given(made.resources())
@settings(max_examples=25, deadline=None)
def test_words_of_codes_agree_with_the_oracle(town: list[Json]) -> None:
    oracle = Oracle(town, base=made.BASE)
    rows = {row for one in town for row in indexed(one, made.BASE).wordings}
    for one in town:
        have = set(indexed(one, made.BASE).keys)
        key = one["resourceType"], one["id"]
        for code, extractor in extractors(key[0]).items():
            if extractor.type is not ParamType.TOKEN or code == "_id":
                continue
            ways = {way.name for way, _ in lanes_for(key[0], code)}
            for text in TEXTS:
                asked = " " + words.fold(text)
                told = {row[2] for row in rows if row[0] in ways and asked in " " + row[1]}
                met = any(wording.meets_text(value, text) for value in oracle.values(key, code))
                assert have & told or not met, (key, code, text)


NOW = datetime(2026, 3, 14, 4, 0, tzinfo=UTC)
PREFIXES = ("", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
ORDERED = {
    ParamType.DATE: ("2026", "2026-03", "2026-03-14", "2026-03-14T10:00:00+08:00", "1990-03"),
    ParamType.NUMBER: ("5", "5.4", "5.40", "100", "0.5", "72.5", "1e2"),
    ParamType.QUANTITY: (
        "5.4", "5.40", "5", "100", f"5.4|{made.UCUM}|mg", f"0.0054|{made.UCUM}|g", "5.4||mg",
        f"5400|{made.UCUM}|ug", f"5|{made.UCUM}|mg/dL", f"0.05|{made.UCUM}|g/L", "100||毫克",
        f"30|{made.UCUM}|a", f"0.5|{made.UCUM}|h", f"1800|{made.UCUM}|s",
    ),
}  # fmt: skip

ASKED = {
    kind: [
        (prefix + text, value(Param("x", kind), "", prefix + text, Setting(NOW)))
        for prefix in PREFIXES
        for text in texts
    ]
    for kind, texts in ORDERED.items()
}


def possible(row: Measure, asked: Any) -> bool:
    """Tell whether a row may meet what is asked, as a query without recheck would."""
    match asked:
        case Moment():
            span, value = measures.asked_moment(asked), None
        case Amount():
            span, value = measures.asked_amount(asked)
            asked = asked.number
        case _:
            span, value = measures.asked_number(asked)
    above, below = (span.high, span.low) if value is None else (value, value)
    after, before = (span.low, span.high) if value is None else (value, value)
    met = {
        Prefix.EQ: span.low <= row.low and row.high <= span.high,
        Prefix.NE: True,
        Prefix.GT: row.high >= above,
        Prefix.LT: row.low <= below,
        Prefix.GE: row.high >= after,
        Prefix.LE: row.low <= before,
        Prefix.SA: row.high >= above,
        Prefix.EB: row.low <= below,
        Prefix.AP: row.low <= span.high and row.high >= span.low,
    }
    return row.unit == span.unit and met[asked.prefix]


@given(made.resources())
@settings(max_examples=25, deadline=None)
def test_measures_lose_nothing_the_oracle_finds(town: list[Json]) -> None:
    oracle = Oracle(town, base=made.BASE)
    for one in town:
        key = one["resourceType"], one["id"]
        rows = indexed(one, made.BASE).measures
        for code, extractor in extractors(key[0]).items():
            if code == "_lastUpdated" or extractor.type not in ORDERED:
                continue
            ways = {way.hash32 for way, _ in lanes_for(key[0], code)}
            if not oracle.values(key, code):
                continue
            for text, asked in ASKED[extractor.type]:
                met = any(
                    oracle.meets(extractor.type, "", each, asked)
                    for each in oracle.values(key, code)
                )
                ours = any(possible(row, asked) for row in rows if row.lane in ways)
                assert ours or not met, (key, code, text, rows)


@given(made.resources())
@settings(max_examples=25, deadline=None)
def test_composites_lose_nothing_the_oracle_finds(town: list[Json]) -> None:
    oracle = Oracle(town, base=made.BASE)
    amount = value(Param("x", ParamType.QUANTITY), "", "gt5", Setting(NOW))
    for one in town:
        if one["resourceType"] != "Observation":
            continue
        key = one["resourceType"], one["id"]
        found = indexed(one, made.BASE)
        for code, second in (("combo-code-value-quantity", amount), ("code-value-concept", None)):
            for first in TOKENS[:10]:
                other = second or TOKENS[2]
                parts = Parts((first, other))
                met = any(
                    oracle._meets_parts(key, code, each, parts) for each in oracle.values(key, code)
                )
                ours = any(
                    units & set(found.keys)
                    if second is None
                    else any(possible(row._replace(unit=measures.RAW), other)
                             for row in found.measures
                             if row.lane == way.parts[1].hash32 and row.unit in units)
                    for way, _ in lanes_for("Observation", code)
                    for units in (set(keys.tuple_keys(way, parts)),)
                )  # fmt: skip
                assert ours or not met, (key, code, parts)
                assert met or not ours or second is not None, (key, code, parts)
