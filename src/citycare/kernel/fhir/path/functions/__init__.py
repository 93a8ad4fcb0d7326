"""The functions of FHIRPath by name. Source: HL7 FHIRPath N1 §5-7; FHIR R4 §2.1.9.1.5."""

from __future__ import annotations

from typing import Final

from citycare.kernel.fhir.path.functions import (
    converting,
    existence,
    fhir,
    filtering,
    maths,
    strings,
)
from citycare.kernel.fhir.path.functions.registry import Function

FUNCTIONS: Final[dict[str, Function]] = {
    **existence.FUNCTIONS,
    **filtering.FUNCTIONS,
    **converting.FUNCTIONS,
    **strings.FUNCTIONS,
    **maths.FUNCTIONS,
    **fhir.FUNCTIONS,
}
TYPED: Final = ("is", "as", "ofType")  # their argument is a type; `compiler` makes them
