"""The CapabilityStatement, written from the tables and from the reader of searches itself.

What it says of parameters and modifiers is what `searching` takes; a test holds the rest to what
the routes do. Types are all of R4 but Parameters, which has no end-point of its own.

Source: HL7 FHIR R4 4.0.1 §5.1 CapabilityStatement (cpb-1 to cpb-16); §3.1.0 "capabilities";
Parameters ("no RESTful end-point"); SMART App Launch 1.0.0 (oauth-uris, capabilities).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from citycare.kernel import fhir
from citycare.kernel.fhir.r4 import RESOURCES, compartments, parameters
from citycare.kernel.fhir.searching import reading
from citycare.kernel.fhir.searching.criteria import DEPTH_MAX, MODIFIERS, known
from citycare.kernel.fhir.searching.model import ParamType

Json = dict[str, Any]

SERVED = frozenset(RESOURCES - {"Parameters"})
HL7 = "http://hl7.org/fhir/"
VERSION = "4.0.1"
INTERACTIONS = (
    "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create",
    "search-type",
)  # fmt: skip
SYSTEM_INTERACTIONS = ("transaction", "batch", "search-system", "history-system")
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
RESULTS = tuple(sorted({*reading.RESULTS, "_type"} - {"_content"}))


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that is offered.

    Attributes:
        name: without `$`.
        definition: canonical address of its OperationDefinition.
        types: where it is called at types or instances; empty: at the base.
    """

    name: str
    definition: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Security:
    """Addresses an app signs in with; `""` where there is none."""

    authorize: str
    token: str
    register: str = ""
    manage: str = ""
    introspect: str = ""
    revoke: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """What the statement tells that no table knows.

    Attributes:
        base: address of the FHIR server, without a slash at the end.
        name: of this installation.
        version: of the software.
        date: of the statement, as FHIR dateTime: when this installation began to serve it.
        operations: what is offered beside the interactions.
        security: None: nothing is said of signing in.
    """

    base: str
    name: str
    version: str
    date: str
    operations: tuple[Operation, ...] = ()
    security: Security | None = None


@lru_cache(maxsize=4)
def text(site: Site) -> str:
    """Return the statement as JSON text, written once."""
    return fhir.dumps(statement(site))


def statement(site: Site) -> Json:
    """Return the CapabilityStatement."""
    return {
        "resourceType": "CapabilityStatement",
        "id": "citycare",
        "url": f"{site.base}/metadata",
        "version": site.version,
        "name": "CityCare",
        "title": site.name,
        "status": "active",
        "date": site.date,
        "publisher": site.name,
        "kind": "instance",
        "software": {"name": "CityCare", "version": site.version},
        "implementation": {"description": site.name, "url": site.base},
        "fhirVersion": VERSION,
        "format": ["json", "application/fhir+json"],
        "patchFormat": ["application/json-patch+json"],
        "rest": [_rest(site)],
    }


def _rest(site: Site) -> Json:
    common = known(())
    pointing = _pointing()
    made: Json = {
        "mode": "server",
        "documentation": _documentation(),
        "resource": [_resource(name, pointing, site.operations) for name in sorted(SERVED)],
        "interaction": [{"code": one} for one in SYSTEM_INTERACTIONS],
        "searchParam": [_parameter("Resource", code, common[code].type) for code in sorted(common)]
        + [CONTENT, HAS],
        "compartment": [
            f"{HL7}CompartmentDefinition/{name.lower()}" for name in sorted(compartments())
        ],
    }
    operations = _operations(one for one in site.operations if not one.types)
    if operations:
        made["operation"] = operations
    if site.security is not None:
        made["security"] = _security(site.security)
    return made


CONTENT: Json = {
    "name": "_content",
    "type": "string",
    "definition": f"{HL7}SearchParameter/Resource-content",
    "documentation": "Words, with blanks between them, which must all be in the resource.",
}
HAS: Json = {
    "name": "_has",
    "type": "special",
    "documentation": f"`_has:Observation:patient:code=…`, also of another, {DEPTH_MAX} deep.",
}


def _documentation() -> str:
    """Say once what holds of every type, and what is not there."""
    fit = "; ".join(
        f"{kind}: " + " ".join(f"`:{one}`" for one in sorted(MODIFIERS[kind]))
        for kind in ParamType
        if MODIFIERS[kind]
    )
    return (
        "FHIR R4 (4.0.1) as JSON. Not supported: XML, FHIRPath Patch, GraphQL, `_filter`, `_text`, "
        "`_query`, `_list`.\n\n"
        "Transactions are atomic always and have no limit of entries but that of the body. "
        "If-Match is checked on update, patch and delete; conditional interactions answer 412 "
        "where more than one resource is found. Decimals keep the digits they were written "
        "with. Every fault of a resource is told at once.\n\n"
        "Parameters that are not known are refused, with `Prefer: handling=lenient` passed "
        "over and named in an OperationOutcome. Results: "
        + " ".join(f"`{one}`" for one in RESULTS)
        + f". Chains and `_has` go {DEPTH_MAX} deep; includes take `:iterate`. What stands below "
        "`rest.searchParam` holds for every type.\n\n"
        f"Modifiers: {fit}; reference: also `:[type]`."
    )  # fmt: skip


def _resource(
    name: str, pointing: Mapping[str, Sequence[str]], operations: Sequence[Operation]
) -> Json:
    found = known((name,))
    own = sorted(set(found) - set(parameters()["Resource"]))
    made: Json = {
        "type": name,
        "profile": f"{HL7}StructureDefinition/{name}",
        "interaction": [{"code": one} for one in INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical"],
        "searchInclude": ["*", *_including(name)],
        "searchRevInclude": pointing[name],
        "searchParam": [_parameter(name, code, found[code].type) for code in own],
        "operation": _operations(one for one in operations if name in one.types),
    }
    return {key: one for key, one in made.items() if one != []}


def _including(name: str) -> list[str]:
    found = known((name,))
    return [f"{name}:{code}" for code in sorted(found) if found[code].type is ParamType.REFERENCE]


def _pointing() -> Mapping[str, Sequence[str]]:
    """Return by type what refers to it, as `_revinclude` has it."""
    made: dict[str, list[str]] = {name: [] for name in sorted(SERVED)}
    for name in sorted(SERVED):
        found = known((name,))
        for code in sorted(found):
            for target in found[code].targets:
                if target in made:
                    made[target].append(f"{name}:{code}")
    return made


def _parameter(name: str, code: str, kind: ParamType) -> Json:
    told = parameters()[name][code]
    made: Json = {
        "name": code,
        "definition": f"{HL7}SearchParameter/{told.get('d', f'{name}-{code}')}",
        "type": kind.value,
    }
    if told["x"]:
        made["documentation"] = told["x"]
    return made


def _operations(some: Iterable[Operation]) -> list[Json]:
    return [{"name": one.name, "definition": one.definition} for one in some]


def _security(told: Security) -> Json:
    uris = [(each.name, getattr(told, each.name)) for each in fields(told)]
    return {
        "extension": [
            {
                "url": OAUTH_URIS,
                "extension": [{"url": name, "valueUri": uri} for name, uri in uris if uri],
            }
        ],
        "cors": True,
        "service": [
            {
                "coding": [{"system": SECURITY_SERVICE, "code": "SMART-on-FHIR"}],
                "text": "OAuth2 using SMART-on-FHIR profile (see http://docs.smarthealthit.org)",
            }
        ],
    }
