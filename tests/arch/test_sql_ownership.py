"""SQL of a module names only the schema of that module; only stores and the kernel hold SQL."""

from __future__ import annotations

import re

import pytest

from tests.arch.sources import ROOT, Finding, Source, package, source, strings

SCHEMAS = {
    match
    for file in (ROOT / "migrations").glob("*.sql")
    for match in re.findall(r"CREATE SCHEMA (?:IF NOT EXISTS )?(\w+)", file.read_text("utf-8"))
} | {"migration"}
NAMED = re.compile(rf"(?<![\w.%(\"'/@-])({'|'.join(sorted(SCHEMAS))})\.([a-z_]+)\b")
VERBS = re.compile(
    r"\b(SELECT\b.+?\bFROM|INSERT\s+INTO|UPDATE\s+\S+\s+(?:AS\s+\w+\s+)?SET|DELETE\s+FROM|"
    r"TRUNCATE\b|CREATE\s+(?:TEMP\s+)?TABLE|COPY\s+\w+\.\w+|SELECT\s+\w+\.\w+\()",
    re.DOTALL,
)
OWNED = {
    "kernel/context": {"policy"},
    "kernel/events": {"events", "jobs"},  # procrastinate's queue lies in `jobs`
    "kernel/audit": {"audit"},
    "kernel/identity": {"identity"},
    "kernel/consent": {"consent"},
    "kernel/fhir": {"fhir"},
    "kit/migrate": {"migration", "jobs", "public"},
    "web/edge/health": {"migration"},  # "are all migrations there?" is asked by the balancer
    "web/kept": {"web"},
}
BARE = {  # SQL without a schema's table: asks the server itself
    "cli/__init__.py": "makes the embedded database before there is a pool",
    "kernel/events/draining.py": "procrastinate's own tables are on the search_path",
}


def schemas_of(name: str) -> set[str]:
    """Return the schemas a file may name."""
    parts = name.split("/")
    if parts[0] == "scenarios" and len(parts) > 2:
        return {parts[1]} if parts[2].removesuffix(".py") == "store" else set()
    return next((own for start, own in OWNED.items() if name.startswith(start)), set())


def foreign_tables(one: Source) -> list[Finding]:
    """Return tables of another module's schema named in SQL strings of a file."""
    allowed = schemas_of(one.name)
    return [
        Finding(f"{one.name}:{line}", f"names {schema}.{table}; call its owner's functions")
        for line, text in strings(one.tree)
        if VERBS.search(text)
        for schema, table in NAMED.findall(text)
        if schema not in allowed
    ]


def stray_sql(one: Source) -> list[Finding]:
    """Return SQL that stands where none may: outside stores, kernel and the database tools."""
    if one.name.startswith("kit/") or one.name in BARE or schemas_of(one.name):
        return []
    return [
        Finding(f"{one.name}:{line}", "holds SQL; move it into the store")
        for line, text in strings(one.tree)
        if VERBS.search(text)
    ]


def test_sql_names_only_its_own_schema() -> None:
    assert [str(found) for one in package() for found in foreign_tables(one)] == []


def test_sql_stands_only_in_stores_and_the_kernel() -> None:
    assert [str(found) for one in package() for found in stray_sql(one)] == []


def test_every_schema_has_an_owner() -> None:
    owned = {schema for own in OWNED.values() for schema in own} | {
        one.name.split("/")[1] for one in package() if one.name.startswith("scenarios/")
    }
    assert owned >= SCHEMAS


BOOKING = "scenarios/booking/store/places.py"
GOOD = [
    (BOOKING, "UPDATE booking.place SET state = 'booked'"),
    ("kernel/events/queue.py", "SELECT id FROM jobs.procrastinate_jobs"),
    ("kernel/context/policy.py", "SELECT value FROM policy.parameter"),
    (BOOKING, "identity.person is named in words, not in SQL"),
    (BOOKING, "SELECT b.id FROM booking.booking AS b WHERE b.event = 'audit.checkpoint'"),
]
BAD = [
    (BOOKING, "SELECT name FROM identity.person"),
    (BOOKING, "SELECT 1 FROM booking.place JOIN fhir.resource USING (id)"),
    ("kernel/audit/trail.py", "INSERT INTO events.event VALUES (1)"),
    ("scenarios/booking/service/book.py", "SELECT id FROM booking.slot"),
    ("web/login/routes.py", "DELETE FROM identity.session"),
]


@pytest.mark.parametrize(("name", "sql"), GOOD)
def test_good_lines_pass(name: str, sql: str) -> None:
    assert foreign_tables(source(name, f"SQL = {sql!r}")) == []


@pytest.mark.parametrize(("name", "sql"), BAD)
def test_bad_lines_are_found(name: str, sql: str) -> None:
    assert len(foreign_tables(source(name, f"SQL = {sql!r}"))) == 1


def test_sql_in_a_page_is_found() -> None:
    assert len(stray_sql(source("scenarios/booking/pages/home.py", "Q = 'SELECT 1 FROM x'"))) == 1
