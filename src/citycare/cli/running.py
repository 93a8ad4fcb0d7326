"""What commands share: running to the end, the database of one command, answers and bars."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from citycare import settings as knobs
from citycare.kernel.context import SYSTEM, Context
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.kit.errors import AppError
from citycare.kit.keyfile import KeyFileWrong
from citycare.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="answer as one JSON object")]
T = TypeVar("T")
console = Console(stderr=True)


def say(answer: dict[str, Any], *, as_json: bool, text: str) -> None:
    """Print the answer: one JSON object, or text."""
    sys.stdout.write((orjson.dumps(answer, default=str).decode() if as_json else text) + "\n")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; an expected error becomes one sentence and exit code 1."""
    try:
        return asyncio.run(work)
    except AppError as error:
        console.print(f"[red]{error.message()}[/red] {error.words} ({error})")
        raise typer.Exit(1) from error
    except KeyFileWrong as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        raise typer.Exit(1) from error


def bars() -> Progress:
    """Return bars for long work, with count and time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


class Tell:
    """A progress callback (name, done, total) that draws one bar a name."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Move the bar of this name."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._tasks[name], completed=done, total=total)


@asynccontextmanager
async def opened(settings: Settings, size_max: int = 2) -> AsyncIterator[Database]:
    """Lend the database to one command."""
    database = knobs.database_of(settings, size_max=size_max)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def in_transaction(settings: Settings, work: Any) -> Any:
    """Do work in one transaction, as the system itself."""
    async with opened(settings) as database, database.transaction() as db:
        return await work(Context(db, SYSTEM, clock.now(), f"cli-{ids.new()}", purpose="cli"))
