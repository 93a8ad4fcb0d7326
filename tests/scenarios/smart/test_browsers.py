"""An app whose code runs in a browser, on its own page: what the browser lets it ask and read."""

from __future__ import annotations

import httpx
import pytest

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.fhir import publish
from citycare.scenarios.smart.api import INTROSPECT, JWKS, REVOKE, TOKEN
from tests.scenarios.smart.apps import AUTHORIZE, Town

ORIGIN = "https://app.example.test"
ROOT = "/fhir/R4"
OPEN = (ROOT, f"{ROOT}/Patient/1", f"{ROOT}/.well-known/smart-configuration",
        "/.well-known/openid-configuration", TOKEN, INTROSPECT, REVOKE, JWKS,
        "/bulk/fhir/018f0000-0000-7000-8000-0000000000a1")  # fmt: skip
CLOSED = ("/", "/login", AUTHORIZE, "/me/apps", "/api/bookings", "/fhir/R4x", "/oauth/tokens")
SENT = ("authorization", "content-type", "if-match", "if-none-match", "if-none-exist", "prefer",
        "x-request-id")  # fmt: skip


async def preflight(client: httpx.AsyncClient, path: str, method: str = "PUT") -> httpx.Response:
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": method,
        "access-control-request-headers": ",".join(SENT),
    }
    return await client.options(path, headers=asked)


def may(answer: httpx.Response) -> bool:
    """What a browser looks at: any origin may, and cookies never go along."""
    head = answer.headers
    assert "access-control-allow-credentials" not in head
    assert len(head.get_list("access-control-allow-origin")) <= 1, "two make a browser refuse"
    return bool(head.get("access-control-allow-origin") == "*")


def named(answer: httpx.Response, header: str) -> set[str]:
    return {one.strip().lower() for one in answer.headers.get(header, "").split(",")}


@pytest.mark.parametrize("path", OPEN)
async def test_a_preflight_is_answered_without_a_token(town: Town, path: str) -> None:
    answer = await preflight(town.stranger().client, path)
    assert answer.status_code == 204
    assert may(answer)
    assert named(answer, "access-control-allow-headers") >= set(SENT)
    methods = named(answer, "access-control-allow-methods")
    assert methods >= {"get", "post", "put", "patch", "delete"}


@pytest.mark.parametrize("path", CLOSED)
async def test_pages_that_a_cookie_opens_stay_closed(town: Town, path: str) -> None:
    client = town.stranger().client
    for answer in (await preflight(client, path), await client.get(path)):
        assert not may(answer)
        assert "access-control-allow-methods" not in answer.headers


@pytest.mark.parametrize("path", OPEN)
async def test_answers_may_be_read_refusals_too(town: Town, path: str) -> None:
    for ask in ("GET", "POST", "OPTIONS"):
        answer = await town.stranger().client.request(ask, path, headers={"origin": ORIGIN})
        assert may(answer), (ask, answer.status_code)


async def test_an_app_reads_the_record_from_its_page(town: Town) -> None:
    person, browser = await town.resident()

    async def publish_(cx: Context) -> None:
        await publish.publish(cx, [publish.patient(await identity.get_person(cx, person), [])])

    await town.within(publish_)
    app = await town.app_of_residents()
    answer = await app.exchange(await app.code(browser, person))
    assert may(answer)
    head = {"origin": ORIGIN, "authorization": f"Bearer {answer.json()['access_token']}"}
    answer = await town.stranger().client.get(f"{ROOT}/Patient/{person}", headers=head)
    assert answer.status_code == 200
    assert may(answer)
    told = named(answer, "access-control-expose-headers")
    assert told >= {"etag", "location", "content-location", "last-modified"}
    (rest,) = (await town.stranger().client.get(f"{ROOT}/metadata")).json()["rest"]
    assert rest["security"]["cors"] is True
    uris = {one["url"]: one["valueUri"] for one in rest["security"]["extension"][0]["extension"]}
    assert uris["token"].endswith(TOKEN)
    assert uris["authorize"].endswith(AUTHORIZE)
