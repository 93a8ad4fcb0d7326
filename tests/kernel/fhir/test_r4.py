"""R4's own rules: each kind of fault is found where it is, and nothing right is refused."""

from __future__ import annotations

import copy
import random
from decimal import Decimal
from typing import Any

import fhirkit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel import fhir
from citycare.kernel.fhir.definitions import structures
from citycare.kernel.fhir.r4 import RESOURCES, compartments, faults, parameters
from citycare.kernel.fhir.r4.narrative import is_narrative
from citycare.kernel.fhir.r4.primitives import CHECKS
from citycare.kernel.fhir.r4.shapes import SEEN_LENGTH_MAX, SEEN_MAX, shape

Json = dict[str, Any]

DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>血压 <b>120/80</b></p></div>'
OBSERVATION: Json = {
    "resourceType": "Observation",
    "id": "o-1",
    "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/vitalsigns"]},
    "text": {"status": "generated", "div": DIV},
    "contained": [{"resourceType": "Patient", "id": "p", "name": [{"text": "示例"}]}],
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}], "text": "血压"},
    "subject": {"reference": "#p"},
    "performer": [{"reference": "Practitioner/d"}],
    "effectivePeriod": {"start": "2026-11", "end": "2026-11-29T08:00:00+08:00"},
    "_issued": {"extension": [{"url": "urn:why", "valueCode": "unknown"}]},
    "component": [
        {
            "code": {"text": "收缩压"},
            "valueQuantity": {
                "value": Decimal("120.50"),
                "unit": "mmHg",
                "system": "http://unitsofmeasure.org",
                "code": "mm[Hg]",
            },
        },
        {"code": {"text": "舒张压"}, "dataAbsentReason": {"text": "没量"}},
    ],
}

BROKEN: list[tuple[Json, str, str]] = [
    ({"colour": "red"}, "Observation.colour", "unknown"),
    ({"status": None}, "Observation.status", "value"),
    ({"status": "done"}, "Observation.status", "code"),
    ({"status": ["final"]}, "Observation.status", "single"),
    ({"code": "85354-9"}, "Observation.code", "type"),
    ({"code": {}}, "Observation.code", "empty"),
    ({"performer": {"reference": "Patient/1"}}, "Observation.performer", "array"),
    ({"performer": []}, "Observation.performer", "empty"),
    ({"valueString": ""}, "Observation.valueString", "value"),
    ({"valueString": "x", "valueBoolean": True}, "Observation.value", "choice"),
    ({"effectiveDateTime": "2026"}, "Observation.effective", "choice"),
    ({"valueInteger": True}, "Observation.valueInteger", "value"),
    ({"valueInteger": 2**31}, "Observation.valueInteger", "value"),
    ({"valueDecimal": 1}, "Observation.valueDecimal", "unknown"),
    ({"issued": "2026-02-30T08:00:00Z"}, "Observation.issued", "value"),
    ({"performer": [{"reference": "Slot/1"}]}, "Observation.performer[0].reference", "target"),
    ({"performer": [{"reference": "nobody"}]}, "Observation.performer[0].reference", "reference"),
    ({"subject": {"reference": "#q"}}, "Observation.subject.reference", "contained"),
    ({"text": {"status": "generated", "div": "<p>x</p>"}}, "Observation.text.div", "value"),
    ({"extension": [{"url": "urn:x"}]}, "Observation.extension[0]", "ext-1"),
    ({"dataAbsentReason": {"text": "x"}, "valueString": "x"}, "Observation", "obs-6"),
    (
        {"effectivePeriod": {"start": "2026-12", "end": "2026-11"}},
        "Observation.effectivePeriod",
        "per-1",
    ),
    (
        {"subject": {"display": "x"}},
        "Observation.contained[0]",
        "dom-3",
    ),
    (
        {"contained": [{"resourceType": "Patient", "id": "p", "meta": {"versionId": "1"}}]},
        "Observation.contained[0].versionId",
        "dom-4",
    ),
]


def test_what_is_right_has_no_fault() -> None:
    assert faults(OBSERVATION) == []


@pytest.mark.parametrize(("change", "place", "code"), BROKEN)
def test_each_fault_is_found_where_it_is(change: Json, place: str, code: str) -> None:
    assert (place, code) in [(one.place, one.code) for one in faults(OBSERVATION | change)]


@pytest.mark.parametrize("missing", ["status", "code"])
def test_what_must_be_there_is_missed(missing: str) -> None:
    broken = {name: value for name, value in OBSERVATION.items() if name != missing}
    assert [(one.place, one.code) for one in faults(broken)] == [
        (f"Observation.{missing}", "required")
    ]


