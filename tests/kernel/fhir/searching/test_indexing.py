"""Lanes, and what a resource puts into the index, by hand."""

from __future__ import annotations

import random
from decimal import Decimal
from math import inf
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir.r4 import RESOURCES, compartments
from citycare.kernel.fhir.searching import keys, measures
from citycare.kernel.fhir.searching.extracting import extractors
from citycare.kernel.fhir.searching.indexing import Indexed, indexed
from citycare.kernel.fhir.searching.model import (
    Amount,
    Link,
    Number,
    ParamType,
    Parts,
    Prefix,
    Token,
)
from citycare.kernel.fhir.searching.ways import Lane, belonging_of, lanes_for, main_of, ways_of
from tests.kernel.fhir.searching import made
from tests.kernel.fhir.searching.test_extracting import made_resource

Json = dict[str, Any]
KG = {"value": Decimal("72.50"), "system": made.UCUM, "code": "kg", "unit": "公斤"}


def lane(kind: str, code: str, at: int = 0) -> Lane:
    return lanes_for(kind, code)[at][0]


def named(kind: str, name: str) -> Lane:
    return next(each for each in ways_of(kind) if each.name == name)


def index(kind: str, **elements: Any) -> Indexed:
    return indexed({"resourceType": kind, **elements}, made.BASE)


def hit(found: Indexed, asked: tuple[int, ...]) -> bool:
    return bool(set(asked) & set(found.keys))


# --- lanes


def test_lanes_are_shared_by_parameters() -> None:
    ((subject, any_target),) = lanes_for("Observation", "subject")
    ((patient, only),) = lanes_for("Observation", "patient")
    assert subject is patient
    assert only == {"Patient"} < any_target
    assert subject.name == "Observation.subject"
    assert [one.name for one, _ in lanes_for("Observation", "combo-code")] == [
        "Observation.code",
        "Observation.component.code",
    ]
    assert lanes_for("Observation", "code")[0] in lanes_for("Observation", "combo-code")
    assert (
        lanes_for("Observation", "combo-code-value-quantity")[0]
        == lanes_for("Observation", "code-value-quantity")[0]
    )


def test_names_and_numbers() -> None:
    assert lane("Patient", "phone").name == "Patient.telecom[system=phone]"
    assert lane("Patient", "deceased").name == "Patient.deceased[exists]"
    assert lane("Bundle", "message").name == "Bundle.entry[0].resource"
    assert lane("Observation", "code-value-quantity").name == "Observation[.code$.valueQuantity]"
    everything = [one for kind in RESOURCES for one in ways_of(kind)]
    parts = [part for one in everything for part in one.parts]
    assert len({one.name for one in everything}) == len(everything)
    assert len({one.hash for one in everything}) == len(everything)
    assert len({one.hash32 for one in everything + parts}) == len(everything + parts)
    for kind in RESOURCES:
        assert [one.number for one in ways_of(kind)] == list(range(len(ways_of(kind))))


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(fhir.TypeUnknown):
        ways_of("Nonsense")
    broken: Json
    for broken in ({}, {"resourceType": []}, {"resourceType": "Nonsense"}):
        with pytest.raises(fhir.TypeUnknown):
            indexed(broken)


@pytest.mark.parametrize("kind", sorted(RESOURCES))
def test_lanes_find_what_parameters_find(kind: str) -> None:
    dice = random.Random(kind)
    for _ in range(5):
        resource = made_resource(dice, kind)
        present = indexed(resource).present
        for code, one in extractors(kind).items():
            taken = lanes_for(kind, code)
            found = [value for way, _ in taken for value in way.values(resource)]
            assert all(each in found for each in one.values(resource))
            for way, _ in taken:
                if not way.parts:
                    assert bool(present >> way.number & 1) == bool(way.values(resource))


# --- hashes that the store holds


def test_hashes_stay() -> None:
    subject = lane("Observation", "subject")
    assert (subject.hash, subject.hash32) == (-7804768391297063067, -1817189249)
    assert keys.resource_hash("Patient", "p1") == HASHES["resource"]
    (link,) = keys.reference_keys(subject, Link("p1", ("Patient",)))
    assert link == keys.resource_hash("Patient", "p1") ^ subject.hash
    code = lane("Observation", "code")
    assert keys.token_keys(code, Token(made.LOINC, "8480-6")) == (HASHES["coded"],)
    assert keys.token_keys(code, Token(None, "8480-6")) == (HASHES["code"],)
    assert keys.word_keys(lane("Patient", "name"), "Zhang")[0] == HASHES["word"]
    assert measures.canonical("mg")[0] == measures.canonical("kg")[0] == HASHES["mass"]


