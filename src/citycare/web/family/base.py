"""Whose family a page is about: always the signed-in person's own, never of who is in hand."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Context
from citycare.kernel.identity import Relation, RelationKind
from citycare.kit.errors import Forbidden

ACTION = "person.relations"
HOME = "/me/family"


class NoPersonYet(Forbidden):
    """This account is not joined to a person with papers yet."""

    code = "family.no_person"
    words = "这个账号还没有核对过证件。带上证件到任一医院窗口，核对后就能添加家人。"


def me_of(cx: Context) -> UUID:
    """Return the signed-in person."""
    if cx.actor.person_id is None:
        raise NoPersonYet
    return cx.actor.person_id


async def wards_of(cx: Context, me: UUID) -> Sequence[Relation]:
    """Return the guardianships of a person: whose word is theirs to give."""
    acts_for = (await identity.relations_of(cx, me)).acts_for
    return [one for one in acts_for if one.kind is RelationKind.GUARDIAN]


async def require_person(cx: Context, person_id: UUID) -> None:
    """Let the person and their guardian through; anybody else is told there is nothing."""
    await consent.require(cx, ACTION, person_id)


async def note(cx: Context, person_ids: Sequence[UUID]) -> None:
    """Write down that the relations of these people were read."""
    people = dict.fromkeys(person_ids)
    await audit.append(cx, [audit.Entry("person.read", one, f"person/{one}") for one in people])


async def names_of(cx: Context, person_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the names of people related to the actor."""
    found = await identity.list_persons(cx, person_ids)
    return {person_id: person.name for person_id, person in found.items()}
