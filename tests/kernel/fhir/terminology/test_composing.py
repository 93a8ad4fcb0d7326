"""Value sets drawn at random hold what the slow oracle says, in every way they are asked."""

from __future__ import annotations

import random

import pytest

from citycare.kernel.context import Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.terminology import Coding, Options, filters
from citycare.kernel.fhir.terminology.model import Json
from tests.kernel.fhir.terminology.made import (
    concept,
    contained,
    include,
    load,
    prop,
    system,
    value_set,
    where,
)
from tests.kernel.fhir.terminology.oracle import Member, Oracle

ONE, TWO, AWAY = "urn:made-up:one", "urn:made-up:two", "urn:made-up:not-here"
SIZE = 30
TASTES = ("sour", "sweet", "bitter")


def drawn_system(dice: random.Random, url: str) -> Json:
    """Concepts named a0, a1 …, each below up to three that come before it."""
    concepts = []
    for at in range(SIZE):
        parents = dice.sample(range(at), min(at, dice.choice((0, 1, 1, 1, 2, 3))))
        properties = [prop("parent", valueCode=f"a{one}") for one in parents]
        tastes = dice.sample(TASTES, dice.randint(0, 2))
        properties += [prop("taste", valueString=one) for one in tastes]
        if dice.random() < 0.2:
            properties.append(prop("inactive", valueBoolean=True))
        concepts.append(concept(f"a{at}", f"name {at % 7}", property=properties))
        if not properties:
            del concepts[-1]["property"]
    dice.shuffle(concepts)
    return system(url, *concepts, id=url[-3:])


def drawn_filter(dice: random.Random) -> Json:
    code = f"a{dice.randrange(SIZE + 2)}"
    codes = ",".join(f"a{dice.randrange(SIZE)}" for _ in range(4))
    return where(*dice.choice((
        ("concept", "is-a", code), ("concept", "descendent-of", code), ("code", "is-not-a", code),
        ("concept", "generalizes", code), ("concept", "in", codes), ("code", "not-in", codes),
        ("concept", "=", code), ("code", "regex", "a[1-3]|a.5"), ("display", "=", "name 3"),
        ("display", "regex", "name [0-4]"), ("parent", "=", code), ("parent", "in", codes),
        ("child", "=", code), ("taste", "=", "sour"), ("taste", "in", "sour,sweet"),
        ("taste", "not-in", "sour,bitter"), ("taste", "regex", "s.*r"), ("taste", "exists", "true"),
        ("taste", "exists", "false"),
    )))  # fmt: skip


def drawn_part(dice: random.Random, known: list[str]) -> Json:
    imported = dice.sample(known, min(len(known), dice.choice((0, 0, 0, 1, 2))))
    more = {"valueSet": imported} if imported else {}
    kind = dice.choice(("all", "filter", "filter", "listed", "away", "import"))
    url = dice.choice((ONE, TWO))
    listed = [f"a{one}" for one in dice.sample(range(SIZE + 5), 6)]
    if kind == "import" and imported:
        return include("", **more)
    if kind in ("listed", "away"):
        return include(AWAY if kind == "away" else url, listed, **more)
    filters = [drawn_filter(dice) for _ in range(dice.randint(1, 3))] if kind == "filter" else []
    return include(url, (), *filters, **more)


def drawn_sets(dice: random.Random) -> list[Json]:
    made: list[Json] = []
    for at in range(12):
        known = [one["url"] for one in made]
        parts = [drawn_part(dice, known) for _ in range(dice.randint(1, 3))]
        out = [drawn_part(dice, known) for _ in range(dice.choice((0, 0, 1, 2)))]
        made.append(value_set(f"urn:made-up:set-{at}", *parts, exclude=out))
        if dice.random() < 0.2:
            made[-1]["compose"]["inactive"] = False
    return made


async def expanded(cx: Context, one: Json, options: Options) -> list[Member]:
    found = await terminology.expand(cx, one, options)
    assert found["expansion"]["total"] >= len(contained(found))
    return [(each["system"], each["code"]) for each in contained(found)]


@pytest.mark.parametrize("seed", range(6))
async def test_what_a_value_set_holds(
    cx: Context, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 3:  # the ways of large hierarchies, on small ones
        monkeypatch.setattr(filters, "OR_MAX", 0)
        monkeypatch.setattr(filters, "COUNTED_MAX", 0 if seed % 3 == 1 else 1_000)
    dice = random.Random(seed)
    systems = [drawn_system(dice, ONE), drawn_system(dice, TWO)]
    sets = drawn_sets(dice)
    await load(cx, *systems, *sets)
    oracle = Oracle(systems, sets)
    for one in sets:
        right = oracle.members(one)
        found = await expanded(cx, one, Options())
        assert len(found) == len(set(found))
        assert set(found) == right, one
        assert set(await terminology.members(cx, one["url"], 1_000)) == right
        active = await expanded(cx, one, Options(active_only=True))
        assert set(active) == oracle.members(one, active_only=True)
        paged = [
            each
            for offset in range(0, len(found), 7)
            for each in await expanded(cx, one, Options(offset=offset, count=7))
        ]
        assert paged == found, "pages are cuts of the whole"
        for url in (ONE, AWAY):
            code = f"a{dice.randrange(SIZE)}"
            told = await terminology.validate_code(cx, Coding(code, url), one["url"])
            assert told.result is ((url, code) in right)


@pytest.mark.parametrize("seed", range(4))
async def test_what_lies_above_and_below(cx: Context, seed: int) -> None:
    made = drawn_system(random.Random(seed), ONE)
    await load(cx, made)
    oracle = Oracle([made], [])
    above = {code: oracle.above(ONE, code) for code in oracle.concepts[ONE]}
    for code, right in above.items():
        assert set(await terminology.above(cx, ONE, code)) == right
        below = await terminology.below(cx, ONE, code, SIZE)
        assert sorted(below) == sorted(one for one, every in above.items() if code in every)
    for first, second in (("a3", "a17"), ("a17", "a3"), ("a0", "a29"), ("a4", "a4")):
        told = await terminology.subsumes(cx, ONE, first, second)
        assert (told in ("subsumes", "equivalent")) is (first in above[second])
        assert (told in ("subsumed-by", "equivalent")) is (second in above[first])
