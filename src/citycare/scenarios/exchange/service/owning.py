"""To which organisation a resource belongs: the one whose system wrote it first.

Source: ours; who wrote something reads it and answers for it, whoever corrects it later.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.fhir import Key, Stored
from citycare.kernel.fhir.changes import find_versions
from citycare.kernel.fhir.searching.keys import owner_key
from citycare.scenarios.exchange.service.intents import Name

READ_MAX = 10_000


async def owners_of(cx: Context, some: Sequence[Stored]) -> dict[Name, UUID]:
    """Return the organisations of resources as they are now, of those that belong to one."""
    if not some:
        return {}
    every = await identity.list_organisations(cx)
    houses = {owner_key(str(one.id)): one.id for one in every}
    found: dict[Name, UUID] = {}
    for at in range(0, len(some), READ_MAX):
        keys = [Key(one.type, one.id, one.version) for one in some[at : at + READ_MAX]]
        for key, version in (await find_versions(cx, keys, bodies=False)).items():
            owner = next((houses[each] for each in version.keys if each in houses), None)
            if owner is not None:
                found[key.type, key.id] = owner
    return found
