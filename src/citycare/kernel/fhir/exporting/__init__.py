"""Bulk Data export: NDJSON files by type, of all, of patients, or of a group, as of one instant.

Card
    owns        of schema `fhir`: export (what is asked, how far it is), export_file
    flow        start → (jobs step by step) → status with its files → open_file, read piece by piece
    a file      is a stretch of the record, told by its ends and the snapshot of the start, and read
                when it is fetched: no second copy of clinical data on a disk, any web process can
                serve it, a crash loses none, an expired one is gone at once
    as of       one snapshot for all files; what was replaced since is read from `fhir.version`.
                What the record keeps no version of cannot be told: versions are never deleted
    seen        `Visible` of the start, and what `read` is handed; of a type that is seen within
                limits nothing; of a patient: what is in the compartment of one that is there
    limits      20 under way, 5 of them of one account; 100,000 patients named, 10,000 resources a
                file (about 50 patients where patients are named), kept one day
    not here    HTTP; `_typeFilter`, `_elements`, `includeAssociatedData`, deletions since `_since`
    audit       fhir.export, fhir.export_fetched, fhir.export_deleted

Source: HL7 FHIR Bulk Data Access IG 2.0.0 (kick-off, status, manifest, delete).
"""

from citycare.kernel.fhir.exporting.model import (
    Asked,
    ExportNotFound,
    ExportUnfinished,
    File,
    GroupTooLarge,
    Level,
    Piece,
    Status,
    TooManyExports,
    TypeOutside,
)
from citycare.kernel.fhir.exporting.running import (
    JOBS,
    PERIODICS,
    cancel,
    members_of,
    open_file,
    purge,
    read,
    start,
    status,
)

__all__ = [
    "JOBS",
    "PERIODICS",
    "Asked",
    "ExportNotFound",
    "ExportUnfinished",
    "File",
    "GroupTooLarge",
    "Level",
    "Piece",
    "Status",
    "TooManyExports",
    "TypeOutside",
    "cancel",
    "members_of",
    "open_file",
    "purge",
    "read",
    "start",
    "status",
]
