"""FHIR types of pieces of JSON, told by the resource, the choice, the element's name, the shape.

Plain JSON does not say what type an element has. `valueQuantity` does; for texts a table gives
the element names that have one type wherever they stand in R4 (`birthDate`, `gender`); objects
are told by what they hold. What is not told is `string` or a BackboneElement.
Source: HL7 FHIR R4 4.0.1, the definitions of all resources and types; §2.24 data types (which
type is derived from which); HL7 FHIRPath N1 §4.1 and §6.3 types.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from citycare.kernel.fhir.definitions import RESOURCES
from citycare.kernel.fhir.path.model import Node
from citycare.kernel.fhir.path.quantity import Quantity
from citycare.kernel.fhir.path.temporal import DATE, DATE_TIME, TIME, Temporal

SYSTEM: Final = frozenset(
    ("Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity")
)
PRIMITIVES: Final = frozenset(
    (
        *("base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id"),
        *("instant", "integer", "markdown", "oid", "positiveInt", "string", "time"),
        *("unsignedInt", "uri", "url", "uuid", "xhtml"),
    )
)
COMPLEX: Final = frozenset(
    (
        *("Address", "Age", "Annotation", "Attachment", "CodeableConcept", "Coding"),
        *("ContactDetail", "ContactPoint", "Contributor", "Count", "DataRequirement", "Distance"),
        *("Dosage", "Duration", "Expression", "Extension", "HumanName", "Identifier", "Meta"),
        *("Money", "Narrative", "ParameterDefinition", "Period", "Quantity", "Range", "Ratio"),
        *("Reference", "RelatedArtifact", "SampledData", "Signature", "SubstanceAmount"),
        *("Timing", "TriggerDefinition", "UsageContext", "ElementDefinition", "MarketingStatus"),
        *("Population", "ProdCharacteristic", "ProductShelfLife"),
    )
)
ABSTRACT: Final = frozenset(("Element", "BackboneElement", "Resource", "DomainResource"))
ABOVE: Final = {  # R4 types that are a kind of another, but for Element and Resource
    **dict.fromkeys(("code", "id", "markdown"), "string"),
    **dict.fromkeys(("canonical", "oid", "url", "uuid"), "uri"),
    **dict.fromkeys(("positiveInt", "unsignedInt"), "integer"),
    **dict.fromkeys(("Age", "Count", "Distance", "Duration"), "Quantity"),
    **dict.fromkeys(("Dosage", "ElementDefinition", "Timing"), "BackboneElement"),
}
QUANTITIES: Final = frozenset(("Quantity", "Age", "Count", "Distance", "Duration"))
TEMPORAL: Final = {"date": DATE, "dateTime": DATE_TIME, "instant": DATE_TIME, "time": TIME}
PLAIN_RESOURCES: Final = frozenset(("Binary", "Bundle", "Parameters"))  # no DomainResource

SUFFIXES: Final = {  # of the elements of a choice: `value` + `DateTime`
    kind[0].upper() + kind[1:]: kind for kind in PRIMITIVES | COMPLEX
}

_NAMED: Final = {
    "base64Binary": """
carrierAIDC hash query
""",
    "canonical": """
answerValueSet baseDefinition capabilities compartment definitionCanonical derivedFrom graph
implementationGuide import imports inputProfile instantiatesCanonical library measure
outputProfile parent partOf profile questionnaire replaces supplements supportedProfile
targetProfile valueSet workflow
""",
    "code": """
accept action actuality aggregation assurance cardinalityBehavior category codeSearch comparator
conditionalDelete conditionalRead confidentiality content contentType contextType criticality
currency dayOfWeek daysOfWeek derivation direction docStatus durationUnit enableBehavior
entryType equivalence exposureState eye fhirVersion format gender generation groupMeasure
groupingBehavior hierarchyMeaning intent kind license lifecycleStatus listMode meaning method
mode modifier op operationalStatus operator orientation outcome participantEffectiveGroupMeasure
participantStatus patchFormat payload payloadMimeType periodUnit permittedDataType
precheckBehavior preference priority productCategory publicationStatus referencePolicy
relationship relationtype requestMethod required requiredBehavior resourceType response
responseRequired result role rule rules scale searchType selectionBehavior severity sigFormat
strand strength studyEffectiveGroupMeasure subjectType targetFormat typeMode use variableType
versioning xpathUsage
""",
    "date": """
approvalDate birthDate lastReviewDate lockedDate nextScheduled
""",
    "dateTime": """
authored authoredOn creation dateAsserted dateOfFirstAuthorization dateTime dateWritten detected
effectiveDate effectiveTime enteredDate event expiry internationalBirthDate lastOccurrence
lastPerformed manufactureDate occurrenceDateTime onset presentationDate publicationDate received
receivedTime recordedDate recordedOn releaseDate restoreDate sent started validTo validationDate
verificationDate whenHandedOver whenPrepared
""",
    "id": """
actionId context extends goalId groupingId identity key listRuleId packageId requestId
responseId targetId uid validateProfileId
""",
    "instant": """
