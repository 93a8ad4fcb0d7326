"""A search: one statement for a page, more where candidates are rechecked or others included.

Pages are of one snapshot: the first says which transactions it saw, and the next ones see the same,
also what has been replaced since, which `fhir.version` still has with its keys.

Source: HL7 FHIR R4 4.0.1 §3.1.1 Search; §3.1.1.5.3 (pages).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import accumulate
from typing import Any, cast

import psycopg
from psycopg.rows import tuple_row

from citycare.kernel.context import Context
from citycare.kernel.fhir import versions
from citycare.kernel.fhir.finding import including, ordering
from citycare.kernel.fhir.finding.conditions import Asked, Checked, Conditions
from citycare.kernel.fhir.finding.lanes import OF_THE_ROW, every, lanes_of
from citycare.kernel.fhir.finding.model import (
    EVERYTHING,
    Found,
    Hit,
    Place,
    TooCostly,
    Visible,
)
from citycare.kernel.fhir.finding.sql import ALL, NOTHING, Values, all_of
from citycare.kernel.fhir.searching import meeting
from citycare.kernel.fhir.searching.model import (
    Chain,
    Criterion,
    Having,
    Query,
    Summary,
    Total,
)
from citycare.kernel.fhir.versions import Stored
from citycare.kit.reads import FEW

CANDIDATES_MAX = 20_000  # rows that one search may read to recheck or to sort them
BATCH_MAX = 1_000
CHUNK = 200  # candidates that are held at once

HIT = (
    "r.rid, r.type, r.id, r.version, r.updated_at, {body}, pg_current_snapshot()::text AS snapshot"
)
SNAPSHOT, DOUBT = 6, 7  # columns: after those of a Hit
NOW = "fhir.resource"
SEEN = """(coalesce(pg_visible_in_snapshot(xid, {snapshot}::pg_snapshot), TRUE)
            OR xid = pg_current_xact_id_if_assigned())"""
COLUMNS = (
    "rid, xid, type, id, version, updated_at, deleted, hash, since, until, keys, present, body"
)
# No condition stands inside the UNION: only then does the planner merge both in the order of their
# indexes, and a later page reads a page, not all that comes after it. The newest are not replaced.
# Of old versions the order is hidden: they are found by when they were replaced, which few are.
REPLACED = COLUMNS.replace("updated_at", "updated_at + interval '0' AS updated_at")
THEN = f"""(
    SELECT {COLUMNS} FROM (
        SELECT {COLUMNS}, TRUE AS searchable, '18446744073709551615'::xid8 AS replaced
          FROM fhir.resource
         UNION ALL
        SELECT {REPLACED}, searchable, replaced FROM fhir.version) every
     WHERE searchable AND replaced >= pg_snapshot_xmin({{snapshot}}::pg_snapshot)
       AND NOT pg_visible_in_snapshot(replaced, {{snapshot}}::pg_snapshot) AND {SEEN})"""


Last = tuple[Any, ...]
Row = tuple[Hit, Last, bool]
"""What was found, what it is sorted by, and whether it has to be rechecked."""


async def find(
    cx: Context,
    query: Query,
    *,
    after: Place | None = None,
    visible: Visible = EVERYTHING,
    base: str = "",
) -> Found:
    """Return a page of what matches and may be seen.

    Args:
        cx: the action.
        query: see `searching.reading.read`; of tokens no `:in`, `:above`, `:below` (they are
            replaced by the codes they mean before).
        after: where the page begins, from `Found.next`.
        visible: applied to matches, to what they include, and inside chains.
        base: the server's own address.

    Raises:
        TooCostly: it would look at more than CANDIDATES_MAX resources, or take too long.
    """
    search = _Search(cx, query, after, visible, base)
    try:
        return await search.run()
    except psycopg.errors.QueryCanceled as error:
        raise TooCostly(problem="time") from error


class _Search:
    """One search, while it runs."""

    def __init__(
        self, cx: Context, query: Query, after: Place | None, visible: Visible, base: str
    ) -> None:
        self.cx = cx
        self.query = query
        self.after = after
        self.visible = visible
        self.base = base
        self.criteria: tuple[Asked, ...] = query.criteria
        self.checks: tuple[Criterion, ...] = ()
        self.doubtful: tuple[int, ...] = ()
        self.snapshot = ""

    async def run(self) -> Found:
        """Answer the whole search."""
        plain = [one for one in self.query.criteria if isinstance(one, Criterion) and not one.chain]
        self._check([one for one in plain if self._coarse(self.query.types, one)])
        self.criteria = tuple([await self._answered(one) for one in self.query.criteria])
        total = None
        if self.query.total is not Total.NONE or self.query.summary is Summary.COUNT:
            total = await self._count()
        if self.query.summary is Summary.COUNT or self.query.count == 0:
            return Found(total=total, unknown=self.query.unknown)
        by_texts = ordering.by_texts(self.query.sort)
        page = await (self._sorted_here() if by_texts else self._page())
        included = await including.included(
            self.cx, page.matches, self.query.includes, self.visible, self.base
        )
        return Found(page.matches, included, page.next, total, self.query.unknown)

    # Criteria that keys do not decide

    def _check(self, criteria: Sequence[Criterion]) -> None:
        """Recheck these: of all rows, or only of those with a key that leaves doubt."""
        self.checks = tuple(criteria)
        doubts = [self._doubtful(self.query.types, one) for one in criteria]
        self.doubtful = () if not all(doubts) else tuple(key for some in doubts for key in some)

    def _coarse(self, types: Sequence[str], one: Criterion) -> bool:
        kinds = every(types) if one.param not in OF_THE_ROW else ()
        return any(meeting.coarse(kind, one) for kind in kinds if _has(kind, one))

    def _doubtful(self, types: Sequence[str], one: Criterion) -> tuple[int, ...]:
        some = [meeting.doubtful(kind, one) for kind in every(types) if _has(kind, one)]
        return tuple(key for each in some for key in each) if all(some) else ()

    async def _answered(self, one: Criterion | Having) -> Asked:
        """Answer what has to be rechecked inside a chain."""
        if isinstance(one, Having):
            return replace(one, criterion=await self._inner(one.type, one.criterion))
        if one.chain is None:
            return one
        inner = [(kind, await self._inner(kind, each)) for kind, each in one.chain.criteria]
        return replace(one, chain=Chain(tuple(inner)))

    async def _inner(self, kind: str, one: Criterion | Having) -> Any:
        asked = await self._answered(one)
        if not isinstance(asked, Criterion) or asked.chain or not self._coarse((kind,), asked):
            return asked
        search = _Search(self.cx, Query((kind,), (asked,)), self.after, self.visible, self.base)
        search._check([asked])
        rids = [hit.rid async for hit, doubt in search.every(doubtful=True) if doubt]
        return Checked(asked, search.doubtful, tuple(rids))

    # Statements

    def _statement(self, after: Place | None) -> tuple[Values, Conditions]:
        values = Values()
        rows = NOW
        if after is not None:
            rows = THEN.format(snapshot=values.put(after.snapshot))
        return values, Conditions(values, rows, self.visible)

    def _of(self, conditions: Conditions) -> tuple[str, str]:
        """Return where rows come from, and the condition of those that match.

        What few can meet (whose it is, a number of somebody) is looked up first and by itself: no
        size of the table then lets the planner walk all in the order that is asked for. And its
        value is hidden in a SELECT, so that the plan need not be made anew for each.
        """
        types, values = self.query.types, conditions.values
        few = {one: keys for one in self.criteria if (keys := conditions.few(types, one))}
        source = f"{conditions.rows} r"
        if few:
            met = [f"r.keys && (SELECT {values.keys(keys)})" for keys in few.values()]
            source = f"(SELECT * FROM {source} WHERE {all_of(met)} OFFSET 0) r"
        lines = ["NOT r.deleted", conditions.seen("r")]
        if len(types) == 1:
            lines.insert(0, f"r.type = {values.put(types[0])}")
        elif types:
            lines.insert(0, f"r.type = ANY({values.texts(types)})")
        lines += [conditions.of(types, one, "r") for one in self.criteria if one not in few]
        for word in self.query.content:
            lines.append(f"r.body ILIKE {values.put('%' + word + '%')}")
        return source, all_of(lines)

    async def _rows(self, text: str, values: Values) -> list[tuple[Any, ...]]:
        cursor = self.cx.db.cursor(row_factory=tuple_row)
        return await (await cursor.execute(text, values.named)).fetchall()

    async def _page(self) -> Found:
        """Read the page, and one more: with rechecks as many rounds as it takes."""
        wanted = self.query.count + 1
        found: list[tuple[Hit, Last]] = []
        after, read = self.after, 0
        while True:
            always = self.checks and not self.doubtful
            size = min(2 * wanted, BATCH_MAX) if always else wanted - len(found)
            rows, snapshot = await self._batch(after, size)
            count = len(rows)
            rows, is_whole = await self._filled(rows)
            read += count
            found += [(hit, last) for hit, last, doubt in rows if not doubt or self._meets(hit)]
            is_end = is_whole and count < size
            if is_end or len(found) >= wanted or (found and not is_whole):
                break
            if read >= CANDIDATES_MAX:
                raise TooCostly(problem="candidates", most=CANDIDATES_MAX)
            after = Place(after.snapshot if after else snapshot, rows[-1][1])
        page = self._cut(found[: self.query.count])
        following = None
        if len(page) < len(found) or not is_end:
            kept = self.after.snapshot if self.after else after.snapshot if after else snapshot
            last = page[-1][1] if len(page) < len(found) else rows[-1][1]
            following = Place(kept, last)
        return Found([hit for hit, _ in page], next=following)

    async def _filled(self, rows: list[Row]) -> tuple[list[Row], bool]:
        """Read the bodies that did not come along, as many as a page has room for: is that all?"""
        if all(hit.body for hit, _, _ in rows):
            return rows, True
        stored, is_whole = await versions.filled(self.cx, [hit.stored() for hit, _, _ in rows])
        there = zip(rows, stored, strict=False)
        return [(_with(hit, one), last, doubt) for (hit, last, doubt), one in there], is_whole

    def _cut(self, found: list[tuple[Hit, Last]]) -> list[tuple[Hit, Last]]:
        """Leave of several rounds what one page has room for."""
        held = accumulate([len(hit.body) for hit, _ in found])
        room = sum(one <= versions.BODIES_MAX for one in held)
        return found[: max(room, 1)]

    async def _batch(self, after: Place | None, size: int) -> tuple[list[Row], str]:
        """Return rows, each with what it is sorted by and whether it has to be rechecked."""
        values, conditions = self._statement(after)
        keys = ordering.keys_of(values, self.query.types, self.query.sort)
        source, where = self._of(conditions)
        doubt, limit = self._doubt(conditions), values.put(size)
        hit = _hit(values, max(size, self.query.count))
        whole = source == f"{conditions.rows} r"
        walked = len(self.query.types) == 1 and whole
        texts = []
        for condition, some in ordering.stretches(keys) if walked else [(ALL, keys)]:
            lines = [where, condition]
            if after is not None:
                lines.append(ordering.beyond(values, some, after.last))
            columns = ", ".join(f"({one.text})::text AS k{at}" for at, one in enumerate(some))
            texts.append(
                f"SELECT {hit}, {doubt} AS doubt, {columns} FROM {source} WHERE {all_of(lines)}"
                f" ORDER BY {ordering.order_by(some)} LIMIT {limit}"
            )
        text = texts[0] if len(texts) == 1 else ordering.joined(texts, keys, limit)
        if not whole or any(map(_names, self.criteria)):
            text = FEW + text
        found = await self._rows(text, values)
        snapshot = found[0][SNAPSHOT] if found else ""
        return [(Hit(*row[:SNAPSHOT]), row[DOUBT + 1 :], row[DOUBT]) for row in found], snapshot

    def _doubt(self, conditions: Conditions) -> str:
        """Return the condition of a row that has to be rechecked."""
        if not self.checks:
            return NOTHING
        return conditions.has(self.doubtful, "r") if self.doubtful else ALL

    def _meets(self, hit: Hit) -> bool:
        resource = hit.resource()
        return all(meeting.meets(one, resource, self.base) for one in self.checks)

    async def every(self, *, doubtful: bool = False) -> AsyncIterator[tuple[Hit, bool]]:
        """Yield all that match, in no order, and whether each was rechecked.

        Args:
            doubtful: only those that have to be.

        Raises:
            TooCostly: there are more than CANDIDATES_MAX.
        """
        values, conditions = self._statement(self.after)
        doubt = self._doubt(conditions)
        source, where = self._of(conditions)
        where = all_of([where, doubt if doubtful else ALL])
        columns = f"{_hit(values, CHUNK)}, {doubt} AS doubt"
        text = f"SELECT {columns} FROM {source} WHERE {where} LIMIT {CANDIDATES_MAX + 1}"
        cursor = self.cx.db.cursor(row_factory=tuple_row)
        large: list[tuple[Hit, bool]] = []
        read = 0
        stream = cast("AsyncGenerator[Any, None]", cursor.stream(text, values.named, size=CHUNK))
        async with aclosing(stream) as rows:
            async for row in rows:
                read += 1
                if read > CANDIDATES_MAX:
                    raise TooCostly(problem="candidates", most=CANDIDATES_MAX)
                hit, self.snapshot = Hit(*row[:SNAPSHOT]), row[SNAPSHOT]
                if not hit.body:
                    large.append((hit, row[DOUBT]))
                elif not row[DOUBT] or self._meets(hit):
                    yield hit, row[DOUBT]
        for hit, doubt_ in large:
            (stored,), _ = await versions.filled(self.cx, [hit.stored()])
            if not doubt_ or self._meets(_with(hit, stored)):
                yield _with(hit, stored), doubt_

    async def _count(self) -> int:
        """Count in the database what needs no recheck, and here what does."""
        values, conditions = self._statement(self.after)
        source, where = self._of(conditions)
        where = all_of([where, f"NOT {self._doubt(conditions)}"])
        text = f"SELECT count(*) FROM {source} WHERE {where}"
        sure = int((await self._rows(text, values))[0][0])
        if self.checks:
            async for _ in self.every(doubtful=True):
                sure += 1
        return sure

    async def _sorted_here(self) -> Found:
        """Sort by what no column has; a page is a stretch of the same order each time."""
        sort = self.query.sort
        ranked = [(hit.rid, ordering.ranks(hit.resource(), sort)) async for hit, _ in self.every()]
        order = ordering.sorted_here(ranked, sort)
        start = int(self.after.last[0] or 0) if self.after else 0
        snapshot = self.after.snapshot if self.after else self.snapshot
        page = await self._numbered(order[start : start + self.query.count], snapshot)
        end = start + len(page)
        return Found(page, next=Place(snapshot, (end,)) if end < len(order) else None)

    async def _numbered(self, rids: Sequence[int], snapshot: str) -> list[Hit]:
        """Return the versions with these numbers, in this order, as many as a page has room for."""
        if not rids:
            return []
        values = Values()
        rows = THEN.format(snapshot=values.put(snapshot))
        hit, wanted = _hit(values, len(rids)), values.keys(rids)
        text = f"SELECT {hit} FROM {rows} r WHERE r.rid = ANY({wanted})"
        found = {row[0]: Hit(*row[:SNAPSHOT]) for row in await self._rows(text, values)}
        page, _ = await self._filled([(found[rid], (), False) for rid in rids])
        return [hit for hit, _, _ in page]


def _hit(values: Values, rows: int) -> str:
    """Return the columns of a hit in a statement of at most so many rows."""
    return HIT.format(body=versions.body_of("r.body", values.put(versions.share(rows))))


def _names(one: Asked) -> bool:
    """Tell whether a criterion names one resource of a type."""
    return isinstance(one, Criterion) and one.param == "_id" and len(one.values) == 1


def _with(hit: Hit, stored: Stored) -> Hit:
    return hit._replace(body=stored.body or "")


def _has(kind: str, one: Criterion) -> bool:
    """Tell whether a type has the parameter."""
    return bool(lanes_of((kind,), one.param))
