"""create, update, patch, delete, each also by a condition; each in the caller's transaction.

A resource is locked before its version is looked at (by its name, where it is not there yet), and
a condition before it is searched for, so of two writers at once one comes after the other: no lost
write, no second resource of one condition. Locks are taken in a fixed order: conditions, resources,
what is kept beside them; last those for which all others wait, of deletions and of the trail.

Source: HL7 FHIR R4 4.0.1 §3.1.0.4 update, §3.1.0.6 patch, §3.1.0.7 delete, §3.1.0.8 create.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from citycare.kernel import audit, fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import Key, Stored, finding, integrity, store, terminology
from citycare.kernel.fhir.finding import Visible
from citycare.kernel.fhir.profiles import loading as profiles
from citycare.kernel.fhir.rows import VIOLATIONS_MAX
from citycare.kernel.fhir.searching import reading
from citycare.kit import ids
from citycare.kit.errors import Busy
from citycare.scenarios.exchange.model.errors import (
    MultipleMatches,
    NotPermitted,
    ResourceDiffers,
)
from citycare.scenarios.exchange.model.values import Conditions
from citycare.scenarios.exchange.rules import headers, patching, responses, routing
from citycare.scenarios.exchange.service.access import Access
from citycare.scenarios.exchange.service.intents import (
    CREATED,
    NO_CONTENT,
    OK,
    Done,
    Intent,
    Json,
    Name,
    named,
)
from citycare.scenarios.exchange.service.looks import Looks
from citycare.scenarios.exchange.service.owning import owners_of
from citycare.scenarios.exchange.service.searches import persons_asked
from citycare.scenarios.exchange.service.subscriptions import keeping
from citycare.scenarios.exchange.service.trail import entries, persons_in

SUBSCRIPTION = "Subscription"
LOOKS_MAX = 5
STORED_MAX = 10_000
"""Resources that are stored at once; `kernel.fhir` takes no more."""
CONDITIONS_MAX = 2_000
"""Conditions of one transaction: each is a lock, of which PostgreSQL has some thousands in all."""
NOTHING = Conditions()


@dataclass(frozen=True, slots=True)
class Writing:
    """Writes for one caller, in one transaction.

    `create`, `update` and `patch` say what, `settle` stores it all; `delete` deletes at once. It is
    done when `finish` has checked what is deleted, and put all on record.

    Attributes:
        base: the server's own address.
        looks: what was looked for before it is written, or refused.
        checks: what those against profiles share with all others of the call.
        gone: what has been deleted, and is not yet known to be referred to by nothing.
        beside: what has been stored beside it, and may refer to what is not there.
        lines: what goes on record.
    """

    cx: Context
    access: Access
    base: str
    looks: Looks = field(default_factory=Looks)
    checks: profiles.Checks = field(default_factory=profiles.Checks)
    gone: list[Name] = field(default_factory=list)
    beside: list[Json] = field(default_factory=list)
    lines: list[audit.Entry] = field(default_factory=list)

    async def create(self, kind: str, resource: Json, unless: str | None = None) -> Intent | Done:
        """Make a new resource, under an id of ours; or nothing, where a condition finds one.

        Raises:
            MultipleMatches: it finds more.
        """
        self.access.require(kind, "c")
        if unless is not None:
            found = await self.matching(kind, unless)
            if found is not None:
                return self.already(found)
        return self.fresh(kind, str(ids.new()), resource)

    def already(self, found: Stored) -> Done:
        """Return what is answered where a condition finds what was to be created: it is read."""
        record = f"{found.type}/{found.id}"
        self.lines.extend(entries(self.access.action, record, persons_in([found])))
        key = Key(found.type, found.id, found.version)
        return Done(OK, key, responses.instant(found.updated_at), found.body or "")

    def fresh(self, kind: str, key: str, resource: Json) -> Intent:
        """Make a new resource under an id that is one of ours.

        Raises:
            ResourceDiffers: it is of another type.
        """
        self.access.require(kind, "c")
        return Intent(named(resource, kind, key), fresh=True)

    async def update(
        self, kind: str, key: str, resource: Json, asked: Conditions = NOTHING
    ) -> Intent:
        """Make the next version of a resource, or the first under this id.

        Raises:
            ResourceDiffers: type or id of what was sent are others.
            VersionConflict: what is there is not what the caller believes.
        """
        if resource.get("id") not in (None, key):
            raise ResourceDiffers(id=key, sent=str(resource.get("id"))[:64])
        self.access.require(kind, "u")
        before = await self._locked(kind, key, asked)
        headers.require_version(asked, before.version if before else None)
        return Intent(named(resource, kind, key), before)

    async def update_matching(
        self, kind: str, criteria: str, resource: Json, asked: Conditions = NOTHING
    ) -> Intent:
        """Update what a condition finds; create, where it finds nothing.

        Raises:
            ResourceDiffers: what it finds has another id than what was sent.
        """
        found = await self.held(kind, criteria)
        key = found.id if found else str(resource.get("id") or ids.new())
        return await self.update(kind, key, resource, asked)

    async def patch(
        self, kind: str, key: str, operations: Any, asked: Conditions = NOTHING
    ) -> Intent:
        """Change a resource as a JSON Patch says.

        Raises:
            PatchBroken, PatchUnfit: it cannot be.
            ResourceNotFound, ResourceDeleted: there is nothing to change.
        """
        self.access.require(kind, "u")
        read = patching.read(operations)
        before = await self._locked(kind, key)
        if before is None:
            raise await self._absent(kind, key)
        there = fhir.loads(before.body or "")
        self.access.require_writable(there)  # before a test of the patch tells what stands there
        headers.require_version(asked, before.version)
        return Intent(patching.patched(there, read), before)

    async def patch_matching(
        self, kind: str, criteria: str, operations: Any, asked: Conditions = NOTHING
    ) -> Intent:
        """Change what a condition finds.

        Raises:
            ResourceNotFound: it finds nothing.
        """
        found = await self.held(kind, criteria)
        if found is None:
            raise fhir.ResourceNotFound(type=kind, criteria=criteria[:200])
        return await self.patch(kind, found.id, operations, asked)

    async def delete(self, kind: str, key: str, asked: Conditions = NOTHING) -> Done:
        """Delete a resource; what is not there, or not any more, is as was wished.

        Raises:
            VersionConflict: what is there is not what the caller believes.
            NotPermitted: this caller may know of it, but not delete it.
        """
        self.access.require(kind, "d")
        try:
            before = await self._locked(kind, key)
        except fhir.ResourceNotFound:
            before = None  # it is there, which is not for this caller to know
        headers.require_version(asked, before.version if before else None)
        if before is None:
            return Done(NO_CONTENT)
        resource = fhir.loads(before.body or "")
        self.access.require_writable(resource, "d")
        if kind in terminology.TYPES:
            self.checks.answers.clear()
            await terminology.drop(self.cx, kind, key)
        gone = await fhir.delete(self.cx, kind, key)
        self.gone.append((kind, key))
        self.lines.extend(self.noted(gone, resource, "delete"))
        return Done(NO_CONTENT, gone)

    async def delete_matching(self, kind: str, criteria: str) -> Done:
        """Delete what a condition finds, which is one at most."""
        found = await self.held(kind, criteria)
        return await self.delete(kind, found.id) if found else Done(NO_CONTENT)

    async def lock(self, conditions: Iterable[Name], names: Sequence[Name] = ()) -> None:
        """Lock conditions (type and criteria) and resources, all in order, before the first use.

        Several in one transaction must be: two that lock the same one by one, each in an order of
        its own, would wait for each other.
        """
        numbers = {_number(kind, routing.pairs(criteria)) for kind, criteria in conditions}
        if len(numbers) > CONDITIONS_MAX:
            raise fhir.TooMany(conditions=len(numbers), most=CONDITIONS_MAX)
        if numbers:
            await store.lock_numbers(self.cx, numbers)
        if names:
            await store.hold(self.cx, names)

    async def held(self, kind: str, criteria: str) -> Stored | None:
        """Return the one resource a condition finds, locked; None: there is none.

        While its lock is waited for it may change, and no longer meet the condition: then it is
        looked for again.

        Raises:
            MultipleMatches: there are more.
            Busy: it was another one each time.
        """
        for _ in range(LOOKS_MAX):
            found = await self.matching(kind, criteria)
            if found is None:
                return None
            there = await store.hold(self.cx, [(kind, found.id)])
            if there[kind, found.id].version == found.version:
                return found
        raise Busy(type=kind)

    async def matching(self, kind: str, criteria: str) -> Stored | None:
        """Return the one resource a condition finds; None: there is none.

        The condition is locked until the transaction ends, so that whoever asks the same waits.

        Raises:
            MultipleMatches: there are more.
        """
        self.access.require(kind, "s")
        pairs = routing.pairs(criteria)
        await store.lock_numbers(self.cx, [_number(kind, pairs)])
        asked = reading.read((kind,), (*pairs, ("_count", "2")), now=self.cx.now, base=self.base)
        self.looks.named[f"{kind}?"] |= persons_asked(asked)
        asked = await finding.resolve_sets(self.cx, asked, self.base)
        found = await finding.find(self.cx, asked, visible=self.access.seen("s"), base=self.base)
        stored = [hit.stored() for hit in found.matches]
        for one in stored:
            self.looks.find(f"{kind}?", one)
        if len(stored) > 1:
            raise MultipleMatches(type=kind, criteria=criteria[:200])
        return stored[0] if stored else None

    async def settle(self, intents: Sequence[Intent]) -> list[Done]:
        """Store resources, in a constant number of statements.

        Raises:
            Invalid: one breaks the rules, or refers to what is not there.
            NotPermitted: one is not for this caller to write, as it was or as it will be.
        """
        for one in intents:
            if one.before is not None:
                self.access.require_writable(fhir.loads(one.before.body or ""))
            self.access.require_writable(one.resource, "u" if one.before else "c")
        resources = [one.resource for one in intents]
        await self._require_profiles([one for one in resources if profiles.claims(one)])
        fresh = [await self._indexed(one.resource) for one in intents if one.fresh]
        known = [await self._indexed(one.resource) for one in intents if not one.fresh]
        if self.gone:
            self.beside.extend(resources)
        else:
            await self._require_targets(resources)
        owner = self.access.owner
        kept = []
        for at in range(0, len(fresh), STORED_MAX):
            some = fresh[at : at + STORED_MAX]
            kept += await fhir.create(self.cx, some, base=self.base, owner=owner)
        there = [one.before for one in intents if one.before is not None]
        owners = {} if owner else await owners_of(self.cx, there)
        for one_owner in {owners.get(_name(one), owner) for one in known}:
            theirs = [one for one in known if owners.get(_name(one), owner) == one_owner]
            for at in range(0, len(theirs), STORED_MAX):
                some = theirs[at : at + STORED_MAX]
                kept += await fhir.put(self.cx, some, base=self.base, owner=one_owner)
        for one in intents:
            if one.name[0] == SUBSCRIPTION:
                await self._subscribe(one.resource)
        stored = {(one.key.type, one.key.id): one for one in kept}
        told = [(one, stored[one.name]) for one in intents]
        for one, done in told:
            what = "update" if one.before else "create"
            self.lines.extend(self.noted(done.key, one.resource, what))
        return [
            Done(
                OK if one.before else CREATED,
                done.key,
                done.updated_at,
                done.body if self.access.shows(one.resource) else "",
            )
            for one, done in told
        ]

    async def finish(self) -> None:
        """Check what deletions ask for, and put all on record; others wait from here on.

        Raises:
            Invalid: something that was stored beside them refers to what is not there.
            ResourceReferenced: others refer to what was deleted.
        """
        if self.gone:
            await integrity.hold_writers(self.cx)
            await self._require_targets(self.beside)
            await integrity.require_unreferenced(self.cx, self.gone, self.access.seen("r"))
        self.looks.keep(self.lines)
        for at in range(0, len(self.lines), STORED_MAX):
            await audit.append(self.cx, self.lines[at : at + STORED_MAX])

    async def _require_targets(self, resources: Sequence[Json]) -> None:
        new = {_name(one) for one in resources}
        await integrity.require_targets(self.cx, resources, self.base, new)

    async def _require_profiles(self, resources: Sequence[Json]) -> None:
        """Check what claims to follow profiles: by R4's own rules and by those, all at once.

        Raises:
            Invalid: one breaks them.
        """
        if not resources:
            return
        faults = [one for resource in resources for one in fhir.violations(resource)]
        faults += await profiles.claimed_violations(self.cx, resources, self.checks)
        if faults:
            raise fhir.Invalid(faults[:VIOLATIONS_MAX])

    async def _indexed(self, resource: Json) -> Json:
        """Put a CodeSystem, ValueSet or ConceptMap among those that are asked; return what is kept.

        A large one is kept without its concepts, which stand in tables of their own.
        """
        if resource["resourceType"] not in terminology.TYPES:
            return resource
        self.checks.answers.clear()
        return await terminology.index(self.cx, resource)

    # Parts

    async def _locked(self, kind: str, key: str, asked: Conditions = NOTHING) -> Stored | None:
        """Lock a resource and return it; None: there is none, or not any more.

        Raises:
            ResourceNotFound: there is, but this caller may not know of it.
            VersionConflict: the same, and as there were nothing, it has not the version asked for.
            NotPermitted: this caller may know of it, but not change it.
        """
        await store.hold(self.cx, [(kind, key)])
        found = await fhir.find_stored(self.cx, kind, key)
        if found is None or found.body is None:
            return None
        if not await self._among(kind, key, self.access.visible):
            self.looks.hide(found)
            headers.require_version(asked, None)
            raise fhir.ResourceNotFound(type=kind, id=key)
        self.looks.find(f"{kind}/{key}", found)
        await self.require_own(kind, key)
        return found

    async def require_own(self, kind: str, key: str) -> None:
        """Check that a resource that is there is one this caller may change.

        Raises:
            NotPermitted: this caller may know of it, but not change it.
        """
        if not await self._among(kind, key, self._own()):
            raise NotPermitted(type=kind, interaction="write")

    async def _among(self, kind: str, key: str, visible: Visible) -> bool:
        return visible.everything or bool(
            await finding.named(self.cx, [(kind, key)], replace(visible, types=None))
        )

    def _own(self) -> Visible:
        """What may be changed: of a system, what its organisation wrote."""
        owner = self.access.owner
        return Visible(organisations=frozenset({owner})) if owner else self.access.writable

    async def _absent(self, kind: str, key: str) -> fhir.ResourceNotFound | fhir.ResourceDeleted:
        """Make the error for what is not there: never, or not any more."""
        found = await fhir.find_stored(self.cx, kind, key)
        if found is None or not self.access.visible.everything:
            return fhir.ResourceNotFound(type=kind, id=key)
        return fhir.ResourceDeleted(type=kind, id=key)

    async def _subscribe(self, resource: Json) -> None:
        """Keep for whom a Subscription is stored; of an app its scopes must cover what it tells.

        Its topic may become another: what is told is held to these types then too.

        Raises:
            NotPermitted: it would tell of types that this app may not read wholly.
            SubscriptionRefused: it can never be served.
        """
        seen = self.access.seen("r")
        types = None if seen.types is None else seen.types - seen.limits.keys()
        watched = await keeping.take(
            self.cx, resource, base=self.base, organisation_id=self.access.owner, types=types
        )
        if types is not None and not watched <= types:
            raise NotPermitted(type=min(watched - types), interaction="r")

    def noted(self, key: Key, resource: Json, what: str) -> list[audit.Entry]:
        """Return what goes on record of a change."""
        record = f"{key.type}/{key.id}/_history/{key.version}"
        persons = integrity.persons_named(resource)
        return entries(self.access.writing, record, persons, {"change": what})


def _name(resource: Json) -> Name:
    return resource["resourceType"], resource["id"]


def _number(kind: str, pairs: Sequence[tuple[str, str]]) -> int:
    """Return the number a condition is locked by, whatever the order of its criteria."""
    digest = hashlib.sha256(orjson.dumps([kind, sorted(pairs)])).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
