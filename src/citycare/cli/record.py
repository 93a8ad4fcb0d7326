"""The record on the command line: its index."""

from __future__ import annotations

import typer

from citycare import settings as knobs
from citycare.cli.running import Json, bars, opened, run, say
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import upkeep
from citycare.kit import clock, ids
from citycare.settings import Settings

app = typer.Typer(no_args_is_help=True, help="the record")


@app.command()
def reindex(*, as_json: Json = False) -> None:
    """Put what was stored before a change of the index into it anew, while all goes on."""
    count = run(_reindex(knobs.read()))
    say({"resources": count}, as_json=as_json, text=f"{count} resources are in the index anew")


async def _reindex(settings: Settings) -> int:
    done = 0
    async with opened(settings) as database:
        with bars() as shown:
            task = shown.add_task("索引 index", total=None)
            while True:
                async with database.transaction() as db:
                    cx = Context(db, SYSTEM, clock.now(), f"cli-{ids.new()}", purpose="cli")
                    if not done:
                        shown.update(task, total=await upkeep.count_stale(cx))
                    count = await upkeep.reindex(cx)
                if not count:
                    return done
                done += count
                shown.update(task, completed=done)
