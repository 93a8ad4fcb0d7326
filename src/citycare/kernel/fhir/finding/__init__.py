"""Search over the record: a query of `searching` as statements on `fhir.resource`.

model       what is handed in and out: Visible, Hit, Place, Found
running     the search: pages of one snapshot, rechecks, totals
conditions  what a criterion asks of a row; spans: of dates and numbers
ordering    the order, and where a page begins
including   what matches bring with them
"""

from citycare.kernel.fhir.finding.including import named
from citycare.kernel.fhir.finding.model import (
    EVERYTHING,
    Found,
    Hit,
    Place,
    TooCostly,
    Visible,
)
from citycare.kernel.fhir.finding.running import find

__all__ = ["EVERYTHING", "Found", "Hit", "Place", "TooCostly", "Visible", "find", "named"]
