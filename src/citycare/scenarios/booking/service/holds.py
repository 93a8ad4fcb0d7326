"""No-shows, the pause they bring, and the appeal against it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from citycare.kernel import audit, consent, events
from citycare.kernel.context import Context
from citycare.kit import ids
from citycare.scenarios.booking.model.core import Hold, WrongState
from citycare.scenarios.booking.rules import limits as limit_rules
from citycare.scenarios.booking.service.records import limits_in_force
from citycare.scenarios.booking.store import bookings as booking_store
from citycare.scenarios.booking.store import holds as hold_store

GRACE = timedelta(hours=3)  # a doctor runs late; only hours after the window is a visit missed
BATCH = 500
APPEAL_CHARS_MAX = 500


async def mark_no_shows(cx: Context) -> int:
    """Turn bookings whose window is long over into no-shows and pause whom policy says.

    Writes per batch of 500: the states, the event `booking.no_show`, holds and messages.
    """
    missed = await booking_store.mark_missed(cx.db, cx.now, cx.now - GRACE, BATCH)
    if not missed:
        return 0
    limits = await limits_in_force(cx)
    persons = {one.person_id for one in missed}
    already = set(await booking_store.on_hold(cx.db, persons, cx.now))
    told: list[tuple[UUID, str, dict[str, object]]] = [
        (one.person_id, "missed", {"booking": one.id}) for one in missed
    ]
    for person, (starts, bookings) in (await booking_store.misses(cx.db, persons)).items():
        until = limit_rules.hold_until(starts, cx.now, limits)
        if until is None or person in already:
            continue
        hold = Hold(ids.new(), person, cx.now, until, bookings, None, None, None, "")
        await hold_store.add(cx.db, hold)
        told.append((person, "hold", {"hold": hold.id, "until": until.isoformat()}))
    await hold_store.tell(cx.db, told, cx.now)
    await events.emit(
        cx, [events.Event("booking.no_show", {"booking": str(one.id)}) for one in missed]
    )
    return len(missed)


async def appeal(cx: Context, person_id: UUID, text: str) -> None:
    """Ask for a pause to be lifted, with a reason.

    Raises:
        WrongState: there is no pause in force, or it was decided already.
    """
    await consent.require(cx, "hold.appeal", person_id)
    hold = await hold_store.current(cx.db, person_id, cx.now)
    if hold is None:
        raise WrongState
    if await hold_store.appeal(cx.db, hold.id, text.strip()[:APPEAL_CHARS_MAX], cx.now) is None:
        raise WrongState
    await audit.append(cx, [audit.Entry("hold.appeal", person_id, f"hold/{hold.id}")])


async def decide(cx: Context, hold_id: UUID, *, lift: bool, reason: str) -> None:
    """Lift or keep a pause after an appeal; the person is told.

    Raises:
        WrongState: it was decided already.
    """
    await consent.require(cx, "hold.decide")
    decision = "lifted" if lift else "kept"
    person = await hold_store.decide(cx.db, hold_id, decision, reason, cx.actor.account_id, cx.now)
    if person is None:
        raise WrongState
    await hold_store.tell(cx.db, [(person, f"hold_{decision}", {"reason": reason})], cx.now)
    await audit.append(cx, [audit.Entry("hold.decide", person, f"hold/{hold_id}")])


async def current(cx: Context, person_id: UUID) -> Hold | None:
    """Return a person's pause in force, or None."""
    await consent.require(cx, "booking.read", person_id)
    return await hold_store.current(cx.db, person_id, cx.now)


async def open_appeals(cx: Context) -> list[Hold]:
    """Return the appeals that wait for a decision."""
    await consent.require(cx, "hold.decide")
    return await hold_store.open_appeals(cx.db, BATCH)
