"""New resources of several callers, stored in one transaction: see `api.creating`.

Source: HL7 FHIR R4 4.0.1 §3.1.0.8 create.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from citycare.kernel import audit, fhir
from citycare.kernel.fhir import integrity
from citycare.scenarios.exchange.service.writing import CREATED, Done, Intent, Name, Writing


async def create_together(wanted: Sequence[tuple[Writing, Intent]]) -> list[Done]:
    """Store new resources of several callers in one transaction, each on record as its own.

    Args:
        wanted: each checked already, but for what it refers to; all with one connection.

    Raises:
        Invalid: one of them refers to what is not there; nothing is stored.
    """
    first = wanted[0][0]
    cx = replace(first.cx, now=max(writing.cx.now for writing, _ in wanted))
    resources = [one.resource for _, one in wanted]
    await integrity.require_targets(cx, resources, first.base)
    kept: dict[Name, fhir.Kept] = {}
    for owner in {writing.access.owner for writing, _ in wanted}:
        some = [one.resource for writing, one in wanted if writing.access.owner == owner]
        stored = await fhir.create(cx, some, valid=True, base=first.base, owner=owner)
        kept |= {(one.key.type, one.key.id): one for one in stored}
    lines = [
        audit.line_of(writing.cx, entry)
        for writing, one in wanted
        for entry in writing.noted(kept[one.name].key, one.resource, "create")
    ]
    await audit.append_lines(cx, lines)
    return [
        Done(CREATED, done.key, done.updated_at, done.body)
        for done in (kept[one.name] for _, one in wanted)
    ]
