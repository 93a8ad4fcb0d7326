"""The second factor: a code works once, one step early or late, and errors lock."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.errors import CheckViolation

from citycare.kernel import audit, identity
from citycare.kernel.context import Context, Grant, Role
from citycare.kernel.identity import NewPerson, Sex, factors, model
from citycare.kit import keyring
from citycare.kit.keyring import Keyring

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238 appendix B, SHA-1 seed in base32
RING = Keyring(Path("fields.keys"), keyring.new_key().line().encode())


async def _weak_session(cx: Context) -> tuple[str, str]:
    """A clerk's session without second factor, and the account's secret."""
    new = NewPerson("秦望舒", Sex.FEMALE, date(1984, 12, 5))
    person = await identity.register_person(cx, new)
    account = await identity.register_account(
        cx, "local", "clerk-84", name="秦望舒", person_id=person.id
    )
    await identity.add_grant(cx, account.id, Grant(Role.CLERK))
    enrolment = await identity.enrol_second_factor(cx, RING, account.id)
    assert enrolment.uri.startswith("otpauth://totp/")
    assert (await identity.get_account(cx, account.id)).has_second_factor
    return await identity.open_session(cx, account.id), enrolment.secret


async def _prove(cx: Context, token: str, code: str, after_s: int = 0) -> identity.Verdict:
    later = replace(cx, now=cx.now + timedelta(seconds=after_s))
    actor = (await identity.actor_of(cx.db, [token], cx.now))[token]
    assert actor.session_id is not None
    return await identity.prove_second_factor(later, RING, actor.session_id, code)


async def _is_clerk(cx: Context, token: str) -> bool:
    return (await identity.actor_of(cx.db, [token], cx.now))[token].has(Role.CLERK)


async def test_a_code_makes_the_session_strong_and_works_once(cx: Context) -> None:
    token, secret = await _weak_session(cx)
    code = pyotp.TOTP(secret).at(cx.now)
    assert not await _is_clerk(cx, token)
    assert await _prove(cx, token, f" {code} ") == identity.Verdict(accepted=True)
    assert await _is_clerk(cx, token)
    assert not (await _prove(cx, token, code)).accepted
    assert not (await _prove(cx, token, code, after_s=29)).accepted
    following = pyotp.TOTP(secret).at(cx.now + timedelta(seconds=30))
    assert (await _prove(cx, token, following, after_s=30)).accepted


@pytest.mark.parametrize(
    ("late_s", "accepted"), [(-60, False), (-30, True), (30, True), (60, False)]
)
async def test_a_clock_may_be_one_step_off(cx: Context, late_s: int, *, accepted: bool) -> None:
    token, secret = await _weak_session(cx)
    code = pyotp.TOTP(secret).at(cx.now + timedelta(seconds=late_s))
    assert (await _prove(cx, token, code)).accepted is accepted


async def test_five_errors_lock_even_the_right_code_out_for_a_while(cx: Context) -> None:
    token, secret = await _weak_session(cx)
    right = pyotp.TOTP(secret).at(cx.now)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    verdicts = [await _prove(cx, token, wrong) for _ in range(5)]
    until = cx.now + timedelta(minutes=15)
    assert [verdict.locked_until for verdict in verdicts] == [None] * 4 + [until]
    assert await _prove(cx, token, right) == identity.Verdict(accepted=False, locked_until=until)
    later = pyotp.TOTP(secret).at(until)
    assert (await _prove(cx, token, later, after_s=900)).accepted


async def test_without_a_secret_no_code_is_right(cx: Context) -> None:
    account = await identity.register_account(cx, "local", "nobody", name="x")
    token = await identity.open_session(cx, account.id)
    assert not (await _prove(cx, token, "000000")).accepted
    assert not (await _prove(cx, token, "")).accepted


async def test_a_closed_session_proves_nothing(cx: Context) -> None:
    token, secret = await _weak_session(cx)
    actor = (await identity.actor_of(cx.db, [token], cx.now))[token]
    assert actor.session_id is not None
    await identity.revoke_session(cx, actor.session_id)
    with pytest.raises(factors.SessionUnknown):
        await identity.prove_second_factor(
            cx, RING, actor.session_id, pyotp.TOTP(secret).at(cx.now)
        )


@pytest.mark.parametrize(("at_s", "code"), [(59, "287082"), (1_111_111_109, "081804")])
def test_the_vectors_of_rfc_6238(at_s: int, code: str) -> None:
    now = audit.model.EPOCH + timedelta(seconds=at_s)
    assert factors.matching_step(SECRET, code, now) == at_s // 30


@given(st.text(max_size=12))
def test_no_text_is_a_fault(code: str) -> None:
    now = audit.model.EPOCH + timedelta(seconds=1_111_111_109)
    assert factors.matching_step(SECRET, code, now) in (None, 37037035, 37037036, 37037037)


async def test_nobody_replaces_their_own_second_factor(cx: Context) -> None:
    token, _ = await _weak_session(cx)
    mine = replace(cx, actor=(await identity.actor_of(cx.db, [token], cx.now))[token])
    assert mine.actor.account_id is not None
    with pytest.raises(factors.SecondFactorHeld):
        await identity.enrol_second_factor(mine, RING, mine.actor.account_id)
    other = await identity.register_account(cx, "local", "fresh", name="x")
    own = replace(cx, actor=replace(mine.actor, account_id=other.id))
    assert (await identity.enrol_second_factor(own, RING, other.id)).secret
    await identity.enrol_second_factor(cx, RING, mine.actor.account_id)  # somebody else resets it
    await identity.close_account(cx, other.id)
    with pytest.raises(model.AccountUnknown):
        await identity.enrol_second_factor(cx, RING, other.id)


STORED = "SELECT id, totp_secret FROM identity.account WHERE totp_secret IS NOT NULL ORDER BY id"
COPY = """
    UPDATE identity.account SET totp_secret = %(secret)s, totp_last_step = NULL
     WHERE id = %(account)s
