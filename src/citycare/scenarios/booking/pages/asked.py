"""What somebody asked for on the page that finds clinics, and addresses that ask a little else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Asked:
    """The address of the page, to write variants of it."""

    q: str
    clinic: UUID | None
    day: date | None
    half: str
    move: UUID | None
    area: str = ""

    def href(self, **changes: object) -> str:
        """Return the address with something changed."""
        values: dict[str, object] = {
            "q": self.q,
            "clinic": self.clinic,
            "day": self.day,
            "half": self.half,
            "move": self.move,
            "area": self.area,
        }
        kept = {name: value for name, value in (values | changes).items() if value}
        return "/book?" + urlencode(kept, doseq=True)
