"""A draw of a million requests on a hundred thousand places, end to end, all of it durable.

Makes a database of its own on the embedded server in `.var/bench_draw`, fills it (not timed), then
times `run_draw` (freeze, list digest, lottery, results, bookings, Appointments, events, audit,
messages, leftovers) and the check of the published file from outside. Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import psycopg

from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit import clock, ids, migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.scenarios.booking.model.draw import Keys
from citycare.scenarios.booking.rules import draw as rules
from citycare.scenarios.booking.rules.draw_check import verify
from citycare.scenarios.booking.service import draw as service
from citycare.scenarios.booking.service import draw_run

ROOT = Path(__file__).resolve().parents[1]
KEYS = Keys(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32)
PLACES = 10
HOSPITAL = UUID(int=0x4051)
FILL = """
    INSERT INTO booking.clinic (id, organisation_id, organisation_name, organisation_short,
        district, department_id, department_code, department_name, kind, release, fee_fen)
    SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '{hospital}', '某医院',
           '某', '310101', '{hospital}', '03.' || n %% 90, '内科', 'general', 'draw', 2500
      FROM generate_series(1, 500) AS n;
    INSERT INTO booking.slot (id, clinic_id, organisation_id, district, department_code,
        starts_at, ends_at, release, capacity, free, busy)
    SELECT ('00000000-0000-4000-9000-' || lpad(to_hex(n), 12, '0'))::uuid,
           ('00000000-0000-4000-8000-' || lpad(to_hex(n %% 500 + 1), 12, '0'))::uuid,
           '{hospital}', '310101', '03.' || n %% 90, t.at, t.at + interval '30 min', 'draw',
           {places}, {places}, 0
      FROM generate_series(1, {slots}) AS n,
           LATERAL (SELECT date_trunc('hour', now()) + interval '3 days'
                           + n / 500 * interval '30 min' AS at) AS t;
    INSERT INTO booking.place (slot_id, number, pool, opens_at)
    SELECT s.id, n, 'public', now() FROM booking.slot AS s, generate_series(1, {places}) AS n;
"""
REQUESTS = """
    COPY booking.draw_request (draw_id, public_id, person_id, wish1, wish2, wish3, channel,
        changed_at) FROM STDIN
"""


def lines(draw_id: UUID, count: int, slots: int) -> Iterator[str]:
    """Make requests: three different wishes each, the early windows wanted most."""
    dice = Random(20261122)
    for n in range(count):
        person = UUID(int=dice.getrandbits(128))
        public = rules.public_id(KEYS.public, draw_id, person)
        first = int(dice.triangular(1, slots, 1))
        wishes = {first, 1 + (first + 7) % slots, 1 + (first * 31) % slots}
        ranked = [*wishes, 0, 0][:3]
        yield (
            f"{draw_id}\t{public}\t{person}\t{ranked[0]}\t{ranked[1]}\t{ranked[2]}\tphone"
            f"\t2026-11-22 01:00:00+00\n"
        )
        if n % 100_000 == 0:
            sys.stderr.write(f"  filling {n:,} of {count:,}\n")


def fill(url: str, draw_id: UUID, count: int, slots: int) -> None:
    """Copy the requests in, close the draw, and bring the statistics up to date."""
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.cursor().copy(REQUESTS) as copy:
            for line in lines(draw_id, count, slots):
                copy.write(line)
        connection.execute(
            "UPDATE booking.draw SET opens_at = now() - interval '2 days',"
            " closes_at = now() - interval '1 second'"
        )
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def progress() -> Callable[[str, int, int], None]:
    """Print each new phase with the time it ended."""
    start = time.perf_counter()
    last = [""]

    def tell(phase: str, done: int, of: int) -> None:
        if phase != last[0] or done == of:
            last[0] = phase
            spent = time.perf_counter() - start
            sys.stderr.write(f"  {spent:6.1f} s  {phase} {done:,} of {of:,}\n")

    return tell


def cpu_of(url: str) -> float:
    """Return the processor seconds (user and system) of the server's processes that live now.

    Unlike wall time it says what the draw costs while other work shares the machine.
    """
    ticks = 0
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        for (pid,) in rows:
            fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def _draw(server: Embedded, name: str, count: int, slots: int) -> dict[str, float]:
    """Open, fill, run and check one draw."""
    owner = server.url(name)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(
            FILL.format(hospital=HOSPITAL, slots=slots, places=PLACES).replace("%%", "%")
        )
        found = connection.execute("SELECT id FROM booking.slot ORDER BY id").fetchall()
    database = Database(server.url(name, user=migrate.APP))
    await database.open()
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "bench", Channel.HOSPITAL, "bench")
        hours = timedelta(hours=1)
        new = service.NewDraw(
            HOSPITAL, "摇号", cx.now - hours, cx.now + hours, [r[0] for r in found]
        )
        draw = await service.open_draw(cx, KEYS, new)
    await asyncio.to_thread(fill, owner, draw.id, count, slots)
    server_cpu, cpu, start = cpu_of(owner), time.process_time(), time.perf_counter()
    done = await draw_run.run_draw(database, KEYS, draw.id, progress())
    draw_s = time.perf_counter() - start
    cpu_s = time.process_time() - cpu
    server_cpu_s = cpu_of(owner) - server_cpu
    path = ROOT / ".var" / f"{name}.ndjson"
    with path.open("wb") as file:
        async with database.autocommit() as db:
            async for block in service.published(db, draw.id):
                file.write(block)
    publish_s = time.perf_counter() - start - draw_s
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    with path.open("rb") as file:
        report = verify(file, commitment=draw.commitment, list_digest=done.list_digest)
    verify_s = time.perf_counter() - start
    path.unlink()
    if not report.ok:
        sys.stderr.write(f"the published draw does not verify: {report}\n")
    await database.close()
    return {
        "verified": report.ok,
        "requests": report.requests,
        "won": report.won,
        "draw_s": round(draw_s, 2),
        "draw_cpu_s": round(cpu_s, 2),
        "draw_server_cpu_s": round(server_cpu_s, 2),
        "publish_s": round(publish_s, 2),
        "verify_s": round(verify_s, 2),
        "rss_mb": round(rss_mb),
    }


def measure(requests: int = 1_000_000, places: int = 100_000) -> dict[str, float]:
    """Run one draw in a database of its own; return `draw_s`, `verified` and what else was seen."""
    server = Embedded(ROOT / ".var" / "bench_draw")
    server.ensure_running()
    name = f"draw_{ids.new().hex[-8:]}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            migrate.apply(server.url(name), ROOT / "migrations")
            return asyncio.run(_draw(server, name, requests, places // PLACES))
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            server.stop()


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--places", type=int, default=100_000)
    given = parser.parse_args()
    figures = measure(given.requests, given.places)
    sys.stdout.write(json.dumps({"bench": "draw", "figures": figures, "ratios": {}}) + "\n")
    if not figures["verified"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
