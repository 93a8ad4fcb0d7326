"""The truth table: every action against every kind of actor; a new row without a line fails."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

import pytest

from citycare.kernel import consent, identity
from citycare.kernel.consent import CareRow, Claim, NotAllowed, NotVisible, SignInNeeded
from citycare.kernel.consent.policy import POLICY
from citycare.kernel.context import ANONYMOUS, SYSTEM, Actor, Context, Grant, Role
from citycare.kernel.identity import NewPerson, ProxyScope, RelationKind, Sex
from citycare.kit import ids
from tests.trail import about

HERE, ELSEWHERE = ids.derive("hospital", 31), ids.derive("hospital", 37)
SELF_AND_PROXY = {"self", "merged", "guardian", "proxy booking"}
CITY = {"city clerk"}

# Who may do the action to a person who is treated HERE, on a thing that belongs to HERE.
BOOKING = SELF_AND_PROXY | CITY | {"clerk here", "gp here", "system"}
TRUTH: dict[str, set[str]] = {
    "booking.read": BOOKING | {"scheduler here", "clinician here", "clinician with glass"},
    "booking.book": BOOKING,
    "booking.cancel": BOOKING,
    "booking.reschedule": BOOKING,
    "booking.wait": BOOKING,
    "booking.enter_draw": BOOKING,
    "booking.arrive": (BOOKING | {"clinician here"}) - {"gp here"},
    "booking.list_day": CITY | {"clerk here", "scheduler here", "clinician here", "system"},
    "booking.schedule": {"scheduler here", "system"},
    "booking.stop_clinic": {"scheduler here", "system"},
    "booking.draw": {"scheduler here", "system"},
    "triage.ask": BOOKING,
    "preconsult.answer": BOOKING - {"gp here"},
    "preconsult.read": {"clinician here", "clinician with glass", "gp here", "system"},
    "preconsult.review": {"clinician here", "gp here", "system"},
    "hold.appeal": SELF_AND_PROXY | CITY | {"clerk here", "clerk elsewhere", "system"},
    "hold.decide": {"operator", "system"},
    "person.register": (
        SELF_AND_PROXY
        | CITY
        | {
            "stranger",
            "proxy record",
            "clerk here",
            "clerk elsewhere",
            "clinician here",
            "operator",
        }
        | {"clinician elsewhere", "clinician with glass", "gp here", "gp elsewhere", "system"}
    ),
    "person.search": CITY | {"clerk here", "clerk elsewhere", "operator", "system"},
    "person.read": (
        {"self", "merged", "guardian", "clerk here", "clerk elsewhere", "clinician here"}
        | {"clinician with glass", "gp here", "operator", "system"}
        | CITY
    ),
    "person.correct": {"self", "merged", "guardian", "clerk here", "clerk elsewhere"} | CITY,
    "person.relations": (
        {"self", "merged", "guardian", "clerk here", "clerk elsewhere", "system"} | CITY
    ),
    "record.read": (
        {"self", "merged", "guardian", "proxy record", "clinician here", "clinician with glass"}
        | {"gp here", "system"}
    ),
    "record.write": {"clinician here", "gp here", "system"},
    "record.exchange": {"system here", "system of the city", "system"},
    "record.break_glass": {"clinician here", "clinician elsewhere", "clinician with glass"},
    "record.access_log": {"self", "merged", "guardian", "proxy record", "operator"},
    "consent.give": {"self", "merged", "guardian"},
    "session.manage": {"self", "merged"},
    "operator.jobs": {"operator"},
    "operator.audit": {"operator"},
    "operator.policy": {"operator"},
    "operator.questionnaires": {"operator"},
    "operator.people": {"operator"},
    "operator.accounts": {"operator"},
    "operator.record": {"operator"},
}


@dataclass(frozen=True)
class City:
    """One person treated HERE, and everybody who might want something of them."""

    cx: Context
    person: UUID
    merged: UUID
    actors: dict[str, Actor]


async def _person(cx: Context, name: str) -> UUID:
    new = NewPerson(name, Sex.FEMALE, date(1947, 7, 7))
    return (await identity.register_person(cx, new)).id


def _actor(person: UUID | None, *grants: Grant) -> Actor:
    return Actor(ids.new(), person, (Grant(Role.RESIDENT), *grants), ids.new(), "x")


MERGE = "UPDATE identity.person SET merged_into = %(kept)s WHERE id = %(merged)s"
GLASS = """
    INSERT INTO consent.break_glass (id, account_id, person_id, reason, opened_at, ends_at)
    VALUES (%(id)s, %(account)s, %(person)s, 'found unconscious in the street', %(now)s, %(until)s)
