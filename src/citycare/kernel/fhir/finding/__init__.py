"""Search over the record: a query of `searching` as statements on `fhir.resource`.

model       what is handed in and out: Visible, Hit, Place, Found
running     the search: pages of one snapshot, rechecks, totals
conditions  what a criterion asks of a row; spans: of dates and numbers
ordering    the order, and where a page begins
sets        sets of codes (`:in`, `:below`), replaced before by the codes they mean
explaining  the same search with the database's plans of its statements
including   what matches bring with them
"""

from citycare.kernel.fhir.finding.explaining import Explained, explain
from citycare.kernel.fhir.finding.including import named
from citycare.kernel.fhir.finding.model import (
    EVERYTHING,
    SHARED,
    Found,
    Hit,
    Place,
    TooCostly,
    Visible,
)
from citycare.kernel.fhir.finding.running import find
from citycare.kernel.fhir.finding.sets import resolve_sets

__all__ = [
    "EVERYTHING",
    "SHARED",
    "Explained",
    "Found",
    "Hit",
    "Place",
    "TooCostly",
    "Visible",
    "explain",
    "find",
    "named",
    "resolve_sets",
]
