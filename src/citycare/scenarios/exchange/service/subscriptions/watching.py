"""Who is to be told of a change of the record.

A subscription is looked at only for changes of its type; and where one of its criteria is a token
or a reference, only for changes that have one of its keys, which stand in the row of the index
anyway. So thousands of subscriptions, each for a patient or a code of its own, cost a change a
few look-ups.

Source: HL7 FHIR R4 4.0.1, Subscription.criteria; HL7 FHIR R5 5.0.0,
SubscriptionTopic.resourceTrigger; Subscriptions R5 Backport IG 1.1.0, backport-filter-criteria.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from urllib.parse import unquote

from citycare.kernel.fhir import ParameterUnknown, Resource, TypeUnknown, ValueBroken
from citycare.kernel.fhir.changes import Change, Interaction
from citycare.kernel.fhir.finding import Visible
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

    def meets(self, change: Change, now: Resource | None, before: Resource | None) -> bool:
        """Tell whether a change is one to be told of.

        Args:
            change: of the type, with one of the keys.
            now: the resource; None of a deletion.
            before: the version before; None where there is none, or it was not asked for.
        """
        trigger = self.trigger
        if change.interaction not in trigger.interactions:
            return False
        if self.ends_at is not None and change.updated_at >= self.ends_at:
            return False
        told = now if now is not None else before
        if told is None or not self._all(self.filters, told):
            return False
        previous = None if self.previous is None else trigger.on_create
        if self.previous is not None and before is not None:
            previous = self._all(self.previous, before)
        current = None if self.current is None else trigger.on_delete
        if self.current is not None and now is not None:
            current = self._all(self.current, now)
        return rules.fires((previous, current), both=trigger.both)

    def _all(self, criteria: Criteria, resource: Resource) -> bool:
        return all(meets(each, resource, self.base) for each in criteria)


class Plan:
    """All watches, to be found by a change."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        """Put each where the changes it waits for will find it."""
        self._by_type: dict[str, list[Watch]] = {}
        self._by_key: dict[int, list[Watch]] = {}
        self._deleting: dict[str, list[Watch]] = {}
        for watch in watches:
            kind = watch.trigger.type
            if Interaction.DELETE in watch.trigger.interactions:
                self._deleting.setdefault(kind, []).append(watch)
            if keys := _keys_of(watch):
                for key in keys:
                    self._by_key.setdefault(key, []).append(watch)
            else:
                self._by_type.setdefault(kind, []).append(watch)

    def candidates(self, change: Change) -> list[Watch]:
        """Return the watches that may have to do with a change; each decides for itself."""
        if change.deleted:
            return self._deleting.get(change.type, [])
        found = dict.fromkeys(self._by_type.get(change.type, ()))
        by_key = self._by_key
        for key in change.keys:
            if key in by_key:
                found |= dict.fromkeys(
                    each for each in by_key[key] if each.trigger.type == change.type
                )
        return list(found)


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
            raise rules.refused(CRITERIA, "this server has no such topic")
        triggers: Sequence[Trigger] = topic.triggers
    else:
        told = frozenset((Interaction.CREATE.value, Interaction.UPDATE.value))
        triggers = [Trigger(subscription.type, told, current=subscription.query)]
    kinds = {each.type for each in triggers}
    if strange := {each.type for each in subscription.filters} - kinds - {""}:
        raise rules.refused(FILTER, f"no event is of type {min(strange)[:40]}")
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
        raise rules.refused(element, f"{kind[:40]}: {error}"[:180]) from error
    if asked.sort or asked.includes or asked.content or asked.elements or len(asked.types) != 1:
        raise rules.refused(element, "only what decides on one resource: no _sort, _include, …")
    return tuple(_simple(each, element) for each in asked.criteria)


def _simple(criterion: Criterion | Having, element: str) -> Criterion:
    if isinstance(criterion, Having) or criterion.chain is not None:
        raise rules.refused(element, "no chains and no _has: they depend on other resources")
    sets = criterion.type in (ParamType.TOKEN, ParamType.REFERENCE)
    if criterion.modifier in OF_SETS and (sets or criterion.modifier in ("in", "not-in")):
        raise rules.refused(element, f":{criterion.modifier} is not served here")
    return criterion


def plan_of(
    subscriptions: Iterable[Subscription], topics: Iterable[Topic], *, now: datetime, base: str
) -> tuple[Plan, dict[str, SubscriptionRefused]]:
    """Return the plan of all subscriptions, and those that cannot be served, with the reason."""
    by_url = {each.url: each for each in topics}
    found: list[Watch] = []
    wrong: dict[str, SubscriptionRefused] = {}
    for each in subscriptions:
        try:
            found += watches(each, by_url, now=now, base=base)
        except SubscriptionRefused as error:
            wrong[each.id] = error
    return Plan(found), wrong


def sees(visible: Visible, version: Change) -> bool:
    """Tell whether a version may be seen, as `finding` decides it in SQL: by its keys.

    Of a deletion, ask of the version before.
    """
    if visible.types is not None and version.type not in visible.types:
        return False
    if visible.everything or version.type in visible.open_types:
        return True
    return not _openers(visible.persons, visible.organisations).isdisjoint(version.keys)


@lru_cache(maxsize=1_024)
def _openers(persons: frozenset[object], organisations: frozenset[object]) -> frozenset[int]:
    return frozenset(_each_opener(persons, organisations))


def _each_opener(persons: frozenset[object], organisations: frozenset[object]) -> Iterator[int]:
    for person in persons:
        yield of.compartment_key("Patient", of.resource_hash("Patient", str(person)))
    for organisation in organisations:
        yield of.owner_key(str(organisation))
