"""The city's record: FHIR R4 (4.0.1) resources with every version, found by search terms.

Card
    owns        schema `fhir`: what scenarios tell each other, put here in the transaction of the
                change
    tables      resource (the newest version of each), version (the older ones, never overwritten)
    types       any of R4 is kept; those in `definitions.py` are checked and searched
    events out  none
    events in   people, relations and merges of identity (`handlers.py`), published anew each time
    limits      10,000 resources a call, pages of 200; a search of 20 parameters, 100 values each
    rules       access is decided above (kernel.consent); nothing here is reachable by HTTP
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
    VersionConflict,
    Violation,
)
from citycare.kernel.fhir.r4 import RESOURCES
from citycare.kernel.fhir.rows import Kept, dumps, loads
from citycare.kernel.fhir.search import search
from citycare.kernel.fhir.store import create, delete, put
from citycare.kernel.fhir.validate import violations
from citycare.kernel.fhir.versions import Stored, find_many, find_stored, get, history

__all__ = [
    "RESOURCES",
    "Invalid",
    "Kept",
    "Key",
    "ParameterUnknown",
    "Params",
    "Resource",
    "ResourceDeleted",
    "ResourceExists",
    "ResourceNotFound",
    "Stored",
    "TooMany",
    "TypeUnknown",
    "ValueBroken",
    "Version",
    "VersionConflict",
    "Violation",
    "create",
    "delete",
    "dumps",
    "find_many",
    "find_stored",
    "get",
    "history",
    "loads",
    "put",
    "search",
    "violations",
]
