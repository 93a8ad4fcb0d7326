"""Near whom? A district somebody names, or the position a browser measured for this one search.

The position comes in a header, so that it stands in no address: not in access logs, not in the
browser's history, not in a Referer. It is used to order this answer and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Header, Query

from citycare.kernel.context import Context
from citycare.scenarios.booking.model.finder import Point
from citycare.scenarios.booking.pages.asked import Asked
from citycare.scenarios.booking.rules.position import point_of
from citycare.scenarios.booking.service import finder
from citycare.web.i18n import mark
from citycare.web.manner import Words
from citycare.web.parts import Option

# Degrees with at most three decimals: nobody is asked more exactly than to a hundred metres.
POSITION = r"^(-?\d{1,2}\.\d{1,3},-?\d{1,3}\.\d{1,3})?$"
Position = Annotated[str, Header(alias="X-Position", pattern=POSITION)]
Area = Annotated[str, Query(pattern=r"^(\d{6})?$")]
ROUND_M = 100

DISTRICTS = (
    mark("黄浦区"),
    mark("徐汇区"),
    mark("长宁区"),
    mark("静安区"),
    mark("普陀区"),
    mark("虹口区"),
    mark("杨浦区"),
    mark("闵行区"),
    mark("宝山区"),
    mark("嘉定区"),
    mark("浦东新区"),
    mark("金山区"),
    mark("松江区"),
    mark("青浦区"),
    mark("奉贤区"),
    mark("崇明区"),
)  # as rules name them, for the English of each


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """How near is meant: not known (then `areas` to choose from), by a district, by position."""

    areas: tuple[Option, ...] = ()
    area: str = ""
    measured: bool = False
    other: str = ""


def read(position: str) -> Point | None:
    """Read the header: WGS 84 as browsers measure; None when there is none."""
    if not position:
        return None
    latitude, longitude = position.split(",")
    return point_of(float(latitude), float(longitude))


def rounded(metres: int | None) -> int | None:
    """Round a distance to what is known of both its ends: a hundred metres, never none."""
    return None if metres is None else max(ROUND_M, round(metres / ROUND_M) * ROUND_M)


async def near_of(
    cx: Context, asked: Asked, answer: finder.Answer, here: Point | None, words: Words
) -> Near | None:
    """Say by what the answer is ordered; None when nearness was not asked for."""
    if not answer.query.near:
        return None
    other = asked.href(area="")
    if here is not None:
        return Near(measured=True, other=other)
    areas = await finder.list_areas(cx)
    if answer.located:
        return Near(area=words(dict(areas).get(asked.area, "")), other=other)
    return Near(areas=_options(asked, areas, words))


def _options(asked: Asked, areas: Sequence[tuple[str, str]], words: Words) -> tuple[Option, ...]:
    """Make each district an address that orders by it."""
    return tuple(
        Option(value=asked.href(area=code), label=words(name), selected=asked.area == code)
        for code, name in areas
    )


def nearer(asked: Asked, answer: finder.Answer, words: Words) -> str:
    """Return the address that asks the same, but near; empty where it is asked already."""
    if answer.query.near or asked.clinic is not None:
        return ""
    nearby = words("附近")
    return asked.href(q=f"{nearby} {asked.q}".strip())
