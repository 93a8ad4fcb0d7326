"""Tokens: issued for a code, a refresh token or a backend's own word; found; asked about; ended.

A refusal is an answer, not a failure: the caller commits what was written before it (a code that
was tried is spent, an approval whose code or refresh token came twice is over) and audits it.

Source: RFC 6749 §4.1.3, §4.4, §6; RFC 7636 §4.6; RFC 9700 §2.2.2, §4.14 (rotation, reuse); RFC
7662; RFC 7009; HL7 SMART App Launch 2.2.0, "Obtain access token", "Backend Services".
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import SYSTEM, Actor, App, Context, Grant, Role, policy
from citycare.kernel.identity import Account
from citycare.kernel.identity.model import AccountUnknown
from citycare.kit import ids
from citycare.kit.db import Connection
from citycare.scenarios.smart.model import Approval, Audience, Client, OAuthError, Refused
from citycare.scenarios.smart.rules import requests, scopes
from citycare.scenarios.smart.rules.scopes import Allowed, Asked
from citycare.scenarios.smart.service import approving, clients, secrets
from citycare.scenarios.smart.service.identity_tokens import Signer
from citycare.scenarios.smart.store import approvals as approval_store
from citycare.scenarios.smart.store import tokens as store
from citycare.scenarios.smart.store.tokens import Access, Found

PURGED_MAX = 50_000
KEPT = timedelta(days=30)
MINUTES = {True: (1, 60), False: (5, 60)}  # of backends, of apps: what policy cannot exceed


@dataclass(frozen=True, slots=True)
class Granted:
    """What an access token stands for.

    `actor` is who is asked about in consent: the account of who allowed the app, with the roles it
    had when the token was issued. A backend acts as its own account, which has no role of a human:
    `Role.EXCHANGE` if an operator gave it that, else none; `organisation_id` says whose system it
    is. `allowed` narrows what that actor may do. `actor.session_id` is the token's id,
    `actor.app` the client.
    """

    client_id: UUID
    client_name: str
    organisation_id: UUID | None
    is_backend: bool
    actor: Actor
    allowed: Allowed
    issued_at: datetime
    expires_at: datetime

    @property
    def patient_id(self) -> UUID | None:
        """The only person it may see; None: no such limit."""
        return self.allowed.patient_id


async def find(db: Connection, token: str, now: datetime) -> Granted | None:
    """Return what a token stands for, or None when it does not count (hot path: few statements).

    It counts while it is in time, its client is in use and what it was issued on is in force: the
    approval, the consent of the person, the account that acts, and each role it acts in.
    """
    if not secrets.is_like(secrets.ACCESS, token):
        return None
    found = await store.find(db, secrets.hash_of(token), now)
    if found is None:
        return None
    grants = tuple(_grant(text) for text in found.grants)
    cx = Context(db, SYSTEM, now, f"smart.access/{found.id}", purpose="smart.find")
    if not await _is_backed(cx, found, grants):
        return None
    return Granted(
        client_id=found.client_id,
        client_name=found.client_name,
        organisation_id=found.organisation_id,
        is_backend=found.audience == Audience.BACKEND,
        actor=Actor(
            found.account_id,
            found.person_id,
            grants,
            found.id,
            found.actor_name,
            App(found.client_id, found.client_name),
        ),
        allowed=Allowed(scopes.parse(found.scopes).data, found.patient_id),
        issued_at=found.issued_at,
        expires_at=found.expires_at,
    )


async def _is_backed(cx: Context, found: Found, grants: Sequence[Grant]) -> bool:
    """Tell whether account, roles and consent behind a token still are as when it was issued."""
    held = await identity.find_held(cx, found.account_id)
    if held is None or not all(_holds(held, one) for one in grants):
        return False
    if found.audience != Audience.RESIDENT or found.patient_id is None:
        return True
    return await consent.has(cx, found.patient_id, approving.PURPOSE, found.given_at)


def _holds(held: Collection[Grant], one: Grant) -> bool:
    """Tell whether an account holds a role, there or everywhere; that of a resident all have."""
    everywhere = Grant(one.role)
    return one.role is Role.RESIDENT or one in held or everywhere in held


def _grant(text: str) -> Grant:
    role, _, organisation = text.partition("/")
    return Grant(Role(role), UUID(organisation) if organisation else None)


async def exchange(
    cx: Context, client: Client, form: Mapping[str, str], signer: Signer, fhir_base: str
) -> dict[str, Any]:
    """Answer a token request of a client that has proved who it is (RFC 6749 §5.1).

    Raises:
        Refused: the grant does not hold; the caller commits, and tells the client.
    """
    match form.get("grant_type"):
        case "authorization_code":
            return await _by_code(cx, client, form, signer, fhir_base)
        case "refresh_token":
            return await _by_refresh(cx, client, form)
        case "client_credentials":
            return await _by_itself(cx, client, form)
        case _:
            raise Refused(OAuthError.UNSUPPORTED_GRANT_TYPE, "grant_type")


async def _by_code(
    cx: Context, client: Client, form: Mapping[str, str], signer: Signer, fhir_base: str
) -> dict[str, Any]:
    """Spend a code. One that comes again ends what came of it the first time."""
    given = form.get("code", "")
    hashed = secrets.hash_of(given)
    if not secrets.is_like(secrets.CODE, given):
        raise _bad("code_unknown")
    code = await approval_store.use_code(cx.db, hashed, cx.now)
    if code is None:
        await _replayed(cx, await approval_store.find_used_code(cx.db, hashed))
        raise _bad("code_unknown_or_used")
    approval = await _approval(cx, client, code.approval_id)
    verifier = form.get("code_verifier", "")
    fits = requests.VERIFIER.fullmatch(verifier) is not None and hmac.compare_digest(
        create_s256_code_challenge(verifier), code.challenge
    )
    if code.expires_at <= cx.now:
        raise _bad("code_expired")
    if not hmac.compare_digest(
        form.get("redirect_uri", "").encode("utf-8", "replace"), code.redirect_uri.encode()
    ):
        raise _bad("redirect_uri")
    if not fits:
        raise _bad("code_verifier")
    account = await _account(cx, approval)
    asked = scopes.parse(approval.scopes)
    answer = await _issue(cx, client, approval, asked, account)
    if approving.OFFLINE in asked.words:
        answer["refresh_token"] = await _new_refresh(cx, approval)
    if "openid" in asked.words:
        answer["id_token"] = signer.sign(
            account.id,
            client.id,
            access_token=answer["access_token"],
            nonce=code.nonce,
            fhir_user=_fhir_user(account, fhir_base) if "fhirUser" in asked.words else None,
            now=cx.now,
        )
    return answer


async def _by_refresh(cx: Context, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    """Spend a refresh token for its successor. One that comes again ends the approval."""
    given = form.get("refresh_token", "")
    hashed = secrets.hash_of(given)
    if not secrets.is_like(secrets.REFRESH, given):
        raise _bad("refresh_unknown")
    approval_id = await store.use_refresh(cx.db, hashed, cx.now)
    if approval_id is None:
        await _replayed(cx, await store.approval_of_refresh(cx.db, hashed))
        raise _bad("refresh_unknown_or_used")
    approval = await _approval(cx, client, approval_id)
    account = await _account(cx, approval)
    if approval.patient_id is not None and not await consent.has(
        cx, approval.patient_id, approving.PURPOSE, approval.given_at
    ):
        await approving.end_many(cx, [approval.id], approval.patient_id, "withdrawn")
        raise _bad("consent_withdrawn")
    most = asked = scopes.parse(approval.scopes)
    if "scope" in form:
        asked = scopes.parse(form["scope"])
        if scopes.exceeds(asked, most):
            raise Refused(OAuthError.INVALID_SCOPE, "wider_than_allowed")
    answer = await _issue(cx, client, approval, asked, account)
    answer["refresh_token"] = await _new_refresh(cx, approval)
    return answer


async def _by_itself(cx: Context, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    """Give a backend a token on its own word; it has no account of a human and no roles."""
    if client.audience is not Audience.BACKEND or client.account_id is None:
        raise Refused(OAuthError.UNAUTHORIZED_CLIENT, "not_a_backend")
    asked = scopes.meet(scopes.parse(form.get("scope", "")), clients.most_of(client))
    if not asked.data:
        raise Refused(OAuthError.INVALID_SCOPE, "nothing_left")
    account = await identity.get_account(cx, client.account_id)
    if account.disabled_at is not None:
        raise Refused(OAuthError.UNAUTHORIZED_CLIENT, "account_closed")
    return await _issue(cx, client, None, asked, account)


async def _approval(cx: Context, client: Client, approval_id: UUID) -> Approval:
    """Return the approval a code or refresh token stands for, if it is this client's.

    Presented by another client, the token has leaked: the approval ends.
    """
    approval = await approval_store.find(cx.db, approval_id)
    if approval is None or not approval.is_in_force(cx.now):
        raise _bad("approval_over")
    if approval.client_id != client.id:
        await approving.end_many(cx, [approval.id], approval.patient_id, "replayed")
        raise _bad("of_another_client")
    return approval


async def _replayed(cx: Context, approval_id: UUID | None) -> None:
    approval = await approval_store.find(cx.db, approval_id) if approval_id else None
    if approval is not None:
        await approving.end_many(cx, [approval.id], approval.patient_id, "replayed")


async def _account(cx: Context, approval: Approval) -> Account:
    """Return the account of who said yes, if it is still open."""
    try:
        account = await identity.get_account(cx, approval.account_id)
    except AccountUnknown as error:
        raise _bad("account_closed") from error
    if account.disabled_at is not None:
        raise _bad("account_closed")
    return account


async def _issue(
    cx: Context, client: Client, approval: Approval | None, asked: Asked, account: Account
) -> dict[str, Any]:
    """Write an access token down and return the answer that carries it."""
    key = "smart.backend.minutes" if approval is None else "smart.access.minutes"
    low, high = MINUTES[approval is None]
    lasts = timedelta(minutes=min(high, max(low, int(await policy.value(cx, key)))))
    until = cx.now + lasts if approval is None else min(cx.now + lasts, approval.expires_at)
    token = secrets.new(secrets.ACCESS)
    patient_id = approval.patient_id if approval is not None else None
    if patient_id is not None:  # two records may have become one since
        patient_id = await identity.resolve(cx, patient_id)
    access = Access(
        id=ids.new(),
        client_id=client.id,
        approval_id=approval.id if approval is not None else None,
        account_id=account.id,
        person_id=account.person_id if approval is not None else None,
        actor_name=account.name,
        grants=await _grants(cx, client, account),
        patient_id=patient_id,
        scopes=asked.text,
        issued_at=cx.now,
        expires_at=until,
    )
    await store.add(cx.db, secrets.hash_of(token), access)
    acting = replace(cx, actor=Actor(account.id, access.person_id, (), access.id, account.name))
    facts = {"client": str(client.id), "scopes": asked.text[:1000]}
    record = f"smart.access/{access.id}"
    await audit.append(acting, [audit.Entry("smart.issued", patient_id, record, "ok", facts)])
    answer: dict[str, Any] = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": int((until - cx.now).total_seconds()),
        "scope": asked.text,
    }
    if patient_id is not None:
        answer["patient"] = str(patient_id)
    return answer


async def _grants(cx: Context, client: Client, account: Account) -> list[str]:
    """Return the roles a token acts with; of staff only those in the client's organisation."""
    match client.audience:
        case Audience.RESIDENT:
            return [f"{Role.RESIDENT}/"]
        case Audience.BACKEND:
            held = await identity.list_grants(cx, account.id)
            return [
                f"{one.role}/{one.organisation_id or ''}"
                for one in held
                if one.role is Role.EXCHANGE
            ]
        case Audience.STAFF:
            held = await identity.list_grants(cx, account.id)
            roles = [
                f"{one.role}/{client.organisation_id}"
                for one in held
                if one.role in clients.CLINICAL
                and one.organisation_id in (None, client.organisation_id)
            ]
            if not roles:
                raise _bad("no_longer_staff")
            return sorted(set(roles))


