"""Whom the writes of one call looked for: on record also where nothing comes of them.

A condition looks for somebody, a patch or `If-Match` at what is there. A write that is done puts
that on record itself; one that is refused is taken back with its part of the trail, and yet its
status has told. So what was looked at is kept here meanwhile, and noted as read (`trail`). What may
not be known of is noted as refused, whatever the answer.

Source: HL7 FHIR R4 4.0.1 §3.1.0.8.1 conditional create; AuditEvent (who, what); ADR 20.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.audit import Entry
from citycare.kernel.context import Context
from citycare.kernel.fhir import Stored
from citycare.scenarios.exchange.service.trail import REFUSED_MAX, Trail, persons_in

KEPT_MAX = 32_000_000
"""Characters of what was found that are kept: of more, whom it names is read at once."""


@dataclass(slots=True)
class Looks:
    """What was looked at, by what it is on record as.

    Attributes:
        named: ids of Patients that conditions name.
        found: versions that were there.
        read: ids of Patients that further ones name.
        hidden: ids of Patients that those name of which this caller may not know.
        kept: who is on record by the transaction of the write.
        room: characters that may be kept still.
    """

    named: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    found: defaultdict[str, list[Stored]] = field(default_factory=lambda: defaultdict(list))
    read: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    hidden: dict[str, set[str]] = field(default_factory=dict)
    kept: set[UUID | None] = field(default_factory=set)
    room: int = KEPT_MAX

    def find(self, record: str, one: Stored) -> None:
        """Remember that this was there; a write that succeeds need not know whom it names."""
        self.room -= len(one.body or "")
        if self.room >= 0:
            self.found[record].append(one)
        else:
            self.read[record] |= persons_in([one])

    def hide(self, one: Stored) -> None:
        """Remember that this was there and not told; the trail takes no more of them."""
        if len(self.hidden) <= REFUSED_MAX:
            self.hidden[f"{one.type}/{one.id}"] = persons_in([one])

    def keep(self, entries: Iterable[Entry]) -> None:
        """Remember who is on record when the transaction is done."""
        self.kept.update(one.person_id for one in entries)


@asynccontextmanager
async def noted(cx: Context, action: str, trail: Trail) -> AsyncIterator[Looks]:
    """Lend what a write keeps its looks in, and note what is not on record by the write itself."""
    looks = Looks()
    try:
        yield looks
    except Exception:
        for record in dict.fromkeys((*looks.named, *looks.found, *looks.read)):
            persons = looks.named[record] | looks.read[record] | persons_in(looks.found[record])
            await trail.read(cx, action, record, sorted(persons))
        raise
    else:
        for record, named in looks.named.items():
            left = [one for one in sorted(named) if identity.audit_id(one) not in looks.kept]
            if left:
                await trail.read(cx, action, record, left)
    finally:
        for record, persons in looks.hidden.items():
            await trail.refused(cx, action, record, persons)
