"""Terminology: code systems, value sets and concept maps, loaded and asked.

Card
    owns        of schema `fhir` the tables code_system, concept and its four, value_set,
                concept_map and its two
    takes in    CodeSystem, ValueSet, ConceptMap as resources; lists of codes and of mappings as CSV
                (`listing`), ICD-10 国临版 and 医保版 among them; the same twice changes nothing
    keeps       the resources in the record as well, so that they are read and searched there; large
                ones without their concepts (`loading.KEPT_WHOLE`)
    versions    side by side; where none is asked for, the newest that is active
    answers     expand, lookup, validate_code, validate_concept, subsumes, translate; for searches
                members (`:in`), below, above
    below       every hierarchy counts, whatever `hierarchyMeaning` says; a few ranges of numbers
                for each concept (`hierarchy`), so `is-a` is a look-up in an index at any depth
    not here    supplements, `lockedDate`, reference sets and expressions of SNOMED CT, rules of
                codes that are built (UCUM, MIME types, languages): these count as not loaded
    limits      1,000,000 concepts a system, 50,000 codes listed in a value set, 10,000 codes an
                expansion without pages, 30 value sets within one another
    rules       access is decided above; nothing here is about persons, nothing reachable by HTTP

Source: HL7 FHIR R4 4.0.1 §4 Terminology Module.
"""

from citycare.kernel.fhir.terminology.asking import (
    above,
    below,
    lookup,
    subsumes,
    validate_code,
    validate_concept,
)
from citycare.kernel.fhir.terminology.expanding import Options, expand, members
from citycare.kernel.fhir.terminology.listing import Layout
from citycare.kernel.fhir.terminology.lists import Ends, Named, load_list, load_mapping
from citycare.kernel.fhir.terminology.loading import TYPES, drop, index, load
from citycare.kernel.fhir.terminology.model import (
    Ask,
    Checked,
    Circular,
    CodeUnknown,
    Coding,
    ComposeBroken,
    Loaded,
    Looked,
    MapUnknown,
    Match,
    Problem,
    State,
    Subsumption,
    SystemUnknown,
    TooCostly,
    Translated,
    Unreadable,
    ValueSetUnknown,
    VersionTaken,
)
from citycare.kernel.fhir.terminology.translating import translate

__all__ = [
    "TYPES",
    "Ask",
    "Checked",
    "Circular",
    "CodeUnknown",
    "Coding",
    "ComposeBroken",
    "Ends",
    "Layout",
    "Loaded",
    "Looked",
    "MapUnknown",
    "Match",
    "Named",
    "Options",
    "Problem",
    "State",
    "Subsumption",
    "SystemUnknown",
    "TooCostly",
    "Translated",
    "Unreadable",
    "ValueSetUnknown",
    "VersionTaken",
    "above",
    "below",
    "drop",
    "expand",
    "index",
    "load",
    "load_list",
    "load_mapping",
    "lookup",
    "members",
    "subsumes",
    "translate",
    "validate_code",
    "validate_concept",
]
