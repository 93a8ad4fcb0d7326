"""Lists for those who run the platform: accounts with their roles, merges, open sessions.

Staff are shown by name, role and workplace only; residents' accounts by name.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from citycare.kernel.context import Context, Grant, Role
from citycare.kernel.identity.merges import MERGE, Merge
from citycare.kernel.identity.model import MergeUnknown, ProposalUnknown
from citycare.kernel.identity.proposals import PROPOSAL, Proposal
from citycare.kit.pages import PAGE_MAX, Page, encode, read


@dataclass(frozen=True, slots=True)
class AccountCard:
    """An account as others see it: a name, what it acts as, and where."""

    id: UUID
    name: str
    subject: str
    person_id: UUID | None
    disabled_at: datetime | None
    has_second_factor: bool
    grants: tuple[tuple[Grant, str], ...]

    @property
    def is_staff(self) -> bool:
        """Tell whether it may act as staff."""
        return bool(self.grants)


CARD = """
    SELECT a.id, a.name, a.subject, a.person_id, a.disabled_at,
           a.totp_secret IS NOT NULL AS has_second_factor,
           coalesce(g.grants, '{}') AS grants
      FROM identity.account a
      LEFT JOIN LATERAL (
           SELECT array_agg(ARRAY[h.role, coalesce(h.organisation_id::text, ''),
                                  coalesce(o.short_name, '')]
                            ORDER BY h.role, o.short_name) AS grants
             FROM identity.account_grant h
             LEFT JOIN identity.organisation o ON o.id = h.organisation_id
            WHERE h.account_id = a.id AND h.role <> 'resident') g ON true
"""
BY_IDS = f"{CARD} WHERE a.id = ANY(%(ids)s)"
STAFF = f"""{CARD}
     WHERE EXISTS (SELECT FROM identity.account_grant h
                    WHERE h.account_id = a.id AND h.role <> 'resident'
                      AND (%(role)s::text IS NULL OR h.role = %(role)s))
       AND (%(name)s::text IS NULL OR (a.name, a.id) > (%(name)s::text, %(id)s::uuid))
     ORDER BY a.name, a.id LIMIT %(limit)s
"""
SEARCH = f"""{CARD}
     WHERE (a.name LIKE %(text)s || '%%' OR a.subject LIKE %(text)s || '%%'
            OR a.id::text = %(text)s)
       AND (%(role)s::text IS NULL OR EXISTS (
            SELECT FROM identity.account_grant h
             WHERE h.account_id = a.id AND h.role = %(role)s))
       AND (%(name)s::text IS NULL OR (a.name, a.id) > (%(name)s::text, %(id)s::uuid))
     ORDER BY a.name, a.id LIMIT %(limit)s
"""


def _card(row: dict[str, Any]) -> AccountCard:
    grants = tuple(
        (Grant(Role(role), UUID(organisation) if organisation else None), name)
        for role, organisation, name in row["grants"]
    )
    return AccountCard(**{**row, "grants": grants})


async def describe_accounts(cx: Context, ids: Collection[UUID]) -> dict[UUID, AccountCard]:
    """Return what may be shown of accounts, by id; unknown ids are left out."""
    if not ids:
        return {}
    rows = await (await cx.db.execute(BY_IDS.encode(), {"ids": list(ids)})).fetchall()
    return {row["id"]: _card(row) for row in rows}


async def search_accounts(
    cx: Context,
    text: str = "",
    role: Role | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[AccountCard]:
    """Return accounts by the start of their name or sign-in name; without a text, all staff.

    Raises:
        TokenBroken: `after` is not a page's `next`.
    """
    limit = max(1, min(limit, PAGE_MAX))
    name, last = read(after, str, UUID) if after else (None, None)
    sought = text.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    parameters = {"text": sought, "role": role, "name": name, "id": last, "limit": limit + 1}
    statement = SEARCH if sought else STAFF
    rows = await (await cx.db.execute(statement.encode(), parameters)).fetchall()
    more = rows[limit - 1] if len(rows) > limit else None
    token = encode(more["name"], str(more["id"])) if more else None
    return Page([_card(row) for row in rows[:limit]], token)


ALL_MERGES = f"""
    SELECT {MERGE} FROM identity.merge m
     WHERE (%(before)s::uuid IS NULL OR m.id < %(before)s::uuid)
     ORDER BY m.id DESC LIMIT %(limit)s
"""


async def list_all_merges(cx: Context, before: str | None = None, limit: int = 50) -> Page[Merge]:
    """Return merges of anybody, newest first; `before` is a page's `next`.

    Raises:
        TokenBroken: `before` is not ours.
    """
    limit = max(1, min(limit, PAGE_MAX))
    last = read(before, UUID)[0] if before else None
    async with cx.db.cursor(row_factory=class_row(Merge)) as cursor:
        await cursor.execute(ALL_MERGES.encode(), {"before": last, "limit": limit + 1})
        rows = await cursor.fetchall()
    return Page(rows[:limit], encode(str(rows[limit - 1].id)) if len(rows) > limit else None)


@dataclass(frozen=True, slots=True)
class SessionCount:
    """How many sign-ins are open, and how many of them gave a second factor."""

    open: int
    strong: int


COUNT = """
    SELECT count(*) AS open, count(second_factor_at) AS strong FROM identity.session
     WHERE expires_at > %(now)s AND revoked_at IS NULL
"""


async def count_sessions(cx: Context) -> SessionCount:
    """Count the open sessions."""
    async with cx.db.cursor(row_factory=class_row(SessionCount)) as cursor:
        found = await (await cursor.execute(COUNT, {"now": cx.now})).fetchone()
    return found or SessionCount(0, 0)


MERGE_BY_ID = f"SELECT {MERGE} FROM identity.merge m WHERE m.id = %(id)s"
PROPOSAL_BY_ID = f"SELECT {PROPOSAL} FROM identity.proposal WHERE id = %(id)s"


async def get_merge(cx: Context, merge_id: UUID) -> Merge:
    """Return one merge, undone or not, or raise MergeUnknown."""
    async with cx.db.cursor(row_factory=class_row(Merge)) as cursor:
        found = await (await cursor.execute(MERGE_BY_ID.encode(), {"id": merge_id})).fetchone()
    if found is None:
        raise MergeUnknown
    return found


async def get_proposal(cx: Context, proposal_id: UUID) -> Proposal:
    """Return one proposal, open or decided, or raise ProposalUnknown."""
    async with cx.db.cursor(row_factory=class_row(Proposal)) as cursor:
        await cursor.execute(PROPOSAL_BY_ID.encode(), {"id": proposal_id})
        found = await cursor.fetchone()
    if found is None:
        raise ProposalUnknown
    return found
