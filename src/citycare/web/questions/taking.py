"""From a posted form to answers: what can be read is put, what cannot is kept with its error."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from citycare.kernel.fhir.forms import (
    Answer,
    Filling,
    PlaceUnknown,
    ResponseTooLong,
    Shown,
    Widget,
    flat,
)
from citycare.kit.clock import CITY
from citycare.web.forms import NOT_A_CHOICE, NOT_A_DAY, NOT_A_NUMBER, TOO_LONG, Form
from citycare.web.i18n import mark
from citycare.web.questions.parts import (
    DO,
    DRAWN,
    OTHER,
    UNIT,
    Posted,
    Typed,
    is_chosen,
    name_of,
    token,
)

NOT_A_DECIMAL = mark("请填一个数，可以带小数，例如 37.5。")
NOT_A_MOMENT = mark("日期和时间不对，请按 2026-11-26 08:30 这样填。")
NOT_A_TIME = mark("时间不对，请按 08:30 这样填。")
ONE_OR_OTHER = mark("选了一项，又写了其他。请只留一个。")
NO_ROOM = mark("已经到了上限，不能再添加。")
WHOLE: Final = re.compile(r"[+-]?[0-9]{1,10}")
BROKEN: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,10})?")
DATE: Final = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")
MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?")
CLOCK: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")
INTEGER_MAX: Final = 2**31 - 1  # of FHIR R4
CHARS_MAX: Final = 20_000
CODED: Final = ("system", "version", "code", "display")


class Unreadable(Exception):
    """What was typed is no answer of this kind; `words` says so."""

    def __init__(self, words: str) -> None:
        """Keep the sentence."""
        super().__init__(words)
        self.words = words


def take(filling: Filling, sent: Form) -> Posted:
    """Put what was sent into a form; then add or take away a repetition, if that was asked.

    Only questions that were drawn are read, and of these only what a person may answer; places
    the form does not have (any more) are passed over.
    """
    posted = Posted()
    known = {each.path: each for each in flat(filling.shown())}
    given: dict[str, list[Answer]] = {}
    for place in dict.fromkeys(sent.many.get(DRAWN, ())):
        shown = known.get(place)
        if shown is None or shown.read_only or shown.widget is Widget.UNSUPPORTED:
            continue
        typed = Typed(
            values=tuple(sent.many.get(name_of(place), ())),
            units=tuple(sent.many.get(name_of(place, UNIT), ())),
            other=sent.values.get(name_of(place, OTHER), ""),
        )
        try:
            found = _answers(shown, typed)
        except Unreadable as error:
            posted.errors[place] = error.words
            posted.typed[place] = typed
            continue
        if found != _present(shown):
            given[place] = found
    filling.answer(given)
    _repeat(filling, sent.values.get(DO, ""), posted)
    return posted


def _repeat(filling: Filling, wish: str, posted: Posted) -> None:
    verb, _, place = wish.partition(" ")
    try:
        if verb == "add":
            posted.at = filling.add(place)
        elif verb == "remove":
            filling.remove(place)
            posted.errors.clear()  # they named places, which are others now
            posted.typed.clear()
    except PlaceUnknown:
        return  # pressed twice, or on an old page
    except ResponseTooLong:
        posted.errors[place] = NO_ROOM


def _present(shown: Shown) -> list[Answer]:
    return [{f"value{each.kind}": each.value} for each in shown.entries]


def _answers(shown: Shown, typed: Typed) -> list[Answer]:
    if any(len(each) > CHARS_MAX for each in (*typed.values, typed.other)):
        raise Unreadable(TOO_LONG)
    if is_chosen(shown):
        return _chosen(shown, typed)
    units = [*typed.units, *[""] * len(typed.values)]
    found = [
        _answer(shown, text, unit)
        for text, unit in zip(typed.values, units, strict=False)
        if text.strip()
    ]
    return found if shown.repeats else found[:1]


def _chosen(shown: Shown, typed: Typed) -> list[Answer]:
    offered = {token(each.answer): each.answer for each in reversed(shown.options)}
    present = {token(each): each for each in _present(shown)}
    found = []
    for value in dict.fromkeys(each for each in typed.values if each):
        if value in present:
            found.append(present[value])
        elif value in offered:
            found.append(_lean(offered[value]))
        else:
            raise Unreadable(NOT_A_CHOICE)
    other = typed.other.strip()
    if shown.open and other:
        found.append({"valueString": other})
    if len(found) > 1 and shown.widget is not Widget.CHECKBOXES:
        raise Unreadable(ONE_OR_OTHER if other else NOT_A_CHOICE)
    return found


def _lean(answer: Answer) -> Answer:
    """Return an option as an answer: without the translations and scores that belong to it."""
    coding = answer.get("valueCoding")
    if not isinstance(coding, dict):
        return {name: each for name, each in answer.items() if name.startswith("value")}
    return {"valueCoding": {name: coding[name] for name in CODED if name in coding}}


def _answer(shown: Shown, text: str, unit: str) -> Answer:
    plain = unicodedata.normalize("NFKC", text).strip()
    if shown.type == "quantity":
        return {"valueQuantity": {"value": _decimal(plain), **_unit(shown, unit)}}
    if shown.type in READERS:
        kind, read = READERS[shown.type]
        return {kind: read(plain)}
    kind = "valueUri" if shown.type == "url" else "valueString"
    return {kind: text.replace("\r\n", "\n").strip()}


def _integer(plain: str) -> int:
    if not WHOLE.fullmatch(plain) or abs(int(plain)) > INTEGER_MAX:
        raise Unreadable(NOT_A_NUMBER)
    return int(plain)


def _decimal(plain: str) -> Decimal:
    if not BROKEN.fullmatch(plain):
        raise Unreadable(NOT_A_DECIMAL)
    return Decimal(plain)


def _unit(shown: Shown, text: str) -> dict[str, Any]:
    """Return the unit of a quantity: the form's own, the one chosen, or as it was written."""
    if shown.units:
        offered = {token(each.answer): each.answer["valueCoding"] for each in shown.units}
        coding = offered.get(text)
        if coding is None:
            raise Unreadable(NOT_A_CHOICE)
    else:
        coding = shown.unit_coding or {}
        if not coding and text.strip():
            return {"unit": text.strip()}
    found = {"unit": coding.get("display") or coding.get("code")}
    found |= {name: coding.get(name) for name in ("system", "code")}
    return {name: each for name, each in found.items() if each is not None}


