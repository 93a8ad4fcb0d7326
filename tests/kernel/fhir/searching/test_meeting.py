"""A criterion decided on the resource itself, by hand: what the generators do not come to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir.searching import keys, words
from citycare.kernel.fhir.searching.meeting import coarse, doubtful, meets, resolves
from citycare.kernel.fhir.searching.model import (
    Chain,
    Criterion,
    Link,
    ParamType,
    Text,
    Token,
    Uri,
)
from citycare.kernel.fhir.searching.reading import read, within_compartments
from citycare.kernel.fhir.searching.ways import lanes_for
from tests.conftest import NOW
from tests.kernel.fhir.searching import made
from tests.kernel.fhir.searching.looking import agree, looked

Json = dict[str, Any]
U = made.UCUM


def asked(kind: str, name: str, text: str) -> Criterion:
    (found,) = read([kind], [(name, text)], now=NOW, base=made.BASE).criteria
    assert isinstance(found, Criterion)
    return found


def met(name: str, text: str, kind: str = "Observation", **elements: Any) -> bool:
    """Tell whether a resource meets a query; that the index agrees is asserted beside."""
    resource = {"resourceType": kind, "id": "x", **elements}
    criterion = asked(kind, name, text)
    found = meets(criterion, resource, made.BASE)
    (one,) = looked([resource], made.BASE).values()
    agree(one, criterion, made.BASE, met=found)
    return found


# --- what has an order


@pytest.mark.parametrize(
    ("value", "text", "there"),
    [
        ("9999-12-31", "9999-12-31", True),
        ("9999-12-31", "ge9999-12-31", True),
        ("9999-12-31", "lt9999-12-31", False),
        ("9999-12-31", "gt2026", True),
        ("9999", "9999", True),
        ("2241-12-31T23:59:59.999999Z", "sa2241-12-31T23:59:59.999998Z", False),  # 1 ms wide
        ("2241-12-31T23:59:59.999Z", "sa2241-12-31T23:59:59.998Z", True),
        ("9998-12-31T23:59:59.999Z", "eb9998-12-31T23:59:59.999Z", False),
        ("1700-01-01", "lt1700-01-01T12:00:00Z", True),
        ("never", "ne2026", False),
    ],
)
def test_dates_at_the_ends_of_time(value: str, text: str, *, there: bool) -> None:
    assert met("value-date", text, valueDateTime=value) == there
    assert met("date", text, effectiveDateTime=value) == there


@pytest.mark.parametrize(
    ("value", "text", "there"),
    [
        ("5", "ge5", True), ("5", "gt5", False), ("5", "gt4.9999999999999999999999999999", True),
        ("5.000000000000000000001", "gt5", True), ("5.000000000000000000001", "5", True),
        ("5.50", "5", False), ("5.49", "5", True), ("4.5", "5", False), ("4.50", "5", False),
        ("5.349999999999999999999", "5.4", False), ("1E+400", "gt1e99", True),
        ("1E+999999999", "gt1", True), ("1E-999999999", "gt0", True), ("-3", "lt-2.9", True),
    ],
)  # fmt: skip
def test_numbers_are_exact(value: str, text: str, *, there: bool) -> None:
    assert met("value-quantity", text, valueQuantity={"value": Decimal(value)}) == there


@pytest.mark.parametrize(
    ("compared", "text", "there"),
    [
        ("<", "ge5", False), ("<=", "ge5", True), ("<", "le5", True), ("<", "lt-100", True),
        (">", "sa5", True), (">=", "sa5", False), (">", "le5", False), (">=", "le5", True),
        ("<", "eb5", True), ("<=", "eb5", False), ("<", "5", False), ("<", "ne5", True),
        ("<", "ap5", True),
    ],
)  # fmt: skip
def test_comparators_leave_an_end_open(compared: str, text: str, *, there: bool) -> None:
    value: Json = {"value": 5, "comparator": compared}
    assert met("value-quantity", text, valueQuantity=value) == there
    in_grams = text + f"000|{U}|mg"
    value |= {"system": U, "code": "g"}
    assert met("value-quantity", in_grams, valueQuantity=value) == there


def test_each_end_of_a_range_has_its_own_unit() -> None:
    low, high = ({"value": 5, "system": U, "code": code} for code in ("mg", "g"))
    onset = {"onsetRange": {"low": low, "high": high}}
    for text, there in (("gt4.9", True), ("lt5", False), ("le5", True), ("ge5001", False)):
        assert met("onset-age", f"{text}|{U}|mg", "Condition", **onset) == there
    apart = {"onsetRange": {"low": low, "high": high | {"code": "m"}}}
    assert not met("onset-age", f"ge1|{U}|mg", "Condition", **apart)
    assert met("onset-age", "5", "Condition", onsetRange={"low": low, "high": low})
    assert not met("onset-age", "gt1", "Condition", onsetRange={})


def test_units_that_are_no_units() -> None:
    value = {"value": 5, "system": U, "code": "10*9999", "unit": "viel"}
    assert met("value-quantity", f"5|{U}|10*9999", valueQuantity=value)
    assert met("value-quantity", "5||viel", valueQuantity=value)
    assert not met("value-quantity", f"ne5|{U}|mg", valueQuantity=value)
    assert not met("value-quantity", f"5|{U}|mg", valueQuantity={"value": 5, "code": "mg"})


def test_near_across_the_date_line() -> None:
    place = {"position": {"latitude": Decimal("-17.7"), "longitude": Decimal("179.99")}}
    assert met("near", "-17.7|-179.99|3|km", "Location", **place)
    assert not met("near", "-17.7|-179.99|2|km", "Location", **place)
    assert met("near", "90|0|12000|km", "Location", **place)


# --- what has letters


def test_long_texts_are_read_and_not_kept() -> None:
    text = "Émile " * 100 + "fin du récit"
    before = words.fold.cache_info().currsize
    resource = {"description": text}
    assert met("description", "recit", "ValueSet", **resource)
    assert met("description:contains", "leemileemile", "ValueSet", **resource)
    assert not met("description", "cit", "ValueSet", **resource)
    assert met("description:exact", text, "ValueSet", **resource)
    assert met("code:text", "fin", code={"text": text})
    assert words.fold.cache_info().currsize - before < 40  # the words asked for, and a few others
    assert met("title", "seventeen signs or", "ValueSet", title="Seventeen signs or more")
    assert not met("title", "seventeen signs of", "ValueSet", title="Seventeen signs or more")


@pytest.mark.parametrize(
    ("name", "text", "there"),
    [
        ("url", "http://a.org/x", True), ("url", "http://a.org/X", False),
        ("url:below", "http://a.org/", True), ("url:below", "http://a.org", True),
        ("url:below", "http://a.org/y", False), ("url:below", "http://", True),
        ("url:above", "http://a.org/x/y", True), ("url:above", "http://a.org/", False),
        ("derived-from", "http://b.org/p", True), ("derived-from", "http://b.org/p|2", True),
        ("derived-from", "http://b.org/p|1", False),
    ],
)  # fmt: skip
def test_addresses(name: str, text: str, *, there: bool) -> None:
    related = [{"type": "derived-from", "resource": "http://b.org/p|2"}]
    kind = "ActivityDefinition"
    assert met(name, text, kind, url="http://a.org/x", relatedArtifact=related) == there


def test_deep_addresses() -> None:
    deep = "http://a.org/" + "x/" * 40
    assert met("url:below", deep[:-2], "ValueSet", url=deep)
    assert not met("url:below", deep[:-2] + "y/", "ValueSet", url=deep)
    assert met("_profile:above", "http://a.org/x/y", meta={"profile": ["http://a.org/x|2"]})
    assert not met("_profile:above", "http://a.org/x/y|1", meta={"profile": ["http://a.org/x|2"]})


def test_links() -> None:
    at = "https://b.example/Patient/p1"
    for written, text, there in (
        ("Patient/p1", "p1", True), ("Patient/p1", f"{made.BASE}/Patient/p1", True),
        (f"{at}/_history/2", at, True), (at, "Patient/p1", False), ("#p1", "p1", False),
        ("Group/p1", "Patient/p1", False), ("Device/p1", "p1", True),
    ):  # fmt: skip
        assert met("subject", text, subject={"reference": written}) == there
    assert not met("patient", "p1", subject={"reference": "Group/p1"})
    assert met("patient", at, subject={"reference": at})
    assert not met("patient", "urn:x", subject={"reference": "urn:x"})  # it does not say what it is
    group = Criterion("patient", ParamType.REFERENCE, "", (Link("p1", ("Group",)),))
    assert coarse("Observation", group)
    assert not meets(group, {"resourceType": "Observation", "subject": {"reference": "Group/p1"}})


def test_a_parameter_of_one_type_is_missing_where_the_lane_is_not() -> None:
    assert resolves("Observation", "patient")
    assert not resolves("Observation", "subject")
    for written, missing in (("Group/g", "true"), ("Patient/p", "false")):
        assert met("patient:missing", missing, subject={"reference": written})
    assert met("patient:missing", "true")
    assert met("subject:missing", "false", subject={"display": "某某"})


def test_the_first_entry_of_a_bundle_is_what_it_is() -> None:
    entry = [
        {"resource": {"resourceType": "Composition", "id": "c1", "identifier": {"value": "7"}}}
    ]
    assert met("composition", "c1", "Bundle", entry=entry)
    assert not met("composition", "http://a.org/c1", "Bundle", entry=entry)
    assert not met("composition:identifier", "7", "Bundle", entry=entry)


@pytest.mark.parametrize("kind", ["Patient", "Observation", "Medication"])
def test_compartments(kind: str) -> None:
    resource: Json = {"resourceType": kind, "id": "x", "subject": {"reference": "Patient/p1"}}
    resource["link"] = [{"other": {"reference": "Patient/x2"}}]
    (one,) = looked([resource]).values()
    for links, there in (
        ([Link("p1", ("Patient",))], kind == "Observation"),
        ([Link("p2", ("Patient",))], False),
        ([Link("x2", ("Patient",)), Link("p1", ("Patient",))], kind != "Medication"),
        ([Link("x", ("Patient",))], kind == "Patient"),
        ([Link("x", ("Medication",))], False),
    ):
        agree(one, within_compartments(*links), "", met=there)


# --- what is not decided here, and what is not exact


def test_what_looks_beyond_the_resource_is_refused() -> None:
    resource = {"resourceType": "Observation", "code": {"coding": [{"code": "x"}]}}
    inner = (("Patient", Criterion("name", ParamType.STRING, "", (Text("x"),))),)
    chained = Criterion("subject", ParamType.REFERENCE, chain=Chain(inner))
    with pytest.raises(ValueError, match="chain"):
        meets(chained, resource)
    with pytest.raises(ValueError, match="chain"):
        coarse("Observation", chained)
    for modifier in ("in", "not-in", "above", "below"):
        value = Token(None, "x") if modifier in {"above", "below"} else Uri("urn:x")
        of_set = Criterion("code", ParamType.TOKEN, modifier, (value,))
        with pytest.raises(ValueError, match="set of codes"):
            meets(of_set, resource)
        assert not coarse("Observation", of_set)  # they are asked for code by code
    with pytest.raises(KeyError):
        meets(Criterion("nonsense", ParamType.TOKEN, "", (Token(None, "x"),)), resource)
    with pytest.raises(fhir.TypeUnknown):
        meets(Criterion("code", ParamType.TOKEN, "", (Token(None, "x"),)), {"resourceType": "X"})


@pytest.mark.parametrize(
    ("kind", "name", "text", "expected"),
    [
        ("Observation", "code", "x", False), ("Observation", "code:not", "x", False),
        ("Observation", "code:text", "x", True), ("Observation", "date", "2026", False),
        ("Observation", "value-quantity", "5", True), ("Observation", "subject", "p1", False),
        ("Observation", "patient", "p1", False), ("Observation", "patient", "urn:x", True),
        ("Observation", "subject", "urn:x", False), ("Observation", "_id", "x", False),
        ("Observation", "patient:identifier", "7", True), ("Patient", "name", "x", True),
        ("Observation", "subject:missing", "true", False), ("Patient", "phone", "1", False),
        ("Observation", "patient:missing", "true", True), ("Location", "near", "1|1", True),
        ("Observation", "code-value-concept", "a$b", False),
        ("Observation", "code-value-concept", "urn:x|$b", True),
        ("Observation", "code-value-quantity", "a$5", True), ("ValueSet", "url", "urn:x", False),
        ("ValueSet", "url:below", "http://a/b/", False), ("ValueSet", "url:below", "urn:x", False),
        ("ValueSet", "url:below", "http://a/b", True), ("ValueSet", "url:above", "urn:x", False),
        ("ValueSet", "url:above", "http://a|1", True), ("ValueSet", "url:missing", "true", False),
        ("Observation", "_lastUpdated", "2026", False), ("Patient", "name:missing", "true", False),
    ],
)  # fmt: skip
def test_where_the_index_is_coarse(kind: str, name: str, text: str, *, expected: bool) -> None:
    assert coarse(kind, asked(kind, name, text)) is expected


def test_words_are_doubtful_only_in_long_texts() -> None:
    ((name, _),) = lanes_for("Patient", "name")
    assert doubtful("Patient", asked("Patient", "name", "张,wang")) == (keys.long_key(name),)
    for other, text in (
        ("name", "张,seventeen letters x"), ("name:exact", "张"), ("name:contains", "张"),
        ("name:missing", "true"), ("birthdate", "2026"),
    ):  # fmt: skip
        assert doubtful("Patient", asked("Patient", other, text)) == ()
