"""`$match`: who of the record's Patients somebody may be, weighed as the person index weighs.

Candidates are those with the same identifier, phone, or sound of the name, or born on the same day
with the same first letter; each is compared field by field. It only ever proposes, and shows what
the caller may see anyway.

Source: HL7 FHIR R4 4.0.1, operation Patient/$match, extension match-grade; the weights:
`kernel.identity.matching` (Fellegi, Sunter 1969).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import orjson

from citycare.kernel import fhir
from citycare.kernel.context import Context, Role, policy
from citycare.kernel.fhir import finding
from citycare.kernel.fhir.finding import Hit
from citycare.kernel.fhir.integrity import persons_of
from citycare.kernel.fhir.searching import reading
from citycare.kernel.identity import Person, Sex, matching, names
from citycare.scenarios.exchange.model.calls import Answer
from citycare.scenarios.exchange.model.errors import NotPermitted
from citycare.scenarios.exchange.model.values import Spliced
from citycare.scenarios.exchange.rules import responses
from citycare.scenarios.exchange.service.operations.given import wrong
from citycare.scenarios.exchange.service.operations.model import Operating

Json = dict[str, Any]

TAKES = frozenset(("resource", "onlyCertainMatches", "count"))
CANDIDATES_MAX = 200  # of each way to look; as the person index does
COUNT_MAX, COUNT_DEFAULT = 100, 10
WORKERS = (Role.EXCHANGE, Role.OPERATOR, Role.SYSTEM)
CERTAIN, PROBABLE, POSSIBLE = "certain", "probable", "possible"
ORDER = (CERTAIN, PROBABLE, POSSIBLE)
BITS_MAX = 60.0  # beyond, the score is 0 or 1 to any digit it is written with
NOBODY = UUID(int=0)
NEVER = datetime.min.replace(tzinfo=UTC)
SEXES = {"male": Sex.MALE, "female": Sex.FEMALE}


@dataclass(frozen=True, slots=True)
class Graded:
    """A candidate: how likely, and in R4's word."""

    hit: Hit
    score: float
    grade: str


async def match(asked: Operating) -> Answer:
    """Answer Patients that may be this one, the likeliest first.

    Raises:
        NotPermitted: asked by a person; this is for systems and operators.
        Invalid: the Patient breaks the rules.
        ParameterWrong: it has no name, or no whole date of birth.
    """
    asked.access.require("Patient", "s")
    if not any(asked.cx.actor.has(role) for role in WORKERS):
        raise NotPermitted(type="Patient", interaction="match")
    given = asked.given
    resource = given.resource("resource", "Patient")
    if resource is None:
        raise wrong("resource", "", "missing")
    faults = fhir.violations(resource | {"id": "asked"})
    if faults:
        raise fhir.Invalid(faults)
    somebody = _person(resource)
    if somebody is None:
        raise wrong("resource", "", "needs a name and a whole birthDate")
    count = given.number("count")
    most = min(COUNT_DEFAULT if count is None else count, COUNT_MAX)
    found = await _graded(asked, resource, somebody)
    if given.flag("onlyCertainMatches"):
        found = [one for one in found if one.grade == CERTAIN]
        found = found if len(found) == 1 else []  # of several none is certain
    found = found[:most]
    persons = {name for one in found for name in persons_of(orjson.loads(one.hit.body))}
    await asked.note(persons)
    entries = [
        Spliced(f"{asked.base}/Patient/{one.hit.id}", one.hit.body, "match", one.score, one.grade)
        for one in found
    ]
    links = responses.links(asked.base, asked.path, ())
    text = responses.searchset(entries, links=links, total=len(found), updated_at=asked.cx.now)
    return Answer(200, text)


async def _graded(asked: Operating, resource: Json, somebody: Person) -> list[Graded]:
    rules = await policy.values(asked.cx, "identity.match.")
    found = []
    for hit in (await _candidates(asked, resource, somebody)).values():
        other = orjson.loads(hit.body)
        graded = _grade(resource, other, somebody, rules)
        if graded is not None and not _replaced(other):
            found.append(Graded(hit, *graded))
    found.sort(key=lambda one: (ORDER.index(one.grade), -one.score, one.hit.id))
    return found


