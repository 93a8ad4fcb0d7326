"""Operations: what is offered beside the interactions (`table`), and how one is called.

Source: HL7 FHIR R4 4.0.1 §3.2 Extended Operations on the RESTful API.
"""

from __future__ import annotations

from citycare.kernel.context import Context
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.model.errors import InteractionUnknown
from citycare.scenarios.exchange.model.values import Interaction, Kind
from citycare.scenarios.exchange.service import capabilities
from citycare.scenarios.exchange.service.access import Access
from citycare.scenarios.exchange.service.operations import defining, given
from citycare.scenarios.exchange.service.operations.model import Json, Level, Operating, Operation
from citycare.scenarios.exchange.service.operations.table import OPERATIONS
from citycare.scenarios.exchange.service.searches import Tokens
from citycare.scenarios.exchange.service.trail import Trail


def find(asked: Interaction) -> Operation:
    """Return the operation that is offered at this address.

    Raises:
        InteractionUnknown: none is; the fact `offered` says where one of this name is.
    """
    level = Level.INSTANCE if asked.id else Level.TYPE if asked.type else Level.SYSTEM
    named = [one for one in OPERATIONS if one.name == asked.operation]
    for one in named:
        if level in one.levels and (asked.type in one.types or level is Level.SYSTEM):
            return one
    offered = sorted({f"{one.name} {level}" for one in named for level in one.levels})
    raise InteractionUnknown(operation=asked.operation[:64], offered=", ".join(offered))


def reads(asked: Interaction) -> bool:
    """Tell whether an operation changes nothing; of one that is not offered: it does not."""
    try:
        return not find(asked).affects_state
    except InteractionUnknown:
        return True


def declared(base: str) -> tuple[capabilities.Operation, ...]:
    """Return the operations as the CapabilityStatement names them."""
    return tuple(
        capabilities.Operation(one.name, defining.address(one, base), tuple(sorted(one.types)))
        for one in OPERATIONS
    )


def defined(asked: Interaction, base: str) -> Json | None:
    """Return the OperationDefinition that is read, if it is of an operation of ours alone."""
    path = f"{asked.type}/{asked.id}"
    found = next((one for one in OPERATIONS if one.definition == path), None)
    return defining.definition(found, base) if found and asked.kind is Kind.READ else None


async def answer(
    cx: Context, access: Access, trail: Trail, tokens: Tokens, base: str, call: Call
) -> Answer:
    """Do an operation.

    Raises:
        InteractionUnknown: it is not offered here.
        AppError: it is not done.
    """
    found = find(call.asked)
    read = given.read(
        call.pairs, call.body, takes=found.takes, bare=found.body, lenient=call.lenient
    )
    return await found.run(Operating(cx, access, base, trail, tokens, call, read))
