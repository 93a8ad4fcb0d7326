"""Asking to act for somebody: nobody learns who is on record, nothing holds before a yes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest

from citycare.kernel import identity
from citycare.kernel.consent.given import GuardianMustDecide
from citycare.kernel.context import Actor, Context, policy
from citycare.kernel.identity import (
    Document,
    Kind,
    NewPerson,
    ProxyScope,
    RelationKind,
    RequestState,
    Sex,
    Way,
    Wish,
    documents,
    requests,
)
from citycare.kernel.identity.model import GuardianMissing
from citycare.kit import ids
from citycare.kit.errors import AppError
from tests.trail import about

BORN = {
    "林秀英": date(1959, 3, 12),
    "林静": date(1986, 6, 20),
    "周子安": date(2018, 9, 8),
    "小林": date(2010, 1, 1),
}


def number(name: str) -> Document:
    return documents.synthetic_number(BORN[name], Sex.FEMALE, 7)


async def register(cx: Context, name: str, guardian: UUID | None = None) -> UUID:
    new = NewPerson(name, Sex.FEMALE, BORN[name], guardian_id=guardian)
    return (await identity.register_person(cx, new, [number(name)], verified_by="window:t")).id


def wish(name: str, way: Way = Way.ACT_FOR, typed: str = "", **changes: object) -> Wish:
    made = Wish(way, typed or name, number(name), RelationKind.CHILD, (ProxyScope.BOOKING,))
    return replace(made, **changes)  # type: ignore[arg-type]


def as_person(cx: Context, person: UUID) -> Context:
    return replace(cx, actor=Actor(ids.new(), person, (), ids.new()))


async def power(cx: Context, proxy: UUID, person: UUID) -> frozenset[str] | None:
    return (await identity.list_powers(cx.db, [(proxy, person)], cx.now))[proxy, person]


async def test_nothing_holds_before_the_person_agrees(cx: Context) -> None:
    mother, daughter = await register(cx, "林秀英"), await register(cx, "林静")
    asked = await identity.ask_relation(as_person(cx, daughter), daughter, wish("林秀英"))
    assert await power(cx, daughter, mother) == frozenset()
    assert await identity.list_to_answer(cx, daughter) == []
    assert await identity.list_to_answer(cx, mother) == [asked]
    relation = await identity.agree(as_person(cx, mother), asked.id)
    assert (relation.person_id, relation.proxy_id) == (mother, daughter)
    assert await power(cx, daughter, mother) == frozenset({"booking"})
    with pytest.raises(requests.RequestOver):
        await identity.agree(as_person(cx, mother), asked.id)
    said = [one.action for one in await about(cx, mother)]
    assert {"relation.asked", "relation.agreed", "relation.added"} <= set(said)


async def test_the_other_way_round_the_proxy_agrees(cx: Context) -> None:
    mother, daughter = await register(cx, "林秀英"), await register(cx, "林静")
    until = cx.now + timedelta(days=365)
    asked = await identity.ask_relation(
        as_person(cx, mother), mother, wish("林静", Way.BE_ACTED_FOR, ends_at=until)
    )
    assert await identity.list_to_answer(cx, daughter) == [asked]
    relation = await identity.agree(as_person(cx, daughter), asked.id)
    assert (relation.person_id, relation.proxy_id) == (mother, daughter)
    assert relation.ends_at == until


@pytest.mark.parametrize("typed", ["林秀兰", "林 秀 英"])
async def test_the_asker_is_told_the_same_whoever_is_on_record(cx: Context, typed: str) -> None:
    await register(cx, "林秀英")
    daughter = await register(cx, "林静")
    hit = await identity.ask_relation(cx, daughter, wish("林秀英", typed=typed))
    nobody = replace(wish("林秀英"), document=documents.synthetic_number(BORN["小林"], Sex.MALE, 3))
    miss = await identity.ask_relation(cx, daughter, nobody)
    assert (hit.other_id is None) == (typed == "林秀兰")
    assert miss.other_id is None
    shown: list[Callable[[identity.Request], object]] = [
        lambda one: one.state,
        lambda one: one.expires_at,
        lambda one: one.answered_at,
    ]
    assert [of(hit) for of in shown] == [of(miss) for of in shown]
    assert set(await identity.list_asked(cx, [daughter])) == {hit, miss}


async def test_the_same_question_twice_is_one_request(cx: Context) -> None:
    daughter = await register(cx, "林静")
    first = await identity.ask_relation(cx, daughter, wish("林秀英"))
    assert await identity.ask_relation(cx, daughter, wish("林秀英")) == first


async def test_too_many_requests_wait(cx: Context) -> None:
    daughter = await register(cx, "林静")
    for n in range(5):
        await identity.ask_relation(cx, daughter, wish("林秀英", typed=f"人{n}"))
    with pytest.raises(requests.RequestTooMany):
        await identity.ask_relation(cx, daughter, wish("林秀英", typed="再一个"))
    later = replace(cx, now=cx.now + timedelta(days=8))
    await identity.ask_relation(later, daughter, wish("林秀英", typed="再一个"))


async def test_the_ages_that_sentences_say_are_those_of_policy(cx: Context) -> None:
    young = int(await policy.value(cx, "identity.guardian.age"))
    adult = int(await policy.value(cx, "identity.adult.age"))
    errors: tuple[type[AppError], ...] = (
        GuardianMissing, GuardianMustDecide, requests.GuardianDecides, requests.NotAChild,
    )  # fmt: skip
    for error in errors:
        assert f"未满{young}周岁" in error.words.replace(" ", "")
    assert f"满 {adult} 岁" in requests.ProxyTooYoung.words


async def test_old_requests_go_a_bounded_number_a_run(
    cx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    daughter = await register(cx, "林静")
    for name in ("林秀英", "小林"):
        await identity.ask_relation(cx, daughter, wish(name))
    late = replace(cx, now=cx.now + timedelta(days=98))
    monkeypatch.setattr(requests, "PURGED_MAX", 1)
    assert [await identity.purge_requests(late) for _ in range(3)] == [1, 1, 0]


async def test_a_request_runs_out_is_refused_or_taken_back(cx: Context) -> None:
    mother, daughter = await register(cx, "林秀英"), await register(cx, "林静")
    asked = await identity.ask_relation(cx, daughter, wish("林秀英"))
    late = replace(cx, now=asked.expires_at)
    with pytest.raises(requests.RequestOver):
        await identity.agree(late, asked.id)
    assert await identity.list_to_answer(late, mother) == []
    await identity.refuse(cx, asked.id)
    assert (await identity.get_request(cx, asked.id)).state is RequestState.REFUSED
    again = await identity.ask_relation(cx, daughter, wish("林秀英"))
    await identity.withdraw_request(cx, again.id)
    assert await identity.list_to_answer(cx, mother) == []
    assert await identity.purge_requests(late) == 0
    assert await identity.purge_requests(replace(cx, now=cx.now + timedelta(days=98))) == 2


async def test_a_new_yes_replaces_the_older_relation(cx: Context) -> None:
    mother, daughter = await register(cx, "林秀英"), await register(cx, "林静")
    await identity.add_relation(cx, mother, daughter, RelationKind.CHILD, tuple(ProxyScope))
    asked = await identity.ask_relation(cx, daughter, wish("林秀英"))
    await identity.agree(cx, asked.id)
    assert await power(cx, daughter, mother) == frozenset({"booking"})


async def test_children_and_minors_do_not_decide(cx: Context) -> None:
    mother = await register(cx, "林静")
    child = await register(cx, "周子安", guardian=mother)
    grandmother, teenager = await register(cx, "林秀英"), await register(cx, "小林")
    with pytest.raises(requests.ProxyTooYoung):
        await identity.ask_relation(cx, teenager, wish("林秀英"))
    with pytest.raises(requests.GuardianDecides):
        await identity.ask_relation(as_person(cx, child), child, wish("林秀英", Way.BE_ACTED_FOR))
    asked = await identity.ask_relation(cx, grandmother, wish("周子安"))
    assert await identity.list_to_answer(cx, mother) == []
    assert await identity.list_to_answer(cx, mother, [child]) == [asked]
    with pytest.raises(requests.GuardianDecides):
        await identity.agree(as_person(cx, child), asked.id)
    await identity.agree(as_person(cx, mother), asked.id)
    assert await power(cx, grandmother, child) == frozenset({"booking"})
    young = await identity.ask_relation(cx, mother, wish("小林", Way.BE_ACTED_FOR))
    assert young.other_id is None


@pytest.mark.parametrize(
    "changes", [{"scopes": ()}, {"kind": RelationKind.GUARDIAN}, {"name": " "}]
)
async def test_a_senseless_wish_is_refused(cx: Context, changes: dict[str, object]) -> None:
    daughter = await register(cx, "林静")
    with pytest.raises(identity.model.RelationRefused):
        await identity.ask_relation(cx, daughter, replace(wish("林秀英"), **changes))  # type: ignore[arg-type]
    with pytest.raises(identity.model.RelationRefused):
        await identity.ask_relation(cx, daughter, wish("林静"))


async def test_a_guardianship_does_not_end_by_a_click(cx: Context) -> None:
    mother = await register(cx, "林静")
    child = await register(cx, "周子安", guardian=mother)
    (relation,) = await identity.list_proxies(cx, child)
    with pytest.raises(requests.RelationStays):
        await identity.leave_relation(cx, relation.id)
    friend = await identity.add_relation(
        cx, child, await register(cx, "林秀英"), RelationKind.RELATIVE, [ProxyScope.BOOKING]
    )
    assert (await identity.leave_relation(cx, friend.id)).ends_at == cx.now


async def test_a_child_is_registered_on_the_guardians_word_and_opens_no_record(
    cx: Context,
) -> None:
    mother = await register(cx, "林静")
    known = await register(cx, "周子安", guardian=await register(cx, "林秀英"))
    new = NewPerson("周子安", Sex.FEMALE, BORN["周子安"], guardian_id=mother)
    made = await identity.register_child(cx, new, number("周子安"))
    assert made.id != known
    assert await power(cx, mother, known) == frozenset()
    assert "guardian" in (await power(cx, mother, made.id) or ())
    for n in range(2):
        paper = documents.parse(Kind.BIRTH_CERTIFICATE, f"X31000000{n}")
        baby = NewPerson(f"周小{n}", Sex.MALE, cx.now.date(), guardian_id=mother)
        await identity.register_child(cx, baby, paper)
    with pytest.raises(requests.ChildrenTooMany):
        await identity.register_child(cx, replace(new, name="周小三"), number("周子安"))
    with pytest.raises(requests.NotAChild):
        await identity.register_child(cx, replace(new, born_on=date(2012, 11, 22)), number("小林"))
