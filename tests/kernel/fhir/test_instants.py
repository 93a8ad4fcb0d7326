from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from citycare.kernel import fhir
from citycare.kernel.context import Context

ROOM: dict[str, Any] = {"resourceType": "Location", "id": "room-23", "name": "诊室"}


async def test_a_version_is_never_older_than_the_one_before(cx: Context) -> None:
    """Who began first may come last: it waited for the row."""
    await fhir.put(cx, [ROOM])
    early = replace(cx, now=cx.now - timedelta(seconds=3))
    (kept,) = await fhir.put(early, [ROOM])
    await fhir.delete(early, "Location", "room-23")
    page = await fhir.history(cx, "Location", "room-23")
    assert [one.updated_at for one in page.items] == [cx.now] * 3
    assert kept.updated_at == fhir.loads(page.items[1].body or "")["meta"]["lastUpdated"]
