"""Accounts and what they are granted.

A sign-in at an issuer (OpenID Connect `iss` and `sub`) is an account. It becomes a person's only
by a document the issuer has verified; a name or phone number proves nothing.

Source: OpenID Connect Core 1.0 §2 (`iss`, `sub` identify a user, nothing else does).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from citycare.kernel import audit
from citycare.kernel.context import Context, Grant, Role
from citycare.kernel.identity import documents as papers
from citycare.kernel.identity.documents import Kind
from citycare.kernel.identity.model import (
    Account,
    AccountUnknown,
    BornAhead,
    GuardianMissing,
    NewPerson,
)
from citycare.kernel.identity.persons import register_person
from citycare.kernel.identity.sessions import revoke_all
from citycare.kit import ids
from citycare.kit.errors import Conflict

COLUMNS = """a.id, a.issuer, a.subject, a.person_id, a.practitioner_id, a.name, a.disabled_at,
       a.totp_secret IS NOT NULL AS has_second_factor"""
ADD = f"""
    INSERT INTO identity.account AS a (id, issuer, subject, person_id, practitioner_id, name)
    VALUES (%(id)s, %(issuer)s, %(subject)s,
            (SELECT coalesce(p.merged_into, p.id) FROM identity.person p WHERE p.id = %(person)s),
            %(practitioner)s, %(name)s)
        ON CONFLICT (issuer, subject) DO UPDATE
       SET person_id = coalesce(a.person_id, excluded.person_id)
 RETURNING {COLUMNS}
"""
BY_ID = f"SELECT {COLUMNS} FROM identity.account a WHERE a.id = %(id)s"
BY_SUBJECT = f"""
    SELECT {COLUMNS} FROM identity.account a
     WHERE a.issuer = %(issuer)s AND a.subject = %(subject)s
"""
GRANTS = """
    SELECT role, organisation_id FROM identity.account_grant
     WHERE account_id = %(account)s ORDER BY role, organisation_id
"""
HELD = """
    SELECT g.role, g.organisation_id
      FROM identity.account a LEFT JOIN identity.account_grant g ON g.account_id = a.id
     WHERE a.id = %(account)s AND a.disabled_at IS NULL
"""
ADD_GRANT = """
    INSERT INTO identity.account_grant (account_id, role, organisation_id)
    VALUES (%(account)s, %(role)s, %(organisation)s) ON CONFLICT DO NOTHING
"""
END_GRANT = """
    DELETE FROM identity.account_grant
     WHERE account_id = %(account)s AND role = %(role)s
       AND organisation_id IS NOT DISTINCT FROM %(organisation)s
"""
CLOSE = "UPDATE identity.account SET disabled_at = %(now)s WHERE id = %(account)s"


async def register_account(
    cx: Context,
    issuer: str,
    subject: str,
    *,
    name: str,
    person_id: UUID | None = None,
    practitioner_id: UUID | None = None,
) -> Account:
    """Register a sign-in, or return the one that exists; a link to a person, once made, stays."""
    parameters = {
        "id": ids.new(), "issuer": issuer, "subject": subject, "name": name,
        "person": person_id, "practitioner": practitioner_id,
    }  # fmt: skip
    async with cx.db.cursor(row_factory=class_row(Account)) as cursor:
        account = await (await cursor.execute(ADD, parameters)).fetchone()
    assert account is not None
    return account


async def find_or_make_account(
    cx: Context, issuer: str, subject: str, claims: Mapping[str, Any]
) -> Account:
    """Return the account of a sign-in, making it at the first one.

    `claims["id_document"]` = {"kind", "number", "verified": true} with `claims["name"]` links it
    to a person; the issuer is one the platform trusts to have done the real-name check, which is
    the caller's (the sign-in edge's) setting. Anything else about the user links nothing: the
    account then has no person until a window has seen the papers.
    """
    person_id = await _verified_person(cx, issuer, claims)
    account = await _find(cx, issuer, subject)
    if account is not None and (account.person_id is not None or person_id is None):
        return account
    name = str(claims.get("name") or subject)
    return await register_account(cx, issuer, subject, name=name, person_id=person_id)


async def _verified_person(cx: Context, issuer: str, claims: Mapping[str, Any]) -> UUID | None:
    """Find or register whom a verified document names; what is doubtful links to nobody."""
    claim = claims.get("id_document")
    name = str(claims.get("name") or "").strip()
    if not isinstance(claim, Mapping) or claim.get("verified") is not True or not name:
        return None
    if claim.get("kind") not in set(Kind):
        return None
    try:
        document = papers.parse(Kind(claim["kind"]), str(claim.get("number")))
    except papers.DocumentRefused:
        return None
    if document.born_on is None or document.sex is None:
        return None  # a passport says neither: the window completes the person
    phone = str(claims["phone_number"]) if claims.get("phone_number") else None
    new = NewPerson(name, document.sex, document.born_on, phone=phone)
    try:
        person = await register_person(cx, new, [document], verified_by=f"issuer:{issuer}")
    except (BornAhead, Conflict, GuardianMissing):
        return None
    return person.id


async def _find(cx: Context, issuer: str, subject: str) -> Account | None:
    async with cx.db.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(BY_SUBJECT, {"issuer": issuer, "subject": subject})
        return await cursor.fetchone()


async def get_account(cx: Context, account_id: UUID) -> Account:
    """Return one account, closed or not, or raise AccountUnknown."""
    async with cx.db.cursor(row_factory=class_row(Account)) as cursor:
        account = await (await cursor.execute(BY_ID, {"id": account_id})).fetchone()
    if account is None:
        raise AccountUnknown
    return account


async def list_grants(cx: Context, account_id: UUID) -> tuple[Grant, ...]:
    """Return what an account may act as, with a second factor."""
    rows = await (await cx.db.execute(GRANTS, {"account": account_id})).fetchall()
    return tuple(Grant(Role(row["role"]), row["organisation_id"]) for row in rows)


async def find_held(cx: Context, account_id: UUID) -> frozenset[Grant] | None:
    """Return what an account holds now, in one statement; None: it is closed, or there is none."""
    rows = await (await cx.db.execute(HELD, {"account": account_id})).fetchall()
    if not rows:
        return None
    return frozenset(
        Grant(Role(row["role"]), row["organisation_id"]) for row in rows if row["role"]
    )


async def add_grant(cx: Context, account_id: UUID, grant: Grant) -> None:
    """Let an account act in a role; counts from the next request."""
    await _grant(cx, ADD_GRANT, "account.granted", account_id, grant)


async def end_grant(cx: Context, account_id: UUID, grant: Grant) -> None:
    """Take a role away; counts from the next request."""
    await _grant(cx, END_GRANT, "account.grant_ended", account_id, grant)


async def _grant(cx: Context, statement: str, action: str, account_id: UUID, grant: Grant) -> None:
    parameters = {
        "account": account_id, "role": grant.role, "organisation": grant.organisation_id,
    }  # fmt: skip
    changed = await cx.db.execute(statement.encode(), parameters)
    if changed.rowcount:
        detail = {"role": grant.role, "organisation": str(grant.organisation_id or "")}
        await audit.append(cx, [audit.Entry(action, None, f"account/{account_id}", "ok", detail)])


async def close_account(cx: Context, account_id: UUID) -> None:
    """Close an account and all its sessions now."""
    await get_account(cx, account_id)
    await cx.db.execute(CLOSE, {"account": account_id, "now": cx.now})
    await audit.append(cx, [audit.Entry("account.closed", None, f"account/{account_id}", "ok", {})])
    await revoke_all(cx, account_id)
