"""The instant before which nothing is missing: not after anybody began who is still writing."""

from __future__ import annotations

from datetime import timedelta

from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import versions
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.kit.migrate import APP

SOON, LONG = timedelta(seconds=10), timedelta(minutes=10)


async def test_it_is_before_all_that_are_under_way(database: Database) -> None:
    later = clock.now() + timedelta(hours=1)  # so that what is under way is what counts
    async with database.autocommit() as db:
        cx = Context(db, SYSTEM, later, "test")
        assert await versions.complete_until(cx) == later - SOON
        async with database.transaction() as other:
            row = await (await other.execute("SELECT now() AS began")).fetchone()
            assert row is not None
            assert await versions.complete_until(cx) == row["began"] - SOON
        assert await versions.complete_until(cx) == later - SOON


async def test_it_is_long_before_where_others_are_hidden(
    server: Embedded, own_database: str
) -> None:
    """As on a server where the program signs in under a name of its own (`docs/runbook.md`)."""
    elsewhere = Database(server.url(own_database), size_max=3, role=APP)
    await elsewhere.open()
    try:
        async with elsewhere.autocommit() as db, elsewhere.transaction():
            now = clock.now()
            found = await versions.complete_until(Context(db, SYSTEM, now, "test"))
            assert found == now - LONG
    finally:
        await elsewhere.close()
