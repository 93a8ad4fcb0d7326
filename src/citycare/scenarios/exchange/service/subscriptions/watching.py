"""Who is to be told of a change of the record.

A subscription is looked at only for changes of its type; and where one of its criteria is a token
or a reference, only for changes that have one of its keys, which stand in the row of the index
anyway. So thousands of subscriptions, each for a patient or a code of its own, cost a change a
few look-ups.

Source: HL7 FHIR R4 4.0.1, Subscription.criteria; HL7 FHIR R5 5.0.0,
SubscriptionTopic.resourceTrigger; Subscriptions R5 Backport IG 1.1.0, backport-filter-criteria.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from urllib.parse import unquote
from uuid import UUID

from citycare.kernel.fhir import ParameterUnknown, Resource, TypeUnknown, ValueBroken
from citycare.kernel.fhir.changes import Change, Interaction
from citycare.kernel.fhir.finding import SHARED, Visible
from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.searching import reading
from citycare.kernel.fhir.searching.meeting import meets
from citycare.kernel.fhir.searching.model import Criterion, Having, Link, ParamType, Token
from citycare.kernel.fhir.searching.ways import lanes_for
from citycare.scenarios.exchange.model.subscriptions import (
    Subscription,
    SubscriptionRefused,
    Topic,
    Trigger,
)
from citycare.scenarios.exchange.rules import subscriptions as rules

KEYS_MAX = 64
OF_SETS = frozenset(("in", "not-in", "above", "below"))
CRITERIA = "Subscription.criteria"
FILTER = "Subscription.criteria.extension"
Criteria = tuple[Criterion, ...]
Known = dict[tuple[int, int], bool]
"""Whether a resource meets a criterion, by what both are in memory."""


def _refused(element: str, problem: str) -> SubscriptionRefused:
    return SubscriptionRefused(element=element, problem=problem)


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """What of one type a subscription is to be told of."""

    subscription_id: str
    trigger: Trigger
    previous: Criteria | None
    current: Criteria | None
    filters: Criteria
    ends_at: datetime | None
    base: str

    def meets(
        self,
        change: Change,
        now: Resource | None,
        before: Resource | None,
        known: Known | None = None,
    ) -> bool:
        """Tell whether a change is one to be told of.

        Args:
            change: of the type, with one of the keys.
            now: the resource; None of a deletion.
            before: the version before; None where there is none, or it was not asked for.
            known: what others have found out of this change, and this one does.
        """
        trigger = self.trigger
        known = {} if known is None else known
        if change.interaction not in trigger.interactions:
            return False
        if self.ends_at is not None and change.updated_at >= self.ends_at:
            return False
        told = now if now is not None else before
        if told is None or not self._all(self.filters, told, known):
            return False
        previous = None if self.previous is None else trigger.on_create
        if self.previous is not None and before is not None:
            previous = self._all(self.previous, before, known)
        current = None if self.current is None else trigger.on_delete
        if self.current is not None and now is not None:
            current = self._all(self.current, now, known)
        return rules.fires((previous, current), both=trigger.both)

    def _all(self, criteria: Criteria, resource: Resource, known: Known) -> bool:
        for each in criteria:
            name = (id(each), id(resource))
            met = known.get(name)
            if met is None:
                met = known[name] = meets(each, resource, self.base)
            if not met:
                return False
        return True


class Plan:
    """All watches, to be found by a change."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_type: dict[str, dict[Watch, None]] = {}
        self._by_key: dict[int, dict[Watch, None]] = {}
        self._deleting: dict[str, dict[Watch, None]] = {}
        self._places: dict[str, list[tuple[dict[Watch, None], Watch]]] = {}
        self._same: dict[Criterion, Criterion] = {}
        self._types: Counter[str] = Counter()  # places of watches of each

    @property
    def types(self) -> frozenset[str]:
        """The types of which somebody is to be told."""
        return frozenset(self._types)

    def put(self, subscription_id: str, some: Iterable[Watch]) -> None:
        """Put the watches of a subscription, instead of those before, where changes find them."""
        self.drop(subscription_id)
        for given in some:
            watch = replace(
                given,
                previous=self._shared(given.previous),
                current=self._shared(given.current),
                filters=self._shared(given.filters) or (),
            )
            kind = watch.trigger.type
            if Interaction.DELETE in watch.trigger.interactions:
                self._place(self._deleting.setdefault(kind, {}), watch)
            for key in _keys_of(watch):
                self._place(self._by_key.setdefault(key, {}), watch)
            if not _keys_of(watch):
                self._place(self._by_type.setdefault(kind, {}), watch)

    def _place(self, where: dict[Watch, None], watch: Watch) -> None:
        where[watch] = None
        self._places.setdefault(watch.subscription_id, []).append((where, watch))
        self._types[watch.trigger.type] += 1

    def _shared(self, criteria: Criteria | None) -> Criteria | None:
        """Make what many ask for one object, so that it is looked at once a change."""
        if criteria is None:
            return None
        return tuple(self._same.setdefault(each, each) for each in criteria)

    def drop(self, subscription_id: str) -> None:
        """Forget the watches of a subscription."""
        for where, watch in self._places.pop(subscription_id, ()):
            del where[watch]
            self._types[watch.trigger.type] -= 1
        self._types = +self._types  # without those of which there are none any more

    def candidates(self, change: Change) -> list[Watch]:
        """Return the watches that may have to do with a change; each decides for itself."""
        if change.deleted:
            return list(self._deleting.get(change.type, ()))
        found = dict(self._by_type.get(change.type, {}))
        for key in change.keys:
            if some := self._by_key.get(key):
                found |= some
        return [each for each in found if each.trigger.type == change.type]


