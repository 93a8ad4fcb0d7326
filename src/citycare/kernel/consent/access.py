"""Ask the policy: may this actor do this, and what may this actor see.

Roles and "it is me" need no query. Only what is still open after that is looked up, and for all
claims at once: relations in one statement of `identity`, care and broken glass in one of ours.

What is refused about a person must be in the audit trail, but the request's transaction is
rolled back by the very error. So the error carries a `Refusal`, and the edge, after the rollback,
opens a transaction and calls `keep_refusals`. `require_many` returns errors instead of raising
them, so a batch calls it in its own transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from citycare.kernel import audit, identity
from citycare.kernel.consent import care
from citycare.kernel.consent.policy import (
    POLICY,
    BrokenGlass,
    Care,
    Ground,
    Guardian,
    Proxy,
    RoleAnywhere,
    RoleHere,
    RoleInCity,
    Self,
)
from citycare.kernel.context import Actor, Context, Grant, Role
from citycare.kit.db import Connection
from citycare.kit.errors import AppError, Forbidden, NotFound

GUARDIAN = "guardian"
SEEING = "person.read"


@dataclass(frozen=True, slots=True)
class Claim:
    """An actor wants to do this: about a person, in an organisation, or neither."""

    actor: Actor
    action: str
    person_id: UUID | None = None
    organisation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused, for the audit trail. Never shown to the one refused."""

    claim: Claim


class NotAllowed(Forbidden):
    """You may not do this."""

    def __init__(self, refusal: Refusal) -> None:
        """Tell the action; keep the rest for the audit trail."""
        super().__init__(action=refusal.claim.action)
        self.refusal = refusal


class NotVisible(NotFound):
    """There is nothing here that you can see."""

    def __init__(self, refusal: Refusal) -> None:
        """Tell nothing: it must look exactly like a thing that does not exist."""
        super().__init__()
        self.refusal = refusal


class SignInNeeded(Forbidden):
    """Sign in first."""

    code = "access.sign_in_needed"
    words = "请先登录，再继续办理。您填写的内容没有丢。"

    def __init__(self, refusal: Refusal) -> None:
        """Keep what was refused for the audit trail."""
        super().__init__()
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Scope:
    """What an actor may see, to put in a store's WHERE. Empty means nothing.

    `WHERE (%(everything)s OR person_id = ANY(%(persons)s)
            OR organisation_id = ANY(%(organisations)s))`
    """

    everything: bool = False
    persons: frozenset[UUID] = frozenset()
    organisations: frozenset[UUID] = frozenset()

    def params(self) -> dict[str, Any]:
        """Return the parameters of the WHERE above."""
        return {
            "everything": self.everything,
            "persons": list(self.persons),
            "organisations": list(self.organisations),
        }


@dataclass(slots=True)
class _Evidence:
    """What was looked up for a batch of claims."""

    powers: Mapping[tuple[UUID, UUID], frozenset[str] | None] = field(default_factory=dict)
    treated: frozenset[tuple[UUID, UUID]] = frozenset()  # (organisation, person)
    opened: frozenset[tuple[UUID, UUID]] = frozenset()  # (account, person)


NOTHING = _Evidence()


def holds(ground: Ground, claim: Claim, evidence: _Evidence = NOTHING) -> bool:
    """Decide one ground for one claim on the evidence at hand. Pure; anything unknown is no."""
    match ground:
        case Self() | Proxy() | Guardian():
            return _as_kin(ground, claim, evidence)
        case RoleAnywhere() | RoleInCity() | RoleHere():
            return _as_staff(ground, claim)
        case Care() | BrokenGlass():
            return _as_treating(ground, claim, evidence)


def _as_kin(ground: Self | Proxy | Guardian, claim: Claim, evidence: _Evidence) -> bool:
    if claim.actor.person_id is None or claim.person_id is None:
        return False
    power = _power(claim, evidence)
    match ground:
        case Self():
            return claim.actor.person_id == claim.person_id or power is None
        case Proxy(scope):
            return scope in (power or ())
        case Guardian():
            return GUARDIAN in (power or ())


def _as_staff(ground: RoleAnywhere | RoleInCity | RoleHere, claim: Claim) -> bool:
    city_wide = Grant(ground.role) in claim.actor.grants
    match ground:
        case RoleAnywhere(role):
            return claim.actor.has(role)
        case RoleInCity():
            return city_wide
        case RoleHere(role):
            here = claim.organisation_id
            return city_wide or (here is not None and claim.actor.has(role, here))