HASHES = {
    "resource": -6128789544171595070,
    "coded": -4975552118718457789,
    "code": 6198596285224256100,
    "word": 5681840265008658580,
    "mass": 1146844769,
}


# --- by hand: tokens


def test_a_coding_is_found_three_ways() -> None:
    found = index("Observation", code={"coding": [made.CODINGS[0]]})
    code = lane("Observation", "code")
    for asked in (Token(None, "8480-6"), Token(made.LOINC, "8480-6"), Token(made.LOINC, None)):
        assert hit(found, keys.token_keys(code, asked))
    for asked in (Token("", "8480-6"), Token("urn:x", "8480-6"), Token(None, "8480")):
        assert not hit(found, keys.token_keys(code, asked))
    (coded,) = keys.token_keys(code, Token(made.LOINC, "8480-6"))
    words = "systolicbloodpressure systolic blood pressure"
    assert found.wordings == ((code.hash32, coded, words),)


def test_a_code_without_system() -> None:
    found = index("Observation", code={"coding": [{"code": "x"}]})
    code = lane("Observation", "code")
    assert hit(found, keys.token_keys(code, Token("", "x")))
    assert not hit(found, keys.token_keys(code, Token("urn:x", "x")))


def test_a_required_binding_tells_the_system() -> None:
    found = index("Patient", gender="male")
    gender = lane("Patient", "gender")
    system = "http://hl7.org/fhir/administrative-gender"
    for asked in (Token(None, "male"), Token(system, "male"), Token(system, None)):
        assert hit(found, keys.token_keys(gender, asked))
    for asked in (Token("", "male"), Token("urn:x", "male"), Token(system, "other")):
        assert not hit(found, keys.token_keys(gender, asked))
    assert keys.token_keys(gender, Token("urn:x", "male")) == ()
    assert len(found.keys) == 2  # and that the patient lives


def test_phones_and_mail() -> None:
    found = index("Patient", telecom=list(made.TELECOMS))
    telecom, phone = lane("Patient", "telecom"), lane("Patient", "phone")
    for way in (telecom, phone):
        assert hit(found, keys.token_keys(way, Token(None, "021 6407 1234")))
        assert not hit(found, keys.token_keys(way, Token("phone", "02164071234")))
    assert hit(found, keys.token_keys(telecom, Token(None, "wang.fang@example.com")))
    assert not hit(found, keys.token_keys(telecom, Token(None, "WANG.FANG@example.com")))
    assert not hit(found, keys.token_keys(phone, Token(None, "wang.fang@example.com")))


def test_identifiers_and_their_types() -> None:
    found = index("Patient", identifier=[made.IDENTIFIERS[0], made.IDENTIFIERS[3]])
    identifier = lane("Patient", "identifier")
    number = "310101199001010010"
    assert hit(found, keys.token_keys(identifier, Token(made.ID_CARD, number)))
    asked = Parts((Token(made.V2_0203, "NI"), Token(None, number)))
    assert hit(found, (keys.of_type_key(identifier, asked),))
    other = Parts((Token(made.V2_0203, "MR"), Token(None, number)))
    assert not hit(found, (keys.of_type_key(identifier, other),))
    ((way, key, text),) = found.wordings
    assert (way, text) == (identifier.hash32, "medicalrecord medical record")
    assert key in found.keys
    with pytest.raises(ValueError, match="value"):
        keys.of_type_key(identifier, Parts((Token(None, "NI"), Token(None, number))))
    with pytest.raises(ValueError, match="neither"):
        keys.token_keys(identifier, Token("", None))


def test_a_text_alone_has_a_key_of_its_own() -> None:
    found = index("Condition", code={"text": "头痛 三天"})
    (key,) = found.keys
    code = lane("Condition", "code")
    assert found.wordings == ((code.hash32, key, "头痛三天 头痛 三天"),)
    long = index("Condition", code={"text": "x" * 501})
    assert long.wordings == ()
    assert long.keys == (keys.long_key(code),)


# --- by hand: strings, addresses, references


