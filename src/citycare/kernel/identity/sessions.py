"""Sessions: opened, looked up for many requests at once, revoked at once.

Only the SHA-256 of a token is stored; tokens have 256 random bits, so a plain hash is enough.
What an actor may act as is read afresh with every request: a revoked session, a closed account
or a grant taken away counts from the next batch on.

Source: OWASP ASVS 5.0 §7 (session tokens, UNVERIFIED numbering); GB/T 22239-2019 level 3 asks
staff for two factors (from memory, UNVERIFIED).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, tuple_row

from citycare.kernel import audit, events
from citycare.kernel.context import Actor, Context, Grant, Role
from citycare.kernel.identity.model import AccountClosed, AccountUnknown, Session
from citycare.kit import ids
from citycare.kit.db import Connection

TOKEN_BYTES = 32
DEVICE_LENGTH_MAX = 200

OPEN = """
    INSERT INTO identity.session (token_hash, id, account_id, created_at, expires_at,
                                  second_factor_at, device)
    SELECT %(hash)s, %(id)s, a.id, %(now)s, %(until)s, %(strong)s, %(device)s
      FROM identity.account a WHERE a.id = %(account)s AND a.disabled_at IS NULL
"""
ACCOUNT = "SELECT person_id FROM identity.account WHERE id = %(account)s"

# One primary-key look-up a token; the grants of staff only where the second factor was given.
ACTORS = """
    SELECT s.token_hash, s.id, a.id, a.person_id, a.name,
           CASE WHEN s.second_factor_at IS NOT NULL THEN
               (SELECT array_agg(g.role || '/' || coalesce(g.organisation_id::text, ''))
                  FROM identity.account_grant g WHERE g.account_id = a.id) END
      FROM identity.session s
      JOIN identity.account a ON a.id = s.account_id
     WHERE s.token_hash = ANY(%(hashes)b)
       AND s.revoked_at IS NULL AND s.expires_at > %(now)s AND a.disabled_at IS NULL
"""
COLUMNS = "id, account_id, created_at, expires_at, second_factor_at, revoked_at, device"
REVOKE = """
    UPDATE identity.session SET revoked_at = %(now)s
     WHERE id = ANY(%(ids)s) AND revoked_at IS NULL RETURNING id
"""
OPEN_OF = f"""
    SELECT {COLUMNS} FROM identity.session
     WHERE account_id = %(account)s AND revoked_at IS NULL AND expires_at > %(now)s
     ORDER BY created_at DESC, id LIMIT 100
"""
REVOKE_ALL = """
    UPDATE identity.session SET revoked_at = %(now)s
     WHERE account_id = %(account)s AND revoked_at IS NULL RETURNING id
"""
PURGE = """
    DELETE FROM identity.session
     WHERE token_hash IN (SELECT token_hash FROM identity.session
                           WHERE expires_at < %(before)s LIMIT %(most)s)
"""
KEPT = timedelta(days=30)
PURGED_MAX = 50_000
RESIDENT = (Grant(Role.RESIDENT),)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def open_session(
    cx: Context,
    account_id: UUID,
    device: str = "",
    lifetime: timedelta = timedelta(hours=12),
    *,
    second_factor: bool = False,
) -> str:
    """Open a session and return its token, which nobody can read again.

    `second_factor` says the sign-in already proved one (an issuer with its own, or the command
    line of the machine itself); otherwise `factors.prove_second_factor` adds it.

    Raises:
        AccountUnknown, AccountClosed.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session_id = ids.new()
    parameters = {
        "hash": _hash(token),
        "id": session_id,
        "account": account_id,
        "now": cx.now,
        "until": cx.now + lifetime,
        "strong": cx.now if second_factor else None,
        "device": device[:DEVICE_LENGTH_MAX],
    }
    opened = await cx.db.execute(OPEN, parameters)
    account = await (await cx.db.execute(ACCOUNT, {"account": account_id})).fetchone()
    if account is None:
        raise AccountUnknown
    if opened.rowcount == 0:
        raise AccountClosed
    detail: dict[str, str | bool] = {"account": str(account_id), "second_factor": second_factor}
    record = f"session/{session_id}"
    entry = audit.Entry("session.opened", account["person_id"], record, "ok", detail)
    await audit.append(cx, [entry])
    return token


def _grants(person_id: UUID | None, held: Sequence[str] | None) -> tuple[Grant, ...]:
    """Add what the account was granted to what everybody with a person may do."""
    grants = RESIDENT if person_id is not None else ()
    if not held:
        return grants
    parts = (text.partition("/") for text in sorted(held))
    return grants + tuple(
        Grant(Role(role), UUID(organisation) if organisation else None)
        for role, _, organisation in parts
    )


async def actor_of(db: Connection, tokens: Sequence[str], now: datetime) -> dict[str, Actor]:
    """Return who acts, for many tokens in one statement; tokens that do not count are left out.

    Hot path (the booking rush sends about 200 at a time): one index look-up each, binary rows,
    no grant look-up for residents. Staff act as staff only with a second factor in the session.
    """
    if not tokens:
        return {}
    by_hash = {_hash(token): token for token in tokens}
    parameters: dict[str, Any] = {"hashes": list(by_hash), "now": now}
    async with db.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(ACTORS, parameters)
        rows = await cursor.fetchall()
    return {
        by_hash[bytes(digest)]: Actor(account, person, _grants(person, held), session, name)
        for digest, session, account, person, name, held in rows
    }


async def revoke_session(cx: Context, session_id: UUID) -> None:
    """Close one session now; closing a closed one changes nothing."""
    rows = await cx.db.execute(REVOKE, {"ids": [session_id], "now": cx.now})
    if rows.rowcount:
        await _tell_revoked(cx, [session_id])


async def revoke_all(cx: Context, account_id: UUID) -> int:
    """Close all sessions of an account now; return how many."""
    rows = await cx.db.execute(REVOKE_ALL, {"account": account_id, "now": cx.now})
    closed = [row["id"] for row in await rows.fetchall()]
    await _tell_revoked(cx, closed)
    return len(closed)


async def _tell_revoked(cx: Context, sessions: Sequence[UUID]) -> None:
    entries = [
        audit.Entry("session.revoked", None, f"session/{session}", "ok", {}) for session in sessions
    ]
    await audit.append(cx, entries)
    facts = [{"session": str(session)} for session in sessions]
    await events.emit(cx, [events.Event("identity.session_revoked", fact) for fact in facts])


async def list_sessions(cx: Context, account_id: UUID) -> list[Session]:
    """Return the open sessions of an account, newest first, at most 100."""
    parameters = {"account": account_id, "now": cx.now}
    async with cx.db.cursor(row_factory=class_row(Session)) as cursor:
        return await (await cursor.execute(OPEN_OF, parameters)).fetchall()


async def purge_sessions(cx: Context) -> int:
    """Forget sessions over for 30 days; what they did stays in the audit trail. Return how many."""
    parameters = {"before": cx.now - KEPT, "most": PURGED_MAX}
    return (await cx.db.execute(PURGE, parameters)).rowcount
