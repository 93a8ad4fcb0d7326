"""Forward-only migrations: numbered SQL files, each in its own transaction, once.

`NNNN_<module>_<what>.pre.sql` runs before the new code starts, `.post.sql` after the old code
has gone. The runner holds an advisory lock, so two starting processes do not collide, and sets
short lock and statement time-outs, so a migration never blocks the city.
"""

from __future__ import annotations

import hashlib
import importlib.resources
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

OWNER = "citycare_owner"
APP = "citycare_app"
LOCK_KEY = 0x00C17CA4E
TIMEOUTS = "SET lock_timeout = '4s'; SET statement_timeout = '60s'"
SEARCH_PATH = "SET search_path = jobs"
PHASES = ("pre", "post")

LEDGER = """
    CREATE SCHEMA IF NOT EXISTS migration;
    CREATE TABLE IF NOT EXISTS migration.applied (
        name text PRIMARY KEY,
        digest text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    );
"""


class MigrationChanged(RuntimeError):
    """A migration that has been applied was edited afterwards."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file to apply."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        """Fingerprint the text, to notice edits after the fact."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def find(folder: Path, phases: tuple[str, ...] = PHASES) -> list[Migration]:
    """List the migrations in order; the job queue's own schema comes right after 0001."""
    found = [
        Migration(path.name, path.read_text(encoding="utf8"))
        for path in sorted(folder.glob("*.sql"))
        if path.name.split(".")[-2] in phases
    ]
    queue = importlib.resources.files("procrastinate.sql").joinpath("schema.sql")
    grants = (
        f"GRANT ALL ON ALL TABLES IN SCHEMA jobs TO {APP};"
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA jobs TO {APP};"
    )
    jobs = Migration("0001_jobs_procrastinate.pre.sql", queue.read_text("utf8") + grants)
    return sorted([*found, jobs], key=lambda migration: migration.name)


def apply(
    url: str,
    folder: Path,
    tell: Callable[[str], None] = lambda _: None,
    phases: tuple[str, ...] = PHASES,
) -> list[str]:
    """Apply what is missing of these phases; return the names applied.

    `url` must be of a role that may own.
    """
    done: list[str] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        connection.execute("SET client_min_messages = warning")
        _ensure_roles(connection)
        connection.execute(LEDGER)
        rows = connection.execute("SELECT name, digest FROM migration.applied").fetchall()
        applied = {str(name): str(digest) for name, digest in rows}
        for migration in find(folder, phases):
            if migration.name in applied:
                if applied[migration.name] != migration.digest:
                    why = "was changed after it was applied; see docs/runbook.md"
                    raise MigrationChanged(f"{migration.name} {why}")
                continue
            tell(migration.name)
            _run(connection, migration)
            done.append(migration.name)
    return done


def _ensure_roles(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    for role in (OWNER, APP):
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        if found is None:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER").format(sql.Identifier(role))
            )


def _run(connection: psycopg.Connection[tuple[object, ...]], migration: Migration) -> None:
    with connection.transaction():
        connection.execute(TIMEOUTS)
        connection.execute(SEARCH_PATH)
        # The text is a file of this project, not input.
        connection.execute(migration.text.encode())  # bytes: no placeholders are read in it
        connection.execute(
            "INSERT INTO migration.applied (name, digest) VALUES (%s, %s)",
            [migration.name, migration.digest],
        )