def _as_treating(ground: Care | BrokenGlass, claim: Claim, evidence: _Evidence) -> bool:
    actor, person = claim.actor, claim.person_id
    if person is None:
        return False
    match ground:
        case Care(role):
            return any((place, person) in evidence.treated for place in _places(actor, role))
        case BrokenGlass():
            return actor.has(Role.CLINICIAN) and (actor.account_id, person) in evidence.opened


def _power(claim: Claim, evidence: _Evidence) -> frozenset[str] | None:
    """Return what the actor may do for the person; None: it is the same person."""
    if claim.actor.person_id is None or claim.person_id is None:
        return frozenset()
    return evidence.powers.get((claim.actor.person_id, claim.person_id), frozenset())


def _places(actor: Actor, role: Role) -> list[UUID]:
    return [
        grant.organisation_id
        for grant in actor.grants
        if grant.role == role and grant.organisation_id is not None
    ]


def _allowed(claim: Claim, evidence: _Evidence = NOTHING) -> bool:
    return any(holds(ground, claim, evidence) for ground in POLICY[claim.action].grounds)


def _refuse(claim: Claim, evidence: _Evidence) -> AppError:
    """Choose what the refused one is told: nobody learns of a person they may not see."""
    refusal = Refusal(claim)
    if claim.actor.account_id is None:
        return SignInNeeded(refusal)
    seeing = Claim(claim.actor, SEEING, claim.person_id, claim.organisation_id)
    if claim.person_id is None or _power(claim, evidence) != frozenset():
        return NotAllowed(refusal)
    return NotAllowed(refusal) if _allowed(seeing, evidence) else NotVisible(refusal)


async def require_many(
    db: Connection, now: datetime, claims: Sequence[Claim]
) -> list[AppError | None]:
    """Decide many claims, in order: None is yes, an error is no and says how to refuse.

    Queries: none when all act for themselves or in a role; one for all relations where somebody
    acts for another; two more only where care or a broken glass could decide. A merged person's
    old id counts as the person, on both sides.

    Raises:
        KeyError: the action is not in the policy; a fault of ours, so nothing is allowed.
    """
    answers: list[AppError | None] = [None] * len(claims)
    pending = [i for i, claim in enumerate(claims) if not _allowed(claim)]
    if not pending:
        return answers
    evidence = _Evidence()
    evidence.powers = await identity.list_powers(db, _pairs(claims[i] for i in pending), now)
    pending = [i for i in pending if not _allowed(claims[i], evidence)]
    questions = [_question(claims[i]) for i in pending]
    asked = [question for question in questions if question is not None]
    if asked:
        await _look_up_care(db, now, asked, evidence)
    for i in pending:
        if not _allowed(claims[i], evidence):
            answers[i] = _refuse(claims[i], evidence)
    return answers


async def _look_up_care(
    db: Connection, now: datetime, asked: Sequence[care.Question], evidence: _Evidence
) -> None:
    """Fill in care and broken glass, also what stands under another id of the same person."""
    aliases = await identity.list_aliases(db, {question.person_id for question in asked})
    more = [
        replace(question, person_id=other)
        for question in asked
        for other in aliases.get(question.person_id, ())
    ]
    treated, opened = await care.list_open(db, [*asked, *more], now)
    evidence.treated, evidence.opened = (
        found | {(who, person) for person, others in aliases.items() for who, other in found
                 if other in others}
        for found in (treated, opened)
    )  # fmt: skip


def _pairs(claims: Iterable[Claim]) -> list[tuple[UUID, UUID]]:
    """List who wants to act for whom, where a relation could decide it."""
    return list(
        {
            (claim.actor.person_id, claim.person_id): None
            for claim in claims
            if claim.actor.person_id is not None
            and claim.person_id is not None
            and any(
                isinstance(ground, Self | Proxy | Guardian)
                for ground in POLICY[claim.action].grounds
            )
        }
    )


def _question(claim: Claim) -> care.Question | None:
    """Say what to look up about care for one claim, or None where it could not help."""
    if claim.person_id is None:
        return None
    grounds = POLICY[claim.action].grounds
    places = [
        place
        for ground in grounds
        if isinstance(ground, Care)
        for place in _places(claim.actor, ground.role)
    ]
    glass = BrokenGlass() in grounds and claim.actor.has(Role.CLINICIAN)
    account = claim.actor.account_id if glass else None
    return care.Question(claim.person_id, tuple(places), account) if places or account else None