"""


async def _stored(cx: Context, account_id: UUID) -> str:
    rows = await (await cx.db.execute(STORED)).fetchall()
    return str({row["id"]: row["totp_secret"] for row in rows}[account_id])


async def test_the_database_does_not_know_the_secret(cx: Context) -> None:
    token, secret = await _weak_session(cx)
    mine = (await identity.actor_of(cx.db, [token], cx.now))[token].account_id
    assert mine is not None
    stored = await _stored(cx, mine)
    assert secret not in stored
    assert stored.startswith(f"a256gcm.{RING.newest.id}.")


async def test_the_database_takes_no_plain_secret(cx: Context) -> None:
    token, secret = await _weak_session(cx)
    mine = (await identity.actor_of(cx.db, [token], cx.now))[token].account_id
    with pytest.raises(CheckViolation):
        await cx.db.execute(COPY, {"secret": secret, "account": mine})


async def test_a_secret_copied_from_another_account_proves_nothing(cx: Context) -> None:
    token, secret = await _weak_session(cx)
    mine = (await identity.actor_of(cx.db, [token], cx.now))[token].account_id
    assert mine is not None
    other = await identity.register_account(cx, "local", "thief", name="x")
    theirs = await identity.open_session(cx, other.id)
    await cx.db.execute(COPY, {"secret": await _stored(cx, mine), "account": other.id})
    with pytest.raises(factors.SecondFactorUnreadable):
        await _prove(cx, theirs, pyotp.TOTP(secret).at(cx.now))


async def test_new_keys_old_keys_and_a_lost_key(cx: Context, tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "fields.keys"
    ring = keyring.open_ring(tmp_path)
    account = await identity.register_account(cx, "local", "rotating", name="x")
    token = await identity.open_session(cx, account.id)
    session = (await identity.actor_of(cx.db, [token], cx.now))[token].session_id
    assert session is not None
    secret = (await identity.enrol_second_factor(cx, ring, account.id)).secret
    code = pyotp.TOTP(secret).at(cx.now)
    with pytest.raises(factors.SecondFactorUnreadable):
        await identity.prove_second_factor(cx, RING, session, code)
    keyring.begin_key(path, "sm4gcm")
    both = keyring.open_ring(tmp_path)
    assert (await identity.prove_second_factor(cx, both, session, code)).accepted
    assert await identity.reseal_second_factors(cx, both) == 1
    assert await identity.reseal_second_factors(cx, both) == 0
    assert (await _stored(cx, account.id)).startswith("sm4gcm.")
    path.write_text(path.read_text().splitlines()[0])  # the old key is thrown away
    later = replace(cx, now=cx.now + timedelta(seconds=30))
    code = pyotp.TOTP(secret).at(later.now)
    only = keyring.open_ring(tmp_path)
    assert (await identity.prove_second_factor(later, only, session, code)).accepted


async def test_a_reset_signs_out_and_lets_the_owner_enrol_anew(cx: Context) -> None:
    token, secret = await _weak_session(cx)
    account_id = (await identity.actor_of(cx.db, [token], cx.now))[token].account_id
    assert account_id is not None
    wrong = f"{(int(pyotp.TOTP(secret).at(cx.now)) + 1) % 1_000_000:06d}"
    for _ in range(5):
        await _prove(cx, token, wrong)
    await identity.reset_second_factor(cx, account_id)
    assert await identity.actor_of(cx.db, [token], cx.now) == {}
    assert not (await identity.get_account(cx, account_id)).has_second_factor
    own = replace(cx, actor=replace(cx.actor, account_id=account_id))
    anew = (await identity.enrol_second_factor(own, RING, account_id)).secret
    fresh = await identity.open_session(cx, account_id)
    assert not (await _prove(cx, fresh, pyotp.TOTP(secret).at(cx.now))).accepted
    assert (await _prove(cx, fresh, pyotp.TOTP(anew).at(cx.now))).accepted
    await identity.close_account(cx, account_id)
    with pytest.raises(model.AccountUnknown):
        await identity.reset_second_factor(cx, account_id)
