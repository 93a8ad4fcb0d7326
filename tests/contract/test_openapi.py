"""Schemathesis over our OpenAPI document: no fault, and nothing that the document does not say.

Each operation is called with data that fits its description and with data that does not, by
people of every kind, with ids that exist half of the time. The seed is fixed.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import UUID

import httpx
import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from citycare import app as application
from citycare.kernel.context import Context
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.scenarios.booking.service import wait
from citycare.settings import read
from tests.contract.conftest import Served
from tests.town import BASE, HERE, Who

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = 40
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    missing_required_header,
]
FAIR = ["2xx", "400", "401", "403", "404", "409"]  # what data that fits the description may meet
NEEDS_A_STORY = {  # tests/journeys and tests/scenarios tell it
    "POST /api/v1/waitlist/{wait_id}/accept",
    "POST /api/v1/draws",
    "GET /api/v1/draws/{draw_id}/list.ndjson",
    "PUT /api/v1/draws/{draw_id}/beacon",
    "POST /api/v1/queues/{clinic_id}/join",
    "GET /api/v1/queues/standing",
    "POST /api/v1/break-glass",
}
CALLERS = [Who.PATIENT, Who.PATIENT, Who.CLERK, Who.SCHEDULER, Who.STRANGER, Who.ANONYMOUS]


@cache
def document() -> dict[str, Any]:
    home = mkdtemp(prefix="citycare-contract-")
    nowhere = Database("postgresql:///none?host=/nowhere")
    return application.create(read({"CITYCARE_HOME": home}), nowhere).openapi()


@cache
def schema() -> Any:
    config = schemathesis.Config(seed=20261122)
    config.projects.default.checks.positive_data_acceptance.expected_statuses = FAIR
    # `send` signs everybody in by itself: a request without a token is Who.ANONYMOUS.
    config.projects.default.generation.with_security_parameters = False
    return schemathesis.openapi.from_dict(document(), config=config)


@cache
def operations() -> dict[str, APIOperation[Any, Any, Any, Any]]:
    found = [result.ok() for result in schema().get_all_operations()]
    return {operation.label: operation for operation in found}


LABELS = [
    f"{method.upper()} {path}"
    for path, methods in document()["paths"].items()
    for method in methods
]


class Known:
    """Ids that exist, to be put in where a value of that name is asked for."""

    def __init__(self, served: Served) -> None:
        self.served, self.town = served, served.town
        self.question = ""

    def of(self, name: str, turn: int) -> str | None:
        """Return a value for a field or parameter, or None to leave it."""
        known: dict[str, Callable[[], object]] = {
            "person_id": lambda: self.town.patient,
            "slot_id": lambda: self.town.slots[turn % 12].id,
            "clinic_id": lambda: self.town.clinic.id,
            "booking_id": lambda: self.booking(turn),
            "wait_id": self.wait,
            "draw_id": lambda: self.served.draw,
            "dialogue_id": self.dialogue,
            "question": lambda: self.question,
            "organisation_id": lambda: HERE,
            "from_day": lambda: f"2026-11-{24 + turn % 3}",
            "on": lambda: f"2026-11-{24 + turn % 3}",
            "to_day": lambda: f"2026-11-{24 + turn % 3}",
        }
        return str(known[name]()) if name in known else None

    def booking(self, turn: int) -> UUID:
        self.served.run(self.town.clear())
        return self.served.run(self.town.book(self.town.slots[turn % 12])).id

    def dialogue(self) -> str:
        """Begin a dialogue and note its question."""
        body = {"text": "咳嗽", "age": 35, "sex": "female"}
        begun = self.served.run(self.served.client.post("/api/v1/triage", json=body)).json()
        self.question = begun["next_question"]["id"]
        return str(begun["id"])

    def wait(self) -> UUID:
        async def join(cx: Context) -> UUID:
            day = cx.now.date()
            return (await wait.join(cx, self.town.patient, self.town.clinic.id, day, day)).id

        self.served.run(self.town.clear())
        return self.served.run(self.town.do(join))

    def fill(self, case: Case[Any], turn: int) -> Who:
        """Put known values in place of invented ones; return somebody who may do it."""
        for part in (case.path_parameters, case.query, case.body):
            if isinstance(part, dict):
                for name in part:
                    part[name] = self.of(name, turn) or part[name]
        if isinstance(case.body, dict) and "wishes" in case.body:
            case.body["wishes"] = [self.served.drawn]
        if isinstance(case.query, dict):
            case.query.pop("page", None)
        case.headers.pop("X-Channel", None)
        if case.method == "POST" and case.path.endswith(("/bookings", "/waitlist")):
            self.served.run(self.town.clear())
        part = case.path.split("/")[3]
        return {"queues": Who.SCHEDULER, "organisations": Who.CLERK}.get(part, Who.PATIENT)


def send(served: Served, case: Case[Any], who: Who, mode: GenerationMode) -> httpx.Response:
    """Send a generated case as somebody; data that fits gets a key that is new."""
    given_ = case.as_transport_kwargs(base_url=BASE)
    headers = dict(given_.pop("headers", {}))
    if who is not Who.ANONYMOUS:
        headers["Authorization"] = f"Bearer {served.town.tokens[who]}"
    if mode is GenerationMode.POSITIVE and "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = str(ids.new())
    ready = requests.Request(**given_, headers=headers).prepare()
    assert ready.url is not None
    request = httpx.Request(
        str(ready.method),
        ready.url,
        headers=[(name, str(value)) for name, value in ready.headers.items()],
        content=ready.body if isinstance(ready.body, (bytes, str)) else b"",
    )
    return served.run(served.client.send(request))


def is_refutable(label: str) -> bool:
    """Tell whether anything in a request to this operation can be wrong."""
    operation = operations()[label]
    return bool([*operation.path_parameters, *operation.query, *operation.headers, *operation.body])


def fuzz(served: Served, label: str, mode: GenerationMode) -> Counter[int]:
    """Call an operation with generated data; return how often each status came."""
    operation = operations()[label]
    known = Known(served)
    turns = iter(range(100_000))
    seen: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(mode),
        who=st.sampled_from(CALLERS),
        fill=st.booleans(),
    )
    def call(case: Case[Any], who: Who, *, fill: bool) -> None:
        if fill and mode is GenerationMode.POSITIVE:
            who = known.fill(case, next(turns))
        answer = send(served, case, who, mode)
        seen[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    call()
    return seen


@pytest.mark.parametrize("label", LABELS)
def test_data_that_fits_meets_no_fault_and_mostly_succeeds(served: Served, label: str) -> None:
    seen = fuzz(served, label, GenerationMode.POSITIVE)
    sys.stdout.write(f"{label} {dict(sorted(seen.items()))}\n")
    if label not in NEEDS_A_STORY:
        # A 409 came all the way to the rules: what was done before, in any order, counts there.
        assert any(status < 300 or status == 409 for status in seen), seen


@pytest.mark.parametrize("label", [one for one in LABELS if is_refutable(one)])
def test_data_that_does_not_fit_is_refused_as_described(served: Served, label: str) -> None:
    seen = fuzz(served, label, GenerationMode.NEGATIVE)
    assert max(seen) < 500


@pytest.mark.parametrize("label", LABELS)
def test_every_operation_describes_its_answers_and_refusals(label: str) -> None:
    method, _, path = label.partition(" ")
    operation = document()["paths"][path][method.lower()]
    answers = operation["responses"]
    refusals = {"400", "401", "403", "404", "409", "413", "415", "422", "429", "503"}
    assert refusals <= set(answers)
    for status, answer in answers.items():
        if status[0] in "45":
            assert set(answer["content"]) == {"application/problem+json"}
        elif status != "204":
            [media] = answer["content"].values()
            assert media["schema"].keys() & {"$ref", "type"}, f"{label} {status} says nothing"
    assert operation["summary"]
    assert operation["description"]


NATURAL = {  # POSTs that need no key, and the words in their description that say why
    "POST /api/v1/queues/{clinic_id}/join": "Safe to repeat: one place a person",
    "POST /api/v1/triage": "Sent twice it begins two dialogues, which harms nobody",
    "POST /api/v1/triage/{dialogue_id}/answers": "Safe to repeat",
}


@pytest.mark.parametrize("label", [one for one in LABELS if one.startswith("POST ")])
def test_every_post_takes_a_key_or_says_why_it_needs_none(label: str) -> None:
    operation = document()["paths"][label.partition(" ")[2]]["post"]
    required = {one["name"] for one in operation.get("parameters", []) if one["required"]}
    assert ("Idempotency-Key" in required) == (label not in NATURAL)
    assert NATURAL.get(label, "") in operation["description"]


def test_everything_that_is_sent_or_comes_back_is_described() -> None:
    parts = document()["components"]["schemas"]
    missing = [
        f"{name}.{field}"
        for name, part in parts.items()
        for field, shape in part.get("properties", {}).items()
        if not shape.get("description")
    ]
    for label in LABELS:
        method, _, path = label.partition(" ")
        operation = document()["paths"][path][method.lower()]
        missing += [
            f"{label} {one['name']}"
            for one in operation.get("parameters", [])
            if not one.get("description")
        ]
        assert "Successful Response" not in str(operation["responses"])
    assert missing == []
    assert document()["info"]["description"]


def test_every_body_has_an_example_that_fits() -> None:
    parts = document()["components"]
    for label in LABELS:
        method, _, path = label.partition(" ")
        body = document()["paths"][path][method.lower()].get("requestBody")
        if body is None:
            continue
        shape = body["content"]["application/json"]["schema"]
        shape = parts["schemas"].get(shape.get("$ref", "").rpartition("/")[2], shape)
        check = jsonschema_rs.validator_for({**shape, "components": parts}, validate_formats=True)
        assert shape["examples"], label
        for example in shape["examples"]:
            check.validate(example)


def test_the_codes_that_descriptions_name_exist() -> None:
    text = "".join(
        operation["description"]
        for methods in document()["paths"].values()
        for operation in methods.values()
    )
    named = set(re.findall(r"`((?:booking|request)\.\w+)`", text))
    known = set(re.findall(r"`([a-z]+\.\w+)`", (ROOT / "docs" / "errors.md").read_text("utf8")))
    assert len(named) > 20
    assert named <= known


def test_operations_are_named_once_and_by_what_they_do() -> None:
    names = [
        operation["operationId"]
        for methods in document()["paths"].values()
        for operation in methods.values()
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names)


def test_every_reference_in_the_document_leads_somewhere() -> None:
    parts = document()["components"]
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                found.add(value["$ref"])
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(document())
    for reference in found:
        root, _, name = reference.rpartition("/")
        assert root == "#/components/schemas"
        assert name in parts["schemas"]
