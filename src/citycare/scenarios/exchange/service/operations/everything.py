"""`$everything` of a Patient or an Encounter: its compartment, and what that refers to.

What it refers to is taken one step far and of open types alone (who, where, which medicine); it
comes with the page of what refers to it. A page is two statements, whatever it holds; for who sees
everything three. Of a person, what others keep of them under ids of their own belongs to it too,
where it is linked to them (`kernel.identity.links`).

Source: HL7 FHIR R4 4.0.1, operations Patient/$everything and Encounter/$everything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson

from citycare.kernel.fhir import finding, versions
from citycare.kernel.fhir.finding import Found, Hit
from citycare.kernel.fhir.finding.including import INCLUDED_MAX
from citycare.kernel.fhir.integrity import persons_among
from citycare.kernel.fhir.r4 import RESOURCES, compartments
from citycare.kernel.fhir.searching import reading
from citycare.kernel.fhir.searching.keys import target_of
from citycare.kernel.fhir.searching.model import (
    Criterion,
    Link,
    Moment,
    ParamType,
    Prefix,
    Query,
)
from citycare.kernel.fhir.searching.values import Param, Setting, value
from citycare.scenarios.exchange.model.calls import Answer
from citycare.scenarios.exchange.model.values import Spliced
from citycare.scenarios.exchange.rules import responses
from citycare.scenarios.exchange.service import searches
from citycare.scenarios.exchange.service.access import OPEN_TYPES
from citycare.scenarios.exchange.service.linked import PATIENT, with_linked
from citycare.scenarios.exchange.service.operations.given import wrong
from citycare.scenarios.exchange.service.operations.model import Operating
from citycare.scenarios.exchange.service.reading import visible_version

COUNT_MAX = reading.COUNT_MAX
TAKES = frozenset(("start", "end", "_since", "_type", "_count", searches.PAGE))
REFERENCE = re.compile(r'"reference":("[^"\\]*+(?:\\.[^"\\]*+)*+")')
"""A reference in JSON as it is kept, without blanks; inside a text its quotes would be escaped."""
TIMES = {
    "start": ("_main", Prefix.GE),
    "end": ("_main", Prefix.LE),
    "_since": ("_lastUpdated", Prefix.GE),
}


async def everything(asked: Operating) -> Answer:
    """Answer a page of all that belongs to one resource, or to all of its type.

    Raises:
        ResourceNotFound, ResourceDeleted: there is none, or it may not be known of.
        ParameterWrong, ValueBroken: a parameter cannot be read.
        TokenBroken: the page is not one of ours, or was asked for too late.
    """
    kind, key = asked.type, asked.id
    asked.access.require(kind, "r")
    ids = [key]
    if kind == PATIENT and key:
        ids = await with_linked(asked.cx, asked.access, [key])
    query = _query(asked, ids)
    pairs = asked.given.pairs(searches.PAGE)
    purpose = searches.purpose_of(asked.path, pairs)
    token = asked.given.text(searches.PAGE)
    seen = asked.access.seen("r")
    is_poll = bool(asked.given.text("_since"))
    until = await versions.complete_until(asked.cx) if is_poll and not token else None
    place = searches.opened(asked.tokens, purpose, token)
    found = await finding.find(asked.cx, query, after=place, visible=seen, base=asked.base)
    if key and not token and not any((hit.type, hit.id) == (kind, key) for hit in found.matches):
        await visible_version(asked.cx, asked.access, asked.trail, kind, key)
    hits, more, persons = await _with_referred(asked, found)
    await asked.note(persons)
    following = searches.sealed(asked.tokens, purpose, found.next)
    links = responses.links(asked.base, asked.path, pairs, token=token, following=following)
    entries = [
        Spliced(f"{asked.base}/{hit.type}/{hit.id}", hit.body, mode)
        for mode, some in (("match", hits), ("include", more))
        for hit in some
    ]
    updated_at = None if is_poll else asked.cx.now
    text = responses.searchset(entries, links=links, updated_at=updated_at, until=until)
    return Answer(200, text)


def _query(asked: Operating, ids: Sequence[str]) -> Query:
    """Return the search for what belongs there; nothing limits a page but COUNT_MAX."""
    kind, wanted = asked.type, asked.given.listed("_type")
    count = asked.given.number("_count")
    if count == 0:
        raise wrong("_count", 0, "not a number of resources")
    for each in wanted:
        if each not in RESOURCES:
            raise wrong("_type", each, "no type of R4")
    belonging = {kind, *compartments()[kind]}
    types = wanted if belonging.issuperset(wanted) else []  # others are only referred to
    criteria = _times(asked)
    if asked.id:
        criteria.append(reading.within_compartments(*[Link(one, (kind,)) for one in ids]))
    elif asked.access.visible.everything:
        types = types or sorted(belonging)
    else:
        persons = sorted(asked.access.visible.patients)
        criteria.append(reading.within_compartments(*[Link(one, (kind,)) for one in persons]))
    return Query(tuple(types), tuple(criteria), count=min(count or COUNT_MAX, COUNT_MAX))


def _times(asked: Operating) -> list[Criterion]:
    """Return what holds of main dates between `start` and `end`, and of when it was changed."""
    return [
        Criterion(param, ParamType.DATE, values=(moment,))
        for name, (param, _) in TIMES.items()
        if (moment := _moment(asked, name)) is not None
    ]


def _moment(asked: Operating, name: str) -> Moment | None:
    param, prefix = TIMES[name]
    text = asked.given.text(name).replace(" ", "+")  # a plus sign that was not escaped
    if not text:
        return None
    setting = Setting(asked.cx.now, asked.base)
    try:
        moment = value(Param(param, ParamType.DATE), "", prefix + text, setting)
    except ValueError as error:
        raise wrong(name, text, str(error)) from error
    assert isinstance(moment, Moment)
    return moment


async def _with_referred(
    asked: Operating, found: Found
) -> tuple[Sequence[Hit], Sequence[Hit], set[str]]:
    """Return what belongs there, what that refers to, and whom it is about."""
    wanted = frozenset(asked.given.listed("_type"))
    hits = [hit for hit in found.matches if not wanted or hit.type in wanted]
    if not asked.id:  # of a type that can belong to somebody, but does not
        hits = [hit for hit in hits if persons_among([(hit.type, hit.id, hit.body)])]
    persons = persons_among((hit.type, hit.id, hit.body) for hit in hits)
    texts = set(REFERENCE.findall("\n".join([hit.body for hit in found.matches])))
    targets = {target for text in texts if (target := target_of(orjson.loads(text), asked.base))}
    targets = {one for one in targets if one[0] in OPEN_TYPES & (wanted or OPEN_TYPES)}
    targets -= {(hit.type, hit.id) for hit in hits}
    more = await _named(asked, sorted(targets))
    since = _moment(asked, "_since")
    if since is not None:
        more = [hit for hit in more if hit.updated_at >= since.low]
    return hits, more, persons


async def _named(asked: Operating, targets: Sequence[tuple[str, str]]) -> list[Hit]:
    """Return those resources that are there and may be seen: one statement, but of very many."""
    found = []
    for start in range(0, len(targets), INCLUDED_MAX):
        some = targets[start : start + INCLUDED_MAX]
        found += await finding.named(asked.cx, some, asked.access.seen("r"))
    return found
