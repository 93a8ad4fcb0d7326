"""Searches: of a type, of several, of a compartment; a page of a Bundle each.

Source: HL7 FHIR R4 4.0.1 §3.1.1 Search; §2.36 Bundle (searchset).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import orjson

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import finding, versions
from citycare.kernel.fhir.finding import Found, Hit, Place
from citycare.kernel.fhir.integrity import persons_among
from citycare.kernel.fhir.searching import reading
from citycare.kernel.fhir.searching.model import Criterion, Having, Link, ParamType, Query, Token
from citycare.kit.pages import TokenBroken
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.model.values import Issue, Spliced
from citycare.scenarios.exchange.rules import refusing, responses
from citycare.scenarios.exchange.service.access import Access
from citycare.scenarios.exchange.service.linked import PATIENT, widened
from citycare.scenarios.exchange.service.shortening import short
from citycare.scenarios.exchange.service.trail import Trail

PAGE = "_page"
CHANGED = "_lastUpdated"
LEADING = (ParamType.REFERENCE, ParamType.SPECIAL)
"""Types of criteria that name resources: references, and compartments."""


class Tokens(Protocol):
    """Seals places of a search, so that a client can neither read nor change them."""

    def seal(self, purpose: str, value: object) -> str:
        """Write a value for a purpose."""

    def open(self, purpose: str, sealed: str) -> object | None:
        """Read it back; None: it is none of ours, of another purpose, or too old."""


@dataclass(frozen=True, slots=True)
class Searching:
    """Searches for one caller.

    Attributes:
        base: the server's own address.
        trail: where reads are noted.
        tokens: of pages.
    """

    cx: Context
    access: Access
    base: str
    trail: Trail
    tokens: Tokens

    async def search(self, call: Call) -> Answer:
        """Answer a page of a search.

        Raises:
            ParameterUnknown, ValueBroken, TypeUnknown, TooCostly: it cannot be done.
            TokenBroken: the page is not one of ours, or was asked for too late.
        """
        asked = call.asked
        pairs = tuple(one for one in call.pairs if one[0] != PAGE)
        compartment = (asked.compartment, asked.id) if asked.compartment else None
        query = reading.read(
            (asked.type,) if asked.type else (),
            await widened(self.cx, self.access, asked.type, pairs),
            now=self.cx.now,
            lenient=call.lenient,
            compartment=compartment,
            base=self.base,
        )
        for kind in query.types:
            self.access.require(kind, "s")
        query = await finding.resolve_sets(self.cx, query, self.base)
        path = _path(call)
        token = next((value for name, value in call.pairs if name == PAGE), "")
        purpose = purpose_of(path, pairs)
        is_poll = any(isinstance(one, Criterion) and one.param == CHANGED for one in query.criteria)
        until = await versions.complete_until(self.cx) if is_poll and not token else None
        found = await finding.find(
            self.cx,
            query,
            after=opened(self.tokens, purpose, token),
            visible=self.access.seen("s"),
            base=self.base,
        )
        await self._note(path, query, found)
        following = sealed(self.tokens, purpose, found.next)
        honoured = [one for one in pairs if one[0] not in found.unknown]
        as_sent = len(honoured) == len(call.pairs) and not asked.posted
        links = responses.links(
            self.base,
            path,
            honoured,
            token=token,
            following=following,
            sent=asked.query if as_sent else "",
        )
        text = responses.searchset(
            self._entries(query, found),
            links=links,
            total=found.total,
            updated_at=None if is_poll else self.cx.now,
            until=until,
        )
        return Answer(200, text)

    def _entries(self, query: Query, found: Found) -> Iterable[Spliced]:
        for mode, hits in (("match", found.matches), ("include", found.included)):
            for hit in hits:
                body = short(hit.body, query.summary, query.elements)
                yield Spliced(f"{self.base}/{hit.type}/{hit.id}", body, mode)
        if found.unknown:
            names = " ".join(found.unknown)
            words = f"这些查询条件不认识，没有用上：{names}"
            message = f"These parameters are not known and were passed over: {names}"
            issue = Issue("not-supported", words, message, "warning")
            yield Spliced("", orjson.dumps(refusing.outcome([issue])).decode(), "outcome")

    async def _note(self, path: str, query: Query, found: Found) -> None:
        hits: tuple[Hit, ...] = (*found.matches, *found.included)
        persons = persons_among((hit.type, hit.id, hit.body) for hit in hits)
        persons |= persons_asked(query)
        await self.trail.read(self.cx, self.access.action, f"{path or '*'}?", persons)


def persons_asked(query: Query) -> set[str]:
    """Return the ids of the Patients a search names itself, also inside a chain or `_has`.

    They are on record whatever is found: a count, and an empty page, tells of them too.
    """
    found: set[str] = set()
    level = [(query.types, one) for one in query.criteria]
    while level:
        types, one = level.pop()
        if isinstance(one, Having):
            level.append(((one.type,), one.criterion))
        elif one.chain is not None:
            level += [((kind,), inner) for kind, inner in one.chain.criteria]
        elif one.param == "_id":
            if not types or PATIENT in types:
                found |= {each.code for each in one.values if isinstance(each, Token) and each.code}
        elif one.type in LEADING:
            links = [each for each in one.values if isinstance(each, Link) and each.id]
            found |= {each.id for each in links if not each.types or PATIENT in each.types}
    return found


def _path(call: Call) -> str:
    asked = call.asked
    if asked.compartment:
        return f"{asked.compartment}/{asked.id}/{asked.type or '*'}"
    return asked.type


def purpose_of(path: str, pairs: Iterable[tuple[str, str]]) -> str:
    """A page belongs to its search: the token of another opens none of this."""
    return "exchange.page\0" + fhir.dumps([path, *map(list, pairs)])


def opened(tokens: Tokens, purpose: str, token: str) -> Place | None:
    """Return where a page begins; None: it is the first.

    Raises:
        TokenBroken: it is not one of ours, of another search, or too old.
    """
    if not token:
        return None
    value = tokens.open(purpose, token)
    if not isinstance(value, list):
        raise TokenBroken
    snapshot, *last = value
    return Place(snapshot, tuple(last))


def sealed(tokens: Tokens, purpose: str, place: Place | None) -> str:
    """Write where the next page begins; `""`: there is none."""
    return tokens.seal(purpose, [place.snapshot, *place.last]) if place else ""
