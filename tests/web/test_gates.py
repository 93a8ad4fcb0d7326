from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated
from uuid import UUID

import httpx
import psycopg
import pytest
from fastapi import Depends, FastAPI, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare import app as application
from citycare.kernel import consent
from citycare.kernel.context import Context, Role
from citycare.kit.db import Database
from citycare.kit.errors import Conflict, Unavailable
from citycare.scenarios.exchange.api import bulk, rest
from citycare.settings import Settings
from citycare.web.edge.contexts import _write
from citycare.web.gates import ReadContext, WriteContext, gate, list_routes, wrong_routes
from citycare.web.login.tokens import issue_token
from citycare.web.respond import redirect
from tests.trail import about

HTML = {"accept": "text/html"}
ADD = "INSERT INTO web.kept_form VALUES (gen_random_uuid(), '\\x01', %(word)s, now())"
COUNT = "SELECT count(*) AS n FROM web.kept_form WHERE sealed = %(word)s"
SELF_ENFORCED = {  # the rush looks a whole batch up in one statement, FHIR its bearer tokens itself
    "/api/v1/bookings",
    rest.ROOT,
    rest.ROOT + "/{path:path}",
    bulk.PATH,
    bulk.FILE,
}
SOMEBODY = UUID(int=4711)


@pytest.fixture
def app(app: FastAPI) -> FastAPI:
    desk = [gate("test.desk", roles={Role.CLERK})]

    @app.post("/api/v1/test/add/{word}", dependencies=desk)
    async def add(word: str, cx: WriteContext, fail: str = "") -> dict[str, str]:
        await cx.db.execute(ADD, {"word": word})
        if fail == "expected":
            raise Conflict
        if fail == "fault":
            raise ZeroDivisionError
        if fail == "lost":
            pid = cx.db.info.backend_pid
            with psycopg.connect(app.state.superuser, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [pid])
            await cx.db.execute("SELECT 1")
        return {"who": cx.actor.label, "purpose": cx.purpose, "channel": cx.channel}

    @app.get("/api/v1/test/look", dependencies=desk)
    async def look(cx: ReadContext) -> dict[str, str]:
        await consent.require(cx, "record.read", SOMEBODY)
        return {}

    @app.post("/test/form", dependencies=[gate("test.form", anonymous=True)])
    async def form(
        request: Request, cx: WriteContext, note: Annotated[str, Form()] = ""
    ) -> Response:
        await cx.db.execute(ADD, {"word": note})
        return redirect(request, "/")

    return app


@pytest.fixture
async def clerk(client: httpx.AsyncClient, database: Database) -> httpx.AsyncClient:
    client.headers["authorization"] = f"Bearer {await issue_token(database, Role.CLERK)}"
    return client


async def count(database: Database, word: str) -> int:
    async with database.autocommit() as db:
        row = await (await db.execute(COUNT, {"word": word})).fetchone()
    assert row is not None
    return int(row["n"])


async def test_what_a_request_did_is_committed_before_its_answer(
    clerk: httpx.AsyncClient, database: Database
) -> None:
    answer = await clerk.post("/api/v1/test/add/w1", headers={"x-channel": "window"})
    assert answer.json()["purpose"] == "test.desk"
    assert answer.json()["channel"] == "window"
    assert await count(database, "w1") == 1


@pytest.mark.parametrize(("fail", "status"), [("expected", 409), ("fault", 500)])
async def test_an_error_leaves_nothing_behind(
    clerk: httpx.AsyncClient, database: Database, fail: str, status: int
) -> None:
    answer = await clerk.post(f"/api/v1/test/add/w2?fail={fail}")
    assert answer.status_code == status
    assert await count(database, "w2") == 0


async def test_a_connection_lost_in_the_middle_is_503_and_the_next_request_works(
    clerk: httpx.AsyncClient, app: FastAPI, database: Database, superuser_url: str
) -> None:
    app.state.superuser = superuser_url
    answer = await clerk.post("/api/v1/test/add/w3?fail=lost")
    assert answer.status_code == 503
    assert answer.json()["code"] == "service.unavailable"
    assert answer.headers["retry-after"]
    assert (await clerk.post("/api/v1/test/add/w4")).status_code == 200
    assert await count(database, "w3") == 0


