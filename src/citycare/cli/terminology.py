"""`citycare terminology`: code systems, value sets and concept maps from files."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from citycare import settings as knobs
from citycare.cli.running import Json, Tell, bars, opened, run, say
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.terminology import files
from citycare.kernel.fhir.terminology.files import Taken, Told
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.kit.errors import Incorrect

app = typer.Typer(no_args_is_help=True, help="code systems, value sets, concept maps")
PROBLEMS_SHOWN = 20


@app.callback()
def terminology_command() -> None:
    """Keep `import` a command of its own while it is the only one."""


@app.command("import")
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(exists=True, help="JSON resources, Bundles, NDJSON, CSV; or folders"),
    ],
    url: Annotated[str, typer.Option(help="of CSV: address of the code system or map")] = "",
    version: Annotated[str, typer.Option(help="of CSV: its version")] = "",
    title: Annotated[str, typer.Option(help="of CSV: what people call it")] = "",
    source: Annotated[
        str, typer.Option(help="of a CSV of mappings: system mapped from, url or url|version")
    ] = "",
    target: Annotated[
        str, typer.Option(help="of a CSV of mappings: system mapped to, url or url|version")
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(help="of CSV: code=HEADER, also display, parent, source, target …"),
    ] = None,
    strip: Annotated[
        str, typer.Option(help="of CSV: signs at the end of codes that do not belong (†*)")
    ] = "",
    encoding: Annotated[str, typer.Option(help="of CSV; left out: UTF-8, or else GB 18030")] = "",
    delimiter: Annotated[str, typer.Option(help="of CSV")] = ",",
    *,
    by_prefix: Annotated[
        bool, typer.Option("--by-prefix", help="of CSV: A01.0 lies below A01, if that is listed")
    ] = False,
    ignore_case: Annotated[
        bool, typer.Option("--ignore-case", help="of CSV: a1 and A1 are the same code")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take in code systems, value sets and maps: each file as a whole or not at all.

    What is here already, unchanged, is passed over: after a stop, run it again.
    """
    if bool(source) != bool(target):
        raise typer.BadParameter("--source and --target go together")
    told = None
    if url:
        pairs = [one.partition("=") for one in column or ()]
        if wrong := [name for name, equals, _ in pairs if not equals or name not in files.COLUMNS]:
            raise typer.BadParameter(f"--column {wrong[0]}: one of {', '.join(files.COLUMNS)}")
        if len(delimiter) != 1:
            raise typer.BadParameter("--delimiter is one character")
        layout = terminology.Layout(
            {name: header for name, _, header in pairs}, by_prefix, strip, encoding, delimiter
        )
        named = terminology.Named(url, version, title or url, not ignore_case)
        told = Told(named, layout, terminology.Ends(source, target) if source else None)
    found = run(_take_all(files.find(paths), told))
    say(_answer(found), as_json=as_json, text=_text(found))
    if not found or any(one.problems for one in found):
        raise typer.Exit(1)


async def _take_all(paths: list[Path], told: Told | None) -> list[Taken]:
    settings = knobs.read()
    async with opened(settings) as database:
        with bars() as shown:
            tell = Tell(shown)
            found: list[Taken] = []
            for path in paths:
                tell("files", len(found), len(paths))
                found.append(await _take(database, path, told, tell))
            tell("files", len(found), len(paths))
            return found


async def _take(database: Database, path: Path, told: Told | None, tell: Tell) -> Taken:
    """Take in one file in a transaction of its own; what is wrong in it stops no other file."""
    try:
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, clock.now(), f"cli-{ids.new()}", purpose="cli")
            return await files.take(cx, path, told, tell)
    except terminology.Unreadable as error:
        return Taken(path, problems=error.problems)
    except Incorrect as error:
        return Taken(path, problems=(terminology.Problem("file", "", str(error)),))


def _answer(found: list[Taken]) -> dict[str, Any]:
    return {
        "ok": bool(found) and not any(one.problems for one in found),
        "files": [asdict(one) for one in found],
        "states": Counter(each.state.value for one in found for each in one.loaded),
    }


def _text(found: list[Taken]) -> str:
    lines = []
    for one in found:
        lines += [
            f"{one.path}: {each.place}: {each.field}: {each.wrong}"
            for each in one.problems[:PROBLEMS_SHOWN]
        ]
    refused = sum(1 for one in found if one.problems)
    loaded = [each for one in found for each in one.loaded]
    counts = Counter(f"{each.type} {each.state}" for each in loaded)
    lines += [f"{name}: {count}" for name, count in sorted(counts.items())]
    codes = sum(each.count for each in loaded)
    lines.append(f"{len(found)} files, {codes} codes and entries loaded, {refused} files refused")
    return "\n".join(lines)
