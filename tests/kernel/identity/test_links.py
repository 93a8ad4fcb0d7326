"""Whose a hospital's record is: a verified document links, likeness only proposes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.identity import (
    Basis,
    Claim,
    Document,
    Link,
    LinkState,
    NewPerson,
    Person,
    Sex,
)
from citycare.kernel.identity import documents as papers
from citycare.kernel.identity.joining import judge, settle
from citycare.kernel.identity.links import LinkChanged, LinkUnknown, LinkUnreasoned
from tests.conftest import NOW
from tests.trail import about

BORN = date(1962, 4, 17)
CARD = papers.synthetic_number(BORN, Sex.FEMALE, 31)
NEW = NewPerson("欧阳敏华", Sex.FEMALE, BORN, phone="13758311258")
PAPER = papers.parse(papers.Kind.PASSPORT, "E58311258")
X = "hospital-1.p-77"
ODDS = {
    "name_same": [0.93, 0.0005], "name_sound": [0.03, 0.002], "name_like": [0.03, 0.02],
    "name_other": [0.01, 0.9775], "born_same": [0.95, 0.00004], "born_swapped": [0.01, 0.00003],
    "born_digit": [0.02, 0.002], "born_other": [0.02, 0.99793], "sex_same": [0.99, 0.5],
    "sex_other": [0.01, 0.5], "phone_same": [0.6, 0.0002], "phone_other": [0.4, 0.9998],
    "district_same": [0.8, 0.1], "district_other": [0.2, 0.9],
}  # fmt: skip


def known(name: str = "欧阳敏华", number: int = 1, born: date = BORN) -> Person:
    sound, initials = ("ouyangminhua", "oymh") if name == "欧阳敏华" else ("lihua", "lh")
    return Person(
        UUID(int=number), name, sound, initials, Sex.FEMALE, born, "13758311258", None, "", NOW
    )


SAYINGS = st.builds(
    Claim,
    patient_id=st.just(X),
    name=st.sampled_from(["", "欧阳敏华", "欧阳民华", "李华", "Müller"]),
    sex=st.sampled_from(list(Sex)),
    born_on=st.sampled_from([None, BORN, date(1962, 4, 18), date(2001, 12, 3)]),
    phone=st.sampled_from([None, "13758311258", "13900000000"]),
    documents=st.sampled_from([(), (CARD,), (PAPER,), (CARD, PAPER)]),
)


@given(SAYINGS, st.lists(st.sampled_from([known(), known("李华", 2)]), max_size=2))
def test_without_a_verified_document_nothing_ever_links(claim: Claim, likely: list[Person]) -> None:
    found = judge(claim, (), likely, ODDS, 12.0)
    assert found is None or (found.state, found.basis) == (LinkState.DOUBTFUL, Basis.LIKENESS)


@given(SAYINGS)
def test_documents_of_two_people_never_link(claim: Claim) -> None:
    found = judge(claim, [known(), known("李华", 2)], (), ODDS, 12.0)
    assert found is not None
    assert (found.state, found.basis) == (LinkState.DOUBTFUL, Basis.DOCUMENTS)


@pytest.mark.parametrize(
    ("claim", "links"),
    [
        (Claim(X, "欧阳敏华", documents=(CARD,)), True),
        (Claim(X, "欧阳民华", documents=(CARD,)), True),  # as it sounds
        (Claim(X, "李华", Sex.FEMALE, BORN, documents=(CARD,)), False),  # borrowed, or mistyped
        (Claim(X, "", Sex.FEMALE, BORN, documents=(CARD,)), False),  # the number says the same
        (Claim(X, "", Sex.FEMALE, BORN, documents=(PAPER,)), True),  # a passport does not
        (Claim(X, "李华", born_on=date(2026, 1, 9), phone="13758311258", documents=(CARD,)), False),
        (Claim(X, "", phone="13758311258", documents=(PAPER,)), False),  # families share phones
        (Claim(X, documents=(CARD,)), False),
    ],
)
def test_a_document_links_where_the_rest_agrees(claim: Claim, links: bool) -> None:  # noqa: FBT001
    found = judge(claim, [known()], (), ODDS, 12.0)
    assert found is not None
    assert (found.state is LinkState.LINKED) is links


def decided(state: LinkState) -> Link:
    return Link(
        X, UUID(int=1), state, Basis.LIKENESS, 25.0, [], None, NOW, NOW, UUID(int=9), "看过证件"
    )


def test_what_an_operator_decided_stands_until_a_document_names_another() -> None:
    likely = judge(Claim(X, "李华", born_on=BORN), (), [known("李华", 2)], ODDS, 12.0)
    named = judge(Claim(X, "李华", documents=(CARD,)), [known("李华", 2)], (), ODDS, 12.0)
    mine = judge(Claim(X, "欧阳敏华", documents=(CARD,)), [known()], (), ODDS, 12.0)
    assert likely is not None
    assert named is not None
    linked, refused = decided(LinkState.LINKED), decided(LinkState.REFUSED)
    assert settle(linked, None) is settle(linked, likely) is settle(linked, mine) is linked
    assert settle(linked, named) == replace(named, state=LinkState.DOUBTFUL)
    assert settle(refused, None) is settle(refused, mine) is refused
    assert settle(refused, named) == named


async def resident(cx: Context, new: NewPerson = NEW, *some: Document) -> UUID:
    made = await identity.register_person(cx, new, some, verified_by="window:5")
    return made.id


async def test_a_card_links_and_whoever_is_merged_keeps_it(cx: Context) -> None:
    me = await resident(cx, NEW, CARD)
    claim = Claim(X, NEW.name, documents=(CARD,))
    assert await identity.join_records(cx, [claim, Claim("stranger", "李华")]) == 1
    assert await identity.join_records(cx, [claim]) == 1  # again changes nothing
    assert await identity.list_links(cx, [me]) == {X: me}
    assert [one.action for one in await about(cx, me)].count("record.linked") == 1
    other = await resident(cx, replace(NEW, phone=None))
    await identity.merge(cx, other, me, "同一人")
    assert await identity.list_links(cx, [other]) == {X: other}
    assert await identity.list_links(cx, [me]) == {X: other}
    await identity.join_records(cx, [claim])
    found = await identity.get_link(cx, X)
    assert (found.person_id, found.state) == (other, LinkState.LINKED)
    assert identity.audit_id(X) in await identity.audit_ids_of(cx, other)
    assert await identity.find_link(cx, "stranger") is None


async def test_a_link_goes_with_its_evidence(cx: Context) -> None:
    me = await resident(cx, NEW, CARD)
    claim = Claim(X, NEW.name, documents=(CARD,))
    await identity.join_records(cx, [claim])
    await identity.join_records(cx, [Claim(X, "李华", born_on=date(2001, 12, 3))])
    assert await identity.find_link(cx, X) is None
    await identity.join_records(cx, [claim])
    await identity.forget_records(cx, [X, "never-there"])
    assert await identity.list_links(cx, [me]) == {}
    told = [one.action for one in await about(cx, me)]
    assert told.count("record.linked") == told.count("record.unlinked") == 2


async def test_likeness_waits_for_an_operator_who_may_take_it_back(cx: Context) -> None:
    me = await resident(cx, NEW, CARD)
    claim = Claim(X, NEW.name, born_on=BORN, phone=NEW.phone)
    assert await identity.join_records(cx, [claim]) == 0
    assert await identity.list_links(cx, [me]) == {}
    (waiting,) = (await identity.list_doubtful(cx)).items
    assert (waiting.patient_id, waiting.basis) == (X, Basis.LIKENESS)
    with pytest.raises(LinkUnreasoned):
        await identity.decide_link(cx, X, me, " ", same=True)
    with pytest.raises(LinkChanged):
        await identity.decide_link(cx, X, UUID(int=7), "看过证件", same=True)
    with pytest.raises(LinkUnknown):
        await identity.decide_link(cx, "nobody", me, "看过证件", same=True)
    await identity.decide_link(cx, X, me, "看过证件", same=True)
    assert await identity.list_links(cx, [me]) == {X: me}
    await identity.join_records(cx, [claim])
    assert await identity.count_doubtful(cx) == 0
    await identity.decide_link(cx, X, me, "是同名的人", same=False)
    await identity.join_records(cx, [claim])
    assert await identity.list_links(cx, [me]) == {}
    (refused,) = (await identity.list_decided(cx, person_ids=[me])).items
    assert (refused.state, refused.reason) == (LinkState.REFUSED, "是同名的人")
    await identity.forget_records(cx, [X])
    assert (await identity.get_link(cx, X)).state is LinkState.REFUSED


async def test_who_holds_another_card_is_somebody_else(cx: Context) -> None:
    await resident(cx, NEW, CARD)
    other = papers.synthetic_number(BORN, Sex.FEMALE, 32)
    await identity.join_records(cx, [Claim(X, NEW.name, Sex.FEMALE, BORN, documents=(other,))])
    assert await identity.find_link(cx, X) is None


async def test_lists_go_on_where_a_page_ends(cx: Context) -> None:
    await resident(cx, NEW, CARD)
    claims = [Claim(f"p-{n}", NEW.name, born_on=BORN) for n in range(5)]
    await identity.join_records(cx, [*claims, Claim("q", NEW.name, Sex.FEMALE, BORN)])
    seen: list[str] = []
    page, more = await identity.list_doubtful(cx, limit=2), True
    while more:
        seen += [one.patient_id for one in page.items]
        more = page.next is not None
        page = await identity.list_doubtful(cx, page.next, limit=2)
    assert seen == ["q", *(f"p-{n}" for n in range(5))]
    for each in seen:
        one = await identity.get_link(cx, each)
        await identity.decide_link(cx, each, one.person_id, "看过证件", same=each != "q")
    first = await identity.list_decided(cx, limit=4)
    rest = await identity.list_decided(cx, after=first.next, limit=4)
    assert sorted(one.patient_id for one in (*first.items, *rest.items)) == sorted(seen)
    (one,) = (await identity.list_decided(cx, patient_id="q")).items
    assert one.state is LinkState.REFUSED


def test_an_audit_id_is_a_persons_only_in_its_canonical_form() -> None:
    mine = UUID("018f6b2e-0000-7000-8000-00000000a11a")
    assert identity.audit_id(str(mine)) == mine
    others = [str(mine).upper(), mine.hex, f"{{{mine}}}"[:36], "p-1", "x" * 36]
    assert len({identity.audit_id(one) for one in others} | {mine}) == len(others) + 1
