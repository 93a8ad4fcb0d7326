"""The slip that a clerk or a family doctor prints, and the ways on from it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from citycare.kit.db import Row
from citycare.kit.money import Money
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.words import when
from citycare.web.manner import manner_of, words_of
from citycare.web.parts import Action, Fact
from citycare.web.rendering import yuan


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffSlipPage:
    """The slip; `told`: the patient is not here and has a message."""

    number: int
    title: str
    facts: tuple[Fact, ...]
    told: bool
    onward: Action
    back: Action


def facts_of(
    request: Request, card: Row, name: str, more: tuple[Fact, ...] = ()
) -> tuple[Fact, ...]:
    """Write whose booking it is, where, and what it costs; `more` stands before the price."""
    words = words_of(request)
    return (
        Fact(name=words("姓名"), text=name),
        Fact(name=words("门诊"), text=staff.clinic_name(card, words)),
        Fact(name=words("医院"), text=card["organisation_name"]),
        Fact(name=words("诊室"), text=card["room"] or words("到科室前台问一下")),
        *more,
        Fact(name=words("挂号费"), text=yuan(Money(card["fee_fen"]), manner_of(request).lang)),
    )


def slip_of(
    request: Request,
    row: Row,
    card: Row,
    name: str,
    *,
    more: tuple[Fact, ...] = (),
    told: bool = False,
    onward: Action,
    back: Action,
) -> StaffSlipPage:
    """Shape a booking (`lists.get_booking`) of somebody as a slip."""
    return StaffSlipPage(
        number=row["number"],
        title=when(request, card),
        facts=facts_of(request, card, name, more),
        told=told,
        onward=onward,
        back=back,
    )
