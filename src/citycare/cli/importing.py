"""`citycare import`: a hospital's own files; `citycare import fhir`: resources in bulk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self
from uuid import UUID

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from typer.core import TyperGroup

from citycare import settings as knobs
from citycare.cli.running import Json, Tell, bars, console, in_transaction, opened, run, say
from citycare.kernel.fhir import importing
from citycare.kit import clock
from citycare.kit.errors import AppError

SHOWN = 20
FILES = "files"
SUMMARY = (
    "{created} new, {updated} changed, {unchanged} the same, {refused} refused, in {parts} parts "
    "({skipped} finished before); {taken} in {seconds:.1f} s, {per_second:.0f} a second"
)


class _FilesUnlessNamed(TyperGroup):
    """`import PATH…` is `import files PATH…`: what is no command is a path, or an option of it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name in where none was given."""
        if args and args[0] not in (*self.commands, "--help"):
            args = [FILES, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_FilesUnlessNamed, no_args_is_help=True, help="take in files; without a name: `files`"
)


@app.command(FILES)
def import_files(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="CSV, NDJSON or Bundle files")],
    window: Annotated[int, typer.Option(help="gather short Slots into windows (min)")] = 30,
    *,
    check: Annotated[bool, typer.Option("--check", help="only check")] = False,
    as_json: Json = False,
) -> None:
    """Take in a hospital's organisations, practitioners and schedules: all or nothing.

    The name `files` may be left out.
    """
    from citycare.journeys import onboarding  # noqa: PLC0415

    settings = knobs.read()

    async def work() -> Any:
        async with opened(settings) as database:
            with bars() as shown:
                return await onboarding.import_paths(
                    database, paths, check_only=check, window_min=window, tell=Tell(shown)
                )

    report = run(work())
    say(report.as_dict(), as_json=as_json, text=report.text())
    if not report.ok:
        raise typer.Exit(1)


@app.command("fhir")
def import_fhir(
    paths: Annotated[
        list[Path],
        typer.Argument(exists=True, help="Bundles, NDJSON (.gz .bz2 .zip), folders of them"),
    ],
    workers: Annotated[int, typer.Option(help="processes; 0: one a core", min=0, max=256)] = 0,
    report: Annotated[
        Path, typer.Option(help="where faults are told, .ndjson or .csv", dir_okay=False)
    ] = Path("import-faults.ndjson"),
    organisation: Annotated[UUID | None, typer.Option(help="whose data it is")] = None,
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="a Bundle with one fault is refused whole")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="store nothing, only tell what would come of it")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="read even what was finished before")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take in FHIR R4 resources of any type, each checked; what is refused does not stop the rest.

    A resource that is there in the same words is left alone. After a crash the same command goes
    on where it was. References that lead nowhere in the end are told, and kept.
    """
    settings = knobs.read()
    pool = knobs.database_of(settings)
    options = importing.Options(
        f"{settings.base_url}/fhir/R4", strict, check, clock.now() if again or check else None,
        organisation,
    )  # fmt: skip
    begun = time.monotonic()
    try:
        files = importing.find_files(paths)
        with _Bar() as bar:
            results = importing.run(
                (pool.url, pool.role), files, options,
                workers=workers or importing.cores(), tell=bar.tell,
            )  # fmt: skip
    except AppError as error:
        console.print(f"[red]{error.message()}[/red] {error.words} ({error})")
        raise typer.Exit(1) from error
    seconds = time.monotonic() - begun
    told = _summary(results, seconds)
    lost = importing.Dangling()
    if told["created"] + told["updated"] and not check:
        ask = partial(importing.dangling, results=results, base=options.base)
        lost = run(in_transaction(settings, ask))
    told["dangling"] = lost.count
    if told["refused"] or lost.told:
        write = partial(importing.write_report, results=results, path=report, warnings=lost.told)
        run(in_transaction(settings, write))
        told["report"] = str(report)
    say(told, as_json=as_json, text=_text(told))
    if told["refused"] or told["failed"]:
        raise typer.Exit(1)


class _Bar:
    """One bar: how much of the files is read, resources a second, time left."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("import"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console,
        )  # fmt: skip
        self._task = self._progress.add_task("import", total=None, told="")
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        return self  # it is shown when first told: its thread must not be there before workers are

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, far: importing.Progress) -> None:
        """Move the bar."""
        self._progress.start()
        rate = far.counts.all / max(time.monotonic() - self._begun, 0.001)
        told = f"{far.counts.all:,} resources, {rate:,.0f}/s"
        told += f", {far.counts.refused:,} refused" if far.counts.refused else ""
        self._progress.update(self._task, completed=far.read, total=far.size, told=told)


def _summary(results: Sequence[importing.Result], seconds: float) -> dict[str, Any]:
    """Add the parts up; the rate is of what this run has settled."""
    counts = sum((one.counts for one in results), importing.Counts())
    taken = sum(one.taken for one in results)
    states = Counter("skipped" if one.skipped else "failed" if one.error else "done"
                     for one in results)  # fmt: skip
    return {
        **asdict(counts),
        "parts": len(results),
        "skipped": states["skipped"],
        "taken": taken,
        "seconds": round(seconds, 3),
        "per_second": round(taken / max(seconds, 0.001), 1),
        "failed": [{"part": one.part.name, "why": one.error} for one in results if one.error],
    }


def _text(told: dict[str, Any]) -> str:
    lines = [SUMMARY.format(**told)]
    failed = told["failed"]
    lines += [f"not through: {one['part']}: {one['why']}" for one in failed[:SHOWN]]
    lines += [f"… and {len(failed) - SHOWN} more"] if len(failed) > SHOWN else []
    lines += ["the same command goes on where they stopped"] if failed else []
    if told["dangling"]:
        lines.append(f"{told['dangling']} that others refer to are not here; the others are stored")
    lines += [f"each fault, with its place: {told['report']}"] if "report" in told else []
    return "\n".join(lines)
