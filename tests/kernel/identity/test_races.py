"""At the same moment: one code twice, two merges of one pair; with controls that must fail."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from uuid import UUID

import pyotp
import pytest

from citycare.kernel import identity
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kernel.identity import NewPerson, Sex, factors, model
from citycare.kit import keyring
from citycare.kit.db import Database
from citycare.kit.keyring import Keyring
from tests.conftest import NOW

CROWD = 6
NEW = NewPerson("白以宁", Sex.FEMALE, date(1993, 6, 17))
RING = Keyring(Path("fields.keys"), keyring.new_key().line().encode())
pytestmark = pytest.mark.race


async def _at_once(
    database: Database, deeds: list[Callable[[Context], Awaitable[object]]]
) -> list[object]:
    start = asyncio.Barrier(len(deeds))

    async def one(deed: Callable[[Context], Awaitable[object]]) -> object:
        try:
            async with database.transaction() as db:
                await db.execute("SELECT 1")
                await start.wait()
                return await deed(Context(db, SYSTEM, NOW, "race", Channel.WINDOW, "test"))
        except model.MergeRefused as refused:
            return refused

    return await asyncio.gather(*(one(deed) for deed in deeds))


async def _once(database: Database, deed: Callable[[Context], Awaitable[UUID]]) -> UUID:
    async with database.transaction() as db:
        return await deed(Context(db, SYSTEM, NOW, "race", Channel.WINDOW, "test"))


async def _accepted(database: Database) -> int:
    """Send one right code from many requests at once; count how often it is taken."""
    codes: list[str] = []

    async def prepare(cx: Context) -> UUID:
        account = await identity.register_account(cx, "local", "race", name="x")
        secret = (await identity.enrol_second_factor(cx, RING, account.id)).secret
        token = await identity.open_session(cx, account.id)
        codes.append(pyotp.TOTP(secret).at(cx.now))
        session = (await identity.actor_of(cx.db, [token], cx.now))[token].session_id
        assert session is not None
        return session

    session = await _once(database, prepare)
    deeds: list[Callable[[Context], Awaitable[object]]] = [
        lambda cx: identity.prove_second_factor(cx, RING, session, codes[0]) for _ in range(CROWD)
    ]
    verdicts = await _at_once(database, deeds)
    return sum(isinstance(one, identity.Verdict) and one.accepted for one in verdicts)


async def test_one_code_sent_many_times_at_once_is_taken_once(database: Database) -> None:
    assert await _accepted(database) == 1


async def test_control_without_the_row_lock_it_is_taken_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factors, "LOCK", factors.LOCK.replace("FOR UPDATE OF a", ""))
    assert await _accepted(database) > 1


async def test_two_merges_of_one_pair_in_both_directions_end_with_one(database: Database) -> None:
    async def person(cx: Context) -> UUID:
        return (await identity.register_person(cx, NEW)).id

    a, b = await _once(database, person), await _once(database, person)
    deeds: list[Callable[[Context], Awaitable[object]]] = [
        lambda cx: identity.merge(cx, a, b, "x"),
        lambda cx: identity.merge(cx, b, a, "x"),
    ]
    ends = await _at_once(database, deeds)
    assert sorted(type(end).__name__ for end in ends) == ["Merge", "MergeRefused"]
