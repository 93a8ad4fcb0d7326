"""Money as an int of fen. No floats near it."""

from __future__ import annotations

from dataclasses import dataclass

FEN_PER_YUAN = 100


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in fen (1/100 yuan), may be negative."""

    fen: int

    def __bool__(self) -> bool:
        """Refuse: `if amount` hides whether zero or missing is meant."""
        raise TypeError("compare with Money(0), or with None")

    def __add__(self, other: Money) -> Money:
        """Add two amounts."""
        return Money(self.fen + other.fen)

    def __sub__(self, other: Money) -> Money:
        """Take one amount from another."""
        return Money(self.fen - other.fen)

    def __str__(self) -> str:
        """Write yuan, with fen only where there are any: `50`, `12.50`."""
        sign = "-" if self.fen < 0 else ""
        yuan, fen = divmod(abs(self.fen), FEN_PER_YUAN)
        return f"{sign}{yuan}.{fen:02d}" if fen else f"{sign}{yuan}"
