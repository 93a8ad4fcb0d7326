"""Who may act for whom: scopes, both ends, and the instant it is over."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.identity import (
    NewPerson,
    ProxyScope,
    RelationKind,
    Sex,
    model,
    names,
    relations,
)
from citycare.kernel.identity.relations import grown_up_at
from citycare.kit import ids
from tests.trail import about


async def _pair(cx: Context) -> tuple[UUID, UUID]:
    mother = NewPerson("尉迟兰", Sex.FEMALE, date(1944, 8, 19))
    son = NewPerson("尉迟刚", Sex.MALE, date(1971, 5, 2))
    return (
        (await identity.register_person(cx, mother)).id,
        (await identity.register_person(cx, son)).id,
    )


async def _power(cx: Context, proxy: UUID, person: UUID) -> frozenset[str] | None:
    return (await identity.list_powers(cx.db, [(proxy, person)], cx.now))[proxy, person]


async def test_a_relation_gives_its_scopes_until_its_last_instant(cx: Context) -> None:
    mother, son = await _pair(cx)
    ends_at = cx.now + timedelta(days=90)
    relation = await identity.add_relation(
        cx, mother, son, RelationKind.CHILD, [ProxyScope.BOOKING], ends_at=ends_at
    )
    last, over = (replace(cx, now=ends_at - timedelta(seconds=1)), replace(cx, now=ends_at))
    assert await _power(cx, son, mother) == frozenset({"booking"})
    assert await _power(cx, mother, son) == frozenset()
    assert await _power(last, son, mother) == frozenset({"booking"})
    assert await _power(over, son, mother) == frozenset()
    assert (relation.is_in_force(last.now), relation.is_in_force(over.now)) == (True, False)
    assert (await identity.relations_of(last, son)).acts_for == (relation,)
    assert (await identity.relations_of(last, mother)).proxies == (relation,)
    assert (await identity.relations_of(over, mother)).proxies == ()
    reach = await identity.list_acted_for(cx.db, son, "booking", cx.now)
    assert reach == {son, mother}
    assert await identity.list_acted_for(cx.db, son, "record", cx.now) == {son}
    assert await identity.list_acted_for(cx.db, son, "booking", ends_at) == {son}


async def test_an_ended_relation_gives_nothing_from_that_instant(cx: Context) -> None:
    mother, son = await _pair(cx)
    relation = await identity.add_relation(cx, mother, son, RelationKind.CHILD, tuple(ProxyScope))
    ended = await identity.end_relation(cx, relation.id)
    assert ended.ends_at == cx.now
    assert await identity.get_relation(cx, relation.id) == ended
    assert await _power(cx, son, mother) == frozenset()
    with pytest.raises(model.RelationUnknown):
        await identity.end_relation(cx, relation.id)
    with pytest.raises(model.RelationUnknown):
        await identity.get_relation(cx, ids.new())
    seen = {line.action for line in await about(cx, mother)}
    assert seen == {"relation.added", "relation.ended"}


async def test_a_list_of_relations_has_an_end(cx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    mother, son = await _pair(cx)
    made = [
        await identity.add_relation(
            replace(cx, now=cx.now + timedelta(minutes=n)), mother, son, RelationKind.CHILD, [scope]
        )
        for n, scope in enumerate(ProxyScope)
    ]
    later = replace(cx, now=cx.now + timedelta(days=1))
    assert (await identity.relations_of(later, mother)).proxies == tuple(made)
    monkeypatch.setattr(relations, "TOUCHING_MAX", 2)
    assert (await identity.relations_of(later, mother)).proxies == tuple(made[-2:])
    assert await _power(later, son, mother) == frozenset(str(scope) for scope in ProxyScope)


async def test_scopes_of_several_relations_add_up(cx: Context) -> None:
    mother, son = await _pair(cx)
    await identity.add_relation(cx, mother, son, RelationKind.CHILD, [ProxyScope.BOOKING])
    await identity.add_relation(cx, mother, son, RelationKind.GUARDIAN, [ProxyScope.PAYMENT])
    assert await _power(cx, son, mother) == frozenset({"booking", "payment", "guardian"})
    assert await identity.list_acted_for(cx.db, son, "guardian", cx.now) == {son, mother}


async def test_what_makes_no_relation(cx: Context) -> None:
    mother, son = await _pair(cx)
    for person, proxy, scopes, days in (
        (mother, mother, [ProxyScope.BOOKING], 1),
        (mother, son, [], 1),
        (mother, son, [ProxyScope.BOOKING], 0),
    ):
        with pytest.raises(model.RelationRefused):
            await identity.add_relation(
                cx, person, proxy, RelationKind.CHILD, scopes,
                ends_at=cx.now + timedelta(days=days),
            )  # fmt: skip
    with pytest.raises(model.PersonUnknown):
        await identity.add_relation(cx, mother, ids.new(), RelationKind.CHILD, tuple(ProxyScope))


async def test_a_person_nobody_knows_is_in_no_answer(cx: Context) -> None:
    _, son = await _pair(cx)
    assert await identity.list_powers(cx.db, [(son, ids.new())], cx.now) == {}
    assert await identity.list_powers(cx.db, [], cx.now) == {}


@pytest.mark.parametrize(
    ("born_on", "instant"),
    [
        (date(2019, 6, 1), "2037-05-31 16:00:00+00:00"),
        (date(2020, 2, 29), "2038-02-28 16:00:00+00:00"),
    ],
)
def test_childhood_ends_at_midnight_in_the_city(born_on: date, instant: str) -> None:
    assert str(grown_up_at(born_on, 18)) == instant


@pytest.mark.parametrize(
    ("name", "sound", "initials"),
    [
        ("张三", "zhangsan", "zs"), ("单雅琴", "shanyaqin", "syq"), ("尉迟刚", "yuchigang", "ycg"),
        ("曾小贤", "zengxiaoxian", "zxx"), ("欧阳敏华", "ouyangminhua", "oymh"),
        ("阿依古丽·买买提", "ayigulimaimaiti", "ayglmmt"), ("John Smith", "johnsmith", "js"),
        ("", "", ""),
    ],
)  # fmt: skip
def test_how_a_name_sounds(name: str, sound: str, initials: str) -> None:
    assert names.pinyin(name) == (sound, initials)