async def require(
    cx: Context,
    action: str,
    person_id: UUID | None = None,
    organisation_id: UUID | None = None,
) -> None:
    """Let the actor of this context through, or raise.

    Raises:
        SignInNeeded: nobody is signed in.
        NotAllowed: the actor may know of the person or thing but not do this (Forbidden).
        NotVisible: the actor may not even know of the person (NotFound).
    """
    claim = Claim(cx.actor, action, person_id, organisation_id)
    error = (await require_many(cx.db, cx.now, [claim]))[0]
    if error is not None:
        raise error


def refusals_in(errors: Iterable[BaseException | None]) -> list[Refusal]:
    """Pick what belongs in the audit trail: refusals that touch a person."""
    refused = [getattr(error, "refusal", None) for error in errors]
    return [
        refusal
        for refusal in refused
        if isinstance(refusal, Refusal) and refusal.claim.person_id is not None
    ]


async def keep_refusals(cx: Context, errors: Iterable[BaseException | None]) -> int:
    """Write refused attempts about a person to the audit trail; return how many.

    The edge calls it in a transaction of its own after the request's has been rolled back; a
    batch calls it in its own. `cx.actor` must be the one who was refused.
    """
    refusals = refusals_in(errors)
    entries = [
        audit.Entry(
            refusal.claim.action,
            refusal.claim.person_id,
            f"person/{refusal.claim.person_id}",
            "refused",
            {"organisation": str(refusal.claim.organisation_id or "")},
        )
        for refusal in refusals
    ]
    if entries:
        await audit.append(cx, entries)
    return len(entries)


async def visible(cx: Context, action: str) -> Scope:
    """Return what the actor may see for an action. A list never shows more than `require` would.

    People under care are the 5,000 whose care began last; a longer list must be narrowed by the
    page's own filter (a ward, a day).
    """
    grounds = POLICY[action].grounds
    if any(isinstance(ground, RoleAnywhere | RoleInCity) and holds(
        ground, Claim(cx.actor, action)) for ground in grounds):  # fmt: skip
        return Scope(everything=True)
    persons: set[UUID] = set()
    organisations: set[UUID] = set()
    treating: set[UUID] = set()
    for ground in grounds:
        match ground:
            case RoleHere(role):
                if Grant(role) in cx.actor.grants:
                    return Scope(everything=True)
                organisations.update(_places(cx.actor, role))
            case Care(role):
                treating.update(_places(cx.actor, role))
            case Self() | Proxy() | Guardian() if cx.actor.person_id is not None:
                persons |= await _acted_for(cx, cx.actor.person_id, ground)
    glass = BrokenGlass() in grounds and cx.actor.has(Role.CLINICIAN)
    account = cx.actor.account_id if glass else None
    if treating or account:
        treated = await care.list_treated(cx.db, treating, account, cx.now)
        aliases = await identity.list_aliases(cx.db, treated)
        persons |= treated.union(*aliases.values())
    return Scope(persons=frozenset(persons), organisations=frozenset(organisations))


async def visible_of(cx: Context, action: str, person_id: UUID) -> Scope:
    """Return what the actor may see of one person: all, or what is in their own organisations.

    Staff who may not see everything of the person get the scope of their houses: a store then
    finds what the person has there, and nothing of a person who has nothing there.

    Raises:
        SignInNeeded, NotAllowed, NotVisible: as `require`, for who holds no role that could help.
    """
    claim = Claim(cx.actor, action, person_id)
    error = (await require_many(cx.db, cx.now, [claim]))[0]
    if error is None:
        return Scope(persons=frozenset({person_id}))
    roles = [one.role for one in POLICY[action].grounds if isinstance(one, RoleHere)]
    houses = frozenset(place for role in roles for place in _places(cx.actor, role))
    if not houses:
        raise error
    return Scope(organisations=houses)


async def _acted_for(cx: Context, me: UUID, ground: Self | Proxy | Guardian) -> frozenset[UUID]:
    scope = {Self: "", Guardian: GUARDIAN}.get(type(ground), getattr(ground, "scope", ""))
    return await identity.list_acted_for(cx.db, me, scope, cx.now)
