"""New resources of several callers, stored in one transaction: see `api.creating`.

Source: HL7 FHIR R4 4.0.1 §3.1.0.8 create, §3.1.0.11 batch/transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from citycare.kernel import audit
from citycare.kernel.fhir import Invalid, Key, bundles, integrity, store
from citycare.kernel.fhir import rows as making
from citycare.kernel.fhir.bundles import Method, Plan, References
from citycare.kernel.fhir.rows import Row
from citycare.kit import ids
from citycare.scenarios.exchange.service.access import Access
from citycare.scenarios.exchange.service.batches import placed
from citycare.scenarios.exchange.service.intents import (
    CREATED,
    Done,
    Intent,
    Json,
    Name,
    named,
)
from citycare.scenarios.exchange.service.writing import Writing


@dataclass(frozen=True, slots=True)
class Fresh:
    """What one caller creates, all or nothing: checked, but for what it refers to.

    Attributes:
        rows: as they will be stored.
        targets: what they refer to, beside each other.
    """

    rows: Sequence[Row]
    targets: Collection[Name]


def fresh(access: Access, base: str, intents: Collection[Intent]) -> Fresh:
    """Make new resources ready to be stored, before there is a connection.

    Raises:
        Invalid: they break the rules.
    """
    resources = [one.resource for one in intents]
    rows = making.prepare(resources, base=base, owner=access.owner)
    targets = integrity.targets_among(resources, base, {one.name for one in intents})
    return Fresh(rows, targets)


async def create_together(wanted: Sequence[tuple[Writing, Fresh]]) -> list[dict[Name, Done]]:
    """Store new resources of several callers in one transaction, each on record as its own.

    Without `targets` that is one statement.

    Raises:
        Invalid: one of them refers to what is not there; nothing is stored.
    """
    first = wanted[0][0]
    cx = replace(first.cx, now=max(writing.cx.now for writing, _ in wanted))
    rows = [row for _, one in wanted for row in one.rows]
    targets = {name for _, one in wanted for name in one.targets}
    if targets:
        await integrity.require(cx, [row.resource for row in rows], first.base, targets)
    lines = [
        audit.line_of(writing.cx, entry)
        for writing, one in wanted
        for row in one.rows
        for entry in writing.noted(Key(row.type, row.id, 1), row.resource, "create")
    ]
    kept = iter(await store.insert(cx, rows, lines))
    return [
        {(row.type, row.id): _done(writing.access, row, next(kept)) for row in one.rows}
        for writing, one in wanted
    ]


def _done(access: Access, row: Row, kept: making.Kept) -> Done:
    body = kept.body if access.shows(row.resource) else ""
    return Done(CREATED, kept.key, kept.updated_at, body)


def checked(access: Access, resource: Json, kind: str, key: str) -> Intent:
    """Return what is to be stored under an id of ours, for whoever may write it.

    Raises:
        NotPermitted: it is not for this caller to write.
        ResourceDiffers, TypeUnknown: it is of another type.
    """
    access.require(kind, "c")
    made = named(resource, kind, key)
    access.require_writable(made, "c")
    return Intent(made, fresh=True)


def only_creates(plan: Plan, references: References) -> bool:
    """Tell whether nothing of a transaction depends on what is there, but for what it refers to."""
    return not references.conditional and all(
        step.method is Method.POST and step.writes and not step.if_none_exist for step in plan.steps
    )


def checked_steps(plan: Plan, references: References, access: Access) -> Mapping[int, Intent]:
    """Return what a transaction of creates stores, by the place of its entry.

    Raises:
        Invalid: one refers to an entry that is not there.
        NotPermitted, ResourceDiffers, TypeUnknown: see `checked`.
    """
    for step in plan.steps[:1]:
        access.require_writer(step.type)
    keys = {step.place: str(ids.new()) for step in plan.steps}
    given = {step.place: f"{step.type}/{keys[step.place]}" for step in plan.steps}
    addresses = bundles.addresses(plan, given)
    referring = references.places
    found: dict[int, Intent] = {}
    for step in plan.steps:
        resource = step.resource or {}
        if step.place in referring:
            resource = bundles.resolved(resource, addresses, {}, root=step.root, at=step.at)
        found[step.place] = checked(access, resource, step.type, keys[step.place])
    return found


def fresh_steps(access: Access, base: str, intents: Mapping[int, Intent]) -> Fresh:
    """Do as `fresh`; faults are told with the entry they are in."""
    try:
        return fresh(access, base, intents.values())
    except Invalid as error:
        raise placed(error, intents) from error
