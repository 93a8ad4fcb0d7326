"""What holds of any query: written back it reads the same; it is read or refused, nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel import fhir
from citycare.kernel.fhir import dates
from citycare.kernel.fhir.searching.criteria import DEPTH_MAX, MODIFIERS, known
from citycare.kernel.fhir.searching.model import (
    Amount,
    Criterion,
    Having,
    Include,
    Link,
    Missing,
    Moment,
    Near,
    Number,
    Parts,
    Prefix,
    Query,
    Summary,
    Text,
    Token,
    Total,
    Uri,
)
from citycare.kernel.fhir.searching.reading import read
from citycare.kit import clock
from tests.conftest import NOW

Pairs = list[tuple[str, str]]

KINDS = ("Patient", "Observation", "Location", "RiskAssessment", "AuditEvent", "ValueSet", "Group")
FORMS = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f")


# -- the writer ------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    for sign in "\\,|$":
        text = text.replace(sign, "\\" + sign)
    return text


def written_moment(value: Moment) -> str:
    local = value.low.astimezone(clock.CITY)
    for form in FORMS:
        year, dash, rest = local.strftime(form).partition("-")
        text = f"{year:>04}{dash}{rest}"
        if dates.span_of_query(text) == (value.low, value.high):
            return value.prefix + text
    raise AssertionError(value)


def written_value(value: Any) -> str:  # noqa: C901, PLR0911 - a line a form
    match value:
        case Token(system=None, code=str() as code):
            return escaped(code)
        case Token(system=str() as system, code=code):
            return f"{escaped(system)}|{escaped(code or '')}"
        case Text(words=words):
            return escaped(words)
        case Uri(address=address):
            return escaped(address)
        case Moment():
            return written_moment(value)
        case Number(prefix=prefix, value=number):
            return f"{prefix}{number}"
        case Amount(number=number, system=system, code=code):
            return f"{written_value(number)}|{escaped(system or '')}|{escaped(code or '')}"
        case Link(id="", address=address):
            return escaped(address)
        case Link(id=key, types=types):
            return f"{types[0]}/{key}" if len(types) == 1 else key
        case Near(latitude=latitude, longitude=longitude, metres=metres):
            return f"{latitude}|{longitude}|{metres}|m"
        case Missing(missing=missing):
            return "true" if missing else "false"
    raise AssertionError(value)


def written_alternative(criterion: Criterion, value: Any) -> str:
    if not isinstance(value, Parts):
        return written_value(value)
    return ("|" if criterion.modifier else "$").join(written_value(one) for one in value.parts)


def written(criterion: Criterion | Having) -> tuple[str, str]:
    if isinstance(criterion, Having):
        name, text = written(criterion.criterion)
        return f"_has:{criterion.type}:{criterion.param}:{name}", text
    if criterion.chain is not None:
        kind, inner = criterion.chain.criteria[0]
        name, text = written(inner)
        typed = f":{kind}" if len(criterion.chain.criteria) == 1 else ""
        return f"{criterion.param}{typed}.{name}", text
    modifier = f":{criterion.modifier}" if criterion.modifier else ""
    texts = (written_alternative(criterion, value) for value in criterion.values)
    return criterion.param + modifier, ",".join(texts)


def written_include(one: Include) -> tuple[str, str]:
    name = ("_revinclude" if one.reverse else "_include") + (":iterate" if one.iterate else "")
    if not one.source:
        return name, "*"
    return name, f"{one.source}:{one.param}" + (f":{one.target}" if one.target else "")


def pairs_of(query: Query) -> Pairs:
    pairs = [written(each) for each in query.criteria]
    pairs += [written_include(each) for each in query.includes]
    if query.sort:
        keys = (f"{'-' if each.descending else ''}{each.param}" for each in query.sort)
        pairs.append(("_sort", ",".join(keys)))
    pairs += [("_count", str(query.count)), ("_total", query.total), ("_summary", query.summary)]
    if query.elements:
        pairs.append(("_elements", ",".join(query.elements)))
    if query.content:
        pairs.append(("_content", " ".join(query.content)))
    return pairs


# -- what is asked ---------------------------------------------------------------------------------

letters = st.text(st.sampled_from("aB1é曾 ,|$\\.-:/'\"%"), min_size=1, max_size=8)
plain = st.builds("{}{}".format, st.sampled_from("aB9曾"), letters).map(escaped)
ids = st.text(st.sampled_from("aZ09-."), min_size=1, max_size=12)
numbers = st.one_of(
    st.decimals(-1_000, 1_000, places=2).map(str),
    st.integers(-(10**6), 10**6).map(str),
    st.sampled_from(["1e2", "5.40e-3", "0", "0.0", "-0", "1E+9", "12e0", "1.0e-30", "9" * 100]),
)
prefixes = st.sampled_from(["", *Prefix])
moments = st.builds(
    lambda prefix, instant, form: prefix + instant.strftime(form),
    st.sampled_from(["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]),  # `ap` is one-way
    st.datetimes(datetime(1902, 1, 1), datetime(9998, 12, 1)),  # noqa: DTZ001 - forms give zones
    st.sampled_from([*FORMS, "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S 05:30"]),
)
tokens = st.one_of(
    plain,
    plain.map("|{}".format),
    plain.map("{}|".format),
    st.builds("{}|{}".format, plain, plain),
)
quantities = st.one_of(
    st.builds("{}{}".format, prefixes, numbers),
    st.builds("{}{}|{}|{}".format, prefixes, numbers, st.one_of(st.just(""), plain), plain),
)
places = st.builds(
    "{}|{}|{}|{}".format,
    st.decimals(-90, 90, places=4),
    st.decimals(-180, 180, places=4),
    st.integers(0, 10_000),
    st.sampled_from(["", "km", "m", "mi"]),
)
addresses = st.sampled_from(["urn:uuid:1", "http://a.org/x/1/_history/2", r"http://a.org/q\|1\,2"])
TEXTS: dict[str, st.SearchStrategy[str]] = {
    "string": plain,
    "token": tokens,
    "uri": plain,
    "date": moments,
    "number": st.builds("{}{}".format, prefixes, numbers),
    "quantity": quantities,
    "special": places,
}
MODIFIED = {
    "missing": st.sampled_from(["true", "false"]),
    "text": plain,
    "identifier": tokens,
    "of-type": st.builds("{}|{}|{}".format, plain, plain, plain),
    "above": plain,
    "below": plain,
    "in": plain,
    "not-in": plain,
}


@st.composite
def criteria(draw: st.DrawFn, kind: str, depth: int = 0) -> tuple[str, str]:
    """Draw a name with its value: plain, chained with or without a type, or `_has`."""
    params = known((kind,))
    param = params[draw(st.sampled_from(sorted(params)))]
    if depth < 2 and draw(st.integers(0, 9)) == 0 and kind in {"Patient", "Group"}:
        name, text = draw(criteria("Observation", depth + 1))
        return f"_has:Observation:subject:{name}", text
    if param.targets and depth < 2 and draw(st.booleans()):
        target = draw(st.sampled_from(param.targets))
        name, text = draw(criteria(target, depth + 1))
        return f"{param.code}:{target}.{name}", text
    modifier = draw(st.sampled_from(["", *sorted(MODIFIERS[param.type])]))
    one = MODIFIED.get(modifier, TEXTS.get(param.type, addresses))
    if param.code == "_id":
        modifier, one = draw(st.sampled_from(["", "not"])), ids
    elif param.parts:
        one = st.tuples(*(TEXTS.get(part.type, ids) for part in param.parts)).map("$".join)
    elif param.targets and not modifier:
        local = st.builds("{}/{}".format, st.sampled_from(param.targets), ids)
        one = st.one_of(ids, local, addresses)
    most = 1 if modifier == "missing" else 3
    texts = draw(st.lists(one, min_size=1, max_size=most))
    return param.code + (f":{modifier}" if modifier else ""), ",".join(texts)


@st.composite
def queries(draw: st.DrawFn) -> tuple[str, Pairs]:
    kind = draw(st.sampled_from(KINDS))
    pairs = draw(st.lists(criteria(kind), max_size=4))
    returned = [
        ("_sort", st.sampled_from(["_id", "-_lastUpdated", "_lastUpdated,-_id"])),
        ("_include", st.sampled_from(["*", "Observation:subject", "Observation:*:Patient"])),
        ("_revinclude:iterate", st.sampled_from(["*", "Observation:subject:Patient"])),
        ("_count", st.integers(0, 2_000).map(str)),
        ("_total", st.sampled_from([*Total])),
        ("_summary", st.sampled_from([*Summary])),
        ("_elements", st.sampled_from(["id", "meta,id"])),
        ("_content", st.sampled_from(["a", "胸痛 b  c"])),
    ]  # fmt: skip
    for name, values in draw(st.lists(st.sampled_from(returned), unique_by=lambda one: one[0])):
        pairs.append((name, draw(values)))
    return kind, pairs


@given(queries())
def test_what_is_written_back_reads_the_same(query: tuple[str, Pairs]) -> None:
    kind, pairs = query
    once = read([kind], pairs, now=NOW)
    again = read([kind], pairs_of(once), now=NOW)
    assert again == once
    assert repr(again) == repr(once)  # decimals too, to the digit


@given(queries())
def test_a_year_later_only_the_approximate_has_moved(query: tuple[str, Pairs]) -> None:
    kind, pairs = query
    assert read([kind], pairs, now=NOW) == read([kind], pairs, now=NOW + timedelta(days=365))


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5))
def test_any_texts_are_alternatives_once_escaped(words: list[str]) -> None:
    pairs = [("name:exact", ",".join(escaped(word) for word in words))]
    try:
        (found,) = read(["Patient"], pairs, now=NOW).criteria
    except fhir.ValueBroken:
        assert any(not word.strip() or "\x00" in word or not _holds(word) for word in words)
    else:
        assert isinstance(found, Criterion)
        assert found.values == tuple(Text(word) for word in words)


def _holds(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


PIECES = """
name birthdate subject patient entity organization identifier _id _has _type _sort _count _include
_revinclude _elements _total _summary _content _lastUpdated _text value-quantity code-value-quantity
near url Patient Observation AuditEvent Table exact missing of-type iterate not in above true false
2026-11-30 10:00 ge ap eq 5.4 1e2 9999 http://a.org/ urn:uuid:1 mg km 31.2 \\ | , $ : . * - / + ~
"""
pieces = st.sampled_from(PIECES.split())
garbled = st.lists(pieces | st.just(" "), max_size=8).map("".join)
anything = st.one_of(st.text(max_size=30), garbled, pieces)


@given(
    st.lists(st.sampled_from([*KINDS, "Medication"]), max_size=3),
    st.lists(st.tuples(anything, anything), max_size=6),
    st.booleans(),
    st.one_of(st.none(), st.tuples(anything, anything), st.just(("Patient", "1"))),
)
def test_any_text_is_read_or_refused(
    kinds: list[str],
    pairs: Pairs,
    lenient: bool,  # noqa: FBT001
    compartment: tuple[str, str] | None,
) -> None:
    refusal = ""
    try:
        query = read(kinds, pairs, now=NOW, lenient=lenient, compartment=compartment)
    except (fhir.ParameterUnknown, fhir.ValueBroken) as error:
        refusal = str(error)
    if refusal:
        assert refusal.encode()
        return
    assert set(query.unknown) <= {name for name, _ in pairs}
    assert lenient or not query.unknown
    for each in query.criteria:
        assert depth_of(each) <= DEPTH_MAX
        for value in values_of(each):
            if isinstance(value, Moment):
                assert value.low < value.high
            if isinstance(value, Number):
                assert value.low < value.value < value.high


def depth_of(one: Criterion | Having) -> int:
    if isinstance(one, Having):
        return 1 + depth_of(one.criterion)
    if one.chain is None:
        return 0
    return 1 + max(depth_of(inner) for _, inner in one.chain.criteria)


def values_of(one: Criterion | Having) -> Iterable[Any]:
    if isinstance(one, Having):
        return values_of(one.criterion)
    if one.chain is None:
        return one.values
    return chain.from_iterable(values_of(inner) for _, inner in one.chain.criteria)
