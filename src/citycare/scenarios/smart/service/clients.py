"""Registering clients, changing their keys and secrets, switching them off and on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Context, Role
from citycare.kit import ids
from citycare.scenarios.smart.model import (
    Audience,
    Auth,
    Client,
    ClientUnknown,
    ClientWrong,
    NewClient,
    Wrong,
)
from citycare.scenarios.smart.rules import addresses, scopes
from citycare.scenarios.smart.rules.scopes import Asked, Level
from citycare.scenarios.smart.service import keys, secrets
from citycare.scenarios.smart.store import clients as store

ACTION = "operator.accounts"  # an app is an account of another kind: the same people decide
ISSUER = "urn:citycare:smart"
CLINICAL = (Role.CLINICIAN, Role.COMMUNITY_GP)
SIGN_IN = ("openid", "fhirUser")
MAY_ASK: dict[Audience, tuple[tuple[Level, ...], tuple[str, ...]]] = {
    Audience.RESIDENT: ((Level.PATIENT,), (*SIGN_IN, "launch/patient", "offline_access")),
    Audience.STAFF: ((Level.PATIENT, Level.USER), (*SIGN_IN, "launch")),
    Audience.BACKEND: ((Level.SYSTEM,), ()),
}


def most_of(client: Client) -> Asked:
    """Return the most a client may be given."""
    return scopes.parse(client.scopes)


async def register(cx: Context, new: NewClient) -> tuple[Client, str | None]:
    """Register a client; return it and, where it has one, its secret, told this once.

    Writes the client, the account a backend acts as, and an audit entry.

    Raises:
        NotAllowed, SignInNeeded: not an operator. OrganisationUnknown.
        ClientWrong: an address, scope or key cannot be used.
    """
    await consent.require(cx, ACTION)
    asked = _check(new)
    client_id = ids.new()
    account_id = None
    if new.organisation_id is not None:
        await identity.get_organisation(cx, new.organisation_id)
    if new.audience is Audience.BACKEND:
        account = await identity.register_account(cx, ISSUER, str(client_id), name=new.name)
        account_id = account.id
    secret = secrets.new(secrets.SECRET) if new.auth is Auth.SECRET else None
    values: dict[str, Any] = {
        "id": client_id,
        "name": new.name,
        "publisher": new.publisher,
        "audience": new.audience,
        "auth": new.auth,
        "organisation_id": new.organisation_id,
        "account_id": account_id,
        "redirect_uris": list(new.redirect_uris),
        "launch_url": new.launch_url,
        "scopes": asked.text,
        "jwks": new.jwks,
        "jwks_url": new.jwks_url,
        "secret_hash": secrets.hash_of(secret) if secret else None,
        "introspects": new.introspects,
        "created_at": cx.now,
    }
    client = await store.add(cx.db, values)
    await _note(cx, "registered", client, scopes=asked.text[:1000])
    return client, secret


def _check(new: NewClient) -> Asked:
    """Hold a registration against the rules; return its scopes, read."""
    is_backend = new.audience is Audience.BACKEND
    if is_backend and new.auth is not Auth.KEY:
        raise ClientWrong(Wrong.KEYS, "backend_needs_keys")
    if (new.audience is Audience.RESIDENT) != (new.organisation_id is None):
        raise ClientWrong(Wrong.SCOPES, "organisation")
    too_many = len(new.redirect_uris) > addresses.REDIRECTS_MAX
    if too_many or is_backend == bool(new.redirect_uris):
        raise ClientWrong(Wrong.REDIRECT, "count")
    if not all(addresses.is_redirect(one) for one in new.redirect_uris):
        raise ClientWrong(Wrong.REDIRECT, "form")
    if new.launch_url and not addresses.is_https(new.launch_url):
        raise ClientWrong(Wrong.LAUNCH, "form")
    check_keys(new.auth, new.jwks, new.jwks_url)
    asked = scopes.parse(new.scopes)
    levels, words = MAY_ASK[new.audience]
    if asked.ignored:
        raise ClientWrong(Wrong.SCOPES, asked.ignored[0][:100])
    if not asked.data or scopes.exceeds(asked, scopes.only(asked, *levels, words=words)):
        raise ClientWrong(Wrong.SCOPES, "audience")
    return asked


def check_keys(auth: Auth, jwks: dict[str, Any] | None, jwks_url: str | None) -> None:
    """Hold that a client has public keys where it needs them, by value or by address.

    Raises:
        ClientWrong: it has none, both, or they cannot be used.
    """
    given = (jwks is not None) + (jwks_url is not None)
    if given != (auth is Auth.KEY):
        raise ClientWrong(Wrong.KEYS, "count")
    if jwks is not None:
        keys.check(jwks)
    if jwks_url is not None and not addresses.is_https(jwks_url):
        raise ClientWrong(Wrong.KEYS_URL, "form")


async def find_in_use(cx: Context, client_id: UUID | None) -> Client:
    """Return a client that may be used.

    Raises:
        ClientUnknown: there is none, or it is switched off.
    """
    client = await store.find(cx.db, client_id) if client_id is not None else None
    if client is None or client.disabled_at is not None:
        raise ClientUnknown
    return client


async def is_in_use(cx: Context, client_id: UUID) -> bool:
    """Tell whether there is a client that may be used, whoever asks."""
    client = await store.find(cx.db, client_id)
    return client is not None and client.disabled_at is None


async def get(cx: Context, client_id: UUID) -> Client:
    """Return a client for the operator, switched off ones too.

    Raises:
        NotAllowed, SignInNeeded: not an operator. ClientUnknown.
    """
    await consent.require(cx, ACTION)
    client = await store.find(cx.db, client_id)
    if client is None:
        raise ClientUnknown
    return client


async def list_clients(
    cx: Context, text: str = "", audience: Audience | None = None
) -> list[Client]:
    """Return clients for the operator, at most 500, those in use first.

    Raises:
        NotAllowed, SignInNeeded: not an operator.
    """
    await consent.require(cx, ACTION)
    return await store.list_all(cx.db, text, audience)


async def list_for_staff(cx: Context) -> list[Client]:
    """Return the apps that can be opened by the actor, in the organisations they treat in."""
    places = {grant.organisation_id for grant in cx.actor.grants if grant.role in CLINICAL}
    return await store.list_of_staff(cx.db, [one for one in places if one is not None])


async def rotate_secret(cx: Context, client_id: UUID) -> str:
    """Give a client a new secret; the old one serves no longer. Return it, told this once.

    Raises:
        NotAllowed, SignInNeeded: not an operator. ClientUnknown.
        ClientWrong: it has keys, or needs nothing.
    """
    client = await get(cx, client_id)
    if client.auth is not Auth.SECRET:
        raise ClientWrong(Wrong.KEYS, "no_secret")
    secret = secrets.new(secrets.SECRET)
    await store.set_secret(cx.db, client_id, secrets.hash_of(secret))
    await _note(cx, "rotated", client)
    return secret


async def replace_keys(
    cx: Context, client_id: UUID, jwks: dict[str, Any] | None, jwks_url: str | None
) -> None:
    """Replace the public keys of a client; assertions with the old ones no longer hold.

    Raises:
        NotAllowed, SignInNeeded: not an operator. ClientUnknown.
        ClientWrong: the keys cannot be used, or it is a client without.
    """
    client = await get(cx, client_id)
    check_keys(client.auth, jwks, jwks_url)
    await store.set_keys(cx.db, client_id, jwks, jwks_url)
    await _note(cx, "rotated", client)


async def switch(cx: Context, client_id: UUID, *, on: bool) -> None:
    """Switch a client off: from now on its tokens count for nothing; or on again.

    Raises:
        NotAllowed, SignInNeeded: not an operator. ClientUnknown.
    """
    client = await get(cx, client_id)
    if await store.set_disabled(cx.db, client_id, None if on else cx.now):
        await _note(cx, "enabled" if on else "disabled", client)


async def _note(cx: Context, what: str, client: Client, **detail: str) -> None:
    facts = {"organisation": str(client.organisation_id or ""), **detail}
    entry = audit.Entry(f"smart.client_{what}", None, f"smart.client/{client.id}", "ok", facts)
    await audit.append(cx, [entry])