def _grade(
    resource: Json, other: Json, somebody: Person, rules: Mapping[str, Any]
) -> tuple[float, str] | None:
    """Return score and grade; None: certainly not.

    The score is 1 / (1 + 2^(t − w)) of the weight w in bits, where t is the weight from which the
    person index proposes: there it is one half. The same identifier makes certain what does not
    speak against it; two numbers of one system make two people.
    """
    same, differ = _identifiers(resource, other)
    person = _person(other)
    if person is None:
        return (1.0, PROBABLE) if same else None
    weight = matching.compare(somebody, person, rules["odds"]).weight
    over = max(-BITS_MAX, min(BITS_MAX, weight - rules["propose_weight"]))
    score = round(1 / (1 + 2**-over), 4)
    if same:
        return (1.0, CERTAIN) if weight > 0 else (score, POSSIBLE)
    if differ or weight <= 0:
        return None
    return score, PROBABLE if over >= 0 else POSSIBLE


def _identifiers(left: Json, right: Json) -> tuple[bool, bool]:
    """Tell whether two have one number, and whether they have two in one system."""
    mine, theirs = _numbers(left), _numbers(right)
    same = any(mine[system] & theirs[system] for system in mine.keys() & theirs.keys())
    return same, not same and bool(mine.keys() & theirs.keys())


def _numbers(resource: Json) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in resource.get("identifier", ()):
        if one.get("system") and one.get("value") and one.get("use") != "old":
            found.setdefault(one["system"], set()).add(one["value"])
    return found


def _replaced(resource: Json) -> bool:
    """Tell whether another record is to be used instead."""
    return any(one.get("type") == "replaced-by" for one in resource.get("link", ()))


async def _candidates(asked: Operating, resource: Json, somebody: Person) -> dict[int, Hit]:
    """Return whom it could be at all, each once."""
    ways: list[list[tuple[str, str]]] = []
    numbers = [(one, each) for one, some in _numbers(resource).items() for each in sorted(some)]
    if numbers:
        told = ",".join(f"{_escaped(system)}|{_escaped(number)}" for system, number in numbers)
        ways.append([("identifier", told)])
    spoken = list(dict.fromkeys(filter(None, (somebody.name, somebody.name_pinyin))))
    ways.append([("name", ",".join(map(_escaped, spoken)))])
    if somebody.phone:
        ways.append([("phone", _escaped(somebody.phone))])
    days = [somebody.born_on, matching.swapped(somebody.born_on)]
    born = ("birthdate", ",".join(one.isoformat() for one in days if one))
    ways.append([born, *([("name", somebody.name_initials[0])] if somebody.name_initials else [])])
    found: dict[int, Hit] = {}
    for pairs in ways:
        for hit in await _looked(asked.cx, asked, pairs):
            found[hit.rid] = hit
    return found


async def _looked(cx: Context, asked: Operating, pairs: list[tuple[str, str]]) -> Iterable[Hit]:
    limited = [*pairs, ("_count", str(CANDIDATES_MAX))]
    query = reading.read(("Patient",), limited, now=cx.now, base=asked.base)
    seen = asked.access.seen("s")
    return (await finding.find(cx, query, visible=seen, base=asked.base)).matches


def _escaped(text: str) -> str:
    for sign in "\\,|$":
        text = text.replace(sign, f"\\{sign}")
    return text


def _person(resource: Json) -> Person | None:
    """Read a Patient as the person index compares people; None: without name or date of birth."""
    name = next(filter(None, map(_name, resource.get("name", ()))), "")
    try:
        born_on = date.fromisoformat(resource.get("birthDate", ""))
    except ValueError:
        return None
    if not name:
        return None
    sound, initials = names.pinyin(name)
    phones = [
        one.get("value") for one in resource.get("telecom", ()) if one.get("system") == "phone"
    ]
    districts = [one.get("district") for one in resource.get("address", ())]
    return Person(
        id=NOBODY,
        name=name,
        name_pinyin=sound,
        name_initials=initials,
        sex=SEXES.get(resource.get("gender", ""), Sex.UNKNOWN),
        born_on=born_on,
        phone=next(filter(None, phones), None),
        district=next(filter(None, districts), None),
        address="",
        created_at=NEVER,
    )


def _name(told: Json) -> str:
    """Return a name as one text; Chinese names stand without a blank between their parts."""
    if told.get("text"):
        return str(told["text"])
    parts = [told.get("family", ""), *told.get("given", ())]
    text = " ".join(filter(None, parts))
    return text if text.isascii() else text.replace(" ", "")
