"""Break-glass with review, and consent records."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest

from citycare.kernel import consent, identity
from citycare.kernel.consent import NotAllowed, NotVisible, Review, given, glass
from citycare.kernel.context import Actor, Context, Grant, Role
from citycare.kernel.identity import NewPerson, Sex
from citycare.kernel.identity.model import PersonUnknown
from citycare.kit import ids
from tests.trail import about

WHY = "患者昏迷送来,抢救需要了解过敏史"
ADULT = NewPerson("纪云帆", Sex.MALE, date(1966, 10, 31))


def _as(cx: Context, person: UUID | None, *grants: Grant) -> Context:
    everybody = (Grant(Role.RESIDENT),) if person else ()
    return replace(cx, actor=Actor(ids.new(), person, everybody + grants, ids.new(), "x"))


@pytest.fixture
async def person(cx: Context) -> UUID:
    return (await identity.register_person(cx, ADULT)).id


@pytest.fixture
def doctor(cx: Context) -> Context:
    return _as(cx, None, Grant(Role.CLINICIAN, ids.derive("hospital", 8)))


@pytest.fixture
def operator(cx: Context) -> Context:
    return _as(cx, None, Grant(Role.OPERATOR))


async def test_broken_glass_opens_for_the_hours_of_the_policy(
    doctor: Context, person: UUID
) -> None:
    with pytest.raises(NotVisible):
        await consent.require(doctor, "record.read", person)
    opened = await consent.break_glass(doctor, person, f"  {WHY} ")
    assert (opened.reason, opened.ends_at - opened.opened_at) == (WHY, timedelta(hours=24))
    await consent.require(doctor, "record.read", person)
    assert person in (await consent.visible(doctor, "record.read")).persons
    with pytest.raises(NotVisible):
        await consent.require(replace(doctor, now=opened.ends_at), "record.read", person)
    colleague = _as(doctor, None, *doctor.actor.grants)
    with pytest.raises(NotVisible):
        await consent.require(colleague, "record.read", person)
    line = (await about(doctor, person))[0]
    assert (line.action, line.detail["reason"]) == ("record.break_glass", WHY)


async def test_who_may_not_break_the_glass_and_why(
    cx: Context, doctor: Context, person: UUID
) -> None:
    for short in ("", "急", "急诊抢救 用药史", " " * 40):
        with pytest.raises(glass.ReasonTooShort):
            await consent.break_glass(doctor, person, short)
    with pytest.raises(PersonUnknown):
        await consent.break_glass(doctor, ids.new(), WHY)
    for other in (_as(cx, person), _as(cx, None, Grant(Role.CLERK)), cx):
        with pytest.raises(consent.SignInNeeded if other is cx else NotAllowed):
            await consent.break_glass(other, person, WHY)


async def test_every_one_is_reviewed_and_not_by_oneself(
    doctor: Context, operator: Context, person: UUID
) -> None:
    opened = [await consent.break_glass(doctor, person, f"{WHY} {n}") for n in range(3)]
    first = await consent.list_unreviewed(operator, limit=2)
    assert first.next is not None
    second = await consent.list_unreviewed(operator, first.next, limit=2)
    assert {one.id for one in (*first.items, *second.items)} == {one.id for one in opened}
    done = await consent.review(operator, opened[0].id, Review.JUSTIFIED, "抢救记录属实")
    assert (done.verdict, done.ends_at) == (Review.JUSTIFIED, opened[0].ends_at)
    with pytest.raises(glass.GlassReviewed):
        await consent.review(operator, opened[0].id, Review.UNJUSTIFIED)
    with pytest.raises(glass.GlassUnknown):
        await consent.review(operator, ids.new(), Review.JUSTIFIED)
    both = replace(doctor, actor=replace(doctor.actor, grants=(Grant(Role.OPERATOR),)))
    with pytest.raises(glass.OwnReview):
        await consent.review(both, opened[1].id, Review.JUSTIFIED)
    with pytest.raises(NotAllowed):
        await consent.list_unreviewed(doctor)
    with pytest.raises(NotAllowed):
        await consent.review(doctor, opened[1].id, Review.JUSTIFIED)


async def test_unjustified_closes_it_at_once(
    doctor: Context, operator: Context, person: UUID
) -> None:
    opened = await consent.break_glass(doctor, person, WHY)
    await consent.review(operator, opened.id, Review.UNJUSTIFIED, "与诊疗无关")
    with pytest.raises(NotVisible):
        await consent.require(doctor, "record.read", person)


NEW_WORDS = """
    INSERT INTO consent.purpose (purpose, version, words, sensitive, effective_from)
    VALUES ('record.share', 2, '新的说明', true, %(now)s)
"""


async def test_consent_is_given_versioned_and_taken_back(cx: Context, person: UUID) -> None:
    mine = _as(cx, person)
    assert not await consent.has(cx, person, "record.share")
    for _ in range(2):
        await consent.give(mine, person, "record.share")
    assert await consent.has(cx, person, "record.share")
    assert not await consent.has(cx, person, "follow_up.contact")
    await cx.db.execute(NEW_WORDS, {"now": cx.now})
    assert not await consent.has(cx, person, "record.share")
    await consent.give(mine, person, "record.share")
    assert [one.version for one in await consent.list_given(cx, person)] == [2, 1]
    await consent.withdraw(mine, person, "record.share")
    await consent.withdraw(mine, person, "record.share")
    assert not await consent.has(cx, person, "record.share")
    assert all(one.withdrawn_at == cx.now for one in await consent.list_given(cx, person))
    actions = [line.action for line in await about(cx, person)]
    assert actions.count("consent.given") == 2
    assert actions.count("consent.withdrawn") == 1
    with pytest.raises(given.PurposeUnknown):
        await consent.give(mine, person, "sell.data")
    assert {one.purpose for one in await consent.list_purposes(cx)} >= {"record.share"}


async def test_a_guardian_decides_for_a_child_until_fourteen(cx: Context, person: UUID) -> None:
    child = NewPerson("纪小满", Sex.FEMALE, date(2012, 11, 23), guardian_id=person)
    minor = (await identity.register_person(cx, child)).id
    with pytest.raises(given.GuardianMustDecide):
        await consent.give(_as(cx, minor), minor, "record.share")
    await consent.give(_as(cx, person), minor, "record.share")
    with pytest.raises(given.GuardianMustDecide):
        await consent.withdraw(_as(cx, minor), minor, "record.share")
    with pytest.raises(NotVisible):
        await consent.withdraw(_as(cx, ids.new()), minor, "record.share")
    birthday = replace(_as(cx, minor), now=cx.now + timedelta(days=1))
    await consent.withdraw(birthday, minor, "record.share")
    assert not await consent.has(cx, minor, "record.share")
