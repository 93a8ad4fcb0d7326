r"""Values of search parameters, read from their texts.

Everything here raises ValueError for a text that cannot be read, and says why in it; `criteria`
names the parameter. Texts come percent-decoded and with R4's own escapes still in them.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.3 to §3.1.1.4.21; Location, parameter `near`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from decimal import Context, Decimal

from citycare.kernel.fhir import dates
from citycare.kernel.fhir.r4 import RESOURCES
from citycare.kernel.fhir.searching.model import (
    Amount,
    Link,
    Moment,
    Near,
    Number,
    ParamType,
    Parts,
    Prefix,
    Text,
    Token,
    Uri,
    Value,
)

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
LOCAL = re.compile(
    r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII
)
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s\x00-\x1f]+")
HISTORY = re.compile(r"/_history/[^/]+$")
ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
SEPARATOR = {each: re.compile(rf"\\.|{re.escape(each)}", re.DOTALL) for each in ",|$"}
NUMBER = re.compile(
    r"-?(\d{1,100})(?:\.(\d{1,100}))?(?:e([+\- ]?\d{1,2}))?", re.ASCII | re.IGNORECASE
)
DIGITS_MAX = 100
EXACT = Context(prec=400)  # wide enough for any sum or difference of what NUMBER lets pass
LAST_YEAR, YEAR_BEFORE = "9999", "9998"  # of one length
END_OF_TIME = datetime.max.replace(tzinfo=UTC)
PREFIXES = frozenset(Prefix)
TENTH = 10  # of the number, or of the way to now: what `ap` lets pass on both sides
METRES = {"m": 1.0, "km": 1_000.0, "mi": 1_609.344, "[mi_i]": 1_609.344}
NEAR_DEFAULT = 5_000.0
"""Metres that are near where the client does not say: R4 leaves it to the server."""
LATITUDE_MAX, LONGITUDE_MAX = 90.0, 180.0
OF_TYPE = 3  # system|code|value
SAYS_NOTHING = "PZC"  # categories of Unicode: punctuation, blanks, control characters


@dataclass(frozen=True, slots=True)
class Param:
    """A search parameter as the definitions have it.

    Attributes:
        targets: types a reference may lead to.
        parts: components of a composite.
    """

    code: str
    type: ParamType
    targets: tuple[str, ...] = ()
    parts: tuple[Param, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What the meaning of a value depends on: the present, and this server's own address."""

    now: datetime
    base: str = ""


def split(text: str, separator: str) -> list[str]:
    """Part a text at a separator that is not escaped; escapes stay."""
    if "\\" not in text:
        return text.split(separator)
    pieces = []
    start = 0
    for found in SEPARATOR[separator].finditer(text):
        if found[0] == separator:
            pieces.append(text[start : found.start()])
            start = found.end()
    return [*pieces, text[start:]]


def unescape(text: str) -> str:
    r"""Take the escapes away; R4 calls a `\` before anything else illegal."""
    return ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(found: re.Match[str]) -> str:
    if found[1] not in {",", "|", "$", "\\"}:
        raise ValueError("a backslash stands alone: write it twice")
    return found[1]


def value(param: Param, modifier: str, text: str, setting: Setting) -> Value:
    """Read one value, which is none of `:missing`.

    Args:
        param: `targets` are narrowed where a modifier named a type.
        modifier: one that fits the type of the parameter.
        text: one alternative, escaped.
        setting: see there.

    Raises:
        ValueError: it is no value of this parameter.
    """
    if not text or text.isspace():
        raise ValueError("empty")
    if modifier in MODIFIED:
        return MODIFIED[modifier](text)
    return READERS[param.type](param, modifier, text, setting)


def _words(text: str, *, exact: bool = False) -> str:
    words = unescape(text)
    if not exact and says_nothing(words):
        raise ValueError("no words")
    return words


def says_nothing(words: str) -> bool:
    """Tell whether a text has no letter, digit or sign: string search ignores all else."""
    return all(unicodedata.category(each)[0] in SAYS_NOTHING for each in words)


def _coded(text: str) -> Token:
    match [unescape(part) for part in split(text, "|")]:
        case [code]:
            return Token(None, code)
        case [system, code] if system or code:
            return Token(system, code or None)
    raise ValueError("not [system]|[code]")


def _token(param: Param, modifier: str, text: str) -> Token:
    token = _coded(text)
    if param.code == "_id" and (token.system is not None or not ID.fullmatch(token.code or "")):
        raise ValueError("not an id")
    if modifier in {"above", "below"} and token.code is None:
        raise ValueError("no code")
    return token


def _typed_identifier(text: str) -> Parts:
    """Read `system|code|value`: the type of an identifier, and its value."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != OF_TYPE or not all(parts):
        raise ValueError("not [system]|[code]|[value]")
    system, code, number = parts
    return Parts((Token(system, code), Token(None, number)))


MODIFIED: Mapping[str, Callable[[str], Value]] = {
    "text": lambda text: Text(_words(text)),
    "identifier": _coded,
    "of-type": _typed_identifier,
    "in": lambda text: Uri(unescape(text)),
    "not-in": lambda text: Uri(unescape(text)),
}
"""Modifiers under which a value is of another kind than its parameter's."""


