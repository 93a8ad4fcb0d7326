"""The operator's pages: is the city well, jobs, audit, policy, people, reviews, accounts.

`routers(charts)` and `ENTRIES` go into the composition root; scenarios add pages of their own
below `/operator` with `common.operator_gate`.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from citycare.web.i18n import mark
from citycare.web.operator import accounts, glass, home, jobs, people, rules, trail, verify
from citycare.web.operator.home import MakeChart
from citycare.web.portals.model import Entry

ENTRIES = (
    Entry(key="jobs", label=mark("后台任务"), href="/operator/jobs", icon="queue", shortcut="1"),
    Entry(key="audit", label=mark("审计"), href="/operator/audit", icon="log", shortcut="2"),
    Entry(
        key="policy", label=mark("规则参数"), href="/operator/policy", icon="settings", shortcut="3"
    ),
    Entry(
        key="people", label=mark("人员档案"), href="/operator/people", icon="people", shortcut="4"
    ),
    Entry(key="glass", label=mark("紧急查阅"), href="/operator/glass", icon="eye", shortcut="5"),
    Entry(key="accounts", label=mark("账号"), href="/operator/accounts", icon="key", shortcut="6"),
)


def routers(charts: Sequence[MakeChart] = ()) -> tuple[APIRouter, ...]:
    """Return the routers of all pages; `charts` are drawn on the first one."""
    return (
        home.router(charts),
        jobs.router,
        verify.router,
        trail.router,
        rules.router,
        people.router,
        glass.router,
        accounts.router,
    )
