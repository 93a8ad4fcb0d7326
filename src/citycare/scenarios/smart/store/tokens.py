"""Access and refresh tokens, by their hashes, and the assertions that were seen.

Tokens have 256 random bits, so a plain SHA-256 is enough, and looking a hash up tells nothing by
the time it takes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from citycare.kit.db import Connection

ACCESS = """id, client_id, approval_id, account_id, person_id, actor_name, grants, patient_id,
       scopes, issued_at, expires_at"""
ADD = f"""
    INSERT INTO smart.access (hash, {ACCESS})
    VALUES (%(hash)s, %(id)s, %(client_id)s, %(approval_id)s, %(account_id)s, %(person_id)s,
            %(actor_name)s, %(grants)s, %(patient_id)s, %(scopes)s, %(issued_at)s, %(expires_at)s)
"""
# Three look-ups by primary key in one statement: each call to the record makes it once.
FIND = """
    SELECT t.id, t.client_id, t.approval_id, t.account_id, t.person_id, t.actor_name, t.grants,
           t.patient_id, t.scopes, t.issued_at, t.expires_at, c.name AS client_name,
           c.audience, c.organisation_id, a.given_at
      FROM smart.access t
      JOIN smart.client c ON c.id = t.client_id
      LEFT JOIN smart.approval a ON a.id = t.approval_id
     WHERE t.hash = %(hash)s AND t.expires_at > %(now)s AND c.disabled_at IS NULL
       AND (t.approval_id IS NULL OR (a.ended_at IS NULL AND a.expires_at > %(now)s))
"""
END = "DELETE FROM smart.access WHERE hash = %(hash)s AND client_id = %(client)s RETURNING id"
ADD_REFRESH = """
    INSERT INTO smart.refresh (hash, approval_id, issued_at)
    VALUES (%(hash)s, %(approval)s, %(now)s)
"""
USE_REFRESH = """
    UPDATE smart.refresh SET used_at = %(now)s
     WHERE hash = %(hash)s AND used_at IS NULL RETURNING approval_id
"""
OF_REFRESH = "SELECT approval_id FROM smart.refresh WHERE hash = %(hash)s"
SEE = """
    INSERT INTO smart.assertion (client_id, jti_hash, expires_at)
    VALUES (%(client)s, %(jti)s, %(until)s) ON CONFLICT DO NOTHING
"""
PURGE_ACCESS = """
    DELETE FROM smart.access
     WHERE hash IN (SELECT hash FROM smart.access WHERE expires_at < %(now)s LIMIT %(most)s)
"""
PURGE_SEEN = """
    DELETE FROM smart.assertion
     WHERE (client_id, jti_hash) IN (SELECT client_id, jti_hash FROM smart.assertion
                                      WHERE expires_at < %(now)s LIMIT %(most)s)
"""


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token stands for. `grants`: `role/organisation`, as they were at its issue."""

    id: UUID
    client_id: UUID
    approval_id: UUID | None
    account_id: UUID
    person_id: UUID | None
    actor_name: str
    grants: list[str]
    patient_id: UUID | None
    scopes: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Found(Access):
    """An access token that counts, with what its client is."""

    client_name: str
    audience: str
    organisation_id: UUID | None
    given_at: datetime | None  # the approval


async def add(db: Connection, token_hash: bytes, token: Access) -> None:
    """Keep an access token by its hash."""
    await db.execute(ADD, asdict(token) | {"hash": token_hash})


async def find(db: Connection, token_hash: bytes, now: datetime) -> Found | None:
    """Return a token that counts now: in time, client in use, approval in force."""
    async with db.cursor(row_factory=class_row(Found), binary=True) as cursor:
        return await (await cursor.execute(FIND, {"hash": token_hash, "now": now})).fetchone()


async def end(db: Connection, token_hash: bytes, client_id: UUID) -> UUID | None:
    """Forget an access token of this client; return its id."""
    row = await (await db.execute(END, {"hash": token_hash, "client": client_id})).fetchone()
    return row["id"] if row else None


async def add_refresh(db: Connection, token_hash: bytes, approval_id: UUID, now: datetime) -> None:
    """Keep a refresh token by its hash."""
    await db.execute(ADD_REFRESH, {"hash": token_hash, "approval": approval_id, "now": now})


async def use_refresh(db: Connection, token_hash: bytes, now: datetime) -> UUID | None:
    """Take a refresh token and return its approval; None when there is none or it was taken.

    The guard is in the UPDATE, so of two at once one gets it.
    """
    rows = await db.execute(USE_REFRESH, {"hash": token_hash, "now": now})
    row = await rows.fetchone()
    return row["approval_id"] if row else None


async def approval_of_refresh(db: Connection, token_hash: bytes) -> UUID | None:
    """Return the approval of a refresh token, taken or not."""
    row = await (await db.execute(OF_REFRESH, {"hash": token_hash})).fetchone()
    return row["approval_id"] if row else None


async def see_assertion(db: Connection, client_id: UUID, jti_hash: bytes, until: datetime) -> bool:
    """Write an assertion down; False when it was seen before (the key decides, also at once)."""
    parameters = {"client": client_id, "jti": jti_hash, "until": until}
    return (await db.execute(SEE, parameters)).rowcount > 0


async def purge(db: Connection, now: datetime, most: int) -> int:
    """Forget what is over by time: access tokens and assertions, at most so many of each."""
    parameters = {"now": now, "most": most}
    access = await db.execute(PURGE_ACCESS, parameters)
    return access.rowcount + (await db.execute(PURGE_SEEN, parameters)).rowcount
