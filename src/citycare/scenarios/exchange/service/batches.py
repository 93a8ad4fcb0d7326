"""batch and transaction: many interactions in one Bundle.

A transaction is one transaction of the database, always: all of it happens or none, whatever the
number of entries. What it stores, it stores together, in a constant number of statements. Of a
batch each entry has a transaction of its own, by the caller's `once`.

Source: HL7 FHIR R4 4.0.1 §3.1.0.11 batch/transaction.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from citycare.kernel import fhir
from citycare.kernel.fhir import bundles, finding
from citycare.kernel.fhir.bundles import Method, Plan, Result, Step
from citycare.kit import ids
from citycare.kit.errors import AppError
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.model.errors import OutOfTime
from citycare.scenarios.exchange.model.values import Conditions, Preference, Return
from citycare.scenarios.exchange.rules import headers, refusing, routing
from citycare.scenarios.exchange.service.capabilities import SERVED
from citycare.scenarios.exchange.service.intents import NO_CONTENT, Done, Intent
from citycare.scenarios.exchange.service.writing import Writing

Json = dict[str, Any]
Serve = Callable[[Call], Awaitable[Answer]]
"""Answers one interaction."""
ANSWERS_MAX = 16_000_000
"""Characters of all answers to the entries of one Bundle."""
LOOKS_S_MAX = 30.0
"""Seconds that all reads and conditions of a Bundle may take; what has begun `kit.db` ends."""


def call_of(step: Step, resource: Json | None, preference: Preference) -> Call:
    """Return an entry as the call it would be by itself."""
    path = "/".join(filter(None, (step.type, step.id, step.rest)))
    unless = step.if_none_exist or None
    asked = routing.interaction(
        step.method,
        path,
        step.query,
        types=SERVED,
        if_none_exist=unless is not None,
    )
    return Call(
        asked,
        body=resource if step.method is not Method.PATCH else list(step.patch),
        conditions=Conditions(
            _tag(step.if_match),
            _tag(step.if_none_match),
            unless,
            headers.instant(step.if_modified_since),
        ),
        preference=preference,
        pairs=routing.pairs(asked.query),
    )


def _criteria(step: Step) -> str:
    """Return the condition of an entry that writes, or nothing."""
    return "" if step.id else step.if_none_exist if step.method is Method.POST else step.query


def _tag(text: str) -> frozenset[str]:
    return frozenset((text,)) if text else frozenset()


class Transaction:
    """One transaction, while it is done."""

    def __init__(self, writing: Writing, plan: Plan, serve: Serve, preference: Preference) -> None:
        """Prepare it.

        Args:
            writing: in the transaction of the database.
            plan: what is asked.
            serve: answers what reads, after all is written.
            preference: of the call.
        """
        self.writing = writing
        self.plan = plan
        self.serve = serve
        self.preference = preference
        self.done: dict[int, Done] = {}
        self.given: dict[int, str] = {}  # `Type/id` by place: assigned, or found by a condition
        self.references = bundles.references(plan)
        self.referring = self.references.places
        self.room = Room()

    async def run(self) -> Json:
        """Do all of it.

        Raises:
            AppError: the first that cannot be done; then nothing may be.
        """
        writes = [step for step in self.plan.steps if step.writes]
        if writes:
            self.writing.access.require_writer(writes[0].type)
        referred = [text.partition("?") for text in self.references.conditional]
        conditions = [(step.type, asked) for step in writes if (asked := _criteria(step))]
        await self.writing.lock([*conditions, *((kind, asked) for kind, _, asked in referred)])
        for step in writes:
            await self._name(step)
        bundles.distinct(
            self.plan, {place: one for place, one in self.given.items() if place not in self.done}
        )
        addresses = bundles.addresses(self.plan, self.given)
        found = await self._conditional()
        known = [step for step in writes if step.method is not Method.POST]
        named = [(step.type, key) for step in known if (key := self._key(step))]
        await self.writing.lock([], named)
        intents: dict[int, Intent] = {}
        for step in writes:
            if step.place in self.done:
                continue
            key = self._key(step)
            if step.method is Method.DELETE:
                self.done[step.place] = await self._delete(step, key)
            else:
                intents[step.place] = await self._intent(step, key, addresses, found)
        with placing(intents):
            settled = await self.writing.settle(list(intents.values()))
        self.done |= dict(zip(intents, settled, strict=True))
        results = {place: result_of(one, self.preference) for place, one in self.done.items()}
        for step in self.plan.steps:
            if not step.writes:
                call = call_of(step, step.resource, self.preference)
                results[step.place] = await self.room.read(self.serve, call)
        with placing(intents):
            await self.writing.finish()
        return bundles.response(self.plan, results)

    async def _name(self, step: Step) -> None:
        """Give what is created an id, or look up what a condition finds."""
        there, criteria = None, _criteria(step)
        if criteria:
            look = self.writing.matching if step.method is Method.POST else self.writing.held
            with self.room.looking():
                there = await look(step.type, criteria)
        if step.method is Method.POST:
            self.given[step.place] = f"{step.type}/{there.id if there else ids.new()}"
            if there is not None:
                self.done[step.place] = self.writing.already(there)
        elif there is not None:
            self.given[step.place] = f"{step.type}/{there.id}"
        elif not step.id and step.method is Method.PUT:
            key = (step.resource or {}).get("id") or ids.new()
            self.given[step.place] = f"{step.type}/{key}"

    def _key(self, step: Step) -> str:
        """Return the id that an entry writes to, or nothing."""
        return step.id or self.given.get(step.place, "").partition("/")[2]

    async def _conditional(self) -> dict[str, str]:
        """Find what conditional references mean: exactly one resource each."""
        found = {}
        for text in self.references.conditional:
            kind, _, criteria = text.partition("?")
            with self.room.looking():
                there = await self.writing.matching(kind, criteria)
            if there is not None:
                found[text] = f"{kind}/{there.id}"
        return found

    async def _delete(self, step: Step, key: str) -> Done:
        if not key:
            return Done(NO_CONTENT)
        return await self.writing.delete(step.type, key, Conditions(_tag(step.if_match)))

    async def _intent(
        self, step: Step, key: str, addresses: Mapping[str, str], found: Mapping[str, str]
    ) -> Intent:
        asked = Conditions(_tag(step.if_match), _tag(step.if_none_match))
        if step.method is Method.PATCH:
            if not key:
                raise fhir.ResourceNotFound(type=step.type, criteria=step.query[:200])
            made = await self.writing.patch(step.type, key, list(step.patch), asked)
            resource = bundles.resolved(made.resource, addresses, found, root=step.root, at=step.at)
            return Intent(resource, made.before)
        resource = step.resource or {}
        if step.place in self.referring:
            resource = bundles.resolved(resource, addresses, found, root=step.root, at=step.at)
        if step.method is Method.POST:
            return self.writing.fresh(step.type, key, resource)
        return await self.writing.update(step.type, key, {**resource, "id": key}, asked)


def result_of(done: Done, preference: Preference) -> Result:
    """Return a write as what came of its entry."""
    wanted = preference.returned is Return.REPRESENTATION and done.body
    return Result(
        done.status,
        done.key,
        datetime.fromisoformat(done.updated_at) if done.updated_at else None,
        fhir.loads(done.body) if wanted else None,
    )


@contextmanager
def placing(intents: Mapping[int, Intent]) -> Iterator[None]:
    """Tell faults of what is done within with the entry they are in."""
    try:
        yield
    except fhir.Invalid as error:
        raise placed(error, intents) from error


def placed(error: fhir.Invalid, intents: Mapping[int, Intent]) -> fhir.Invalid:
    """Return the faults of a transaction, each with the entry it is in."""
    places = {one.name: place for place, one in intents.items()}
    return fhir.Invalid([_placed(one, places) for one in error.violations])


def _placed(fault: fhir.Violation, places: Mapping[tuple[str, str], int]) -> fhir.Violation:
    place = places.get((fault.type, fault.id))
    if place is None:
        return fault
    inner = fault.element.partition(".")[2]
    element = f"Bundle.entry[{place}].resource" + (f".{inner}" if inner else "")
    return replace(fault, element=element)


@dataclass(slots=True)
class Room:
    """What the entries of one Bundle may still take: characters of answers, seconds of looking.

    A hundred bytes can ask for a megabyte, and for a second of searching: without a bound a Bundle
    could ask for all there is.
    """

    left: int = ANSWERS_MAX
    left_s: float = LOOKS_S_MAX

    async def read(self, serve: Serve, call: Call) -> Result:
        """Have an entry that reads answered.

        Raises:
            TooCostly: its answer finds no room.
            OutOfTime: see `looking`.
        """
        self._require()
        with self.looking():
            answer = await serve(call)
        found = self.result_of(answer)
        self._require()
        return found

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Count the time of what looks something up.

        Raises:
            OutOfTime: what came before has taken all there is.
        """
        if self.left_s <= 0:
            raise OutOfTime(seconds=LOOKS_S_MAX)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.left_s -= time.perf_counter() - started

    def _require(self) -> None:
        if self.left < 0:
            raise finding.TooCostly(problem="answers", most=ANSWERS_MAX)

    def result_of(self, answer: Answer) -> Result:
        """Return an answer as what came of an entry, without its resource if it finds no room."""
        self.left -= len(answer.body)
        body = answer.body if self.left >= 0 else ""
        return Result(
            answer.status,
            fhir.Key(*answer.name) if answer.name else None,
            answer.updated_at,
            fhir.loads(body) if body else None,
        )


async def batch(plan: Plan, once: Serve, preference: Preference) -> Json:
    """Answer the entries of a batch, each by itself; what one is refused for is its answer."""
    results: dict[int, Result] = {}
    addresses = bundles.addresses(plan, {})
    room = Room()
    for step in plan.steps:
        try:
            resource = step.resource
            if resource is not None:
                resource = bundles.resolved(resource, addresses, {}, root=step.root, at=step.at)
            call = call_of(step, resource, preference)
            if not step.writes:
                results[step.place] = await room.read(once, call)
                continue
            with room.looking() if _criteria(step) else nullcontext():
                answer = await once(call)
            results[step.place] = room.result_of(answer)
        except AppError as error:
            outcome = refusing.outcome_of(error)
            results[step.place] = Result(refusing.status_of(error), outcome=outcome)
    return bundles.response(plan, results)
