"""What the operator's pages share: the gate, how instants, ids and addresses are written."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from citycare.kernel.context import Role
from citycare.kit.clock import CITY
from citycare.web.edge.contexts import gate

OPERATORS = frozenset({Role.OPERATOR})
TEXT_MAX = 200
ID_CHARS = 36


def operator_gate(action: str) -> Any:
    """Return the gate of an operator's page; `consent.require` still asks for the whole city."""
    return gate(action, roles=OPERATORS)


def stamp(instant: datetime) -> str:
    """Write an instant for a dense table: `2026-11-22 9:12:05`, on the city's clock, unbroken."""
    there = instant.astimezone(CITY)
    return f"{there.date()}\u00a0{there.hour}:{there.minute:02d}:{there.second:02d}"


def date_of(instant: datetime) -> str:
    """Write the day alone: `2026-11-22`."""
    return str(instant.astimezone(CITY).date())


def clean(text: str) -> str:
    """Take a typed text as it can be looked up: no NUL, no spaces around it, not too long."""
    return text.replace("\x00", "").strip()[:TEXT_MAX]


def as_uuid(text: str) -> UUID | None:
    """Read an id, or None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def address(path: str, /, **facts: object) -> str:
    """Write an address with what is not empty in its query."""
    query = urlencode({name: value for name, value in facts.items() if value not in (None, "")})
    return f"{path}?{query}" if query else path


def short(value: object) -> str:
    """Write an id so that it fits a cell; the panel shows all of it."""
    text = str(value)
    return f"{text[:8]}…{text[-4:]}" if len(text) > ID_CHARS or as_uuid(text) else text
