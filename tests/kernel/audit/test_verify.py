"""Verifying: a superuser who tampers is found out, and the first broken link is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import orjson
import psycopg
import pytest
from psycopg.rows import dict_row

from citycare.kernel import audit
from citycare.kernel.audit import Entry, Link, Report
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit.db import Connection
from citycare.kit.embedded import Embedded

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
WANG = UUID("018f0000-0000-7000-8000-0000000000a1")


def context(db: Connection) -> Context:
    return Context(db, SYSTEM, NOW, "test-request", Channel.WINDOW, "record.read")


async def write(db: Connection, *, lane: int, number: int) -> None:
    """Append to one lane, as a transaction that took it before would."""
    await db.execute("SELECT set_config('citycare.audit_lane', %s, true)", [str(lane)])
    entries = [Entry("record.read", WANG, f"record/{i}") for i in range(number)]
    await audit.append(context(db), entries)


async def seal(db: Connection) -> int | None:
    return await audit.checkpoint(context(db))


@pytest.fixture
async def root(server: Embedded, shared_database: str) -> AsyncIterator[Connection]:
    """A superuser's transaction on an empty trail, rolled back."""
    url = server.url(shared_database)
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as db:
        yield db
        await db.rollback()


@pytest.fixture
async def trail(root: Connection) -> Connection:
    """Two lanes of nine and five entries, a checkpoint, then one more entry in lane 4."""
    await write(root, lane=4, number=9)
    await write(root, lane=11, number=5)
    assert await seal(root) == 1
    await write(root, lane=4, number=1)
    return root


async def test_an_honest_trail_is_right(trail: Connection) -> None:
    told: list[tuple[int, int]] = []
    report = await audit.verify(trail, lambda done, count: told.append((done, count)))
    assert (report.ok, report.checked, report.first_broken) == (True, 15, None)
    assert told[-1] == (15, 15)
    assert report.checkpoint is not None
    assert report.checkpoint.id == 1


async def test_an_empty_trail_is_right(root: Connection) -> None:
    assert await audit.verify(root) == Report(ok=True, checked=0, first_broken=None)


SWAP_LINES = """
    UPDATE audit.entry a SET line = b.line FROM audit.entry b
     WHERE a.lane = 4 AND b.lane = 4 AND a.seq + b.seq = 5 AND a.seq IN (2, 3)
"""
SWAP_ROWS = """
    UPDATE audit.entry SET seq = 99 WHERE lane = 4 AND seq = 2;
    UPDATE audit.entry SET seq = 2 WHERE lane = 4 AND seq = 3;
    UPDATE audit.entry SET seq = 3 WHERE lane = 4 AND seq = 99;
"""
TAMPERING = [
    ("UPDATE audit.entry SET line = replace(line, 'record.re', 'r') WHERE lane = 4 AND seq = 6",
     Link(4, 6, "line changed")),
    ("UPDATE audit.entry SET hash = sha256('x') WHERE lane = 4 AND seq = 3",
     Link(4, 3, "line changed")),
    ("UPDATE audit.entry SET person_id = gen_random_uuid() WHERE lane = 4 AND seq = 5",
     Link(4, 5, "found by other words than its line says")),
    ("UPDATE audit.entry SET action = 'x.y' WHERE lane = 4 AND seq = 8",
     Link(4, 8, "found by other words than its line says")),
    ("UPDATE audit.entry SET at_us = 0 WHERE lane = 11 AND seq = 2",
     Link(11, 2, "found by other words than its line says")),
    ("DELETE FROM audit.entry WHERE lane = 4 AND seq = 7", Link(4, 7, "entry missing")),
    ("DELETE FROM audit.entry WHERE lane = 11 AND seq = 1", Link(11, 1, "entry missing")),
    ("DELETE FROM audit.entry WHERE lane = 4 AND seq = 10", Link(4, 10, "end cut off")),
    ("DELETE FROM audit.entry WHERE lane = 11", Link(11, 1, "end cut off")),
    (SWAP_LINES, Link(4, 2, "line changed")),
    (SWAP_ROWS, Link(4, 2, "line changed")),
    ("UPDATE audit.entry SET lane = 20 WHERE lane = 4 AND seq = 2", Link(4, 2, "entry missing")),
    ("UPDATE audit.lane SET hash = sha256('x') WHERE lane = 4", Link(4, 10, "head differs")),
    ("UPDATE audit.lane SET seq = 9 WHERE lane = 4", Link(4, 9, "head differs")),
    ("UPDATE audit.lane SET seq = 12 WHERE lane = 4", Link(4, 11, "end cut off")),
    ("DELETE FROM audit.lane WHERE lane = 11", Link(11, 0, "head missing")),
    ("UPDATE audit.checkpoint SET line = replace(line, '[11,5,', '[11,4,')",
     Link(None, 1, "checkpoint changed")),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "found"), TAMPERING)
