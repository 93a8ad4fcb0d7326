"""A hospital's system: its own word for a token, keys by address, introspection, revocation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from citycare.kernel import identity
from citycare.kernel.context import Context, Grant, Role
from citycare.scenarios.smart import tasks
from citycare.scenarios.smart.model import Audience, Auth, ClientWrong, NewClient
from citycare.scenarios.smart.service import keys, tokens
from citycare.scenarios.smart.service.keys import KeyCache, KeysAway
from tests.scenarios.smart.apps import (
    BACK,
    HOSPITAL,
    PUBLIC,
    Town,
    backend,
    exchanging,
    new_key,
    public,
    refused,
)

ASK = {"grant_type": "client_credentials", "scope": "system/*.rs"}
URL = "https://keys.example.test/jwks"


async def found(town: Town, token: str) -> tokens.Granted | None:
    async with town.database.autocommit() as db:
        return await tokens.find(db, token, town.now)


async def test_a_backend_has_its_organisation_and_no_role_of_a_human(town: Town) -> None:
    app = await backend(town)
    given = (await app.ask(**ASK)).json()
    assert given["expires_in"] == 300
    assert "refresh_token" not in given
    granted = await found(town, given["access_token"])
    assert granted is not None
    assert granted.is_backend
    assert granted.organisation_id == HOSPITAL.id
    assert (granted.actor.person_id, granted.actor.grants) == (None, ())
    assert granted.actor.account_id == app.client.account_id
    assert granted.patient_id is None
    assert granted.allowed.types_for("r") is None
    assert not granted.allowed.allows("Patient", "u")
    town.later(seconds=300)
    assert await found(town, given["access_token"]) is None


async def test_it_exchanges_when_an_operator_lets_its_account(town: Town) -> None:
    app = await backend(town)
    account = app.client.account_id
    assert account is not None
    grants = (Grant(Role.EXCHANGE, HOSPITAL.id), Grant(Role.CLINICIAN, HOSPITAL.id))

    async def let(cx: Context) -> None:
        for grant in grants:
            await identity.add_grant(cx, account, grant)

    await town.within(let)
    granted = await found(town, (await app.ask(**ASK)).json()["access_token"])
    assert granted is not None
    assert granted.actor.grants == grants[:1]


@pytest.mark.parametrize("what", ["account", "role"])
async def test_its_token_is_over_with_its_account_or_its_role(town: Town, what: str) -> None:
    app, client = await exchanging(town, "system/*.rs")
    account = app.client.account_id
    assert account is not None
    assert (await client.get("Patient")).status_code == 200

    async def end(cx: Context) -> None:
        if what == "account":
            await identity.close_account(cx, account)
        else:
            await identity.end_grant(cx, account, Grant(Role.EXCHANGE))

    await town.within(end)
    town.later(seconds=1)
    assert (await client.get("Patient")).status_code == 401


async def test_a_role_everywhere_is_one_there_and_not_the_other_way_round(town: Town) -> None:
    app = await backend(town)
    account = app.client.account_id
    assert account is not None
    here, everywhere = Grant(Role.EXCHANGE, HOSPITAL.id), Grant(Role.EXCHANGE)

    async def change(cx: Context, ended: Grant, given: Grant) -> None:
        await identity.end_grant(cx, account, ended)
        await identity.add_grant(cx, account, given)

    await town.within(lambda cx: identity.add_grant(cx, account, here))
    of_one = (await app.ask(**ASK)).json()["access_token"]
    await town.within(lambda cx: change(cx, here, everywhere))
    of_all = (await app.ask(**ASK)).json()["access_token"]
    granted = await found(town, of_one)
    assert granted is not None
    assert granted.actor.grants == (here,)
    await town.within(lambda cx: change(cx, everywhere, here))
    assert await found(town, of_one) is not None
    assert await found(town, of_all) is None


async def test_it_gets_what_is_registered_and_no_more(town: Town) -> None:
    app = await backend(town, "system/Observation.rs system/Patient.r")
    given = (await app.ask(grant_type="client_credentials", scope="system/*.cruds")).json()
    assert given["scope"] == "system/Observation.rs system/Patient.r"
    for scope in ("patient/*.rs", "system/Condition.r", ""):
        answer = await app.ask(grant_type="client_credentials", scope=scope)
        assert refused(answer) == (400, "invalid_scope", "nothing_left"), scope


async def test_tokens_are_asked_about_and_ended(town: Town) -> None:
    app, other = await backend(town), await backend(town)
    server = await backend(town, introspects=True)
    token = (await app.ask(**ASK)).json()["access_token"]
    about = (await app.ask("/oauth/introspect", token=token)).json()
    assert (about["active"], about["scope"]) == (True, "system/*.rs")
    assert about["client_id"] == str(app.client.id)
    assert (await server.ask("/oauth/introspect", token=token)).json()["active"] is True
    assert (await other.ask("/oauth/introspect", token=token)).json() == {"active": False}
    assert (await server.ask("/oauth/introspect", token="x")).json() == {"active": False}
    bare = await town.app_of_residents()
    assert refused(await bare.ask("/oauth/introspect", token=token))[1] == "invalid_client"
    assert (await other.ask("/oauth/revoke", token=token)).status_code == 200
    assert await found(town, token) is not None
    assert (await app.ask("/oauth/revoke", token=token)).status_code == 200
    assert await found(town, token) is None
    assert (await app.ask("/oauth/revoke", token=token)).status_code == 200
    assert refused(await app.ask("/oauth/revoke"))[1] == "invalid_request"


async def test_revoking_a_refresh_token_ends_all(town: Town) -> None:
    person, browser = await town.resident()
    app = await town.app_of_residents()
    given = (await app.exchange(await app.code(browser, person))).json()
    await app.ask("/oauth/revoke", token=given["refresh_token"])
    assert await found(town, given["access_token"]) is None
    assert await town.trail("smart.ended") == [("ok", "revoked")]


async def test_what_is_over_is_purged(town: Town) -> None:
    person, browser = await town.resident()
    resident = await town.app_of_residents()
    await resident.exchange(await resident.code(browser, person))
    app = await backend(town)
    await app.ask(**ASK)

    async def count() -> list[int]:
        async with town.database.autocommit() as db:
            return [
                len(await (await db.execute(f"SELECT FROM smart.{one}".encode())).fetchall())
                for one in ("access", "assertion", "approval", "code", "refresh")
            ]

    async def purge() -> None:
        await town.within(lambda cx: tasks.purge(replace(cx, now=town.now)))

    await purge()
    assert await count() == [2, 1, 1, 1, 1]
    town.later(hours=1)
    await purge()
    assert await count() == [0, 0, 1, 1, 1]
    town.later(days=61)
    await purge()
    assert await count() == [0, 0, 0, 0, 0]


async def test_keys_at_an_address_are_fetched_kept_and_asked_for_again(town: Town) -> None:
    asked: list[str] = []
    shown = [new_key("k1")]

    async def get(url: str) -> bytes:
        asked.append(url)
        return orjson.dumps(public(*shown))

    town.app.state.smart_keys = KeyCache(get)
    app = await backend(town, jwks=None, jwks_url=URL)
    assert refused(await app.ask(**ASK))[2] == "assertion_signature"
    app.key = shown[0]
    assert (await app.ask(**ASK)).status_code == 200
    assert asked == [URL]
    shown[:] = [new_key("k1")]
    app.key = shown[0]
    town.later(hours=2)
    assert (await app.ask(**ASK)).status_code == 200
    assert asked == [URL] * 2


async def test_an_address_that_fails_is_left_alone_for_a_while(town: Town) -> None:
    asked: list[str] = []

    async def get(url: str) -> bytes:
        asked.append(url)
        raise KeysAway("down")

    town.app.state.smart_keys = KeyCache(get)
    app = await backend(town, jwks=None, jwks_url=URL)
    for _ in range(3):
        assert refused(await app.ask(**ASK)) == (401, "invalid_client", "keys_away")
    assert len(asked) == 1
    town.later(seconds=31)
    await app.ask(**ASK)
    assert len(asked) == 2


def resolving(*found: str) -> keys.Resolve:
    async def look_up(_: str, __: int) -> list[str]:
        return list(found)

    return look_up


def answering(answer: httpx.Response, seen: list[httpx.Request]) -> httpx.MockTransport:
    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer

    return httpx.MockTransport(answers)


async def test_a_fetch_goes_to_the_very_address_that_was_looked_at() -> None:
    seen: list[httpx.Request] = []
    transport = answering(httpx.Response(200, stream=httpx.ByteStream(b"{}")), seen)
    assert await keys.fetch(URL, resolving("1.1.1.1"), transport) == b"{}"
    assert seen[0].url.host == "1.1.1.1"
    assert seen[0].headers["host"] == "keys.example.test"
    assert seen[0].extensions["sni_hostname"] == "keys.example.test"


@pytest.mark.parametrize(
    ("url", "addresses", "answer"),
    [
        (URL, ["10.0.0.1"], None),
        (URL, ["1.1.1.1", "127.0.0.1"], None),
        (URL, ["::ffff:169.254.169.254"], None),
        (URL, [], None),
        ("http://keys.example.test/", ["1.1.1.1"], None),
        ("https://u@keys.example.test/", ["1.1.1.1"], None),
        (URL, ["1.1.1.1"], httpx.Response(302, headers={"location": "http://10.0.0.1/"})),
        (URL, ["1.1.1.1"], httpx.Response(200, stream=httpx.ByteStream(b"x" * 70_000))),
    ],
)
async def test_a_fetch_goes_nowhere_else(
    url: str, addresses: list[str], answer: httpx.Response | None
) -> None:
    seen: list[httpx.Request] = []
    transport = answering(answer or httpx.Response(200), seen)
    with pytest.raises(KeysAway):
        await keys.fetch(url, resolving(*addresses), transport)
    assert len(seen) == (answer is not None)


@pytest.mark.parametrize(
    ("jwks", "why"),
    [
        ({}, "no_keys"),
        ({"keys": []}, "no_keys"),
        ({"keys": ["x"]}, "not_public"),
        ({"keys": [new_key().as_dict(private=True)]}, "not_public"),
        ({"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}]}, "not_public"),
        ({"keys": [{"kty": "EC", "kid": "a"}]}, "unreadable"),
        (public(new_key(), new_key()), "kid"),
        (public(new_key(crv="P-256")), "weak"),
        (public(*(new_key(f"k{n}") for n in range(11))), "no_keys"),
    ],
)
def test_weak_private_and_unnamed_keys_are_refused(jwks: dict[str, Any], why: str) -> None:
    with pytest.raises(ClientWrong) as caught:
        keys.check(jwks)
    assert caught.value.why == why


BACKEND = NewClient("x", "y", Audience.BACKEND, Auth.KEY, "system/*.rs",
                    organisation_id=HOSPITAL.id, jwks=public(new_key()))  # fmt: skip


@pytest.mark.parametrize(
    ("of", "changes"),
    [
        (BACKEND, {"auth": Auth.NONE, "jwks": None}),
        (BACKEND, {"auth": Auth.SECRET, "jwks": None}),
        (BACKEND, {"organisation_id": None}),
        (BACKEND, {"redirect_uris": (BACK,)}),
        (BACKEND, {"jwks": None}),
        (BACKEND, {"jwks_url": URL}),
        (BACKEND, {"jwks": None, "jwks_url": "http://keys.example.test"}),
        (BACKEND, {"scopes": "patient/*.rs"}),
        (BACKEND, {"scopes": "system/*.rs openid"}),
        (BACKEND, {"scopes": "system/*.rs nonsense"}),
        (PUBLIC, {"scopes": "user/*.rs"}),
        (PUBLIC, {"scopes": "openid"}),
        (PUBLIC, {"redirect_uris": ()}),
        (PUBLIC, {"redirect_uris": ("http://app.test/x",)}),
        (PUBLIC, {"redirect_uris": tuple(f"{BACK}/{n}" for n in range(21))}),
        (PUBLIC, {"organisation_id": HOSPITAL.id}),
        (PUBLIC, {"launch_url": "http://app.test"}),
        (PUBLIC, {"jwks": public(new_key())}),
    ],
)
async def test_a_registration_is_held_to_the_rules(
    town: Town, of: NewClient, changes: dict[str, Any]
) -> None:
    with pytest.raises(ClientWrong):
        await town.client(replace(of, **changes))


async def test_discovery_says_what_is_there(town: Town) -> None:
    client = town.stranger().client
    answer = await client.get("/fhir/R4/.well-known/smart-configuration")
    about = answer.json()
    assert answer.headers["access-control-allow-origin"] == "*"
    assert about["code_challenge_methods_supported"] == ["S256"]
    assert "permission-v2" in about["capabilities"]
    for name in ("token", "introspection", "revocation"):
        path = httpx.URL(about[f"{name}_endpoint"]).path
        assert (await client.post(path, data={"x": "1"})).status_code == 401
    openid = (await client.get("/.well-known/openid-configuration")).json()
    assert openid["issuer"] == about["issuer"]
