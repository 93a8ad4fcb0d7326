"""Building: whole or absent, once, and kept open as days pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from citycare.journeys import demo
from citycare.journeys.demo import cast, people, visits
from citycare.journeys.demo.model import SMALL
from citycare.kernel import audit, fhir, identity
from citycare.kernel.consent import Scope
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kernel.identity import organisations, proposals
from citycare.kernel.identity.documents import Kind, parse
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import State
from citycare.scenarios.booking.service import draw, holds
from citycare.scenarios.booking.store import bookings as booking_store

NOW = datetime(2026, 11, 22, 1, 12, tzinfo=UTC)
TINY = replace(SMALL, residents=700, crowd=700, past_windows=240)


def context(db: object, now: datetime = NOW) -> Context:
    return Context(db, SYSTEM, now, "test", Channel.HOSPITAL, "test")  # type: ignore[arg-type]


@pytest.fixture
def few_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build three days instead of fourteen, so that `extend` has something to do."""
    monkeypatch.setattr(visits, "AHEAD_DAYS", 3)


class Crash(Exception):
    """The machine stops."""


@pytest.mark.usefixtures("few_days")
async def test_a_crash_leaves_nothing_and_the_next_start_builds(
    database: Database, tmp_path: Path
) -> None:
    def stop(name: str, done: int, _total: int) -> None:
        if name == "号源" and done:
            raise Crash

    with pytest.raises(Crash):
        await demo.build(database, TINY, stop, now=NOW)
    async with database.transaction() as db:
        assert await demo.find_scale(context(db)) is None
    heard: list[tuple[str, int, int]] = []
    keys = draw.read_keys(tmp_path)
    built = await demo.build(database, TINY, lambda *one: heard.append(one), keys=keys, now=NOW)
    assert built == demo.Built("small", fresh=True)
    assert all(0 <= done <= total for _, done, total in heard)
    assert await demo.build(database, TINY, now=NOW) == demo.Built("small", fresh=False)
    await the_city_is_there(database)
    await days_pass(database)


async def the_city_is_there(database: Database) -> None:
    async with database.transaction() as db:
        cx = context(db)
        assert len(await organisations.list_organisations(cx)) == 45
        lin = await identity.get_person(cx, cast.person_id("linxiuying"))
        assert identity.age_on(lin.born_on, people.AGES_ON) == 67
        (card,) = await identity.list_documents(cx, lin.id)
        assert await identity.find_person_by_document(cx, parse(Kind(card.kind), card.number))
        (proxy,) = await identity.list_proxies(cx, lin.id)
        assert proxy.proxy_id == cast.person_id("linjing")
        patient = await fhir.get(cx, "Patient", str(lin.id))
        assert "林秀英" in str(patient)
        (match,) = await proposals.list_proposals(cx)
        assert {match.left_id, match.right_id} == {cast.person_id(key) for key in cast.TWICE}
        assert len(await holds.open_appeals(cx)) == 1
        mine = await booking_store.list_of_person(
            cx.db, [lin.id], Scope(everything=True), NOW, upcoming=True, after=None, count=10
        )
        assert {row["practitioner_name"] for row in mine} == {"陈立"}
        appointment = await fhir.get(cx, "Appointment", str(mine[0]["id"]))
        assert str(lin.id) in str(appointment)
        assert (await audit.verify(cx.db)).ok
        for login in demo.demo_logins():
            grants = await identity.list_grants(cx, cast.account_id(login.key))
            assert [grant.role for grant in grants] == [login.role]


async def days_pass(database: Database) -> None:
    async with database.transaction() as db:
        made = await demo.extend(context(db))
        assert made > 1_000
        assert await demo.extend(context(db)) == 0
    tomorrow = NOW + timedelta(days=1)
    async with database.transaction() as db:
        assert await demo.extend(context(db, tomorrow)) > 0
    async with database.transaction() as db:
        cx = context(db, NOW + timedelta(minutes=50))
        assert await demo.live(cx) > 0
        again = await demo.live(cx)
        assert again == 0
        day = await booking_store.list_of_day(
            cx.db,
            cast.organisation_id(cast.RUIJIN),
            None,
            (NOW - timedelta(hours=2), NOW),
            500,
        )
        states = {row["state"] for row in day}
        assert State.FULFILLED in states
        lin = [row for row in day if row["person_id"] == cast.person_id("linxiuying")]
        assert [row["state"] for row in lin] in ([State.ARRIVED], [State.BOOKED])


async def test_an_empty_database_has_no_city_and_nothing_lives_in_it(cx: Context) -> None:
    assert await demo.find_scale(cx) is None
    assert await demo.live(cx) == 0
    assert await demo.extend(cx) == 0
