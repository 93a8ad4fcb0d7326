"""The command line. Everything that answers takes --json."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import psycopg
import typer
from psycopg import sql

from citycare import settings as knobs
from citycare.cli import importing, record, terminology, triage
from citycare.cli.running import Json, Tell, bars, console, in_transaction, opened, run, say
from citycare.kernel import audit, events, identity
from citycare.kernel.context import SYSTEM, Context, Role
from citycare.kit import clock, ids, keyring, migrate, supervise
from citycare.kit.embedded import ServerNotReady
from citycare.kit.pages import PAGE_MAX
from citycare.settings import DATABASE, Settings, SettingsWrong

app = typer.Typer(no_args_is_help=True, add_completion=False, help="CityCare 城医通")
audit_app = typer.Typer(no_args_is_help=True, help="the audit trail")
booking_app = typer.Typer(no_args_is_help=True, help="booking")
jobs_app = typer.Typer(no_args_is_help=True, help="background jobs")
secrets_app = typer.Typer(no_args_is_help=True, help="keys of encrypted fields")
app.add_typer(audit_app, name="audit")
app.add_typer(booking_app, name="booking")
app.add_typer(importing.app, name="import")
app.add_typer(jobs_app, name="jobs")
app.add_typer(record.app, name="record")
app.add_typer(secrets_app, name="secrets")
app.add_typer(terminology.app, name="terminology")
app.add_typer(triage.app, name="triage")

PORT = 8000
WEB_WORKERS = 2


class Phase(StrEnum):
    """Which migrations: those for before the new code starts, those for after the old has gone."""

    PRE = "pre"
    POST = "post"


def _prepare(
    settings: Settings, *, reset: bool = False, phases: tuple[str, ...] = migrate.PHASES
) -> None:
    """Start the embedded server if it is ours, make the database, apply migrations."""
    embedded = knobs.embedded_of(settings)
    if embedded is not None:
        embedded.ensure_running()
        with psycopg.connect(embedded.url("postgres"), autocommit=True) as connection:
            name = sql.Identifier(DATABASE)
            if reset:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    migrate.apply(knobs.owner_url(settings), settings.migrations, phases=phases)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="where to serve")] = PORT,
    scale: Annotated[str, typer.Option(help="small or city")] = "small",
    *,
    reset: Annotated[bool, typer.Option("--reset", help="make the city anew")] = False,
) -> None:
    """Make the demo city, if it is not there, and serve it."""
    os.environ["CITYCARE_DEMO"] = "1"
    os.environ["CITYCARE_BASE_URL"] = base = f"http://127.0.0.1:{port}"
    settings = knobs.read()
    _prepare(settings, reset=reset)
    run(_build_city(settings, scale))
    os.environ[supervise.GREETING] = _sign_in_lines(base)
    _serve(settings, port)


async def _build_city(settings: Settings, scale: str) -> None:
    """Build the city, or bring the one that is there up to today."""
    from citycare.journeys import demo as city  # noqa: PLC0415 - heavy, and only here
    from citycare.scenarios.booking.service.draw import read_keys  # noqa: PLC0415

    async with opened(settings, size_max=4) as database:
        with bars() as shown:
            built = await city.build(database, scale, Tell(shown), keys=read_keys(settings.home))
        async with database.transaction() as db:
            await city.extend(Context(db, SYSTEM, clock.now(), f"cli-{ids.new()}", purpose="demo"))
    if built.fresh:
        with psycopg.connect(knobs.owner_url(settings), autocommit=True) as connection:
            connection.execute("ANALYZE")
    elif built.scale != scale:
        console.print(f"There is a city of scale {built.scale} already; --reset makes a new one.")


def _sign_in_lines(base: str) -> str:
    from citycare.journeys import demo as city  # noqa: PLC0415

    with console.capture() as captured:
        console.print(f"\n[bold]城医通 CityCare[/bold]  {base}\n")
        for one in city.demo_logins():
            console.print(f"  {one.role:<14} {one.name:<8} {base}/login/demo?as={one.hint}")
        console.print("\n  Ctrl-C 停止 to stop\n")
    return captured.get()


def _serve(settings: Settings, port: int) -> None:
    """Become the supervisor: a small process that keeps the others up."""
    command = [sys.executable, "-m", "citycare.kit.supervise", "127.0.0.1", str(port)]
    command.append(str(WEB_WORKERS))
    embedded = knobs.embedded_of(settings)
    if embedded is not None:
        command.append(str(embedded.folder))
    os.execv(command[0], command)  # noqa: S606 - our own interpreter


@app.command()
def migrate_up(
    phase: Annotated[
        Phase | None, typer.Option(help="only those before, or after; left out: all")
    ] = None,
) -> None:
    """Apply the migrations that are missing (a real server: before the new code starts)."""
    _prepare(knobs.read(), phases=(phase,) if phase else migrate.PHASES)


@app.command()
def token(
    as_: Annotated[Role, typer.Option("--as", help="the role to act in")],
    person: Annotated[UUID | None, typer.Option(help="the person the account belongs to")] = None,
    organisation: Annotated[
        UUID | None, typer.Option(help="where staff work; left out: the whole city")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Print a bearer token for a role, as if both factors were given; the trail shows it."""
    from citycare.web.login.tokens import issue_token  # noqa: PLC0415

    settings = knobs.read()

    async def work() -> str:
        async with opened(settings) as database:
            return await issue_token(database, as_, person, organisation)

    made = run(work())
    say({"token": made}, as_json=as_json, text=made)


