"""Windows whose release is queued for, as the pages of choosing show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from citycare.kernel.context import Context
from citycare.scenarios.booking.service import queue


async def mark_queued(
    cx: Context, me: UUID | None, windows: Mapping[UUID, Sequence[dict[str, Any]]]
) -> None:
    """Forget the queues in which it is this person's turn; the others stay on their windows."""
    rows = [row for found in windows.values() for row in found if row["queue_id"]]
    passed = await queue.passed(cx, me, {row["queue_id"] for row in rows}) if me and rows else set()
    for row in rows:
        if row["queue_id"] in passed:
            row["queue_id"] = None
