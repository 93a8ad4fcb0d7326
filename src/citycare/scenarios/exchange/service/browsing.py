"""The record for those who run it: what there is, searches, one resource with all that is about it.

An operator may see every resource, and has no care of anybody. So lists show names only of those
for whom a reason was given, a resource that is about somebody is opened with a reason alone, and
each look is on record in its own transaction, with that reason.

Source: ours; PIPL art 6 (minimum necessary).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from citycare.kernel import audit, consent, fhir
from citycare.kernel.audit import Seen
from citycare.kernel.context import Context
from citycare.kernel.fhir import Stored, finding, looking, versions
from citycare.kernel.fhir.finding import Explained, Found
from citycare.kernel.fhir.integrity import persons_named
from citycare.kernel.fhir.looking import Amount, Referring
from citycare.kernel.fhir.searching import reading
from citycare.kernel.fhir.searching.model import Query
from citycare.kit.errors import Forbidden
from citycare.kit.pages import Page
from citycare.scenarios.exchange.service.access import OPEN_TYPES
from citycare.scenarios.exchange.service.searches import (
    Tokens,
    opened,
    persons_asked,
    purpose_of,
    sealed,
)
from citycare.scenarios.exchange.service.trail import NO_DETAIL, entries

ACTION = "operator.record"
PAGE = 25
PAGE_MAX = 100
VERSIONS = 20
PERSONS_MAX = 3
"""Of more persons than that (a Group, a List) a resource counts as one thing, not as theirs."""
SLACK = timedelta(seconds=5)
HIDDEN = "…"

Json = dict[str, Any]
Pairs = Sequence[tuple[str, str]]


class ReasonMissing(Forbidden):
    """This is about a person: say why you look first."""

    code = "exchange.reason_missing"
    words = "这条数据和某个人有关。请先写明为什么要看，再打开。"


@dataclass(frozen=True, slots=True)
class Looked:
    """A page of a search: what was asked, what was found, the token of the next page or `""`."""

    query: Query
    found: Found
    next: str


async def amounts(cx: Context) -> list[Amount]:
    """Return what there is of each type."""
    await consent.require(cx, ACTION)
    return await looking.amounts(cx)


def read(kind: str, pairs: Pairs, *, now: datetime, base: str) -> Query:
    """Read a search, no longer than a page.

    Raises:
        TypeUnknown, ParameterUnknown, ValueBroken: it cannot be done, and why.
    """
    query = reading.read((kind,) if kind else (), pairs, now=now, base=base)
    asked = any(name == "_count" for name, _ in pairs)
    return replace(query, count=min(query.count, PAGE_MAX) if asked else PAGE)


async def search(
    cx: Context, kind: str, pairs: Pairs, *, page: str, tokens: Tokens, base: str
) -> Looked:
    """Search, and put each person on record who is among what was found.

    Raises:
        TypeUnknown, ParameterUnknown, ValueBroken, TooCostly: see `read` and `finding.find`.
        TokenBroken: the page is of another search, or too old.
    """
    await consent.require(cx, ACTION)
    query = await finding.resolve_sets(cx, read(kind, pairs, now=cx.now, base=base), base)
    purpose = purpose_of(f"operator/{kind}", pairs)
    place = opened(tokens, purpose, page)
    async with cx.db.transaction():  # a search that takes too long is taken back alone
        found = await finding.find(cx, query, after=place, base=base)
    persons = persons_asked(query)
    for hit in (*found.matches, *found.included):
        persons |= persons_named(hit.resource())
    await audit.append(cx, entries(ACTION, f"{kind or '*'}?", sorted(persons)))
    return Looked(query, found, sealed(tokens, purpose, found.next))


async def explain(cx: Context, kind: str, pairs: Pairs, *, base: str) -> Explained:
    """Do a search and explain how it was done; of what it found only numbers are told.

    Raises:
        TypeUnknown, ParameterUnknown, ValueBroken, TooCostly: as `search`.
    """
    await consent.require(cx, ACTION)
    query = await finding.resolve_sets(cx, read(kind, pairs, now=cx.now, base=base), base)
    found = await finding.explain(cx, query, base=base)
    async with cx.db.transaction():
        record = f"{kind or '*'}/$explain"
        await audit.append(cx, entries(ACTION, record, sorted(persons_asked(query))))
    return found


def names_of(resource: Json) -> frozenset[str]:
    """Return for what a reason must be given: the persons, or the resource; nothing: it is open."""
    kind = resource["resourceType"]
    persons = frozenset(persons_named(resource))
    if 1 <= len(persons) <= PERSONS_MAX:
        return persons
    return frozenset() if kind in OPEN_TYPES else frozenset((f"{kind}/{resource.get('id')}",))


@dataclass(frozen=True, slots=True)
class Opened:
    """A resource in one version.

    Attributes:
        stored: the version; its body is None where it is the deletion.
        resource: the body, secrets left out; None as there.
        names: for what a reason must be given.
        reason: that was given; `""`: none, and none is needed.
    """

    stored: Stored
    resource: Json | None
    names: frozenset[str]
    reason: str = ""


async def stored(
    cx: Context, kind: str, id_: str, version: int | None = None
) -> tuple[Stored, frozenset[str]]:
    """Return a version, and for what a reason must be given before it is shown.

    A deletion is about whom the version before it was about.

    Raises:
        ResourceNotFound: there is no such resource, or version.
    """
    await consent.require(cx, ACTION)
    found = await fhir.find_stored(cx, kind, id_, version)
    if found is None:
        raise fhir.ResourceNotFound(type=kind[:64], id=id_[:64])
    told = found
    if told.body is None and told.version > 1:
        told = await fhir.find_stored(cx, kind, id_, told.version - 1) or told
    resource = fhir.loads(told.body) if told.body else {"resourceType": kind, "id": id_}
    return found, names_of(resource)


async def outline(cx: Context, kind: str, id_: str) -> tuple[Json, frozenset[str]]:
    """Return the newest version to be shown no further than lists do; that is on record too.

    Raises:
        ResourceNotFound: there is no such resource.
    """
    found, names = await stored(cx, kind, id_)
    persons = sorted(name for name in names if "/" not in name)
    await audit.append(cx, entries(ACTION, f"{kind}/{id_}", persons, {"shown": "outline"}))
    return fhir.loads(found.body) if found.body else {"resourceType": kind, "id": id_}, names


async def open_one(
    cx: Context, kind: str, id_: str, reasons: Mapping[str, str], version: int | None = None
) -> Opened:
    """Open a resource, and put it on record with the reason.

    Raises:
        ResourceNotFound: there is no such resource, or version.
        ReasonMissing: it is about somebody, and no reason was given.
    """
    found, names = await stored(cx, kind, id_, version)
    if not names <= reasons.keys():
        raise ReasonMissing(type=kind, id=id_)
    reason = next((reasons[name] for name in sorted(names)), "")
    record = f"{kind}/{id_}" + (f"/_history/{version}" if version is not None else "")
    detail = {"reason": reason} if reason else NO_DETAIL
    persons = sorted(name for name in names if "/" not in name)
    await audit.append(cx, entries(ACTION, record, persons, detail))
    resource = None if found.body is None else without_secrets(fhir.loads(found.body))
    return Opened(found, resource, names, reason)


def without_secrets(resource: Json) -> Json:
    """Leave out what opens doors: headers that a Subscription sends to its receiver."""
    channel = resource.get("channel")
    if resource["resourceType"] != "Subscription" or not isinstance(channel, dict):
        return resource
    headers = [f"{one.partition(':')[0]}: {HIDDEN}" for one in channel.get("header", ())]
    return resource | {"channel": channel | ({"header": headers} if headers else {})}


async def past(cx: Context, kind: str, id_: str, page: str = "") -> Page[Stored]:
    """Return the versions of a resource, the newest first; for who has opened it."""
    return await versions.history(cx, kind, id_, after=page or None, count=VERSIONS)


async def referring(cx: Context, kind: str, id_: str) -> Sequence[Referring]:
    """Return what refers to a resource, by name; for who has opened it."""
    return await looking.referring(cx, kind, id_)


async def writer_of(cx: Context, version: Stored) -> Seen | None:
    """Return the line of the trail that says who wrote a version over the interface.

    None: it was written by a part of this system, in the course of its own work.
    """
    record = f"{version.type}/{version.id}/_history/{version.version}"
    query = audit.Query(
        record=record,
        since=version.updated_at - SLACK,
        until=version.updated_at + SLACK,
        not_actions=(ACTION,),  # who looked at it here
    )
    found = await audit.search(cx, query, limit=1)
    return found.items[0].seen if found.items else None


async def names_for(cx: Context, persons: Iterable[str]) -> dict[str, str]:
    """Return the names of persons by id, for those whose reason has been given."""
    found = await fhir.find_many(cx, "Patient", sorted(set(persons)))
    return {id_: name for id_, one in found.items() if (name := name_of(one))}


def name_of(resource: Json) -> str:
    """Return the name of a person, as it would be said; `""` where there is none."""
    for one in resource.get("name", ()):
        if isinstance(one, dict):
            if one.get("text"):
                return str(one["text"])
            parts = [str(one.get("family", "")), *map(str, one.get("given", ()))]
            if any(parts):
                return " ".join(filter(None, parts))
    return ""