def test_names() -> None:
    found = index("Patient", name=[{"family": "张", "given": ["伟"]}, made.NAMES[6]])
    name = lane("Patient", "name")
    for text in ("张", "张伟", "伟", "zhangw", "ZW", "sean", "O’Brien", "Seán O'B"):
        assert hit(found, keys.word_keys(name, text)), text
    for text in ("brien", "wei zhang", "张三"):
        assert not hit(found, keys.word_keys(name, text)), text
    assert set(keys.contained_keys(name, "伟")) < set(found.keys)
    assert set(keys.contained_keys(name, "brie")) < set(found.keys)
    assert not set(keys.contained_keys(name, "bier")) < set(found.keys)
    assert keys.contained_keys(name, "b") == keys.word_keys(name, "'") == ()
    family = lane("Patient", "family")
    assert hit(found, keys.word_keys(family, "张"))
    assert not hit(found, keys.word_keys(family, "zhang"))


def test_long_texts_are_marked() -> None:
    found = index("ValueSet", description="很" * 501, title="Long beginnings of words")
    description, title = lane("ValueSet", "description"), lane("ValueSet", "title")
    assert keys.long_key(description) in found.keys
    assert hit(found, keys.word_keys(description, "no such word"))
    asked = keys.word_keys(title, "long beginnings of anything")
    assert hit(found, asked)  # sixteen signs are alike: rechecked
    assert not hit(found, keys.word_keys(title, "long and short"))


def test_addresses() -> None:
    found = index("ValueSet", url="http://a.example/fhir/ValueSet/x")
    url = lane("ValueSet", "url")
    assert hit(found, keys.uri_keys(url, "http://a.example/fhir/ValueSet/x"))
    assert not hit(found, keys.uri_keys(url, "http://a.example/fhir/ValueSet"))
    for below in ("http://a.example/fhir/", "http://a.example/", "http://a.example/fhir/Val"):
        assert hit(found, keys.below_keys(url, below))
    assert not hit(found, keys.below_keys(url, "http://a.example/other/"))
    assert hit(found, keys.above_keys(url, "http://a.example/fhir/ValueSet/x/deep"))
    assert not hit(found, keys.above_keys(url, "http://a.example/fhir/ValueSet"))
    assert keys.below_keys(url, "http://a") == ()
    assert keys.below_keys(url, "urn:oid:1") == keys.uri_keys(url, "urn:oid:1")


def test_versions_of_canonicals() -> None:
    found = index("Patient", meta={"profile": ["http://a.example/p|2"]})
    profile = lane("Patient", "_profile")
    assert hit(found, keys.uri_keys(profile, "http://a.example/p"))
    assert hit(found, keys.uri_keys(profile, "http://a.example/p|2"))
    assert not hit(found, keys.uri_keys(profile, "http://a.example/p|1"))


@pytest.mark.parametrize(
    ("written", "asked", "there"),
    [
        ("Patient/p1", Link("p1", ("Patient",)), True),
        ("Patient/p1/_history/3", Link("p1", ("Patient",)), True),
        (f"{made.BASE}/Patient/p1", Link("p1", ("Patient", "Group")), True),
        ("Patient/p1", Link("p1", ("Group",)), False),
        ("Patient/p1", Link("p1"), True),
        ("https://b.example/Patient/p1", Link("p1", ("Patient",)), False),
        ("https://b.example/Patient/p1/_history/3",
         Link("", (), "https://b.example/Patient/p1"), True),
        ("urn:uuid:7", Link("", (), "urn:uuid:7"), True),
        ("#p", Link("", (), "#p"), False),
    ],
)  # fmt: skip
def test_references(written: str, asked: Link, *, there: bool) -> None:
    found = index("Observation", subject={"reference": written})
    assert hit(found, keys.reference_keys(lane("Observation", "subject"), asked)) == there


def test_identifiers_of_references() -> None:
    found = index("Observation", subject={"identifier": made.IDENTIFIERS[3]})
    subject = lane("Observation", "subject")
    assert hit(found, keys.token_keys(subject, Token("urn:x:mrn", "7")))
    assert not hit(found, keys.reference_keys(subject, Link("7", ("Patient",))))


def test_the_first_entry_of_a_bundle() -> None:
    entry = {"resource": {"resourceType": "Composition", "id": "c1"}}
    found = index("Bundle", entry=[entry])
    asked = keys.reference_keys(lane("Bundle", "composition"), Link("c1", ("Composition",)))
    assert hit(found, asked)


