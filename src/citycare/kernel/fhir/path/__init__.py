"""FHIRPath over plain JSON: compiled once, evaluated over lists, in bounded time.

Card
    owns        nothing; it is a language
    what        N1 (2.0.0) whole; of R4: choices, %resource …, extension(), hasValue(), getValue(),
                resolve(), memberOf(), checkModifiers(), type(); of 2.1 and 3.0: trim, split, join,
                encode, escape, matchesFull, lastIndexOf, sum, min, max, avg, repeatAll, coalesce;
                of SDC: weight(), ordinal()
    not here    elementDefinition(), slice(), conformsTo(), subsumes(), htmlChecks(): they need the
                definitions; strict mode (an unknown element is empty, not an error)
    types       of JSON are told by `types`, which knows names and shapes but no profile
    limits      expression 10,000 characters, 60 brackets deep, 250 steps long; 1,000,000 items
                made in one evaluation, 100,000 in its result; texts of 1,000,000 characters
    patterns    matches() and its like take time in proportion to their text (`regex`)
    time        the instant is handed in; dates without a zone are not given one

Source: HL7 FHIRPath N1, http://hl7.org/fhirpath/N1/; FHIR R4 §2.1.9 FHIRPath.
"""

from citycare.kernel.fhir.path.compiler import Path, compiled
from citycare.kernel.fhir.path.model import Hooks, Node, PathError, PathSyntax
from citycare.kernel.fhir.path.quantity import Quantity
from citycare.kernel.fhir.path.temporal import DATE, DATE_TIME, TIME, Temporal

__all__ = [
    "DATE",
    "DATE_TIME",
    "TIME",
    "Hooks",
    "Node",
    "Path",
    "PathError",
    "PathSyntax",
    "Quantity",
    "Temporal",
    "compiled",
]