def _link(param: Param, text: str, setting: Setting) -> Link:
    address = unescape(text)
    if setting.base:
        address = address.removeprefix(setting.base.rstrip("/") + "/")
    if ID.fullmatch(address):
        return Link(address, param.targets)
    local = LOCAL.fullmatch(address)
    if local is not None:
        if local[1] not in RESOURCES or (param.targets and local[1] not in param.targets):
            raise ValueError(f"{param.code} leads to no {local[1]}")
        return Link(local[2], (local[1],))
    if ABSOLUTE.fullmatch(address):
        return Link("", (), HISTORY.sub("", address))
    raise ValueError("neither id, type/id nor address")


def _prefixed(text: str) -> tuple[Prefix, str]:
    if text[:2] in PREFIXES:
        return Prefix(text[:2]), text[2:]
    return Prefix.EQ, text


def _moment(text: str, setting: Setting) -> Moment:
    prefix, written = _prefixed(unescape(text))
    low, high = _span(written)
    if prefix is Prefix.AP:
        away = max(low - setting.now, setting.now - high, timedelta(0)) / TENTH
        low = low - away if low - dates.EARLIEST > away else min(low, dates.EARLIEST)
        high = high + away if END_OF_TIME - high > away else END_OF_TIME
    return Moment(prefix, low, high)


def _span(text: str) -> dates.Span:
    """Return the span of a date; the last year, which clients write for "open", has no next."""
    if not text.isascii():
        raise ValueError("not a date")
    try:
        if not text.startswith(LAST_YEAR):
            return dates.span_of_query(text)
        low, high = dates.span_of_query(YEAR_BEFORE + text[len(LAST_YEAR) :])
        following = END_OF_TIME if high.year == MAXYEAR else high.replace(year=high.year + 1)
        return low.replace(year=low.year + 1), following
    except (ValueError, OverflowError) as error:
        raise ValueError(f"not a date: {error}") from error


def _number(text: str) -> Number:
    """Read a number with the span its last digit implies.

    R4 says of `1e2`, in the table of §3.1.1.4.6, that it is 95 to 105: with one figure and an
    exponent, the span is that of `1.0e2`.
    """
    prefix, written = _prefixed(text)
    found = NUMBER.fullmatch(written)
    if found is None or len(found[1] + (found[2] or "")) > DIGITS_MAX:
        raise ValueError("not a number")
    read = Decimal(written.replace(" ", "+"))
    exponent = read.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent > 0 and len(read.as_tuple().digits) == 1:
        exponent -= 1
    half = Decimal((0, (5,), exponent - 1))
    if prefix is Prefix.AP:
        half = max(half, EXACT.divide(EXACT.abs(read), Decimal(TENTH)))
    return Number(prefix, read, EXACT.subtract(read, half), EXACT.add(read, half))


def _amount(text: str) -> Amount:
    match [unescape(part) for part in split(text, "|")]:
        case [number]:
            return Amount(_number(number), None, None)
        case [number, system, code]:
            return Amount(_number(number), system or None, code or None)
    raise ValueError("not [number]|[system]|[code]")


def _parts(param: Param, text: str, setting: Setting) -> Parts:
    pieces = split(text, "$")
    if len(pieces) != len(param.parts):
        raise ValueError(f"not {len(param.parts)} values with $ between them")
    return Parts(
        tuple(
            value(part, "", piece, setting)
            for part, piece in zip(param.parts, pieces, strict=True)
        )
    )  # fmt: skip


def _near(text: str) -> Near:
    """Read `latitude|longitude|distance|units`; kilometres unless units are given."""
    match [unescape(part) for part in split(text, "|")]:
        case [latitude, longitude, *more] if len(more) <= len(("distance", "units")):
            distance, units, *_ = *more, "", ""
        case _:
            raise ValueError("not latitude|longitude|distance|units")
    if (units or "km") not in METRES:
        raise ValueError(f"units: {' '.join(METRES)}")
    metres = _plain(distance) * METRES[units or "km"] if distance else NEAR_DEFAULT
    point = Near(_plain(latitude), _plain(longitude), metres)
    if abs(point.latitude) > LATITUDE_MAX or abs(point.longitude) > LONGITUDE_MAX or metres < 0:
        raise ValueError("no place on earth")
    return point


def _plain(text: str) -> float:
    if NUMBER.fullmatch(text) is None:
        raise ValueError("not a number")
    return float(text.replace(" ", "+"))


READERS: Mapping[ParamType, Callable[[Param, str, str, Setting], Value]] = {
    ParamType.STRING: lambda _, modifier, text, __: Text(_words(text, exact=modifier == "exact")),
    ParamType.TOKEN: lambda param, modifier, text, _: _token(param, modifier, text),
    ParamType.REFERENCE: lambda param, _, text, setting: _link(param, text, setting),
    ParamType.DATE: lambda _, __, text, setting: _moment(text, setting),
    ParamType.NUMBER: lambda _, __, text, ___: _number(unescape(text)),
    ParamType.QUANTITY: lambda _, __, text, ___: _amount(text),
    ParamType.URI: lambda _, __, text, ___: Uri(unescape(text)),
    ParamType.COMPOSITE: lambda param, _, text, setting: _parts(param, text, setting),
    ParamType.SPECIAL: lambda _, __, text, ___: _near(text),
}
