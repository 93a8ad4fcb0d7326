"""Registered clients."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from citycare.kit.db import Connection
from citycare.scenarios.smart.model import Audience, Client

COLUMNS = """id, name, publisher, audience, auth, organisation_id, account_id, redirect_uris,
       launch_url, scopes, jwks, jwks_url, secret_hash, introspects, created_at, disabled_at"""
ADD = f"""
    INSERT INTO smart.client ({COLUMNS})
    VALUES (%(id)s, %(name)s, %(publisher)s, %(audience)s, %(auth)s, %(organisation_id)s,
            %(account_id)s, %(redirect_uris)s, %(launch_url)s, %(scopes)s, %(jwks)s, %(jwks_url)s,
            %(secret_hash)s, %(introspects)s, %(created_at)s, NULL)
 RETURNING {COLUMNS}
"""
FIND = f"SELECT {COLUMNS} FROM smart.client WHERE id = %(id)s"
ALL = f"""
    SELECT {COLUMNS} FROM smart.client
     WHERE (%(text)s = '' OR starts_with(name, %(text)s))
       AND (%(audience)s::text IS NULL OR audience = %(audience)s)
     ORDER BY disabled_at IS NOT NULL, name, id LIMIT 500
"""
OF_STAFF = f"""
    SELECT {COLUMNS} FROM smart.client
     WHERE audience = 'staff' AND disabled_at IS NULL AND launch_url <> ''
       AND organisation_id = ANY(%(organisations)s) ORDER BY name, id LIMIT 100
"""
ROTATE = "UPDATE smart.client SET secret_hash = %(hash)s WHERE id = %(id)s"
SET_KEYS = "UPDATE smart.client SET jwks = %(jwks)s, jwks_url = %(url)s WHERE id = %(id)s"
SET_DISABLED = """
    UPDATE smart.client SET disabled_at = %(at)s
     WHERE id = %(id)s AND (disabled_at IS NULL) = (%(at)s::timestamptz IS NOT NULL)
"""


async def add(db: Connection, client: dict[str, Any]) -> Client:
    """Write a client down."""
    values = client | {"jwks": _json(client["jwks"])}
    async with db.cursor(row_factory=class_row(Client)) as cursor:
        made = await (await cursor.execute(ADD, values)).fetchone()
    assert made is not None
    return made


async def find(db: Connection, client_id: UUID) -> Client | None:
    """Return one client, switched off ones too."""
    async with db.cursor(row_factory=class_row(Client)) as cursor:
        return await (await cursor.execute(FIND, {"id": client_id})).fetchone()


async def list_all(db: Connection, text: str, audience: Audience | None) -> list[Client]:
    """Return clients whose name begins so, those in use first, at most 500."""
    async with db.cursor(row_factory=class_row(Client)) as cursor:
        parameters = {"text": text, "audience": audience}
        return await (await cursor.execute(ALL, parameters)).fetchall()


async def list_of_staff(db: Connection, organisations: list[UUID]) -> list[Client]:
    """Return the apps in use that the staff of these organisations can open."""
    async with db.cursor(row_factory=class_row(Client)) as cursor:
        return await (await cursor.execute(OF_STAFF, {"organisations": organisations})).fetchall()


async def set_secret(db: Connection, client_id: UUID, secret_hash: bytes) -> None:
    """Replace the secret; the old one no longer serves."""
    await db.execute(ROTATE, {"id": client_id, "hash": secret_hash})


async def set_keys(
    db: Connection, client_id: UUID, jwks: dict[str, Any] | None, url: str | None
) -> None:
    """Replace the public keys."""
    await db.execute(SET_KEYS, {"id": client_id, "jwks": _json(jwks), "url": url})


async def set_disabled(db: Connection, client_id: UUID, at: datetime | None) -> bool:
    """Switch a client off (or on again with None); tell whether that changed anything."""
    return (await db.execute(SET_DISABLED, {"id": client_id, "at": at})).rowcount > 0


def _json(jwks: dict[str, Any] | None) -> Jsonb | None:
    return None if jwks is None else Jsonb(jwks)
