"""Ids: time-ordered ones for new rows, derived ones for things that must come out the same.

Source: RFC 9562 §5.5 (version 5), §5.7 (version 7), §6.2 method 1 (random tail).
"""

from __future__ import annotations

import os
import time
import uuid
from uuid import UUID

TAIL_BYTES = 10
STOCK = 400
CITYCARE = UUID("6f0d0c0e-9d1b-5c5f-8a63-000c17ca4e00")


class _Dice:
    """Random bits in stock: one call to the kernel for hundreds of ids, none shared by a fork."""

    def __init__(self) -> None:
        self._stock = b""
        self._at = 0
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._stock, self._at = b"", 0

    def take(self) -> int:
        """Return 80 random bits."""
        if self._at >= len(self._stock):
            self._stock, self._at = os.urandom(TAIL_BYTES * STOCK), 0
        tail = self._stock[self._at : self._at + TAIL_BYTES]
        self._at += TAIL_BYTES
        return int.from_bytes(tail)


_DICE = _Dice()


def new() -> UUID:
    """Return a version 7 id: 48 bits of milliseconds, then 74 random bits."""
    tail = _DICE.take()
    value = (time.time_ns() // 1_000_000 & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= (tail >> 68) << 64
    value |= 0b10 << 62
    value |= tail & ((1 << 62) - 1)
    return UUID(int=value)


def derive(*parts: object) -> UUID:
    """Return the same id for the same parts, always (version 5 under our namespace)."""
    return uuid.uuid5(CITYCARE, "\x1f".join(str(part) for part in parts))
