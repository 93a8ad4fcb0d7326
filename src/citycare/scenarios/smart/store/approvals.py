"""Approvals and the codes that stand for them on the way to the app."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from citycare.kit.db import Connection
from citycare.scenarios.smart.model import Approval, Shared

COLUMNS = """id, client_id, account_id, person_id, patient_id, scopes, given_at, expires_at,
       ended_at, ended_why"""
ADD = f"""
    INSERT INTO smart.approval ({COLUMNS})
    VALUES (%(id)s, %(client_id)s, %(account_id)s, %(person_id)s, %(patient_id)s, %(scopes)s,
            %(given_at)s, %(expires_at)s, NULL, NULL)
"""
FIND = f"SELECT {COLUMNS} FROM smart.approval WHERE id = %(id)s FOR UPDATE"
END = """
    UPDATE smart.approval SET ended_at = %(now)s, ended_why = %(why)s
     WHERE id = ANY(%(ids)s) AND ended_at IS NULL AND expires_at > %(now)s RETURNING id
"""
SHARED = """
    SELECT a.id, a.client_id, c.name AS client_name, c.publisher, a.patient_id, a.scopes,
           a.given_at, a.expires_at
      FROM smart.approval a JOIN smart.client c ON c.id = a.client_id
     WHERE a.patient_id = ANY(%(patients)s) AND c.audience = 'resident'
       AND a.ended_at IS NULL AND a.expires_at > %(now)s
     ORDER BY a.given_at DESC, a.id DESC LIMIT 500
"""
ADD_CODE = """
    INSERT INTO smart.code (hash, approval_id, redirect_uri, challenge, nonce, expires_at)
    VALUES (%(hash)s, %(approval_id)s, %(redirect_uri)s, %(challenge)s, %(nonce)s, %(expires_at)s)
"""
CODE = "approval_id, redirect_uri, challenge, nonce, expires_at"
USE_CODE = f"""
    UPDATE smart.code SET used_at = %(now)s
     WHERE hash = %(hash)s AND used_at IS NULL RETURNING {CODE}
"""
USED_CODE = "SELECT approval_id FROM smart.code WHERE hash = %(hash)s"
PURGE = "DELETE FROM smart.approval WHERE expires_at < %(before)s"


@dataclass(frozen=True, slots=True)
class Code:
    """What an authorization code stands for."""

    approval_id: UUID
    redirect_uri: str
    challenge: str
    nonce: str
    expires_at: datetime


async def add(db: Connection, approval: Approval) -> None:
    """Write an approval down."""
    await db.execute(ADD, asdict(approval))


async def find(db: Connection, approval_id: UUID) -> Approval | None:
    """Return one approval and hold its row, so that ending it and issuing on it take turns."""
    async with db.cursor(row_factory=class_row(Approval)) as cursor:
        return await (await cursor.execute(FIND, {"id": approval_id})).fetchone()


async def end(db: Connection, ids: list[UUID], why: str, now: datetime) -> list[UUID]:
    """End approvals in force; tokens issued on them no longer count. Return which ended."""
    rows = await db.execute(END, {"ids": ids, "why": why, "now": now})
    return [row["id"] for row in await rows.fetchall()]


async def list_shared(db: Connection, patients: list[UUID], now: datetime) -> list[Shared]:
    """Return what apps of residents may read of these records, newest first, at most 500."""
    async with db.cursor(row_factory=class_row(Shared)) as cursor:
        parameters = {"patients": patients, "now": now}
        return await (await cursor.execute(SHARED, parameters)).fetchall()


async def add_code(db: Connection, code_hash: bytes, code: Code) -> None:
    """Keep a code by its hash."""
    await db.execute(ADD_CODE, asdict(code) | {"hash": code_hash})


async def use_code(db: Connection, code_hash: bytes, now: datetime) -> Code | None:
    """Take a code, or None when there is none or it was taken before.

    The guard is in the UPDATE: of two at once the second waits for the row and finds it used.
    """
    async with db.cursor(row_factory=class_row(Code)) as cursor:
        return await (await cursor.execute(USE_CODE, {"hash": code_hash, "now": now})).fetchone()


async def find_used_code(db: Connection, code_hash: bytes) -> UUID | None:
    """Return the approval of a code that has been taken."""
    row = await (await db.execute(USED_CODE, {"hash": code_hash})).fetchone()
    return row["approval_id"] if row else None


async def purge(db: Connection, before: datetime) -> int:
    """Forget approvals that were over before an instant, with their codes and tokens."""
    return (await db.execute(PURGE, {"before": before})).rowcount
