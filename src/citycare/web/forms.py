"""Reading a form so that nothing typed is lost: all fields are read, all errors are collected.

    form = await forms.read(request)
    name = form.text("name", chars_max=50)
    day = form.day("day")
    if form.errors:
        return await respond(request, cx, "…/form.html", page(form.values, form.errors), status=422)

`errors` maps a field to a Chinese sentence to be translated when shown; `values` is what was
typed, to show again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.requests import Request

from citycare.web.i18n import mark
from citycare.web.rendering import CSRF_FIELD

Choice = TypeVar("Choice", bound=StrEnum)
FIELDS_MAX = 500
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
# A day in an address: one beyond what a calendar is asked for is a typing error.
CivilDay = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]

MISSING = mark("这里还没有填。")
TOO_LONG = mark("写得太长了，请缩短一些。")
NOT_A_DAY = mark("日期不对，请按 2026-11-26 这样填。")
NOT_A_NUMBER = mark("请填一个整数。")
OUT_OF_RANGE = mark("这个数不在允许的范围里。")
NOT_A_CHOICE = mark("请从列表里选一个。")


def day_of(text: str) -> date:
    """Read an ISO date that a calendar may be asked for, or raise ValueError."""
    day = date.fromisoformat(text)
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(text)
    return day


@dataclass(slots=True)
class Form:
    """A form as it was sent."""

    values: dict[str, str] = field(default_factory=dict)
    many: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, *, required: bool = True, chars_max: int = 200) -> str:
        """Return a text without the spaces around it; empty when it is wrong."""
        value = self.values.get(name, "").strip()
        if required and not value:
            return self._wrong(name, MISSING)
        if len(value) > chars_max:
            return self._wrong(name, TOO_LONG)
        return value

    def day(self, name: str, *, required: bool = True) -> date | None:
        """Return a day written as an ISO date."""
        text = self.text(name, required=required, chars_max=10)
        try:
            return day_of(text) if text else None
        except ValueError:
            self._wrong(name, NOT_A_DAY)
            return None

    def number(self, name: str, low: int, high: int, *, required: bool = True) -> int | None:
        """Return a whole number from low to high."""
        text = self.text(name, required=required, chars_max=12)
        if not text:
            return None
        if not text.removeprefix("-").isdecimal():
            self._wrong(name, NOT_A_NUMBER)
            return None
        if not low <= int(text) <= high:
            self._wrong(name, OUT_OF_RANGE)
            return None
        return int(text)

    def id(self, name: str, *, required: bool = True) -> UUID | None:
        """Return an id that stood in a hidden field or a list."""
        text = self.text(name, required=required, chars_max=36)
        try:
            return UUID(text) if text else None
        except ValueError:
            self._wrong(name, NOT_A_CHOICE)
            return None

    def choice(self, name: str, kind: type[Choice], *, required: bool = True) -> Choice | None:
        """Return one of an enum's values."""
        text = self.text(name, required=required)
        try:
            return kind(text) if text else None
        except ValueError:
            self._wrong(name, NOT_A_CHOICE)
            return None

    def is_checked(self, name: str) -> bool:
        """Tell whether a box was ticked."""
        return bool(self.values.get(name))

    def _wrong(self, name: str, sentence: str) -> str:
        self.errors.setdefault(name, sentence)
        return ""


async def read(request: Request, *, fields_max: int = FIELDS_MAX) -> Form:
    """Read a form; files are left to the route, the form token is left out."""
    form = Form()
    for name, value in (await request.form(max_fields=fields_max)).multi_items():
        if isinstance(value, UploadFile) or name == CSRF_FIELD:
            continue
        form.values.setdefault(name, value)
        form.many.setdefault(name, []).append(value)
    return form
