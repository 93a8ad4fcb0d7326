"""A database of people, sessions and windows for the benchmarks, and the running application.

The rows are written by plain SQL in bulk: this is the stage, not the play.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psutil
import psycopg

from citycare.kit import ids, migrate
from citycare.kit.embedded import Embedded
from citycare.kit.supervise import web_command

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".var" / "bench"
DATABASE = "citycare"


@dataclass(frozen=True, slots=True)
class Stage:
    """What was written: tokens and persons in step, and the windows' ids."""

    persons: list[UUID]
    tokens: list[str]
    slots: list[UUID]


def server() -> Embedded:
    """Start the bench's own embedded server."""
    embedded = Embedded(HOME / "postgres")
    embedded.ensure_running()
    return embedded


def fresh(embedded: Embedded, database: str = DATABASE) -> str:
    """Make a database new; return the owner's connection string."""
    with psycopg.connect(embedded.url("postgres"), autocommit=True) as connection:
        for _ in range(20):  # a vacuum that is ending may hold it for a moment, FORCE or not
            with contextlib.suppress(psycopg.errors.ObjectInUse):
                connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
                break
            time.sleep(0.5)
        connection.execute(f"CREATE DATABASE {database}")
    migrate.apply(embedded.url(database), ROOT / "migrations")
    return embedded.url(database)


def token_of(index: int) -> str:
    """Return the bearer token of resident `index`; as long as a real one."""
    return hashlib.sha256(f"bench {index}".encode()).hexdigest()[:43]


PEOPLE = """
    INSERT INTO identity.person (id, name, sex, born_on, created_at)
    SELECT p, '居民', 'unknown', '1970-01-01', now() FROM unnest(%(persons)s::uuid[]) p
"""
ACCOUNTS = """
    INSERT INTO identity.account (id, issuer, subject, person_id, name)
    SELECT a, 'bench', a::text, p, '居民'
      FROM unnest(%(accounts)s::uuid[], %(persons)s::uuid[]) AS t (a, p)
"""
SESSIONS = """
    INSERT INTO identity.session (token_hash, id, account_id, created_at, expires_at)
    SELECT sha256(convert_to(t, 'UTF8')), gen_random_uuid(), a, now(), now() + interval '1 day'
      FROM unnest(%(accounts)s::uuid[], %(tokens)s::text[]) AS x (a, t)
"""
CLINICS = """
    INSERT INTO booking.clinic (id, organisation_id, organisation_name, organisation_short,
        district, department_id, department_code, department_name, practitioner_id,
        practitioner_name, kind, fee_fen)
    SELECT c, ('00000000-0000-7000-8000-' || lpad((n %% 38)::text, 12, '0'))::uuid,
           '医院' || n %% 38, '医院', (310100 + n %% 16)::text, gen_random_uuid(),
           lpad((n %% 30)::text, 2, '0'), '科室' || n %% 30, gen_random_uuid(), '医生' || n,
           'expert', 5000
      FROM unnest(%(clinics)s::uuid[]) WITH ORDINALITY AS t (c, n)
"""
SLOTS = """
    INSERT INTO booking.slot (id, clinic_id, organisation_id, district, department_code,
        practitioner_id, starts_at, ends_at, capacity, free, busy)
    SELECT s, c.id, c.organisation_id, c.district, c.department_code, c.practitioner_id, at,
           at + interval '30 minutes', %(capacity)s, %(capacity)s, 0
      FROM unnest(%(slots)s::uuid[], %(clinics)s::uuid[], %(starts)s::timestamptz[])
           AS t (s, clinic, at)
      JOIN booking.clinic c ON c.id = t.clinic
"""
PLACES = """
    INSERT INTO booking.place (slot_id, number, pool, opens_at)
    SELECT s, n, 'public', now() - interval '1 day'
      FROM unnest(%(slots)s::uuid[]) AS s, generate_series(1, %(capacity)s) AS n
"""


def fill(url: str, *, people: int, slots: int, capacity: int, per_clinic: int = 20) -> Stage:
    """Write residents with open sessions, and windows with public places from tomorrow on."""
    persons = [ids.new() for _ in range(people)]
    accounts = [ids.new() for _ in range(people)]
    tokens = [token_of(index) for index in range(people)]
    clinics = [ids.new() for _ in range(-(-slots // per_clinic))]
    made = [ids.new() for _ in range(slots)]
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    starts = [
        first + timedelta(days=n % per_clinic // 2, minutes=30 * (n % 2)) for n in range(slots)
    ]
    with psycopg.connect(url) as connection:
        connection.execute(PEOPLE, {"persons": persons})
        connection.execute(ACCOUNTS, {"accounts": accounts, "persons": persons})
        connection.execute(SESSIONS, {"accounts": accounts, "tokens": tokens})
        connection.execute(CLINICS, {"clinics": clinics})
        owners = [clinics[n // per_clinic] for n in range(slots)]
        step = 20_000
        for at in range(0, slots, step):
            part = slice(at, at + step)
            parameters = {
                "slots": made[part],
                "clinics": owners[part],
                "starts": starts[part],
                "capacity": capacity,
            }
            connection.execute(SLOTS, parameters)
            connection.execute(PLACES, parameters)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return Stage(persons, tokens, made)


@contextmanager
def application(
    port: int, *, workers: int = 2, url: str = ""
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run the web processes and the worker as the demo does, without its supervisor.

    Args:
        port: of the web.
        workers: web processes.
        url: of the database, if it is another than DATABASE.
    """
    environment = {**os.environ, "CITYCARE_HOME": str(HOME), "PYTHONWARNINGS": "ignore"}
    if url:
        environment["CITYCARE_DATABASE_URL"] = url
    processes = [
        subprocess.Popen(command, env=environment, start_new_session=True)
        for command in (
            web_command("127.0.0.1", port, workers),
            [sys.executable, "-m", "citycare.worker"],
        )
    ]
    try:
        wait_ready(port)
        _wait_listening(processes[0].pid, port, workers)
        yield processes
    finally:
        for process in processes:  # with all they started: an orphan would take half the next run
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _wait_listening(pid: int, port: int, workers: int, seconds: float = 30) -> None:
    """Wait until every web process listens: whoever connects before meets only the first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        children = psutil.Process(pid).children()
        ears = [one for child in children for one in child.net_connections("tcp")]
        if (
            sum(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in ears)
            >= workers
        ):
            return
        time.sleep(0.1)
    raise RuntimeError("not every web process listens")


def wait_ready(port: int, seconds: float = 30) -> None:
    """Wait until the application says it is ready."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the application did not get ready")


def throw_away() -> None:
    """Remove the bench's server and data."""
    Embedded(HOME / "postgres").stop()
    shutil.rmtree(HOME, ignore_errors=True)
