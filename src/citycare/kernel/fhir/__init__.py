"""The city's record: FHIR R4 (4.0.1) resources with every version, found by what they hold.

Card
    owns        schema `fhir`: what scenarios tell each other, put here in the transaction of the
                change, and what hospitals and apps send
    parts       definitions (R4 as tables), r4 (every rule checked), profiles (those that are
                loaded), searching (queries, what goes into the index), finding (search in the
                database), bundles, terminology, importing, exporting, forms (SDC), path (FHIRPath);
                changes (what happened between snapshots)
    tables      resource (the newest version of each, with its keys), version (the older ones, never
                overwritten), measure (what has an order), wording; those of the parts
    types       all of R4, checked and searched alike
    events out  none
    events in   people, relations and merges of identity (`handlers.py`), published anew each time
    limits      10,000 resources a call; 64 parameters, 500 values each; pages of 1,000
    rules       access is decided above (kernel.consent) and handed in as `finding.Visible`; nothing
                here is reachable by HTTP
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
