"""From what is asked to rows: each resource with its id, its references led home, checked.

Ids:
    the resource's own, where it has one (of a create too: that is what makes a second run harmless)
    by a condition (`ifNoneExist`, conditional update): of what is found; if nothing is, an id made
    from the condition itself, so that two files that say the same make one resource
    else the uuid of its fullUrl, else one made from its content

A reference by a condition that finds nothing becomes a logical one (`identifier` with `type`):
nothing that was said is lost, and a later import can put the literal one in its place.

Source: HL7 FHIR R4 4.0.1 §3.1.0.11.2 (references between entries, conditional references), §2.3.0.2
Logical References.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from citycare.kernel.fhir import bundles, validate
from citycare.kernel.fhir.bundles import Method, Step
from citycare.kernel.fhir.bundles.model import violation
from citycare.kernel.fhir.definitions import RESOURCES
from citycare.kernel.fhir.importing.asking import Asked, Found, condition_of, identifier_of
from citycare.kernel.fhir.importing.model import BATCH, Json, Options, Refused, fault, named
from citycare.kernel.fhir.model import Invalid, Violation
from citycare.kernel.fhir.rows import VIOLATIONS_MAX, Row, dumps, rest_of
from citycare.kernel.fhir.searching import indexing
from citycare.kernel.fhir.searching.keys import owner_key
from citycare.kit import ids


@dataclass(frozen=True, slots=True)
class Settled:
    """A group whose ids are decided.

    Attributes:
        given: what is asked.
        targets: by entry, the id its resource gets; none where its condition decides nothing.
        matched: creates whose resource is there: they write nothing.
        links: `Type/id` by fullUrl.
    """

    given: Asked
    targets: Mapping[int, str]
    matched: frozenset[int]
    links: Mapping[str, str]


def settled(given: Asked, found: Found) -> Settled:
    """Decide ids; `found`: what the conditions of `given` have found."""
    targets: dict[int, str] = {}
    matched = set()
    for step in given.plan.steps:
        condition = condition_of(step)
        matches = found.get(condition) if condition else ()
        if matches is None or len(matches) > 1:
            continue
        targets[step.place] = matches[0] if matches else _new_id(step, condition)
        if matches and step.method is Method.POST:
            matched.add(step.place)
    named_as = {
        step.place: f"{step.type}/{targets[step.place]}"
        for step in given.plan.steps
        if step.place in targets
    }
    links = bundles.addresses(given.plan, named_as)
    return Settled(given, targets, frozenset(matched), links)


def _new_id(step: Step, condition: str) -> str:
    resource = step.resource or {}
    if condition and step.method is Method.POST:
        return str(ids.derive("fhir.import", condition))
    given_id = step.id or resource.get("id")
    if isinstance(given_id, str):
        return given_id
    if condition:
        return str(ids.derive("fhir.import", condition))
    try:
        return str(UUID(step.full_url.removeprefix("urn:uuid:")))
    except ValueError:
        return str(ids.derive("fhir.import", _written(resource) or step.place))


@dataclass(frozen=True, slots=True)
class Draft:
    """So many resources of a group, to be written together; no id comes twice.

    Attributes:
        size: resources it settles.
        resources: with their steps; references to entries lead home.
        matched: creates whose resource was there.
        refused: what cannot be stored, and why.
        conditional: by entry, the conditions its references have.
    """

    size: int
    resources: Sequence[tuple[Step, Json]] = ()
    matched: int = 0
    refused: Sequence[Refused] = ()
    conditional: Mapping[int, AbstractSet[str]] = field(default_factory=dict)

    @property
    def conditions(self) -> frozenset[str]:
        """Return all conditions, to be looked for."""
        return frozenset().union(*self.conditional.values())


def drafts(settled: Settled, done: int = 0) -> Iterator[Draft]:
    """Yield what is to be written together, in a fixed order, behind what is done already."""
    given = settled.given
    early = given.refused[done:]
    if early:
        yield Draft(len(early), refused=early)
    slice_: dict[object, Step] = {}
    for step in given.plan.steps[max(0, done - len(given.refused)) :]:
        name = (step.type, settled.targets.get(step.place, step.place))
        if len(slice_) == BATCH or name in slice_:
            yield _draft(settled, list(slice_.values()))
            slice_ = {}
        slice_[name] = step
    if slice_:
        yield _draft(settled, list(slice_.values()))


def _draft(settled: Settled, steps: Sequence[Step]) -> Draft:
    resources, refused, conditional = [], [], {}
    matched = 0
    for step in steps:
        resource = step.resource
        assert resource is not None
        if step.place in settled.matched:
            matched += 1
            continue
        if step.place not in settled.targets:
            faults = [violation("?", step.at, "unresolved", condition_of(step))]
            refused.append(_refused(settled, step, faults))
            continue
        id_ = settled.targets[step.place]
        resource = resource if resource.get("id") == id_ else {**resource, "id": id_}
        noted = _Noted()
        try:
            resource = bundles.resolved(resource, settled.links, noted, root=step.root)
        except Invalid as error:
            refused.append(_refused(settled, step, error.violations))
            continue
        resources.append((step, resource))
        if noted:
            conditional[step.place] = noted.keys()
    return Draft(len(steps), resources, matched, refused, conditional)


class _Noted(dict[str, str]):
    """As `found` of `bundles.resolved`: leaves references by a condition, and notes them."""

    def __contains__(self, text: object) -> bool:
        if isinstance(text, str) and "?" in text and text.partition("?")[0] in RESOURCES:
            self[text] = text
            return True
        return False


def _refused(settled: Settled, step: Step, faults: Sequence[Violation]) -> Refused:
    id_ = settled.targets.get(step.place) or named(step.resource)["id_"]
    return Refused(settled.given.places[step.place], step.type, id_[:64], tuple(faults))


@dataclass(frozen=True, slots=True)
class Batch:
    """So many resources, ready to be written together; no id comes twice.

    Attributes:
        size: resources it settles.
        rows: to be put.
        matched: creates whose resource was there.
        refused: what cannot be stored, and why.
    """

    size: int
    rows: Sequence[Row]
    matched: int
    refused: Sequence[Refused]


def batch(settled: Settled, draft: Draft, found: Found, options: Options) -> Batch:
    """Check the resources of a draft, and make their rows.

    Args:
        settled: its group.
        draft: its resources are changed where they have references by a condition.
        found: what the conditions of the draft have found.
        options: if strict, a reference that finds nothing is refused.
    """
    rows, refused = [], list(draft.refused)
    for step, resource in draft.resources:
        faults = []
        if step.place in draft.conditional:
            faults = _find(resource, draft.conditional[step.place], found, options)
        faults = faults or validate.violations(resource)[:VIOLATIONS_MAX]
        rest = "" if faults else _rest(resource)
        if not faults and not rest:
            faults = [fault(step.type, "number", **named(resource))]
        if faults:
            refused.append(_refused(settled, step, faults))
            continue
        indexed = indexing.indexed(resource, options.base)
        if options.owner is not None:
            indexed = replace(indexed, keys=(*indexed.keys, owner_key(str(options.owner))))
        rows.append(Row(step.type, resource["id"], indexed, resource, rest))
    rows.sort(key=lambda row: (row.type, row.id))
    return Batch(draft.size, rows, draft.matched, refused)


def _written(resource: Json) -> str:
    """Write a resource; `""` where that cannot be: half a surrogate pair, a number of 30 digits."""
    try:
        return dumps(resource)
    except TypeError:
        return ""


def _rest(resource: Json) -> str:
    """Write a resource for its row; `""` where that cannot be, in its meta or elsewhere."""
    try:
        dumps(resource.get("meta"))
        return rest_of(resource)
    except TypeError:
        return ""


def _find(
    resource: Json, conditions: AbstractSet[str], found: Found, options: Options
) -> list[Violation]:
    """Lead references by a condition to what was found, or make them logical ones."""
    made: dict[str, Json] = {}
    lost = []
    for text in conditions:
        matches, asked_for = found.get(text), identifier_of(text)
        kind, system, value = asked_for or ("", "", "")
        if matches is not None and len(matches) == 1:
            made[text] = {"reference": f"{kind}/{matches[0]}"}
        elif matches is not None and not matches and not options.strict:
            identifier = {"system": system, "value": value} if system else {"value": value}
            made[text] = {"type": kind, "identifier": identifier}
        else:
            lost.append(violation("?", str(resource["resourceType"]), "unresolved", text))
    _lead(resource, made)
    return lost


def _lead(resource: Json, made: Mapping[str, Json]) -> None:
    """Replace references in place; level by level, so that depth costs no stack."""
    level: list[Any] = [resource]
    while level:
        value = level.pop()
        for one in value.values() if type(value) is dict else value:
            if type(one) is dict:
                text = one.get("reference")
                if type(text) is str and text in made:
                    del one["reference"]
                    one.update(made[text] | one)
                level.append(one)
            elif type(one) is list:
                level.append(one)
