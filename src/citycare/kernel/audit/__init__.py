"""The audit trail: who read or wrote what about whom, why and when. Append-only, hash-chained.

Owns:       schema `audit`: 32 lanes (chain heads), entries, checkpoints.
Rows:       R04 (every access traceable to a verified identity), R05 (merge and split on record),
            R101 (prevent and discover tampering; the person sees who looked).
Gives:      `append`, `search`, `verify`, `head`, `checkpoint`, `PERIODICS`.
Promises:   written in the transaction of the access, so the two happen together or not at all;
            the application's role cannot insert, change, delete or truncate, only call
            `audit.append`; whoever can (a superuser) is found out by `verify`, which names the
            first broken link (what came after the newest checkpoint: by a head kept elsewhere).
How:        hash = SHA-256(hash before || line as UTF-8), one chain per lane, so 32 transactions
            append at a time; every ten minutes a checkpoint chains the heads of all lanes.
Limits:     8 KiB per line; 3 s wait when all lanes are taken; what a superuser does to entries that
            neither a checkpoint nor a head kept elsewhere has seen is not found; the application
            itself can write untrue lines, as in any log.
Sources:    RFC 9162 §1 (why logs are chained and witnessed); FIPS 180-4 (SHA-256); the fields of
            a line follow HL7 FHIR R4 AuditEvent (who, what, when, why, through what).
"""

from citycare.kernel.audit.model import LANES, Checkpoint, Entry, Link, Report, Seen, line_of
from citycare.kernel.audit.searching import (
    Found,
    Query,
    find_entry,
    newest_checkpoint,
    search,
)
from citycare.kernel.audit.trail import APPENDED, append, append_lines, checkpoint
from citycare.kernel.audit.verifying import verify
from citycare.kernel.audit.witness import Head, WitnessUnreadable, head, parse_head
from citycare.kernel.events import Periodic

PERIODICS = (Periodic("audit.checkpoint", "*/10 * * * *", checkpoint),)

__all__ = [
    "APPENDED",
    "LANES",
    "PERIODICS",
    "Checkpoint",
    "Entry",
    "Found",
    "Head",
    "Link",
    "Query",
    "Report",
    "Seen",
    "WitnessUnreadable",
    "append",
    "append_lines",
    "checkpoint",
    "find_entry",
    "head",
    "line_of",
    "newest_checkpoint",
    "parse_head",
    "search",
    "verify",
]
