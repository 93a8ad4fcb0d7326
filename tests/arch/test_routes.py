"""Every route has a gate, or stands in a list with its reason; every form has its token."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from tempfile import mkdtemp

from fastapi import APIRouter, FastAPI

from citycare import app as application
from citycare import settings
from citycare.kernel.consent import POLICY
from citycare.kit.db import Database
from citycare.scenarios.booking.api import bookings
from citycare.scenarios.exchange.api import bulk, rest
from citycare.scenarios.exchange.service import callers
from citycare.web.assets import Assets
from citycare.web.edge import contexts, forgery
from citycare.web.gates import PUBLIC, Declared, ReadContext, WriteContext, gate, list_routes

NOWHERE = "postgresql:///none?host=/nowhere"
NOT_BUILT = Assets(files={}, preload={}, icons=frozenset())  # routes need no styles
ANONYMOUS: Mapping[str, str] = {
    "GET /": "the home page tells a stranger what there is, and nothing of persons",
    "GET /book": "free places are public; booking one asks who you are",
    "GET /book/suggest": "names of hospitals, departments and doctors are public",
    "GET /api/v1/slots": "free places are public",
    "GET /api/v1/smart-scheduling/$bulk-publish": "SMART Scheduling Links are public by design",
    "GET /api/v1/smart-scheduling/{kind}.ndjson": "same",
    "GET /api/v1/draws": "draws are public so that anybody can check them",
    "GET /api/v1/draws/{draw_id}": "same",
    "GET /api/v1/draws/{draw_id}/list.ndjson": "same; the list names nobody",
    "GET /draws/{draw_id}": "a draw is public so that anybody can check it; it names nobody",
    "GET /api/v1/queues/standing": "the signed token in the header is the permission",
    "POST /api/v1/triage": "whoever does not feel well need not sign in to be told where to go",
    "POST /api/v1/triage/{dialogue_id}/answers": "same; the id is the permission",
    "GET /api/v1/triage/{dialogue_id}": "same",
    "GET /triage": "whoever does not feel well need not sign in to be told where to go",
    "POST /triage": "same",
    "GET /triage/{dialogue_id}": "same; the id is the permission, but for a person's dialogue",
    "GET /triage/{dialogue_id}/card": "same",
    "POST /triage/{dialogue_id}/answer": "same",
    "POST /triage/{dialogue_id}/back": "same",
    "POST /logout": "signing out twice is no error; the form token is still asked for",
}
BY_THEMSELVES: Mapping[str, str] = {
    "POST /api/v1/bookings": "the rush looks the actors of a batch up in one statement",
    "GET /api/v1/smart-scheduling/{kind}.ndjson": "streams rows of a read of its own",
    f"GET {bulk.PATH}": "looks the bearer token up itself, as the rest of the exchange",
    f"DELETE {bulk.PATH}": "same",
    f"GET {bulk.FILE}": "same; streams reads of its own",
    **{
        f"{method} {path}": "looks the bearer token up itself, and takes no cookie"
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        for path in (rest.ROOT, rest.ROOT + "/{path:path}")
    },
}
ABOUT_NOBODY: Mapping[str, str] = {  # actions that need no line in the policy of persons
    "operator.design": "shows the parts pages are made of",
}
STAFF = ("/clinic", "/desk", "/scheduler", "/operator")


@cache
def app() -> FastAPI:
    home = mkdtemp(prefix="citycare-routes-")
    chosen = settings.read({"CITYCARE_HOME": home})
    parts = replace(application.PARTS, assets=NOT_BUILT)
    return application.create(chosen, Database(NOWHERE), parts)


def routes(found: FastAPI | None = None) -> dict[str, Declared]:
    return {
        f"{method} {one.path}": one
        for one in reversed(list_routes(found or app()))  # the first of two with one name serves
        for method in sorted(one.methods - {"HEAD"}) or ["-"]
    }


def wrong(name: str, one: Declared) -> str:
    """Return what is wrong with a route, or nothing."""
    if one.path in PUBLIC:
        return ""
    if one.gate is None:
        return f"{name}: no gate, and not in PUBLIC"
    faults = {
        "a gate, but no context that enforces it": not one.opens and name not in BY_THEMSELVES,
        "open to strangers without a reason": one.gate.anonymous and name not in ANONYMOUS,
        "a page for staff that asks for no role": _is_staffs(one.path) and not one.gate.roles,
        "changes things without a transaction": one.opens == "read"
        and one.methods & forgery.UNSAFE,
    }
    return "; ".join(f"{name}: {text}" for text, holds in faults.items() if holds)


def _is_staffs(path: str) -> bool:
    return path.startswith(STAFF)


def test_every_route_has_a_gate_or_a_reason() -> None:
    assert [found for name, one in routes().items() if (found := wrong(name, one))] == []
    assert len(routes()) > 40


def test_lists_of_reasons_hold_nothing_stale() -> None:
    assert set(ANONYMOUS) <= set(routes())
    assert set(BY_THEMSELVES) <= set(routes())
    paths = {one.path for one in routes().values()}
    assert set(PUBLIC) <= paths


def test_every_change_goes_through_the_form_token() -> None:
    assert "forgery.require(" in inspect.getsource(contexts._admit)
    assert {"POST", "PUT", "PATCH", "DELETE"} == forgery.UNSAFE
    changing = [(n, one) for n, one in routes().items() if one.methods & forgery.UNSAFE]
    assert len(changing) > 10
    uncovered = [name for name, one in changing if not one.opens and one.path not in PUBLIC]
    uncovered = [
        name for name in uncovered if f" {rest.ROOT}" not in name and bulk.PATH not in name
    ]
    assert uncovered == ["POST /api/v1/bookings"]
    assert "cookies" not in inspect.getsource(callers) + inspect.getsource(rest._answer)
    assert "forgery.require(" in inspect.getsource(bookings)


def test_actions_of_policy_exist_or_belong_to_the_portal() -> None:
    own = ("login.", "portal.", "manner.")
    gates = {one.gate.action for one in routes().values() if one.gate is not None}
    public = {one.gate.action for one in routes().values() if one.gate and one.gate.anonymous}
    unknown = {
        name for name in gates - {*POLICY, *ABOUT_NOBODY} - public if not name.startswith(own)
    }
    assert unknown == set()


def planted() -> APIRouter:
    router = APIRouter()

    @router.get("/planted/good", dependencies=[gate("booking.read")])
    async def good(cx: ReadContext) -> None: ...

    @router.get("/planted/open")
    async def nothing() -> None: ...

    @router.get("/planted/stranger", dependencies=[gate("booking.read", anonymous=True)])
    async def stranger(cx: ReadContext) -> None: ...

    @router.post("/planted/unheld", dependencies=[gate("booking.book")])
    async def unheld() -> None: ...

    @router.post("/planted/reading", dependencies=[gate("booking.book")])
    async def reading(cx: ReadContext) -> None: ...

    @router.get("/operator/planted", dependencies=[gate("operator.jobs")])
    async def staff(cx: WriteContext) -> None: ...

    return router


def test_planted_routes_are_found() -> None:
    small = FastAPI(openapi_url=None)
    small.include_router(planted())
    found = {name: wrong(name, one) for name, one in routes(small).items()}
    assert [name for name, text in found.items() if not text] == ["GET /planted/good"]
    assert len(found) == 6
