"""An app asks a person, and the person says yes or no.

A resident's app is allowed by the person, or by the guardian of a child: whoever may merely act
for somebody cannot hand that record on. An app of staff is allowed by its user, at work in the
organisation it belongs to; it sees no more than its user may see, and with a patient at hand only
that one.

Source: HL7 SMART App Launch 2.2.0, "App Launch: Launch and Authorization"; PIPL art 14, 15, 23
(separate consent to give data to another), 29, 31.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Context, policy
from citycare.kernel.identity import RelationKind
from citycare.kit import ids
from citycare.scenarios.smart.model import (
    Approval,
    ApprovalUnknown,
    Audience,
    Client,
    Launch,
    NoPerson,
    NothingAllowed,
    OAuthError,
    RedirectWrong,
    Refused,
    Shared,
    StaffOnly,
)
from citycare.scenarios.smart.rules import addresses, requests, scopes
from citycare.scenarios.smart.rules.requests import Request
from citycare.scenarios.smart.rules.scopes import Asked, Level
from citycare.scenarios.smart.service import clients, secrets
from citycare.scenarios.smart.store import approvals as store
from citycare.scenarios.smart.store.approvals import Code

PURPOSE = "record.apps"
CODE_LIFE = timedelta(seconds=60)
OFFLINE = "offline_access"
AT_WORK, CONTEXT = "launch", "launch/patient"


@dataclass(frozen=True, slots=True)
class Asking:
    """What an app asks, held against what it may; `patients` is whom it can be about."""

    client: Client
    request: Request
    asked: Asked
    patients: Sequence[UUID]
    days: Sequence[int]


async def client_of(cx: Context, request: Request) -> Client:
    """Return the client of a request whose answer may go where it says.

    Raises:
        ClientUnknown, RedirectWrong: told to the person; nothing goes to the address.
    """
    client = await clients.find_in_use(cx, request.client_id)
    if not addresses.fits(client.redirect_uris, request.redirect_uri):
        raise RedirectWrong(client=client.id)
    return client


async def ask(
    cx: Context, client: Client, request: Request, fhir_base: str, launch: Launch | None
) -> Asking:
    """Hold a request against the rules and the actor.

    Raises:
        Refused: to be told the app. StaffOnly, NoPerson, NotVisible: told to the person.
    """
    requests.check(request, fhir_base)
    asked = scopes.meet(scopes.parse(request.get("scope")), clients.most_of(client))
    patients: Sequence[UUID]
    if client.audience is Audience.STAFF:
        patients = await _at_hand(cx, client, request, asked, launch)
        if not patients:  # scopes of a patient need one
            kept = tuple(one for one in asked.data if one.level is not Level.PATIENT)
            asked = Asked(kept, asked.words - {AT_WORK})
        days: Sequence[int] = ()
    else:
        is_login = not asked.data and CONTEXT not in asked.words
        if is_login:  # nothing of a record is handed on, so there is nothing to come back for
            asked = Asked((), asked.words - {OFFLINE})
        patients = () if is_login else await _own(cx)
        days = await policy.value(cx, "smart.consent.days") if OFFLINE in asked.words else ()
    if not asked.data and "openid" not in asked.words:
        raise Refused(OAuthError.INVALID_SCOPE, "nothing_left")
    return Asking(client, request, asked, patients, days)


async def _own(cx: Context) -> list[UUID]:
    """Return whose record the actor may hand on: their own, and of whom they are guardian."""
    me = cx.actor.person_id
    if me is None:
        raise NoPerson
    acts_for = (await identity.relations_of(cx, me)).acts_for
    return [me, *(one.person_id for one in acts_for if one.kind is RelationKind.GUARDIAN)]


async def _at_hand(
    cx: Context, client: Client, request: Request, asked: Asked, launch: Launch | None
) -> list[UUID]:
    """Return the patient an app of staff was opened with, if it was."""
    if not any(cx.actor.has(role, client.organisation_id) for role in clients.CLINICAL):
        raise StaffOnly
    if not request.get("launch"):
        return []
    is_ours = launch is not None and (launch.client_id, launch.account_id) == (
        client.id,
        cx.actor.account_id,
    )
    if launch is None or not is_ours:
        raise Refused(OAuthError.INVALID_REQUEST, "launch")
    await consent.require(cx, "record.read", launch.patient_id)
    return [launch.patient_id] if AT_WORK in asked.words else []


async def allow(
    cx: Context, asking: Asking, patient_id: UUID | None, chosen: Sequence[str], days: int
) -> str:
    """Write down that the actor says yes, and return the code for the app.

    Writes the approval, the code, for residents the consent `record.apps`, and an audit entry.

    Args:
        cx: of the person who says yes.
        asking: as `ask` returned it for the same request.
        patient_id: whose record; one of `asking.patients`.
        chosen: the scopes on data the person left in, as written in `asking`.
        days: for how long an app that stays allowed may read; one of `asking.days`.

    Raises:
        NothingAllowed: no data is left. ApprovalUnknown: another patient, or another time.
        NotAllowed, GuardianMustDecide: not theirs to say.
    """
    client, words = asking.client, asking.asked.words
    data = tuple(one for one in asking.asked.data if one.text in chosen)
    if asking.asked.data and not data:
        raise NothingAllowed
    is_resident = client.audience is Audience.RESIDENT
    if (patient_id not in asking.patients) if asking.patients else patient_id is not None:
        raise ApprovalUnknown
    if OFFLINE in words and days not in asking.days:
        raise ApprovalUnknown
    minutes = await policy.value(cx, "smart.access.minutes")
    lasts = timedelta(days=days) if OFFLINE in words else timedelta(minutes=minutes)
    if is_resident and patient_id is not None:
        await consent.give(cx, patient_id, PURPOSE)
        patient_id = await identity.resolve(cx, patient_id)
    account = cx.actor.account_id
    assert account is not None
    approval = Approval(
        id=ids.new(),
        client_id=client.id,
        account_id=account,
        person_id=cx.actor.person_id,
        patient_id=patient_id,
        scopes=Asked(data, words).text,
        given_at=cx.now,
        expires_at=cx.now + CODE_LIFE + lasts,
    )
    await store.add(cx.db, approval)
    code = secrets.new(secrets.CODE)
    await store.add_code(
        cx.db,
        secrets.hash_of(code),
        Code(
            approval.id,
            asking.request.redirect_uri,
            asking.request.get("code_challenge"),
            asking.request.get("nonce"),
            cx.now + CODE_LIFE,
        ),
    )
    facts = {"client": str(client.id), "scopes": approval.scopes[:1000]}
    await _note(cx, "smart.approved", approval, facts)
    return code


async def deny(cx: Context, client: Client, why: str) -> None:
    """Write down that nothing was allowed: the person said no, or the request did not hold."""
    facts = {"client": str(client.id), "why": why}
    record = f"smart.client/{client.id}"
    entry = audit.Entry("smart.approved", cx.actor.person_id, record, "refused", facts)
    await audit.append(cx, [entry])


async def list_shared(cx: Context) -> list[Shared]:
    """Return what apps may read of the actor's record and of whose guardian they are.

    Approvals for the same app and record are told as one.
    """
    found = await store.list_shared(cx.db, await _own_ids(cx), cx.now)
    together: dict[tuple[UUID, UUID], Shared] = {}
    for one in found:
        key = (one.client_id, one.patient_id)
        first = together.setdefault(key, one)
        if first is not one:
            together[key] = _joined(first, one)
    return list(together.values())


def _joined(newer: Shared, older: Shared) -> Shared:
    return Shared(
        id=newer.id,
        client_id=newer.client_id,
        client_name=newer.client_name,
        publisher=newer.publisher,
        patient_id=newer.patient_id,
        scopes=scopes.join(scopes.parse(newer.scopes), scopes.parse(older.scopes)).text,
        given_at=min(newer.given_at, older.given_at),
        expires_at=max(newer.expires_at, older.expires_at),
    )


async def _own_ids(cx: Context) -> list[UUID]:
    """Return all ids of the people whose record is the actor's to hand on."""
    own = await _own(cx)
    aliases = await identity.list_aliases(cx.db, own)
    return list({*own, *(other for found in aliases.values() for other in found)})