# --- by hand: what has an order


def spans(found: Indexed, way: Lane) -> list[tuple[int, float, float]]:
    return [(unit, low, high) for hash_, unit, low, high in found.measures if hash_ == way.hash32]


@pytest.mark.parametrize(
    ("element", "value", "low", "high"),
    [
        ("DateTime", "2026-03-14T00:00:00+08:00", 1773417600.0, 1773417601.0),
        ("DateTime", "2026-03-14", 1773417600.0, 1773504000.0),
        ("DateTime", "9999-12-31", 253402185600.0, inf),
        ("Period", {"start": "2026-03-14"}, 1773417600.0, inf),
        ("Period", {"end": "2026-03-14"}, -inf, 1773504000.0),
        ("Timing", {"event": ["2026-03-15", "2026-03-14"]}, 1773417600.0, 1773590400.0),
        ("Timing", {"repeat": {"boundsPeriod": {"start": "2026-03-14"}}}, 1773417600.0, inf),
    ],
)
def test_dates(element: str, value: Any, low: float, high: float) -> None:
    """Those of the main date are in the row, others are measures."""
    main = index("Observation", **{f"effective{element}": value})
    assert (main.main, main.measures) == ((low, high), ())
    assert main.present >> named("Observation", f"Observation.effective{element}").number & 1
    if element != "Timing":  # wherever R4 searches one, it is the main date
        other = index("Observation", **{f"value{element}": value})
        way = named("Observation", f"Observation.value{element}")
        assert (other.main, spans(other, way)) == (None, [(measures.RAW, low, high)])


def test_main_dates() -> None:
    assert {one.name for one in main_of("Observation")} == {
        f"Observation.effective{element}" for element in ("DateTime", "Instant", "Period", "Timing")
    }
    assert [one.name for one in main_of("Patient")] == ["Patient.birthDate"]
    assert [one.name for one in main_of("Encounter")] == ["Encounter.period"]
    assert main_of("Medication") == frozenset()
    birth = index("Patient", birthDate="1990", deceasedDateTime="2026-03-14")
    assert birth.main == (631123200.0, 662659200.0)
    assert len(birth.measures) == 1
    for kind in RESOURCES:  # what a search by a main date relies on
        for code, one in extractors(kind).items():
            taken = {way for way, _ in lanes_for(kind, code)} & main_of(kind)
            assert taken in (set(), main_of(kind))
            assert not taken or one.type is ParamType.DATE


@pytest.mark.parametrize(
    "value", [{"effectiveDateTime": "14.3.2026"}, {"effectivePeriod": {}},
              {"effectiveDateTime": "2026-02-30"}, {"effectiveTiming": {"code": {}}}],
)  # fmt: skip
def test_what_is_no_date_is_only_there(value: Json) -> None:
    found = index("Observation", **value)
    assert found.measures == ()
    assert found.present


def test_numbers_and_quantities() -> None:
    found = index("Observation", valueQuantity=KG)
    unit = measures.canonical("g")[0]
    value = lane("Observation", "value-quantity")
    assert sorted(spans(found, value)) == sorted(
        [(measures.RAW, 72.495, 72.505), (unit, 72495.0, 72505.0)]
    )
    compared = index("Observation", valueQuantity={"value": 5, "comparator": "<"})
    assert spans(compared, value) == [(measures.RAW, -inf, 5.0)]
    risk = index("RiskAssessment", prediction=[{"probabilityDecimal": Decimal("1E+2")}])
    assert spans(risk, lane("RiskAssessment", "probability")) == [(measures.RAW, 95.0, 105.0)]
    ends = {"low": {"value": Decimal("0.4")}}
    ranged = index("RiskAssessment", prediction=[{"probabilityRange": ends}])
    way = named("RiskAssessment", "RiskAssessment.prediction.probabilityRange")
    assert spans(ranged, way) == [(measures.RAW, 0.4, inf)]
    variant = index("MolecularSequence", variant=[{"start": 7}])
    assert spans(variant, lane("MolecularSequence", "variant-start")) == [(measures.RAW, 7.0, 7.0)]


def test_a_position_has_two_rows() -> None:
    found = index("Location", position={"latitude": Decimal("31.2"), "longitude": 121})
    assert sorted(spans(found, lane("Location", "near"))) == [
        (measures.LATITUDE, 31.2, 31.2),
        (measures.LONGITUDE, 121.0, 121.0),
    ]


