"""Definitions of value sets by their canonical: loaded ones, and those that need no definition.

- the value set of all codes that a code system names itself (`CodeSystem.valueSet`);
- `[system]?fhir_vs` all codes, `?fhir_vs=isa/[code]` what lies below one, of any system, as SNOMED
  CT has it; an edition in the address (`/sct/[module]/version/[date]`) is its version;
- `http://loinc.org/vs` all of LOINC;
- the value sets of R4's own required bindings, from the tables of the specification.

Reference sets (`?fhir_vs=refset…`) and expressions (`ecl/…`) are not here.

Source: HL7 FHIR R4 4.0.1 §4.3 Using SNOMED CT with FHIR (implicit value sets), Using LOINC with
FHIR; §4.8 CodeSystem.valueSet.
"""

from __future__ import annotations

from citycare.kernel.context import Context
from citycare.kernel.fhir.definitions import codes
from citycare.kernel.fhir.terminology import catalogue
from citycare.kernel.fhir.terminology.model import Json, ValueSetUnknown

MARK = "?fhir_vs"
IS_A = "=isa/"
SNOMED = "http://snomed.info/sct"
LOINC, LOINC_ALL = "http://loinc.org", "http://loinc.org/vs"


async def compose_of(cx: Context, canonical: str) -> Json:
    """Return what a value set is made of.

    Raises:
        ValueSetUnknown: nothing says so.
    """
    url, version = catalogue.parted(canonical)
    loaded = await catalogue.find_value_set(cx, url, version)
    if loaded is not None:
        return loaded.compose
    if MARK in url:
        return _marked(url, canonical)
    if url == LOINC_ALL:
        return {"include": [{"system": LOINC}]}
    system = await catalogue.find_system_of_set(cx, url)
    if system is not None:
        return {"include": [{"system": system.url, "version": system.version}]}
    bound = codes().get(url)
    if bound is None:
        raise ValueSetUnknown(value_set=canonical)
    return {
        "include": [
            {"system": one, **({"concept": [{"code": code} for code in some]} if some else {})}
            for one, some in bound.items()
        ]
    }


def _marked(url: str, canonical: str) -> Json:
    system, _, asked = url.partition(MARK)
    include: Json = {"system": system}
    if system.startswith(f"{SNOMED}/"):
        include = {"system": SNOMED, "version": system}
    if asked.startswith(IS_A):
        value = asked.removeprefix(IS_A)
        include["filter"] = [{"property": "concept", "op": "is-a", "value": value}]
    elif asked:
        raise ValueSetUnknown(value_set=canonical, problem="only all codes and isa/[code]")
    return {"include": [include]}
