"""What others read of people follows what identity writes down, a moment later, by event.

Every handler reads the rows as they are now and writes the resources as a whole, so late, repeated
and overtaking events end in the same record. Bulk loads emit nothing and publish by themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.events import Event, Handler
from citycare.kernel.fhir import publish
from citycare.kernel.fhir.model import Resource


async def publish_person(cx: Context, event: Event) -> None:
    """Put the Patient of a person who was registered or corrected, and who they act for."""
    person_id = UUID(str(event.facts["person"]))
    found = await identity.list_persons(cx, [person_id])
    resources = [await _patient(cx, person) for person in found.values()]
    resources += await _related(cx, await _touching(cx, found))
    await publish.publish(cx, resources)


async def publish_relation(cx: Context, event: Event) -> None:
    """Put the RelatedPerson of a relation that was added or has ended."""
    relation = await identity.get_relation(cx, UUID(str(event.facts["relation"])))
    await publish.publish(cx, await _related(cx, [relation]))


async def publish_merge(cx: Context, event: Event) -> None:
    """Put both records of a merge that was made or undone, and who acts for them."""
    both = [UUID(str(event.facts[name])) for name in ("kept", "merged")]
    people = await identity.list_persons(cx, both)
    resources = [await _patient(cx, person) for person in people.values()]
    resources += await _related(cx, await _touching(cx, people))
    await publish.publish(cx, resources)


async def _patient(cx: Context, person: identity.Person) -> Resource:
    """Write a Patient with the documents that were checked; a mere claim is not published."""
    held = await identity.list_documents(cx, person.id)
    return publish.patient(person, [one for one in held if one.verified_at is not None])


async def _touching(cx: Context, people: Collection[UUID]) -> list[identity.Relation]:
    found: dict[UUID, identity.Relation] = {}
    for person_id in people:
        both = await identity.relations_of(cx, person_id)
        found |= {one.id: one for one in (*both.acts_for, *both.proxies)}
    return list(found.values())


async def _related(cx: Context, relations: Sequence[identity.Relation]) -> list[Resource]:
    proxies = await identity.list_persons(cx, {one.proxy_id for one in relations})
    return [
        publish.related_person(one, proxies[one.proxy_id]) | {"active": one.is_in_force(cx.now)}
        for one in relations
        if one.proxy_id in proxies
    ]


HANDLERS = (
    Handler("identity.person_registered", "fhir.publish_registered", publish_person),
    Handler("identity.person_corrected", "fhir.publish_corrected", publish_person),
    Handler("identity.relation_added", "fhir.publish_relation", publish_relation),
    Handler("identity.relation_ended", "fhir.publish_relation_end", publish_relation),
    Handler("identity.merged", "fhir.publish_merge", publish_merge),
    Handler("identity.unmerged", "fhir.publish_unmerge", publish_merge),
)
