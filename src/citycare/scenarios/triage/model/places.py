"""What the triage asks others for: open places to book, and emergency departments near by.

These are ports: who answers is decided where the application is put together, for no scenario
imports another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from citycare.kernel.context import Context
from citycare.kit.money import Money


@dataclass(frozen=True, slots=True)
class Position:
    """Where somebody is, as browsers measure: WGS 84 degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A clinic with an open place; `href` leads to its booking page.

    `doctor` is empty for a department's general clinic. `known`: the person has been there;
    `family`: it is the person's own family doctor.
    """

    doctor: str
    title: str
    good_at: str
    department: str
    hospital: str
    starts_at: datetime
    fee: Money
    href: str
    metres: int | None = None
    known: bool = False
    family: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """An emergency department or fever clinic one can go to; metres are as the crow flies."""

    name: str
    address: str
    phone: str
    metres: int | None = None


class PlacesFor(Protocol):
    """Finds open places of a department."""

    async def __call__(
        self,
        cx: Context,
        department_code: str,
        person_id: UUID | None,
        limit: int,
        *,
        words: Sequence[str] = (),
        near: Position | None = None,
        until: date | None = None,
    ) -> tuple[Offer, ...]:
        """Return at most `limit` clinics with an open place, the best first.

        Args:
            cx: whose request it is.
            department_code: of 《医疗机构诊疗科目名录》.
            person_id: whom it is about, for doctors seen before; None: nobody is signed in.
            limit: how many at most.
            words: what the person has, for doctors who are good at that.
            near: where the person is, if that is known.
            until: the last day that is soon enough.
        """
        ...


class EmergenciesFor(Protocol):
    """Finds where one is seen without booking: emergency departments and fever clinics."""

    async def __call__(
        self,
        cx: Context,
        limit: int,
        *,
        near: Position | None = None,
        child: bool = False,
        fever: bool = False,
    ) -> tuple[Emergency, ...]:
        """Return at most `limit` emergency departments, or fever clinics, the nearest first.

        With `child` those of hospitals that treat children.
        """
        ...
