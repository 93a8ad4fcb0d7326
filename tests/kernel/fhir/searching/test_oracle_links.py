"""The model of search on what connects: references, chains, composites, includes, order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from citycare.kernel.fhir.model import ValueBroken
from citycare.kernel.fhir.searching.model import (
    Chain,
    Criterion,
    Having,
    Include,
    Link,
    Missing,
    Near,
    ParamType,
    Parts,
    Prefix,
    Query,
    Sort,
    Text,
    Token,
    Value,
)
from citycare.kernel.fhir.searching.reading import within_compartments
from tests.kernel.fhir.searching.asked import amount, moment
from tests.kernel.fhir.searching.comparing import metres_between
from tests.kernel.fhir.searching.oracle import Oracle
from tests.kernel.fhir.searching.trying import added, found, met, one

Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
BASE = "https://city.example/fhir"
REFERENCE, COMPOSITE, TOKEN = ParamType.REFERENCE, ParamType.COMPOSITE, ParamType.TOKEN
STRING = ParamType.STRING


# §3.1.1.4.12 references


@pytest.mark.parametrize(
    ("written", "asked", "expected"),
    [
        ("Patient/23", Link("23", ("Patient",)), True),
        ("Patient/23", Link("23", ("Group", "Patient")), True),
        ("Patient/23", Link("23"), True),
        ("Patient/23", Link("23", ("Group",)), False),
        ("Patient/23", Link("2", ("Patient",)), False),
        ("Patient/23/_history/4", Link("23", ("Patient",)), True),
        (f"{BASE}/Patient/23", Link("23", ("Patient",)), True),
        (f"{BASE}/Patient/23/_history/4", Link("23", ("Patient",)), True),
        ("http://a.org/Patient/23", Link("23", ("Patient",)), False),
        ("http://a.org/Patient/23", Link("", address="http://a.org/Patient/23"), True),
        ("http://a.org/Patient/23/_history/4", Link("", address="http://a.org/Patient/23"), True),
        ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", Link("", address="urn:x"), False),
        ("urn:x", Link("", address="urn:x"), True),
        ("Patient?identifier=a|1", Link("", address="Patient?identifier=a|1"), True),
        ("#p", Link("p", ("Patient",)), False),
    ],
)
def test_references_lead_where_they_say(written: str, asked: Link, *, expected: bool) -> None:
    made = one("Observation") | {"subject": {"reference": written}}
    criterion = Criterion("subject", REFERENCE, "", (asked,))
    assert found([made], "Observation", criterion, base=BASE) == ("1" if expected else "")


def test_a_reference_known_by_an_identifier_alone() -> None:
    subject = {"identifier": {"system": "urn:mrn", "value": "12"}, "display": "某某"}
    made = one("Observation", subject=subject)
    assert met(made, "subject", REFERENCE, Token("urn:mrn", "12"), modifier="identifier")
    assert met(made, "subject", REFERENCE, Token(None, "12"), modifier="identifier")
    assert not met(made, "subject", REFERENCE, Token("urn:mrn", "13"), modifier="identifier")
    assert not met(made, "subject", REFERENCE, Link("12"))


def test_a_canonical_is_a_reference_of_any_version() -> None:
    response = one("QuestionnaireResponse", status="completed", questionnaire="http://a.org/q|1")
    for address, expected in (
        ("http://a.org/q", True),
        ("http://a.org/q|1", True),
        ("http://a.org/q|2", False),
    ):
        asked = Link("", address=address)
        assert met(response, "questionnaire", REFERENCE, asked) == expected


def test_patient_is_the_subject_that_is_one() -> None:
    asked = Link("1", ("Patient",))
    patients = one("Observation", subject={"reference": "Patient/1"})
    places = one("Observation", subject={"reference": "Location/1"})
    assert met(patients, "patient", REFERENCE, asked)
    assert met(places, "patient", REFERENCE, Missing(missing=True), modifier="missing")
    known = one("Observation", subject={"identifier": {"value": "7"}, "type": "Patient"})
    assert met(known, "patient", REFERENCE, Token(None, "7"), modifier="identifier")
    unknown = one("Observation", subject={"identifier": {"value": "7"}})
    assert not met(unknown, "patient", REFERENCE, Token(None, "7"), modifier="identifier")
    own = one(
        "Observation",
        subject={"reference": "#p"},
        contained=[{"resourceType": "Patient", "id": "p"}],
    )
    assert met(own, "patient", REFERENCE, Missing(missing=False), modifier="missing")


# §3.1.1.4.15, .16 chains

TOWN: list[Json] = [
    one("Organization", id="o-top", name="City"),
    one("Organization", id="o-low", name="Clinic", partOf={"reference": "Organization/o-top"}),
    one("Patient", id="p-1", name=[{"text": "Peter"}],
        managingOrganization={"reference": "Organization/o-low"}),
    one("Patient", id="p-2", name=[{"text": "Paula"}]),
    one("Location", id="l-1", name="Peter's"),
    one("Observation", id="b-1", subject={"reference": "Patient/p-1"},
        code={"coding": [{"code": "A"}]}),
    one("Observation", id="b-2", subject={"reference": "Patient/p-2/_history/1"},
        hasMember=[{"reference": "Observation/b-1"}]),
    one("Observation", id="b-3", subject={"reference": "Location/l-1"}),
    one("Observation", id="b-4", subject={"reference": "Patient/nobody"}),
]  # fmt: skip


def chain(param: str, *targets: tuple[str, Criterion | Having]) -> Criterion:
    return Criterion(param, REFERENCE, chain=Chain(targets))


def named(words: str) -> Criterion:
    return Criterion("name", STRING, "", (Text(words),))


def test_a_chain_asks_each_type_of_target_for_itself() -> None:
    peter = named("peter")
    assert found(TOWN, "Observation", chain("subject", ("Patient", peter))) == "b-1"
    both = chain("subject", ("Location", peter), ("Patient", peter))
    assert found(TOWN, "Observation", both) == "b-1 b-3"
    paula = chain("subject", ("Patient", named("paula")))
    assert found(TOWN, "Observation", paula) == "b-2"  # whatever version is named


def test_chains_go_on() -> None:
    top = chain("partof", ("Organization", named("city")))
    organization = chain("organization", ("Organization", top))
    assert found(TOWN, "Observation", chain("subject", ("Patient", organization))) == "b-1"


def test_a_chain_with_not_needs_a_target() -> None:
    nothing = Criterion("gender", TOKEN, "not", (Token(None, "male"),))
    assert found(TOWN, "Observation", chain("subject", ("Patient", nothing))) == "b-1 b-2"


def test_a_compartment_is_of_itself_and_of_what_refers_to_it() -> None:
    peter, paula = Link("p-1", ("Patient",)), Link("p-2", ("Patient",))
    assert found(TOWN, "Observation", within_compartments(peter)) == "b-1"
    assert found(TOWN, "Observation", within_compartments(peter, paula)) == "b-1 b-2"
    assert found(TOWN, "Patient", within_compartments(peter)) == "p-1"
    assert found(TOWN, "Observation", within_compartments(Link("p-1", ("Device",)))) == ""
    by_whom = one("Observation", performer=[{"reference": "Patient/p-1"}])
    assert found([by_whom], "Observation", within_compartments(peter)) == "1"


def test_reverse_chains() -> None:
    coded = Criterion("code", TOKEN, "", (Token(None, "A"),))
    assert found(TOWN, "Patient", Having("Observation", "patient", coded)) == "p-1"
    group = Having("Observation", "has-member", Criterion("_id", TOKEN, "", (Token(None, "b-2"),)))
    assert found(TOWN, "Patient", Having("Observation", "subject", group)) == "p-1"
    assert found(TOWN, "Organization", Having("Patient", "organization", named("pe"))) == "o-low"


# §3.1.1.4.17 composites

PRESSURE = one(
    "Observation",
    component=[
        {
            "code": {"coding": [{"system": LOINC, "code": code}]},
            "valueQuantity": {"value": value, "system": UCUM, "code": "mm[Hg]"},
        }
        for code, value in (("8480-6", 107), ("8462-4", 60))
    ],
)


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [("8480-6", "107", True), ("8462-4", "60", True), ("8480-6", "60", False)],
)
def test_a_composite_is_met_by_one_element(code: str, value: str, *, expected: bool) -> None:
    parts = Parts((Token(LOINC, code), amount(value, Prefix.EQ)))
    for param in ("component-code-value-quantity", "combo-code-value-quantity"):
        assert met(PRESSURE, param, COMPOSITE, parts) == expected
    assert not met(PRESSURE, "code-value-quantity", COMPOSITE, parts)


def test_composites_of_other_forms() -> None:
    coded = {"coding": [{"code": "A"}]}
    dated = one("Observation", code=coded, valueDateTime="2026-03-14")
    for day, expected in (("2026-03", True), ("2026-04", False)):
        parts = Parts((Token(None, "A"), moment(day)))
        assert met(dated, "code-value-date", COMPOSITE, parts) == expected
    sequence = one(
        "MolecularSequence",
        coordinateSystem=0,
        referenceSeq={
            "chromosome": {"coding": [{"code": "1"}]}, "genomeBuild": "GRCh 38",
            "windowStart": 1, "windowEnd": 9,
        },
        variant=[{"start": 3, "end": 4}, {"start": 5, "end": 6}],
    )  # fmt: skip
    for start, end, expected in (("3", "4", True), ("3", "6", False)):
        asked = Parts((Token(None, "1"), amount(start).number, amount(end).number))
        assert met(sequence, "chromosome-variant-coordinate", COMPOSITE, asked) == expected
    with pytest.raises(ValueBroken):
        met(dated, "code-value-date", COMPOSITE, Parts((Token(None, "A"),)))


# Location.near


def test_near_is_a_distance_on_the_sphere() -> None:
    assert metres_between(0, 0, 0, 90) == pytest.approx(10_007_557, abs=1)
    assert metres_between(0, 179.5, 0, -179.5) == pytest.approx(111_195, abs=1)
    position = {"latitude": Decimal("31.2304"), "longitude": Decimal("121.4737")}
    place = one("Location", position=position)
    for metres, expected in ((2_700.0, True), (2_600.0, False)):
        asked = Near(31.2397, 121.4998, metres)
        assert met(place, "near", ParamType.SPECIAL, asked) == expected
    assert not met(one("Location"), "near", ParamType.SPECIAL, Near(31.2, 121.5, 3e7))


# §3.1.1.4.4 :missing


@pytest.mark.parametrize(
    ("resource", "code", "kind", "missing"),
    [
        (one("Patient"), "gender", TOKEN, True),
        (one("Patient", gender="male"), "gender", TOKEN, False),
        (
            one("Patient", _gender={"extension": [{"url": "urn:x", "valueCode": "unknown"}]}),
            "gender", TOKEN, True,
        ),
        (one("Patient"), "name", STRING, True),
        (one("Observation", subject={"display": "x"}), "subject", REFERENCE, False),
        (one("Observation", valueQuantity={"unit": "mg"}), "value-quantity", ParamType.QUANTITY,
         False),
        (one("Observation", valueString="x"), "value-quantity", ParamType.QUANTITY, True),
    ],
)  # fmt: skip
def test_missing(resource: Json, code: str, kind: ParamType, *, missing: bool) -> None:
    for asked in (True, False):
        value: Value = Missing(missing=asked)
        assert met(resource, code, kind, value, modifier="missing") == (asked == missing)


# §3.1.1.5 order and includes


def ordered(*sorts: Sort, resources: list[Json] | None = None) -> str:
    made = Oracle(resources or DATED).matches(Query(("Observation",), sort=sorts))
    return " ".join(one["id"] for one in made)


DATED = [
    one("Observation", id=name, meta={"lastUpdated": f"2026-01-0{day}T00:00:00Z"}, **more)
    for name, day, more in (
        ("a", 1, {"effectiveDateTime": "2026-03"}),
        ("b", 2, {}),
        ("c", 3, {"effectiveDateTime": "2026-03-02"}),
        ("d", 3, {"effectivePeriod": {"end": "2026-01"}}),
    )
]


def test_what_has_nothing_to_sort_by_comes_last() -> None:
    assert ordered() == "c d b a"
    assert ordered(Sort("date", ParamType.DATE, descending=False)) == "d a c b"
    assert ordered(Sort("date", ParamType.DATE, descending=True)) == "c a d b"
    first = Sort("status", TOKEN, descending=True)
    assert ordered(first, Sort("date", ParamType.DATE, descending=False)) == "d a c b"
    assert ordered(Sort("_id", TOKEN, descending=True)) == "d c b a"


def test_of_several_values_the_first_in_the_order_counts() -> None:
    made = [
        one("Observation", id=name, category=[{"coding": [{"code": code}]} for code in codes])
        for name, codes in (("x", "az"), ("y", "bc"))
    ]
    assert ordered(Sort("category", TOKEN, descending=False), resources=made) == "x y"
    assert ordered(Sort("category", TOKEN, descending=True), resources=made) == "x y"


def include(source: str, param: str, target: str = "", **flags: bool) -> Include:
    return Include(source, param, target, **{"reverse": False, "iterate": False, **flags})


def test_includes() -> None:
    assert added(TOWN, "Observation", include("Observation", "subject")) == "l-1 p-1 p-2"
    assert added(TOWN, "Observation", include("Observation", "subject", "Location")) == "l-1"
    assert added(TOWN, "Observation", include("", "*")) == "l-1 p-1 p-2"
    assert added(TOWN, "Patient", include("Observation", "subject", reverse=True)) == "b-1 b-2"
    assert added(TOWN, "Patient", include("Observation", "subject")) == ""


def test_includes_go_on_only_where_they_are_told_to() -> None:
    subject = include("Observation", "subject")
    manager = include("Patient", "organization")
    assert added(TOWN, "Observation", subject, manager) == "l-1 p-1 p-2"
    on = include("Patient", "organization", iterate=True)
    assert added(TOWN, "Observation", subject, on) == "l-1 o-low p-1 p-2"
    up = include("Organization", "partof", iterate=True)
    assert added(TOWN, "Observation", subject, on, up) == "l-1 o-low o-top p-1 p-2"
    down = include("Organization", "partof", reverse=True, iterate=True)
    assert added(TOWN, "Organization", down) == ""


def test_a_circle_ends() -> None:
    around = [
        one("Organization", id=name, name="x", partOf={"reference": f"Organization/{other}"})
        for name, other in (("a", "b"), ("b", "c"), ("c", "a"))
    ]
    oracle = Oracle(around)
    query = Query(("Organization",), includes=(include("Organization", "partof", iterate=True),))
    assert [each["id"] for each in oracle.included(query, around[:1])] == ["b", "c"]
    assert oracle.included(query, around) == []


def test_several_types_and_all() -> None:
    everybody = Criterion("_id", TOKEN, "", (Token(None, "p-1"), Token(None, "l-1")))
    for types, expected in (((), 2), (("Patient", "Observation"), 1), (("Location",), 1)):
        assert len(Oracle(TOWN).matches(Query(types, (everybody,)))) == expected


def test_words_anywhere() -> None:
    query = Query((), content=("peter",))
    assert {one["id"] for one in Oracle(TOWN).matches(query)} == {"p-1", "l-1"}
