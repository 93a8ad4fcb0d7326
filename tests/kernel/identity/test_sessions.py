"""Sessions: who acts, for many tokens at once; staff only with a second factor; revoked at once."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from citycare.kernel import identity
from citycare.kernel.context import Context, Grant, Role
from citycare.kernel.identity import Account, NewPerson, Sex, model
from citycare.kit import ids

GRANTS = {Grant(Role.CLERK), Grant(Role.OPERATOR)}


async def _account(cx: Context, subject: str) -> Account:
    new = NewPerson("程若溪", Sex.FEMALE, date(1979, 3, 14))
    person = await identity.register_person(cx, new)
    account = await identity.register_account(
        cx, "https://id.city", subject, name="程若溪", person_id=person.id
    )
    for grant in GRANTS:
        await identity.add_grant(cx, account.id, grant)
    return account


async def test_staff_act_as_staff_only_with_a_second_factor(cx: Context) -> None:
    account = await _account(cx, "sub-314")
    weak = await identity.open_session(cx, account.id, "手机")
    strong = await identity.open_session(cx, account.id, "门诊工作站", second_factor=True)
    actors = await identity.actor_of(cx.db, [weak, strong, "nonsense"], cx.now)
    assert set(actors) == {weak, strong}
    assert actors[weak].grants == (Grant(Role.RESIDENT),)
    assert set(actors[strong].grants) == GRANTS | {Grant(Role.RESIDENT)}
    assert actors[strong].person_id == account.person_id
    assert actors[strong].name == "程若溪"


async def test_a_session_ends_by_time_by_hand_and_with_the_account(cx: Context) -> None:
    account = await _account(cx, "sub-314")
    first = await identity.open_session(cx, account.id, lifetime=timedelta(minutes=31))
    second = await identity.open_session(cx, account.id)
    third = await identity.open_session(cx, account.id)

    async def alive(minutes: int = 0) -> set[str]:
        tokens = [first, second, third]
        return set(await identity.actor_of(cx.db, tokens, cx.now + timedelta(minutes=minutes)))

    assert await alive(30) == {first, second, third}
    assert await alive(31) == {second, third}
    session_id = (await identity.actor_of(cx.db, [second], cx.now))[second].session_id
    assert session_id is not None
    await identity.revoke_session(cx, session_id)
    assert await alive() == {first, third}
    assert len(await identity.list_sessions(cx, account.id)) == 2
    assert await identity.revoke_all(cx, account.id) == 2
    assert await alive() == set()
    fourth = await identity.open_session(cx, account.id)
    await identity.close_account(cx, account.id)
    assert await identity.actor_of(cx.db, [fourth], cx.now) == {}
    with pytest.raises(model.AccountClosed):
        await identity.open_session(cx, account.id)
    with pytest.raises(model.AccountUnknown):
        await identity.open_session(cx, ids.new())


async def test_a_grant_taken_away_counts_from_the_next_look(cx: Context) -> None:
    account = await _account(cx, "sub-314")
    token = await identity.open_session(cx, account.id, second_factor=True)
    await identity.end_grant(cx, account.id, Grant(Role.OPERATOR))
    actor = (await identity.actor_of(cx.db, [token], cx.now))[token]
    assert not actor.has(Role.OPERATOR)
    assert await identity.list_grants(cx, account.id) == (Grant(Role.CLERK),)


async def test_the_token_itself_is_nowhere_in_the_database(cx: Context) -> None:
    account = await _account(cx, "sub-314")
    token = await identity.open_session(cx, account.id, "平板")
    row = await (await cx.db.execute("SELECT s::text AS text FROM identity.session s")).fetchone()
    assert row is not None
    assert token not in row["text"]
    assert len(token) == 43


async def test_an_oidc_sign_in_becomes_a_person_only_by_a_verified_document(cx: Context) -> None:
    born = date(1979, 3, 14)
    paper = identity.documents.synthetic_number(born, Sex.FEMALE, 31)
    claims = {
        "name": "程若溪", "phone_number": "13831443144",
        "id_document": {"kind": "resident_id", "number": paper.number, "verified": False},
    }  # fmt: skip
    first = await identity.find_or_make_account(cx, "https://id.city", "sub-1", claims)
    assert first.person_id is None
    claims["id_document"] = {"kind": "resident_id", "number": paper.number, "verified": True}
    again = await identity.find_or_make_account(cx, "https://id.city", "sub-1", claims)
    assert again.id == first.id
    person = await identity.find_person_by_document(cx, paper)
    assert person is not None
    assert again.person_id == person.id
    other = await identity.find_or_make_account(cx, "https://other", "sub-1", claims)
    assert (other.id != first.id, other.person_id) == (True, person.id)
    renamed = await identity.find_or_make_account(
        cx, "https://third", "sub-9", claims | {"name": "程若兮"}
    )
    assert renamed.person_id is None


@pytest.mark.parametrize(
    "document",
    [
        None, "31", {}, {"verified": True}, {"kind": "resident_id", "verified": True},
        {"kind": "library card", "number": "1", "verified": True},
        {"kind": "resident_id", "number": "11010519491231002X", "verified": "true"},
        {"kind": "resident_id", "number": "110105194912310021", "verified": True},
        {"kind": "passport", "number": "E12345678", "verified": True},
        {"kind": "uscc", "number": "91350100M000100Y43", "verified": True},
    ],
)  # fmt: skip
async def test_a_doubtful_document_links_to_nobody(cx: Context, document: object) -> None:
    claims = {"name": "程若溪", "id_document": document}
    account = await identity.find_or_make_account(cx, "https://id.city", "sub-31", claims)
    assert (account.person_id, account.name) == (None, "程若溪")


async def test_an_account_of_a_merged_person_is_the_kept_ones(cx: Context) -> None:
    new = NewPerson("程若溪", Sex.FEMALE, date(1979, 3, 14))
    kept, merged = [(await identity.register_person(cx, new)).id for _ in range(2)]
    await identity.merge(cx, kept, merged, "同一人")
    account = await identity.register_account(cx, "local", "31", name="x", person_id=merged)
    assert account.person_id == kept
    aliases = await identity.list_aliases(cx.db, [kept, merged, account.id])
    assert aliases == {kept: {merged}, merged: {kept}}


async def test_sessions_long_over_are_forgotten(cx: Context) -> None:
    account = await _account(cx, "sub-314")
    await identity.open_session(cx, account.id, lifetime=timedelta(hours=1))
    token = await identity.open_session(cx, account.id, lifetime=timedelta(days=60))
    later = replace(cx, now=cx.now + timedelta(days=31))
    assert await identity.purge_sessions(later) == 1
    assert set(await identity.actor_of(cx.db, [token], later.now)) == {token}
