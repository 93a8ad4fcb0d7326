"""Merging two records of one person, and taking it back exactly; proposals only propose."""

import itertools
import random
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.identity import Document, NewPerson, ProxyScope, RelationKind, Sex, model
from citycare.kernel.identity import documents as papers
from tests.trail import about

BORN = date(1958, 3, 11)
SCOPES = (ProxyScope.BOOKING, ProxyScope.RECORD)
NEW = NewPerson("欧阳敏华", Sex.FEMALE, BORN, phone="13758311258", district="330421")

TABLES = {
    "person": "SELECT id, merged_into FROM identity.person ORDER BY id",
    "document": "SELECT * FROM identity.document ORDER BY id",
    "relation": "SELECT * FROM identity.relation ORDER BY id",
    "account": "SELECT * FROM identity.account ORDER BY id",
    "practitioner": "SELECT * FROM identity.practitioner ORDER BY id",
}


async def _snapshot(cx: Context) -> dict[str, Any]:
    return {
        name: await (await cx.db.execute(statement.encode())).fetchall()
        for name, statement in TABLES.items()
    }


async def _person(cx: Context, number: int, *, verified: bool = False) -> UUID:
    document = papers.parse(papers.Kind.PASSPORT, f"E{number:08d}")
    by = "window:5" if verified else None
    person = await identity.register_person(cx, NEW, [document], verified_by=by)
    await identity.register_account(
        cx, "https://id.city", f"sub-{number}", name="x", person_id=person.id
    )
    return person.id


async def _four(cx: Context) -> list[UUID]:
    """Four records, each with a paper and an account, each proxy of the next."""
    people = [await _person(cx, 58_311_250 + n, verified=n % 2 == 0) for n in range(4)]
    for person, proxy in itertools.permutations(people, 2):
        await identity.add_relation(cx, person, proxy, RelationKind.RELATIVE, SCOPES)
    return people


async def test_a_merge_moves_everything_and_an_unmerge_puts_it_back(cx: Context) -> None:
    kept, merged, other, _ = await _four(cx)
    before = await _snapshot(cx)
    done = await identity.merge(cx, kept, merged, "同一人,窗口核对身份证")
    assert await identity.resolve(cx, merged) == kept
    assert len(await identity.list_documents(cx, kept)) == 2
    assert await identity.list_documents(cx, merged) == []
    assert {r.proxy_id for r in (await identity.relations_of(cx, other)).proxies} >= {kept}
    assert await identity.list_powers(cx.db, [(kept, merged)], cx.now) == {(kept, merged): None}
    await identity.unmerge(cx, done.id, "不是同一人")
    assert await _snapshot(cx) == before
    with pytest.raises(model.MergeUnknown):
        await identity.unmerge(cx, done.id)
    seen = [line.action for line in await about(cx, merged)]
    assert {"person.merged", "person.unmerged"} <= set(seen)


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_of_merges_undone_in_any_order_restores_all(cx: Context, seed: int) -> None:
    people = await _four(cx)
    before = await _snapshot(cx)
    dice = random.Random(seed)
    live = []
    for _ in range(4):
        kept, merged = dice.sample(people, 2)
        try:
            live.append(await identity.merge(cx, kept, merged, "x"))
        except model.MergeRefused:
            continue
    assert live
    while live:
        done = dice.choice(live)
        try:
            await identity.unmerge(cx, done.id)
        except model.MergeNotLast:
            continue
        live.remove(done)
    assert await _snapshot(cx) == before


async def test_a_chain_of_merges_is_one_step_long(cx: Context) -> None:
    a, b, c, _ = await _four(cx)
    first = await identity.merge(cx, b, a, "x")
    await identity.merge(cx, c, b, "x")
    assert [await identity.resolve(cx, person) for person in (a, b, c)] == [c, c, c]
    with pytest.raises(model.MergeNotLast):
        await identity.unmerge(cx, first.id)


async def test_what_may_not_be_merged(cx: Context) -> None:
    a, b, c, _ = await _four(cx)
    number = papers.synthetic_number(BORN, Sex.FEMALE, 1)
    other = papers.synthetic_number(BORN, Sex.FEMALE, 2)
    one = await identity.register_person(cx, NEW, [number], verified_by="w")
    two = await identity.register_person(cx, NEW, [other], verified_by="w")
    for kept, merged in ((a, a), (one.id, two.id)):
        with pytest.raises(model.MergeRefused):
            await identity.merge(cx, kept, merged, "x")
    with pytest.raises(model.MergeRefused):
        await identity.merge(cx, a, b, "  ")
    await identity.block_merge(cx, b, "visit:9")
    with pytest.raises(model.MergeBlocked):
        await identity.merge(cx, a, b, "x")
    await identity.unblock_merge(cx, "visit:9")
    await identity.merge(cx, a, b, "x")
    for kept, merged in ((c, b), (b, c)):
        with pytest.raises(model.MergeRefused):
            await identity.merge(cx, kept, merged, "x")


async def test_a_merge_is_announced_by_ids_only(cx: Context) -> None:
    a, b, *_ = await _four(cx)
    done = await identity.merge(cx, a, b, "同一人")
    statement = "SELECT facts FROM events.event WHERE name = 'identity.merged'"
    row = await (await cx.db.execute(statement)).fetchone()
    assert row == {"facts": {"merge": str(done.id), "kept": str(a), "merged": str(b)}}


async def _register(cx: Context, new: NewPerson, *held: Document) -> UUID:
    by = "window:5" if held else None
    return (await identity.register_person(cx, new, held, verified_by=by)).id


async def test_proposals_explain_themselves_and_change_nobody(cx: Context) -> None:
    asked = await _register(cx, NEW, papers.synthetic_number(BORN, Sex.FEMALE, 1))
    by_ear = replace(NEW, name="欧阳敏花", born_on=date(1958, 11, 3))
    heard = await _register(cx, by_ear)
    await _register(cx, replace(NEW, name="欧阳敏", phone="13758311999", born_on=date(1990, 1, 1)))
    await _register(cx, NEW, papers.synthetic_number(BORN, Sex.FEMALE, 2))  # another holder
    before = await _snapshot(cx)
    (proposal,) = await identity.propose_matches(cx, asked)
    assert {proposal.left_id, proposal.right_id} == {asked, heard}
    levels = {reason["level"] for reason in proposal.reasons}
    assert levels == {"name_sound", "born_swapped", "sex_same", "phone_same", "district_same"}
    assert proposal.weight == pytest.approx(sum(float(str(r["weight"])) for r in proposal.reasons))
    assert await _snapshot(cx) == before
    assert proposal in await identity.propose_matches(cx, heard)
    assert proposal in await identity.list_proposals(cx)
    await identity.reject_proposal(cx, proposal.id, "两姐妹")
    assert await identity.propose_matches(cx, asked) == []
    with pytest.raises(model.ProposalUnknown):
        await identity.reject_proposal(cx, proposal.id, "x")


async def test_a_merge_closes_its_proposal_and_an_unmerge_opens_it(cx: Context) -> None:
    a, b = await _register(cx, NEW), await _register(cx, NEW)
    (proposal,) = await identity.propose_matches(cx, a)
    done = await identity.merge(cx, a, b, "x")
    assert proposal not in await identity.list_proposals(cx)
    await identity.unmerge(cx, done.id)
    assert proposal in await identity.list_proposals(cx)
