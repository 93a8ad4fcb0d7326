"""The application as the browser meets it: the real one, with a clock set to a fixed morning.

The clock of the city is moved before anything reads it, so that a story told at 9:12 on a Sunday
looks the same in every run and at every hour. It goes on from there as real time passes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

from citycare.kit import clock

SHIFT = "BROWSER_CLOCK_SHIFT_S"
PEOPLE = (
    ("hexiaowen", "何晓雯"),
    ("luozhiqiang", "罗志强"),
    ("suwen", "苏文"),
    ("jiangtao", "江涛"),
    ("marychen", "Mary Chen"),
    ("longname", "阿卜杜热合曼·买买提吐尔逊江·伊布拉音"),
    ("xiejun", "谢军"),
    ("daoyi", "道一"),
)


def move_clock() -> None:
    """Make `clock.now` answer as many seconds earlier or later as the environment says."""
    shift = timedelta(seconds=float(os.environ[SHIFT]))
    real = clock.now
    clock.now = lambda: real() + shift


def create() -> object:
    """Build the application with more people to sign in as; the factory granian calls."""
    move_clock()
    from citycare import app  # noqa: PLC0415 - reads the clock's name when imported
    from citycare import settings as knobs  # noqa: PLC0415
    from citycare.web.login.demo_people import PREFIX, DemoPerson  # noqa: PLC0415

    settings = knobs.read()
    more = tuple(DemoPerson(f"{PREFIX}{key}", name) for key, name in PEOPLE)
    parts = replace(app.PARTS, people=(*app.PARTS.people, *more), now=clock.now)
    return app.with_lane(app.create(settings, knobs.database_of(settings), parts))