async def test_tampering_is_found_and_the_first_broken_link_is_named(
    trail: Connection, statement: str, found: Link
) -> None:
    await trail.execute(statement.encode())
    report = await audit.verify(trail)
    assert not report.ok
    assert report.first_broken == found


CUT_TO_8 = """
    DELETE FROM audit.entry WHERE lane = 4 AND seq > 8;
    UPDATE audit.lane SET seq = 8, hash = (SELECT hash FROM audit.entry WHERE lane = 4 AND seq = 8)
     WHERE lane = 4;
"""
REWRITE_FROM_9 = """
    DELETE FROM audit.entry WHERE lane = 4 AND seq > 8;
    INSERT INTO audit.entry (lane, seq, line, hash, person_id, at_us, action)
    SELECT 4, 9, line, sha256(hash || convert_to(line, 'UTF8')), person_id, at_us, action
      FROM audit.entry
     WHERE lane = 4 AND seq = 8;
    UPDATE audit.lane SET seq = 9, hash = (SELECT hash FROM audit.entry WHERE lane = 4 AND seq = 9)
     WHERE lane = 4;
"""


async def test_an_end_cut_off_together_with_its_head_is_found_by_the_checkpoint(
    trail: Connection,
) -> None:
    await trail.execute(CUT_TO_8)
    assert (await audit.verify(trail)).first_broken == Link(4, 9, "end cut off")


NO_JSON = REWRITE_FROM_9.replace("SELECT 4, 9, line, sha256(hash || convert_to(line, 'UTF8'))",
    "SELECT 4, 9, 'nothing', sha256(hash || 'nothing')")  # fmt: skip
NO_FIELDS = NO_JSON.replace("nothing", "{}")


@pytest.mark.parametrize("tampering", [NO_JSON, NO_FIELDS])
async def test_a_chained_line_that_is_none_of_ours_is_named(
    trail: Connection, tampering: str
) -> None:
    await trail.execute(tampering.encode())
    assert (await audit.verify(trail)).first_broken == Link(4, 9, "not a line of this trail")


async def test_an_end_written_anew_is_found_by_the_checkpoint(trail: Connection) -> None:
    await trail.execute(REWRITE_FROM_9)
    assert (await audit.verify(trail)).first_broken == Link(4, 9, "differs from the checkpoint")


async def test_without_checkpoints_only_a_witness_outside_finds_it(trail: Connection) -> None:
    kept = (await audit.verify(trail)).checkpoint
    await trail.execute(CUT_TO_8)
    await trail.execute("DELETE FROM audit.checkpoint")
    assert (await audit.verify(trail)).ok
    found = (await audit.verify(trail, witness=kept)).first_broken
    assert found == Link(None, 1, "witnessed checkpoint missing or changed")


async def test_a_checkpoint_removed_from_the_middle_is_found(trail: Connection) -> None:
    assert await seal(trail) == 2
    await write(trail, lane=4, number=1)
    assert await seal(trail) == 3
    await trail.execute("DELETE FROM audit.checkpoint WHERE id = 2")
    assert (await audit.verify(trail)).first_broken == Link(None, 2, "checkpoint missing")


async def test_no_checkpoint_is_made_when_nothing_is_new(trail: Connection) -> None:
    assert await seal(trail) == 2
    assert await seal(trail) is None


async def test_two_broken_lanes_are_both_reported(trail: Connection) -> None:
    await trail.execute("DELETE FROM audit.entry WHERE seq = 2")
    report = await audit.verify(trail)
    assert report.broken == (Link(4, 2, "entry missing"), Link(11, 2, "entry missing"))