async def find_shared(cx: Context, approval_id: UUID) -> Shared:
    """Return one of `list_shared`, by the id of its newest approval.

    Raises:
        ApprovalUnknown: it is over, or not the actor's.
    """
    for one in await list_shared(cx):
        if one.id == approval_id:
            return one
    raise ApprovalUnknown


async def withdraw(cx: Context, shared: Shared) -> None:
    """Take back what an app was allowed: its tokens count for nothing from now on.

    Without any app left, the consent `record.apps` is withdrawn too.

    Raises:
        NotAllowed, NotVisible, GuardianMustDecide: not theirs to say.
    """
    await consent.require(cx, "consent.give", shared.patient_id)
    of_patient = await store.list_shared(
        cx.db, list(await identity.ids_of(cx.db, shared.patient_id)), cx.now
    )
    ending = [one for one in of_patient if one.client_id == shared.client_id]
    await end_many(cx, [one.id for one in ending], shared.patient_id, "withdrawn")
    if len(ending) == len(of_patient):
        await consent.withdraw(cx, shared.patient_id, PURPOSE)


async def end_all_of(cx: Context, person_id: UUID, at: datetime) -> None:
    """End what apps of residents were allowed about a person who took the consent back.

    What was allowed after that instant stays: the person has agreed anew.
    """
    known = list(await identity.ids_of(cx.db, person_id))
    found = await store.list_shared(cx.db, known, cx.now)
    ending = [one.id for one in found if one.given_at <= at]
    await end_many(cx, ending, person_id, "withdrawn")


async def end_many(cx: Context, approvals: list[UUID], patient_id: UUID | None, why: str) -> None:
    """End approvals, with an audit entry each; those that are over stay as they are."""
    ended = await store.end(cx.db, approvals, why, cx.now)
    entries = [
        audit.Entry("smart.ended", patient_id, f"smart.approval/{one}", "ok", {"why": why})
        for one in ended
    ]
    if entries:
        await audit.append(cx, entries)


async def _note(cx: Context, action: str, approval: Approval, facts: dict[str, str]) -> None:
    record = f"smart.approval/{approval.id}"
    about = approval.patient_id or approval.person_id
    await audit.append(cx, [audit.Entry(action, about, record, "ok", facts)])