def _keys_of(watch: Watch) -> tuple[int, ...]:
    """Return keys of which a new version must have one to be told of; empty: none decides."""
    needed = list(watch.filters)
    if watch.current is not None and (watch.previous is None or watch.trigger.both):
        needed += watch.current
    found = [keys for each in needed if (keys := _keys(watch.trigger.type, each))]
    return min(found, key=len, default=())


def _keys(kind: str, criterion: Criterion) -> tuple[int, ...]:
    if criterion.modifier or criterion.type not in (ParamType.TOKEN, ParamType.REFERENCE):
        return ()
    found: set[int] = set()
    for lane, targets in lanes_for(kind, criterion.param):
        for value in criterion.values:
            if not lane.indexed or not isinstance(value, Token | Link):
                return ()
            found.update(
                of.token_keys(lane, value)
                if isinstance(value, Token)
                else of.reference_keys(lane, value, targets)
            )
    return tuple(found) if len(found) <= KEYS_MAX else ()


def watches(
    subscription: Subscription, topics: Mapping[str, Topic], *, now: datetime, base: str
) -> list[Watch]:
    """Return what a subscription is to be told of: one watch a type that makes events of it.

    Raises:
        SubscriptionRefused: a search cannot be read or served, or the topic is not there.
    """
    if subscription.topic:
        topic = topics.get(subscription.topic)
        if topic is None:
            raise _refused(CRITERIA, "this server has no such topic")
        triggers: Sequence[Trigger] = topic.triggers
    else:
        told = frozenset((Interaction.CREATE.value, Interaction.UPDATE.value))
        triggers = [Trigger(subscription.type, told, current=subscription.query)]
    kinds = {each.type for each in triggers}
    if strange := {each.type for each in subscription.filters} - kinds - {""}:
        raise _refused(FILTER, f"no event is of type {min(strange)[:40]}")
    return [_watch(subscription, trigger, now, base) for trigger in triggers]


def _watch(subscription: Subscription, trigger: Trigger, now: datetime, base: str) -> Watch:
    def read(query: str | None, element: str) -> Criteria | None:
        if query is None:
            return None
        return _criteria(trigger.type, query, element, now=now, base=base)

    filters: list[Criterion] = []
    for each in subscription.filters:
        if each.type in ("", trigger.type):
            filters += read(each.query, FILTER) or ()
    return Watch(
        subscription.id,
        trigger,
        read(trigger.previous, CRITERIA),
        read(trigger.current, CRITERIA),
        tuple(filters),
        subscription.ends_at,
        base,
    )


def _criteria(kind: str, query: str, element: str, *, now: datetime, base: str) -> Criteria:
    """Read a search that is decided on one resource: no chains, no value sets, no results."""
    # Not decoded as a form: in a string that may be as people write it, + is a plus (a time zone).
    pairs = []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        pairs.append((unquote(name), unquote(value)))
    try:
        asked = reading.read((kind,), pairs, now=now, base=base)
    except (TypeUnknown, ParameterUnknown, ValueBroken) as error:
        raise _refused(element, f"{kind[:40]}: {error}"[:180]) from error
    if asked.sort or asked.includes or asked.content or asked.elements or len(asked.types) != 1:
        raise _refused(element, "only what decides on one resource: no _sort, _include, …")
    return tuple(_simple(each, element) for each in asked.criteria)


def _simple(criterion: Criterion | Having, element: str) -> Criterion:
    if isinstance(criterion, Having) or criterion.chain is not None:
        raise _refused(element, "no chains and no _has: they depend on other resources")
    sets = criterion.type in (ParamType.TOKEN, ParamType.REFERENCE)
    if criterion.modifier in OF_SETS and (sets or criterion.modifier in ("in", "not-in")):
        raise _refused(element, f":{criterion.modifier} is not served here")
    return criterion


NOBODY: frozenset[str] = frozenset()


def sees(visible: Visible, version: Change) -> bool:
    """Tell whether a version may be seen, as `finding` decides it in SQL: by its keys.

    Of a deletion, ask of the version before. Of types with limits nothing is told.
    """
    if visible.types is not None and version.type not in visible.types:
        return False
    if version.type in visible.limits:
        return False
    if visible.everything or version.type in visible.open_types:
        return True
    patients = visible.patients if version.type not in SHARED else NOBODY
    return not _openers(patients, visible.organisations).isdisjoint(version.keys)


@lru_cache(maxsize=1_024)
def _openers(patients: frozenset[str], organisations: frozenset[UUID]) -> frozenset[int]:
    return frozenset(_each_opener(patients, organisations))


def _each_opener(patients: frozenset[str], organisations: frozenset[UUID]) -> Iterator[int]:
    for patient in patients:
        yield of.compartment_key("Patient", of.resource_hash("Patient", patient))
    for organisation in organisations:
        yield of.owner_key(str(organisation))
