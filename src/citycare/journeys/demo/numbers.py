"""Made-up numbers that pass every check and belong to nobody.

* Resident numbers (GB 11643): `identity.documents.synthetic_number`; region 310000 is the code of
  the whole city, and a real number begins with a district's, so none was ever given out.
* Social credit codes (GB 32100): the organisation part begins with DEM.
* Mobile numbers: begin with 160. That block belonged to dial-in audio information (160, 168) and
  is not given to mobile users [from memory, unverified]; the demo has no way to send an SMS.
* Landlines: 021-0000xxxx; a local number never begins with 0.

Source of the checksums: facts.md §1; organisation part: GB 11714 (mod 11).
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from random import Random

from citycare.kernel.identity.documents import Sex, synthetic_number

SEED = "沪卫信息〔2022〕3号"
REGION = "310000"
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def dice(*parts: object) -> Random:
    """Return the dice for one topic: always the same, and independent of other topics."""
    return Random("|".join((SEED, *map(str, parts))))  # noqa: S311 - repeatable, guards nothing


class Births:
    """Hands out resident numbers, never one twice. Memory: one counter per day of birth and sex."""

    def __init__(self) -> None:
        """Start with nobody born."""
        self._taken: Counter[tuple[date, Sex]] = Counter()

    def number(self, born_on: date, sex: Sex) -> str:
        """Return the next free number of that day and sex."""
        sequence = self._taken[born_on, sex]
        self._taken[born_on, sex] += 1
        return synthetic_number(born_on, sex, sequence).number


def uscc(serial: int) -> str:
    """Write a checksum-valid social credit code of a public institution that does not exist."""
    organisation = f"DEM{serial:05d}"
    values = [int(sign, 36) for sign in organisation]
    total = sum(v * w for v, w in zip(values, ORGANISATION_WEIGHTS, strict=True))
    check = {10: "X", 11: "0"}.get(11 - total % 11, str(11 - total % 11))
    body = f"12{REGION}{organisation}{check}"
    total = sum(USCC_ALPHABET.index(sign) * pow(3, i, 31) for i, sign in enumerate(body))
    return body + USCC_ALPHABET[-total % 31]


def mobile(serial: int) -> str:
    """Write a mobile number in the block that nobody can own."""
    return f"160{serial:08d}"


def landline(serial: int) -> str:
    """Write a landline that cannot be dialled."""
    return f"021-0000{serial:04d}"
