"""What the edge knows of the request in hand, and the long-lived parts it serves it with."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from jinja2 import Environment
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Scope

from citycare.kernel.context import ANONYMOUS, Actor, Channel, Role
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.kit.errors import AppError
from citycare.kit.keyring import Keyring
from citycare.web.edge.clients import Network
from citycare.web.edge.seal import Sealer

if TYPE_CHECKING:
    from citycare.web.edge.limits import Attempts
    from citycare.web.edge.metrics import Metrics
    from citycare.web.login.provider import Provider
    from citycare.web.oidc_dev import DevProvider
    from citycare.web.portals.model import Portal

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")
KEY = "citycare.exchange"


@dataclass(frozen=True, slots=True)
class Gate:
    """What a route asks of its caller: the action done, and as whom.

    `roles` empty: any signed-in account. `anonymous`: nobody needs to be signed in.
    """

    action: str
    roles: frozenset[Role] = frozenset()
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """The settings the web needs, as values. `home` keeps keys; `demo` allows the demo provider."""

    base_url: str
    city: str
    demo: bool
    home: Path
    migrations: Path
    field_keys: Path | None = None
    proxies: tuple[Network, ...] = ()
    oidc_issuer: str | None = None
    oidc_client_id: str = "citycare"
    oidc_client_secret: str = field(default="", repr=False)

    @property
    def is_https(self) -> bool:
        """Tell whether people reach us over TLS; cookies and HSTS depend on it."""
        return self.base_url.startswith("https://")


ErrorPage = Callable[[Request, AppError], Awaitable[Response]]
OnError = Callable[[Request, AppError], Awaitable[None]]
OnInterrupted = Callable[[Request, AppError], Awaitable[Response | None]]


@dataclass(slots=True)
class Edge:
    """The long-lived parts of the edge, one per application, in `app.state.edge`.

    `sealer` is for what browsers carry, `ring` for fields of the database. `error_page` draws an
    error for people; `on_refused` writes a refused access down; `on_interrupted` may answer
    instead, to keep a form that met an expired session.
    """

    site: Site
    database: Database
    sealer: Sealer
    ring: Keyring
    attempts: Attempts
    metrics: Metrics
    portals: Mapping[str, Portal]
    templates: Environment
    now: Callable[[], datetime] = clock.now
    error_page: ErrorPage | None = None
    on_refused: OnError | None = None
    on_interrupted: OnInterrupted | None = None
    provider: Provider | None = None
    dev_provider: DevProvider | None = None


@dataclass(slots=True)
class Exchange:
    """One request: its id, its instant, and what has been found out about it so far."""

    request_id: str
    now: datetime
    gate: Gate | None = None
    actor: Actor = ANONYMOUS
    channel: Channel = Channel.PHONE
    token: str | None = None
    by_cookie: bool = False
    visitor: str | None = None
    new_visitor: bool = False
    notice_shown: bool = False


def new_exchange(given_id: str | None, now: datetime) -> Exchange:
    """Start an exchange; a well-formed request id of the caller's is kept."""
    if given_id is not None and REQUEST_ID.fullmatch(given_id):
        return Exchange(given_id, now)
    return Exchange(str(ids.new()), now)


def exchange_of(connection: HTTPConnection | Scope) -> Exchange:
    """Return the exchange the middleware started for this request."""
    scope = connection.scope if isinstance(connection, HTTPConnection) else connection
    return cast("Exchange", scope[KEY])


def edge_of(connection: HTTPConnection) -> Edge:
    """Return the edge of the application that serves this request."""
    return cast("Edge", connection.app.state.edge)
