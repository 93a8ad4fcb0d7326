"""The web application: every part is put together here, and only here."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from citycare import settings as knobs
from citycare.journeys.demo.cast import demo_logins
from citycare.journeys.guidance import alarms, origins, places
from citycare.kit.db import Database
from citycare.scenarios import booking, exchange, preconsult, smart, triage
from citycare.scenarios.booking.api import bookings, draw, emergency, queue, rush, slots
from citycare.scenarios.booking.pages import (
    appeals,
    choose,
    clinic,
    clinic_panel,
    desk,
    desk_book,
    desk_register,
    desk_wait,
    draws,
    figures,
    home,
    mine,
    referral,
    replaced,
    scheduler,
    scheduler_closures,
    scheduler_draws,
    scheduler_stop,
    scheduler_templates,
    waiting,
    waiting_room,
)
from citycare.scenarios.booking.service.draw import keys_in
from citycare.scenarios.exchange.api import bulk, rest
from citycare.scenarios.exchange.pages import portal
from citycare.scenarios.exchange.service.capabilities import Security
from citycare.scenarios.preconsult.pages import authoring, prepare, prepared
from citycare.scenarios.preconsult.service import papers
from citycare.scenarios.smart import api as smart_api
from citycare.scenarios.smart.pages import authorize, launch
from citycare.scenarios.smart.pages import mine as shared
from citycare.scenarios.smart.pages import operator as smart_operator
from citycare.scenarios.smart.service import tokens
from citycare.scenarios.triage import api as triage_api
from citycare.scenarios.triage.pages import ask, card, dialogue
from citycare.scenarios.triage.pages import clinic as triage_clinic
from citycare.scenarios.triage.service import knowledge
from citycare.scenarios.triage.service.proposing import ModelProposer
from citycare.settings import Settings
from citycare.web import access, assembly, design_pages, family, operator
from citycare.web.assembly import Parts
from citycare.web.edge import apidocs
from citycare.web.edge.cors import OpenToPages
from citycare.web.edge.exchange import Site
from citycare.web.edge.lane import Call, Lane
from citycare.web.edge.middleware import Limits
from citycare.web.i18n import mark
from citycare.web.login.demo_people import DemoPerson
from citycare.web.portals.model import Entry

FOLDERS = tuple(
    Path(str(one.__file__)).parent for one in (booking, triage, preconsult, smart, exchange)
)
PARTS = Parts(
    routers=(
        home.router,
        choose.router,
        mine.router,
        waiting.router,
        draws.router,
        replaced.router,
        clinic.router,
        clinic_panel.router,
        referral.router,
        desk.router,
        desk_book.router,
        desk_register.router,
        desk_wait.router,
        scheduler.router,
        scheduler_closures.router,
        scheduler_draws.router,
        scheduler_stop.router,
        scheduler_templates.router,
        bookings.router,
        slots.router,
        draw.router,
        queue.router,
        emergency.router,
        smart_api.router,
        rest.router,
        bulk.router,
        *portal.ROUTERS,
        authorize.router,
        launch.router,
        shared.router,
        smart_operator.router,
        triage_api.router,
        ask.router,
        dialogue.router,
        card.router,
        triage_clinic.router,
        prepare.router,
        prepared.router,
        authoring.router,
        waiting_room.router,
        access.router,
        family.router,
        *operator.routers(charts=(figures.today, figures.waits)),
        appeals.router,
        design_pages.router,
    ),
    templates=tuple(folder / "templates" for folder in FOLDERS),
    beside={"clinic": ("/clinic/prepared/{id}",), "booking": ("/prepare/{id}",)},
    entries={
        "resident": (
            Entry(key="triage", label=mark("我不舒服"), href="/triage", icon="pulse"),
            Entry(key="book", label=mark("预约挂号"), href="/book", icon="booking"),
            Entry(key="mine", label=mark("我的预约"), href="/bookings", icon="list"),
            Entry(key="messages", label=mark("消息"), href="/messages", icon="mail"),
        ),
        "scheduler": (
            Entry(
                key="templates",
                label=mark("排班模板"),
                href="/scheduler/templates",
                icon="calendar",
                shortcut="2",
            ),
            Entry(
                key="closures",
                label=mark("不出诊的日子"),
                href="/scheduler/closures",
                icon="calendar-x",
                shortcut="3",
            ),
            Entry(
                key="stop", label=mark("办停诊"), href="/scheduler/stop", icon="stop", shortcut="4"
            ),
            Entry(
                key="draws", label=mark("摇号"), href="/scheduler/draws", icon="draw", shortcut="5"
            ),
        ),
        "operator": (
            *operator.ENTRIES,
            Entry(
                key="appeals",
                label=mark("爽约申诉"),
                href="/operator/appeals",
                icon="edit",
                shortcut="7",
            ),
            Entry(
                key="questionnaires",
                label=mark("诊前问卷"),
                href="/operator/questionnaires",
                icon="list",
                shortcut="8",
            ),
            portal.ENTRY,
            Entry(
                key="apps",
                label=mark("应用和系统"),
                href="/operator/apps",
                icon="link",
                shortcut="9",
            ),
        ),
    },
    limits=Limits(by_prefix=portal.LIMITS),
    people=tuple(
        DemoPerson(f"demo-{one.hint}", f"{one.name} {one.words}") for one in demo_logins()
    ),
)


def create(settings: Settings, database: Database, parts: Parts = PARTS) -> FastAPI:
    """Build the application. It starts while the database is away and answers 503 until then."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await database.open()
        yield
        await app.state.exchange.server.trail.flush()
        await database.close()

    app = FastAPI(
        title="CityCare 城医通",
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        # figures are our own (web.edge.metrics); looking for a provider cost each request 4 %
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=apidocs.operation_id,
    )
    assembly.install(app, _site(settings), database, parts)
    app.state.triage = partial(knowledge.load, settings.knowledge)  # read when first asked for
    app.state.preconsult = papers.load(settings.knowledge)
    app.state.preconsult_alarms = alarms.alarms_of(app.state.triage)
    app.state.triage_proposer = _proposer(settings)
    app.state.triage_places = places.places_for
    app.state.triage_emergencies = places.emergencies_for
    app.state.booking_origins = origins.Origins()
    app.state.exchange = rest.door(app.state.edge, tokens.find, _security(app.state.edge.site))
    app.add_middleware(rest.FrontDoor, edge=app.state.edge)
    app.add_middleware(OpenToPages, paths=(rest.ROOT, bulk.ROOT, *smart_api.OPEN_PATHS))
    app.state.rush = rush.build(database, parts.now, lambda: keys_in(settings.home))
    return app


