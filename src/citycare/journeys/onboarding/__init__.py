"""Onboarding: a hospital's own files become organisations, staff, clinics and windows.

Card
    crosses     identity (organisations, departments, practitioners), booking (clinics, templates,
                windows), fhir (what others read of them)
    takes       CSV tables (docs/import.md) and FHIR R4 NDJSON or Bundles, mixed, in any order
    promise     every fault is named with file, row and field before anything is written; then all
                is written in one transaction, or nothing
    limits      1,000 MB a CSV or NDJSON file, 64 MB a JSON file, 5 MB a line, 1,000 faults listed
    rows        R08 R11 R34
"""

from citycare.journeys.onboarding.load import import_paths
from citycare.journeys.onboarding.model import Fault, NothingToImport, Report, Tell

__all__ = ["Fault", "NothingToImport", "Report", "Tell", "import_paths"]