REWRITE_3 = """
    UPDATE audit.entry SET line = replace(line, 'record.re', 'r'),
           action = replace(action, 'record.re', 'r') WHERE lane = 4 AND seq = 3;
    WITH RECURSIVE anew AS (
        SELECT seq, hash FROM audit.entry WHERE lane = 4 AND seq = 2
        UNION ALL
        SELECT e.seq, sha256(a.hash || convert_to(e.line, 'UTF8'))
          FROM anew a JOIN audit.entry e ON e.lane = 4 AND e.seq = a.seq + 1)
    UPDATE audit.entry e SET hash = a.hash FROM anew a WHERE e.lane = 4 AND e.seq = a.seq;
    UPDATE audit.lane SET hash = (SELECT hash FROM audit.entry WHERE lane = 4 AND seq = 10)
     WHERE lane = 4;
"""
CUT_TO_9 = CUT_TO_8.replace("8", "9")
REPLACE_10 = """
    UPDATE audit.entry e SET line = b.line, hash = sha256(b.hash || convert_to(b.line, 'UTF8')),
           person_id = b.person_id, at_us = b.at_us, action = b.action
      FROM audit.entry b WHERE e.lane = 4 AND b.lane = 4 AND e.seq = 10 AND b.seq = 9;
    UPDATE audit.lane SET hash = (SELECT hash FROM audit.entry WHERE lane = 4 AND seq = 10)
     WHERE lane = 4;
"""
REWRITTEN = "differs from the witness: this entry or one before it was rewritten"
EMPTY_11 = """
    DELETE FROM audit.entry WHERE lane = 11;
    UPDATE audit.lane SET seq = 0, hash = sha256('citycare audit lane 11') WHERE lane = 11;
"""
BEHIND_CHECKPOINTS = [
    (CUT_TO_9, Link(4, 10, "end cut off")),
    (REPLACE_10, Link(4, 10, REWRITTEN)),
    (REWRITE_3 + "DELETE FROM audit.checkpoint", Link(4, 10, REWRITTEN)),
    (EMPTY_11 + "DELETE FROM audit.checkpoint", Link(11, 1, "end cut off")),
]


@pytest.mark.parametrize(("statement", "found"), BEHIND_CHECKPOINTS)
async def test_a_head_kept_elsewhere_finds_what_the_database_no_longer_shows(
    trail: Connection, statement: str, found: Link
) -> None:
    kept = audit.parse_head(orjson.dumps((await audit.head(trail, NOW)).as_dict()))
    await trail.execute(statement.encode())
    assert (await audit.verify(trail)).ok
    assert (await audit.verify(trail, witness=kept)).first_broken == found


async def test_an_honest_trail_holds_all_its_earlier_heads(trail: Connection) -> None:
    heads = [await audit.head(trail, NOW)]
    await write(trail, lane=4, number=3)
    heads.append(await audit.head(trail, NOW))
    await seal(trail)
    await write(trail, lane=20, number=1)
    heads.append(await audit.head(trail, NOW))
    assert [one.count for one in heads] == [15, 18, 19]
    assert len({one.digest for one in heads}) == 3
    for one in heads:
        assert (await audit.verify(trail, witness=one)).ok


async def test_the_checkpoint_in_a_head_must_be_there_too(trail: Connection) -> None:
    kept = await audit.head(trail, NOW)
    await trail.execute("DELETE FROM audit.checkpoint")
    report = await audit.verify(trail, witness=kept)
    assert report.first_broken == Link(None, 1, "witnessed checkpoint missing or changed")


async def test_a_head_of_another_trail_is_not_held(trail: Connection) -> None:
    lanes = tuple((seq, bytes(32)) for seq, _ in (await audit.head(trail, NOW)).lanes)
    report = await audit.verify(trail, witness=audit.Head(NOW, lanes))
    assert [link.lane for link in report.broken] == [4, 11]


async def test_a_changed_witness_is_no_witness(root: Connection) -> None:
    good = orjson.dumps((await audit.head(root, NOW)).as_dict())
    assert audit.parse_head(good).at == NOW
    shorter = orjson.loads(good)
    shorter["lanes"].pop()
    bad = [good.replace(b'"count":0', b'"count":1'), good[:-9], orjson.dumps(shorter)]
    for content in (*bad, b"", b"{}", b"[]", b"7", b'{"digest":1}', good.replace(b"sha256", b"x")):
        with pytest.raises(audit.WitnessUnreadable):
            audit.parse_head(content)
