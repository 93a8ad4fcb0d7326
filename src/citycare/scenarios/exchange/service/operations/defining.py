"""OperationDefinitions of the operations that are ours alone, made from the table.

What others have defined is named by its own address; ours can be read here, below the base.

Source: HL7 FHIR R4 4.0.1 OperationDefinition (opd-0; kind, code, system, type, instance).
"""

from __future__ import annotations

from citycare.scenarios.exchange.service.operations.model import Json, Level, Operation, Out


def address(one: Operation, base: str) -> str:
    """Return the canonical address of an operation's definition."""
    return one.definition if ":" in one.definition else f"{base}/{one.definition}"


def definition(one: Operation, base: str) -> Json:
    """Write the OperationDefinition of an operation of ours."""
    known = [
        {"name": name, "use": "in", "min": 0, "max": "*", "type": "string"}
        for name in sorted(one.takes or ())
    ]
    return {
        "resourceType": "OperationDefinition",
        "id": one.definition.rpartition("/")[2],
        "url": address(one, base),
        "name": one.name.capitalize(),
        "status": "active",
        "kind": "operation",
        "description": one.about,
        "affectsState": one.affects_state,
        "code": one.name,
        "resource": sorted(one.types),
        "system": Level.SYSTEM in one.levels,
        "type": Level.TYPE in one.levels,
        "instance": Level.INSTANCE in one.levels,
        "parameter": known + [_out(each) for each in one.gives],
    }


def _out(one: Out) -> Json:
    made: Json = {"name": one.name, "use": "out", "min": 0, "max": one.most}
    if one.type:
        return made | {"type": one.type}
    return made | {"part": [_out(each) for each in one.parts]}