async def test_nobody_without_a_token_and_nobody_with_a_made_up_one(
    client: httpx.AsyncClient,
) -> None:
    for headers in ({}, {"authorization": "Bearer " + "x" * 43}, {"authorization": "Bearer ;"}):
        answer = await client.post("/api/v1/test/add/w5", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["code"] == "access.sign_in_needed"
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_another_role_is_refused(client: httpx.AsyncClient, database: Database) -> None:
    token = await issue_token(database, Role.SCHEDULER)
    answer = await client.post("/api/v1/test/add/w6", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert answer.json()["code"] == "access.role_missing"


async def test_an_unknown_channel_is_refused(clerk: httpx.AsyncClient) -> None:
    answer = await clerk.post("/api/v1/test/add/w7", headers={"x-channel": "pigeon"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "request.header_wrong"


async def test_a_refused_access_to_a_person_is_audited_after_the_rollback(
    clerk: httpx.AsyncClient, database: Database, cx: Context
) -> None:
    answer = await clerk.get("/api/v1/test/look", headers={"x-channel": "telephone"})
    assert answer.status_code in (403, 404)
    async with database.autocommit() as db:
        seen = await about(replace(cx, db=db), SOMEBODY)
    assert [(one.outcome, one.channel) for one in seen] == [("refused", "telephone")]


async def test_a_refusal_that_cannot_be_written_down_is_not_answered_as_one(
    clerk: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(app.state.edge, "on_refused", away)
    answer = await clerk.get("/api/v1/test/look")
    assert answer.status_code == 503
    assert answer.json()["code"] == "service.unavailable"


async def form_token(client: httpx.AsyncClient) -> str:
    page = await client.get("/login/demo?as=resident", headers=HTML, follow_redirects=True)
    assert page.status_code == 200
    text = (await client.get("/me", headers=HTML)).text
    return text.partition('name="csrf" value="')[2].partition('"')[0]


async def test_a_form_needs_its_token_and_keeps_its_content_without_it(
    client: httpx.AsyncClient, database: Database
) -> None:
    token = await form_token(client)
    good = await client.post("/test/form", data={"csrf": token, "note": "n1"})
    assert good.status_code == 303
    for bad in ({}, {"csrf": ""}, {"csrf": token[:-1] + "x"}, {"csrf": "9" * 30 + ".a"}):
        answer = await client.post("/test/form", data={**bad, "note": "n2-<b>"}, headers=HTML)
        assert answer.status_code == 403
        assert 'value="n2-&lt;b&gt;"' in answer.text
        assert 'action="/test/form"' in answer.text
    assert await count(database, "n2-<b>") == 0
    fresh = answer.text.partition('name="csrf" value="')[2].partition('"')[0]
    again = await client.post("/test/form", data={"csrf": fresh, "note": "n2-<b>"})
    assert again.status_code == 303


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}],
)
async def test_a_form_from_elsewhere_is_refused_and_not_offered_again(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    token = await form_token(client)
    form = {"csrf": token, "note": "n3"}
    answer = await client.post("/test/form", data=form, headers=headers | HTML)
    assert answer.status_code == 403
    assert "n3" not in answer.text


async def test_a_token_is_of_one_browser(
    client: httpx.AsyncClient, browser: Callable[[], httpx.AsyncClient]
) -> None:
    token = await form_token(client)
    async with browser() as other:
        await form_token(other)
        answer = await other.post("/test/form", data={"csrf": token, "note": "n4"})
    assert answer.status_code == 403


async def test_htmx_gets_errors_as_a_part_and_redirects_as_a_header(
    client: httpx.AsyncClient,
) -> None:
    token = await form_token(client)
    headers = {"hx-request": "true", **HTML}
    answer = await client.post("/test/form", data={"note": "n5"}, headers=headers)
    assert answer.status_code == 403
    assert "<html" not in answer.text
    assert "n5" in answer.text
    answer = await client.post("/test/form", data={"csrf": token, "note": "n5"}, headers=headers)
    assert answer.status_code == 204
    assert answer.headers["hx-redirect"] == "/"


def test_every_route_has_a_gate_or_a_reason(settings: Settings, database: Database) -> None:
    whole = application.create(settings, database)
    assert wrong_routes(whole, SELF_ENFORCED) == []
    assert len(list_routes(whole)) > 30


def test_planted_routes_without_a_gate_are_found(app: FastAPI) -> None:
    @app.get("/planted/open")
    async def open_to_all() -> None: ...

    @app.get("/planted/undecided", dependencies=[gate("test.undecided")])
    async def undecided() -> None: ...

    @app.post("/planted/changing", dependencies=[gate("test.changing", anonymous=True)])
    async def changing() -> None: ...

    @app.post("/planted/reading", dependencies=[gate("test.reading")])
    async def reading(cx: ReadContext) -> None: ...

    @app.post("/planted/late", dependencies=[gate("test.late")])
    async def late(cx: Annotated[Context, Depends(_write)]) -> None: ...

    wrong = wrong_routes(app)
    assert [text.partition(":")[0] for text in wrong] == [
        "GET /planted/open",
        "GET /planted/undecided",
        "POST /planted/changing",
        "POST /planted/reading",
        "POST /planted/late",
    ]


async def test_a_route_without_a_gate_gets_no_context(app: FastAPI) -> None:
    @app.get("/api/v1/planted/open")
    async def open_to_all(cx: ReadContext) -> None: ...

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/api/v1/planted/open")).status_code == 500


async def test_many_at_once_each_have_their_own_transaction(
    clerk: httpx.AsyncClient, database: Database
) -> None:
    answers = await asyncio.gather(
        *(
            clerk.post(f"/api/v1/test/add/many?fail={'expected' if i % 3 == 0 else ''}")
            for i in range(30)
        )
    )
    assert sorted({answer.status_code for answer in answers}) == [200, 409]
    assert await count(database, "many") == 20
