"""Puts the parts of the web together for the composition root.

What scenarios add (routers, template folders, places in a portal's navigation) comes in `Parts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.staticfiles import StaticFiles

from citycare.kernel.consent import keep_refusals, refusals_in
from citycare.kernel.context import Context
from citycare.kit import clock, keyring
from citycare.kit.db import Database
from citycare.kit.errors import AppError
from citycare.web import assets, edge, oidc_dev, rendering, respond
from citycare.web.edge.exchange import Edge, Site, exchange_of
from citycare.web.edge.middleware import Limits
from citycare.web.login import demo_people, factor, provider, sessions
from citycare.web.login import routes as login
from citycare.web.portals import routes as portal_pages
from citycare.web.portals.model import Entry, extended

STATIC = Path(__file__).parent / "static"
CALLBACK = "/login/callback"
IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the composition root adds. `routers` come before the plain portal roots.

    `beside`: name of a place in a page to addresses with `{id}`, of what others show or offer
    there; a template asks `beside("clinic", id)`.
    """

    routers: Sequence[APIRouter] = ()
    templates: Sequence[Path] = ()
    entries: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    people: Sequence[demo_people.DemoPerson] = demo_people.PEOPLE
    limits: Limits = field(default_factory=Limits)
    now: Callable[[], datetime] = clock.now
    assets: assets.Assets | None = None


class Immutable(StaticFiles):
    """Built files: the hash in the name changes with the content, so they are kept for a year."""

    def file_response(self, *args: Any, **kwargs: Any) -> Any:
        """Say so."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = IMMUTABLE
        return response


def install(app: FastAPI, site: Site, database: Database, parts: Parts) -> None:
    """Put edge, sign-in, portals, files and the given parts onto an application."""
    sealer = edge.Sealer(edge.load_key(site.home))

    def url(name: str, /, **params: Any) -> str:
        return str(app.url_path_for(name, **params))

    made = Edge(
        site=site,
        database=database,
        sealer=sealer,
        ring=keyring.open_ring(site.home, site.field_keys),
        attempts=edge.Attempts(),
        metrics=edge.Metrics(),
        portals=extended(parts.entries),
        templates=rendering.environment(parts.templates, assets=parts.assets, url=url),
        now=parts.now,
        error_page=respond.error_page,
        on_refused=_write_refusal,
        on_interrupted=respond.interrupted,
    )
    made.templates.globals["beside"] = _beside(parts.beside)
    _sign_in(made, parts)
    edge.install(app, made, parts.limits)
    for router in (login.router, factor.router, sessions.router, portal_pages.router):
        app.include_router(router)
    for router in parts.routers:
        app.include_router(router)
    app.include_router(portal_pages.home_router())
    app.mount("/static", Immutable(directory=STATIC, check_dir=False), name="static")


def _beside(parts: Mapping[str, tuple[str, ...]]) -> Callable[[str, object], tuple[str, ...]]:
    """Return what templates ask: the addresses of what belongs beside a thing."""

    def beside(name: str, of: object) -> tuple[str, ...]:
        return tuple(address.replace("{id}", str(of)) for address in parts.get(name, ()))

    return beside


def _sign_in(made: Edge, parts: Parts) -> None:
    """Set up the provider: the one of the settings, or in the demo the development one."""
    site = made.site
    redirect_uri = site.base_url + CALLBACK
    client = provider.network_client
    issuer = site.oidc_issuer
    if issuer is None and site.demo:
        dev = oidc_dev.DevProvider(site, made.sealer, redirect_uri, parts.people, parts.now)
        made.dev_provider = dev
        issuer = demo_people.DEMO_ISSUER

        def client() -> httpx.AsyncClient:
            return httpx.AsyncClient(transport=httpx.ASGITransport(dev.back_channel))

    if issuer is not None:
        made.provider = provider.Provider(
            issuer=issuer.rstrip("/"),
            client_id=site.oidc_client_id,
            client_secret=site.oidc_client_secret,
            redirect_uri=redirect_uri,
            client=client,
        )


async def _write_refusal(request: Request, error: AppError) -> None:
    """Write a refused access to the audit trail, in a transaction of its own."""
    if not refusals_in([error]):
        return
    case = exchange_of(request)
    made = edge.edge_of(request)
    purpose = case.gate.action if case.gate is not None else ""
    async with made.database.transaction() as db:
        cx = Context(db, case.actor, case.now, case.request_id, case.channel, purpose)
        await keep_refusals(cx, [error])