@audit_app.command("head")
def audit_head(*, as_json: Json = False) -> None:
    """Print where the trail ends now, to be kept elsewhere as a witness (take --json > FILE)."""
    found = run(in_transaction(knobs.read(), lambda cx: audit.head(cx.db, cx.now)))
    text = f"{found.count} entries at {found.at.isoformat()}, digest {found.digest}"
    say(found.as_dict(), as_json=as_json, text=text)


@audit_app.command("verify")
def audit_verify(
    witness: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="an earlier head, kept elsewhere"),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Recompute the whole chain; name the first broken link."""
    settings = knobs.read()

    async def work(cx: Context) -> audit.Report:
        kept = audit.parse_head(witness.read_bytes()) if witness is not None else None
        with bars() as shown:
            tell = partial(Tell(shown), "audit")
            return await audit.verify(cx.db, tell, witness=kept)

    report = run(in_transaction(settings, work))
    first = report.first_broken
    broken = f"lane {first.lane} entry {first.seq}: {first.wrong}" if first else ""
    say(
        {"ok": report.ok, "checked": report.checked, "first_broken": broken or None},
        as_json=as_json,
        text=f"{report.checked} entries, {'all links hold' if report.ok else 'BROKEN ' + broken}",
    )
    if not report.ok:
        raise typer.Exit(1)


@booking_app.command("draw")
def booking_draw(draw: UUID, *, as_json: Json = False) -> None:
    """Run a closed draw by hand; one that stopped half-way goes on where it was."""
    from citycare.scenarios.booking.service import draw as draws  # noqa: PLC0415
    from citycare.scenarios.booking.service import draw_run  # noqa: PLC0415

    settings = knobs.read()

    async def work() -> Any:
        async with opened(settings, size_max=8) as database:
            with bars() as shown:
                keys = draws.read_keys(settings.home)
                return await draw_run.run_draw(database, keys, draw, Tell(shown))

    found = run(work())
    answer = {"draw": draw, "state": found.state, "requests": found.requests, "won": found.won}
    text = f"draw {draw}: {found.state}, {found.requests} requests, {found.won or 0} won"
    if found.state != "done":
        text += f"; waiting for the announced public text: {found.beacon_source}"
    say(answer, as_json=as_json, text=text)


@booking_app.command("verify-draw")
def booking_verify_draw(
    draw: Annotated[str, typer.Argument(metavar="ID|FILE", help="a draw here, or its file")],
    commitment: Annotated[str | None, typer.Option(help="hex, as noted at the opening")] = None,
    list_sha256: Annotated[str | None, typer.Option(help="hex, as noted at the closing")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Recompute a draw from its published list; name the first line that differs."""
    noted = {"commitment": _hex(commitment), "list_digest": _hex(list_sha256)}
    path = Path(draw)
    if path.is_file():
        report = _verify_file(path, noted)
    else:
        try:
            draw_id = UUID(draw)
        except ValueError as error:
            raise typer.BadParameter(f"{draw}: neither a file nor the id of a draw") from error
        report = run(_verify_draw(knobs.read(), draw_id, noted))
    fault = f"line {report.line}: {report.fault}" if report.line else report.fault
    held = f"{report.requests} requests, {report.won} won: the draw is right"
    say(
        {
            "ok": report.ok,
            "requests": report.requests,
            "won": report.won,
            "line": report.line,
            "fault": report.fault or None,
        },
        as_json=as_json,
        text=held if report.ok else f"NOT RIGHT, {fault}",
    )
    if not report.ok:
        raise typer.Exit(1)


