"""What operations answer, as Parameters.

Source: HL7 FHIR R4 4.0.1, operations CodeSystem/$lookup, $validate-code, $subsumes and
ConceptMap/$translate, out parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from citycare.kernel.fhir.rows import loads
from citycare.kernel.fhir.terminology.expanding import in_language
from citycare.kernel.fhir.terminology.model import (
    Checked,
    Json,
    Looked,
    Property,
    Subsumption,
    Translated,
)

AS_TEXT = frozenset(("Code", "String", "DateTime"))


def _parameters(*parts: Json) -> Json:
    return {"resourceType": "Parameters", "parameter": [one for one in parts if len(one) > 1]}


def _value(name: str, kind: str, value: Any) -> Json:
    """Return a parameter; one without a value is left out by the caller."""
    return {"name": name} | ({f"value{kind}": value} if value not in ("", None) else {})


def lookup(found: Looked, *, language: str = "", properties: Sequence[str] = ()) -> Json:
    """Answer $lookup.

    Args:
        found: what is known.
        language: of the display, where it is there in that language.
        properties: names of those that are wanted; empty: all.
    """
    names: list[Json] = []
    for one in found.designations:
        told = {"language": one.language, "use": one.use, "value": one.value}
        names.append({name: value for name, value in told.items() if value})
    display = (in_language(names, language) if language else "") or found.display or found.code
    own = [Property("inactive", "Boolean", "true")] if found.inactive else []
    if found.abstract:
        own.append(Property("notSelectable", "Boolean", "true"))
    if found.definition:
        own.append(Property("definition", "String", found.definition))
    told_already = {one.name for one in found.properties}
    every = [*(one for one in own if one.name not in told_already), *found.properties]
    return _parameters(
        _value("name", "String", found.system.name or found.system.url),
        _value("version", "String", found.system.version),
        _value("display", "String", display),
        *({"name": "designation", "part": _designation(one)} for one in names),
        *(_property(one) for one in every if not properties or one.name in properties),
    )


def _designation(told: Json) -> list[Json]:
    kinds = {"language": "Code", "use": "Coding", "value": "String"}
    return [_value(name, kinds[name], value) for name, value in told.items()]


def _property(one: Property) -> Json:
    value: Any = one.value
    if one.kind == "Coding":
        value = one.whole
    elif one.kind not in AS_TEXT:
        value = loads(one.value)
    parts = [_value("code", "Code", one.name), _value("value", one.kind, value)]
    return {"name": "property", "part": [part for part in parts if len(part) > 1]}


def checked(found: Checked) -> Json:
    """Answer $validate-code."""
    display = found.coding.display if found.coding is not None else ""
    return _parameters(
        {"name": "result", "valueBoolean": found.result},
        _value("message", "String", found.message),
        _value("display", "String", display),
    )


def subsumption(found: Subsumption) -> Json:
    """Answer $subsumes."""
    return _parameters(_value("outcome", "Code", found.value))


def translated(found: Translated) -> Json:
    """Answer $translate."""
    matches: list[Json] = []
    for one in found.matches:
        concept = one.coding.as_fhir() if one.coding is not None else None
        parts = [
            _value("equivalence", "Code", one.equivalence),
            _value("concept", "Coding", concept),
            *(_product(each) for each in one.more.get("product", ())),
            _value("source", "Uri", one.source),
        ]
        matches.append({"name": "match", "part": [part for part in parts if len(part) > 1]})
    return _parameters(
        {"name": "result", "valueBoolean": found.result},
        _value("message", "String", found.message),
        *matches,
    )


def _product(told: Json) -> Json:
    coding = {"system": told.get("system", ""), "code": told["value"]}
    concept = {name: value for name, value in coding.items() if value}
    return {
        "name": "product",
        "part": [_value("element", "Uri", told["property"]), _value("concept", "Coding", concept)],
    }
