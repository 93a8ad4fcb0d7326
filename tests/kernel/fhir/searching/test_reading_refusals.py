"""What a query does not say clearly is refused, with the parameter's name; and limits hold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir.searching.criteria import known
from citycare.kernel.fhir.searching.model import Criterion, Link, Query
from citycare.kernel.fhir.searching.reading import read
from tests.conftest import NOW


def asked(kind: str, *pairs: tuple[str, str], lenient: bool = False) -> Query:
    return read(kind.split(), pairs, now=NOW, lenient=lenient)


UNKNOWN = [
    ("Patient", "favourite-colour"), ("Patient", ""), ("Patient", "Name"), ("Slot", "patient"),
    ("Patient", "_text"), ("Patient", "_filter"), ("Patient", "_query"), ("Patient", "_contained"),
    ("Patient", "_containedType"), ("Patient", "_list"), ("Patient", "_score"), ("Patient", "_has"),
    ("Patient", "_has:"), ("Patient", "_has:Observation"), ("Patient", "_has:Observation:patient"),
    ("Patient", "_has:Observation:patient:"), ("Patient", "_has:Observation:code:status"),
    ("Patient", "_has:Table:patient:status"), ("Patient", "_has:Observation:nobody:status"),
    ("Patient", "_has:Observation:encounter:status"), ("Patient", "_has:Observation:patient:x"),
    ("Patient", "name.x"), ("Patient", "organization."), ("Patient", ".name"),
    ("Patient", "organization.nothing"), ("Observation", "subject.nothing"),
    ("Observation", "subject:Patient.nothing"), ("Observation", "subject.._id"),
    ("Patient", "organization._content"), ("Patient", "organization._sort"),
    ("Patient", "organization._type"), ("Patient", "_format.x"), ("Medication", "subject"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), UNKNOWN)
def test_unknown_parameters_are_refused_or_passed_over_if_the_client_says_so(
    kind: str, name: str
) -> None:
    with pytest.raises(fhir.ParameterUnknown) as error:
        asked(kind, (name, "x"))
    assert error.value.facts["parameter"] == name
    query = asked(kind, ("_id", "1"), (name, "x"), lenient=True)
    assert query.unknown == (name,)
    assert len(query.criteria) == 1


MODIFIERS = [
    ("Patient", "name:"), ("Patient", "name:text"), ("Patient", "name:Patient"),
    ("Patient", "name:EXACT"), ("Patient", "name:exact:contains"), ("Patient", "gender:exact"),
    ("Patient", "birthdate:not"), ("Patient", "organization:Patient"),
    ("Patient", "organization:below"), ("Observation", "subject:identifier.value"),
    ("Observation", "subject:Slot.status"), ("Observation", "subject:missing.name"),
    ("Observation", "subject.name:below"), ("Observation", "value-quantity:exact"),
    ("Observation", "code-value-quantity:missing"), ("Location", "near:exact"),
    ("ValueSet", "url:contains"), ("Patient", "_count:x"), ("Patient", "_sort:asc"),
    ("Patient", "_content:exact"), ("Patient", "_include:recurse"),
    ("Patient", "_elements:iterate"),
    ("Patient", "_has:Observation:patient:code:exact"),
]  # fmt: skip


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(("kind", "name"), MODIFIERS)
def test_modifiers_that_do_not_fit_are_always_refused(
    kind: str,
    name: str,
    lenient: bool,  # noqa: FBT001
) -> None:
    with pytest.raises(fhir.ParameterUnknown) as error:
        asked(kind, (name, "x"), lenient=lenient)
    assert error.value.facts["parameter"] == name


VALUES = [
    ("Patient", "name", " "), ("Patient", "name", ","), ("Patient", "name", "a,,b"),
    ("Patient", "name", "·."), ("Patient", "name", "a\\"), ("Patient", "name", r"a\b"),
    ("Patient", "name:exact", "　"), ("Patient", "name", "a\x00"), ("Patient", "name", "\ud800"),
    ("Patient", "name:missing", "yes"), ("Patient", "name:missing", "true,false"),
    ("Patient", "identifier", "|"), ("Patient", "identifier", "a|b|c"),
    ("Patient", "identifier:of-type", "a|b"), ("Patient", "identifier:of-type", "a||c"),
    ("Condition", "code:below", "urn:s|"), ("Patient", "_id", "urn:s|1"), ("Patient", "_id", "a b"),
    ("Patient", "_id", "x" * 65), ("Patient", "organization", "Patient/1"),
    ("Patient", "organization", "Table/1"), ("Patient", "organization", "Organization/"),
    ("Patient", "organization", "#x"), ("Patient", "organization", "a b"),
    ("Patient", "organization", "Organization/1/_history"), ("Patient", "organization", "urn:"),
    ("Observation", "subject:Patient", "Group/1"), ("Patient", "birthdate", "yesterday"),
    ("Patient", "birthdate", "2026-13"), ("Patient", "birthdate", "2026-02-30"),
    ("Patient", "birthdate", "26-02-03"), ("Patient", "birthdate", "xx2026"),
    ("Patient", "birthdate", "ge"), ("Patient", "birthdate", "2026-01-01T10"),
    ("Patient", "birthdate", "2026-01-01T25:00"), ("Patient", "birthdate", "２０２６"),
    ("Patient", "birthdate", "0000"), ("Patient", "birthdate", "0001-01-01"),
    ("Patient", "birthdate", "9999-12-32"),
    ("Patient", "birthdate", "9999-12-31T23:59:59-08:00"),
    ("Patient", "birthdate", "2026-01-01T10:00:00+99:99"), ("Patient", "birthdate", "GE2026"),
    ("RiskAssessment", "probability", "x"), ("RiskAssessment", "probability", "1e"),
    ("RiskAssessment", "probability", "NaN"), ("RiskAssessment", "probability", "Infinity"),
    ("RiskAssessment", "probability", "1e999"), ("RiskAssessment", "probability", "1_0"),
    ("RiskAssessment", "probability", ".5"), ("RiskAssessment", "probability", "1,"),
    ("RiskAssessment", "probability", "1" * 101), ("RiskAssessment", "probability", "１"),
    ("Observation", "value-quantity", "||mg"), ("Observation", "value-quantity", "5.4|mg"),
    ("Observation", "value-quantity", "5|a|b|c"), ("Observation", "code-value-quantity", "x"),
    ("Observation", "code-value-quantity", "x$"), ("Observation", "code-value-quantity", "x$1$2"),
    ("Observation", "code-value-quantity", "x$y"), ("Location", "near", "1"),
    ("Location", "near", "91|0"), ("Location", "near", "0|181"), ("Location", "near", "0|0|-1"),
    ("Location", "near", "0|0|1|ly"), ("Location", "near", "0|0|1|m|x"),
    ("Location", "near", "a|b"),
    ("ValueSet", "url", " "), ("Patient", "_count", "-1"), ("Patient", "_count", "1e9"),
    ("Patient", "_count", "٣"), ("Patient", "_total", "some"), ("Patient", "_summary", "TRUE"),
    ("Patient", "_sort", "nothing"), ("Patient", "_sort", "name,,_id"),
    ("Patient", "_sort", "--name"),
    ("Location", "_sort", "near"), ("Observation", "_sort", "code-value-date"),
    ("Patient", "_sort", "_score"), ("Patient", "_elements", "colour"),
    ("Patient", "_elements", "name.given"), ("Patient", "_elements", "name,"),
    ("Patient", "_include", "Patient"), ("Patient", "_include", "Table:x"),
    ("Patient", "_include", "Patient:name"),
    ("Patient", "_include", "Patient:organization:Patient"),
    ("Patient", "_include", "Patient:organization:"), ("Patient", "_include", "a,b"),
    ("Patient", "_revinclude", "Observation:subject:Slot"), ("Patient", "_content", "a,b"),
    ("Patient", "_content", "..."), ("Patient", "_content", "\t"), ("Patient", "_type", "Table"),
    ("Patient", "_type", "Slot"), ("Patient", "_type", "Patient,"),
    ("Encounter", "subject.birthdate", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "text"), VALUES)
def test_broken_values_are_refused_whoever_asks(kind: str, name: str, text: str) -> None:
    for lenient in (False, True):
        with pytest.raises(fhir.ValueBroken) as error:
            asked(kind, (name, text), lenient=lenient)
        assert error.value.facts["parameter"] == name
        assert str(error.value).encode()


def test_empty_values_are_refused_unless_the_client_is_lenient() -> None:
    for name in ("name", "_sort", "_count", "_type", "organization.name", "nothing"):
        with pytest.raises(fhir.ValueBroken):
            asked("Patient", (name, ""))
        assert asked("Patient", (name, ""), lenient=True).unknown == (name,)


def test_what_can_be_said_once_is_not_said_twice() -> None:
    assert asked("Patient", ("_count", "5"), ("_count", "5")).count == 5
    for name, one, other in (("_count", "5", "6"), ("_total", "none", "accurate")):
        with pytest.raises(fhir.ValueBroken):
            asked("Patient", (name, one), (name, other))


def test_types_and_compartments_must_exist() -> None:
    with pytest.raises(fhir.TypeUnknown):
        asked("patient")
    for kind, compartment, error in [
        ("Patient", ("Table", "1"), fhir.ParameterUnknown),
        ("Medication", ("Patient", "1"), fhir.ParameterUnknown),
        ("Observation", ("Patient", "a b"), fhir.ValueBroken),
    ]:
        with pytest.raises(error):
            read([kind], [], now=NOW, compartment=compartment)


def times(number: int, name: str, text: str) -> list[tuple[str, str]]:
    return [(name, text)] * number


def deep(number: int) -> str:
    return "partof:Organization." * number + "name"


AT_LIMIT: list[tuple[str, Sequence[tuple[str, str]], Sequence[tuple[str, str]]]] = [
    ("Patient", times(64, "name", "x"), times(65, "name", "x")),
    ("Patient", [("name", "x" * 10_000)], [("name", "x" * 10_001)]),
    ("Patient", [("name", ",".join("x" * 500))], [("name", ",".join("x" * 501))]),
    ("Patient", times(20, "_include", "Patient:link"), times(21, "_include", "Patient:link")),
    ("Patient", [("_sort", ",".join(["name"] * 8))], [("_sort", ",".join(["name"] * 9))]),
    ("Organization", [(deep(8), "x")], [(deep(9), "x")]),
    (
        "Organization",
        [("_has:Organization:partof:" * 8 + "name", "x")],
        [("_has:Organization:partof:" * 9 + "name", "x")],
    ),
    ("AuditEvent", times(6, "entity._id", "x"), times(7, "entity._id", "x")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "inside", "outside"), AT_LIMIT)
def test_limits_hold_to_the_one(
    kind: str, inside: Sequence[tuple[str, str]], outside: Sequence[tuple[str, str]]
) -> None:
    asked(kind, *inside)
    for lenient in (False, True):
        with pytest.raises(fhir.ValueBroken):
            asked(kind, *outside, lenient=lenient)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("entity." * 9 + "_id", "x"),
        ("entity." * 6 + "nothing", "x"),
        ("entity.entity.subject", ",".join(str(number) for number in range(500))),
        ("entity" + "." * 490, "x"),
        ("x" * 501, "x"),
        ("_has:" * 90, "x"),
    ],
)
def test_names_that_mean_everything_are_refused_soon(name: str, text: str) -> None:
    with pytest.raises((fhir.ValueBroken, fhir.ParameterUnknown)):
        asked("AuditEvent", *times(64, name, text))


def test_unknown_names_cost_little_however_many_types_they_might_be_of() -> None:
    with pytest.raises(fhir.ValueBroken):  # passed over one by one, until the attempts run out
        asked("AuditEvent", *times(64, "entity.entity.entity.nothing", "x"), lenient=True)


def test_alternatives_are_counted_over_all_types_of_a_chain() -> None:
    many = ("entity.subject", ",".join(str(number) for number in range(500)))
    asked("AuditEvent", many, many)  # 46 types have a subject
    with pytest.raises(fhir.ValueBroken):
        asked("AuditEvent", many, many, many)


def test_characters_that_cannot_be_kept_are_refused_in_names_too() -> None:
    for name in ("na\x00me", "\udfff"):
        with pytest.raises(fhir.ValueBroken) as error:
            asked("Patient", (name, "x"), lenient=True)
        assert str(error.value).encode()


def test_a_name_of_another_type_of_parameter_is_not_common() -> None:
    for one, other in itertools.permutations(("Slot", "GraphDefinition"), 2):  # date and token
        with pytest.raises(fhir.ParameterUnknown):
            asked(f"{one} {other}", ("start", "2026"))


def test_each_type_of_a_chain_leads_to_types_of_its_own() -> None:
    (found,) = asked("AuditEvent", ("entity.participant", "5")).criteria
    assert isinstance(found, Criterion)
    assert found.chain is not None
    leads = {}
    for kind, one in found.chain.criteria:
        assert isinstance(one, Criterion)
        leads[kind] = [value.types for value in one.values if isinstance(value, Link)]
    assert leads["CareTeam"] == [known(("CareTeam",))["participant"].targets]
    assert leads["Encounter"] == [known(("Encounter",))["participant"].targets]
    assert leads["CareTeam"] != leads["Encounter"]
    both = known(("Encounter", "CareTeam"))["participant"].targets
    assert both == tuple(sorted({*leads["CareTeam"][0], *leads["Encounter"][0]}))
