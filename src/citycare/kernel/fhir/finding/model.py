"""What a search is handed beside the query, and what it answers.

Source: HL7 FHIR R4 4.0.1 §3.1.1.5 (matches and what is included; pages).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from citycare.kernel.fhir.model import Resource
from citycare.kernel.fhir.rows import loads
from citycare.kernel.fhir.searching.model import Criterion
from citycare.kernel.fhir.versions import Stored
from citycare.kit.errors import Incorrect


@dataclass(frozen=True, slots=True)
class Visible:
    """What may be seen: decided above (kernel.consent), applied inside every statement.

    A resource is visible if one of these holds: `everything`; its type is in `open_types`; it is in
    the compartment of one of `patients`; one of `organisations` wrote its newest version. And in
    any case its type must be in `types`, where that is not None, and where `limits` has its type,
    all criteria of one of these limits must hold. They are criteria that keys decide.
    """

    everything: bool = False
    patients: frozenset[str] = frozenset()
    organisations: frozenset[UUID] = frozenset()
    open_types: frozenset[str] = frozenset()
    types: frozenset[str] | None = None
    limits: Mapping[str, tuple[tuple[Criterion, ...], ...]] = field(default_factory=dict)


EVERYTHING = Visible(everything=True)
SHARED = ("Group",)
"""Types that stand in the compartment of each of their members, and name the others: whoever may
see a member does not see them for it."""


class Hit(NamedTuple):
    """One resource that was found, as it is kept; a tuple, since a page makes many of them."""

    rid: int
    type: str
    id: str
    version: int
    updated_at: datetime
    body: str

    def resource(self) -> Resource:
        """Read it."""
        found: Resource = loads(self.body)
        return found

    def stored(self) -> Stored:
        """Return it as `versions` has it."""
        return Stored(self.type, self.id, self.version, self.updated_at, self.body)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: the snapshot all pages are of, and what the last resource is sorted by.

    Whoever hands it to a client seals it: it is put into a statement as values, but a forged one
    would be a search of its own.
    """

    snapshot: str
    last: tuple[str | int | float | None, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A page: matches in order, what they include, where the next begins; matches in all."""

    matches: Sequence[Hit] = ()
    included: Sequence[Hit] = ()
    next: Place | None = None
    total: int | None = None
    unknown: tuple[str, ...] = field(default=())


class TooCostly(Incorrect):
    """This search would look at too much; narrow it."""

    code = "fhir.too_costly"
    words = "这个查询范围太大，请加上更多条件（例如患者、日期）后再查。"
