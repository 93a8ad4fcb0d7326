"""What somebody sends who means no good: each of these went wrong once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from ipaddress import ip_network

import httpx
import pytest
from fastapi import FastAPI

from citycare import app as application
from citycare.kernel.identity.documents import Sex, synthetic_number
from citycare.kit.db import Database
from citycare.settings import Settings, read
from citycare.web.edge.clients import client_of
from citycare.web.edge.metrics import Metrics
from citycare.web.login.provider import Provider, ProviderAway
from tests.conftest import NOW
from tests.web.test_login import HTML, field, sign_in

Browser = Callable[[], httpx.AsyncClient]
NUMBER = synthetic_number(date(1962, 2, 3), Sex.FEMALE, 3).number
NO_ADDRESS = "http://[nowhere"  # urlsplit raises ValueError at it


def test_made_up_methods_do_not_fill_the_memory() -> None:
    metrics = Metrics()
    for number in range(500):
        metrics.note(f"MADEUP{number}", "unmatched", 405, 0.01)
    assert len(metrics._known) == 1


@pytest.mark.parametrize("header", ["referer", "hx-current-url"])
async def test_an_address_that_is_none_breaks_nothing(
    client: httpx.AsyncClient, header: str
) -> None:
    headers = {**HTML, header: NO_ADDRESS, "hx-request": "true"}
    answer = await client.post("/me/sessions/end-others", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["hx-redirect"].startswith("/login?next=/")
    missing = await client.get("/nothing/here", headers={**HTML, header: NO_ADDRESS})
    assert missing.status_code == 404
    assert "class=" in missing.text  # the drawn page, not the last resort


async def test_an_origin_that_is_none_is_not_ours(client: httpx.AsyncClient) -> None:
    page = await sign_in(client, "resident")
    form = {"csrf": field(page.text, "csrf")}
    answer = await client.post("/logout", data=form, headers={**HTML, "origin": NO_ADDRESS})
    assert answer.status_code == 403
    assert (await client.post("/logout", data=form)).status_code == 303


async def test_the_way_to_sign_in_does_not_hang_on_the_host_named(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/login?next=/book", headers={**HTML, "host": "t"})
    assert 'href="/login/start?next=%2Fbook"' in answer.text


async def test_who_signs_out_leaves_no_mark_for_the_next_at_this_machine(
    client: httpx.AsyncClient,
) -> None:
    page = await sign_in(client, "resident")
    client.cookies.set("cc_visitor", "mark-of-this-browser", domain="127.0.0.1")
    await client.post("/logout", data={"csrf": field(page.text, "csrf")})
    assert "cc_session" not in client.cookies
    assert client.cookies.get("cc_visitor") != "mark-of-this-browser"


PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))
CLIENTS = [
    ("203.0.113.7", None, "203.0.113.7"),
    ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # a stranger's word about itself
    ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ("10.0.0.1", "192.0.2.99, 198.51.100.1", "198.51.100.1"),  # what it said before our proxy
    ("10.0.0.1", "198.51.100.1, 10.7.7.7", "198.51.100.1"),  # two of our proxies
    ("10.0.0.1", "10.9.9.9", "10.9.9.9"),
    ("10.0.0.1", None, "10.0.0.1"),
    ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
    ("2001:db8:ffff::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),  # one line, many addresses
    ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
    ("pipe", "198.51.100.1", "pipe"),
]


@pytest.mark.parametrize(("peer", "forwarded", "client"), CLIENTS)
def test_only_our_own_proxies_say_who_somebody_is(
    peer: str, forwarded: str | None, client: str
) -> None:
    assert client_of(peer, [] if forwarded is None else [forwarded], PROXIES) == client
    assert client_of(None, [], PROXIES) == "unknown"


async def test_behind_a_proxy_one_stranger_does_not_lock_the_city_out(
    settings: Settings, database: Database
) -> None:
    behind = replace(settings, proxies=(ip_network("127.0.0.0/8"),))
    app = application.create(behind, database)
    async with _client(app) as client:
        first = [await _start(client, "198.51.100.1") for _ in range(240)]
        assert first[0] == 303
        assert first[-1] == 429
        assert await _start(client, "198.51.100.2") == 303


async def test_without_a_proxy_nobody_gets_round_the_bound_by_a_header(
    settings: Settings, database: Database
) -> None:
    async with _client(application.create(settings, database)) as client:
        tries = [await _start(client, f"198.51.100.{n % 250}") for n in range(240)]
        assert tries[-1] == 429


def _client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")


async def _start(client: httpx.AsyncClient, forwarded: str) -> int:
    answer = await client.get("/login/start", headers={"x-forwarded-for": forwarded})
    return answer.status_code


def test_proxies_are_networks() -> None:
    assert read({"CITYCARE_PROXIES": "10.0.0.0/8 ::1"}).proxies == (
        ip_network("10.0.0.0/8"),
        ip_network("::1"),
    )
    with pytest.raises(ValueError, match="CITYCARE_PROXIES"):
        read({"CITYCARE_PROXIES": "everybody"})


@pytest.mark.parametrize("endpoint", ["token_endpoint", "jwks_uri"])
async def test_no_code_or_key_travels_in_the_clear(endpoint: str) -> None:
    issuer = "https://issuer.example"
    about = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/keys",
    }

    def provider(answer: dict[str, str]) -> Provider:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
        client = lambda: httpx.AsyncClient(transport=transport)  # noqa: E731
        return Provider(issuer, "citycare", "", f"{issuer}/back", client)

    address, _ = await provider(about).start(NOW, {})
    assert address.startswith(f"{issuer}/authorize?")
    with pytest.raises(ProviderAway):
        await provider(about | {endpoint: "http://169.254.169.254/latest"}).start(NOW, {})


@pytest.mark.parametrize("text", ["王\x00五", "%", "王%", "\\", "_" * 40, "\u202e王", "\ud7ff王"])
async def test_no_typed_text_is_a_fault(client: httpx.AsyncClient, text: str) -> None:
    page = await sign_in(client, "operator")
    token = {"csrf": field(page.text, "csrf")}
    for path in ("/operator/accounts", "/operator/audit"):
        for name in ("q", "person", "actor", "record", "page", "role", "day"):
            answer = await client.get(path, params={name: text}, headers=HTML)
            assert answer.status_code < 500, (path, name)
    for path in (
        "/operator/glass",
        "/operator/jobs",
        "/operator/policy",
        "/operator/people/merges",
    ):
        answer = await client.get(path, params={"page": text, "show": text}, headers=HTML)
        assert answer.status_code < 500, path
    page = await sign_in(client, "resident")
    token = {"csrf": field(page.text, "csrf")}
    wish = {"way": "act_for", "name": text, "paper": "resident_id", "number": NUMBER,
            "kind": "child", "scopes": "booking", "span": "365", "next": text}  # fmt: skip
    for path in ("/me/family/ask", "/me/family/child", "/me/people", "/login/code"):
        answer = await client.post(path, data={**wish, **token, "code": text[:6]}, headers=HTML)
        assert answer.status_code < 500, path
