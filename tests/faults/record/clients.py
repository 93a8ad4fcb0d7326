"""Clients of the record under fire: each does what its dice say and logs what it was told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from time import monotonic
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from tests.faults.record import resources
from tests.faults.record.history import Act, Kind, Outcome, Seen, Sent
from tests.faults.record.resources import Json

TIMEOUT_S = 8.0
REGISTERS, COUNTERS, PAIRS, FRESH, KEYS, STANDING = 4, 3, 3, 6, 3, 40
PAGE = 9
TRIES = 40  # of what a client does until it is answered


@dataclass(slots=True)
class Shared:
    """What all clients of a run share: the log, the newest Patients, and how far the run is."""

    acts: list[Act] = field(default_factory=list)
    patients: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    tick: int = 0

    def next(self) -> int:
        self.tick += 1
        return self.tick


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; status 0: nothing did."""

    status: int
    body: Any
    began: float
    ended: float

    @property
    def outcome(self) -> Outcome:
        if 200 <= self.status < 300 or self.status in (404, 410):
            return Outcome.DONE
        return Outcome.REFUSED if 400 <= self.status < 500 else Outcome.UNKNOWN


class Client:
    """One client with dice of its own."""

    def __init__(self, number: int, base: str, token: str, shared: Shared, seed: int) -> None:
        self.number = number
        self.shared = shared
        self.dice = Random(f"{seed}/{number}")
        self.last: dict[str, Seen] = {}
        self.mine: list[str] = []
        self.over: Callable[[], bool] = bool  # never
        self._count = 0
        self._http = httpx.AsyncClient(
            base_url=base,
            timeout=TIMEOUT_S,
            headers={
                "Authorization": f"Bearer {token}",
                "Prefer": "return=representation",
                "Content-Type": "application/fhir+json",
            },
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def work(self, until: Callable[[], bool]) -> None:
        """Do one thing after the other."""
        self.over = until
        deeds = list(DEEDS)
        weights = list(DEEDS.values())
        while not self.over():
            (deed,) = self.dice.choices(deeds, weights)
            await deed(self)

    # Asking

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send a request; what goes wrong below HTTP is no answer."""
        began = monotonic()
        content = None if body is None else orjson.dumps(body)
        try:
            answer = await self._http.request(method, path, content=content, headers=headers or {})
        except (httpx.HTTPError, OSError):
            await asyncio.sleep(0.05)  # nobody hammers a server that is away
            return Reply(0, None, began, monotonic())
        text = answer.content
        return Reply(answer.status_code, orjson.loads(text) if text else None, began, monotonic())

    def token(self) -> str:
        self._count += 1
        return f"w{self.number}-{self._count}"

    def note(self, what: str, kind: Kind, reply: Reply, **more: Any) -> Act:
        """Put an act into the log."""
        act = Act(
            self.number, what, kind, reply.began, reply.ended,
            more.pop("outcome", reply.outcome), reply.status, **more,
        )  # fmt: skip
        self.shared.acts.append(act)
        if kind is not Kind.PAST:  # an old version is nothing to go by
            self.last |= {one.name: one for one in act.seen}
        return act

    # Writing

    async def write(
        self, what: str, sent: Sent, body: Any, headers: dict[str, str] | None = None,
        *, method: str = "PUT", path: str = "",
    ) -> Act:  # fmt: skip
        """Send one resource, or a patch of it, and log it."""
        reply = await self.ask(method, path or sent.name, body, headers)
        done = reply.outcome is Outcome.DONE and reply.status not in (404, 410)
        seen = (resources.seen(reply.body),) if done else ()
        outcome = Outcome.REFUSED if reply.status in (404, 410) else reply.outcome
        told = f"{what} {sent.name or sent.key}"
        return self.note(told, Kind.WRITE, reply, outcome=outcome, sent=(sent,), seen=seen)

    async def bundle(self, what: str, sent: Sequence[Sent], entries: Sequence[Json]) -> Act:
        """Send a transaction and log it."""
        body = {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}
        reply = await self.ask("POST", "", body)
        seen: tuple[Seen, ...] = ()
        if reply.outcome is Outcome.DONE:
            seen = tuple(resources.seen(one["resource"]) for one in reply.body["entry"])
        outcome = Outcome.REFUSED if reply.status in (404, 410) else reply.outcome
        return self.note(what, Kind.WRITE, reply, outcome=outcome, sent=tuple(sent), seen=seen)

    async def put(self) -> None:
        """Update a register, whatever is there."""
        sent = Sent(self.register(), self.token(), self.dice.randrange(1_000))
        await self.write("put", sent, resources.basic(sent))

    async def swap(self) -> None:
        """Update a register if it is as this client saw it last, or as it is now."""
        name = self.register()
        if name not in self.last or self.dice.random() < 0.7:
            await self._read(name)
        seen = self.last.get(name)
        if seen is None or seen.version <= 0:
            await self.put()
            return
        sent = Sent(name, self.token(), seen.value + 1, expected=seen.version)
        tag = {"If-Match": f'W/"{seen.version}"'}
        await self.write("swap", sent, resources.basic(sent), tag)

    async def claim(self) -> None:
        """Create under an id that others want as well; the first gets it."""
        stretch = self.shared.next() // 8
        name = f"Basic/claim-{stretch}-{self.dice.randrange(2)}"
        sent = Sent(name, self.token(), fresh=True)
        await self.write("claim", sent, resources.basic(sent), {"If-None-Match": "*"})

    async def count(self) -> None:
        """Add one to a counter, by a patch that tests what it was."""
        name = f"Basic/count-{self.dice.randrange(COUNTERS)}"
        seen = await self._read(name)
        if seen is None or seen.version <= 0:
            return
        sent = Sent(name, self.token(), seen.value + 1, stepped=True)
        patch = resources.patch(seen, sent)
        told = {"Content-Type": "application/json-patch+json"}
        await self.write("count", sent, patch, told, method="PATCH")

    async def ensure(self) -> None:
        """Create what others create as well, once only; ask until there is an answer."""
        key = f"ensure-{self.shared.next() // 8}-{self.dice.randrange(2)}"
        told = {"If-None-Exist": f"identifier={resources.KEY}|{key}"}
        for _ in range(TRIES):
            sent = Sent("", self.token(), key=key, unless=True)
            body = resources.basic(sent, "ensure")
            act = await self.write("ensure", sent, body, told, method="POST", path="Basic")
            if act.outcome is not Outcome.UNKNOWN or self.over():
                return

    async def create(self) -> None:
        """Create together with whoever does at the same time; some refer to what is not there."""
        sent = Sent("", self.token())
        if self.dice.random() < 0.2:
            body = resources.observation(sent, "Patient/nobody-55817")
            await self.write("create", sent, body, method="POST", path="Observation")
        else:
            await self.write(
                "create", sent, resources.basic(sent, "made"), method="POST", path="Basic"
            )

    async def upsert(self) -> None:
        """Update what a condition finds, or create it."""
        key = f"upsert-{self.dice.randrange(KEYS)}-{self.shared.tick // 100}"
        sent = Sent("", self.token(), key=key)
        path = f"Basic?identifier={quote(resources.KEY)}|{key}"
        await self.write("upsert", sent, resources.basic(sent, "upsert"), path=path)

    async def transfer(self) -> None:
        """Change two resources together; what both hold is always a hundred."""
        pair = self.dice.randrange(PAIRS)
        token, left = self.token(), self.dice.randrange(100)
        names = (f"Basic/pair-{pair}-left", f"Basic/pair-{pair}-right")
        sent = [
            Sent(name, f"{token}-{at}", value)
            for at, (name, value) in enumerate(zip(names, (left, 100 - left), strict=True))
        ]
        entries = [resources.entry(resources.basic(one), "PUT", one.name) for one in sent]
        if self.dice.random() < 0.5:
            entries.reverse()
            sent.reverse()
        if self.dice.random() < 0.3:  # one of two believes in what may be old
            seen = self.last.get(sent[1].name)
            if seen is not None and seen.version > 0:
                sent[1] = replace(sent[1], expected=seen.version)
                entries[1]["request"]["ifMatch"] = f'W/"{seen.version}"'
        await self.bundle(f"transfer {pair}", sent, entries)

    async def family(self) -> None:
        """Store a Patient, unless they are there, and three Observations about them."""
        key = f"family-{self.shared.next() // 12}"
        token, link = self.token(), f"urn:uuid:00000000-0000-4000-8000-{self._count:012d}"
        sent = [Sent("", f"{token}-p", key=key, unless=True)]
        sent += [Sent("", f"{token}-{at}", at) for at in range(3)]
        patient = resources.entry(resources.patient(sent[0]), "POST", "Patient", link)
        patient["request"]["ifNoneExist"] = f"identifier={resources.KEY}|{key}"
        entries = [patient]
        if self.shared.patients and self.dice.random() < 0.3:  # of one who is there, or was
            link, sent, entries = self.dice.choice(self.shared.patients), sent[1:], []
        entries += [
            resources.entry(resources.observation(one, link), "POST", "Observation")
            for one in sent[-3:]
        ]
        if self.dice.random() < 0.2:  # the last cannot be stored, so none may
            entries[-1]["resource"]["subject"] = {"reference": "Patient/nobody-55817"}
        act = await self.bundle(f"family {key}", sent, entries)
        self.shared.patients += [one.name for one in act.seen if one.name.startswith("Patient/")]

    async def crowd(self) -> None:
        """Come, change, or go, while others page."""
        roll = self.dice.random()
        if self.mine and roll < 0.3:
            await self._delete(self.mine.pop(self.dice.randrange(len(self.mine))))
            return
        if roll < 0.6:
            name = f"Basic/crowd-standing-{self.dice.randrange(STANDING)}"
        else:
            name = f"Basic/crowd-{self.number}-{self._count}"
            self.mine.append(name)
        sent = Sent(name, self.token())
        await self.write("crowd", sent, resources.basic(sent))

    async def remove(self) -> None:
        """Delete a register; somebody will write it again."""
        await self._delete(self.register())

    async def bury(self) -> None:
        """Delete a Patient to whom others may be adding Observations."""
        if self.shared.patients:
            await self._delete(self.dice.choice(self.shared.patients))

    async def _delete(self, name: str) -> None:
        reply = await self.ask("DELETE", name)
        self.note(f"delete {name}", Kind.DELETE, reply, about=name)

    def register(self) -> str:
        return f"Basic/register-{self.dice.randrange(REGISTERS)}"

    # Reading

    async def read(self) -> None:
        """Read what is written most."""
        group, most = self.dice.choice((("register", REGISTERS), ("count", COUNTERS)))
        await self._read(f"Basic/{group}-{self.dice.randrange(most)}")

    async def _read(self, name: str) -> Seen | None:
        reply = await self.ask("GET", name)
        seen = resources.state(name, reply.status, reply.body)
        self.note(f"read {name}", Kind.READ, reply, about=name, seen=(seen,) if seen else ())
        return seen

    async def version(self) -> None:
        """Read an old version."""
        known = [one for one in self.last.values() if one.version > 1]
        if not known:
            return
        one = self.dice.choice(known)
        number = self.dice.randrange(1, one.version + 1)
        reply = await self.ask("GET", f"{one.name}/_history/{number}")
        seen = (resources.seen(reply.body),) if reply.status == 200 else ()
        self.note(f"vread {one.name}", Kind.PAST, reply, about=one.name, seen=seen)

    async def history(self) -> None:
        """Read all versions of a register."""
        name = self.register()
        reply = await self.ask("GET", f"{name}/_history?_count=1000")
        seen = tuple(resources.entries(reply.body)) if reply.status == 200 else ()
        whole = bool(seen) and not resources.following(reply.body)
        self.note(f"history {name}", Kind.PAST, reply, about=name, seen=seen, whole=whole)

    async def search(self) -> None:
        """Find both resources of a pair, or a whole group, on one page."""
        group = self.dice.choice(("pair", "register", "count"))
        path = f"Basic?code={resources.CHECK}|{group}&_count=200"
        reply = await self.ask("GET", path)
        seen = tuple(resources.entries(reply.body)) if reply.status == 200 else ()
        self.note(f"search {group}", Kind.SEARCH, reply, about=group, seen=seen)

    async def page(self) -> None:
        """Find a crowd page by page, each asked for until it comes."""
        order = self.dice.choice(("", "&_sort=_id", "&_sort=-_lastUpdated", "&_sort=_lastUpdated"))
        path = f"Basic?code={resources.CHECK}|crowd&_count={PAGE}{order}"
        seen: list[Seen] = []
        first = reply = await self.ask("GET", path)
        for _ in range(TRIES):
            if reply.status == 200:
                seen += resources.entries(reply.body)
                path = resources.following(reply.body)
                if not path:
                    break
            if reply.status != 200 and self.over():
                break
            await asyncio.sleep(self.dice.random() * 0.03)
            reply = await self.ask("GET", path)
            if first.status != 200:
                first = reply
        told = replace(reply, began=first.began)
        whole = Outcome.DONE if reply.status == 200 and not path else Outcome.UNKNOWN
        if first.status == 200:
            self.note(f"page {order[1:] or 'newest'}", Kind.SEARCH, told, about="crowd",
                      seen=tuple(seen), settled=first.ended, outcome=whole)  # fmt: skip


Deed = Callable[[Client], Awaitable[None]]
DEEDS: dict[Deed, int] = {
    Client.put: 4, Client.create: 12, Client.swap: 8, Client.claim: 4, Client.count: 8,
    Client.ensure: 6, Client.upsert: 4, Client.transfer: 8, Client.family: 6,
    Client.crowd: 10, Client.remove: 1, Client.bury: 2,
    Client.read: 4, Client.version: 2, Client.history: 2, Client.search: 6, Client.page: 3,
}  # fmt: skip


async def prepare(client: Client) -> None:
    """Store what must be there before the first deed."""
    names = [f"Basic/count-{one}" for one in range(COUNTERS)]
    names += [f"Basic/crowd-standing-{one}" for one in range(STANDING)]
    for name in names:
        sent = Sent(name, client.token())
        act = await client.write("prepare", sent, resources.basic(sent))
        assert act.outcome is Outcome.DONE, act
