from __future__ import annotations

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.terminology import Coding, Subsumption, answers
from citycare.kernel.fhir.terminology.model import Json
from tests.kernel.fhir.terminology.made import (
    FRUIT,
    concept,
    fruit,
    include,
    load,
    prop,
    system,
    value_set,
)

SOME = "urn:made-up:some"


@pytest.fixture
async def fruits(cx: Context) -> Context:
    listed = {"system": "urn:away", "concept": [{"code": "x", "display": "合成"}]}
    await load(cx, fruit(), value_set(SOME, include(FRUIT, ["apple", "fruit", "medlar"]), listed))
    return cx


def parameters(made: Json, name: str) -> list[Json]:
    assert fhir.violations(made | {"id": "x"}) == []
    return [one for one in made["parameter"] if one["name"] == name]


async def test_a_code_is_looked_up_with_all_that_is_known_of_it(fruits: Context) -> None:
    found = await terminology.lookup(fruits, Coding("apple", FRUIT))
    assert (found.display, found.system.version) == ("苹果", "1")
    assert {(one.name, one.value) for one in found.properties} == {
        ("taste", "sweet"), ("parent", "fruit"), ("child", "boskoop"),
    }  # fmt: skip
    made = answers.lookup(found)
    assert [one["part"][1]["valueString"] for one in parameters(made, "designation")] == [
        "Apple", "Apfel",
    ]  # fmt: skip
    assert parameters(made, "display")[0]["valueString"] == "苹果"
    german = answers.lookup(found, language="de", properties=["parent"])
    assert parameters(german, "display")[0]["valueString"] == "Apfel"
    assert parameters(german, "property") == [
        {"name": "property", "part": [{"name": "code", "valueCode": "parent"},
                                      {"name": "value", "valueCode": "fruit"}]}
    ]  # fmt: skip


async def test_properties_keep_their_types(cx: Context) -> None:
    coding = {"system": "urn:away", "code": "x"}
    told = [
        prop("a", valueInteger=7), prop("b", valueBoolean=False), prop("c", valueCoding=coding),
        prop("d", valueDecimal=fhir.loads("1.50")), prop("e", valueDateTime="2026-11"),
    ]  # fmt: skip
    await load(cx, system(FRUIT, concept("a", "", property=told, definition="合成")))
    made = answers.lookup(await terminology.lookup(cx, Coding("a", FRUIT)))
    values = {one["part"][0]["valueCode"]: one["part"][1] for one in parameters(made, "property")}
    assert values["a"]["valueInteger"] == 7
    assert values["b"]["valueBoolean"] is False
    assert values["c"]["valueCoding"] == coding
    assert str(values["d"]["valueDecimal"]) == "1.50"
    assert values["e"]["valueDateTime"] == "2026-11"
    assert values["definition"]["valueString"] == "合成"
    assert parameters(made, "display")[0]["valueString"] == "a", "R4 needs one"


async def test_what_is_not_here_is_not_found(fruits: Context) -> None:
    with pytest.raises(terminology.SystemUnknown):
        await terminology.lookup(fruits, Coding("apple", "urn:away"))
    with pytest.raises(terminology.CodeUnknown):
        await terminology.lookup(fruits, Coding("pear", FRUIT))
    with pytest.raises(terminology.CodeUnknown):
        await terminology.below(fruits, FRUIT, "pear", 10)
    with pytest.raises(terminology.TooCostly):
        await terminology.below(fruits, FRUIT, "fruit", 4)


@pytest.mark.parametrize(
    ("coding", "value_set_url", "right", "message"),
    [
        (Coding("apple", FRUIT), None, "right", ""),
        (Coding("apple", FRUIT, "1", "苹果"), None, "right", ""),
        (Coding("apple", FRUIT, display="APPLE"), SOME, "right", ""),
        (Coding("apple", FRUIT, display="梨"), SOME, "wrong", "it is called '苹果'"),
        (Coding("pear", FRUIT), None, "wrong", "is not in urn:made-up:fruit|1"),
        (Coding("lemon", FRUIT), SOME, "wrong", "is not in the value set"),
        (Coding("apple"), SOME, "right", ""),
        (Coding("fruit", FRUIT), SOME, "wrong", "stands for a group"),
        (Coding("medlar", FRUIT), SOME, "right", "no longer active"),
        (Coding("x", "urn:away"), SOME, "right", ""),
        (Coding("x", "urn:away", display="成合"), SOME, "wrong", "it is called '合成'"),
        (Coding("y", "urn:elsewhere"), SOME, "wrong", "is not in the value set"),
    ],
)
async def test_a_code_is_checked(
    fruits: Context, coding: Coding, value_set_url: str | None, right: str, message: str
) -> None:
    found = await terminology.validate_code(fruits, coding, value_set_url)
    assert found.result is (right == "right")
    assert message in found.message
    assert parameters(answers.checked(found), "result")[0]["valueBoolean"] is found.result


