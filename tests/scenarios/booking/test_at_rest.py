"""Where numbers of papers and telephones lie in the database: where ADR 16 says, nowhere else.

A real window registers, finds and asks; then every column of every table is searched.
"""

from __future__ import annotations

from datetime import date

import psycopg
import pytest
from psycopg import sql

from citycare.kernel import events, identity
from citycare.kernel.context import Context, Role
from citycare.kernel.fhir import handlers as fhir
from citycare.kernel.identity.documents import synthetic_number
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.kit.migrate import APP, OWNER
from tests.conftest import NOW
from tests.scenarios.booking.conftest import Enter, committed
from tests.scenarios.booking.test_pages_desk import FORM

CARD = synthetic_number(date(1962, 2, 3), identity.Sex.FEMALE, 3)
NUMBER = CARD.number
PHONE = "16012349876"
PUBLISHED = {"fhir.resource.body", "fhir.version.body"}
NUMBERS_LIE_IN = {"identity.document.number"} | PUBLISHED
PHONES_LIE_IN = {"identity.person.phone"} | PUBLISHED

COLUMNS = """
    SELECT c.table_schema, c.table_name, c.column_name, c.data_type
      FROM information_schema.columns c JOIN information_schema.tables t
     USING (table_schema, table_name)
     WHERE t.table_type = 'BASE TABLE'
       AND c.table_schema NOT IN ('pg_catalog', 'information_schema')
"""
GRANTEES = """
    SELECT DISTINCT grantee FROM information_schema.role_table_grants
     WHERE table_schema IN ('identity', 'fhir', 'audit', 'consent', 'booking', 'web')
"""


def _columns_with(connection: psycopg.Connection[tuple[str, ...]], text: str) -> set[str]:
    """Return every column some row of which holds the text, in plain or as bytes."""
    found = set()
    for schema, table, column, kind in connection.execute(COLUMNS).fetchall():
        name = sql.Identifier(column)
        test = sql.SQL("strpos({}::text, %s) > 0").format(name)
        if kind == "bytea":
            test = sql.SQL("position(convert_to(%s, 'UTF8') IN {}) > 0").format(name)
        query = sql.SQL("SELECT 1 FROM {}.{} WHERE {} LIMIT 1").format(
            sql.Identifier(schema), sql.Identifier(table), test
        )
        if connection.execute(query, [text]).fetchone():
            found.add(f"{schema}.{table}.{column}")
    return found


async def _move(cx: Context) -> None:
    person = await identity.find_person_by_document(cx, CARD)
    assert person is not None
    await identity.correct_person(cx, person.id, address="新的住址")


async def test_numbers_and_phones_lie_only_where_they_must(
    enter: Enter, database: Database, server: Embedded, own_database: str
) -> None:
    client = await enter(Role.CLERK)
    form = {**FORM, "number": NUMBER, "phone": PHONE}
    assert (await client.post("/desk/register", data=form)).status_code == 303
    for typed in (NUMBER, PHONE[-4:], PHONE, NUMBER[:-1]):
        answer = await client.post("/desk/find", data={"q": typed}, follow_redirects=True)
        assert answer.status_code == 200
    del client.headers["authorization"]  # the session is over: the form is kept, sealed
    assert (await client.post("/desk/register", data=form)).status_code == 303
    await events.drain(database, fhir.HANDLERS, now=NOW)
    await committed(database, _move)
    await events.drain(database, fhir.HANDLERS, now=NOW)
    with psycopg.connect(server.url(own_database)) as superuser:
        assert superuser.execute("SELECT count(*) FROM web.kept_form").fetchone() == (1,)
        assert _columns_with(superuser, NUMBER) == NUMBERS_LIE_IN
        assert _columns_with(superuser, PHONE) == PHONES_LIE_IN


def test_nobody_but_the_program_and_the_owners_may_read_them(
    server: Embedded, own_database: str
) -> None:
    with psycopg.connect(server.url(own_database)) as superuser:
        row = superuser.execute("SELECT current_user").fetchone()
        assert row is not None
        found = {grantee for (grantee,) in superuser.execute(GRANTEES).fetchall()}
    assert found == {APP, OWNER, row[0]}


async def test_the_program_may_not_read_passwords_or_files_of_the_server(
    database: Database,
) -> None:
    async with database.autocommit() as db:
        for statement in ("SELECT * FROM pg_authid", "SELECT pg_read_file('pg_hba.conf')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await db.execute(statement)
