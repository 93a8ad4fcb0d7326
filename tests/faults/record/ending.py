"""When all is quiet: everything read back, by histories, reads and searches."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

import psycopg

from tests.faults.record import resources
from tests.faults.record.clients import Client
from tests.faults.record.history import GONE, Act, History, Kind, Outcome, Past, group_of
from tests.faults.record.polling import TYPES, Poller

AT_ONCE = 50
TRIES = 100  # the city may still be getting well
QUIET_S = 20.0
BUSY = """
    SELECT count(*) FROM pg_stat_activity
     WHERE usename = 'citycare_app' AND (state = 'active' OR xact_start IS NOT NULL)
"""


async def quiet(url: str) -> None:
    """Wait until nothing that a client gave up is at work any more."""
    end = monotonic() + QUIET_S
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        while monotonic() < end:
            row = await (await db.execute(BUSY)).fetchone()
            if row is not None and row[0] == 0:
                return
            await asyncio.sleep(0.1)
    raise AssertionError("the database is still at work")


async def read_back(client: Client, acts: tuple[Act, ...], poller: Poller) -> History:
    """Return the whole history of a run."""
    for _ in range(TRIES):
        if await poller.poll():
            break
        await asyncio.sleep(0.1)
    versions = await _versions(client)
    acts += tuple([await _history(client, name) for name in versions if len(versions[name]) > 1])
    reads = {name: await _read(client, name) for name in sorted(versions)}
    groups = sorted({group for name in versions if (group := group_of(name))})
    found = {group: await _found(client, group) for group in groups}
    tokens = [one.token for act in acts if act.kind is Kind.WRITE for one in act.sent]
    by_token = await _by_token(client, tokens)
    return History(acts, versions, reads, found, by_token, frozenset(poller.told))


async def _get(client: Client, path: str, *may: int) -> Any:
    """Ask until there is an answer."""
    for _ in range(TRIES):
        reply = await client.ask("GET", path)
        if reply.outcome is not Outcome.UNKNOWN:
            break
        await asyncio.sleep(0.1)
    assert reply.status in (200, *may), (path, reply)
    return reply


async def _pages(client: Client, path: str) -> list[Any]:
    found = []
    while path:
        body = (await _get(client, path)).body
        found += body.get("entry", [])
        path = resources.following(body)
    return found


async def _versions(client: Client) -> dict[str, tuple[Past, ...]]:
    """Read the histories of the types."""
    made: dict[str, list[Past]] = defaultdict(list)
    for kind in TYPES:
        for one in await _pages(client, f"{kind}/_history?_count=1000"):
            made[one["request"]["url"]].append(_past(one))
    return {name: tuple(sorted(some, key=lambda one: one.version)) for name, some in made.items()}


async def _history(client: Client, name: str) -> Act:
    """Read the history of one resource, which must be what the one of its type is."""
    began = monotonic()
    entries = await _pages(client, f"{name}/_history?_count=100")
    seen = tuple(resources.entries({"entry": entries}))
    return Act(
        client.number, "history at the end", Kind.PAST, began, monotonic(), Outcome.DONE,
        about=name, seen=seen, whole=True,
    )  # fmt: skip


def _past(entry: Any) -> Past:
    version = int(entry["response"]["etag"].strip('W/"'))
    at = entry["response"]["lastModified"]
    if "resource" not in entry:
        return Past(version, updated_at=at)
    seen = resources.seen(entry["resource"])
    assert (seen.version, seen.name) == (version, entry["request"]["url"]), entry
    link = entry["resource"].get("subject", {}).get("reference", "")
    return Past(version, seen.token, seen.value, at, link)


async def _read(client: Client, name: str) -> int:
    reply = await _get(client, name, 410)
    return GONE if reply.status == 410 else resources.seen(reply.body).version


async def _found(client: Client, group: str) -> frozenset[tuple[str, int]]:
    path = f"Basic?code={resources.CHECK}|{group}&_count=100"
    seen = [resources.seen(one["resource"]) for one in await _pages(client, path)]
    return frozenset((one.name, one.version) for one in seen)


async def _by_token(client: Client, tokens: Sequence[str]) -> dict[str, frozenset[str]]:
    """Look up every token that was ever sent, also those that were replaced since."""
    made: dict[str, set[str]] = {token: set() for token in tokens}
    for kind in TYPES:
        for some in _in_parts(tokens):
            asked = ",".join(f"{resources.TOKEN}|{one}" for one in some)
            for one in await _pages(client, f"{kind}?identifier={asked}&_count=200"):
                seen = resources.seen(one["resource"])
                made[seen.token if seen.token in some else some[0]].add(seen.name)
    return {token: frozenset(names) for token, names in made.items()}


def _in_parts(some: Sequence[str]) -> Iterator[Sequence[str]]:
    yield from (some[at : at + AT_ONCE] for at in range(0, len(some), AT_ONCE))