async def test_a_group_is_right_where_groups_may_stand(fruits: Context) -> None:
    coding = Coding("fruit", FRUIT)
    assert (await terminology.validate_code(fruits, coding, SOME, abstract=True)).result
    assert not (await terminology.validate_code(fruits, coding)).result


async def test_what_cannot_be_told_is_not_called_wrong(fruits: Context) -> None:
    for coding in (Coding("apple", "urn:away"), Coding("apple", FRUIT, "7")):
        with pytest.raises(terminology.SystemUnknown):
            await terminology.validate_code(fruits, coding)
    with pytest.raises(terminology.SystemUnknown):
        await terminology.validate_code(fruits, Coding("apple", FRUIT, "7"), SOME)
    await load(fruits, system("urn:part", concept("a"), content="fragment", id="part"))
    with pytest.raises(terminology.SystemUnknown):
        await terminology.validate_code(fruits, Coding("b", "urn:part"))
    for broken in (Coding(""), Coding("apple")):
        with pytest.raises(terminology.Ask):
            await terminology.validate_code(fruits, broken)


async def test_a_code_is_checked_in_the_version_it_names(cx: Context) -> None:
    for version, code in (("1", "old"), ("2", "new")):
        await load(cx, system(FRUIT, concept(code), version=version))
    await load(cx, value_set(SOME, include()))
    results = [
        (await terminology.validate_code(cx, Coding("old", FRUIT, version), one)).result
        for version in ("", "1", "2")
        for one in (None, SOME)
    ]
    assert results == [False, False, True, True, False, False]


async def test_one_right_coding_makes_a_concept_right(fruits: Context) -> None:
    wrong = {"system": FRUIT, "code": "pear"}
    unknown = {"system": "urn:nowhere", "code": "1"}
    right = {"system": FRUIT, "code": "apple"}
    for coding, result in (([wrong, unknown, right], True), ([wrong], False)):
        found = await terminology.validate_concept(fruits, {"coding": coding})
        assert found.result is result
    with pytest.raises(terminology.SystemUnknown):
        await terminology.validate_concept(fruits, {"coding": [wrong, unknown]})
    found = await terminology.validate_concept(fruits, {"coding": [wrong, unknown]}, SOME)
    assert not found.result
    with pytest.raises(terminology.Ask):
        await terminology.validate_concept(fruits, {"text": "苹果"})


async def test_a_code_without_system_that_several_have_is_asked_back(cx: Context) -> None:
    await load(cx, system("urn:1", concept("a"), id="s1"), system("urn:2", concept("a"), id="s2"))
    both = value_set(SOME, include("urn:1"), include("urn:2"))
    with pytest.raises(terminology.Ask):
        await terminology.validate_code(cx, Coding("a"), both)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("fruit", "boskoop", Subsumption.SUBSUMES),
        ("boskoop", "fruit", Subsumption.SUBSUMED_BY),
        ("vegetable", "tomato", Subsumption.SUBSUMES),
        ("fruit", "tomato", Subsumption.SUBSUMES),
        ("vegetable", "apple", Subsumption.NOT_SUBSUMED),
        ("leek", "leek", Subsumption.EQUIVALENT),
    ],
)
async def test_one_code_is_set_against_another(
    fruits: Context, first: str, second: str, told: Subsumption
) -> None:
    found = await terminology.subsumes(fruits, FRUIT, first, second)
    assert found is told
    assert parameters(answers.subsumption(found), "outcome")[0]["valueCode"] == told.value


async def test_below_and_above_for_searches(fruits: Context) -> None:
    assert await terminology.below(fruits, FRUIT, "apple", 10) == ["apple", "boskoop"]
    assert await terminology.above(fruits, FRUIT, "tomato") == ["fruit", "tomato", "vegetable"]
