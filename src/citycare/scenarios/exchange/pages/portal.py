"""The record's pages for operators: what is in it, what is slow, who is told, what comes in.

`ROUTERS` and `ENTRY` go into the composition root, with the limit of what may be uploaded. The
order counts: addresses of fixed words come before those with an id in them.
"""

from __future__ import annotations

from citycare.scenarios.exchange.pages import (
    browse,
    check,
    compare,
    imports,
    links,
    one,
    slow,
    subscriptions,
)
from citycare.web.i18n import mark
from citycare.web.portals.model import Entry

ROUTERS = (
    browse.router,
    slow.router,
    subscriptions.router,
    imports.router,
    links.router,
    check.router,
    compare.router,
    one.router,
)
ENTRY = Entry(key="record", label=mark("健康档案库"), href="/operator/record", icon="document")
LIMITS = ((check.PATH_CHECK, check.BODY_MAX),)
