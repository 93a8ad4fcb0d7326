"""The recheck against the oracle, and the index against both, on what nearly is or just is met."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from citycare.kernel.fhir.r4 import RESOURCES
from citycare.kernel.fhir.searching.extracting import extractors
from citycare.kernel.fhir.searching.meeting import coarse, doubtful, meets
from citycare.kernel.fhir.searching.meeting.criteria import OF_SETS
from citycare.kernel.fhir.searching.model import Criterion, Having, ParamType, Parts, Token
from tests.kernel.fhir.searching import asked, made
from tests.kernel.fhir.searching.looking import agree, looked
from tests.kernel.fhir.searching.oracle import Key, Oracle
from tests.kernel.fhir.searching.test_extracting import made_resource, mutated
from tests.kernel.fhir.searching.test_indexing_oracle import COMPOSITES, TOKENS, asked_of

Json = dict[str, Any]
ASKED_OF_EACH = 4


def decided(criterion: Criterion | Having) -> bool:
    """Tell whether a criterion can be decided on the resource itself, as the reader writes it."""
    if isinstance(criterion, Having) or criterion.chain is not None:
        return False
    kinds = (one.parts[0] for one in criterion.values if isinstance(one, Parts))
    typed = criterion.modifier != "of-type" or all(
        isinstance(kind, Token) and kind.system for kind in kinds
    )
    return typed and not (criterion.type is ParamType.TOKEN and criterion.modifier in OF_SETS)


def criteria(dice: random.Random, oracle: Oracle, key: Key) -> Iterator[Criterion]:
    """Yield criteria near what a resource has, and one on compartments."""
    yield asked._within(dice, oracle)
    for _ in range(ASKED_OF_EACH):
        for found in (asked._criterion(dice, oracle, key), asked._common(dice, oracle, key)):
            if isinstance(found, Criterion) and decided(found):
                yield found


def test_what_is_asked_is_met_and_is_not() -> None:
    """Also holds the comparison itself to account: each way is met and missed, exact and not."""
    seen: Counter[Any] = Counter()

    @given(made.resources(), st.randoms(use_true_random=False))
    @settings(max_examples=30)
    def compare(town: list[Json], dice: random.Random) -> None:
        oracle = Oracle(town, base=made.BASE)
        index = looked(town, made.BASE)
        for key in sorted(index):
            for criterion in criteria(dice, oracle, key):
                for other in (each for each in index if each[0] == key[0]):
                    met = oracle._holds(other, criterion)
                    agree(index[other], criterion, made.BASE, met=met)
                    seen[criterion.type, criterion.modifier, met] += 1
                    seen["coarse", coarse(key[0], criterion)] += 1

    compare()
    for way in [*((kind, "") for kind in ParamType), (ParamType.TOKEN, "not"),
                (ParamType.TOKEN, "text"), (ParamType.STRING, "exact"),
                (ParamType.STRING, "contains"), (ParamType.URI, "above"),
                (ParamType.URI, "below"), (ParamType.REFERENCE, "identifier")]:  # fmt: skip
        assert seen[*way, True], way
        assert seen[*way, False], way
    assert seen["coarse", True]
    assert seen["coarse", False]


@given(st.sampled_from(sorted(RESOURCES)), st.randoms(use_true_random=False))
@settings(max_examples=200, phases=[Phase.generate])  # dice do not shrink
def test_broken_data_meets_or_does_not(kind: str, dice: random.Random) -> None:
    """No data makes it raise; and the index never misses what is met in it."""
    resource = mutated(dice, made_resource(dice, kind))
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        resource = {"resourceType": kind}
    resource["id"] = "x"
    (one,) = looked([resource]).values()
    for code, extractor in extractors(kind).items():
        for criterion in asked_of(code, extractor.type):
            met = meets(criterion, resource)
            if code not in {"_id", "_lastUpdated"}:
                agree(one, criterion, "", met=met)


def test_every_parameter_is_coarse_or_exact() -> None:
    for kind in RESOURCES:
        for code, extractor in extractors(kind).items():
            for criterion in asked_of(code, extractor.type):
                unsure = coarse(kind, criterion)
                assert unsure or not doubtful(kind, criterion)
                assert meets(criterion, {"resourceType": kind}) in {True, False}
    for code, seconds in COMPOSITES.items():
        exact = code == "component-code-value-concept"
        both = Criterion(code, ParamType.COMPOSITE, "", (Parts((TOKENS[0], seconds[0])),))
        assert coarse("Observation", both) is not exact
