"""Sets of codes in searches (`:in`, `:not-in`, `:below`, `:above`) against the plain model."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import ValueBroken, finding, terminology
from citycare.kernel.fhir.finding import sets
from citycare.kernel.fhir.searching import reading
from citycare.kernel.fhir.searching.model import Criterion
from tests.kernel.fhir.searching.oracle import Oracle
from tests.kernel.fhir.terminology.made import FRUIT, fruit, include, load, value_set

BASE = "http://city.example/fhir/R4"
SWEET, NONE, ALL = "urn:made-up:sweet", "urn:made-up:none", "urn:made-up:all"
CODES = ("fruit", "apple", "boskoop", "lemon", "tomato", "leek", "medlar", "other")
Json = dict[str, Any]


def seen(number: int, *codings: Json) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"o-{number}",
        "status": "final",
        "code": {"coding": list(codings)} if codings else {"text": "合成"},
        "subject": {"reference": f"Patient/p-{number % 3}"},
    }


def town() -> list[Json]:
    """Observations of each code, of none, of a code of another system, of two; their patients."""
    told: list[list[Json]] = [[{"system": FRUIT, "code": one}] for one in CODES]
    told += [[], [{"system": "urn:away", "code": "apple"}], [{"code": "apple"}]]
    told += [[{"system": FRUIT, "code": "leek"}, {"system": FRUIT, "code": "apple"}]]
    observations = [seen(number, *codings) for number, codings in enumerate(told)]
    return observations + [{"resourceType": "Patient", "id": f"p-{one}"} for one in range(3)]


@pytest.fixture
async def loaded(cx: Context) -> tuple[Context, Oracle]:
    """A town, and the model of it, which knows the sets from what terminology says of each."""
    chosen = include(FRUIT, ["apple", "lemon"])
    await load(cx, fruit(), value_set(SWEET, chosen), value_set(ALL, include(FRUIT)))
    await load(cx, value_set(NONE, include(FRUIT), exclude=[include(FRUIT)]))
    kept = await fhir.put(cx, town(), base=BASE)
    known = {one: set(await terminology.members(cx, one, 100)) for one in (SWEET, NONE, ALL)}
    for code in (*CODES[:-1], "vegetable"):
        named = f"{FRUIT}|{code}"
        below = await terminology.below(cx, FRUIT, code, 100)
        known[f"below:{named}"] = {(FRUIT, one) for one in below}
        above = await terminology.above(cx, FRUIT, code)
        known[f"above:{named}"] = {(FRUIT, one) for one in above}

    def member(system: str | None, code: str, name: str) -> bool:
        return (system, code) in known[name]

    stored = [fhir.loads(one.body) for one in kept]
    return cx, Oracle(stored, member=member, base=BASE)


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("Observation", "code:in", SWEET),
        ("Observation", "code:in", f"{SWEET},{NONE}"),
        ("Observation", "code:in", NONE),
        ("Observation", "code:not-in", SWEET),
        ("Observation", "code:not-in", NONE),
        ("Observation", "combo-code:in", ALL),
        *(("Observation", "code:below", f"{FRUIT}|{code}") for code in CODES[:-1]),
        *(("Observation", "code:above", f"{FRUIT}|{code}") for code in CODES[:-1]),
        ("Observation", "code:below", f"{FRUIT}|apple,{FRUIT}|vegetable"),
        ("Patient", "_has:Observation:patient:code:in", SWEET),
        ("Patient", "_has:Observation:patient:code:below", f"{FRUIT}|vegetable"),
        ("Observation", "subject:Patient._has:Observation:patient:code:in", SWEET),
    ],
)
async def test_a_set_finds_what_its_codes_find(
    loaded: tuple[Context, Oracle], kind: str, name: str, text: str
) -> None:
    cx, oracle = loaded
    query = reading.read((kind,), [(name, text), ("_count", "100")], now=cx.now, base=BASE)
    found = await finding.find(cx, await finding.resolve_sets(cx, query, BASE), base=BASE)
    expected = oracle.matches(query, now=cx.now)
    assert sorted(hit.id for hit in found.matches) == sorted(one["id"] for one in expected)


async def test_a_value_set_may_be_named_by_where_it_is_kept(
    loaded: tuple[Context, Oracle],
) -> None:
    cx, _ = loaded
    (row,) = await load(cx, value_set(SWEET, include(FRUIT, ["apple", "lemon"])))
    names = [SWEET, f"ValueSet/{row.resource_id}", f"{BASE}/ValueSet/{row.resource_id}"]
    answers = []
    for name in names:
        query = reading.read(("Observation",), [("code:in", name)], now=cx.now, base=BASE)
        answers.append((await finding.resolve_sets(cx, query, BASE)).criteria)
    assert answers[0] == answers[1] == answers[2]
    (criterion,) = answers[0]
    assert isinstance(criterion, Criterion)
    assert (criterion.modifier, len(criterion.values)) == ("", 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("code:in", "urn:made-up:away"),
        ("code:in", "ValueSet/nothing"),
        ("code:below", f"{FRUIT}|pear"),
        ("code:below", "urn:away|apple"),
        ("code:below", "apple"),
        ("code:above", "|apple"),
        ("subject:Patient._has:Observation:patient:code:in", "urn:made-up:away"),
    ],
)
async def test_what_is_not_here_is_a_wrong_value(
    loaded: tuple[Context, Oracle], name: str, text: str
) -> None:
    cx, _ = loaded
    query = reading.read(("Observation",), [(name, text)], now=cx.now, base=BASE)
    with pytest.raises(ValueBroken) as told:
        await finding.resolve_sets(cx, query, BASE)
    assert told.value.facts["parameter"]


async def test_sets_have_a_limit_together(
    loaded: tuple[Context, Oracle], monkeypatch: pytest.MonkeyPatch
) -> None:
    cx, _ = loaded
    monkeypatch.setattr(sets, "CODES_MAX", 3)
    query = reading.read(("Observation",), [("code:in", SWEET)], now=cx.now)
    assert await finding.resolve_sets(cx, query)
    for pairs in ([("code:in", ALL)], [("code:in", SWEET), ("code:below", f"{FRUIT}|apple")]):
        asked = reading.read(("Observation",), pairs, now=cx.now)
        with pytest.raises(finding.TooCostly):
            await finding.resolve_sets(cx, asked)