ifModifiedSince
""",
    "markdown": """
citation clinicalRecommendationStatement copyright disclaimer extraDetails guidance
meaningWhenMissing paymentTerms postConditions preConditions preparationInstruction situation
textFilter
""",
    "temporal": """
created date end expirationDate issued lastModified lastUpdated paymentDate recorded start
statusDate time timestamp
""",
    "time": """
availableEndTime availableStartTime closingTime openingTime timeOfDay
""",
    "uri": """
authority authorizationUrl contentReference definitionUri derivedFromUri fullUrl implicitRules
instantiatesUri issuer jurisdiction link onlineInformation policy protocol
""",
    "url": """
endpoint relativePath rendering
""",
    "xhtml": """
div
""",
}
TEXTS: Final = {name: kind for kind, names in _NAMED.items() for name in names.split()}
"""Element name of a text to its type; `temporal` is a date or date and time, as it is written."""

OBJECTS: Final = {  # where the shape alone does not tell
    "name": "HumanName",
    "address": "Address",
    "telecom": "ContactPoint",
    "identifier": "Identifier",
    "meta": "Meta",
    "text": "Narrative",
    "extension": "Extension",
    "modifierExtension": "Extension",
    "note": "Annotation",
}
SHAPES: Final[tuple[tuple[str, frozenset[str], frozenset[str]], ...]] = tuple(
    (kind, frozenset(some.split()), frozenset(all_of.split()))
    for kind, some, all_of in (  # type, one of these it must have, more than these it has not
        ("CodeableConcept", "coding text", "coding text"),
        ("Coding", "code display system", "code display system userSelected version"),
        ("Money", "currency", "currency value"),
        ("Reference", "reference display", "reference type identifier display"),
        ("Period", "start end", "start end"),
        ("Range", "low high", "low high"),
        ("Ratio", "numerator denominator", "numerator denominator"),
        ("HumanName", "family given", "use text family given prefix suffix period"),
        (
            "Attachment",
            "contentType data",
            "contentType language data url size hash title creation",
        ),
        ("Expression", "expression", "description name language expression reference"),
    )
)
MEASURED: Final = frozenset(("value", "comparator", "unit", "system", "code"))
ALWAYS: Final = frozenset(("id", "extension"))


def type_of(item: Any) -> tuple[str, str]:
    """Return (namespace, name) of an item: ("System", "Integer"), ("FHIR", "Patient")."""
    if isinstance(item, Node):
        return "FHIR", fhir_type(item)
    return "System", system_type(item)


def system_type(value: Any) -> str:
    """Return the name of a System value's type."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, str):
        return "String"
    if isinstance(value, int):
        return "Integer"
    if isinstance(value, Decimal):
        return "Decimal"
    if isinstance(value, Quantity):
        return "Quantity"
    assert isinstance(value, Temporal)
    return value.kind


def fhir_type(node: Node) -> str:
    """Return the type of a piece of JSON, found once."""
    if not node.type:
        node.type = _told(node)
    return node.type


def _told(node: Node) -> str:
    value = node.value
    if isinstance(value, dict):
        return _told_of_object(node.name, value)
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float | Decimal):
        return "decimal"
    kind = TEXTS.get(node.name, "string")
    if kind == "temporal":
        kind = "dateTime" if isinstance(value, str) and "T" in value else "date"
    return kind


def _told_of_object(name: str, value: dict[str, Any]) -> str:
    kind = value.get("resourceType")
    if isinstance(kind, str):
        return kind
    if name in OBJECTS:
        return OBJECTS[name]
    keys = {key for key in value if key[0] != "_"} - ALWAYS
    if keys <= MEASURED and isinstance(value.get("value"), int | float | Decimal):
        return "Quantity"
    for kind, some, every in SHAPES:
        if keys & some and keys <= every:
            return kind
    return "BackboneElement"


def known(namespace: str, name: str) -> bool:
    """Tell whether there is a type of this name."""
    if namespace == "System":
        return name in SYSTEM
    fhir = name in PRIMITIVES or name in COMPLEX or name in ABSTRACT or name in RESOURCES
    return fhir or (namespace == "" and name in SYSTEM)


def is_a(item: Any, namespace: str, name: str) -> bool:
    """Tell whether an item is of a type or of one derived from it.

    A name without namespace is looked for in FHIR first, then in System; a System quantity is a
    `Quantity` of either, since FHIR's converts into it.
    """
    where, kind = type_of(item)
    if where == "System":
        return namespace != "FHIR" and kind == name
    if namespace == "System":
        return False
    return kind == name or name in _kinds_above(item, kind)


def _kinds_above(item: Node, kind: str) -> set[str]:
    if isinstance(item.value, dict) and "resourceType" in item.value:
        return {"Resource"} if kind in PLAIN_RESOURCES else {"Resource", "DomainResource"}
    found = {"Element"}
    while kind in ABOVE:
        kind = ABOVE[kind]
        found.add(kind)
    return found
