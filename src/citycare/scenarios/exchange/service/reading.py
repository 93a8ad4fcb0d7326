"""read, vread and history.

Source: HL7 FHIR R4 4.0.1 §3.1.0.2 read, §3.1.0.3 vread, §3.1.0.11 history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import Key, Stored, finding, versions
from citycare.kernel.fhir.changes import Change, find_versions
from citycare.kernel.fhir.finding import Visible
from citycare.kernel.fhir.integrity import persons_of
from citycare.kernel.fhir.r4 import RESOURCES
from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.searching.model import Criterion, ParamType, Query, Token
from citycare.kit import pages
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.model.errors import HeaderWrong, NotPermitted
from citycare.scenarios.exchange.model.values import Past
from citycare.scenarios.exchange.rules import headers, responses
from citycare.scenarios.exchange.service.access import Access, Scoped
from citycare.scenarios.exchange.service.shortening import shortened
from citycare.scenarios.exchange.service.subscriptions import watching
from citycare.scenarios.exchange.service.trail import Trail, persons_in

HISTORY_MAX = 1_000
HISTORY_COUNT = 50
NOT_MODIFIED = 304
HISTORY_KNOWN = frozenset(("_since", "_at", "_count", "_page", "_format", "_pretty"))


async def visible_version(
    cx: Context,
    access: Access,
    trail: Trail,
    resource_type: str,
    resource_id: str,
    version: int | None = None,
) -> Stored:
    """Return a version of a resource that may be seen: the newest, and by itself each older one.

    That it is there and may not be seen is on record (`trail`), and not told.

    Raises:
        ResourceNotFound: there is none, or it may not be known of.
        ResourceDeleted: this version is the deletion.
    """
    visible = access.seen("r")
    if sees_all(visible, resource_type):
        found = await fhir.find_stored(cx, resource_type, resource_id, version)
        return _there(found, resource_type, resource_id)
    name = Criterion("_id", ParamType.TOKEN, values=(Token(None, resource_id),))
    seen = await finding.find(cx, Query((resource_type,), (name,), count=1), visible=visible)
    if not seen.matches:
        hidden = await fhir.find_stored(cx, resource_type, resource_id)
        if hidden is not None:
            await _refused(cx, access, trail, hidden)
        raise fhir.ResourceNotFound(type=resource_type, id=resource_id)
    newest = seen.matches[0].stored()
    if version in (None, newest.version):
        return newest
    found = await fhir.find_stored(cx, resource_type, resource_id, version)
    older = await _seen_of(cx, visible, [found] if found else [])
    if found is not None and not older:
        await _refused(cx, access, trail, found)
    return _there(older[0] if older else None, resource_type, resource_id)


async def _refused(cx: Context, access: Access, trail: Trail, hidden: Stored) -> None:
    record = f"{hidden.type}/{hidden.id}"
    await trail.refused(cx, access.action, record, persons_in([hidden]))


def sees_all(visible: Visible, resource_type: str) -> bool:
    """Tell whether all of a type may be seen."""
    types = visible.types
    within = types is None or resource_type in types
    return visible.everything and within and resource_type not in visible.limits


def _there(found: Stored | None, resource_type: str, resource_id: str) -> Stored:
    if found is None:
        raise fhir.ResourceNotFound(type=resource_type, id=resource_id)
    if found.body is None:
        raise fhir.ResourceDeleted(type=resource_type, id=resource_id)
    return found


async def _seen_of(cx: Context, visible: Visible, some: Sequence[Stored]) -> list[Stored]:
    """Return those versions of one resource that may be seen, each judged by itself.

    An older one may be about somebody else, or what another wrote who has deleted it since. Of a
    deletion is told who may see the version before it.
    """
    given = {one.version: one for one in some}
    content: dict[int, Stored] = {}
    for one in some:
        found: Stored | None = one
        if one.body is None:
            before = one.version - 1
            found = given.get(before) or await fhir.find_stored(cx, one.type, one.id, before)
        if found is not None and found.body is not None:
            content[one.version] = found
    names = {number: Key(one.type, one.id, one.version) for number, one in content.items()}
    marks = await find_versions(cx, names.values(), bodies=False)
    return [
        one
        for one in some
        if one.version in content
        and _is_seen(visible, marks[names[one.version]], content[one.version].body or "")
    ]


def _is_seen(visible: Visible, mark: Change, body: str) -> bool:
    """Tell whether a version with this body may be seen.

    A while after it was replaced, of what it had in the index only its writer is left
    (`kernel.fhir.upkeep`): whom it is about then stands in its body.
    """
    wide = replace(visible, limits={})
    if not watching.sees(wide, mark):
        belongs = [
            of.compartment_key("Patient", of.resource_hash("Patient", one))
            for one in persons_of(fhir.loads(body))
        ]
        if not watching.sees(wide, replace(mark, keys=belongs)):
            return False
    if mark.type not in visible.limits:
        return True
    return Scoped(visible.types, visible.limits).holds(fhir.loads(body))


async def read(cx: Context, access: Access, trail: Trail, call: Call) -> Answer:
    """Answer read and vread."""
    asked = call.asked
    access.require(asked.type, "r")
    number = _number(asked.version) if asked.version else None
    found = await visible_version(cx, access, trail, asked.type, asked.id, number)
    assert found.body is not None
    await trail.read(cx, access.action, f"{found.type}/{found.id}", persons_in([found]))
    beside = tags(found.version, found.updated_at)
    if headers.is_unmodified(call.conditions, found.version, found.updated_at):
        return Answer(NOT_MODIFIED, "", beside)
    name = found.type, found.id, found.version
    return Answer(200, shortened(found.body, call.pairs), beside, name, found.updated_at)


def _number(text: str) -> int:
    """Read a version; one that is no number of ours was never given to anything."""
    if not text.isdecimal() or len(text) > 9:  # noqa: PLR2004 (the largest has ten digits)
        raise fhir.ResourceNotFound(version=text[:64])
    return int(text)


def tags(version: int, updated_at: datetime) -> dict[str, str]:
    """Return the headers that name a version."""
    return {
        "ETag": headers.etag(version),
        "Last-Modified": headers.last_modified(updated_at),
    }


async def history(cx: Context, access: Access, trail: Trail, base: str, call: Call) -> Answer:
    """Answer history of a resource, of a type, of the whole system.

    Of a type and of the system only those who see all of it get it: a version says nothing of who
    might have seen it when it was the newest.
    """
    asked, told = call.asked, dict(call.pairs)
    unknown = sorted(set(told) - HISTORY_KNOWN)
    if unknown and not call.lenient:
        raise HeaderWrong(parameter=unknown[0][:100])
    count = min(HISTORY_MAX, _count(told.get("_count", str(HISTORY_COUNT))))
    until = None if "_page" in told else await versions.complete_until(cx)
    if asked.id:
        entries, following = await _of_one(cx, access, trail, call, count)
    else:
        access.require(asked.type or "*", "r")
        if not sees_all(access.seen("r"), asked.type):
            raise NotPermitted(interaction="history")
        entries, following = await _of_many(cx, call, count)
    path = "/".join(filter(None, (asked.type, asked.id, "_history")))
    record = path.removesuffix("/_history") or "*"
    await trail.read(cx, access.action, f"{record}/_history", persons_in(entries))
    pairs = [one for one in call.pairs if one[0] in HISTORY_KNOWN - {"_page"}]
    links = responses.links(
        base, path, pairs, token=told.get("_page", ""), following=following or ""
    )
    past = [Past(one.type, one.id, one.version, one.updated_at, one.body or "") for one in entries]
    return Answer(200, responses.history(past, base=base, links=links, until=until))


async def _of_one(
    cx: Context, access: Access, trail: Trail, call: Call, count: int
) -> tuple[list[Stored], str | None]:
    asked, told = call.asked, dict(call.pairs)
    access.require(asked.type, "r")
    visible = access.seen("r")
    try:
        await visible_version(cx, access, trail, asked.type, asked.id)
    except fhir.ResourceDeleted:
        if not access.visible.everything:
            raise
    since = _instant(told, "_since")
    at = _instant(told, "_at")
    page = await versions.history(
        cx, asked.type, asked.id, since=since, at=at, after=told.get("_page"), count=count
    )
    entries = list(page.items)
    if not sees_all(visible, asked.type):
        entries = await _seen_of(cx, visible, entries)
    return entries, page.next


async def _of_many(cx: Context, call: Call, count: int) -> tuple[list[Stored], str | None]:
    told = dict(call.pairs)
    token = told.get("_page")
    after = pages.read(token, datetime, int) if token else None
    kinds = [call.asked.type] if call.asked.type else sorted(RESOURCES)
    found, following = await versions.changes(
        cx,
        kinds,
        since=_instant(told, "_since"),
        at=_instant(told, "_at"),
        after=after,
        count=count,
    )
    return found, pages.encode(following[0].isoformat(), following[1]) if following else None


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:  # noqa: PLR2004 (longer than any count)
        raise HeaderWrong(parameter="_count", value=text[:20])
    return int(text)


def _instant(told: dict[str, str], name: str) -> datetime | None:
    if name not in told:
        return None
    found = headers.instant(told[name].replace(" ", "+"))
    if found is None:
        raise HeaderWrong(parameter=name, value=told[name][:50])
    return found
