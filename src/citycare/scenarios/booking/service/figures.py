"""Counts for those who run the platform; nobody's data, so no person is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from citycare.kernel import consent
from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.scenarios.booking.store import figures as store

MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Hour:
    """The places whose window starts in one hour of a day."""

    hour: int
    busy: int
    free: int


@dataclass(frozen=True, slots=True)
class HourOfWaiting:
    """How long those of one hour's windows were there until they were seen, on average."""

    hour: int
    people: int
    seconds: float

    @property
    def minutes(self) -> int:
        """Return the mean in whole minutes."""
        return int(self.seconds / self.people / MINUTE_S + 0.5)


async def waits_by_hour(cx: Context, day: date) -> list[HourOfWaiting]:
    """Return the waits of a day in the whole city; hours of which nothing is known are left out.

    Raises:
        NotAllowed, SignInNeeded: not an operator.
    """
    await consent.require(cx, "operator.jobs")
    rows = await store.waits(cx.db, clock.bounds(day))
    return [HourOfWaiting(row["hour"], row["people"], row["seconds"]) for row in rows]


async def by_hour(cx: Context, day: date) -> list[Hour]:
    """Return how full each hour of a day is, in the whole city.

    Raises:
        NotAllowed, SignInNeeded: not an operator.
    """
    await consent.require(cx, "operator.jobs")
    rows = await store.by_hour(cx.db, clock.bounds(day))
    return [Hour(row["hour"], row["busy"], row["free"]) for row in rows]
