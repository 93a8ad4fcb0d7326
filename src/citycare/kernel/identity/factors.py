"""The second factor of staff: a time-based code, good once, locked after too many errors.

A wrong code is an answer (`Verdict`), not an error: an error would roll the request back and with
it the count of failures, and then nobody would ever be locked out.

In the database a secret is sealed (`kit.keyring`) and bound to its account: who reads a dump, or
copies one account's secret to another, gains nothing.

Source: RFC 6238 §5.2 (30 s step, at most one step of delay, a code is accepted once), RFC 4226
§7.3 (throttling); GB/T 22239-2019 level 3 two-factor login (from memory, UNVERIFIED).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pyotp

from citycare.kernel import audit
from citycare.kernel.context import Context, policy
from citycare.kernel.identity.model import AccountUnknown
from citycare.kernel.identity.sessions import revoke_all
from citycare.kit.errors import Conflict, NotFound, Unavailable
from citycare.kit.keyring import Keyring, Unreadable

STEP_S = 30
DRIFT = (-1, 0, 1)
ISSUER = "城医通"

ENROL = """
    UPDATE identity.account
       SET totp_secret = %(secret)s, totp_last_step = NULL, totp_failures = 0,
           totp_locked_until = NULL
     WHERE id = %(account)s AND disabled_at IS NULL
       AND (totp_secret IS NULL OR NOT %(own)s)
 RETURNING name
"""
RESET = """
    UPDATE identity.account
       SET totp_secret = NULL, totp_last_step = NULL, totp_failures = 0, totp_locked_until = NULL
     WHERE id = %(account)s AND disabled_at IS NULL
"""
EXISTS = "SELECT 1 FROM identity.account WHERE id = %(account)s AND disabled_at IS NULL"
# The row lock makes two tries at the same moment count as two, and lets a code in once.
LOCK = """
    SELECT a.id, a.totp_secret, a.totp_last_step, a.totp_failures, a.totp_locked_until
      FROM identity.session s JOIN identity.account a ON a.id = s.account_id
     WHERE s.id = %(session)s AND s.revoked_at IS NULL AND s.expires_at > %(now)s
       AND a.disabled_at IS NULL
       FOR UPDATE OF a
"""
ACCEPT = """
    UPDATE identity.account
       SET totp_last_step = %(step)s, totp_failures = 0, totp_locked_until = NULL
     WHERE id = %(account)s
"""
STRENGTHEN = "UPDATE identity.session SET second_factor_at = %(now)s WHERE id = %(session)s"
FAIL = """
    UPDATE identity.account
       SET totp_failures = CASE WHEN %(until)s::timestamptz IS NULL THEN totp_failures + 1
                                ELSE 0 END,
           totp_locked_until = coalesce(%(until)s, totp_locked_until)
     WHERE id = %(account)s
"""


class SessionUnknown(NotFound):
    """There is no such open session."""

    code = "request.not_found"


class SecondFactorHeld(Conflict):
    """The account has a second factor; an operator resets it."""

    code = "identity.second_factor_held"
    words = "这个账号已经绑定动态口令。手机丢失或更换时，请联系管理员重置。"


class SecondFactorUnreadable(Unavailable):
    """The second factor cannot be checked: its key is missing; an administrator mends it."""

    code = "identity.second_factor_unreadable"
    words = "系统暂时无法核对动态口令，请联系系统管理员处理后再登录。"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a code. `locked_until` says when to try again, once locked."""

    accepted: bool
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the authenticator app needs, shown once: the secret and the URI of its QR code."""

    secret: str
    uri: str


async def enrol_second_factor(cx: Context, ring: Keyring, account_id: UUID) -> Enrolment:
    """Give an account a new secret; the old one stops working.

    One's own is given only once: else whoever stole the first factor would replace the second.
    Somebody else (an operator, the system) resets it.

    Raises:
        AccountUnknown: there is none, or it is closed.
        SecondFactorHeld: the actor's own account has one already.
    """
    secret = pyotp.random_base32()
    own = cx.actor.account_id == account_id
    sealed = ring.seal(_about(account_id), secret)
    parameters = {"secret": sealed, "account": account_id, "own": own}
    row = await (await cx.db.execute(ENROL, parameters)).fetchone()
    if row is None:
        known = await (await cx.db.execute(EXISTS, {"account": account_id})).fetchone()
        raise SecondFactorHeld if known else AccountUnknown
    entry = audit.Entry("second_factor.enrolled", None, f"account/{account_id}", "ok", {})
    await audit.append(cx, [entry])
    uri = pyotp.TOTP(secret).provisioning_uri(name=row["name"], issuer_name=ISSUER)
    return Enrolment(secret, uri)


async def reset_second_factor(cx: Context, account_id: UUID) -> None:
    """Take a lost second factor away and end all sessions; the owner enrols a new one.

    Until they have, the first factor alone lets somebody enrol: so only for whom one has seen.

    Raises:
        AccountUnknown: there is none, or it is closed.
    """
    if (await cx.db.execute(RESET, {"account": account_id})).rowcount == 0:
        raise AccountUnknown
    entry = audit.Entry("second_factor.reset", None, f"account/{account_id}", "ok", {})
    await audit.append(cx, [entry])
    await revoke_all(cx, account_id)


def _about(account_id: UUID) -> str:
    return f"identity.account.totp_secret/{account_id}"


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step a code belongs to, one step early or late allowed, or None.

    All candidates are compared, each in constant time, so the time taken says nothing.
    """
    totp = pyotp.TOTP(secret)
    present = int(now.timestamp()) // STEP_S
    found = None
    for drift in DRIFT:
        expected = totp.generate_otp(present + drift)
        if hmac.compare_digest(expected.encode(), code.strip().encode()):
            found = present + drift
    return found


