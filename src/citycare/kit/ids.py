"""Ids: time-ordered ones for new rows, derived ones for things that must come out the same.

Source: RFC 9562 §5.5 (version 5), §5.7 (version 7), §6.2 method 1 (random tail).
"""

from __future__ import annotations

import secrets
import time
import uuid
from uuid import UUID

CITYCARE = UUID("6f0d0c0e-9d1b-5c5f-8a63-000c17ca4e00")


def new() -> UUID:
    """Return a version 7 id: 48 bits of milliseconds, then 74 random bits."""
    millis = time.time_ns() // 1_000_000
    tail = secrets.randbits(74)
    value = (millis & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= (tail >> 62) << 64
    value |= 0b10 << 62
    value |= tail & ((1 << 62) - 1)
    return UUID(int=value)


def derive(*parts: object) -> UUID:
    """Return the same id for the same parts, always (version 5 under our namespace)."""
    return uuid.uuid5(CITYCARE, "\x1f".join(str(part) for part in parts))
