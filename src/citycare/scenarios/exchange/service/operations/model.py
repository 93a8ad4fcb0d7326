"""What an operation is, and what it is given when it runs.

Source: HL7 FHIR R4 4.0.1 §3.2 Extended Operations on the RESTful API; OperationDefinition.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.service.access import Access
from citycare.scenarios.exchange.service.operations.given import Given
from citycare.scenarios.exchange.service.searches import Tokens
from citycare.scenarios.exchange.service.trail import Trail

Json = dict[str, Any]


class Level(StrEnum):
    """Where an operation is called: at the base, at a type, at a resource."""

    SYSTEM = "system"
    TYPE = "type"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Operating:
    """One operation for one caller.

    Attributes:
        base: the server's own address.
        trail: where reads are noted.
        tokens: of pages.
        call: what was asked.
        given: its parameters.
    """

    cx: Context
    access: Access
    base: str
    trail: Trail
    tokens: Tokens
    call: Call
    given: Given

    @property
    def type(self) -> str:
        """Resource type it is called at; empty: at the base."""
        return self.call.asked.type

    @property
    def id(self) -> str:
        """Id of the resource it is called at; empty: at none."""
        return self.call.asked.id

    @property
    def path(self) -> str:
        """Address below the base."""
        asked = self.call.asked
        return "/".join(filter(None, (asked.type, asked.id, f"${asked.operation}")))

    async def note(self, persons: Iterable[str] = ()) -> None:
        """Put on record that these persons' data was read."""
        await self.trail.read(self.cx, self.access.action, self.path, persons)


@dataclass(frozen=True, slots=True)
class Out:
    """One parameter of an answer, as an OperationDefinition tells it.

    Attributes:
        name: of it.
        type: of its value; empty: it has parts.
        most: how often it may stand there.
        parts: of it.
    """

    name: str
    type: str = ""
    most: str = "1"
    parts: tuple[Out, ...] = ()


Run = Callable[[Operating], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that is offered.

    Attributes:
        name: without `$`.
        definition: canonical address of its OperationDefinition; below our base: it is ours.
        levels: where it is called.
        takes: names of its parameters; a query of criteria takes any (None).
        run: does it.
        types: at which types, or their resources; empty: at the base alone.
        body: the parameter that a resource sent as it is stands for; empty: none.
        affects_state: it runs in a transaction; others read, each statement by itself.
        about, gives: of ours, what it does, and what it answers with.
    """

    name: str
    definition: str
    levels: frozenset[Level]
    takes: frozenset[str] | None
    run: Run
    types: frozenset[str] = frozenset()
    body: str = ""
    affects_state: bool = False
    about: str = ""
    gives: tuple[Out, ...] = ()


def answer(resource: Json) -> Answer:
    """Answer with a resource."""
    return Answer(200, fhir.dumps(resource))
