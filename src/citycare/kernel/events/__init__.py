"""Outbox, jobs and kept replies, all in the transaction of the change.

Owns:       schema `events`; procrastinate's queue in schema `jobs`.
Tables:     event (what happened), subscription (who hears what), handled (which handler has done
            it), done (jobs committed), failure (what failed tries ran into), reply (answers to
            repeated requests).
Gives:      `emit`, `subscribe`, `defer`, `Handler`, `Job`, `Periodic`, `Worker`, `drain`,
            `find_replies`, `keep_replies`, `list_dead_letters`, `replay`, `discard`, `backlog`.
Promises:   nothing is announced before the commit or after a rollback; each (event, handler) and
            each job takes effect exactly once, though it may be tried more often; a handler hears
            what is announced once its first worker has started; a job that fails for good waits
            as a dead letter until an operator replays it. No order between events; jobs of one
            lock keep theirs.
Limits:     1,000 events per delivery job, 6 tries 2, 4, 8, 16 and 32 s apart, a worker silent for
            8 s is dead, replies are kept 7 days, events 30.
Privacy:    facts are ids and numbers; errors are kept as type and place, never as text (R101).
Sources:    procrastinate 3.10 (queue in PostgreSQL); transactional outbox, C. Richardson,
            Microservices Patterns, 2018, §3.3.
"""

from citycare.kernel.events.draining import drain
from citycare.kernel.events.letters import backlog, discard, list_dead_letters, replay
from citycare.kernel.events.looking import (
    Failure,
    Happened,
    JobState,
    QueuedJob,
    Vitals,
    find_dead_letter,
    list_events,
    list_jobs,
    vitals,
)
from citycare.kernel.events.model import (
    Backlog,
    DeadLetter,
    Event,
    Handler,
    Job,
    KeyReused,
    Limits,
    NoDeadLetter,
    Periodic,
)
from citycare.kernel.events.outbox import emit, subscribe
from citycare.kernel.events.purging import purge
from citycare.kernel.events.queue import defer
from citycare.kernel.events.replies import Reply, find_replies, keep_replies, lock_key, reply_to
from citycare.kernel.events.working import Worker, take_back

__all__ = [
    "Backlog",
    "DeadLetter",
    "Event",
    "Failure",
    "Handler",
    "Happened",
    "Job",
    "JobState",
    "KeyReused",
    "Limits",
    "NoDeadLetter",
    "Periodic",
    "QueuedJob",
    "Reply",
    "Vitals",
    "Worker",
    "backlog",
    "defer",
    "discard",
    "drain",
    "emit",
    "find_dead_letter",
    "find_replies",
    "keep_replies",
    "list_dead_letters",
    "list_events",
    "list_jobs",
    "lock_key",
    "purge",
    "replay",
    "reply_to",
    "subscribe",
    "take_back",
    "vitals",
]
