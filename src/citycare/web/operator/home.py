"""The operator's first page: is the city well?"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, consent, events, identity
from citycare.kernel.context import Context, policy
from citycare.web.edge.contexts import ReadContext
from citycare.web.edge.exchange import edge_of
from citycare.web.manner import Words, words_of
from citycare.web.operator.common import operator_gate, stamp
from citycare.web.parts import Chart, Fact, Kpi, Link, Tag, Tone
from citycare.web.respond import respond

MakeChart = Callable[[Request, Context], Awaitable[Chart]]

WAITING_MAX = 1_000  # more jobs than this wait: something holds them up
DISK_FREE_MIN = 0.10
GIGA = 1_000_000_000
MEGA = 1_000_000
REVIEWS_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """The answer, what needs a hand, the numbers, and the charts scenarios bring."""

    title: str
    well: bool
    troubles: tuple[Link, ...]
    kpis: tuple[Kpi, ...]
    facts: tuple[Fact, ...]
    charts: tuple[Chart, ...]
    at: str


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk the data lies on."""

    free: int
    total: int

    @property
    def share_free(self) -> float:
        """Return how much of it is free, 0 to 1."""
        return self.free / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Checkup:
    """Everything the answer rests on."""

    backlog: events.Backlog
    vitals: events.Vitals
    sessions: identity.SessionCount
    disk: Disk
    reviews: int
    unverified: int
    checkpoint: str


def router(charts: Sequence[MakeChart] = ()) -> APIRouter:
    """Return the route of the first page; `charts` come from scenarios, by the root."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/operator", dependencies=[operator_gate("operator.jobs")])
    async def home(request: Request, cx: ReadContext) -> Response:
        """Answer: is the city well?"""
        await consent.require(cx, "operator.jobs")
        words = words_of(request)
        found = await _check(cx, edge_of(request).site.home)
        troubles = _troubles(found, words)
        count = len(troubles)
        page = HomePage(
            title=words("有 %(n)d 件事要看", n=count) if count else words("运行正常"),
            well=not troubles,
            troubles=troubles,
            kpis=_kpis(found, words),
            facts=_facts(found, words),
            charts=tuple([await make(request, cx) for make in charts]),
            at=stamp(cx.now),
        )
        return await respond(request, cx, "operator/home.html", page)

    return routes


async def _check(cx: Context, home: Path) -> Checkup:
    newest = await audit.newest_checkpoint(cx)
    unreviewed = await consent.list_unreviewed(cx, limit=REVIEWS_SHOWN)
    parameters = await policy.list_in_force(cx)
    return Checkup(
        backlog=await events.backlog(cx.db),
        vitals=await events.vitals(cx),
        sessions=await identity.count_sessions(cx),
        disk=await asyncio.to_thread(disk_of, home),
        reviews=len(unreviewed.items),
        unverified=sum(one.status == policy.Status.UNVERIFIED for one in parameters),
        checkpoint=f"{newest[0].id} · {stamp(newest[1])}" if newest else "",
    )


def disk_of(folder: Path) -> Disk:
    """Look at the disk a folder lies on; of a folder not yet made, at its parent's."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
    usage = shutil.disk_usage(there)
    return Disk(usage.free, usage.total)


def _troubles(found: Checkup, words: Words) -> tuple[Link, ...]:
    """List what needs a hand, each with where to go."""
    backlog = found.backlog
    lines = []
    if backlog.dead:
        label = words("%(n)d 个任务试了几次都失败", n=backlog.dead)
        note = words("看原因，修好后重放，或者放弃。")
        lines.append(Link(label=label, note=note, href="/operator/jobs", icon="alert"))
    if backlog.waiting > WAITING_MAX:
        label = words("%(n)d 个任务在等", n=backlog.waiting)
        note = words("看后台进程是否在运行：citycare worker。")
        lines.append(
            Link(label=label, note=note, href="/operator/jobs?state=waiting", icon="queue")
        )
    if found.disk.share_free < DISK_FREE_MIN:
        label = words("磁盘只剩 %(n)d%%", n=round(found.disk.share_free * 100))
        note = words("满了数据库会停。请加磁盘，或搬走旧备份。")
        lines.append(Link(label=label, note=note, href="/operator", icon="alert"))
    if found.reviews:
        label = words("%(n)d 次紧急查阅没有审核", n=found.reviews)
        note = words("看理由成不成立。")
        lines.append(Link(label=label, note=note, href="/operator/glass", icon="eye"))
    return tuple(lines)


def _kpis(found: Checkup, words: Words) -> tuple[Kpi, ...]:
    backlog, sessions = found.backlog, found.sessions
    return (
        Kpi(number=f"{backlog.waiting:,}", label=words("任务在等")),
        Kpi(number=f"{backlog.running:,}", label=words("任务在做")),
        Kpi(number=f"{backlog.dead:,}", label=words("任务失败")),
        Kpi(number=f"{sessions.open:,}", label=words("登录中")),
        Kpi(number=f"{sessions.strong:,}", label=words("其中工作人员")),
    )


def _facts(found: Checkup, words: Words) -> tuple[Fact, ...]:
    vitals, disk = found.vitals, found.disk
    low = disk.share_free < DISK_FREE_MIN
    return (
        Fact(
            name=words("数据库"),
            text=words(
                "PostgreSQL %(version)s，%(size)s，%(n)d 个连接",
                version=vitals.version.split()[0],
                size=size_of(vitals.bytes),
                n=vitals.connections,
            ),
        ),
        Fact(name=words("启动于"), text=stamp(vitals.started_at)),
        Fact(
            name=words("磁盘"),
            text=words(
                "还剩 %(free)s，共 %(total)s", free=size_of(disk.free), total=size_of(disk.total)
            ),
            tag=Tag(text=words("快满了"), tone=Tone.DANGER) if low else None,
        ),
        Fact(name=words("审计检查点"), text=found.checkpoint or words("还没有，每 10 分钟一个")),
        Fact(
            name=words("规则参数"),
            text=words("%(n)d 项没有核实出处", n=found.unverified),
            tag=Tag(text=words("待核实"), tone=Tone.SOON) if found.unverified else None,
        ),
    )


def size_of(count: int) -> str:
    """Write bytes so that a person can compare them: `1.2 GB`, `340 MB`."""
    if count >= GIGA:
        return f"{count / GIGA:,.1f} GB"
    return f"{count / MEGA:,.0f} MB"
