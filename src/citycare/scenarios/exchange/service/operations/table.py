"""The operations that are offered; to add one, add a row.

Source: HL7 FHIR R4 4.0.1 §3.2 Extended Operations, the list of defined operations.
"""

from __future__ import annotations

from collections.abc import Sequence

from citycare.scenarios.exchange.service.capabilities import SERVED
from citycare.scenarios.exchange.service.operations import (
    coding,
    everything,
    explaining,
    exporting,
    matching,
    subscribing,
    validating,
)
from citycare.scenarios.exchange.service.operations.model import Level, Operation

HL7 = "http://hl7.org/fhir/OperationDefinition/"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/"
BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
TYPE, INSTANCE = Level.TYPE, Level.INSTANCE
AT_TYPE, AT_INSTANCE = frozenset((TYPE,)), frozenset((INSTANCE,))
AT_BOTH = AT_TYPE | AT_INSTANCE
AT_BASE = frozenset((Level.SYSTEM,))
GROUP = frozenset(("Group",))
CODE_SYSTEM, VALUE_SET = frozenset(("CodeSystem",)), frozenset(("ValueSet",))
PATIENT, SUBSCRIPTION = frozenset(("Patient",)), frozenset(("Subscription",))
CONCEPT_MAP, ENCOUNTER = frozenset(("ConceptMap",)), frozenset(("Encounter",))

OPERATIONS: Sequence[Operation] = (
    Operation(
        "validate", HL7 + "Resource-validate", AT_BOTH, validating.TAKES, validating.validate,
        SERVED, body="resource",
    ),
    Operation(
        "everything", HL7 + "Patient-everything", AT_BOTH, everything.TAKES,
        everything.everything, PATIENT,
    ),
    Operation(
        "everything", HL7 + "Encounter-everything", AT_INSTANCE, everything.TAKES,
        everything.everything, ENCOUNTER,
    ),
    Operation(
        "match", HL7 + "Patient-match", AT_TYPE, matching.TAKES, matching.match, PATIENT,
        body="resource",
    ),
    Operation(
        "expand", HL7 + "ValueSet-expand", AT_BOTH, coding.EXPAND, coding.expand, VALUE_SET,
        body="valueSet",
    ),
    Operation(
        "lookup", HL7 + "CodeSystem-lookup", AT_TYPE, coding.LOOKUP, coding.lookup, CODE_SYSTEM
    ),
    Operation(
        "validate-code", HL7 + "CodeSystem-validate-code", AT_BOTH, coding.CODE_OF_SYSTEM,
        coding.validate_code, CODE_SYSTEM,
    ),
    Operation(
        "validate-code", HL7 + "ValueSet-validate-code", AT_BOTH, coding.CODE_OF_SET,
        coding.validate_code, VALUE_SET,
    ),
    Operation(
        "subsumes", HL7 + "CodeSystem-subsumes", AT_BOTH, coding.SUBSUMES, coding.subsumes,
        CODE_SYSTEM,
    ),
    Operation(
        "translate", HL7 + "ConceptMap-translate", AT_BOTH, coding.TRANSLATE, coding.translate,
        CONCEPT_MAP,
    ),
    Operation(
        "status", BACKPORT + "backport-subscription-status", AT_BOTH, subscribing.STATUS,
        subscribing.status, SUBSCRIPTION,
    ),
    Operation(
        "events", BACKPORT + "backport-subscription-events", AT_INSTANCE, subscribing.EVENTS,
        subscribing.events, SUBSCRIPTION,
    ),
    Operation(
        "export", BULK + "export", AT_BASE, exporting.TAKES, exporting.export, affects_state=True
    ),
    Operation(
        "export", BULK + "patient-export", AT_TYPE, exporting.TAKES, exporting.export, PATIENT,
        affects_state=True,
    ),
    Operation(
        "export", BULK + "group-export", AT_INSTANCE, exporting.TAKES, exporting.export, GROUP,
        affects_state=True,
    ),
    Operation(
        "explain", explaining.DEFINITION, AT_TYPE, None, explaining.explain, SERVED,
        about=explaining.ABOUT, gives=explaining.GIVES,
    ),
)  # fmt: skip
