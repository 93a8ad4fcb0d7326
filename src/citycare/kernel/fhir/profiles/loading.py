"""Resources held to the profiles of the record: those they claim, and one that is asked for.

The check itself is pure; what it asks of value sets it is told in a second round, when they have
been asked.

Source: HL7 FHIR R4 4.0.1 §2.12 Meta.profile ("an assertion"); §5.1 Profiling FHIR.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.model import Violation
from citycare.kernel.fhir.profiles import library
from citycare.kernel.fhir.profiles.checking import Budget, violations
from citycare.kernel.fhir.profiles.compiling import is_own
from citycare.kernel.fhir.profiles.model import Json, Profile
from citycare.kernel.fhir.rows import VIOLATIONS_MAX
from citycare.kernel.fhir.terminology import implicit
from citycare.kit.errors import AppError

CLAIMED_MAX = 50
ASKED_MAX = 500  # codes that are asked for in one check
Question = tuple[str, tuple[terminology.Coding, ...]]
"""A value set, and codes of which one should be in it."""
QUESTION = 1_000  # steps that asking the database for a code is worth
ROUNDS = 3  # an expression may ask for a second code once it knows of the first


@dataclass(slots=True)
class Checks(Budget):
    """What all checks of one call share: how many steps are left, and what is known of codes.

    Attributes:
        answers: whether a code is in a value set; a text says why that cannot be told.
    """

    answers: dict[Question, bool | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of it.

    Attributes:
        violations: of all profiles, at most 100 of each.
        unknown: canonicals that are not here, or no profile of a resource, each with why.
        passed_over: what else was not checked, each with its profile and place, in English.
    """

    violations: tuple[Violation, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()
    passed_over: tuple[str, ...] = ()


def claims(resource: Json) -> list[str]:
    """Return the profiles a resource says it follows, R4's own types left out."""
    meta = resource.get("meta")
    named = meta.get("profile") if isinstance(meta, dict) else None
    texts = (one for one in (named if isinstance(named, list) else ()) if isinstance(one, str))
    return [one for one in dict.fromkeys(texts) if not is_own(one)]


async def claimed_violations(
    cx: Context, resources: Sequence[Json], checks: Checks
) -> list[Violation]:
    """Return what breaks the profiles that resources claim and that are here, at most 100."""
    claimed = [(one, claims(one)) for one in resources]
    wanted = {each for _, some in claimed for each in some[:CLAIMED_MAX]}
    if not wanted:
        return []
    known = await library.gathered(cx, wanted)
    found: list[Violation] = []
    for resource, some in claimed:
        found += (await _judged(cx, resource, some, known, checks)).violations if some else ()
        if len(found) >= VIOLATIONS_MAX:
            break
    return found[:VIOLATIONS_MAX]


async def judged(cx: Context, resource: Json, canonicals: Sequence[str] = ()) -> Judged:
    """Hold one resource to what it claims, and to these beside."""
    every = list(dict.fromkeys((*canonicals, *claims(resource))))
    known = await library.gathered(cx, every[:CLAIMED_MAX]) if every else {}
    return await _judged(cx, resource, every, known, Checks())


async def _judged(
    cx: Context, resource: Json, canonicals: Sequence[str], known: library.Heads, checks: Checks
) -> Judged:
    found: list[Violation] = []
    unknown, notes = [], []
    if len(canonicals) > CLAIMED_MAX:
        found.append(_too_many(resource))
    for canonical in canonicals[:CLAIMED_MAX]:
        profile = await library.profile_of(cx, known, canonical)
        if isinstance(profile, str):
            unknown.append((canonical, profile))
            continue
        some, more = await _held(cx, resource, profile, checks)
        found += some
        notes += [f"{canonical}: {one}" for one in (*profile.passed_over, *more)]
    return Judged(tuple(found), tuple(unknown), tuple(notes))


def _too_many(resource: Json) -> Violation:
    place = f"{resource.get('resourceType', '?')}.meta.profile"
    return Violation(
        str(resource.get("resourceType", "?")),
        str(resource.get("id", "?")),
        place,
        "profile-many",
        f"{place} 最多只能写{CLAIMED_MAX}个规范",
        f"{place} may name at most {CLAIMED_MAX} profiles",
    )


async def _held(
    cx: Context, resource: Json, profile: Profile, checks: Checks
) -> tuple[list[Violation], list[str]]:
    """Check against one profile, and say of which value sets nothing could be told."""
    answers = checks.answers
    asked: dict[Question, None] = {}

    def member(value: Any, canonical: str) -> bool | None:
        question = (canonical, _codings(value))
        if len(asked) < ASKED_MAX:
            asked[question] = None
        answer = answers.get(question)
        return answer if isinstance(answer, bool) else None

    found = violations(resource, profile, member, cx.now, checks)
    for _ in range(ROUNDS):
        new = [one for one in asked if one not in answers]
        if not new:
            break
        checks.left -= QUESTION * len(new)
        if checks.left >= 0:  # else the check that follows has no steps left, and says so
            await _ask(cx, new, answers)
        found = violations(resource, profile, member, cx.now, checks)
    told = {one: answers.get(one) for one in asked}
    notes = [f"codes of {one[0]}: {why}" for one, why in told.items() if isinstance(why, str)]
    return found, list(dict.fromkeys(notes))


async def _ask(
    cx: Context, questions: Sequence[Question], answers: dict[Question, bool | str]
) -> None:
    for question in questions:
        try:
            answers[question] = await _is_member(cx, *question)
        except AppError as error:
            answers[question] = str(error)


def _codings(value: Any) -> tuple[terminology.Coding, ...]:
    """Return the codes of a code, Coding, CodeableConcept or Quantity; not what they are called."""
    holder = value if isinstance(value, dict) else {"code": value}
    some = holder["coding"] if isinstance(holder.get("coding"), list) else [holder]
    pairs = [(one.get("code"), one.get("system", "")) for one in some if isinstance(one, dict)]
    return tuple(
        terminology.Coding(code, system)
        for code, system in pairs
        if isinstance(code, str) and isinstance(system, str) and code
    )


async def _is_member(cx: Context, canonical: str, codings: Sequence[terminology.Coding]) -> bool:
    """Tell whether one of the codes is in a value set; words without any are not.

    Raises:
        AppError: it cannot be told, because something is not here.
    """
    await implicit.compose_of(cx, canonical)
    unknown: AppError | None = None
    for coding in codings:
        try:
            if (await terminology.validate_code(cx, coding, canonical)).result:
                return True
        except terminology.Ask:
            return True  # several systems of the set have this code
        except AppError as error:
            unknown = error
    if unknown is not None:
        raise unknown
    return False
