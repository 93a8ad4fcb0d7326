"""Resources for the comparison of searches, made by Hypothesis: few, small, linked, and right.

Values come from small pools, so that they meet often and lie on each other's edges: dates written
with different precision, numbers with and without trailing zeros, names in two scripts. Every
fourth element is left out. `kernel.fhir.r4.faults` finds nothing in any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
Made = st.SearchStrategy[Json]

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ID_CARD = "urn:oid:2.16.156.10011.1.3"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
BASE = "https://city.example/fhir"
"""The server's own address, as some references write it."""
IDS: Mapping[str, str] = {
    "Organization": "o", "Practitioner": "d", "Patient": "p", "Location": "l", "Encounter": "e",
    "Condition": "c", "Observation": "b", "DiagnosticReport": "r", "RiskAssessment": "k",
    "MolecularSequence": "m", "Invoice": "i",
}  # fmt: skip
"""Letter of the ids of each type: `p0`, `p1`, …"""
COUNT_MAX = 3
"""Resources of a type; references may lead to one that is not there."""

DAYS = ("2025-12-31", "2026-01-01", "2026-03-14", "2026-03-15", "2026-02-28")
MOMENTS = (
    "2026-03-14T00:00:00+08:00", "2026-03-13T16:00:00Z", "2026-03-14T10:00:00+08:00",
    "2026-03-14T23:59:59+08:00", "2026-03-14T10:00:00.500+08:00", "2025-12-31T23:30:00-05:00",
)  # fmt: skip
DATES = ("2025", "2026", "2026-03", "2026-02", *DAYS, *MOMENTS)
PERIODS = (
    {"start": "2026-03-14", "end": "2026-03-14"}, {"start": "2026-03-14", "end": "2026-03-15"},
    {"start": "2026-01", "end": "2026-03"}, {"start": "2026-03-14T10:00:00+08:00"},
    {"end": "2026-03-14T10:00:00+08:00"}, {"start": "2013-01-21"}, {"end": "2025"},
)  # fmt: skip
TIMINGS = (
    {"event": ["2026-03-14", "2026-03-20"]}, {"event": ["2026-03-14T10:00:00+08:00"]},
    {"repeat": {"boundsPeriod": {"start": "2026-01-31", "end": "2026-03-24"}}},
    {"repeat": {"boundsPeriod": {"start": "2026-03-14"}}, "event": ["2026-03-01"]},
    {"repeat": {"frequency": 1, "period": Decimal(2), "periodUnit": "d"}},
)  # fmt: skip
NUMBERS = tuple(
    Decimal(text)
    for text in (
        *("5.4", "5.40", "5", "0.0054", "5400", "72.5", "72.50", "-3.10", "0"),
        *("100", "100.0", "99.5", "100.4", "1E+2"),
    )
)
UNITS: tuple[Json, ...] = (
    *({"unit": code, "system": UCUM, "code": code} for code in ("mg", "g", "mg/dL", "g/L", "Cel")),
    {"unit": "毫克", "system": UCUM, "code": "mg"}, {"unit": "mg"}, {},
    {"system": SNOMED, "code": "258684004", "unit": "mg"},
)  # fmt: skip
CODINGS: tuple[Json, ...] = (
    {"system": LOINC, "code": "8480-6", "display": "Systolic blood pressure"},
    {"system": LOINC, "code": "8462-4", "display": "Diastolic blood pressure"},
    {"system": SNOMED, "code": "38341003", "display": "高血压病"},
    {"system": "urn:x:local", "code": "8480-6", "display": "收缩压"},
    {"code": "8480-6"}, {"system": LOINC}, {"display": "Blutdruck, systolisch"},
)  # fmt: skip
WORDS = ("Café au lait", "cafe", "头痛三天", "Pressure sore", "CAFÉ", "Müller", "a·b c", "blood")
NAMES: tuple[Json, ...] = (
    {"family": "张", "given": ["伟"], "text": "张伟"}, {"text": "王芳"},
    {"family": "欧阳", "given": ["娜娜"]}, {"family": "曾", "given": ["小", "红"]},
    {"family": "Carreño Quiñones", "given": ["José", "María"], "prefix": ["Dr."]},
    {"family": "van der Berg", "given": ["Anna"], "suffix": ["PhD"]},
    {"family": "O'Brien", "text": "Seán O'Brien"}, {"given": ["Zhang"]},
)  # fmt: skip
ADDRESSES: tuple[Json, ...] = (
    {"use": "home", "line": ["世纪大道 100 号"], "city": "上海", "country": "CN"},
    {"text": "Calle Mayor 1, Madrid", "city": "Madrid", "postalCode": "28013"},
    {"use": "work", "district": "浦东新区", "state": "上海市", "postalCode": "200120"},
)  # fmt: skip
TELECOMS: tuple[Json, ...] = (
    {"system": "phone", "value": "(021) 6407-1234"}, {"system": "phone", "value": "02164071234"},
    {"system": "email", "value": "wang.fang@example.com"}, {"system": "url", "value": "http://x.y"},
)  # fmt: skip
IDENTIFIERS: tuple[Json, ...] = (
    {"system": ID_CARD, "value": "310101199001010010", "type": {
        "coding": [{"system": V2_0203, "code": "NI", "display": "National identifier"}]}},
    {"value": "7"}, {"system": ID_CARD},
    {"system": "urn:x:mrn", "value": "7", "type": {"text": "Medical record",
     "coding": [{"system": V2_0203, "code": "MR"}]}},
)  # fmt: skip
PROFILES = (
    "http://acme.example/fhir/one", "http://acme.example/fhir/one|2.0",
    "http://acme.example/fhir/one/deep", "http://acme.example/fhir", "urn:oid:1.2.3",
)  # fmt: skip


