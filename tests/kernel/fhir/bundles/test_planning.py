"""What a batch or transaction asks, in which order, and what it is answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir import bundles
from citycare.kernel.fhir.bundles import Kind, Result
from citycare.kernel.fhir.r4 import faults
from tests.kernel.fhir.bundles.making import (
    BASE,
    OTHER,
    PATCH,
    A,
    Json,
    binary,
    bundle,
    entry,
    patient,
    planned,
)


def test_steps_come_in_the_prescribed_order_with_their_places() -> None:
    plan = planned(
        entry("GET", "/Patient?name=%E5%B0%8F"),
        entry("PUT", "Patient/1", patient(id="1"), ifMatch='W/"3"'),
        entry("POST", "Patient", patient(), fullUrl=A, ifNoneExist="Patient?identifier=x|1"),
        entry("PATCH", "Patient/2", binary(PATCH)),
        entry("DELETE", "Patient?identifier=x|2"),
        entry("HEAD", f"{BASE}/Patient/3/_history/4", ifNoneMatch='W/"4"'),
        entry("POST", "Patient/$match", {"resourceType": "Parameters"}),
    )
    assert [step.place for step in plan.steps] == [4, 2, 6, 1, 3, 0, 5]
    by_place = {step.place: step for step in plan.steps}
    assert (by_place[1].id, by_place[1].if_match) == ("1", "3")
    assert by_place[2].if_none_exist == "identifier=x|1"
    assert by_place[3].patch == tuple(PATCH)
    assert (by_place[4].type, by_place[4].query) == ("Patient", "identifier=x|2")
    assert (by_place[5].id, by_place[5].rest, by_place[5].if_none_match) == ("3", "_history/4", "4")
    assert (by_place[6].rest, by_place[6].writes) == ("$match", False)
    assert plan.urls == {A: 2}


@pytest.mark.parametrize(
    ("method", "url", "type_", "id_", "rest"),
    [
        ("GET", "Patient/1", "Patient", "1", ""),
        ("GET", "Patient/1/_history", "Patient", "1", "_history"),
        ("GET", "Patient/_history?_since=2026", "Patient", "", "_history"),
        ("GET", "_history", "", "", "_history"),
        ("GET", "metadata", "", "", "metadata"),
        ("GET", "?_type=Patient", "", "", ""),
        ("GET", "Patient/1/$everything", "Patient", "1", "$everything"),
        ("GET", "Patient/1/Observation?code=x", "Patient", "1", "Observation"),
        ("GET", "Patient/1/*", "Patient", "1", "*"),
        ("POST", "Patient/_search?name=x", "Patient", "", "_search"),
        ("POST", "$export", "", "", "$export"),
        ("DELETE", "/Patient/1", "Patient", "1", ""),
    ],
)
def test_addresses_are_taken_apart(method: str, url: str, type_: str, id_: str, rest: str) -> None:
    (step,) = planned(entry(method, url)).steps
    assert (step.type, step.id, step.rest) == (type_, id_, rest)


BROKEN: list[tuple[Any, str, str]] = [
    ("x", "", "type"),
    ({}, "request", "required"),
    ({"request": []}, "request", "type"),
    ({"request": {}}, "request.method", "required"),
    ({"request": {"method": "GET", "url": 7}}, "request.url", "value"),
    (entry("OPTIONS", "Patient"), "request.method", "code"),
    (entry("get", "Patient"), "request.method", "code"),
    (entry("GET", "Person7/1"), "request.url", "url"),
    (entry("GET", "patient/1"), "request.url", "url"),
    (entry("GET", "Patient/1/2"), "request.url", "url"),
    (entry("GET", "Patient/_history/2"), "request.url", "url"),
    (entry("GET", "Patient/1/Nothing"), "request.url", "url"),
    (entry("GET", "Patient/_search"), "request.url", "url"),
    (entry("GET", "Patient/1#x"), "request.url", "url"),
    (entry("GET", f"{OTHER}/Patient/1"), "request.url", "url"),
    (entry("GET", "../Patient/1"), "request.url", "url"),
    (entry("POST", "Patient/1", patient()), "request.url", "url"),
    (entry("POST", "Patient?name=x", patient()), "request.url", "url"),
    (entry("POST", "metadata"), "request.url", "url"),
    (entry("PUT", "Patient", patient()), "request.url", "url"),
    (entry("PUT", "Patient?", patient()), "request.url", "url"),
    (entry("PUT", "Patient/1?name=x", patient(id="1")), "request.url", "url"),
    (entry("DELETE", "Patient/1?"), "request.url", "url"),
    (entry("DELETE", "Patient"), "request.url", "url"),
    (entry("DELETE", "?_type=Patient"), "request.url", "url"),
    (entry("DELETE", "Patient/1/_history"), "request.url", "url"),
    (entry("POST", "Patient"), "resource", "required"),
    (entry("POST", "Patient") | {"resource": [1]}, "resource", "type"),
    (entry("POST", "Patient", {"resourceType": "Nothing"}), "resource", "type"),
    (entry("POST", "Patient", {"resourceType": "Slot"}), "resource.resourceType", "differs"),
    (entry("PUT", "Patient/1", patient()), "resource.id", "differs"),
    (entry("PUT", "Patient/1", patient(id="2")), "resource.id", "differs"),
    (entry("GET", "Patient/1", patient()), "resource", "unexpected"),
    (entry("DELETE", "Patient/1", patient()), "resource", "unexpected"),
    (entry("PATCH", "Patient/1"), "resource", "required"),
    (entry("PATCH", "Patient/1", {"resourceType": "Parameters"}), "resource", "patch"),
    (entry("PATCH", "Patient/1", binary(PATCH, "text/plain")), "resource", "patch"),
    (entry("PATCH", "Patient/1", binary({"op": "add"})), "resource", "patch"),
    (entry("PATCH", "Patient/1", binary(PATCH) | {"data": "5bCP?"}), "resource", "patch"),
    (entry("PATCH", "Patient/1", binary(PATCH) | {"data": "小"}), "resource", "patch"),
    (entry("POST", "Patient", patient(), ifMatch='W/"1"'), "request.ifMatch", "unexpected"),
    (entry("DELETE", "Patient/1", ifNoneExist="x=y"), "request.ifNoneExist", "unexpected"),
    (entry("POST", "Patient/$match", ifNoneExist="x=y"), "request.ifNoneExist", "unexpected"),
    (entry("POST", "Slot", {"resourceType": "Slot"}, ifNoneExist="Slot?"), "request.ifNoneExist",
     "condition"),
    (entry("PUT", "Patient/1", patient(id="1"), ifMatch='W/"'), "request.ifMatch", "tag"),
    (entry("GET", "Patient/1", ifModifiedSince="2026"), "request.ifModifiedSince", "value"),
    (entry("GET", "Patient/1", ifSo="x"), "request.ifSo", "unknown"),
    (entry("GET", "Patient/1", colour="red"), "colour", "unknown"),
    (entry("GET", "Patient/1", search={"mode": "match"}), "search", "bdl-2"),
    (entry("GET", "Patient/1", response={"status": "200"}), "response", "bdl-4"),
    (entry("GET", "Patient/1", modifierExtension=[{}]), "modifierExtension", "modifier"),
    (entry("GET", "Patient/1", fullUrl="Patient/1"), "fullUrl", "full_url"),
    (entry("GET", "Patient/1", fullUrl=f"{BASE}/Patient/1/_history/1"), "fullUrl", "full_url"),
    (entry("GET", "Patient/1", fullUrl=f"{BASE}/Patient/2"), "fullUrl", "differs"),
    (entry("POST", "Patient", patient(), fullUrl=f"{BASE}/Slot/2"), "fullUrl", "differs"),
    (entry("POST", "Patient", patient(id="1"), fullUrl=f"{BASE}/Patient/2"), "fullUrl", "differs"),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "element", "code"), BROKEN)
def test_each_fault_is_named_by_its_entry(broken: Any, element: str, code: str) -> None:
    with pytest.raises(fhir.Invalid) as caught:
        planned(entry("GET", "Patient/9"), broken)
    where = "Bundle.entry[1]" + (element and f".{element}")
    assert (where, code) in [(one.element, one.code) for one in caught.value.violations]
    assert all(
        one.words and one.message and one.type == "Bundle" for one in caught.value.violations
    )


@pytest.mark.parametrize(
    ("change", "element", "code"),
    [
        ({"resourceType": "Patient"}, "Bundle.resourceType", "type"),
        ({"type": "searchset"}, "Bundle.type", "code"),
        ({"type": ["batch"]}, "Bundle.type", "code"),
        ({"entry": {}}, "Bundle.entry", "array"),
        ({"entry": []}, "Bundle.entry", "empty"),
        ({"total": 1}, "Bundle.total", "bdl-1"),
        ({"entries": []}, "Bundle.entries", "unknown"),
    ],
)
def test_the_bundle_itself_is_checked(change: Json, element: str, code: str) -> None:
    with pytest.raises(fhir.Invalid) as caught:
        bundles.plan(bundle(entry("GET", "Patient/1")) | change, base=BASE)
    assert [(one.element, one.code) for one in caught.value.violations] == [(element, code)]


def test_a_bundle_without_entries_asks_nothing() -> None:
    plan = planned(kind="batch")
    assert (plan.kind, plan.steps, plan.count) == (Kind.BATCH, (), 0)
    assert bundles.response(plan, {}) == {"resourceType": "Bundle", "type": "batch-response"}


def test_all_faults_are_told_at_once_but_no_more_than_a_hundred() -> None:
    with pytest.raises(fhir.Invalid) as caught:
        planned(entry("GET", "x"), entry("GET", "Patient/1"), entry("PUT", "Slot", ifMatch=""))
    assert {one.element[:15] for one in caught.value.violations} == {
        "Bundle.entry[0]", "Bundle.entry[2]",
    }  # fmt: skip
    with pytest.raises(fhir.Invalid) as caught:
        planned(*[entry("GET", "x", fullUrl="x")] * 10_000)
    assert len(caught.value.violations) == 100


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (entry("PUT", "Patient/1", patient(id="1")), entry("DELETE", "Patient/1")),
        (entry("PATCH", "Patient/1", binary(PATCH)), entry("PUT", "Patient/1", patient(id="1"))),
        (entry("DELETE", "Patient?x=y"), entry("PUT", "Patient?x=y", patient())),
        (
            entry("POST", "Patient", patient(), ifNoneExist="x=y"),
            entry("POST", "Patient", patient(), ifNoneExist="Patient?x=y"),
        ),
    ],
)
def test_a_transaction_writes_nothing_twice_but_a_batch_may(first: Json, second: Json) -> None:
    with pytest.raises(fhir.Invalid) as caught:
        planned(first, second)
    assert [(one.element, one.code) for one in caught.value.violations] == [
        ("Bundle.entry[1]", "overlap")
    ]
    assert len(planned(first, second, kind="batch").steps) == 2


def test_what_conditions_found_is_checked_again() -> None:
    plan = planned(
        entry("PUT", "Patient?identifier=1", patient()),
        entry("DELETE", "Patient/7"),
        entry("GET", "Patient/7"),
    )
    bundles.distinct(plan, {0: "Patient/8"})
    with pytest.raises(fhir.Invalid) as caught:
        bundles.distinct(plan, {0: "Patient/7"})
    assert caught.value.violations[0].element == "Bundle.entry[1]"


def test_a_full_url_stands_once() -> None:
    twice = [entry("POST", "Patient", patient(), fullUrl=A)] * 2
    with pytest.raises(fhir.Invalid) as caught:
        planned(*twice)
    assert caught.value.violations[0].element == "Bundle.entry[1].fullUrl"
    assert list(planned(*twice, kind="batch").refused) == [1]
    broken = entry("POST", "Patient", fullUrl=A)
    assert list(planned(broken, twice[0], kind="batch").refused) == [0]
    with pytest.raises(fhir.Invalid) as caught:
        planned({"fullUrl": A}, twice[0])
    assert [one.code for one in caught.value.violations] == ["required", "repeated"]


def test_broken_entries_of_a_batch_fail_alone() -> None:
    plan = planned(entry("GET", "x"), entry("GET", "Patient/1"), 7, kind="batch")
    assert [step.place for step in plan.steps] == [1]
    answer = bundles.response(plan, {1: Result(404)})
    assert [one["response"]["status"][:3] for one in answer["entry"]] == ["400", "404", "400"]
    assert faults(answer) == []
    many = planned(*["x"] * 1_000, kind="batch")
    assert all(len(one) == 1 for one in many.refused.values())
    assert len(many.refused) == 1_000


def test_the_answer_stands_in_the_order_of_the_request() -> None:
    plan = planned(
        entry("GET", "Patient/1"),
        entry("POST", "Patient", patient(), fullUrl=A),
        entry("DELETE", "Patient/2"),
        entry("HEAD", "Patient/1"),
        entry("GET", "Patient/1/_history/3"),
    )
    now = datetime(2026, 11, 29, 8, tzinfo=UTC)
    kept = patient(id="1", active=True)
    key = fhir.Key("Patient", "1", 3)
    done = {
        0: Result(200, key, now, resource=kept),
        1: Result(201, fhir.Key("Patient", "n", 1), now),
        2: Result(204),
        3: Result(304, key),
        4: Result(200, key, now, resource=kept),
    }
    answer = bundles.response(plan, done)
    assert answer["type"] == "transaction-response"
    assert [one["response"]["status"] for one in answer["entry"]] == [
        "200 OK", "201 Created", "204 No Content", "304 Not Modified", "200 OK",
    ]  # fmt: skip
    assert answer["entry"][1]["response"] == {
        "status": "201 Created",
        "location": f"{BASE}/Patient/n/_history/1",
        "etag": 'W/"1"',
        "lastModified": "2026-11-29T08:00:00.000Z",
    }
    assert "location" not in answer["entry"][0]["response"]
    assert [one.get("fullUrl") for one in answer["entry"]].count(f"{BASE}/Patient/1") == 1
    assert faults(answer) == []
