"""Resources at hand as the sources of a form: launch context, references, simple searches.

Source: SDC 3.0.0 "Form population" (launchContext; queries in x-fhir-query); HL7 FHIR R4 §3.1.1
search, of which only types and tokens are understood here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from citycare.kernel.fhir.forms.model import Json, Sources
from citycare.kernel.fhir.path import PathError

TOKENS: Final = ("code", "category", "clinical-status", "status", "verification-status")
SUBJECTS: Final = ("patient", "subject")


def record_of(patient: Json | None, resources: Iterable[Json] = (), **context: Any) -> Sources:
    """Return the sources of a form about a patient.

    Expressions see `%patient`, `%record` (all the resources), what else is handed in by name, and
    may search (`Observation?code=…`) and resolve among the resources.
    """
    held = [each for each in resources if isinstance(each, dict)]
    everyone = held if patient is None else [patient, *held]
    named = {f"{each.get('resourceType')}/{each.get('id')}": each for each in everyone}
    known: dict[str, Any] = {"record": held, **context}
    if patient is not None:
        known["patient"] = patient
    return Sources(context=known, resolve=named.get, search=lambda query: _found(everyone, query))


def _found(resources: Sequence[Json], query: str) -> list[Json]:
    kind, _, given = query.partition("?")
    parameters = parse_qsl(given, keep_blank_values=True)
    for name, _ in parameters:
        if name not in (*TOKENS, *SUBJECTS, "_id"):
            raise PathError(problem="no such search here", near=name[:50])
    return [
        each
        for each in resources
        if each.get("resourceType") == kind
        and all(_fits(each, name, wanted) for name, wanted in parameters)
    ]


def _fits(resource: Json, name: str, wanted: str) -> bool:
    """Tell whether a resource fulfils a parameter: any of its values, parted by commas."""
    if name == "_id":
        return resource.get("id") in wanted.split(",")
    if name in SUBJECTS:
        held = resource.get("subject") or resource.get("patient") or {}
        reference = str(held.get("reference", "")) if isinstance(held, Mapping) else ""
        return any(reference in (one, f"Patient/{one}") for one in wanted.split(","))
    first, *rest = name.split("-")
    element = resource.get(first + "".join(part.title() for part in rest))
    tokens = set(_tokens(element))
    return any(one in tokens for one in wanted.split(","))


def _tokens(element: Any) -> Iterable[str]:
    """Yield `code`, `system|code` of a code, Coding or CodeableConcept, or of a list of them."""
    if isinstance(element, str):
        yield element
    elif isinstance(element, list):
        for each in element:
            yield from _tokens(each)
    elif isinstance(element, dict):
        yield from _tokens(element.get("coding"))
        code = element.get("code")
        if isinstance(code, str):
            yield code
            yield f"{element.get('system', '')}|{code}"
