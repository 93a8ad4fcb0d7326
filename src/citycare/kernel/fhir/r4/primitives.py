"""What each primitive type of R4 allows, over JSON as `fhir.loads` gives it.

Source: HL7 FHIR R4 4.0.1 §2.24.0.1 Primitive Types, with the regular expressions there; calendar
days must exist (§2.24.0.1 "Dates SHALL be valid dates").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from math import isfinite
from typing import Any

TEXT_MAX = 1_048_576  # characters
INT_MAX = 2**31 - 1
DIGITS_MAX = 64  # of a decimal; the specification sets no limit, storage does
EXPONENT_MAX = 300  # of ten: beyond what a double holds, most readers of JSON refuse the whole text

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
CODE = re.compile(r"[^\s]+(?: [^\s]+)*")
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+", re.ASCII)
UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SPACE = re.compile(r"\s")
BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)
ZONE = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
DATE = re.compile(r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(\d\d))?)?", re.ASCII)
DATE_TIME = re.compile(rf"(\d{{4}})(?:-(0[1-9]|1[0-2])(?:-(\d\d)(?:T{CLOCK}{ZONE})?)?)?", re.ASCII)
INSTANT = re.compile(rf"(\d{{4}})-(0[1-9]|1[0-2])-(\d\d)T{CLOCK}{ZONE}", re.ASCII)
TIME = re.compile(CLOCK, re.ASCII)

Check = Callable[[Any], bool]


def _string(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= TEXT_MAX
        and not value.isspace()
        and ((value.isascii() and value.isprintable()) or CONTROL.search(value) is None)
    )


def _matching(pattern: re.Pattern[str]) -> Check:
    def check(value: Any) -> bool:
        return isinstance(value, str) and pattern.fullmatch(value) is not None

    return check


def _uri(value: Any) -> bool:
    return isinstance(value, str) and value != "" and SPACE.search(value) is None


def _boolean(value: Any) -> bool:
    return value is True or value is False


def _whole(least: int) -> Check:
    def check(value: Any) -> bool:
        return type(value) is int and least <= value <= INT_MAX

    return check


def _decimal(value: Any) -> bool:
    """Numbers read from JSON are Decimals; a float is what our own code measured (degrees)."""
    if isinstance(value, Decimal):
        return (
            value.is_finite()
            and len(value.as_tuple().digits) <= DIGITS_MAX
            and abs(value.adjusted()) <= EXPONENT_MAX
        )
    if isinstance(value, float):
        return isfinite(value)
    return type(value) is int and abs(value) < 10**DIGITS_MAX


def _calendar(pattern: re.Pattern[str]) -> Check:
    def check(value: Any) -> bool:
        found = pattern.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return False
        year, month, day = found[1], found[2], found[3]
        if year == "0000":
            return False
        if day is None:
            return True
        try:
            date(int(year), int(month), int(day))
        except ValueError:
            return False
        return True

    return check


def _base64(value: Any) -> bool:
    if not isinstance(value, str) or not value:
        return False
    bare = SPACE.sub("", value) if SPACE.search(value) else value
    return len(bare) % 4 == 0 and BASE64.fullmatch(bare) is not None


CHECKS: dict[str, Check] = {
    "base64Binary": _base64,
    "boolean": _boolean,
    "canonical": _uri,
    "code": _matching(CODE),
    "date": _calendar(DATE),
    "dateTime": _calendar(DATE_TIME),
    "decimal": _decimal,
    "id": _matching(ID),
    "instant": _calendar(INSTANT),
    "integer": _whole(-(2**31)),
    "markdown": _string,
    "oid": _matching(OID),
    "positiveInt": _whole(1),
    "string": _string,
    "time": _matching(TIME),
    "unsignedInt": _whole(0),
    "uri": _uri,
    "url": _uri,
    "uuid": _matching(UUID),
}
"""Checks by name of the type; `xhtml` is in `narrative`."""
