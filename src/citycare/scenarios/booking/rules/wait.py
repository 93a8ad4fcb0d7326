"""Whose turn it is on the waiting list. Pure.

With the list in order of arrival whoever has a script stands first: in the simulation of
bench/scalpers.py 94 % of a scalper's clients were served that way, however fair the release was.
So arrival counts by civil days, and within a day a lot decides.

The lot is a hash of person, clinic and day, so it is the same after leaving and joining again. That
it can be computed by anybody is of no use: a later day stands behind every lot of this one, and
whoever wants the best of several clinics may wait at all of them anyway.
"""

from __future__ import annotations

import hashlib
from datetime import date
from uuid import UUID

EPOCH = date(2000, 1, 1)
LOT_BYTES = 8


def lot(person_id: UUID, clinic_id: UUID, day: date) -> int:
    """Return the number by which those who joined a clinic's list on the same day are put in order.

    Signed, 64 bits. The column `booking.wait.lot` computes the same; a test compares.

    Source: ours, after Hakimov et al. 2021 (American Economic Review 111(7):2127): where speed
    decides, it is for sale. docs/scenarios/draw.md has the figures of the simulation.
    """
    days = (day - EPOCH).days.to_bytes(4, "big", signed=True)
    digest = hashlib.sha256(person_id.bytes + clinic_id.bytes + days).digest()
    return int.from_bytes(digest[:LOT_BYTES], "big", signed=True)


def turn(
    person_id: UUID, clinic_id: UUID, day: date, *, ahead: bool = False
) -> tuple[bool, date, int]:
    """Return what sorts a waiting list: who lost a place to a stopped clinic, then day, then lot.

    Source: as `lot`; that people of a stopped clinic stand at the head is ours.
    """
    return not ahead, day, lot(person_id, clinic_id, day)