def test_a_primitive_may_be_there_by_its_extensions_alone() -> None:
    extra = {"extension": [{"url": "urn:why", "valueCode": "unknown"}]}
    given_ = {name: value for name, value in OBSERVATION.items() if name != "status"}
    assert faults(given_ | {"_status": extra}) == []
    name = {"given": [None, "小红"], "_given": [extra, None]}
    patient = {"resourceType": "Patient", "name": [name]}
    assert faults(patient) == []
    name["_given"] = [None, None]
    assert {one.code for one in faults(patient)} == {"value", "empty"}


def test_what_a_bundle_carries_has_its_own_contained_resources() -> None:
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": copy.deepcopy(OBSERVATION)} for _ in range(2)],
    }
    assert faults(bundle) == []
    bundle["entry"][1]["resource"].pop("contained")
    assert [(one.place, one.code) for one in faults(bundle)] == [
        ("Bundle.entry[1].resource.subject.reference", "contained")
    ]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            "decimal",
            [0, Decimal("1.00"), Decimal("-1E-9")],
            ["1", True, Decimal("NaN"), float("inf")],
        ),
        ("date", ["2026", "2026-02", "2024-02-29"], ["2026-2", "2026-02-29", "0000", "26", 2026]),
        ("dateTime", ["2026", "2026-01-01T00:00:00Z"], ["2026-01-01T00:00Z", "2026-01-01T00:00"]),
        ("instant", ["2026-01-01T00:00:00.123+08:00"], ["2026-01-01", "2026-01-01T25:00:00Z"]),
        ("time", ["23:59:59", "00:00:00.5"], ["24:00:00", "1:00:00", "12:00"]),
        ("code", ["a", "a b"], [" a", "a  b", "a\tb", ""]),
        ("id", ["A-1.b"], ["a_b", "x" * 65, ""]),
        ("uri", ["urn:x", "中"], ["a b", ""]),
        ("oid", ["urn:oid:1.2.3"], ["1.2.3", "urn:oid:3.1"]),
        ("uuid", ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"], ["c757873d"]),
        ("base64Binary", ["YWI=", "YW Jj"], ["YWI", "*"]),
        ("positiveInt", [1], [0, -1, "1"]),
        ("string", ["字\n行\t列"], ["", "  ", "a\x00", 1]),
    ],
)
def test_primitives(kind: str, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not CHECKS[kind](value)] == []
    assert [value for value in bad if CHECKS[kind](value)] == []


@pytest.mark.parametrize(
    "text",
    [
        "<div>x</div>",
        DIV.replace("<p>", "<script>").replace("</p>", "</script>"),
        DIV.replace("<b>", '<b onclick="x()">'),
        DIV.replace("<b>", "<b"),
        '<div xmlns="http://www.w3.org/1999/xhtml"> </div>',
        '<!DOCTYPE x [<!ENTITY e "x">]>' + DIV,
        '<div xmlns="http://www.w3.org/1999/xhtml"><a href="javascript:x()">x</a></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml">' + "<p>" * 200 + "x" + "</p>" * 200 + "</div>",
    ],
)
def test_a_narrative_is_harmless(text: str) -> None:
    assert is_narrative(DIV)
    assert is_narrative(DIV.replace(" <b>", "&nbsp;<b>"))
    assert not is_narrative(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "code", "coding", "value", "id", "extension", "_id", "url"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(OBSERVATION)), json_values)
def test_no_json_breaks_the_check(name: str, value: Any) -> None:
    for one in faults(OBSERVATION | {name: value}):
        assert one.place.startswith(("Observation", "resourceType"))
        assert one.code


def test_every_type_is_known_with_its_shapes_parameters_and_compartments() -> None:
    assert len(RESOURCES) == 146
    for name in RESOURCES:
        assert shape(name).resource
    assert set(parameters()) - RESOURCES == {"Resource", "DomainResource"}
    assert set(compartments()) == {
        "Patient",
        "Encounter",
        "RelatedPerson",
        "Practitioner",
        "Device",
    }
    assert compartments()["Patient"]["Observation"] == ["subject", "performer"]


