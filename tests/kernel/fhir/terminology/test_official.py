"""All code systems, value sets and maps of the specification go in and can be used."""

from __future__ import annotations

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.definitions import codes as required
from citycare.kernel.fhir.terminology import TYPES, Options, State

REFUSED = {
    "CodeSystem-example-supplement.json",  # supplements are not taken in
    "CodeSystem-v2-0550.json",  # four of its codes end in a blank, which R4's own rule refuses
}
AWAY = {  # value sets the examples name but do not hold
    "http://hl7.org/fhir/ValueSet/dicom-cid29",
    "http://hl7.org/fhir/ValueSet/usps-state",
}
EXPANDED_MIN = 1_250  # of 1,316; the others need systems outside the specification, such as LOINC


@pytest.mark.outside_data
async def test_the_specifications_terminology(cx: Context, examples: list[tuple[str, str]]) -> None:
    refused, urls = set(), []
    for name, text in examples:
        if name.partition("-")[0] not in TYPES:
            continue
        resource = fhir.loads(text)
        try:
            made = await terminology.load(cx, resource)
        except (fhir.Invalid, terminology.Unreadable):
            refused.add(name)
            continue
        assert made.state in (State.LOADED, State.KEPT)
        if made.type == "ValueSet" and made.url:
            urls.append(made.url)
    assert refused == REFUSED
    expanded, away = 0, set()
    for url in urls:
        try:
            found = await terminology.expand(cx, url, Options(count=5))
        except terminology.SystemUnknown:
            continue
        except terminology.ValueSetUnknown as error:
            away.add(error.facts["value_set"])
            continue
        expanded += 1
        assert fhir.violations(found | {"id": "x"}) == []
    assert away == AWAY
    assert expanded >= EXPANDED_MIN
    for url in set(urls).intersection(required()):  # made of the same by another way
        told = required()[url]
        right = {(system, code) for system, some in told.items() for code in some}
        if all(told.values()):
            assert set(await terminology.members(cx, url, 10_000)) == right
