"""Extensions of a Questionnaire by address, and how their values are read.

Source: HL7 FHIR R4 4.0.1, profiles of Questionnaire (questionnaire-*, minValue, maxValue,
minLength, regex, maxDecimalPlaces, maxSize, mimeType, entryFormat, ordinalValue, variable,
cqf-expression, cqf-calculatedValue); SDC 3.0.0 http://hl7.org/fhir/uv/sdc/STU3/, pages "Advanced
form rendering", "Form behavior and calculation", "Form population".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from citycare.kernel.fhir.forms.model import Json

CORE = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"

TRANSLATION: Final = CORE + "translation"
VARIABLE: Final = CORE + "variable"
CQF_EXPRESSION: Final = (CORE + "cqf-expression", CORE + "cqf-calculatedValue")
WEIGHTS: Final = (CORE + "ordinalValue", CORE + "itemWeight")
HIDDEN: Final = CORE + "questionnaire-hidden"
CONTROL: Final = CORE + "questionnaire-itemControl"
CATEGORY: Final = CORE + "questionnaire-displayCategory"
EXCLUSIVE: Final = CORE + "questionnaire-optionExclusive"
OPTION_PREFIX: Final = CORE + "questionnaire-optionPrefix"
UNIT: Final = CORE + "questionnaire-unit"
UNIT_OPTION: Final = CORE + "questionnaire-unitOption"
UNIT_VALUE_SET: Final = CORE + "questionnaire-unitValueSet"
CONSTRAINT: Final = (CORE + "questionnaire-constraint", CORE + "targetConstraint")
SLIDER_STEP: Final = CORE + "questionnaire-sliderStepValue"
MIN_OCCURS: Final = CORE + "questionnaire-minOccurs"
MAX_OCCURS: Final = CORE + "questionnaire-maxOccurs"
MIN_VALUE: Final = (CORE + "minValue", SDC + "minQuantity")
MAX_VALUE: Final = (CORE + "maxValue", SDC + "maxQuantity")
MIN_LENGTH: Final = CORE + "minLength"
REGEX: Final = CORE + "regex"
MAX_PLACES: Final = CORE + "maxDecimalPlaces"
MAX_SIZE: Final = CORE + "maxSize"
MIME_TYPE: Final = CORE + "mimeType"
ENTRY_FORMAT: Final = CORE + "entryFormat"
LAUNCH_CONTEXT: Final = (
    SDC + "launchContext",
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-launchContext",
)
INITIAL: Final = SDC + "initialExpression"
CALCULATED: Final = SDC + "calculatedExpression"
ENABLE_WHEN: Final = SDC + "enableWhenExpression"
POPULATION: Final = SDC + "itemPopulationContext"
ANSWERS: Final = SDC + "answerExpression"
CANDIDATES: Final = SDC + "candidateExpression"

Extensions = Mapping[str, list[Json]]
NONE: Final[Extensions] = {}


def extensions(element: Mapping[str, Any]) -> Extensions:
    """Return the extensions of an element by address."""
    given = element.get("extension")
    if not isinstance(given, list):
        return NONE
    found: dict[str, list[Json]] = {}
    for each in given:
        if isinstance(each, dict) and isinstance(each.get("url"), str):
            found.setdefault(each["url"], []).append(each)
    return found


def value(extension: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Return (type, value) of an extension or answer: ("Coding", {…}); None without."""
    for name, inner in extension.items():
        if name.startswith("value"):
            return name[5:], inner
    return None


def first(given: Extensions, *addresses: str) -> Any:
    """Return the value of the first extension at one of these addresses, or None."""
    for address in addresses:
        for each in given.get(address, ()):
            found = value(each)
            if found is not None:
                return found[1]
    return None


def flag(given: Extensions, address: str) -> bool:
    """Tell whether a Boolean extension is true."""
    return bool(given) and first(given, address) is True


def count(given: Extensions, address: str) -> int | None:
    """Return a whole number that is not negative, or None."""
    number = first(given, address)
    if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
        return number
    return None


def text(given: Extensions, address: str) -> str:
    """Return a text, or ""."""
    found = first(given, address)
    return found if isinstance(found, str) else ""


def said(element: Mapping[str, Any], name: str, lang: str) -> str:
    """Return a text of an element in a language; as it is written, where there is no such."""
    beside = element.get(f"_{name}") if lang != "zh" else None
    for each in extensions(beside).get(TRANSLATION, ()) if isinstance(beside, dict) else ():
        parts = extensions(each)
        tongue = first(parts, "lang")
        if isinstance(tongue, str) and tongue.partition("-")[0] == lang:
            return text(parts, "content")
    own = element.get(name)
    return own if isinstance(own, str) else ""


def code(given: Extensions, address: str) -> str:
    """Return the code of a CodeableConcept, Coding or code, or ""."""
    found = first(given, address)
    if isinstance(found, dict):
        codings = found.get("coding", [found])
        codes = [each.get("code") for each in codings if isinstance(each, dict)]
        found = next((each for each in codes if isinstance(each, str)), "")
    return found if isinstance(found, str) else ""


def weight(element: Mapping[str, Any]) -> Decimal | int | None:
    """Return the score an element carries, or None."""
    given = extensions(element)
    number = first(given, *WEIGHTS) if given else None
    if isinstance(number, float):
        return Decimal(str(number))
    if isinstance(number, int | Decimal) and not isinstance(number, bool):
        return number
    return None
