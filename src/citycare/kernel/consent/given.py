"""Consent records: what a person agreed to, in which version, and that they took it back.

Care itself does not rest on these (PIPL art 13: necessary for a contract or a statutory duty);
what goes beyond does. Withdrawing changes nothing that was done before.

Source: PIPL art 14 (a changed purpose needs new consent), 15 (withdrawal as easy as giving), 16 (no
refusal of service), 29 (separate consent for sensitive data), 31 (guardian under 14).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from citycare.kernel import audit, events, identity
from citycare.kernel.consent.access import require
from citycare.kernel.context import Context, policy
from citycare.kit import clock, ids
from citycare.kit.errors import Forbidden, NotFound

CURRENT = """
    SELECT DISTINCT ON (purpose) purpose, version, words, sensitive, effective_from
      FROM consent.purpose
     WHERE effective_from <= %(now)s AND (%(purpose)s::text IS NULL OR purpose = %(purpose)s)
     ORDER BY purpose, version DESC
"""
GIVE = """
    INSERT INTO consent.given (id, person_id, purpose, version, given_at, given_by)
    VALUES (%(id)s, %(person)s, %(purpose)s, %(version)s, %(now)s, %(by)s)
        ON CONFLICT (person_id, purpose, version) WHERE withdrawn_at IS NULL DO NOTHING
"""
WITHDRAW = """
    UPDATE consent.given SET withdrawn_at = greatest(given_at, %(now)s), withdrawn_by = %(by)s
     WHERE person_id = %(person)s AND purpose = %(purpose)s AND withdrawn_at IS NULL
"""
HAS = """
    SELECT 1 FROM consent.given
     WHERE person_id = %(person)s AND purpose = %(purpose)s AND version = %(version)s
       AND withdrawn_at IS NULL AND (%(since)s::timestamptz IS NULL OR given_at <= %(since)s)
"""
GIVEN = """
    SELECT id, person_id, purpose, version, given_at, given_by, withdrawn_at FROM consent.given
     WHERE person_id = %(person)s ORDER BY given_at DESC, id DESC LIMIT 200
"""


class PurposeUnknown(NotFound):
    """There is no such purpose to consent to."""

    code = "consent.purpose_unknown"
    words = "没有这一项授权说明，请返回重新选择。"


class GuardianMustDecide(Forbidden):
    """A child under 14 cannot consent; the guardian does."""

    code = "consent.guardian_must_decide"
    words = "未满14周岁，需要监护人登录后代为同意或撤回。"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What is asked, in the words in force now. `sensitive` asks for separate consent."""

    purpose: str
    version: int
    words: str
    sensitive: bool
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class Given:
    """One consent, given and perhaps withdrawn."""

    id: UUID
    person_id: UUID
    purpose: str
    version: int
    given_at: datetime
    given_by: UUID | None
    withdrawn_at: datetime | None


async def list_purposes(cx: Context) -> list[Purpose]:
    """Return what people can consent to, each in its newest version in force."""
    async with cx.db.cursor(row_factory=class_row(Purpose)) as cursor:
        return await (await cursor.execute(CURRENT, {"now": cx.now, "purpose": None})).fetchall()


async def _current(cx: Context, purpose: str) -> Purpose:
    async with cx.db.cursor(row_factory=class_row(Purpose)) as cursor:
        found = await (
            await cursor.execute(CURRENT, {"now": cx.now, "purpose": purpose})
        ).fetchone()
    if found is None:
        raise PurposeUnknown(purpose=purpose)
    return found


async def give(cx: Context, person_id: UUID, purpose: str) -> Purpose:
    """Record consent to the words in force now; giving it twice changes nothing.

    Raises:
        NotAllowed, NotVisible: neither the person nor the guardian.
        GuardianMustDecide: the person is under the guardian age.
        PurposeUnknown.
    """
    person_id = await _decider(cx, person_id)
    current = await _current(cx, purpose)
    parameters = {
        "id": ids.new(), "person": person_id, "purpose": purpose, "version": current.version,
        "now": cx.now, "by": cx.actor.account_id,
    }  # fmt: skip
    added = await cx.db.execute(GIVE, parameters)
    if added.rowcount:
        await _tell(cx, "given", person_id, purpose, current.version)
    return current


async def withdraw(cx: Context, person_id: UUID, purpose: str) -> None:
    """Take consent back from now on, all versions; without any there is nothing to do.

    Raises:
        NotAllowed, NotVisible, GuardianMustDecide: as for `give`.
    """
    person_id = await _decider(cx, person_id)
    parameters = {
        "person": person_id, "purpose": purpose, "now": cx.now, "by": cx.actor.account_id,
    }  # fmt: skip
    if (await cx.db.execute(WITHDRAW, parameters)).rowcount:
        await _tell(cx, "withdrawn", person_id, purpose, 0)


async def _decider(cx: Context, person_id: UUID) -> UUID:
    await require(cx, "consent.give", person_id)
    person = await identity.get_person(cx, await identity.resolve(cx, person_id))
    age = identity.age_on(person.born_on, clock.day_of(cx.now))
    if cx.actor.person_id == person.id and age < await policy.value(cx, "identity.guardian.age"):
        raise GuardianMustDecide
    return person.id


async def _tell(cx: Context, what: str, person_id: UUID, purpose: str, version: int) -> None:
    detail: dict[str, str | int] = {"purpose": purpose, "version": version}
    record = f"consent/{purpose}"
    await audit.append(cx, [audit.Entry(f"consent.{what}", person_id, record, "ok", detail)])
    facts = {"person": str(person_id), "purpose": purpose}
    await events.emit(cx, [events.Event(f"consent.{what}", facts)])


async def has(cx: Context, person_id: UUID, purpose: str, since: datetime | None = None) -> bool:
    """Tell whether the person agrees now, to the words in force now.

    With `since`, without a break from that instant on: who took it back and agreed anew since then
    has not.
    """
    current = await _current(cx, purpose)
    parameters = {
        "person": await identity.resolve(cx, person_id), "purpose": purpose,
        "version": current.version, "since": since,
    }  # fmt: skip
    return await (await cx.db.execute(HAS, parameters)).fetchone() is not None


async def list_given(cx: Context, person_id: UUID) -> list[Given]:
    """Return what a person agreed to, newest first, withdrawn ones too."""
    async with cx.db.cursor(row_factory=class_row(Given)) as cursor:
        return await (await cursor.execute(GIVEN, {"person": person_id})).fetchall()
