"""Forms kept for their writer: stale ones go, a bounded number at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from citycare.kernel.context import Context
from citycare.web import kept
from citycare.web.edge.seal import Sealer


async def test_stale_forms_are_swept_out_some_at_a_time(
    cx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealer = Sealer(b"k" * 32)
    fields = [("name", "林秀英")]
    old = [
        await kept.keep(cx.db, sealer, cx.now, f"v{n}", action="/me", fields=fields)
        for n in range(3)
    ]
    found = await kept.find(cx.db, sealer, cx.now, "v0", old[0])
    assert found == kept.KeptForm("/me", (("name", "林秀英"),))
    assert await kept.find(cx.db, sealer, cx.now, "v0", old[0]) == found, "shown as often as needed"
    monkeypatch.setattr(kept, "SWEPT_MAX", 2)
    left = []
    for n in range(1, 3):
        later = cx.now + kept.LIFE + timedelta(minutes=n)
        assert await kept.find(cx.db, sealer, later, "v0", old[0]) is None
        await kept.keep(cx.db, sealer, later, f"w{n}", action="/me", fields=fields)
        rows = await cx.db.execute("SELECT count(*)::int AS n FROM web.kept_form")
        left.append((await rows.fetchall())[0]["n"])
    assert left == [2, 2]
