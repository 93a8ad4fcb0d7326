"""Whom resources belong to: found without parsing each, and the same as when each is parsed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import integrity
from citycare.kernel.fhir.finding import Visible
from citycare.kernel.fhir.integrity import persons_among, persons_named, persons_of
from citycare.kernel.fhir.model import ResourceReferenced
from tests.kernel.fhir.finding.test_plans import scans, town

__all__ = ["town"]
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


async def test_what_refers_is_looked_up_not_looked_for(town: Context) -> None:
    gone = [("Patient", "p-7"), ("Patient", "p-none")]
    values = integrity._values(gone)
    told = "EXPLAIN (ANALYZE, FORMAT JSON) " + integrity.REFERRING
    row = await (await town.db.execute(told.encode(), values)).fetchone()
    assert row is not None
    parts = list(scans(row["QUERY PLAN"][0]["Plan"]))
    assert [one["Node Type"] for one in parts] == ["Bitmap Heap Scan"]
    with pytest.raises(ResourceReferenced) as refused:
        await integrity.require_unreferenced(town, gone[::-1], Visible(everything=True))
    by = {"Observation/o-7-0", "Observation/o-7-1"}
    assert refused.value.facts["id"] == "p-7"
    assert set(str(refused.value.facts["by"]).split()) == by
    await integrity.require_unreferenced(town, gone[1:], Visible(everything=True))
