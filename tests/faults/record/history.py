"""What clients did and were told, and what was there in the end: the input of the checker.

Instants are seconds of one monotonic clock, which all clients share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

NEVER = 0
"""The state of a resource before its first version."""
GONE = -1
"""Deleted, by a version that was not told (410)."""


class Outcome(StrEnum):
    """What a client knows of what it asked for."""

    DONE = "done"
    REFUSED = "refused"  # for certain nothing has happened
    UNKNOWN = "unknown"  # the answer was lost, or says that the server does not know


class Kind(StrEnum):
    """What the checker makes of an act."""

    WRITE = "write"  # everything in `sent`, or nothing
    DELETE = "delete"  # of `about`
    READ = "read"  # the newest of `about`
    PAST = "past"  # old versions of `about`, the newest first where it is a history
    SEARCH = "search"  # the group `about`, all of it, in `seen`, of one moment


@dataclass(frozen=True, slots=True)
class Sent:
    """One resource of a write.

    Attributes:
        name: `Type/id`; empty where the server gives the id.
        token: a text in the resource that no other write sends.
        value: a number in it.
        expected: the version that If-Match names.
        fresh: If-None-Match `*`.
        stepped: the value is one more than that of the version before.
        key: a condition that at most one resource may ever meet (conditional create and update).
        unless: nothing is stored where the condition finds something.
    """

    name: str
    token: str
    value: int = 0
    expected: int | None = None
    fresh: bool = False
    stepped: bool = False
    key: str = ""
    unless: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """One resource in an answer; `version` may be NEVER or GONE."""

    name: str
    version: int
    token: str = ""
    value: int = 0


@dataclass(frozen=True, slots=True)
class Act:
    """One interaction of one client.

    Attributes:
        what: in words, for the report.
        about: the resource or the group.
        ended: when the answer was there, or the client gave up.
        settled: of a search of many pages, when the first was there: all are of its moment.
        whole: of PAST, that `seen` is the whole history.
        status: of HTTP; 0: there was no answer.
    """

    client: int
    what: str
    kind: Kind
    began: float
    ended: float
    outcome: Outcome
    status: int = 200
    about: str = ""
    sent: tuple[Sent, ...] = ()
    seen: tuple[Seen, ...] = ()
    settled: float = 0.0
    whole: bool = False

    @property
    def seen_at(self) -> float:
        """When at the latest what it shows was so."""
        return self.settled or self.ended

    def __str__(self) -> str:
        when = f"{self.began:.3f}-{self.ended:.3f}"
        return f"client {self.client} {self.what} [{when}] {self.outcome} {self.status}"


@dataclass(frozen=True, slots=True)
class Past:
    """One version as it is in the end; a deletion has no token; `link`: what it refers to."""

    version: int
    token: str = ""
    value: int = 0
    updated_at: str = ""
    link: str = ""

    @property
    def deleted(self) -> bool:
        return not self.token


@dataclass(frozen=True, slots=True)
class History:
    """All of a run.

    Attributes:
        versions: of each resource ever, ascending, as its history tells in the end.
        reads: the newest version of each that a read gives in the end; GONE where it is deleted.
        found: of each group, what a search for it finds in the end: (name, version).
        by_token: of tokens, the resources a search for them finds in the end.
        polled: (name, version) of all that came to somebody who asked again and again for what has
            come since; None: nobody did.
    """

    acts: tuple[Act, ...]
    versions: Mapping[str, tuple[Past, ...]]
    reads: Mapping[str, int] = field(default_factory=dict)
    found: Mapping[str, frozenset[tuple[str, int]]] = field(default_factory=dict)
    by_token: Mapping[str, frozenset[str]] = field(default_factory=dict)
    polled: frozenset[tuple[str, int]] | None = None


GROUPS = ("register", "claim", "count", "pair", "crowd")


def group_of(name: str) -> str:
    """Return the group of a resource: `Basic/crowd-3-7` is of `crowd`; else nothing."""
    group = name.partition("/")[2].partition("-")[0]
    return group if group in GROUPS else ""
