"""Batch and transaction as values: what a Bundle asks, in which order, and what is answered.

Card
    owns        nothing: no database, no HTTP; what came of a step is handed in
    flow        plan → references → (the caller finds and assigns ids) → addresses, distinct →
                resolved for each resource → (the caller writes) → response
    refuses     transaction: the whole, every fault at once; batch: the entries that are broken
    limits      no cap on entries, linear in their number; nesting of 130 JSON levels; 100 faults
    not here    FHIRPath Patch (Parameters); the rules of the resources themselves (`r4.faults`)

Source: HL7 FHIR R4 4.0.1 §3.1.0.11 batch/transaction, §2.36.4 Bundle (fullUrl, references).
"""

from citycare.kernel.fhir.bundles.model import (
    Kind,
    Method,
    Plan,
    References,
    Result,
    Step,
    Use,
)
from citycare.kernel.fhir.bundles.planning import distinct, plan
from citycare.kernel.fhir.bundles.resolving import addresses, references, resolved
from citycare.kernel.fhir.bundles.responding import response

__all__ = [
    "Kind",
    "Method",
    "Plan",
    "References",
    "Result",
    "Step",
    "Use",
    "addresses",
    "distinct",
    "plan",
    "references",
    "resolved",
    "response",
]
