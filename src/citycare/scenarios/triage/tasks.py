"""What the triage does by itself."""

from __future__ import annotations

from citycare.kernel.context import Context
from citycare.kernel.events import Periodic
from citycare.scenarios.triage.service import dialogues


async def forget_dialogues(cx: Context) -> None:
    """Each hour: dialogues of nobody are deleted after their time."""
    await dialogues.forget_old(cx)


PERIODICS = (Periodic("triage.forget_dialogues", "7 * * * *", forget_dialogues),)
