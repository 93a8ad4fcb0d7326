"""Finding clinics the way people speak. What is open is public; nothing here is personal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from citycare.kernel.context import Context, policy
from citycare.kit import clock, pages
from citycare.scenarios.booking.model.finder import (
    DayCount,
    Filters,
    Found,
    History,
    Meant,
    Point,
    Query,
    Suggestion,
    WordKind,
)
from citycare.scenarios.booking.rules import finder as rules
from citycare.scenarios.booking.rules.position import DISTRICTS
from citycare.scenarios.booking.store import clinics as clinic_store
from citycare.scenarios.booking.store import finder as finder_store

LIMIT_MAX = 50
SUGGESTIONS_MAX = 20
STRIP_DAYS = 14
STRIP_CLINICS_MAX = 200
RANKS = 8
RANK_MAX = 2**53
NOBODY = History()
ANYTHING = Filters()


@dataclass(frozen=True, slots=True)
class Answer:
    """What was understood and found.

    `ignored` are words nothing was found for, `heard` those that only sound like a name;
    `located` says that distances are known.
    """

    query: Query
    items: Sequence[Found]
    next: str | None
    ignored: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    located: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    query: Query
    filters: Filters
    meant: Sequence[Meant]
    history: History
    near: Point | None
    hospitals: bool
    span: tuple[datetime, datetime]


async def find_clinics(
    cx: Context,
    text: str = "",
    filters: Filters = ANYTHING,
    *,
    near: Point | None = None,
    home_district: str = "",
    history: History = NOBODY,
    after: str | None = None,
    limit: int = 20,
) -> Answer:
    """Find clinics by free text and filters: own doctors first, then open, sooner, nearer.

    With '附近': open, then nearer. With a 医院 on its own, hospitals before community centres.

    '瑞金 心内 下周 上午', 'xinneike', '陈医生', '附近的口腔科'. Words may be run together. Chosen
    filters win over words. Words that name nothing are searched as text; if that finds nothing,
    as names they sound like; and if there are none, they are left out and named in `ignored`.

    Args:
        cx: of anybody; nothing personal is shown.
        text: what was typed, at most 100 characters count.
        filters: what was chosen beside it.
        near: where the person is; with '附近' and without it, the middle of `home_district`.
        home_district: GB/T 2260 code of where the person lives.
        history: where the person has been, for the order only.
        after: the `next` of the page before.
        limit: 1 to 50.

    Raises:
        TokenBroken: `after` is not ours.
    """
    query = _chosen(rules.understand(text, clock.day_of(cx.now)), filters)
    if query.near and near is None and home_district:
        near = await finder_store.centre_of(cx.db, home_district)
    meant, hospitals = await _meanings(cx, query.words)
    span = await _span(cx, query)
    asked = _Asked(query, filters, [one for _, one in meant], history, near, hospitals, span)
    count = max(1, min(limit, LIMIT_MAX))
    answer = await _find(cx, asked, after, count)
    texts = tuple(word for word, one in meant if one.text)
    if answer.items or not texts:
        return answer
    heard = await _heard(cx, meant)
    if heard:
        told = [heard.get(word, one) for word, one in meant]
        by_ear = await _find(cx, replace(asked, meant=told), after, count)
        if by_ear.items:
            return replace(by_ear, heard=tuple(heard))
    if len(texts) == len(meant):
        return answer
    named = replace(asked, meant=[one for _, one in meant if not one.text])
    return replace(await _find(cx, named, after, count), ignored=texts)


def _chosen(query: Query, filters: Filters) -> Query:
    """Let what was chosen from lists win over what was typed."""
    return replace(
        query,
        from_day=max(filters.from_day or query.from_day, query.from_day),
        to_day=filters.to_day or query.to_day,
        part_of_day=filters.part_of_day or query.part_of_day,
    )


async def _span(cx: Context, query: Query) -> tuple[datetime, datetime]:
    """Turn days into instants; without an end, the days on which places are released."""
    last = query.to_day
    if last is None:
        ahead = int(await policy.value(cx, "booking.horizon_days"))
        last = max(clock.day_of(cx.now) + timedelta(days=ahead), query.from_day)
    return clock.bounds(query.from_day)[0], clock.bounds(max(last, query.from_day))[1]


async def _find(cx: Context, asked: _Asked, after: str | None, count: int) -> Answer:
    rows = await finder_store.find(
        cx.db,
        asked.meant,
        asked.filters,
        asked.history,
        now=cx.now,
        span=asked.span,
        part=asked.query.part_of_day,
        near=asked.near,
        by_distance=asked.query.near,
        hospitals=asked.hospitals,
        after=_decode(after),
        count=count + 1,
    )
    items = [
        Found(
            clinic=clinic_store.clinic_of(row),
            next_slot_id=row["next_slot_id"],
            next_starts_at=row["next_starts_at"],
            distance_m=row["distance_m"],
            known=row["known"],
        )
        for row in rows[:count]
    ]
    token = None
    if len(rows) > count:
        token = pages.encode(*rows[count - 1]["rank"], str(rows[count - 1]["id"]))
    return Answer(asked.query, items, token, located=asked.near is not None)


def _decode(after: str | None) -> tuple[list[int], UUID] | None:
    if after is None:
        return None
    *ranks, last = pages.read(after, *[int] * RANKS, UUID)
    if any(abs(rank) > RANK_MAX for rank in ranks):
        raise pages.TokenBroken
    return ranks, last


async def _meanings(cx: Context, words: Sequence[str]) -> tuple[list[tuple[str, Meant]], bool]:
    """Look up what the words mean, taking apart those written without spaces.

    Also says whether a hospital was asked for in as many words.
    """
    if not words:
        return [], False
    parts = {piece for word in words for piece in (word, *rules.substrings(word))}
    known = await finder_store.known_parts(cx.db, parts)
    pieces = [
        piece
        for word in words
        for piece in ([word] if word in known else rules.segment(word, known))
    ]
    hospitals = not rules.HOSPITALS.isdisjoint(pieces)
    pieces = rules.without_generic(pieces)[: finder_store.WORDS_MAX]
    if not pieces:
        return [], hospitals
    keys = await _keys_of(cx, pieces)
    meant = [(piece, _meant(piece, keys.get(piece))) for piece in dict.fromkeys(pieces)]
    return meant, hospitals


async def _keys_of(cx: Context, pieces: Sequence[str]) -> dict[str, dict[WordKind, set[str]]]:
    """Look pieces up; of each only its best meanings: said so, the tail of a name, begins so."""
    best: dict[str, int] = {}
    keys: dict[str, dict[WordKind, set[str]]] = {}
    for row in sorted(await finder_store.meanings(cx.db, pieces), key=lambda row: row["grade"]):
        piece = row["piece"]
        if best.setdefault(piece, row["grade"]) == row["grade"]:
            kinds = keys.setdefault(piece, defaultdict(set))
            kinds[WordKind(row["kind"])].add(row["key"])
    return keys


async def _heard(cx: Context, meant: Sequence[tuple[str, Meant]]) -> dict[str, Meant]:
    """Look up, for words that name nothing, whole names that sound the same."""
    sounds = {word: rules.by_ear(word) for word, one in meant if one.text}
    known = await finder_store.known_parts(cx.db, {one for said in sounds.values() for one in said})
    said = {word: next((s for s in one if s in known), "") for word, one in sounds.items()}
    keys = await _keys_of(cx, sorted(known))
    return {word: _meant(sound, keys[sound]) for word, sound in said.items() if sound in keys}


def _meant(piece: str, keys: Mapping[WordKind, set[str]] | None) -> Meant:
    if keys is None:
        return Meant(text=piece)
    return Meant(
        organisations=_ids(keys.get(WordKind.HOSPITAL, ())),
        departments=frozenset(keys.get(WordKind.DEPARTMENT, ())),
        practitioners=_ids(keys.get(WordKind.DOCTOR, ())),
        districts=frozenset(keys.get(WordKind.DISTRICT, ())),
        fitting=rules.best_fitting(piece, keys.get(WordKind.DEPARTMENT, ())),
    )


def _ids(keys: Iterable[str]) -> frozenset[UUID]:
    return frozenset(UUID(key) for key in keys)


async def list_areas(cx: Context) -> list[tuple[str, str]]:
    """List the districts one may be near to: code and name, in the order of their codes."""
    codes = await finder_store.districts(cx.db)
    return [(code, DISTRICTS[code]) for code in codes if code in DISTRICTS]


async def suggest(cx: Context, text: str, limit: int = 8) -> list[Suggestion]:
    """Suggest hospitals, departments, doctors and districts for the word being typed."""
    words = rules.understand(text, clock.day_of(cx.now)).words
    if not words:
        return []
    return await finder_store.suggest(cx.db, words[-1], max(1, min(limit, SUGGESTIONS_MAX)))


async def days_of(
    cx: Context, clinic_ids: Collection[UUID], query: Query, days: int = STRIP_DAYS
) -> list[DayCount]:
    """Count open places per day, for the day strip above a list of clinics.

    Every day is there, also those with none. At most 200 clinics and 31 days count; the query
    gives the half-day, the strip itself begins today whatever day was asked for.
    """
    today = clock.day_of(cx.now)
    count = max(1, min(days, rules.DAYS_MAX))
    span = clock.bounds(today)[0], clock.bounds(today + timedelta(days=count - 1))[1]
    chosen = list(clinic_ids)[:STRIP_CLINICS_MAX]
    rows = await finder_store.days(cx.db, chosen, cx.now, span, query.part_of_day)
    found: dict[date, dict[UUID, int]] = defaultdict(dict)
    for clinic_id, day, places in rows:
        found[day][clinic_id] = places
    strip = [today + timedelta(days=n) for n in range(count)]
    return [DayCount(day, sum(found[day].values()), found[day]) for day in strip]
