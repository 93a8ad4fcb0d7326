"""Queries become what they ask for, word by word of R4's own examples; the rest is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir import dates
from citycare.kernel.fhir.r4 import RESOURCES, compartments, parameters
from citycare.kernel.fhir.searching import model
from citycare.kernel.fhir.searching.criteria import known
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
    Prefix,
    Query,
    Sort,
    Summary,
    Text,
    Token,
    Total,
    Uri,
)
from citycare.kernel.fhir.searching.reading import read, within_compartments
from tests.conftest import NOW

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"


def asked(kind: str, name: str, text: str, **more: Any) -> Any:
    """Return the one criterion of a search."""
    (found,) = read(kind.split(), [(name, text)], now=NOW, **more).criteria
    return found


def number(text: str, low: str, high: str, prefix: Prefix = Prefix.EQ) -> Number:
    return Number(prefix, Decimal(text), Decimal(low), Decimal(high))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


VALUES: list[tuple[str, str, str, list[model.Value]]] = [
    ("Patient", "name", "eve", [Text("eve")]),
    ("Patient", "name", r"a\,b,c", [Text("a,b"), Text("c")]),
    ("Patient", "name", r"a\\,b", [Text("a\\"), Text("b")]),
    ("Patient", "name", r"\$\|\\\,", [Text("$|\\,")]),
    ("Patient", "name", "a|b$c", [Text("a|b$c")]),
    ("Patient", "name", "曾小贤", [Text("曾小贤")]),
    ("Patient", "name:exact", "Eve.", [Text("Eve.")]),
    ("Patient", "name:contains", "ve", [Text("ve")]),
    ("Patient", "name:missing", "true", [Missing(missing=True)]),
    ("Patient", "gender", "male", [Token(None, "male")]),
    ("Patient", "identifier", "urn:x|1", [Token("urn:x", "1")]),
    ("Patient", "identifier", "|1", [Token("", "1")]),
    ("Patient", "identifier", "urn:x|", [Token("urn:x", None)]),
    ("Patient", "identifier", r"urn:x|a\|b", [Token("urn:x", "a|b")]),
    ("Patient", "gender:not", "male,other", [Token(None, "male"), Token(None, "other")]),
    ("Condition", "code:text", "headache", [Text("headache")]),
    ("Condition", "code:below", "126851005", [Token(None, "126851005")]),
    ("Condition", "code:above", "urn:s|1", [Token("urn:s", "1")]),
    ("Condition", "code:in", "http://a.org/v", [Uri("http://a.org/v")]),
    ("Condition", "code:not-in", "ValueSet/7", [Uri("ValueSet/7")]),
    (
        "Patient",
        "identifier:of-type",
        "urn:t|MR|446053",
        [Parts((Token("urn:t", "MR"), Token(None, "446053")))],
    ),
    ("Patient", "_id", "23,a-1.B", [Token(None, "23"), Token(None, "a-1.B")]),
    ("Condition", "_tag", "urn:t|x", [Token("urn:t", "x")]),
    ("Condition", "_security", "R", [Token(None, "R")]),
    ("Condition", "_profile", "http://a.org/lipid", [Uri("http://a.org/lipid")]),
    ("Condition", "_source", "urn:his", [Uri("urn:his")]),
    ("ValueSet", "url:below", "http://a.org/fhir/", [Uri("http://a.org/fhir/")]),
    ("ValueSet", "url", "urn:oid:1.2.3.4.5", [Uri("urn:oid:1.2.3.4.5")]),
    ("Patient", "organization", "23", [Link("23", ("Organization",))]),
    ("Observation", "subject", "Patient/23", [Link("23", ("Patient",))]),
    ("Observation", "subject", "Patient/23/_history/4", [Link("23", ("Patient",))]),
    ("Observation", "subject:Patient", "23", [Link("23", ("Patient",))]),
    ("Observation", "subject", "urn:uuid:c3-7", [Link("", (), "urn:uuid:c3-7")]),
    ("Observation", "subject", "http://a.org/Patient/1", [Link("", (), "http://a.org/Patient/1")]),
    ("Observation", "subject", "http://a.org/P/1/_history/2", [Link("", (), "http://a.org/P/1")]),
    ("QuestionnaireResponse", "questionnaire", "urn:q|1", [Link("", (), "urn:q|1")]),
    ("Observation", "subject:identifier", "urn:mrn|12", [Token("urn:mrn", "12")]),
    ("RiskAssessment", "probability", "100", [number("100", "99.5", "100.5")]),
    ("RiskAssessment", "probability", "100.00", [number("100.00", "99.995", "100.005")]),
    ("RiskAssessment", "probability", "1e2", [number("1E2", "95", "105")]),
    ("RiskAssessment", "probability", "1.00e2", [number("100", "99.5", "100.5")]),
    ("RiskAssessment", "probability", "1.1e+2", [number("1.1E2", "105", "115")]),
    ("RiskAssessment", "probability", "1.1e 2", [number("1.1E2", "105", "115")]),
    ("RiskAssessment", "probability", "gt8e-1", [number("0.8", "0.75", "0.85", Prefix.GT)]),
    ("RiskAssessment", "probability", "ap-2.0", [number("-2.0", "-2.2", "-1.8", Prefix.AP)]),
    ("RiskAssessment", "probability", "ap2", [number("2", "1.5", "2.5", Prefix.AP)]),
    ("RiskAssessment", "probability", "0", [number("0", "-0.5", "0.5")]),
    (
        "Observation",
        "value-quantity",
        f"5.4|{UCUM}|mg,5.4||mg,5.4",
        [
            Amount(number("5.4", "5.35", "5.45"), UCUM, "mg"),
            Amount(number("5.4", "5.35", "5.45"), None, "mg"),
            Amount(number("5.4", "5.35", "5.45"), None, None),
        ],
    ),
    (
        "Observation",
        "value-quantity",
        f"le5.40e-3|{UCUM}|g",
        [Amount(number("0.00540", "0.005395", "0.005405", Prefix.LE), UCUM, "g")],
    ),
    (
        "Observation",
        "component-code-value-quantity",
        f"{LOINC}|8480-6$lt60,x$1",
        [
            Parts(
                (
                    Token(LOINC, "8480-6"),
                    Amount(number("60", "59.5", "60.5", Prefix.LT), None, None),
                )
            ),
            Parts((Token(None, "x"), Amount(number("1", "0.5", "1.5"), None, None))),
        ],
    ),
    (
        "Observation",
        "code-value-string",
        r"a\$b$c\$d",
        [Parts((Token(None, "a$b"), Text("c$d")))],
    ),
    ("Location", "near", "31.2|121.4|5", [Near(31.2, 121.4, 5_000.0)]),
    ("Location", "near", "31.2|-121.4|500|m", [Near(31.2, -121.4, 500.0)]),
    ("Location", "near", "31.2|121.4|2|mi", [Near(31.2, 121.4, 3_218.688)]),
    ("Location", "near", "31.2|121.4|2|", [Near(31.2, 121.4, 2_000.0)]),
    ("Location", "near", "31.2|121.4", [Near(31.2, 121.4, 5_000.0)]),
    ("Location", "near:missing", "false", [Missing(missing=False)]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "text", "expected"), VALUES)
def test_values_of_each_type_are_read(
    kind: str, name: str, text: str, expected: list[model.Value]
) -> None:
    found = asked(kind, name, text)
    code, _, modifier = name.partition(":")
    assert found.values == tuple(expected)
    assert found.param == code
    assert found.type == known((kind,))[code].type
    assert found.modifier == ("" if modifier in RESOURCES else modifier)
    for one, other in zip(found.values, expected, strict=True):
        assert repr(one) == repr(other)  # a decimal keeps the digits it was written with


@pytest.mark.parametrize(
    ("text", "prefix", "low", "high"),
    [
        ("2026", "eq", "2026-01-01T00:00+08:00", "2027-01-01T00:00+08:00"),
        ("ge2026-12", "ge", "2026-12-01T00:00+08:00", "2027-01-01T00:00+08:00"),
        ("sa2026-11-30", "sa", "2026-11-30T00:00+08:00", "2026-12-01T00:00+08:00"),
        ("eb2026-11-30T10:00", "eb", "2026-11-30T10:00+08:00", "2026-11-30T10:01+08:00"),
        ("2026-11-30T10:00Z", "eq", "2026-11-30T10:00+00:00", "2026-11-30T10:01+00:00"),
        ("2026-11-30T10:00:05+01:00", "eq", "2026-11-30T09:00:05Z", "2026-11-30T09:00:06Z"),
        ("2026-11-30T10:00:05 01:00", "eq", "2026-11-30T09:00:05Z", "2026-11-30T09:00:06Z"),
        ("ne2026-11-30T10:00:05.25Z", "ne", "2026-11-30T10:00:05.25Z", "2026-11-30T10:00:05.251Z"),
        ("gt1955", "gt", "1955-01-01T00:00+08:00", "1956-01-01T00:00+08:00"),
        ("lt9999-11", "lt", "9999-11-01T00:00+08:00", "9999-12-01T00:00+08:00"),
    ],
)  # fmt: skip
def test_dates_are_as_wide_as_they_are_exact(text: str, prefix: str, low: str, high: str) -> None:
    assert asked("Patient", "birthdate", text).values == (
        Moment(Prefix(prefix), at(low), at(high)),
    )


@pytest.mark.parametrize(
    "text",
    ["9999", "9999-12", "9999-12-31", "le9999-12-31", "9999-12-31T23:59:59.999999999Z"],
)
def test_the_end_of_the_calendar_means_open(text: str) -> None:
    (found,) = asked("Patient", "birthdate", text).values
    assert found.low.year >= 9998
    assert found.high > dates.LATEST  # beyond the end of what is open in a resource


def test_approximately_is_a_tenth_of_the_way_to_now() -> None:
    day = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=100)
    text = f"ap{day.isoformat().replace('+00:00', 'Z')}"
    (found,) = asked("Observation", "date", text).values
    tenth = (NOW - day - timedelta(seconds=1)) / 10
    assert found == Moment(Prefix.AP, day - tenth, day + timedelta(seconds=1) + tenth)
    (today,) = asked("Observation", "date", f"ap{NOW.year}").values
    assert today.high - today.low == timedelta(days=365 + (NOW.year % 4 == 0))
    (first,) = asked("Observation", "date", "ap0002-01-01").values
    assert first.low < first.high


def test_repeats_must_all_hold_in_their_order() -> None:
    query = read(
        ["Patient"], [("language", "FR,NL"), ("gender", "male"), ("language", "EN")], now=NOW
    )
    found = [(one.param, len(one.values)) for one in query.criteria if isinstance(one, Criterion)]
    assert found == [("language", 2), ("gender", 1), ("language", 1)]


NAME = Criterion("name", ParamType.STRING, "", (Text("x"),))
CHAINS: list[tuple[str, str, Criterion | Having]] = [
    (
        "Observation",
        "subject.name",
        Criterion(
            "subject",
            ParamType.REFERENCE,
            chain=Chain((("Location", NAME), ("Patient", NAME))),  # not Device, not Group
        ),
    ),
    (
        "DiagnosticReport",
        "subject:Patient.organization.name",
        Criterion(
            "subject",
            ParamType.REFERENCE,
            chain=Chain(
                (
                    (
                        "Patient",
                        Criterion(
                            "organization",
                            ParamType.REFERENCE,
                            chain=Chain((("Organization", NAME),)),
                        ),
                    ),
                )
            ),
        ),
    ),
    ("Patient", "_has:Person:patient:name", Having("Person", "patient", NAME)),
    (
        "Organization",
        "_has:Patient:organization:_has:Person:patient:name",
        Having("Patient", "organization", Having("Person", "patient", NAME)),
    ),
    (
        "Observation",
        "subject:Patient._has:Person:patient:name",
        Criterion(
            "subject",
            ParamType.REFERENCE,
            chain=Chain((("Patient", Having("Person", "patient", NAME)),)),
        ),
    ),
    (
        "Patient",
        "_has:Person:patient:organization.name",
        Having(
            "Person",
            "patient",
            Criterion(
                "organization", ParamType.REFERENCE, chain=Chain((("Organization", NAME),))
            ),
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "expected"), CHAINS)
def test_chains_of_any_form_are_read(kind: str, name: str, expected: Criterion | Having) -> None:
    assert asked(kind, name, "x") == expected


def test_the_example_of_the_specification_with_two_has() -> None:
    found = asked("Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent", "Device/1")
    agent = Criterion("agent", ParamType.REFERENCE, "", (Link("1", ("Device",)),))
    assert found == Having("Observation", "patient", Having("AuditEvent", "entity", agent))


def test_a_chain_without_types_keeps_those_its_value_fits() -> None:
    found = asked("Encounter", "subject.identifier:of-type", "a|b|c")
    assert [kind for kind, _ in found.chain.criteria] == ["Group", "Patient"]
    assert asked("AuditEvent", "entity.entity.agent", "Device/1").chain.criteria


def test_own_addresses_are_local() -> None:
    base = "https://city.example/fhir/R4"
    for text in (f"{base}/Patient/1", "Patient/1", f"{base}/Patient/1/_history/2"):
        assert asked("Observation", "subject", text, base=base).values == (Link("1", ("Patient",)),)


def test_what_is_returned_is_read() -> None:
    pairs = [
        ("_sort", "-date,code"), ("_count", "20"), ("_total", "accurate"), ("_summary", "data"),
        ("_elements", "code,value,valueQuantity,id"), ("_include", "Observation:subject"),
        ("_include:iterate", "Patient:link:RelatedPerson"), ("_revinclude", "Provenance:target"),
        ("_include", "Observation:*"), ("_include", "*"), ("_include", "*"),
        ("_content", "胸痛 fever"), ("_format", ""), ("_pretty", "true"),
    ]  # fmt: skip
    assert read(["Observation"], pairs, now=NOW) == Query(
        types=("Observation",),
        sort=(
            Sort("date", ParamType.DATE, descending=True),
            Sort("code", ParamType.TOKEN, descending=False),
        ),
        includes=(
            Include("Observation", "subject", "", reverse=False, iterate=False),
            Include("Patient", "link", "RelatedPerson", reverse=False, iterate=True),
            Include("Provenance", "target", "", reverse=True, iterate=False),
            Include("Observation", "*", "", reverse=False, iterate=False),
            Include("", "*", "", reverse=False, iterate=False),
        ),
        count=20,
        total=Total.ACCURATE,
        summary=Summary.DATA,
        elements=("code", "value", "valueQuantity", "id"),
        content=("胸痛", "fever"),
    )


@pytest.mark.parametrize(
    ("text", "count", "summary"), [("0", 0, "count"), ("99999", 1_000, "false")]
)
def test_counts_are_cut_and_none_is_a_count(text: str, count: int, summary: str) -> None:
    query = read(["Patient"], [("_count", text)], now=NOW)
    assert (query.count, query.summary) == (count, summary)


def test_several_types_share_parameters_and_targets() -> None:
    pairs = [("subject", "5"), ("_type", "Observation,Condition"), ("_sort", "_lastUpdated")]
    query = read([], pairs, now=NOW)
    assert query.types == ("Observation", "Condition")
    (found,) = query.criteria
    assert isinstance(found, Criterion)
    assert found.values == (Link("5", ("Device", "Group", "Location", "Patient")),)
    assert read(["Observation", "Slot"], [("_type", "Slot")], now=NOW).types == ("Slot",)
    assert read([], [("_id", "1")], now=NOW).types == ()
    with pytest.raises(fhir.ParameterUnknown):
        read([], [("subject", "5"), ("_type", "Observation,Slot")], now=NOW)
    with pytest.raises(fhir.ParameterUnknown):
        read([], [("subject", "5")], now=NOW)


@pytest.mark.parametrize("kind", ["Observation", "Goal", "Patient"])
def test_a_compartment_is_a_criterion_of_its_own(kind: str) -> None:
    within = Criterion("_compartment", ParamType.SPECIAL, "", (Link("7", ("Patient",)),))
    found = read([kind], [("_id", "1")], now=NOW, compartment=("Patient", "7")).criteria
    assert found == (within, Criterion("_id", ParamType.TOKEN, "", (Token(None, "1"),)))
    assert within == within_compartments(Link("7", ("Patient",)))


def test_a_compartment_has_types() -> None:
    whole = read([], [], now=NOW, compartment=("Patient", "7"))
    assert {"Patient", "Observation", "Invoice"} <= set(whole.types)
    assert "Medication" not in whole.types
    some = read([], [("_type", "Goal,Medication")], now=NOW, compartment=("Patient", "7"))
    assert some.types == ("Goal",)
    assert read([], [("_type", "Goal")], now=NOW, compartment=("Patient", "7")) == read(
        ["Goal"], [], now=NOW, compartment=("Patient", "7")
    )


@pytest.mark.parametrize("kind", compartments())
def test_every_compartment_is_made_of_references_to_it(kind: str) -> None:
    for resource, codes in compartments()[kind].items():
        for code in codes:
            assert code == "{def}" or kind in known((resource,))[code].targets


@pytest.mark.parametrize("kind", sorted(RESOURCES))
def test_every_parameter_of_every_type_can_be_asked_for(kind: str) -> None:
    texts = {
        "number": "1", "date": "2026", "string": "x", "token": "x", "quantity": "1||g",
        "uri": "x:y", "special": "1|1", "reference": "urn:x:y",
    }  # fmt: skip
    assert set(parameters().get(kind, ())) <= set(known((kind,)))
    for code, param in known((kind,)).items():
        parts = "$".join(texts[part.type] for part in param.parts)
        assert len(asked(kind, code, texts.get(param.type, parts)).values) == 1
