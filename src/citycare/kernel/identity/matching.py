"""How likely two records are one person. Pure; it only ever proposes.

Each field adds log2(m/u): m, how often it comes out so for one person's two records; u, how often
for two people's. The m and u are policy data (`identity.match.odds`), estimates of ours until
clerks' decisions calibrate them.

Source: I. Fellegi, A. Sunter, A Theory for Record Linkage, JASA 64 (1969) 1183–1210.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from rapidfuzz import fuzz

from citycare.kernel.identity.documents import Sex

Odds = Mapping[str, Sequence[float]]
ALIKE_PERCENT = 85.0


class Traits(Protocol):
    """What is compared of a record: a Person, or what somebody else says of one.

    An empty name or phone, no date, an unknown sex: nothing was said of it.
    """

    @property
    def name(self) -> str:
        """As written."""

    @property
    def name_pinyin(self) -> str:
        """As it sounds, without tones or gaps."""

    @property
    def sex(self) -> Sex:
        """Administrative sex."""

    @property
    def born_on(self) -> date | None:
        """Day of birth."""

    @property
    def phone(self) -> str | None:
        """Mobile, 11 digits."""

    @property
    def district(self) -> str | None:
        """Where they live, GB/T 2260."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one field says: its level (`born_swapped`), and bits for (+) or against (−)."""

    level: str
    weight: float


@dataclass(frozen=True, slots=True)
class Match:
    """Two records compared: the sum of the reasons, in bits."""

    weight: float
    reasons: tuple[Reason, ...]


def compare(left: Traits, right: Traits, odds: Odds) -> Match:
    """Weigh two records field by field. A field missing on either side says nothing (0 bits).

    Source: Fellegi, Sunter (1969): weight = log2(m/u), fields taken as independent.
    """
    levels = [
        _name(left, right),
        _born(left.born_on, right.born_on),
        _known("sex", _sex(left), _sex(right)),
        _known("phone", left.phone, right.phone),
        _known("district", left.district, right.district),
    ]
    reasons = tuple(
        Reason(level, round(math.log2(odds[level][0] / odds[level][1]), 3))
        for level in levels
        if level is not None
    )
    return Match(round(sum(reason.weight for reason in reasons), 3), reasons)


def _sex(person: Traits) -> str | None:
    return None if person.sex is Sex.UNKNOWN else person.sex


def _known(field: str, left: str | None, right: str | None) -> str | None:
    if not left or not right:
        return None
    return f"{field}_same" if left == right else f"{field}_other"


def _name(left: Traits, right: Traits) -> str | None:
    """Same characters, same sound (a clerk wrote by ear), nearly the same sound, or another."""
    if not left.name or not right.name:
        return None
    if left.name == right.name:
        return "name_same"
    if left.name_pinyin == right.name_pinyin:
        return "name_sound"
    if fuzz.ratio(left.name_pinyin, right.name_pinyin) >= ALIKE_PERCENT:
        return "name_like"
    return "name_other"


def swapped(born_on: date) -> date | None:
    """Return the date with day and month exchanged, where that is another real date."""
    try:
        other = date(born_on.year, born_on.day, born_on.month)
    except ValueError:
        return None
    return None if other == born_on else other


def _born(left: date | None, right: date | None) -> str | None:
    """Same day, day and month exchanged, one digit off, or another day."""
    if left is None or right is None:
        return None
    if left == right:
        return "born_same"
    if swapped(left) == right:
        return "born_swapped"
    differing = sum(a != b for a, b in zip(left.isoformat(), right.isoformat(), strict=True))
    return "born_digit" if differing == 1 else "born_other"
