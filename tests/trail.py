"""What the trail says about somebody, for any test to look up."""

from __future__ import annotations

from uuid import UUID

from citycare.kernel import audit
from citycare.kernel.context import Context


async def about(cx: Context, person_id: UUID) -> list[audit.Seen]:
    """Return the newest entries about a person, the newest first."""
    found = await audit.search(cx, audit.Query(persons=[person_id]))
    return [one.seen for one in found.items]
