"""The audit trail: look up entries, read one as it stands in the chain, check the chain.

Looking at a person's entries is itself an access to the person and is written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, consent, identity
from citycare.kernel.audit import Found
from citycare.kernel.context import Context
from citycare.kernel.identity.model import PersonUnknown
from citycare.kit import clock
from citycare.kit.errors import NotFound
from citycare.web.actions import action_words, channel_words
from citycare.web.actors import actor_words, cards_of, masked
from citycare.web.edge.contexts import WriteContext
from citycare.web.forms import NOT_A_DAY
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.operator.common import address, as_uuid, clean, operator_gate, short, stamp
from citycare.web.parts import Cell, Column, Fact, Link, Option, Row, Tag, Tone
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)
ACTION = "operator.audit"
GATE = operator_gate(ACTION)
PATH = "/operator/audit"
CANDIDATES_MAX = 10
NOBODY = mark("没有找到这个人。可以用证件号、手机尾号、姓名或拼音。")
REFUSED = mark("被拒绝")
OUTCOMES = {"ok": mark("做了"), "refused": REFUSED}


class EntryUnknown(NotFound):
    """There is no such entry in the trail."""

    code = "operator.entry_unknown"
    words = "审计里没有这一条。请从列表重新打开。"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed into the search, as it was typed."""

    person: str = ""
    actor: str = ""
    record: str = ""
    day: str = ""
    outcome: str = ""

    def url(self, path: str = PATH, **more: object) -> str:
        """Write the address of this search."""
        return address(
            path,
            person=self.person,
            actor=self.actor,
            record=self.record,
            day=self.day,
            outcome=self.outcome,
            **more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPanel:
    """One entry: readable, and the very line that is hashed."""

    title: str
    facts: tuple[Fact, ...]
    line: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailPage:
    """The search, what it found, and an entry or the newest checkpoint in the panel."""

    asked: Asked
    outcomes: tuple[Option, ...]
    errors: dict[str, str]
    choices: tuple[Link, ...]
    span: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    next: str
    entry: EntryPanel | None
    checkpoint: str
    checkpoint_facts: tuple[Fact, ...]


@dataclass(slots=True)
class _Search:
    """A search being understood: the query, or whom to choose from, or what is wrong."""

    query: audit.Query | None
    span: str
    errors: dict[str, str]
    choices: tuple[Link, ...] = ()


@router.get(PATH, dependencies=[GATE])
async def search(
    request: Request,
    cx: WriteContext,
    person: str = "",
    actor: str = "",
    record: str = "",
    day: str = "",
    outcome: str = "",
    page: str = "",
) -> Response:
    """Look entries up; without a person, those of one day."""
    await consent.require(cx, ACTION)
    asked = Asked(clean(person), clean(actor), clean(record), clean(day), clean(outcome))
    shown = await _page(request, cx, asked, page, None)
    return await respond(request, cx, "operator/audit.html", shown)


@router.get(PATH + "/{lane}/{seq}", dependencies=[GATE])
async def one(
    request: Request,
    cx: WriteContext,
    lane: int,
    seq: int,
    person: str = "",
    actor: str = "",
    record: str = "",
    day: str = "",
    outcome: str = "",
    page: str = "",
) -> Response:
    """Read one entry, beside the list it came from."""
    await consent.require(cx, ACTION)
    found = await audit.find_entry(cx, lane, seq) if 0 <= lane < audit.LANES and seq > 0 else None
    if found is None:
        raise EntryUnknown(lane=lane, seq=seq)
    asked = Asked(clean(person), clean(actor), clean(record), clean(day), clean(outcome))
    shown = await _page(request, cx, asked, page, found)
    return await respond(request, cx, "operator/audit.html", shown, partial="operator/_entry.html")


async def _page(
    request: Request, cx: Context, asked: Asked, token: str, chosen: Found | None
) -> TrailPage:
    words = words_of(request)
    searched = await _understand(cx, asked, words)
    rows: tuple[Row, ...] = ()
    more = ""
    if searched.query is not None:
        found = await audit.search(cx, searched.query, token or None)
        rows = await _rows(cx, found.items, asked, token, chosen, words)
        more = asked.url(page=found.next) if found.next else ""
    newest = await audit.newest_checkpoint(cx)
    heads = (mark("时间"), mark("做了什么"), mark("谁"), mark("记录"), mark("结果"))
    return TrailPage(
        asked=asked,
        outcomes=(
            Option(value="", label=words("全部"), selected=not asked.outcome),
            *(
                Option(value=value, label=words(label), selected=asked.outcome == value)
                for value, label in OUTCOMES.items()
            ),
        ),
        errors=searched.errors,
        choices=searched.choices,
        span=searched.span,
        columns=tuple(Column(label=words(head), is_number=head == "时间") for head in heads),
        rows=rows,
        next=more,
        entry=await _entry(cx, chosen, words) if chosen else None,
        checkpoint=newest[0].hash.hex() if newest else "",
        checkpoint_facts=(
            (
                Fact(name=words("编号"), text=str(newest[0].id)),
                Fact(name=words("时间"), text=stamp(newest[1])),
            )
            if newest
            else ()
        ),
    )


async def _understand(cx: Context, asked: Asked, words: Words) -> _Search:
    """Turn what was typed into a query; names that fit several are offered as a choice."""
    errors: dict[str, str] = {}
    since, until = _span(cx.now, asked, errors, words)
    persons, choices = await _persons(cx, asked, errors, words)
    account, others = await _account(cx, asked, errors, words)
    span = "" if since is None else words("只看 %(day)s 这一天", day=clock.day_of(since))
    if errors or choices or others:
        return _Search(None, span, errors, choices or others)
    query = audit.Query(
        persons=persons,
        account=account,
        record=asked.record,
        outcome=asked.outcome if asked.outcome in OUTCOMES else "",
        since=since,
        until=until,
    )
    return _Search(query, span, errors)


def _span(
    now: datetime, asked: Asked, errors: dict[str, str], words: Words
) -> tuple[datetime | None, datetime | None]:
    """Return the day asked for; without a person it is today, so that no search reads it all."""
    try:
        day = date.fromisoformat(asked.day) if asked.day else None
        since, until = clock.bounds(day or clock.day_of(now))
    except (ValueError, OverflowError):
        errors["day"] = words(NOT_A_DAY)
        return None, None
    return (None, None) if day is None and asked.person else (since, until)


async def _persons(
    cx: Context, asked: Asked, errors: dict[str, str], words: Words
) -> tuple[frozenset[UUID] | None, tuple[Link, ...]]:
    if not asked.person:
        return None, ()
    person_id = as_uuid(asked.person)
    if person_id is not None:
        try:
            return await _ids(cx, person_id), ()
        except PersonUnknown:
            errors["person"] = words(NOBODY)
            return None, ()
    await consent.require(cx, "person.search")
    found = await identity.search_persons(cx, asked.person, CANDIDATES_MAX)
    if len(found) == 1:
        return await _ids(cx, found[0].id), ()
    if not found:
        errors["person"] = words(NOBODY)
    return None, tuple(
        Link(
            label=masked(one.name),
            note=words("%(year)s 年生 · %(id)s", year=one.born_on.year, id=short(one.id)),
            href=address(PATH, person=one.id, actor=asked.actor, record=asked.record),
            icon="user",
        )
        for one in found
    )


async def _ids(cx: Context, person_id: UUID) -> frozenset[UUID]:
    """Return every number of a person; to look at their entries is an access, and written down."""
    kept = await identity.resolve(cx, person_id)
    await audit.append(cx, [audit.Entry("record.access_log", kept, f"person/{kept}")])
    return await identity.audit_ids_of(cx, kept)


async def _account(
    cx: Context, asked: Asked, errors: dict[str, str], words: Words
) -> tuple[UUID | None, tuple[Link, ...]]:
    if not asked.actor:
        return None, ()
    account_id = as_uuid(asked.actor)
    if account_id is not None:
        return account_id, ()
    found = (await identity.search_accounts(cx, asked.actor, limit=CANDIDATES_MAX)).items
    if len(found) == 1:
        return found[0].id, ()
    if not found:
        errors["actor"] = words("没有这个账号。可以用姓名或登录名的开头。")
    cards = {one.id: one for one in found}
    links = []
    for one in found:
        name, role = actor_words(one.id, None, cards, words)
        to = address(PATH, person=asked.person, actor=one.id, record=asked.record, day=asked.day)
        links.append(Link(label=name, note=role, href=to, icon="user"))
    return None, tuple(links)


async def _rows(
    cx: Context,
    items: Sequence[Found],
    asked: Asked,
    token: str,
    chosen: Found | None,
    words: Words,
) -> tuple[Row, ...]:
    cards = await cards_of(cx, {one.seen.account_id for one in items})
    rows = []
    for one in items:
        seen = one.seen
        name, role = actor_words(seen.account_id, seen.actor, cards, words)
        rows.append(
            Row(
                cells=(
                    Cell(text=stamp(seen.at)),
                    Cell(text=action_words(seen.action, words)),
                    Cell(text=name, note=role),
                    Cell(text=_record(seen.record)),
                    Cell(tag=_refused(seen.outcome, words)),
                ),
                href=asked.url(f"{PATH}/{seen.lane}/{seen.seq}", page=token),
                lead=1,
                selected=chosen is not None
                and (chosen.seen.lane, chosen.seen.seq) == (seen.lane, seen.seq),
            )
        )
    return tuple(rows)


def _record(record: str) -> str:
    kind, slash, rest = record.partition("/")
    return f"{kind}{slash}{short(rest)}" if slash else record


def _refused(outcome: str, words: Words) -> Tag | None:
    """Mark what was refused; that something was done needs no mark."""
    return None if outcome == "ok" else Tag(text=words(REFUSED), tone=Tone.DANGER)


async def _entry(cx: Context, found: Found, words: Words) -> EntryPanel:
    seen = found.seen
    cards = await cards_of(cx, {seen.account_id})
    name, role = actor_words(seen.account_id, seen.actor, cards, words)
    fields = orjson.loads(found.line)
    facts = [
        Fact(name=words("时间"), text=stamp(seen.at)),
        Fact(name=words("谁"), text=" · ".join(filter(None, (name, role)))),
        Fact(name=words("为了"), text=action_words(seen.purpose, words)),
        Fact(name=words("通过"), text=channel_words(seen.channel, words)),
        Fact(name=words("记录"), text=seen.record),
        Fact(name=words("关于谁"), text=fields["person"] or words("不是关于某个人")),
        Fact(
            name=words("结果"),
            text=words(OUTCOMES.get(seen.outcome, seen.outcome)),
        ),
        *(Fact(name=name, text=str(value)) for name, value in seen.detail.items()),
        Fact(name=words("请求"), text=str(fields["request"])),
        Fact(
            name=words("链上位置"),
            text=words("第 %(lane)d 道第 %(seq)d 条", lane=seen.lane, seq=seen.seq),
        ),
    ]
    return EntryPanel(
        title=action_words(seen.action, words),
        facts=tuple(facts),
        line=found.line,
        hash=found.hash.hex(),
    )
