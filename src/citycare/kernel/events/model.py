"""Values of the outbox and the job queue: events, who handles them, jobs, limits, errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from citycare.kernel.context import Context
from citycare.kit import ids
from citycare.kit.errors import Conflict, NotFound

Facts = Mapping[str, str | int]
Run = Callable[..., Awaitable[object]]

TRIES = 6
IDS_PER_JOB = 1_000
REPLIES_KEPT_DAYS = 7
EVENTS_KEPT_DAYS = 30


class KeyReused(Conflict):
    """The idempotency key was used before for a different request."""

    code = "request.key_reused"
    words = "这次提交与之前的一次编号相同但内容不同，请返回重新填写后再提交。"


class NoDeadLetter(NotFound):
    """There is no failed job under this number."""

    code = "events.no_dead_letter"
    words = "没有找到这个失败的任务，它可能已经重新执行，请刷新列表。"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `facts` are ids and numbers, never clinical text.

    `id` is given at birth; a handler derives the ids of what it makes from it, so that what it
    makes is the same each time. `at` is set when the event is emitted.
    """

    name: str
    facts: Facts
    id: UUID = field(default_factory=ids.new, compare=False)
    at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Handler:
    """What to do when an event has happened: `await run(cx, event)`.

    `name` is stable: it is written down with each event it has handled, `module.verb`.
    """

    event: str
    name: str
    run: Callable[[Context, Event], Awaitable[object]]
    tries: int = TRIES


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of work that is asked for by name: `await run(cx, **args)`."""

    name: str
    run: Run
    tries: int = TRIES


@dataclass(frozen=True, slots=True)
class Periodic:
    """Work done by the clock: `await run(cx)`. `cron` is in UTC; a sixth field means seconds."""

    name: str
    cron: str
    run: Callable[[Context], Awaitable[object]]
    tries: int = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """The knobs of a worker; the values are for production, tests shorten them."""

    concurrency: int = 4
    heartbeat_s: float = 2.0
    stalled_s: float = 8.0  # a worker silent for so long is dead; its jobs are taken back
    poll_s: float = 1.0  # new jobs are announced; retried ones are found by looking
    backoff_s: float = 2.0  # doubles with each try
    backoff_max_s: float = 300.0
    grace_s: float = 20.0  # how long running jobs may take to end after SIGTERM
    pause_s: float = 0.5  # before looking again for a lost database


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that failed at its last try, waiting for an operator."""

    job_id: int
    name: str
    args: dict[str, Any]
    tries: int
    failed_at: datetime | None
    error: str | None
    place: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many jobs are due and wait, run now, and have failed for good."""

    waiting: int
    running: int
    dead: int
