"""The finder reads windows and places by index: shown on 40,000 windows."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.scenarios.booking.service import clinics, finder

from .city import CHEN, named

NOW = datetime(2026, 11, 22, 1, tzinfo=UTC)
CLINICS, WINDOWS = 400, 100
FILL = (
    "SET session_replication_role = replica",  # the capacity check is not what is tested here
    f"""
    INSERT INTO booking.slot (id, clinic_id, organisation_id, district, department_code,
                              practitioner_id, starts_at, ends_at, capacity, free, busy)
    SELECT gen_random_uuid(), c.id, c.organisation_id, c.district, c.department_code,
           c.practitioner_id, t.at, t.at + interval '30 minutes', 1, 1, 0
      FROM booking.clinic AS c
     CROSS JOIN LATERAL (SELECT '2026-11-22T01:30Z'::timestamptz + n * interval '3 hours' AS at
                           FROM generate_series(1, {WINDOWS}) AS n) AS t
    """,
    """
    INSERT INTO booking.place (slot_id, number, pool, opens_at)
    SELECT id, 1, 'public', '2026-11-01' FROM booking.slot
    """,
    "ANALYZE",
)


@pytest.fixture
async def large_city(database: Database, server: Embedded, own_database: str) -> Database:
    """400 doctors of one department in one hospital, 100 windows each."""
    doctors = [
        replace(CHEN, id=named("c", n), practitioner_id=named("p", n)) for n in range(CLINICS)
    ]
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, NOW, "make", Channel.PHONE, "test")
        await clinics.save_clinics(cx, doctors, publish=False)
    with psycopg.connect(server.url(own_database), autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement)
    return database


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan] + [node for child in plan.get("Plans", []) for node in nodes(child)]


async def plans_of(cx: Context, text: str) -> list[dict[str, Any]]:
    """Search, and return the plans of the statements that read windows."""
    execute, plans = cx.db.execute, []

    async def explained(query: Any, parameters: Any = None, **more: Any) -> Any:
        if "booking.slot" in query:
            cursor = await execute("EXPLAIN (FORMAT JSON) " + query, parameters)
            row = await cursor.fetchone()
            assert row is not None
            plans.append(row["QUERY PLAN"][0]["Plan"])
        return await execute(query, parameters, **more)

    cx.db.execute = explained  # type: ignore[method-assign, assignment]
    answer = await finder.find_clinics(cx, text)
    await finder.days_of(cx, [item.clinic.id for item in answer.items], answer.query)
    cx.db.execute = execute  # type: ignore[method-assign]
    assert len(answer.items) == 20
    return plans


async def test_no_window_or_place_is_read_by_scanning(large_city: Database) -> None:
    async with large_city.autocommit() as db:
        cx = Context(db, SYSTEM, NOW, "find", Channel.PHONE, "test")
        for text in ("", "瑞金 心内 下周", "陈医生", "瑞金心内明天上午", "高血压"):
            plans = await plans_of(cx, text)
            assert len(plans) == 2
            scanned = {
                node["Relation Name"]
                for plan in plans
                for node in nodes(plan)
                if node["Node Type"] == "Seq Scan"
            }
            assert not scanned & {"slot", "place", "word"}, text
