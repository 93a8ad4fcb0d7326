"""Writing the trail: what a line says, who may not touch it, many at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import psycopg
import pytest
from psycopg import errors

from citycare.kernel import audit
from citycare.kernel.audit import Entry
from citycare.kernel.context import SYSTEM, Actor, App, Channel, Context, Grant, Role
from citycare.kit import migrate
from citycare.kit.db import Connection, Database
from citycare.kit.embedded import Embedded
from citycare.kit.pages import TokenBroken
from tests.trail import about

NOW = datetime(2026, 11, 22, 1, 0, 0, 123_457, tzinfo=UTC)
WANG = UUID("018f0000-0000-7000-8000-0000000000a1")
LI = UUID("018f0000-0000-7000-8000-0000000000b2")
HOSPITAL = UUID("018f0000-0000-7000-8000-0000000000c3")
CLERK = Actor(LI, None, (Grant(Role.CLERK, HOSPITAL),), WANG, "clerk")


def context(db: Connection) -> Context:
    return Context(db, SYSTEM, NOW, "test-request", Channel.WINDOW, "booking.book")


async def line(cx: Context) -> dict[str, object]:
    row = await (await cx.db.execute("SELECT * FROM audit.entry")).fetchone()
    assert row is not None
    assert row["person_id"] == WANG
    assert row["action"] == "booking.book"
    return dict(orjson.loads(row["line"]))


async def test_a_line_says_who_did_what_about_whom_why_when_and_through_what(cx: Context) -> None:
    cx = replace(cx, actor=CLERK, now=NOW, channel=Channel.WINDOW, purpose="booking.desk")
    entry = Entry(
        "booking.book", WANG, "booking.place/7", detail={"fee": 2300}, grant=CLERK.grants[0]
    )
    await audit.append(cx, [entry])
    assert await line(cx) == {
        "account": str(LI),
        "action": "booking.book",
        "actor": None,
        "at": 1795309200123457,
        "channel": "window",
        "detail": {"fee": 2300},
        "grant": {"of": str(HOSPITAL), "role": "clerk"},
        "outcome": "ok",
        "person": str(WANG),
        "purpose": "booking.desk",
        "record": "booking.place/7",
        "request": "test-request",
        "session": str(WANG),
        "suite": "sha256",
    }


async def test_the_app_through_which_somebody_acts_is_named(cx: Context) -> None:
    through = replace(CLERK, app=App(HOSPITAL, "血压日记\x00"))
    await audit.append(replace(cx, actor=through), [Entry("booking.book", WANG, "x")])
    told = await line(cx)
    assert told["detail"] == {"app": "血压日记\ufffd", "app_id": str(HOSPITAL)}
    own = audit.Query(persons=[WANG], not_by=[LI])
    assert len((await audit.search(cx, own)).items) == 1, "an app is not the person who let it in"


async def test_no_words_of_a_person_make_an_app(cx: Context) -> None:
    reason = {"reason": '"app_id":"x', "app": "血压日记"}
    by = replace(cx, actor=CLERK)
    await audit.append(by, [Entry("booking.book", WANG, '"app_id":"x', detail=reason)])
    own = audit.Query(persons=[WANG], not_by=[LI])
    assert not (await audit.search(cx, own)).items


async def test_a_built_in_actor_is_named(cx: Context) -> None:
    await audit.append(cx, [Entry("booking.book", WANG, "booking.place/7")])
    assert (await line(cx))["actor"] == "system"


async def test_what_people_type_cannot_break_the_trail(cx: Context) -> None:
    reason = "急诊\x00\ud800\n\"';--"
    await audit.append(cx, [Entry("booking.book", WANG, "x", detail={"reason": reason})])
    assert (await line(cx))["detail"] == {"reason": "急诊\ufffd?\n\"';--"}


async def test_a_line_is_no_place_for_content(cx: Context) -> None:
    with pytest.raises(ValueError, match="8192"):
        await audit.append(cx, [Entry("a.b", None, "x", detail={"reason": "病" * 3_000})])


async def test_appending_nothing_does_nothing(cx: Context) -> None:
    await audit.append(cx, [])
    assert await audit.checkpoint(cx) == 1


async def test_a_transaction_stays_in_its_lane(cx: Context) -> None:
    for _ in range(3):
        await audit.append(cx, [Entry("a.b", WANG, "x"), Entry("a.b", LI, "y")])
    rows = await (await cx.db.execute("SELECT seq FROM audit.lane WHERE seq > 0")).fetchall()
    assert [row["seq"] for row in rows] == [6]


async def test_a_person_sees_who_looked_newest_first_page_by_page(cx: Context) -> None:
    for minute in range(5):
        later = replace(cx, now=NOW + timedelta(minutes=minute))
        await audit.append(later, [Entry("record.read", WANG, f"r{minute}")])
        await audit.append(later, [Entry("record.read", LI, "other")])
    seen: list[str] = []
    token: str | None = None
    for expected in (2, 2, 1):
        page = await audit.search(cx, audit.Query(persons=[WANG]), token, 2)
        assert len(page.items) == expected
        seen += [item.seen.record for item in page.items]
        token = page.next
    assert seen == ["r4", "r3", "r2", "r1", "r0"]
    assert token is None
    with pytest.raises(TokenBroken):
        await audit.search(cx, audit.Query(persons=[WANG]), "nonsense")


async def test_what_is_rolled_back_is_not_in_the_trail(database: Database) -> None:
    async def look_and_fail() -> None:
        async with database.transaction() as db:
            await audit.append(context(db), [Entry("a.b", WANG, "x")])
            raise LookupError

    with pytest.raises(LookupError):
        await look_and_fail()
    async with database.transaction() as db:
        assert await about(context(db), WANG) == []


FORBIDDEN = [
    "INSERT INTO audit.entry (lane, seq, line, hash) VALUES (0, 1, '{}', '')",
    "UPDATE audit.entry SET line = '{}'",
    "DELETE FROM audit.entry",
    "TRUNCATE audit.entry",
    "UPDATE audit.lane SET seq = 0",
    "DELETE FROM audit.lane",
    "INSERT INTO audit.lane VALUES (31, 0, '')",
    "TRUNCATE audit.lane",
    "SELECT * FROM audit.lane FOR UPDATE",
    "BEGIN; LOCK TABLE audit.lane IN EXCLUSIVE MODE",
    "INSERT INTO audit.checkpoint VALUES (1, '', '')",
    "UPDATE audit.checkpoint SET line = ''",
    "DELETE FROM audit.checkpoint",
    "TRUNCATE audit.checkpoint",
    "ALTER TABLE audit.entry DISABLE TRIGGER ALL",
    "ALTER TABLE audit.entry OWNER TO citycare_app",
    "DROP TABLE audit.entry",
    "DROP SCHEMA audit CASCADE",
    "CREATE TABLE audit.mine (x int)",
    "CREATE TRIGGER t BEFORE INSERT ON audit.entry EXECUTE FUNCTION pg_catalog.now()",
    "CREATE RULE r AS ON INSERT TO audit.entry DO INSTEAD NOTHING",
    "CREATE OR REPLACE FUNCTION audit.append(lines text[]) RETURNS void LANGUAGE sql AS ''",
    "SET ROLE citycare_owner",
    "SET session_replication_role = replica",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_application_may_not(
    server: Embedded, shared_database: str, statement: str
) -> None:
    url = server.url(shared_database, user=migrate.APP)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        with pytest.raises(errors.InsufficientPrivilege):
            await db.execute(statement.encode())


GRANTED = """
    SELECT relname || ' ' || privilege_type AS may
      FROM pg_class, aclexplode(relacl)
     WHERE relnamespace = 'audit'::regnamespace AND grantee IN ('citycare_app'::regrole, 0)
     UNION ALL
    SELECT proname || ' ' || privilege_type
      FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
     WHERE pronamespace = 'audit'::regnamespace AND grantee IN ('citycare_app'::regrole, 0)
     ORDER BY may