def _hex(text: str | None) -> bytes | None:
    try:
        return bytes.fromhex(text) if text is not None else None
    except ValueError as error:
        raise typer.BadParameter(f"{text}: not a hexadecimal number") from error


def _verify_file(path: Path, noted: dict[str, bytes | None]) -> Any:
    from citycare.scenarios.booking.service import draw as draws  # noqa: PLC0415

    with bars() as shown, path.open("rb") as file:
        lines = draws.counted(file, path.stat().st_size, Tell(shown))
        return draws.verify_file(lines, **noted)


async def _verify_draw(settings: Settings, draw_id: UUID, noted: dict[str, bytes | None]) -> Any:
    from citycare.scenarios.booking.service import draw as draws  # noqa: PLC0415

    async with opened(settings) as database, database.autocommit() as db:
        with bars() as shown:
            return await draws.verify_draw(db, draw_id, Tell(shown), **noted)


@jobs_app.command("dead")
def jobs_dead(*, as_json: Json = False) -> None:
    """List jobs that failed for good, the newest 200."""
    page = run(in_transaction(knobs.read(), partial(events.list_dead_letters, limit=PAGE_MAX)))
    lines = [f"{one.job_id} {one.name} {one.error}" for one in page.items]
    lines += ["…and older ones"] if page.next else []
    found = [asdict(one) for one in page.items]
    text = "\n".join(lines) or "none"
    say({"dead": found, "more": page.next is not None}, as_json=as_json, text=text)


@jobs_app.command("replay")
def jobs_replay(job: int, *, as_json: Json = False) -> None:
    """Let a dead job run again."""
    run(in_transaction(knobs.read(), lambda cx: events.replay(cx, job)))
    say({"replayed": job}, as_json=as_json, text=f"job {job} runs again")


@secrets_app.command("rotate")
def secrets_rotate(
    suite: Annotated[str, typer.Option(help="a256gcm or sm4gcm")] = keyring.DEFAULT,
    *,
    as_json: Json = False,
) -> None:
    """Begin a new key for encrypted fields; the older ones go on opening what they sealed."""
    settings = knobs.read()

    async def work() -> keyring.Key:
        keyring.open_ring(settings.home, settings.field_keys)
        path = keyring.path_of(settings.home, settings.field_keys)
        return keyring.begin_key(path, suite)

    key = run(work())
    following = "restart web and worker, then: citycare secrets reseal"
    text = f"{key.suite} key {key.id} seals from the next start on; {following}"
    say({"key": key.id, "suite": key.suite}, as_json=as_json, text=text)


@secrets_app.command("reseal")
def secrets_reseal(*, as_json: Json = False) -> None:
    """Bring all encrypted fields under the newest key: all of them, or none."""
    settings = knobs.read()

    async def work() -> tuple[keyring.Key, int]:
        ring = keyring.open_ring(settings.home, settings.field_keys)
        reseal = partial(identity.reseal_second_factors, ring=ring)
        return ring.newest, await in_transaction(settings, reseal)

    key, count = run(work())
    text = f"{count} brought under {key.suite} key {key.id}; older keys now serve backups only"
    say({"key": key.id, "resealed": count}, as_json=as_json, text=text)


def main() -> None:
    """Run the command line; what stops every command is one sentence too."""
    try:
        app()
    except (SettingsWrong, ServerNotReady, migrate.MigrationChanged) as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        sys.exit(1)
