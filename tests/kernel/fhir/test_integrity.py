"""Whom resources belong to: found without parsing each, and the same as when each is parsed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel import fhir
from citycare.kernel.fhir.integrity import persons_among, persons_named, persons_of

Json = dict[str, Any]
IDS = st.sampled_from(("p-1", "p-2", "p-3", "00000000-0000-4000-8000-000000000001"))
FORMS = st.sampled_from(
    ("Patient/{}", "Patient/{}/_history/2", "https://elsewhere.example/Patient/{}", "Group/{}")
)
WORDS = st.sampled_from(("", "see Patient/p-2", '"reference":"Patient/p-3"', "合成"))
REFERENCES = st.builds(lambda form, id_: {"reference": form.format(id_)}, FORMS, IDS)


@st.composite
def resources(draw: st.DrawFn) -> Json:
    kind = draw(st.sampled_from(("Patient", "Observation", "Appointment", "Organization", "Task")))
    made: Json = {"resourceType": kind, "id": draw(IDS), "alias": [draw(WORDS)]}
    if kind == "Observation":
        made |= {"subject": draw(REFERENCES), "focus": [draw(REFERENCES)]}
    if kind == "Appointment":
        made["participant"] = [{"actor": draw(REFERENCES)}, {"actor": draw(REFERENCES)}]
    if kind == "Task":
        made |= {"for": draw(REFERENCES), "input": [{"valueReference": draw(REFERENCES)}]}
    return made


@given(st.lists(resources(), max_size=6))
def test_they_are_those_of_each_resource_by_itself(some: list[Json]) -> None:
    stored = [(one["resourceType"], one["id"], fhir.dumps(one)) for one in some]
    assert persons_among(stored) == set().union(*map(persons_named, some))


def test_what_belongs_to_no_patient_names_all_it_refers_to() -> None:
    task = {"resourceType": "Task", "for": {"reference": "Patient/p-1"}}
    assert (persons_named(task), persons_of(task)) == ({"p-1"}, set())
    about = {"resourceType": "Observation", "focus": [{"reference": "Patient/p-2"}]}
    assert persons_named(about) == persons_of(about) == set()
