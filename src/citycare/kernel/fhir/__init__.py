"""The city's record: FHIR R4 (4.0.1) resources with every version, found by search terms.

Owns schema `fhir`. What scenarios publish is put here in the transaction of the change; what
others know of a scenario they read here. Versions are never overwritten: the old body moves to
`fhir.version`. Access is decided above (kernel.consent); nothing here is reachable by HTTP.
Limits: RESOURCES_MAX resources a call, PAGE_MAX a page.
"""

from citycare.kernel.fhir.model import (
    Invalid,
    Key,
    ParameterUnknown,
    Params,
    Resource,
    ResourceDeleted,
    ResourceExists,
    ResourceNotFound,
    TooMany,
    TypeUnknown,
    ValueBroken,
    Version,
    Violation,
)
from citycare.kernel.fhir.search import search
from citycare.kernel.fhir.store import (
    create,
    delete,
    dumps,
    find_many,
    get,
    history,
    loads,
    put,
)
from citycare.kernel.fhir.validate import violations

__all__ = [
    "Invalid",
    "Key",
    "ParameterUnknown",
    "Params",
    "Resource",
    "ResourceDeleted",
    "ResourceExists",
    "ResourceNotFound",
    "TooMany",
    "TypeUnknown",
    "ValueBroken",
    "Version",
    "Violation",
    "create",
    "delete",
    "dumps",
    "find_many",
    "get",
    "history",
    "loads",
    "put",
    "search",
    "violations",
]
