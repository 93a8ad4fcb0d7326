"""Profiles: what the StructureDefinitions that are loaded ask of resources beyond R4's own rules.

Card
    owns        nothing: profiles are StructureDefinitions of the record, as everybody writes them
    compiles    snapshots, or differentials upon their bases, to rules R4 does not have already
                (`compiling`); kept by id and version of what was read (`loading`)
    checks      min, max, fixed, pattern, types of choices, targets of references, required bindings
                to loaded value sets, constraints of severity error, slices by value, pattern,
                exists, type (`checking`); every fault at once, each with its place
    not here    discriminators `profile` and such with functions (resolve()), slices of slices,
                order of slices, `openAtEnd`, definitions of extensions and data types, minValue,
                maxValue, maxLength, the profile of what a reference leads to: told in
                `Profile.passed_over`; and, told nowhere: what contained resources and entries of a
                Bundle claim, and targets of canonicals
    limits      2,000 elements with those of at most 10 bases, 200 slices an element, 60 deep; 50
                profiles a resource; 100 faults and 200,000 steps a check, 5,000,000 steps a call

A profile that is not here asks nothing: R4 lets a resource claim what a server does not know.

Source: HL7 FHIR R4 4.0.1 §5.1 Profiling FHIR; StructureDefinition; ElementDefinition.
"""

from citycare.kernel.fhir.profiles.checking import violations
from citycare.kernel.fhir.profiles.compiling import compiled
from citycare.kernel.fhir.profiles.model import Profile, Unfit

__all__ = ["Profile", "Unfit", "compiled", "violations"]
