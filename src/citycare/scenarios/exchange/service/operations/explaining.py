"""`$explain`: why a search is slow; ours, for those who run the city's systems.

Source: ours.
"""

from __future__ import annotations

from typing import Any

import orjson

from citycare.kernel.context import Role
from citycare.kernel.fhir import finding
from citycare.kernel.fhir.finding import Explained
from citycare.kernel.fhir.searching import reading
from citycare.scenarios.exchange.model.calls import Answer
from citycare.scenarios.exchange.model.errors import NotPermitted
from citycare.scenarios.exchange.service.operations.model import Operating, Out, answer
from citycare.scenarios.exchange.service.searches import persons_asked

Json = dict[str, Any]

DEFINITION = "OperationDefinition/citycare-explain"
ABOUT = (
    "Does a search and tells how: how each criterion is decided, each statement of SQL with its "
    "plan and time, and of what was found the numbers alone. Takes the parameters of a search of "
    "the type. For the city's own systems and its operators."
)
GIVES = (
    Out("matches", "integer"),
    Out("included", "integer"),
    Out("rows", "integer"),
    Out("milliseconds", "decimal"),
    Out("criterion", most="*", parts=(Out("param", "string"), Out("rechecked", "code"))),
    Out(
        "statement",
        most="*",
        parts=(Out("text", "string"), Out("milliseconds", "decimal"), Out("plan", "string")),
    ),
)


async def explain(asked: Operating) -> Answer:
    """Answer Parameters: each criterion and how it is decided, each statement with its plan.

    Raises:
        NotPermitted: this is for the city's own systems and its operators.
        ParameterUnknown, ValueBroken, TooCostly: as the search.
    """
    asked.access.require(asked.type, "s")
    if not asked.access.visible.everything and not asked.cx.actor.has(Role.OPERATOR):
        raise NotPermitted(type=asked.type, interaction="explain")
    query = reading.read(
        (asked.type,), asked.given.pairs(), now=asked.cx.now, lenient=asked.call.lenient,
        base=asked.base,
    )  # fmt: skip
    query = await finding.resolve_sets(asked.cx, query, asked.base)
    found = await finding.explain(asked.cx, query, visible=asked.access.seen("s"), base=asked.base)
    await asked.note(persons_asked(query))
    return answer({"resourceType": "Parameters", "parameter": _told(found)})


def _told(one: Explained) -> list[Json]:
    told: list[Json] = [
        {"name": "matches", "valueInteger": len(one.found.matches)},
        {"name": "included", "valueInteger": len(one.found.included)},
        {"name": "rows", "valueInteger": one.read},
        _milliseconds("milliseconds", one.seconds),
    ]
    for each in one.criteria:
        parts = [
            {"name": "param", "valueString": each.param},
            {"name": "rechecked", "valueCode": each.rechecked},
        ]
        told.append({"name": "criterion", "part": parts})
    for statement in one.statements:
        plan = orjson.dumps(statement.plan, option=orjson.OPT_INDENT_2).decode()
        parts = [
            {"name": "text", "valueString": statement.text},
            _milliseconds("milliseconds", statement.seconds),
            {"name": "plan", "valueString": plan},
        ]
        told.append({"name": "statement", "part": parts})
    return told


def _milliseconds(name: str, seconds: float) -> Json:
    return {"name": name, "valueDecimal": round(seconds * 1000, 3)}