async def _new_refresh(cx: Context, approval: Approval) -> str:
    token = secrets.new(secrets.REFRESH)
    await store.add_refresh(cx.db, secrets.hash_of(token), approval.id, cx.now)
    return token


def _fhir_user(account: Account, fhir_base: str) -> str | None:
    if account.practitioner_id is not None:
        return f"{fhir_base}/Practitioner/{account.practitioner_id}"
    return f"{fhir_base}/Patient/{account.person_id}" if account.person_id is not None else None


async def introspect(cx: Context, client: Client, token: str) -> dict[str, Any]:
    """Tell a client about a token: its own, or with the right to ask, anybody's (RFC 7662 §2.2)."""
    found = await find(cx.db, token, cx.now)
    if found is None or (found.client_id != client.id and not client.introspects):
        return {"active": False}
    answer: dict[str, Any] = {
        "active": True,
        "scope": " ".join(scope.text for scope in found.allowed.data),
        "client_id": str(found.client_id),
        "token_type": "Bearer",
        "sub": str(found.actor.account_id),
        "iat": int(found.issued_at.timestamp()),
        "exp": int(found.expires_at.timestamp()),
    }
    if found.allowed.patient_id is not None:
        answer["patient"] = str(found.allowed.patient_id)
    return answer


async def revoke(cx: Context, client: Client, token: str) -> None:
    """End a token of this client; a refresh token ends all it stands for (RFC 7009 §2.1).

    A token that is none, or another's, is no error: there is nothing to end.
    """
    hashed = secrets.hash_of(token)
    if secrets.is_like(secrets.REFRESH, token):
        approval_id = await store.approval_of_refresh(cx.db, hashed)
        approval = await approval_store.find(cx.db, approval_id) if approval_id else None
        if approval is not None and approval.client_id == client.id:
            await approving.end_many(cx, [approval.id], approval.patient_id, "revoked")
    else:
        ended = await store.end(cx.db, hashed, client.id)
        if ended is not None:
            facts = {"why": "revoked", "client": str(client.id)}
            entry = audit.Entry("smart.ended", None, f"smart.access/{ended}", "ok", facts)
            await audit.append(cx, [entry])


async def note_refused(cx: Context, client_id: UUID | None, error: Refused) -> None:
    """Write a refused request of a client into the audit trail."""
    facts = {"error": str(error.error), "why": error.why}
    record = f"smart.client/{client_id or 'unknown'}"
    await audit.append(cx, [audit.Entry("smart.issued", None, record, "refused", facts)])


async def purge(cx: Context) -> int:
    """Forget tokens and assertions that are over, and approvals over for 30 days; return how many.

    What was done with them stays in the audit trail.
    """
    over = await store.purge(cx.db, cx.now, PURGED_MAX)
    return over + await approval_store.purge(cx.db, cx.now - KEPT)


def _bad(why: str) -> Refused:
    return Refused(OAuthError.INVALID_GRANT, why)
