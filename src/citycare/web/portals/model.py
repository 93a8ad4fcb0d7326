"""The portals: where each group of users works, and what they find there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from citycare.kernel.context import Actor, Role
from citycare.web.i18n import mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One place in a portal's navigation. `roles` empty: everybody who may enter the portal.

    `last` stands behind what scenarios add.
    """

    key: str
    label: str
    href: str
    icon: str
    roles: frozenset[Role] = frozenset()
    shortcut: str = ""
    last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """One portal. `roles` empty: open to everybody, signed in or not."""

    name: str
    title: str
    root: str
    roles: frozenset[Role] = frozenset()
    entries: tuple[Entry, ...] = ()

    def visible_to(self, actor: Actor) -> tuple[Entry, ...]:
        """Return the places this actor may go to, in the order they are shown."""
        visible = (
            entry
            for entry in self.entries
            if not entry.roles or any(actor.has(role) for role in entry.roles)
        )
        return tuple(sorted(visible, key=lambda entry: entry.last))


RESIDENT = Portal(
    name="resident",
    title=mark("居民"),
    root="/",
    entries=(
        Entry(key="home", label=mark("首页"), href="/", icon="home"),
        Entry(key="me", label=mark("我的"), href="/me", icon="user", last=True),
    ),
)
CLINIC = Portal(
    name="clinic",
    title=mark("医生"),
    root="/clinic",
    roles=frozenset({Role.CLINICIAN, Role.COMMUNITY_GP}),
    entries=(Entry(key="home", label=mark("今天"), href="/clinic", icon="home", shortcut="h"),),
)
DESK = Portal(
    name="desk",
    title=mark("窗口"),
    root="/desk",
    roles=frozenset({Role.CLERK}),
    entries=(Entry(key="home", label=mark("窗口办理"), href="/desk", icon="home", shortcut="h"),),
)
SCHEDULER = Portal(
    name="scheduler",
    title=mark("排班"),
    root="/scheduler",
    roles=frozenset({Role.SCHEDULER}),
    entries=(
        Entry(
            key="home", label=mark("排班"), href="/scheduler", icon="calendar-clock", shortcut="h"
        ),
    ),
)
OPERATOR = Portal(
    name="operator",
    title=mark("平台运行"),
    root="/operator",
    roles=frozenset({Role.OPERATOR}),
    entries=(Entry(key="home", label=mark("运行"), href="/operator", icon="pulse", shortcut="h"),),
)
PORTALS: Mapping[str, Portal] = {
    portal.name: portal for portal in (CLINIC, DESK, SCHEDULER, OPERATOR, RESIDENT)
}


def extended(entries: Mapping[str, tuple[Entry, ...]]) -> dict[str, Portal]:
    """Return the portals with the places that scenarios add; for the composition root."""
    unknown = set(entries) - set(PORTALS)
    if unknown:
        raise ValueError(f"no such portal: {', '.join(sorted(unknown))}")
    return {
        name: replace(portal, entries=(*portal.entries, *entries.get(name, ())))
        for name, portal in PORTALS.items()
    }


def portal_at(portals: Mapping[str, Portal], path: str) -> Portal:
    """Return the portal a path belongs to; the residents' is the rest."""
    for portal in portals.values():
        if portal.root != "/" and (path == portal.root or path.startswith(portal.root + "/")):
            return portal
    return portals["resident"]


def home_of(portals: Mapping[str, Portal], actor: Actor) -> str:
    """Return where somebody who just signed in goes: the portal of their work, else `/`."""
    for portal in portals.values():
        if portal.roles and any(actor.has(role) for role in portal.roles):
            return portal.root
    return "/"