"""


async def test_the_application_may_read_and_call_two_functions_and_nothing_else(
    cx: Context,
) -> None:
    rows = await (await cx.db.execute(GRANTED)).fetchall()
    assert [row["may"] for row in rows] == [
        "append EXECUTE",
        "checkpoint SELECT",
        "entry SELECT",
        "lane SELECT",
        "take_checkpoint EXECUTE",
    ]


async def test_a_function_of_the_same_name_does_not_get_into_the_chain(database: Database) -> None:
    async with database.transaction() as db:
        await db.execute(
            "CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT $1 $$"
        )
        await db.execute("SET LOCAL search_path = pg_temp, pg_catalog")
        await audit.append(context(db), [Entry("a.b", WANG, "x")])
    async with database.autocommit() as db:
        assert (await audit.verify(db)).ok


@pytest.mark.race
async def test_nobody_waits_while_a_lane_is_free(database: Database) -> None:
    """Nineteen transactions hold a lane each; a twentieth goes through at once."""
    held = asyncio.Event()
    ready = asyncio.Barrier(20)

    async def hold() -> None:
        async with database.transaction() as db:
            await audit.append(context(db), [Entry("a.b", WANG, "x")])
            await ready.wait()
            await held.wait()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for _ in range(19):
            group.create_task(hold())
        await ready.wait()
        async with database.transaction() as db:
            await db.execute("SET LOCAL statement_timeout = '500ms'")
            await audit.append(context(db), [Entry("a.b", WANG, "x")])
        held.set()
    async with database.autocommit() as db:
        rows = await (await db.execute("SELECT seq FROM audit.lane WHERE seq > 0")).fetchall()
        report = await audit.verify(db)
    assert len(rows) >= 19
    assert (report.ok, report.checked) == (True, 20)


@pytest.mark.race
async def test_many_at_once_leave_an_unbroken_chain(database: Database) -> None:
    async def look(times: int) -> None:
        for _ in range(times):
            async with database.transaction() as db:
                await audit.append(context(db), [Entry("a.b", WANG, "x")] * 3)

    async with asyncio.TaskGroup() as group:
        for _ in range(15):
            group.create_task(look(20))
    async with database.autocommit() as db:
        report = await audit.verify(db)
    assert (report.ok, report.checked) == (True, 900)


WAITING = "SELECT count(*) AS waiting FROM pg_locks WHERE NOT granted"


@pytest.mark.race
async def test_control_without_the_row_lock_the_chain_forks(
    server: Embedded, own_database: str, database: Database
) -> None:
    """One lane, read without FOR UPDATE: two transactions chain to the same head."""
    with psycopg.connect(server.url(own_database), autocommit=True) as root:
        row = root.execute(
            "SELECT pg_get_functiondef('audit.append(text[])'::regprocedure)"
        ).fetchone()
        assert row is not None
        loose = row[0].replace("FOR UPDATE SKIP LOCKED", "").replace("random() * 32", "0.0")
        assert loose != row[0]
        root.execute(loose.encode())

    async def look() -> None:
        async with database.transaction() as db:
            await audit.append(context(db), [Entry("a.b", WANG, "x")])

    async with database.transaction() as db:  # it has appended, and the other waits for its end
        await audit.append(context(db), [Entry("a.b", WANG, "x")])
        other = asyncio.create_task(look())
        for _ in range(100):
            locks = await (await db.execute(WAITING)).fetchone()
            if locks is not None and locks["waiting"]:
                break
            await asyncio.sleep(0.05)
    with pytest.raises(errors.UniqueViolation):
        await other


async def test_all_lanes_taken_means_busy_not_for_ever(
    server: Embedded, own_database: str, database: Database
) -> None:
    with psycopg.connect(server.url(own_database)) as root:
        root.execute("SELECT 1 FROM audit.lane FOR UPDATE")
        async with database.autocommit() as db, db.transaction():
            with pytest.raises(errors.LockNotAvailable):
                await audit.append(context(db), [Entry("a.b", WANG, "x")])