# What is wrong with official examples, by their own definitions.
NO_BASE = "an extension's search parameter without the type it is for"
EMPTY = "a narrative without a word"
OTHER_TARGET = "refers to a type its definition does not name"
KNOWN = {
    "ActivityDefinition-blood-tubes-supply": EMPTY,
    "ActivityDefinition-heart-valve-replacement": EMPTY,
    "EventDefinition-example": EMPTY,
    "Questionnaire-zika-virus-exposure-assessment": EMPTY,
    "CodeSystem-v2-0550": "codes that end in a no-break space",
    "DeviceMetric-example": OTHER_TARGET,
    "DeviceUseStatement-example": OTHER_TARGET,
    "MedicationRequest-medrx0301": OTHER_TARGET,
    "Observation-clinical-gender": OTHER_TARGET,
    "ImplementationGuide-fhir": "no name, no status, and the id of 79 characters",
    "ig-r4": "the same guide again",
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject":
        "an id of 79 characters; R4 allows 64",
    "Questionnaire-qs1": "items without linkId",
    **{
        f"SearchParameter-{kind.lower()}-extensions-{kind}-{name}": NO_BASE
        for kind in ("CodeSystem", "ValueSet")
        for name in ("author", "effective", "end", "keyword", "workflow")
    },
    **{
        f"StructureDefinition-{name}": "a logical model without baseDefinition (sdf-4)"
        for name in ("Definition", "Event", "FiveWs", "Request")
    },
    **{
        f"TestScript-testscript-example{name}": "more than one assertion in one action (tst-5)"
        for name in ("", "-history", "-search", "-update")
    },
}  # fmt: skip


@pytest.mark.outside_data
def test_official_examples_are_right_but_for_what_is_known(
    examples: list[tuple[str, str]],
) -> None:
    wrong = set()
    for name, text in examples:
        resource = fhir.loads(text)
        if "resourceType" in resource and any(not one.warning for one in faults(resource)):
            wrong.add(name.rpartition("/")[2].removesuffix(".json"))
    assert wrong == set(KNOWN)


# --- against another validator: what it refuses we refuse too


def _holders(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [value] if isinstance(value, dict | list) and value else []
    return found + [each for one in inner for each in _holders(one)]


def _broken(resource: Json, dice: random.Random) -> Json:
    """Change one thing somewhere; what comes out may be right or wrong."""
    holder = dice.choice(_holders(resource))
    key = dice.randrange(len(holder)) if isinstance(holder, list) else dice.choice(list(holder))
    change: Any = dice.choice(("drop", "rename", None, "x y", 7, {}, [], {"a": 1}, "2026-02-30"))
    if change == "drop":
        del holder[key]
    elif change == "rename" and isinstance(holder, dict):
        holder["zz"] = holder.pop(key)
    else:
        holder[key] = change
    return resource


@pytest.mark.outside_data
def test_what_another_validator_refuses_is_refused(examples: list[tuple[str, str]]) -> None:
    dice = random.Random(4)
    small = [text for _, text in examples if len(text) < 20_000 and '"resourceType"' in text]
    refused = 0
    for text in dice.sample(small, 1_500):
        resource = _broken(fhir.loads(text), dice)
        if not isinstance(resource.get("resourceType"), str):
            continue
        theirs = [one for one in fhirkit.validate(fhir.dumps(resource)) if one.severity == "error"]
        refused += bool(theirs)
        if theirs:
            assert any(not one.warning for one in faults(resource)), (theirs[0], resource)
    assert refused > 500


def test_what_was_right_before_is_remembered_for_its_type_alone_and_within_bounds() -> None:
    basic: Json = {"resourceType": "Basic", "id": "b"}
    code = shape("Basic").fields["language"]  # a code that no table binds
    for number in range(SEEN_MAX + 10):
        assert not [one for one in faults(basic | {"language": f"c{number}", "code": {"text": "x"}})
                    if not one.warning]  # fmt: skip
    assert 0 < len(code.seen) <= SEEN_MAX
    text = "a b c" * SEEN_LENGTH_MAX
    assert not faults(basic | {"code": {"text": text}})
    assert text not in shape("CodeableConcept").fields["text"].seen
    for name, value in (("created", f"c{SEEN_MAX}"), ("implicitRules", "x y"), ("id", "x y")):
        assert not faults(basic | {"code": {"text": value}})
        assert [one.place for one in faults(basic | {"code": {"text": "x"}, name: value})] == [
            f"Basic.{name}"
        ]


# --- the tables are R4's: what the package of definitions has put into its snapshots is left out


@pytest.mark.parametrize(
    ("kind", "absent", "present"),
    [
        ("Meta", "project", "versionId"),
        ("Meta", "compartment", "tag"),
        ("Binary", "url", "data"),
        ("ResearchStudy", "label", "title"),
        ("EvidenceVariable.characteristic", "linkId", "definitionReference"),
    ],
)
def test_elements_of_other_versions_are_unknown(kind: str, absent: str, present: str) -> None:
    assert present in shape(kind).fields
    assert absent not in shape(kind).fields


def test_definitions_of_other_versions_do_not_hold() -> None:
    assert "ResearchStudy.label" not in structures()
    assert shape("Bundle.entry.response").fields["outcome"].type == "Resource"
    allowed = shape("DetectedIssue").fields["status"].allowed
    assert allowed is not None
    assert "amended" in allowed["http://hl7.org/fhir/observation-status"]
