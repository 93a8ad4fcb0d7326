"""Reading one cell: text as hospitals write it becomes a value, or a fault."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal, InvalidOperation

from citycare.journeys.onboarding.faults import Faults
from citycare.journeys.onboarding.model import Origin
from citycare.kernel.identity import documents

DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
CLOCK = re.compile(r"(\d{1,2})[::](\d{2})(?:[::]00)?")
DISTRICT = re.compile(r"\d{6}")
MANY = re.compile(r"[|;;、]")
FEE_YUAN_MAX = 10_000


@dataclass(slots=True)
class Cells:
    """One row: cells by column, its place, and where faults go. Reading never raises."""

    origin: Origin
    values: Mapping[str, str]
    faults: Faults
    wrong: bool = False

    def fail(self, code: str, column: str, **facts: object) -> None:
        """Note a fault in a column of this row."""
        self.wrong = True
        self.faults.add(code, self.origin, column, self.values.get(column, ""), **facts)

    def text(self, column: str, *, required: bool = False) -> str:
        """Read text without surrounding blanks; full-width letters and digits become normal."""
        raw = self.values.get(column, "").strip()
        value = raw if raw.isascii() else _narrow(raw)
        if required and not value:
            self.fail("required", column)
        return value

    def texts(self, column: str) -> tuple[str, ...]:
        """Read several, parted by | ; or 、."""
        return tuple(part.strip() for part in MANY.split(self.text(column)) if part.strip())

    def choice(self, column: str, choices: Mapping[str, str], default: str = "") -> str:
        """Read one of the words of `choices` (Chinese or English), give its value."""
        value = self.text(column, required=not default)
        if not value:
            return default
        if value.lower() not in choices:
            self.fail("choice", column, choices=" ".join(dict.fromkeys(choices)))
            return default
        return choices[value.lower()]

    def number(self, column: str, low: int, high: int, default: int | None = None) -> int:
        """Read a whole number in bounds."""
        value = self.text(column, required=default is None)
        if not value:
            return default if default is not None else low
        if not value.isascii() or not value.isdigit() or not low <= int(value[:9]) <= high:
            self.fail("number", column, low=low, high=high)
            return low
        return int(value)

    def degrees(self, column: str, most: int) -> float | None:
        """Read a coordinate in degrees, or nothing."""
        value = self.text(column)
        if not value:
            return None
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or abs(number) > most:
            self.fail("number", column, low=-most, high=most)
            return None
        return float(number)

    def fen(self, column: str) -> int:
        """Read an amount of yuan with up to two decimals, give fen."""
        value = self.text(column, required=True).removeprefix("¥").removesuffix("元")
        fen = fen_of(value)
        if value and fen is None:
            self.fail("money", column)
        return fen or 0

    def day(self, column: str, *, required: bool = True) -> date | None:
        """Read a civil day."""
        value = self.text(column, required=required)
        if not value:
            return None
        found = DATE.fullmatch(value)
        try:
            if found is None:
                raise ValueError(value)  # noqa: TRY301 - one way out for both
            return date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            self.fail("date", column)
            return None

    def clock(self, column: str) -> time | None:
        """Read a wall-clock time to the minute."""
        value = self.text(column, required=True)
        if not value:
            return None
        found = CLOCK.fullmatch(value)
        try:
            if found is None:
                raise ValueError(value)  # noqa: TRY301
            return time(int(found[1]), int(found[2]))
        except ValueError:
            self.fail("time", column)
            return None

    def uscc(self, column: str) -> str | None:
        """Read a unified social credit code and prove its check character."""
        value = self.text(column)
        if not value:
            return None
        code = uscc_of(value)
        if code is None:
            self.fail("uscc", column)
        return code

    def district(self, column: str) -> str:
        """Read a GB/T 2260 code of six digits."""
        value = self.text(column, required=True)
        if value and DISTRICT.fullmatch(value) is None:
            self.fail("district", column)
        return value


def _narrow(text: str) -> str:
    """Make full-width letters and digits normal, but leave Chinese punctuation."""
    return "".join(
        unicodedata.normalize("NFKC", char) if "\uff10" <= char <= "\uff5a" else char
        for char in text.replace("\u3000", " ")
    ).strip()


def fen_of(text: str) -> int | None:
    """Return an amount of yuan in fen, or None when it is none."""
    try:
        yuan = Decimal(text)
    except InvalidOperation:
        return None
    if not yuan.is_finite() or not 0 <= yuan <= FEE_YUAN_MAX or yuan * 100 != int(yuan * 100):
        return None
    return int(yuan * 100)


def uscc_of(text: str) -> str | None:
    """Return a credit code in its normal form, or None when it is none."""
    try:
        return documents.parse(documents.Kind.USCC, text).number
    except documents.DocumentRefused:
        return None
