"""What the operator's tests share: a signed-in operator, and doing things in the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from html import unescape
from typing import TypeVar
from uuid import UUID

import httpx
from fastapi import FastAPI

from citycare.kernel import identity
from citycare.kernel.context import SYSTEM, Actor, Channel, Context, Grant, Role
from citycare.kernel.identity import NewPerson, Person, Sex
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.web.login.tokens import issue_token

Kept = TypeVar("Kept")
HTML = "text/html"
BASE = "http://127.0.0.1:8000"


async def committed(database: Database, work: Callable[[Context], Awaitable[Kept]]) -> Kept:
    """Do something as the system, now, and commit it."""
    async with database.transaction() as db:
        return await work(Context(db, SYSTEM, clock.now(), str(ids.new()), Channel.PHONE, "test"))


def browser(app: FastAPI, token: str) -> httpx.AsyncClient:
    """A browser-like client that is signed in by token."""
    headers = {"accept": HTML, "authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE, headers=headers)


async def operator(app: FastAPI, database: Database) -> httpx.AsyncClient:
    """An operator of the whole city."""
    return browser(app, await issue_token(database, Role.OPERATOR))


async def somebody(cx: Context, name: str = "林秀英", phone: str = "13900000001") -> Person:
    """A person with a name nobody else here has."""
    born_on = clock.day_of(cx.now).replace(year=1958, month=3, day=14)
    return await identity.register_person(cx, NewPerson(name, Sex.FEMALE, born_on, phone=phone))


async def doctor(cx: Context, name: str = "陈立") -> Actor:
    """A doctor of some hospital, with the role for the whole city."""
    account = await identity.register_account(cx, "urn:test", name, name=name)
    await identity.add_grant(cx, account.id, Grant(Role.CLINICIAN))
    return Actor(account.id, None, (Grant(Role.CLINICIAN),), None, name)


def acting(cx: Context, actor: Actor, purpose: str = "test") -> Context:
    """The same transaction, as somebody."""
    return replace(cx, actor=actor, purpose=purpose)


async def said(client: httpx.AsyncClient, path: str, status: int = 200) -> str:
    """Open a page and return its text."""
    answer = await client.get(path)
    assert answer.status_code == status, f"{answer.status_code} {path}\n{answer.text[:2000]}"
    return answer.text


async def entries_of(database: Database, action: str) -> list[dict[str, object]]:
    """The audit entries of one action, oldest first."""
    async with database.autocommit() as db:
        rows = await (
            await db.execute(
                "SELECT line::jsonb AS line FROM audit.entry WHERE action = %(action)s"
                " ORDER BY at_us, seq",
                {"action": action},
            )
        ).fetchall()
    return [row["line"] for row in rows]


def plain(page: str) -> str:
    """A page's text with entities read and unbreakable spaces as plain ones."""
    return unescape(page).replace("\u00a0", " ")


NOBODY = UUID(int=4711)