async def prove_second_factor(cx: Context, ring: Keyring, session_id: UUID, code: str) -> Verdict:
    """Check a code for a session; when right, the session's staff grants count from now.

    The caller lets its transaction commit in either case; that is what counts the failures.

    Raises:
        SessionUnknown: the session is closed or over.
        SecondFactorUnreadable: the key of the secret is not in the key file.
    """
    parameters = {"session": session_id, "now": cx.now}
    row = await (await cx.db.execute(LOCK, parameters)).fetchone()
    if row is None:
        raise SessionUnknown
    locked = row["totp_locked_until"]
    if locked is not None and locked > cx.now:
        return Verdict(accepted=False, locked_until=locked)
    step = None
    if row["totp_secret"] is not None:
        step = matching_step(_open(ring, row["id"], row["totp_secret"]), code, cx.now)
    used = row["totp_last_step"]
    if step is None or (used is not None and step <= used):
        return await _fail(cx, row["id"], row["totp_failures"] + 1)
    await cx.db.execute(ACCEPT, {"step": step, "account": row["id"]})
    await cx.db.execute(STRENGTHEN, parameters)
    record = f"session/{session_id}"
    await audit.append(cx, [audit.Entry("second_factor.proved", None, record, "ok", {})])
    return Verdict(accepted=True)


def _open(ring: Keyring, account_id: UUID, sealed: str) -> str:
    try:
        return ring.open(_about(account_id), sealed)
    except Unreadable as error:
        raise SecondFactorUnreadable(account=account_id) from error


# The row lock keeps a new enrolment from being overwritten by the old secret.
UNDER_OLD_KEYS = """
    SELECT id, totp_secret FROM identity.account
     WHERE totp_secret IS NOT NULL AND NOT starts_with(totp_secret, %(newest)s)
     ORDER BY id
       FOR UPDATE
"""
RESEAL = "UPDATE identity.account SET totp_secret = %(secret)s WHERE id = %(account)s"


async def reseal_second_factors(cx: Context, ring: Keyring) -> int:
    """Bring all secrets under the newest key; return how many were under others.

    All or none: afterwards the older keys open nothing that is in this database.

    Raises:
        SecondFactorUnreadable: a key is missing; the account's id is in the facts.
    """
    found = await cx.db.execute(UNDER_OLD_KEYS, {"newest": ring.newest.label})
    rows = [
        {
            "account": row["id"],
            "secret": ring.seal(_about(row["id"]), _open(ring, row["id"], row["totp_secret"])),
        }
        for row in await found.fetchall()
    ]
    if rows:
        async with cx.db.cursor() as cursor:
            await cursor.executemany(RESEAL, rows)
        detail: audit.model.Detail = {"resealed": len(rows), "key": ring.newest.id}
        entry = audit.Entry("second_factor.resealed", None, "account/*", "ok", detail)
        await audit.append(cx, [entry])
    return len(rows)


async def _fail(cx: Context, account_id: UUID, failures: int) -> Verdict:
    rules = await policy.values(cx, "identity.totp.")
    until = None
    if failures >= rules["failures_max"]:
        until = cx.now + timedelta(minutes=rules["lock_minutes"])
    await cx.db.execute(FAIL, {"until": until, "account": account_id})
    detail = {"failures": failures, "locked": until is not None}
    record = f"account/{account_id}"
    await audit.append(cx, [audit.Entry("second_factor.refused", None, record, "refused", detail)])
    return Verdict(accepted=False, locked_until=until)
