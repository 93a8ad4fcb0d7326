"""The profiles among the official examples, and the examples that claim them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir.profiles import Unfit, compiled, violations
from citycare.kernel.fhir.r4 import faults
from tests.kernel.fhir.test_r4 import _broken

Json = dict[str, Any]

pytestmark = pytest.mark.outside_data

R4 = "http://hl7.org/fhir/StructureDefinition/"
OWN = {  # profile to the LOINC code of what it is of
    "bmi": "39156-5",
    "bodyheight": "8302-2",
    "bodytemp": "8310-5",
    "bodyweight": "29463-7",
    "bp": "85354-9",
    "headcircum": "9843-4",
    "heartrate": "8867-4",
    "oxygensat": "2708-6",
    "resprate": "9279-1",
}
VITALS = (*OWN, "vitalsigns", "vitalspanel")
TARGET, EXTENSION, CONTENT, APART = "target", "extension", "content", "apart"
KNOWN: Mapping[str, frozenset[str] | set[str]] = {  # what of the official profiles is not checked
    **dict.fromkeys(VITALS, frozenset((TARGET,))),
    "catalog": {EXTENSION, CONTENT, APART},  # a date is sliced, by nothing
    "cdshooksguidanceresponse": {EXTENSION},
    "cdshooksserviceplandefinition": {EXTENSION},
    "cholesterol": {CONTENT},
    "clinicaldocument": {EXTENSION},
    "cqf-questionnaire": {EXTENSION},
    "diagnosticreport-genetics": {EXTENSION},
    "familymemberhistory-genetic": {EXTENSION, APART},  # slices without discriminator
    "hdlcholesterol": {CONTENT},
    "hlaresult": {EXTENSION},
    "ldlcholesterol": {CONTENT},
    "lipidprofile": {APART, "order"},  # by resolve().code
    "observation-genetics": {EXTENSION},
    "provenance-relevant-history": {CONTENT},
    "servicerequest-genetics": {EXTENSION},
    "triglyceride": {CONTENT},
}
SAID = {
    "of the target only the type": TARGET,
    "of its type": EXTENSION,
    "refer to its content": CONTENT,
    "what tells its items apart": APART,
    "the order of its slices": "order",
}


@pytest.fixture(scope="module")
def profiles(examples: list[tuple[str, str]]) -> Mapping[str, Json]:
    """Definitions that constrain a resource, by address."""
    every = [fhir.loads(text) for name, text in examples if name.startswith("StructureDefinition-")]
    return {
        one["url"]: one
        for one in every
        if one["kind"] == "resource" and one.get("derivation") == "constraint"
    }


def test_every_official_profile_compiles_and_says_what_it_passes_over(
    profiles: Mapping[str, Json],
) -> None:
    assert len(profiles) == 43
    said = {}
    for url, one in profiles.items():
        notes = compiled(one, profiles.get).passed_over
        kinds = [next(kind for words, kind in SAID.items() if words in note) for note in notes]
        if kinds:
            said[url.removeprefix(R4)] = set(kinds)
    assert said == KNOWN


@pytest.fixture(scope="module")
def claiming(
    examples: list[tuple[str, str]], profiles: Mapping[str, Json]
) -> list[tuple[str, Json, str]]:
    """Examples with a profile they claim, which is among them."""
    every = [(name, fhir.loads(text)) for name, text in examples if '"profile"' in text]
    return [
        (name, one, url)
        for name, one in every
        if isinstance(one.get("meta"), dict)
        for url in one["meta"].get("profile", ())
        if url in profiles
    ]


def test_examples_meet_the_profiles_they_claim(
    claiming: list[tuple[str, Json, str]], profiles: Mapping[str, Json]
) -> None:
    made = {url: compiled(profiles[url], profiles.get) for _, _, url in claiming}
    count = Counter(url.removeprefix(R4) for _, _, url in claiming)
    assert count == {
        "shareablevalueset": 1306, "shareablecodesystem": 624, "vitalsigns": 12,
        "cqf-questionnaire": 1,
    }  # fmt: skip
    told = {name for name, one, url in claiming if violations(one, made[url])}
    assert told == set()


def test_examples_meet_the_profile_of_what_they_measure(
    examples: list[tuple[str, str]], profiles: Mapping[str, Json]
) -> None:
    """Vital signs claim the common profile only; each meets the one of its own code as well."""
    checked, told = 0, {}
    for name, text in examples:
        if not name.startswith("Observation-") or "/vitalsigns" not in text:
            continue
        resource = fhir.loads(text)
        codes = {one.get("code") for one in resource["code"]["coding"]}
        for profile in (one for one, code in OWN.items() if code in codes):
            faults = violations(resource, compiled(profiles[R4 + profile]))
            checked += 1
            if faults:
                told[name] = [(one.element, one.code) for one in faults]
    assert checked >= 9
    assert told == {}


def test_a_differential_upon_its_base_finds_what_the_snapshot_finds(
    claiming: list[tuple[str, Json, str]], profiles: Mapping[str, Json]
) -> None:
    dice = random.Random(4)
    vital = [one for _, one, url in claiming if url.endswith("/vitalsigns")]
    broken = 0
    for name in VITALS:
        whole = profiles[R4 + name]
        by_snapshot = compiled(whole)
        bare = {key: value for key, value in whole.items() if key != "snapshot"}
        by_differential = compiled(bare, profiles.get)
        for one in vital:
            for changed in (one, *(_broken(fhir.loads(fhir.dumps(one)), dice) for _ in range(5))):
                left, right = (
                    {(each.element, each.code) for each in violations(changed, made)}
                    for made in (by_snapshot, by_differential)
                )
                broken += bool(left)
                assert left == right, (name, changed)
    assert broken > 100


def test_no_definition_that_can_be_stored_breaks_the_compiler(
    claiming: list[tuple[str, Json, str]], profiles: Mapping[str, Json]
) -> None:
    dice = random.Random(4)
    vital = [one for _, one, url in claiming if url.endswith("/vitalsigns")]
    bare = [
        fhir.dumps({key: value for key, value in one.items() if key not in ("snapshot", "text")})
        for one in profiles.values()
    ]
    stored = 0
    for _ in range(1_500):
        definition = fhir.loads(dice.choice(bare))
        _broken(definition["differential"], dice)
        if any(not one.warning for one in faults(definition)):
            continue
        stored += 1
        try:
            made = compiled(definition, profiles.get)
        except Unfit:
            continue
        assert all(one.element for one in violations(dice.choice(vital), made))
    assert stored > 100
