"""The frame of a page, from the request: portal, navigation, person, language, form token."""

from __future__ import annotations

from starlette.requests import Request

from citycare.kernel.context import ANONYMOUS, Actor, Context
from citycare.web import i18n, manner, notices
from citycare.web.edge import forgery
from citycare.web.edge.exchange import edge_of, exchange_of
from citycare.web.portals import persons
from citycare.web.portals.model import Entry, Portal, portal_at
from citycare.web.shell import NavItem, Shell

PEOPLE_URL = "/me/people"
SIGN_OUT_URL = "/logout"


async def shell_for(request: Request, cx: Context, portal: Portal | None = None) -> Shell:
    """Return the frame of a page for the actor of this context."""
    found = portal or portal_at(edge_of(request).portals, request.url.path)
    person = await persons.in_hand(request, cx) if found.name == "resident" else None
    name = person.name if person is not None else cx.actor.name
    return _shell(request, found, cx.actor, name=name, can_switch=person is not None)


def bare_shell(request: Request) -> Shell:
    """Return a frame where there is no context: for errors."""
    portal = portal_at(edge_of(request).portals, request.url.path)
    actor = exchange_of(request).actor
    return _shell(request, portal, actor, name=actor.name, can_switch=False)


def _shell(request: Request, portal: Portal, actor: Actor, *, name: str, can_switch: bool) -> Shell:
    edge, case = edge_of(request), exchange_of(request)
    chosen = manner.manner_of(request)
    words = i18n.translations(chosen.lang)
    is_signed_in = actor.account_id is not None
    path = request.url.path
    nav = tuple(
        NavItem(
            label=words.gettext(entry.label),
            href=entry.href,
            icon=entry.icon,
            current=_is_current(entry, portal, path),
            key=entry.shortcut,
        )
        for entry in portal.visible_to(actor)
    )
    return Shell(
        lang=chosen.lang,
        elder=chosen.elder and portal.name == "resident",
        person_name=name if is_signed_in and actor is not ANONYMOUS else "",
        can_switch=can_switch,
        portal=portal.name,
        portal_name=words.gettext(portal.title),
        nav=nav,
        csrf=forgery.new_token(request, edge, case),
        city=edge.site.city,
        demo=edge.site.demo,
        path=path,
        home=portal.root,
        switch_url=PEOPLE_URL if can_switch else "",
        lang_url=manner.link(request, "lang", "zh" if chosen.lang == "en" else "en"),
        elder_url=manner.link(request, "elder", "0" if chosen.elder else "1"),
        sign_out_url=SIGN_OUT_URL if is_signed_in else "",
        toast=notices.take(request),
    )


def _is_current(entry: Entry, portal: Portal, path: str) -> bool:
    if entry.href == portal.root:
        return path == portal.root
    return path == entry.href or path.startswith(entry.href + "/")