def picked(*pool: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for one of these."""
    return st.sampled_from(pool)


def some(one: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[list[Any]]:
    """Return a strategy for an array, which is never empty."""
    return st.lists(one, min_size=1, max_size=most)


def reference(*types: str) -> Made:
    """Return a strategy for a Reference: here, elsewhere, or by an identifier alone."""
    here = [f"{kind}/{IDS[kind]}{number}" for kind in types for number in range(COUNT_MAX)]
    written = (
        *here, *here, f"{here[0]}/_history/2", f"{BASE}/{here[0]}",
        f"https://other.example/r4/{here[0]}", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    )  # fmt: skip
    return st.one_of(
        picked(*written).map(lambda text: {"reference": text}),
        picked(*here).map(lambda text: {"reference": text, "display": "某某"}),
        picked(*IDENTIFIERS[:2]).map(lambda one: {"identifier": one, "type": types[0]}),
    )


def quantities(*, comparators: bool = True) -> Made:
    """Return a strategy for a Quantity, with a unit or without."""
    compared: Made = picked({}, {}, {}, {"comparator": "<"}, {"comparator": ">="})
    return st.builds(
        lambda number, unit, more: {"value": number} | unit | more,
        picked(*NUMBERS), picked(*UNITS), compared if comparators else st.just({}),
    )  # fmt: skip


def _range(low: Decimal, width: Decimal, unit: Json, ends: str) -> Json:
    made = {"low": {"value": low} | unit, "high": {"value": low + width} | unit}
    return {name: end for name, end in made.items() if name in ends}


ranges: Made = st.builds(
    _range, picked(*NUMBERS), picked(Decimal(0), Decimal("4.5"), Decimal(100)), picked(*UNITS),
    picked("low high", "low high", "low", "high"),
)  # fmt: skip
concepts: Made = st.one_of(
    some(picked(*CODINGS)).map(lambda some_: {"coding": some_}),
    picked(*WORDS).map(lambda text: {"text": text}),
    st.builds(lambda one, text: {"coding": [one], "text": text}, picked(*CODINGS), picked(*WORDS)),
)
sampled: Made = st.builds(
    lambda origin: {"origin": origin, "period": Decimal(10), "dimensions": 1, "data": "2 4 U"},
    quantities(comparators=False),
)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "Quantity": quantities(), "CodeableConcept": concepts, "String": picked(*WORDS),
    "Boolean": st.booleans(), "Integer": picked(0, 5, 100), "Range": ranges,
    "Ratio": st.just({"numerator": {"value": Decimal(1)}, "denominator": {"value": Decimal(128)}}),
    "SampledData": sampled, "Time": picked("10:00:00", "23:59:59"), "DateTime": picked(*DATES),
    "Period": picked(*PERIODS),
}  # fmt: skip


def choice(name: str, kinds: Mapping[str, st.SearchStrategy[Any]]) -> Made:
    """Return a strategy for one of the forms of a choice, or none of it."""
    forms = [st.fixed_dictionaries({name + kind: values}) for kind, values in kinds.items()]
    if "Quantity" in kinds:  # the form most is to be said of
        forms += forms[:1] * 4
    return st.one_of(*forms, st.just({}))


def made(kind: str, always: Mapping[str, Any], maybe: Mapping[str, Any], *more: Made) -> Made:
    """Return a strategy for a resource; `more` are objects with further elements of it."""
    about = {
        "profile": some(picked(*PROFILES)),
        "source": picked("urn:x:a", "http://acme.example/feed/1"),
        "tag": some(picked(*CODINGS[:5])),
    }
    meta = st.fixed_dictionaries({"lastUpdated": picked(*MOMENTS)}, optional=about)
    body = st.fixed_dictionaries(
        {"resourceType": st.just(kind), "meta": meta, **always}
        | {name: st.one_of(st.none(), values, values, values) for name, values in maybe.items()}
    )
    return st.tuples(body, *more).map(_together)


def _together(parts: tuple[Json, ...]) -> Json:
    return {
        name: value for part in parts for name, value in part.items() if value is not None
    }  # fmt: skip


PEOPLE: dict[str, Any] = {
    "identifier": some(picked(*IDENTIFIERS)), "active": st.booleans(),
    "name": some(picked(*NAMES)), "telecom": some(picked(*TELECOMS)),
    "address": some(picked(*ADDRESSES)), "gender": picked("male", "female", "other", "unknown"),
    "birthDate": picked("1990", "1990-03", "1990-03-14", "2025-12-31"),
}  # fmt: skip
patients = made(
    "Patient", {},
    PEOPLE | {"managingOrganization": reference("Organization"),
              "generalPractitioner": some(reference("Practitioner", "Organization"))},
    choice("deceased", {"Boolean": st.booleans(), "DateTime": picked(*DATES)}),
)  # fmt: skip
practitioners = made("Practitioner", {}, PEOPLE)
organizations = made(
    "Organization", {"name": picked("第一医院", "Hôpital Saint-Luc", "City Clinic", "Café Clinic")},
    {"alias": some(picked("一院", "St. Luke")), "partOf": reference("Organization"),
     "identifier": some(picked(*IDENTIFIERS[:2])), "type": some(concepts),
     "address": some(picked(ADDRESSES[1], ADDRESSES[2]))},
)  # fmt: skip
locations = made(
    "Location", {},
    {"name": picked(*WORDS), "status": picked("active", "suspended"),
     "partOf": reference("Location"),
     "managingOrganization": reference("Organization"),
     "position": picked(
         {"latitude": Decimal("31.2304"), "longitude": Decimal("121.4737")},
         {"latitude": Decimal("31.2397"), "longitude": Decimal("121.4998")},
         {"latitude": Decimal("-17.7134"), "longitude": Decimal("179.99")},
         {"latitude": Decimal("-17.7134"), "longitude": Decimal("-179.99")})},
)  # fmt: skip
encounters = made(
    "Encounter",
    {"status": picked("planned", "in-progress", "finished"),
     "class": picked({"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                     {"code": "IMP", "display": "inpatient encounter"})},
    {"subject": reference("Patient"), "period": picked(*PERIODS), "type": some(concepts),
     "length": picked({"value": Decimal(30), "system": UCUM, "code": "min", "unit": "min"},
                      {"value": Decimal("0.50"), "system": UCUM, "code": "h", "unit": "h"}),
     "serviceProvider": reference("Organization"), "partOf": reference("Encounter"),
     "participant": some(st.fixed_dictionaries({"individual": reference("Practitioner")})),
     "location": some(st.fixed_dictionaries(
         {"location": reference("Location")}, optional={"period": picked(*PERIODS)}))},
)  # fmt: skip
AGES = {"value": Decimal(30), "system": UCUM, "code": "a", "unit": "岁"}
conditions = made(
    "Condition",
    {"subject": reference("Patient"),
     "clinicalStatus": picked("resolved", "inactive").map(
         lambda code: {"coding": [{"system": CLINICAL, "code": code}]})},
    {"code": concepts, "category": some(concepts), "encounter": reference("Encounter"),
     "recordedDate": picked(*DATES), "asserter": reference("Practitioner", "Patient")},
    choice("onset", {"DateTime": picked(*DATES), "Period": picked(*PERIODS), "Range": ranges,
                     "String": picked(*WORDS),
                     "Age": picked(AGES, AGES | {"value": Decimal("30.0")})}),
    choice("abatement", {"DateTime": picked(*DATES), "String": picked(*WORDS),
                         "Age": st.just(AGES)}),
)  # fmt: skip
components = st.tuples(
    st.fixed_dictionaries({"code": concepts}), choice("value", VALUES)
).map(lambda parts: parts[0] | parts[1])  # fmt: skip


def _observed(one: Json) -> Json:
    """Keep obs-7: a component with the Observation's own code stands in for its value."""
    own = {_key(each) for each in one["code"].get("coding", ())}
    kept = [
        part for part in one.get("component", ())
        if not own & {_key(each) for each in part["code"].get("coding", ())}
    ]  # fmt: skip
    rest = {name: value for name, value in one.items() if name != "component"}
    return rest | ({"component": kept} if kept else {})


def _key(coding: Json) -> tuple[Any, Any]:
    return coding.get("system"), coding.get("code")


observations = made(
    "Observation",
    {"status": picked("final", "preliminary", "amended"), "code": concepts},
    {"subject": reference("Patient", "Location"), "encounter": reference("Encounter"),
     "performer": some(reference("Practitioner", "Organization")), "category": some(concepts),
     "hasMember": some(reference("Observation")), "component": some(components),
     "identifier": some(picked(*IDENTIFIERS))},
    choice("value", VALUES),
    choice("effective", {"DateTime": picked(*DATES), "Period": picked(*PERIODS),
                         "Timing": picked(*TIMINGS), "Instant": picked(*MOMENTS)}),
).map(_observed)  # fmt: skip
reports = made(
    "DiagnosticReport", {"status": picked("final", "partial"), "code": concepts},
    {"subject": reference("Patient"), "encounter": reference("Encounter"),
     "result": some(reference("Observation")), "issued": picked(*MOMENTS),
     "performer": some(reference("Practitioner", "Organization")),
     "conclusionCode": some(concepts)},
    choice("effective", {"DateTime": picked(*DATES), "Period": picked(*PERIODS)}),
)  # fmt: skip
predictions = choice(
    "probability",
    {"Decimal": picked(*(Decimal(text) for text in ("0.5", "0.50", "0.1", "72.5", "100"))),
     "Range": st.just({"low": {"value": Decimal("0.4")}, "high": {"value": Decimal("0.6")}})},
)  # fmt: skip
risks = made(
    "RiskAssessment", {"status": st.just("final"), "subject": reference("Patient")},
    {"prediction": some(predictions.map(lambda one: one | {"rationale": "见上"}))},
    choice("occurrence", {"DateTime": picked(*DATES), "Period": picked(*PERIODS)}),
)  # fmt: skip
variants = st.builds(
    lambda start, size: {"start": start, "end": start + size}, picked(5, 100), picked(0, 5)
)
sequences = made(
    "MolecularSequence", {"coordinateSystem": picked(0, 1)},
    {"patient": reference("Patient"), "variant": some(variants), "type": picked("dna", "rna"),
     "referenceSeq": st.builds(
         lambda chromosome, start: {"chromosome": {"coding": [chromosome]}, "windowStart": start,
                                    "windowEnd": start + 10, "genomeBuild": "GRCh 38",
                                    "strand": "watson"},
         picked(*CODINGS[:4]), picked(5, 100))},
)  # fmt: skip
invoices = made(
    "Invoice", {"status": picked("issued", "draft")},
    {"subject": reference("Patient"), "date": picked(*DATES),
     "totalNet": st.builds(lambda value, of: {"value": value} | of, picked(*NUMBERS),
                           picked({"currency": "CNY"}, {"currency": "USD"}, {}))},
)  # fmt: skip
KINDS: Mapping[str, Made] = {
    "Organization": organizations, "Practitioner": practitioners, "Patient": patients,
    "Location": locations, "Encounter": encounters, "Condition": conditions,
    "Observation": observations, "DiagnosticReport": reports, "RiskAssessment": risks,
    "MolecularSequence": sequences, "Invoice": invoices,
}  # fmt: skip
LEAST = {"RiskAssessment": 0, "MolecularSequence": 0, "Invoice": 0, "Observation": 2, "Patient": 2}
"""How many of a kind a town has at least, where it is not one."""


def _numbered(kinds: tuple[list[Json], ...]) -> list[Json]:
    return [
        one | {"id": f"{IDS[one['resourceType']]}{number}"}
        for kind in kinds
        for number, one in enumerate(kind)
    ]


def resources() -> st.SearchStrategy[list[Json]]:
    """Return a strategy for a small town's resources, of every kind here, linked to each other."""
    return st.tuples(
        *(
            st.lists(kind, min_size=LEAST.get(name, 1), max_size=COUNT_MAX)
            for name, kind in KINDS.items()
        )
    ).map(_numbered)
