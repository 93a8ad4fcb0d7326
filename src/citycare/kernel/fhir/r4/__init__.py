"""The official definitions of FHIR R4 as tables, and the check of a resource against them.

Card
    owns        nothing; facts of the specification, compiled by `generate.py` (see there)
    tables      structures, invariants, codes of required bindings, search parameters, compartments
    checks      unknown elements, types, cardinality, choices, required bindings, targets of
                references, extensions, narratives, invariants in FHIRPath; all faults at once
    not here    profiles (see `profiles`), bindings to code systems outside the specification
                (languages, MIME types, currencies, units), whether what a reference names is there
    limits      nesting of 60; texts of 1 MB (the specification's)

Source: HL7 FHIR R4 4.0.1, https://hl7.org/fhir/R4/.
"""

from citycare.kernel.fhir.definitions import RESOURCES, compartments, parameters
from citycare.kernel.fhir.r4.checking import Fault, faults

__all__ = ["RESOURCES", "Fault", "compartments", "faults", "parameters"]