def _date(plain: str) -> str:
    made = plain.replace("/", "-").replace(".", "-")
    if not DATE.fullmatch(made):
        raise Unreadable(NOT_A_DAY)
    return _checked(made, f"{made}-01-01"[: len("2026-01-01")], NOT_A_DAY)


def _moment(plain: str) -> str:
    if DATE.fullmatch(plain):
        return _date(plain)
    if not MOMENT.fullmatch(plain):
        raise Unreadable(NOT_A_MOMENT)
    _checked(plain, plain, NOT_A_MOMENT)
    return datetime.fromisoformat(plain).replace(tzinfo=CITY).isoformat()


def _time(plain: str) -> str:
    if not CLOCK.fullmatch(plain):
        raise Unreadable(NOT_A_TIME)
    parts: Sequence[str] = [*plain.split(":"), "00"][:3]
    made = ":".join(part.zfill(2) for part in parts)
    return _checked(made, f"2026-01-01T{made}", NOT_A_TIME)


def _checked(made: str, whole: str, words: str) -> str:
    try:
        datetime.fromisoformat(whole)
    except ValueError as error:
        raise Unreadable(words) from error
    return made


READERS: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "integer": ("valueInteger", _integer),
    "decimal": ("valueDecimal", _decimal),
    "date": ("valueDate", _date),
    "dateTime": ("valueDateTime", _moment),
    "time": ("valueTime", _time),
}
