"""The demo city: generated from a fixed seed, loaded once, kept open as days pass.

Card
    owns        no tables; data in `seed/`, each file with a note of its source
    makes       the 19 pilot units of 沪卫信息〔2022〕3号 三(一), community centres, departments,
                doctors, clinics, 14 days of windows; residents in families; 60 days of the past;
                a waiting list, pauses with an appeal, an open draw; one account per role
    made up     every person, number, code and telephone; how each shows that it is, see numbers.py
    whole       one transaction: built completely or not at all, so a crash leaves nothing behind
    the same    for a seed and a day; `now` only decides who has arrived already
    scales      small: 20,000 residents; city: 1,000,000 residents, 38 hospitals, 1,000,000 places
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from citycare.journeys.demo import cast
from citycare.journeys.demo.cast import demo_logins
from citycare.journeys.demo.loading import Loader, Tell
from citycare.journeys.demo.model import SCALES, Login, Scale
from citycare.journeys.demo.visits import AHEAD_DAYS
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kernel.identity import organisations
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.scenarios.booking.model.draw import Keys
from citycare.scenarios.booking.service import loading, schedule

__all__ = ["Built", "Login", "build", "demo_logins", "extend", "find_scale", "live"]
FIRST_OF_CITY = 201
LOCK_KEY = 0x0C17DE30


@dataclass(frozen=True, slots=True)
class Built:
    """What was there after `build`: which scale, and whether it was built just now."""

    scale: str
    fresh: bool


def _silent(_name: str, _done: int, _total: int) -> None:
    """Tell nobody."""


async def find_scale(cx: Context) -> str | None:
    """Return the scale of the city that is there, or None in an empty database."""
    wanted = [cast.organisation_id(cast.RUIJIN), cast.organisation_id(FIRST_OF_CITY)]
    found = await organisations.list_organisations(cx, wanted)
    return {0: None, 1: "small"}.get(len(found), "city")


async def build(
    database: Database,
    scale: str | Scale = "small",
    tell: Tell = _silent,
    *,
    keys: Keys | None = None,
    now: datetime | None = None,
) -> Built:
    """Build the city unless one is there already; then only say which.

    `tell(name, done, total)` hears of progress. `keys` are booking's (`draw.read_keys(home)`);
    without them no draw is opened. Two at once wait for each other.
    """
    async with database.transaction() as db:
        await db.execute("SET LOCAL statement_timeout = 0")
        await db.execute("SET LOCAL lock_timeout = 0")
        await db.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
        cx = Context(db, SYSTEM, now or clock.now(), "demo", Channel.HOSPITAL, "demo")
        there = await find_scale(cx)
        if there is not None:
            return Built(there, fresh=False)
        wanted = scale if isinstance(scale, Scale) else SCALES[scale]
        await Loader(cx, wanted, tell, keys).load()
    return Built(wanted.name, fresh=True)


async def extend(cx: Context) -> int:
    """Make the windows that the passing of days has brought within reach; return how many.

    Cheap when there is nothing to do, and nothing is done where no demo city is. The hospital of
    the story, open every day, tells how far the windows reach.
    """
    if await find_scale(cx) is None:
        return 0
    cx = replace(cx, actor=SYSTEM)
    today = clock.day_of(cx.now)
    last = today + timedelta(days=AHEAD_DAYS - 1)
    there = await loading.last_day(cx, cast.organisation_id(cast.RUIJIN))
    first = today if there is None else max(today, there + timedelta(days=1))
    if first > last:
        return 0
    made = 0
    for house in await organisations.list_organisations(cx):
        made += (await schedule.make_slots(cx, first, last, organisation_id=house.id)).slots
    return made


async def live(cx: Context) -> int:
    """Let the city's patients arrive and be seen as the clock says; return how many moved.

    A demo calls it each minute, before no-shows are marked. The cast is left to whoever plays it.
    """
    if await find_scale(cx) is None:
        return 0
    people = [cast.person_id(key) for key, *_ in cast.PEOPLE]
    return await loading.let_time_pass(replace(cx, actor=SYSTEM), people)
