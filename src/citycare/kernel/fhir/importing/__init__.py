"""Bulk import: Bundles and NDJSON into the record, side by side, resumable, each fault told.

Card
    owns        of schema `fhir`: import_part (how far each content is), import_fault
    takes       `.json` (a Bundle: transaction, batch, collection, document, message, searchset; or
                one resource), `.ndjson`, `.jsonl`; plain, `.gz`, `.bz2`, or in a `.zip`; folders
    means       PUT: a resource is stored under its id; in the same words it is there already, and
                nothing is written; in others it becomes the next version
    refuses     each resource that breaks a rule of R4, alone; `strict`: with it all of its Bundle
    resumes     a batch and its note are one transaction; a content that is finished is passed over
    limits      128 MB a document, 32 MB a line, both decompressed; a worker holds one document or
                500 lines; NDJSON in `.gz`, `.bz2` and `.zip` is read by one worker a file
    references  that lead nowhere when all is through are told, not refused: files have no order
    purged      parts that ended 90 days ago, with their faults: their files would be read anew
    audit       one entry a part, `fhir.import`
"""

from citycare.kernel.fhir.importing.dangling import Dangling, dangling
from citycare.kernel.fhir.importing.model import (
    Counts,
    Known,
    NothingToImport,
    Options,
    Part,
    Result,
    WorkersLost,
)
from citycare.kernel.fhir.importing.reading import find_files
from citycare.kernel.fhir.importing.reporting import list_parts, refused
from citycare.kernel.fhir.importing.reporting import write as write_report
from citycare.kernel.fhir.importing.store import PERIODICS, purge
from citycare.kernel.fhir.importing.taking import take
from citycare.kernel.fhir.importing.working import Progress, cores, run

__all__ = [
    "PERIODICS",
    "Counts",
    "Dangling",
    "Known",
    "NothingToImport",
    "Options",
    "Part",
    "Progress",
    "Result",
    "WorkersLost",
    "cores",
    "dangling",
    "find_files",
    "list_parts",
    "purge",
    "refused",
    "run",
    "take",
    "write_report",
]
