"""What the triage does by itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from citycare.kernel.context import Context
from citycare.kernel.events import Periodic
from citycare.scenarios.triage.service import dialogues, outcomes
from citycare.scenarios.triage.service.knowledge import load


async def forget_dialogues(cx: Context) -> None:
    """Each hour: dialogues of nobody are deleted after their time."""
    await dialogues.forget_old(cx)


async def take_outcomes(cx: Context, knowledge: Path) -> None:
    """Take in what was diagnosed after dialogues."""
    await outcomes.take(cx, partial(load, knowledge))


PERIODICS = (Periodic("triage.forget_dialogues", "7 * * * *", forget_dialogues),)