"""


@pytest.fixture
async def city(cx: Context) -> City:
    person, merged = await _person(cx, "沈玉兰"), await _person(cx, "沈玉蘭")
    await cx.db.execute(MERGE, {"kept": person, "merged": merged})
    proxies = {name: await _person(cx, name) for name in ("guardian", "booking", "record")}
    for name, proxy in proxies.items():
        kind = RelationKind.GUARDIAN if name == "guardian" else RelationKind.RELATIVE
        scopes = tuple(ProxyScope) if name == "guardian" else (ProxyScope(name),)
        await identity.add_relation(cx, person, proxy, kind, scopes)
    window = consent.care_window(cx.now, 1, 30)
    await consent.open_care(cx, [CareRow(person, HERE, None, "booking:4", *window)])
    glass = _actor(None, Grant(Role.CLINICIAN, ELSEWHERE))
    opened = {"id": ids.new(), "account": glass.account_id, "person": person, "now": cx.now}
    await cx.db.execute(GLASS, opened | {"until": cx.now + timedelta(hours=24)})
    actors = {
        "anonymous": ANONYMOUS,
        "stranger": _actor(await _person(cx, "stranger")),
        "self": _actor(person),
        "guardian": _actor(proxies["guardian"]),
        "proxy booking": _actor(proxies["booking"]),
        "proxy record": _actor(proxies["record"]),
        "clerk here": _actor(None, Grant(Role.CLERK, HERE)),
        "clerk elsewhere": _actor(None, Grant(Role.CLERK, ELSEWHERE)),
        "city clerk": _actor(None, Grant(Role.CLERK)),
        "scheduler here": _actor(None, Grant(Role.SCHEDULER, HERE)),
        "scheduler elsewhere": _actor(None, Grant(Role.SCHEDULER, ELSEWHERE)),
        "clinician here": _actor(None, Grant(Role.CLINICIAN, HERE)),
        "clinician elsewhere": _actor(None, Grant(Role.CLINICIAN, ELSEWHERE)),
        "clinician with glass": glass,
        "gp here": _actor(None, Grant(Role.COMMUNITY_GP, HERE)),
        "gp elsewhere": _actor(None, Grant(Role.COMMUNITY_GP, ELSEWHERE)),
        "operator": _actor(None, Grant(Role.OPERATOR)),
        "system here": _actor(None, Grant(Role.EXCHANGE, HERE)),
        "system elsewhere": _actor(None, Grant(Role.EXCHANGE, ELSEWHERE)),
        "system of the city": _actor(None, Grant(Role.EXCHANGE)),
        "system": SYSTEM,
    }
    # staff accounts without a person are no residents
    for name, actor in actors.items():
        if actor.person_id is None and actor not in (ANONYMOUS, SYSTEM):
            actors[name] = replace(actor, grants=actor.grants[1:])
    return City(cx, person, merged, actors)


def test_the_table_covers_the_policy() -> None:
    assert set(TRUTH) == set(POLICY)


@pytest.mark.parametrize("action", POLICY)
async def test_who_may(city: City, action: str) -> None:
    claims = [Claim(actor, action, city.person, HERE) for actor in city.actors.values()]
    claims.append(Claim(city.actors["self"], action, city.merged, HERE))
    answers = await consent.require_many(city.cx.db, city.cx.now, claims)
    names = [*city.actors, "merged"]
    allowed = {name for name, answer in zip(names, answers, strict=True) if answer is None}
    assert allowed == TRUTH[action]


async def test_who_may_not_see_the_person_is_told_there_is_nobody(city: City) -> None:
    names = ("anonymous", "stranger", "clinician elsewhere", "gp elsewhere", "clerk elsewhere")
    claims = [Claim(city.actors[name], "booking.cancel", city.person, HERE) for name in names]
    claims.append(Claim(city.actors["proxy record"], "booking.cancel", city.person, HERE))
    answers = await consent.require_many(city.cx.db, city.cx.now, claims)
    kinds = [SignInNeeded, NotVisible, NotVisible, NotVisible, NotAllowed, NotAllowed]
    assert [type(answer) for answer in answers] == kinds
    hidden = answers[1]
    assert hidden is not None
    assert (hidden.code, hidden.facts) == ("request.not_found", {})
    unknown = replace(city.cx, actor=city.actors["stranger"])
    with pytest.raises(NotVisible):
        await consent.require(unknown, "booking.cancel", ids.new(), HERE)


async def test_an_action_outside_the_policy_is_a_fault(city: City) -> None:
    with pytest.raises(KeyError):
        await consent.require(city.cx, "booking.steal", city.person)


@pytest.mark.parametrize("action", POLICY)
async def test_a_list_never_shows_more_than_asking_one_by_one(city: City, action: str) -> None:
    for name, actor in city.actors.items():
        cx = replace(city.cx, actor=actor)
        scope = await consent.visible(cx, action)
        claim = Claim(actor, action, city.person, HERE)
        allowed = (await consent.require_many(cx.db, cx.now, [claim]))[0] is None
        shown = city.person in scope.persons or HERE in scope.organisations
        assert (scope.everything or shown) == allowed, name
        assert set(scope.params()) == {"everything", "persons", "organisations"}


async def test_time_closes_what_relations_and_care_opened(city: City) -> None:
    late = city.cx.now + timedelta(days=31)
    asked = {"clinician here": "record.read", "clinician with glass": "record.read"}
    claims = [Claim(city.actors[name], action, city.person) for name, action in asked.items()]
    assert await consent.require_many(city.cx.db, city.cx.now, claims) == [None, None]
    assert None not in await consent.require_many(city.cx.db, late, claims)
    await consent.close_care(city.cx, ["booking:4"])
    answers = await consent.require_many(city.cx.db, city.cx.now, claims)
    assert isinstance(answers[0], NotVisible)
    assert answers[1] is None


async def test_refusals_about_a_person_reach_the_audit_trail(city: City) -> None:
    claims = [
        Claim(city.actors["stranger"], "record.read", city.person),
        Claim(city.actors["stranger"], "operator.jobs"),
        Claim(city.actors["self"], "record.read", city.person),
    ]
    errors = await consent.require_many(city.cx.db, city.cx.now, claims)
    cx = replace(city.cx, actor=city.actors["stranger"])
    assert await consent.keep_refusals(cx, errors) == 1
    seen = (await about(cx, city.person))[0]
    assert (seen.action, seen.outcome) == ("record.read", "refused")
    assert seen.account_id == cx.actor.account_id


async def test_care_under_an_old_id_opens_the_merged_persons_record(city: City) -> None:
    window = consent.care_window(city.cx.now, 1, 30)
    await consent.close_care(city.cx, ["booking:4"])
    await consent.open_care(city.cx, [CareRow(city.merged, HERE, None, "booking:9", *window)])
    doctor, other = city.actors["clinician here"], city.actors["clinician elsewhere"]
    claims = [
        Claim(actor, "record.read", person)
        for actor in (doctor, other)
        for person in (city.person, city.merged)
    ]
    answers = await consent.require_many(city.cx.db, city.cx.now, claims)
    assert [answer is None for answer in answers] == [True, True, False, False]
    scope = await consent.visible(replace(city.cx, actor=doctor), "record.read")
    assert scope.persons == {city.person, city.merged}


async def test_self_and_role_ask_the_database_nothing(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(type(city.cx.db), "execute", fault)
    monkeypatch.setattr(type(city.cx.db), "cursor", fault)
    names = ("self", "clerk here", "city clerk", "system")
    claims = [Claim(city.actors[name], "booking.book", city.person, HERE) for name in names]
    assert await consent.require_many(city.cx.db, city.cx.now, claims) == [None] * 4
    claim = Claim(city.actors["guardian"], "booking.book", city.person, HERE)
    with pytest.raises(AssertionError):
        await consent.require_many(city.cx.db, city.cx.now, [claim])
