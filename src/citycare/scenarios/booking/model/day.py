"""What is counted of a day, and what can be refused on it, at the clinic and at the desk."""

from __future__ import annotations

from dataclasses import dataclass

from citycare.kit.errors import Conflict


@dataclass(frozen=True, slots=True)
class Waited:
    """How many people a mean wait rests on, and the mean in whole minutes."""

    people: int
    minutes: int


class NotToday(Conflict):
    """Arrivals and visits are noted on the day of the window."""

    code = "booking.not_today"
    words = "这个预约不是今天的，不能报到。请看看日期，或帮他改到今天。"


class NotBegun(Conflict):
    """Somebody is missing only once the window has begun."""

    code = "booking.not_begun"
    words = "还没到预约的时间，不能记成没有来。请到点以后再看。"