@pytest.mark.parametrize("code", ["0-1", "0", "10*9999", "(((", "a" * 200, "%" * 90])
def test_odd_units_are_units_of_their_own(code: str) -> None:
    unit, factor = measures.canonical(code)
    assert 0 < factor < inf
    assert unit != measures.canonical("1")[0]


# --- by hand: composites


def test_with_an_ordered_part_only_the_parts_are_indexed() -> None:
    code = {"coding": [made.CODINGS[0]]}
    found = index("Observation", code=code, valueQuantity=KG)
    composite = lane("Observation", "code-value-quantity")
    assert found.present >> composite.number & 1
    assert not index("Observation", code=code).present >> composite.number & 1
    assert spans(found, composite.parts[1]) == []
    assert set(found.keys) == set(index("Observation", code=code).keys)
    token = Token(made.LOINC, "8480-6")
    amount = Amount(Number(Prefix.EQ, Decimal(72), Decimal(71), Decimal(73)), None, None)
    assert keys.tuple_keys(composite, Parts((token, amount))) == ()
    assert hit(found, keys.token_keys(lane("Observation", "code"), token))
    assert len(spans(found, lane("Observation", "value-quantity"))) == 2


def test_parts_must_be_of_one_element() -> None:
    component = [
        {"code": {"coding": [made.CODINGS[0]]}, "valueCodeableConcept": {"text": "no code"}},
        {"code": {"coding": [made.CODINGS[1]]},
         "valueCodeableConcept": {"coding": [made.CODINGS[2]]}},
    ]  # fmt: skip
    found = index("Observation", component=component)
    composite = lane("Observation", "component-code-value-concept")
    high = Token(made.SNOMED, "38341003")
    there = Parts((Token(None, "8462-4"), high))
    crossed = Parts((Token(None, "8480-6"), high))
    assert hit(found, keys.tuple_keys(composite, there))
    assert not hit(found, keys.tuple_keys(composite, crossed))
    assert keys.tuple_keys(composite, Parts((Token(made.LOINC, None), high))) == ()


# --- by hand: compartments


@pytest.mark.parametrize(
    ("resource", "of", "there"),
    [
        ({"subject": {"reference": "Patient/p1"}}, ("Patient", "p1"), True),
        ({"subject": {"reference": f"{made.BASE}/Patient/p1/_history/2"}}, ("Patient", "p1"), True),
        ({"performer": [{"reference": "Patient/p1"}]}, ("Patient", "p1"), True),
        ({"performer": [{"reference": "Practitioner/d1"}]}, ("Practitioner", "d1"), True),
        ({"subject": {"reference": "Patient/p1"}}, ("Patient", "p2"), False),
        ({"subject": {"reference": "Group/p1"}}, ("Patient", "p1"), False),
        ({"subject": {"reference": "https://b.example/Patient/p1"}}, ("Patient", "p1"), False),
        ({"subject": {"type": "Patient", "identifier": made.IDENTIFIERS[3]}}, ("Patient", "7"),
         False),
        ({"specimen": {"reference": "Specimen/s1"}}, ("Patient", "s1"), False),
        ({"focus": [{"reference": "Patient/p1"}]}, ("Patient", "p1"), False),
    ],
)  # fmt: skip
def test_compartments(resource: Json, of: tuple[str, str], *, there: bool) -> None:
    found = index("Observation", **resource)
    assert hit(found, (keys.compartment_key(of[0], keys.resource_hash(*of)),)) == there


def test_a_resource_is_in_its_own_compartment() -> None:
    for kind in compartments():
        own = keys.compartment_key(kind, keys.resource_hash(kind, "x1"))
        assert hit(index(kind, id="x1"), (own,))
        assert not hit(index(kind), (own,))
    linked = index("Patient", id="p1", link=[{"other": {"reference": "Patient/p2"}}])
    assert hit(linked, (keys.compartment_key("Patient", keys.resource_hash("Patient", "p2")),))
    assert keys.resource_hash("Location", "x1") not in index("Location", id="x1").keys


def test_compartments_follow_the_definitions() -> None:
    for kind, table in compartments().items():
        for resource_type, codes in table.items():
            some = {code for code in codes if code != "{def}"}
            ways = {way for code in some for way, _ in lanes_for(resource_type, code)}
            assert ways == {way for way, of in belonging_of(resource_type).items() if kind in of}
