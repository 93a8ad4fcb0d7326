"""What holds for any Bundle: generated, hostile, large, and real ones."""

from __future__ import annotations

import bz2
import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycare.kernel import fhir
from citycare.kernel.fhir import bundles
from citycare.kernel.fhir.bundles import Kind, Method, Result
from citycare.kernel.fhir.r4 import faults
from tests.kernel.fhir.bundles.making import (
    BASE,
    PATCH,
    A,
    Json,
    binary,
    bundle,
    entry,
    linked,
    patient,
    planned,
)
from tests.kernel.fhir.conftest import DATA

SYNTHEA = DATA / "fhir" / "synthea"
METHODS = st.sampled_from(tuple(Method))
PARTS = ("", "#p", "/_history/2")


@st.composite
def transactions(draw: st.DrawFn) -> Json:
    """Entries that refer to each other at will, circles and themselves included."""
    count = draw(st.integers(1, 8))
    urls = [f"urn:uuid:0e0e0e0e-0000-4000-8000-{index:012d}" for index in range(count)]
    entries = []
    for index in range(count):
        method = draw(METHODS)
        link = st.builds("{}{}".format, st.sampled_from(urls), st.sampled_from(PARTS))
        to = [{"reference": one} for one in draw(st.lists(link, max_size=3))]
        div = f'<div><a href="{draw(st.sampled_from(urls))}"/></div>'
        resource = patient(
            generalPractitioner=to, text={"div": div},
            extension=[{"url": "urn:x", "valueUri": draw(st.sampled_from(urls))}],
        )  # fmt: skip
        made = {
            Method.POST: entry("POST", "Patient", resource),
            Method.PUT: entry("PUT", f"Patient/p{index}", resource | {"id": f"p{index}"}),
            Method.PATCH: entry("PATCH", f"Patient/p{index}", binary(PATCH)),
        }.get(method, entry(method, f"Patient/p{index}"))
        entries.append(made | {"fullUrl": urls[index]})
    return bundle(*draw(st.permutations(entries)))


RANK = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}


@given(transactions())
def test_order_holds_and_each_entry_is_one_step(asked: Json) -> None:
    plan = bundles.plan(asked, base=BASE)
    ranks = [(RANK[step.method], step.place) for step in plan.steps]
    assert ranks == sorted(ranks)
    assert sorted(step.place for step in plan.steps) == list(range(len(asked["entry"])))
    assert all(asked["entry"][step.place]["fullUrl"] == step.full_url for step in plan.steps)
    answer = bundles.response(plan, {step.place: Result(200 + step.place) for step in plan.steps})
    assert [one["response"]["status"][:3] for one in answer["entry"]] == [
        str(200 + place) for place in range(plan.count)
    ]


@given(transactions())
def test_resolution_leaves_nothing_and_can_be_undone(asked: Json) -> None:
    plan = bundles.plan(asked, base=BASE)
    told = bundles.references(plan)
    ids = {url: f"Patient/new{place}" for url, place in plan.urls.items()}
    back = {target: url for url, target in ids.items()}
    used: set[str] = set()
    for step in plan.steps:
        if step.resource is None:
            continue
        made = bundles.resolved(step.resource, ids, {})
        text = json.dumps(made)
        assert not any(url in text for url in ids)
        used |= {url for url, target in ids.items() if target in text}
        assert bundles.resolved(made, back, {}) == step.resource
        assert bundles.resolved(made, ids, {}) == made
    assert set(told.links) == used
    assert not told.missing


