from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from citycare import app as application
from citycare.kit.db import Database
from citycare.kit.errors import AppError, Busy, Conflict, Forbidden, Incorrect, NotFound
from citycare.settings import Settings

KEYS = {"type", "title", "status", "detail", "code", "facts", "request_id"}
KINDS: dict[str, tuple[type[AppError], int]] = {
    "incorrect": (Incorrect, 400),
    "forbidden": (Forbidden, 403),
    "missing": (NotFound, 404),
    "conflict": (Conflict, 409),
    "busy": (Busy, 503),
}


class Wanted(BaseModel):
    number: int


@pytest.fixture
def app(app: FastAPI) -> FastAPI:
    @app.get("/api/v1/test/fail/{kind}")
    @app.get("/fhir/other/{kind}")
    @app.get("/test/fail/{kind}")
    async def fail(kind: str) -> None:
        if kind == "fault":
            raise ValueError("张三 310115199001011234")
        raise KINDS[kind][0](seen=kind)

    @app.post("/api/v1/test/echo")
    async def echo(body: Wanted) -> Wanted:
        return body

    return app


def _is_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == KEYS
    assert body["status"] == status
    assert body["code"] == code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["facts"] == {key: str(value) for key, value in body["facts"].items()}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_category_is_a_problem_on_the_api(client: httpx.AsyncClient, kind: str) -> None:
    error, status = KINDS[kind]
    answer = await client.get(f"/api/v1/test/fail/{kind}")
    _is_problem(answer, status, error.code)
    assert answer.json()["facts"] == {"seen": kind}
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/api/v1/nowhere", {}, 404, "request.route_unknown"),
        ("DELETE", "/api/v1/test/echo", {}, 405, "request.method_not_allowed"),
        ("POST", "/api/v1/test/echo", {"json": {"number": "x"}}, 422, "request.invalid"),
        ("POST", "/api/v1/test/echo", {"json": {}}, 422, "request.invalid"),
        ("POST", "/api/v1/test/echo", {}, 422, "request.invalid"),
        ("POST", "/api/v1/test/echo", {"data": {"a": "b"}}, 415, "request.type_not_accepted"),
        ("GET", "/api/v1/test/fail/fault", {}, 500, "service.fault"),
    ],
)
async def test_every_framework_error_has_the_same_shape(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    options: dict[str, object],
    status: int,
    code: str,
) -> None:
    answer = await client.request(method, path, **options)  # type: ignore[arg-type]
    _is_problem(answer, status, code)


async def test_broken_json_is_told_apart_from_wrong_values(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/test/echo", content=b'{"number": ', headers={"content-type": "application/json"}
    )
    _is_problem(answer, 400, "request.body_broken")


async def test_wrong_values_name_their_fields_and_do_not_repeat_them(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/api/v1/test/echo", json={"number": "secret-7731"})
    assert set(answer.json()["facts"]) == {"body.number"}
    assert "secret-7731" not in answer.text


async def test_ten_megabytes_are_refused_before_they_are_read(client: httpx.AsyncClient) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(160):
            read += 65_536
            yield b" " * 65_536

    headers = {"content-type": "application/json", "content-length": str(160 * 65_536)}
    answer = await client.post("/api/v1/test/echo", content=body(), headers=headers)
    _is_problem(answer, 413, "request.too_large")
    assert read == 0


async def test_a_body_of_unstated_length_is_stopped_at_the_limit(
    client: httpx.AsyncClient,
) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(160):
            read += 65_536
            yield b" " * 65_536

    headers = {"content-type": "application/json"}
    answer = await client.post("/api/v1/test/echo", content=body(), headers=headers)
    _is_problem(answer, 413, "request.too_large")
    assert read < 1_200_000


async def test_fhir_errors_are_operation_outcomes(client: httpx.AsyncClient) -> None:
    answer = await client.get("/fhir/other/missing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/fhir+json"
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    assert body["issue"][0]["code"] == "not-found"
    assert body["issue"][0]["details"]["coding"][0]["code"] == "request.not_found"


async def test_people_get_a_page_with_words_next_step_and_number(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/test/fail/busy", headers={"accept": "text/html"})
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert "您的内容没有丢" in answer.text
    assert answer.headers["x-request-id"] in answer.text


async def test_a_fault_leaks_nothing_and_logs_no_person(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/api/v1/test/fail/fault")
    assert "310115199001011234" not in answer.text + caplog.text
    assert "ValueError" not in answer.text
    assert "ValueError" in caplog.text
    assert answer.json()["request_id"] in caplog.text
    assert "/api/v1/test/fail/{kind}" in caplog.text


@pytest.mark.parametrize(
    ("given", "kept"),
    [("order-77310042", True), ("short", False), ("bad id\twith space", False), ("x" * 65, False)],
)
async def test_a_well_formed_request_id_is_kept(
    client: httpx.AsyncClient,
    given: str,
    kept: bool,  # noqa: FBT001
) -> None:
    answer = await client.get("/health/live", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is kept
    assert len(answer.headers["x-request-id"]) >= 8


@pytest.mark.parametrize("path", ["/health/live", "/api/v1/nowhere", "/nowhere", "/api/docs"])
async def test_every_answer_carries_the_safety_headers(
    client: httpx.AsyncClient, path: str
) -> None:
    headers = (await client.get(path)).headers
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "permissions-policy" in headers
    assert "strict-transport-security" not in headers
    assert headers["cache-control"]


async def test_health_and_figures(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "live"}
    ready = await client.get("/health/ready")
    assert ready.json() == {"status": "ready"}
    await client.get("/api/v1/test/fail/busy")
    text = (await client.get("/metrics")).text
    assert 'route="/api/v1/test/fail/{kind}",status="503"' in text
    assert 'figure="pool_size"' in text


async def test_the_api_lists_itself_without_scripts(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/api/openapi.json")).json()
    assert "/api/v1/test/echo" in schema["paths"]
    page = (await client.get("/api/docs")).text
    assert "/api/v1/test/echo" in page
    assert "<script" not in page
    assert "https://" not in page


async def test_it_starts_and_answers_503_while_the_database_is_away(settings: Settings) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    built = application.create(settings, away)
    async with built.router.lifespan_context(built):
        transport = httpx.ASGITransport(built)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/health/live")).status_code == 200
            answer = await client.get("/health/ready")
    _is_problem(answer, 503, "service.unavailable")
    assert answer.headers["retry-after"]


async def test_hsts_is_sent_over_tls(settings: Settings, database: Database) -> None:
    secure = application.create(replace(settings, base_url="https://care.example"), database)
    transport = httpx.ASGITransport(secure)
    async with httpx.AsyncClient(transport=transport, base_url="https://care.example") as client:
        assert "strict-transport-security" in (await client.get("/health/live")).headers
