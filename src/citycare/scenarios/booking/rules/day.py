"""What can be counted of a day at a clinic. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from citycare.scenarios.booking.model.core import State
from citycare.scenarios.booking.model.day import Waited

Visit = tuple[State, datetime | None, datetime | None]  # state, arrived at, seen at
MINUTE_S = 60


def mean_wait(visits: Iterable[Visit]) -> Waited | None:
    """Return how long people were there on average: from arriving until they were seen.

    Minutes, rounded half up. Only visits that are over and whose arrival was noted count; without
    one there is no number at all. Clinics do not note when somebody is called in, so the time in
    the room is part of it.

    Source: S1 (上海 2021-06-15), 候诊排队时间平均减少 45 分钟以上: needs this number twice.
    """
    seconds = [
        max(0.0, (seen_at - arrived_at).total_seconds())
        for state, arrived_at, seen_at in visits
        if state is State.FULFILLED and arrived_at is not None and seen_at is not None
    ]
    if not seconds:
        return None
    mean = sum(seconds) / len(seconds) / MINUTE_S
    return Waited(len(seconds), int(mean + 0.5))