@given(transactions())
def test_a_plan_is_the_same_from_its_text(asked: Json) -> None:
    assert bundles.plan(fhir.loads(fhir.dumps(asked)), base=BASE) == bundles.plan(asked, base=BASE)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(
        ("", "x", "Patient", "Patient/1", "Bundle", "batch", "GET", A, "Patient?x=y", "\ud800")
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(("resourceType", "id", "request", "method", "url", "resource", "entry",
                         "reference", "subject", "text", "div", "_id", "contained", "extension")),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def _put(value: Any, path: list[int], new: Any) -> Any:
    """Replace what lies at a path; a longer path than there is depth ends where it ends."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    made: Any = copy.copy(value)
    made[key] = _put(value[key], path[1:], new)
    return made


@settings(max_examples=500)
@given(
    transactions() | st.just(bundle(entry("POST", "Observation", linked(A), fullUrl=A))),
    st.lists(st.integers(0, 7), max_size=8),
    VALUES,
    st.sampled_from(tuple(Kind)),
)
def test_whatever_comes_only_errors_of_ours_are_raised(
    asked: Json, path: list[int], new: Any, kind: Kind
) -> None:
    named: Sequence[fhir.Violation] = ()
    try:
        plan = bundles.plan(_put(asked | {"type": kind}, path, new), base=BASE)
        told = bundles.references(plan)
        ids = bundles.addresses(plan, {0: "Patient/0"})
        for step in plan.steps:
            if step.resource is not None:
                bundles.resolved(step.resource, ids, {}, root=step.root)
    except fhir.Invalid as error:
        named = error.violations
    else:
        bundles.response(plan, {step.place: Result(200) for step in plan.steps})
        assert set(told.links) <= set(plan.urls)
    assert len(named) <= 100


def test_nesting_is_limited() -> None:
    deep: Any = patient()
    for _ in range(100_000):
        deep = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": deep}]}
    with pytest.raises(fhir.Invalid) as caught:
        planned(entry("POST", "Bundle", deep))
    assert [one.code for one in caught.value.violations] == ["depth"]
    extension: Json = {"url": "urn:x", "valueReference": {"reference": A}}
    for _ in range(100_000):
        extension = {"url": "urn:x", "extension": [extension]}
    with pytest.raises(fhir.Invalid):
        bundles.resolved(patient(extension=[extension]), {A: "Patient/1"}, {})


def _large(count: int) -> Json:
    url = "urn:uuid:0e0e0e0e-0000-4000-8000-{:012d}".format
    return bundle(*(
        entry("POST", "Observation", fullUrl=url(index), resource={
            "resourceType": "Observation", "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
            "subject": {"reference": url(0)}, "encounter": {"reference": url(index // 2)},
            "valueQuantity": {"value": 72, "unit": "/min"},
        })
        for index in range(count)
    ))  # fmt: skip


def test_ten_thousand_entries_are_planned() -> None:
    assert len(bundles.plan(_large(10_000), base=BASE).steps) == 10_000


@pytest.mark.outside_data
def test_synthea_transactions_are_planned_resolved_and_right() -> None:
    if not SYNTHEA.exists():
        pytest.skip(f"outside data missing: {SYNTHEA}")
    wrong: dict[str, int] = {}
    files = sorted(SYNTHEA.glob("*.json.bz2"))
    for file in files:
        plan = bundles.plan(fhir.loads(bz2.decompress(file.read_bytes()).decode()), base=BASE)
        told = bundles.references(plan)
        assert not told.missing
        found = {text: f"{text.partition('?')[0]}/known" for text in told.conditional}
        new = {step.place: f"{step.type}/n{step.place}" for step in plan.steps}
        ids = bundles.addresses(plan, new)
        assert len(ids) == plan.count
        for step in plan.steps:
            made = bundles.resolved(step.resource or {}, ids, found, root=step.root, at=step.at)
            assert '"reference":"urn:' not in fhir.dumps(made)
            for one in faults(made):
                if not one.warning:
                    wrong[f"{one.place} {one.code}"] = wrong.get(f"{one.place} {one.code}", 0) + 1
    assert len(files) == 40
    assert wrong == {}


@pytest.mark.outside_data
def test_official_transactions_and_batches_can_be_planned(examples: list[tuple[str, str]]) -> None:
    planned_ = 0
    for _, text in examples:
        if '"Bundle"' in text and ('"transaction"' in text or '"batch"' in text):
            asked = fhir.loads(text)
            if asked.get("type") in tuple(Kind):
                plan = bundles.plan(asked, base=BASE)
                assert len(plan.steps) == plan.count
                planned_ += 1
    assert planned_ >= 6
