"""How those who did something are shown: staff by name, role and workplace, nothing else.

Residents' accounts are masked; built-in actors have words of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.context import Context, Role
from citycare.kernel.identity import AccountCard
from citycare.web.actions import BUILT_IN, ROLES
from citycare.web.manner import Words


def masked(name: str) -> str:
    """Write a name so that only those who know the person recognise it: `林**`."""
    return name[:1] + "*" * max(1, len(name) - 1)


def role_words(card: AccountCard, words: Words) -> str:
    """Say as what an account acts and where: '医生 · 瑞金医院'."""
    parts = []
    for grant, organisation in card.grants:
        role = words(ROLES[grant.role])
        parts.append(f"{role} · {organisation}" if organisation else role)
    return " / ".join(parts) if parts else words(ROLES[Role.RESIDENT])


def actor_words(
    account_id: UUID | None,
    built_in: str | None,
    cards: Mapping[UUID, AccountCard],
    words: Words,
) -> tuple[str, str]:
    """Say who it was and as what; built-in actors have no role."""
    if account_id is None:
        known = BUILT_IN.get(built_in or "")
        return (words(known) if known else built_in or "", "")
    card = cards.get(account_id)
    if card is None:
        return (str(account_id)[:8], "")
    return (card.name if card.is_staff else masked(card.name), role_words(card, words))


async def cards_of(cx: Context, ids: Collection[UUID | None]) -> dict[UUID, AccountCard]:
    """Look up what may be shown of some accounts."""
    return await identity.describe_accounts(cx, {one for one in ids if one is not None})
