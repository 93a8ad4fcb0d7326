"""An export from its start to its files: each step is a job, which asks for the next one.

A step notes what it found and how far it is in the transaction that also marks its job as done, so
a worker that is killed leaves an export at the end of a step, and its job is done again from there.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from citycare.kernel import audit, events
from citycare.kernel.context import Context
from citycare.kernel.events import Job, Periodic
from citycare.kernel.fhir import versions
from citycare.kernel.fhir.definitions import RESOURCES
from citycare.kernel.fhir.exporting import store
from citycare.kernel.fhir.exporting.model import (
    ACCOUNT_MAX,
    KEPT,
    MEMBERS_MAX,
    RUNNING_MAX,
    SPARSE,
    STEP_MEMBERS,
    STEP_ROWS,
    Asked,
    ExportNotFound,
    ExportUnfinished,
    File,
    GroupTooLarge,
    Level,
    Piece,
    Status,
    TooManyExports,
    TypeOutside,
)
from citycare.kernel.fhir.exporting.store import Export, Stretch
from citycare.kernel.fhir.finding import EVERYTHING, Visible
from citycare.kernel.fhir.model import Resource, TypeUnknown
from citycare.kernel.fhir.r4 import compartments
from citycare.kernel.fhir.searching.keys import compartment_key, resource_hash
from citycare.kit import ids

PIECE = 2_000
"""Lines read at a time; a file about some patients is looked up anew for each piece."""


async def start(cx: Context, asked: Asked) -> UUID:
    """Begin an export of the record as it is now; return its id.

    Writes it, its first job and an entry of the trail, together. What the same transaction has
    written before is not in it. Whether the actor may export at all, and see the group, is decided
    above.

    Raises:
        TypeUnknown, TypeOutside: a type is none of R4, or has nothing of patients.
        ResourceNotFound, ResourceDeleted: there is no such group.
        GroupTooLarge: more than MEMBERS_MAX patients.
        TooManyExports: RUNNING_MAX are under way, or ACCOUNT_MAX of this account.
    """
    types = _types(asked)
    patients = asked.patients
    if asked.level is Level.GROUP:
        patients = members_of(await versions.get(cx, "Group", asked.group))
    if len(patients) > MEMBERS_MAX:
        raise GroupTooLarge(count=len(patients), most=MEMBERS_MAX)
    members = [compartment_key("Patient", resource_hash("Patient", one)) for one in patients]
    begun = await store.begin(cx)
    if begun.theirs >= ACCOUNT_MAX:
        raise TooManyExports(most=ACCOUNT_MAX, of="account")
    if begun.every >= RUNNING_MAX:
        raise TooManyExports(most=RUNNING_MAX)
    id_ = ids.new()
    nobody = asked.level is Level.GROUP and not members
    await store.add(cx, id_, asked, [] if nobody else types, members, begun, cx.now + 30 * KEPT)
    await events.defer(cx, STEP.name, {"export": str(id_)})
    detail = {"level": asked.level.value, "types": len(types), "patients": len(members)}
    await audit.append(cx, [audit.Entry("fhir.export", None, f"fhir.export/{id_}", "ok", detail)])
    return id_


def _types(asked: Asked) -> list[str]:
    """Return what is to be exported, each type once."""
    of_patients = {"Patient", *compartments()["Patient"]}
    possible = RESOURCES if asked.level is Level.SYSTEM else of_patients
    for one in asked.types:
        if one not in RESOURCES:
            raise TypeUnknown(type=one)
        if one not in possible:
            raise TypeOutside(type=one)
    return list(dict.fromkeys(asked.types)) or sorted(possible)


def members_of(group: Resource) -> tuple[str, ...]:
    """Return the ids of the patients who are members of a Group, each once, those who left not."""
    found: dict[str, None] = {}
    for one in group.get("member", ()):
        kind, _, id_ = one.get("entity", {}).get("reference", "").rpartition("/")
        if kind == "Patient" and one.get("inactive") is not True:
            found[id_] = None
    return tuple(found)


async def step(cx: Context, *, export: str) -> None:
    """Look at the next rows of an export; ask for the next step, or end it.

    One that was cancelled or has expired is left alone.
    """
    try:
        found = await store.get(cx, UUID(export), lock=True)
    except ExportNotFound:
        return
    if found.ended_at is not None:
        return
    at = (found.type_at, found.member_at, found.after_at, found.after_rid)
    looked = 0
    while looked < STEP_ROWS and at[0] < len(found.types):
        at, more = await _look(cx, found, at)
        looked += more
    ended = at[0] >= len(found.types)
    await store.advance(cx, found.id, at, ended=ended, expires=cx.now + KEPT)
    if not ended:
        await events.defer(cx, STEP.name, {"export": export})


At = tuple[int, int, datetime, int]


async def _look(cx: Context, export: Export, at: At) -> tuple[At, int]:
    """Note what one stretch has; return what comes behind it, and how many rows it had."""
    type_at, member_at, after_at, after_rid = at
    member_to = min(len(export.members), member_at + STEP_MEMBERS)
    whole = Stretch(
        export.types[type_at], member_at, member_to,
        after_at, after_rid, store.END_TIME, store.RID_MAX,
    )  # fmt: skip
    seen = await store.look(cx, export, whole)
    looked = max(seen.looked_at, 1)
    if seen.last is not None:
        upto = Stretch(whole.type, member_at, member_to, after_at, after_rid, *seen.last)
        await store.keep(cx, export, upto, seen, SPARSE * STEP_ROWS)
        return (type_at, member_at, *seen.last), looked
    await store.keep(cx, export, whole, seen, SPARSE * STEP_ROWS)
    start = store.begin_of(export.since)
    if member_to < len(export.members):
        return (type_at, member_to, *start), looked
    return (type_at + 1, 0, *start), looked


async def status(cx: Context, id_: UUID) -> Status:
    """Return how far an export is, and its files.

    Raises:
        ExportNotFound: there is none; it was cancelled, or has expired.
    """
    return await store.status(cx, await store.get(cx, id_))


async def cancel(cx: Context, id_: UUID) -> None:
    """Stop an export, or delete one that has ended; its files are gone.

    Raises:
        ExportNotFound: there is none.
    """
    if not await store.forget(cx, id_):
        raise ExportNotFound(export=id_)
    entry = audit.Entry("fhir.export_deleted", None, f"fhir.export/{id_}", "ok", {})
    await audit.append(cx, [entry])


async def open_file(cx: Context, id_: UUID, number: int) -> File:
    """Return a file, to be read; writes into the trail that it was fetched.

    Raises:
        ExportNotFound: there is no such export or file.
        ExportUnfinished: it is under way.
    """
    found = await status(cx, id_)
    if not found.ended:
        raise ExportUnfinished(export=id_)
    file = next((one for one in found.files if one.number == number), None)
    if file is None:
        raise ExportNotFound(export=id_, file=number)
    record = f"fhir.export/{id_}/{number}"
    entry = audit.Entry("fhir.export_fetched", None, record, "ok", {"count": file.count})
    await audit.append(cx, [entry])
    return file


async def read(
    cx: Context, id_: UUID, number: int, after: int = 0, *, visible: Visible = EVERYTHING
) -> Piece:
    """Return the lines of a file behind a place, from `Piece.after`; in one statement.

    So a slow client holds no connection: lend one to each call. What was changed since the start
    is read as it was then.

    Args:
        cx: the action.
        id_: of the export.
        number: of the file.
        after: 0 for its beginning.
        visible: what may be seen now, where that may have become less than at the start; the
            count of the manifest is then not reached.

    Raises:
        ExportNotFound: there is no such export or file, or no longer.
    """
    export = await store.get(cx, id_)
    stretch = await store.stretch_of(cx, id_, number)
    lines = await store.read(cx, export, stretch, after, visible, PIECE)
    resources = tuple((stretch.type, key, body) for _, key, body in lines)
    return Piece(resources, lines[-1][0] if len(lines) == PIECE else None)


async def purge(cx: Context) -> int:
    """Delete exports that have expired; return how many."""
    return await store.purge(cx)


STEP = Job("fhir.export_step", step)
JOBS = (STEP,)
PERIODICS = (Periodic("fhir.export_purge", "23 * * * *", purge),)
