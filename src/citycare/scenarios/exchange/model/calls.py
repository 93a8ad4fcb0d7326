"""A call to the FHIR server, and what it is answered.

Source: HL7 FHIR R4 4.0.1 §3.1.0 RESTful API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from citycare.scenarios.exchange.model.values import (
    Conditions,
    Handling,
    Interaction,
    Preference,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One interaction, with what came beside it.

    Attributes:
        asked: the interaction.
        body: what was sent, read; None where nothing was.
        size: of it, in bytes.
        conditions, preference: of the headers.
        pairs: parameters of the address and the form.
    """

    asked: Interaction
    body: Any = None
    conditions: Conditions = field(default_factory=Conditions)
    preference: Preference = field(default_factory=Preference)
    pairs: tuple[tuple[str, str], ...] = ()
    size: int = 0

    @property
    def lenient(self) -> bool:
        """Whether parameters that are not known are passed over; they are refused by default."""
        return self.preference.handling is Handling.LENIENT


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back.

    Attributes:
        status: of HTTP.
        body: JSON text, `""` for none.
        headers: beside Content-Type.
        name: type, id and version of what was read or written.
        updated_at: of that version.
    """

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    name: tuple[str, str, int] | None = None
    updated_at: datetime | None = None
