"""One request, one transaction: opened here, committed before the answer goes out.

A route takes `cx: WriteContext` (a transaction, rolled back on any error) or `cx: ReadContext`
(each statement by itself, for single reads), and declares `dependencies=[gate("booking.book")]`.
Without a gate there is no context: default deny.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from typing import Annotated, Any, cast

from fastapi import Depends
from starlette.requests import Request

from citycare.kernel.context import ANONYMOUS, Actor, Channel, Context, Role
from citycare.kernel.identity import accounts, sessions
from citycare.kit.db import Connection
from citycare.web.edge import cookies, forgery
from citycare.web.edge.errors import (
    ChannelNotYours,
    HeaderWrong,
    RoleMissing,
    SecondFactorNeeded,
    SignInNeeded,
)
from citycare.web.edge.exchange import Edge, Gate, edge_of, exchange_of

PLAIN = frozenset({Role.RESIDENT})  # what everybody with a person is
NO_CONNECTION = cast("Connection", None)  # until one is taken from the pool


class NoGate(RuntimeError):
    """A route asked for a context and declared no gate: a programming error."""


def gate(action: str, *, roles: Collection[Role] = (), anonymous: bool = False) -> Any:
    """Declare what a route does and for whom; put it into the route's `dependencies`.

    `roles` empty: any signed-in account. `consent.require` still decides about the person.
    """
    declared = Gate(action, frozenset(roles), anonymous)

    async def enter(request: Request) -> None:
        exchange_of(request).gate = declared

    enter.gate = declared  # type: ignore[attr-defined]
    return Depends(enter)


async def _write(request: Request) -> AsyncIterator[Context]:
    edge = edge_of(request)
    cx = _prepare(request, edge)
    async with edge.database.transaction() as db:
        yield await _admit(request, edge, replace(cx, db=db))


async def _read(request: Request) -> AsyncIterator[Context]:
    edge = edge_of(request)
    cx = _prepare(request, edge)
    async with edge.database.autocommit() as db:
        yield await _admit(request, edge, replace(cx, db=db))


WriteContext = Annotated[Context, Depends(_write, scope="function")]
ReadContext = Annotated[Context, Depends(_read, scope="function")]
OPENERS: dict[Any, str] = {_write: "write", _read: "read"}  # for the test that walks routes


def _prepare(request: Request, edge: Edge) -> Context:
    """Find the gate, the token and the channel, before a connection is taken."""
    case = exchange_of(request)
    if case.gate is None:
        raise NoGate(request.url.path)
    case.token, case.by_cookie = cookies.find_token(request, edge)
    if case.token is None and not case.gate.anonymous:
        raise SignInNeeded(case.gate.action)
    case.channel = _channel(request)
    purpose = case.gate.action
    return Context(NO_CONNECTION, ANONYMOUS, case.now, case.request_id, case.channel, purpose)


async def _admit(request: Request, edge: Edge, cx: Context) -> Context:
    """Look the actor up and hold them against the gate and, for forms, the form token."""
    case = exchange_of(request)
    if case.token is not None:
        found = await sessions.actor_of(cx.db, [case.token], cx.now)
        case.actor = found.get(case.token, ANONYMOUS)
    cx = replace(cx, actor=case.actor)
    gate = case.gate or Gate(cx.purpose)
    if cx.actor.account_id is None and not gate.anonymous:
        raise SignInNeeded(gate.action)
    if not may_speak_for(cx.actor, cx.channel):
        raise ChannelNotYours(channel=cx.channel)
    if request.method in forgery.UNSAFE:
        await forgery.require(request, edge, case)
    await _require_role(cx, gate)
    return cx


def may_speak_for(actor: Actor, channel: Channel) -> bool:
    """Tell whether a caller may name this channel.

    On-site places and the window's mercy after missed visits hang on it, so a phone's word is not
    enough: beside the phone, the account must be that of staff (or of the kiosk, as a clerk's).
    """
    return channel is Channel.PHONE or any(grant.role not in PLAIN for grant in actor.grants)


async def _require_role(cx: Context, gate: Gate) -> None:
    if not gate.roles or any(cx.actor.has(role) for role in gate.roles):
        return
    if cx.actor.account_id is None:
        raise SignInNeeded(gate.action)
    held = await accounts.list_grants(cx, cx.actor.account_id)
    if any(grant.role in gate.roles for grant in held):
        raise SecondFactorNeeded
    raise RoleMissing(action=gate.action)


def _channel(request: Request) -> Channel:
    given = request.headers.get("x-channel", Channel.PHONE)
    try:
        return Channel(given)
    except ValueError as error:
        raise HeaderWrong(header="X-Channel", allowed=" ".join(Channel)) from error
