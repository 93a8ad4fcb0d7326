"""Whether a window is free or busy, in the city's record, some seconds after it changed.

A window is `free` while any place in it is nobody's, of whatever pool and even if it opens later;
`busy` when none is left. That a booking took the last place is seen here, not where it is booked:
a thousand bookings that fill ten windows cost ten writes, none of them in the rush.
"""

from __future__ import annotations

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.scenarios.booking.model.schedule import Window
from citycare.scenarios.booking.rules.schedule import slot_as_fhir
from citycare.scenarios.booking.store import clinics as clinic_store
from citycare.scenarios.booking.store import status as store

BATCH = 100  # windows are locked while they are written: some tens of milliseconds


async def publish_changed(cx: Context) -> int:
    """Publish windows that filled or freed, at most 100; return how many. Again changes nothing.

    Written together: one FHIR Slot each, and that the record was told. What filled and freed
    again in between is not written at all.
    """
    rows = await store.take_changed(cx.db, cx.now, BATCH)
    if not rows:
        return 0
    found = await clinic_store.get(cx.db, {row["clinic_id"] for row in rows})
    clinics = {one.id: one for one in found}
    await fhir.put(
        cx,
        [
            slot_as_fhir(
                row["id"],
                clinics[row["clinic_id"]],
                Window(row["starts_at"], row["ends_at"]),
                capacity=row["capacity"],
                free=row["free"],
            )
            for row in rows
        ],
    )
    await store.mark_told(cx.db, [row["id"] for row in rows])
    return len(rows)