def _security(site: Site) -> Security:
    """Say where apps sign in to the record."""
    return Security(
        authorize=site.base_url + smart_api.AUTHORIZE,
        token=site.base_url + smart_api.TOKEN,
        manage=site.base_url + smart_api.MANAGE,
        introspect=site.base_url + smart_api.INTROSPECT,
        revoke=site.base_url + smart_api.REVOKE,
    )


def _proposer(settings: Settings) -> ModelProposer | None:
    if settings.triage_model_url is None:
        return None
    return ModelProposer(
        settings.triage_model_url, settings.triage_model, settings.triage_model_key
    )


def with_lane(app: FastAPI) -> Lane:
    """Put the fast lane for bookings in front of an application."""

    async def book(call: Call) -> tuple[int, bytes]:
        return await bookings.book_plainly(bookings.rush_of(app), call)

    return Lane(app, app.state.edge, bookings.PATH, book)


def create_from_environment() -> Lane:
    """Build the application from the environment: the factory granian calls in each worker."""
    settings = knobs.read()
    lane = with_lane(create(settings, knobs.database_of(settings)))
    # What is loaded now stays: the collector need not walk it again with every batch of bookings.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    return lane


def _site(settings: Settings) -> Site:
    return Site(
        base_url=settings.base_url.rstrip("/"),
        city=settings.city,
        demo=settings.demo,
        home=settings.home,
        migrations=settings.migrations,
        field_keys=settings.field_keys,
        proxies=settings.proxies,
        oidc_issuer=settings.oidc_issuer,
        oidc_client_id=settings.oidc_client_id,
        oidc_client_secret=settings.oidc_client_secret,
    )
