from __future__ import annotations

from pathlib import Path

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.terminology import Coding, Ends, Layout, Named, State, loading, writing
from citycare.kernel.fhir.terminology.model import Json
from tests.kernel.fhir.terminology.made import (
    CLINICAL,
    FRUIT,
    INSURANCE,
    codes,
    concept,
    concept_map,
    fruit,
    include,
    load,
    mapped,
    prop,
    system,
    value_set,
    written,
)

TABLES = (
    "code_system", "concept", "concept_parent", "concept_span", "concept_designation",
    "concept_property", "value_set", "concept_map", "concept_map_group", "concept_map_entry",
)  # fmt: skip


async def rows(cx: Context) -> dict[str, int]:
    found = {}
    for table in TABLES:
        row = await (await cx.db.execute(f"SELECT count(*) AS n FROM fhir.{table}")).fetchone()
        assert row is not None
        found[table] = row["n"]
    return found


async def test_a_small_system_is_loaded_and_kept_as_sent(cx: Context) -> None:
    (made,) = await load(cx, fruit())
    assert (made.state, made.count, made.resource_id) == (State.LOADED, 8, "fruit")
    kept = await fhir.get(cx, "CodeSystem", "fruit")
    assert kept["concept"] == fruit()["concept"]


async def test_a_large_system_stands_in_the_record_without_its_concepts(
    cx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ANALYZED_MIN", 1)  # of still larger ones
    many = system(FRUIT, *(concept(f"c{at}") for at in range(loading.KEPT_WHOLE + 1)))
    await load(cx, many)
    kept = await fhir.get(cx, "CodeSystem", "fruit")
    assert (kept["content"], kept["count"], "concept" in kept) == ("not-present", 1_001, False)
    assert (await terminology.lookup(cx, Coding("c1000", FRUIT))).code == "c1000"


async def test_the_same_again_changes_nothing(cx: Context) -> None:
    everything = (
        fruit(),
        value_set("urn:set", include()),
        concept_map("urn:map", {"source": FRUIT, "element": [mapped("leek", ("x", "equal"))]}),
    )
    await load(cx, *everything)
    before = await rows(cx)
    again = await load(cx, *everything)
    assert {one.state for one in again} == {State.UNCHANGED}
    assert await rows(cx) == before
    assert (await fhir.get(cx, "CodeSystem", "fruit"))["meta"]["versionId"] == "1"


async def test_what_was_changed_takes_the_place_of_the_old_and_leaves_nothing_behind(
    cx: Context,
) -> None:
    await load(cx, fruit(), value_set("urn:set", include()))
    changed = system(FRUIT, concept("kiwi", "猕猴桃"))
    changed_set = value_set("urn:set", include(FRUIT, ["kiwi"]))
    made = await load(cx, changed, changed_set)
    assert {one.state for one in made} == {State.REPLACED}
    found = await rows(cx)
    assert (found["code_system"], found["concept"], found["value_set"]) == (1, 1, 1)
    assert not any(found[name] for name in TABLES[2:6])
    assert codes(await terminology.expand(cx, "urn:set")) == ["kiwi"]
    assert (await fhir.get(cx, "CodeSystem", "fruit"))["meta"]["versionId"] == "2"


async def test_versions_stand_side_by_side_and_the_newest_active_is_meant(cx: Context) -> None:
    for version, status in (("2.0", "active"), ("10.0", "active"), ("11.0", "draft")):
        await load(cx, system(FRUIT, concept("a", version), version=version, status=status))
    named = [
        (await terminology.lookup(cx, Coding("a", FRUIT, version))).display
        for version in ("", "2.0", "11.0")
    ]
    assert named == ["10.0", "2.0", "11.0"]
    with pytest.raises(terminology.SystemUnknown):
        await terminology.lookup(cx, Coding("a", FRUIT, "3.0"))
    ids = {one["resource_id"] for one in await _systems(cx)}
    assert "fruit" in ids
    assert len(ids) == 3, "all had the same id in their files"


async def _systems(cx: Context) -> list[Json]:
    found = await cx.db.execute("SELECT resource_id FROM fhir.code_system")
    return [dict(one) for one in await found.fetchall()]


@pytest.mark.parametrize(
    ("concepts", "place", "wrong"),
    [
        ([concept("a"), concept("b", "", concept("a"))], "concept[1].concept[0]", "comes twice"),
        ([concept("a", property=[prop("parent", valueCode="z")])], "a", "there is no concept z"),
        (
            [
                concept("a", "", concept("b", property=[prop("child", valueCode="a")])),
            ],
            "a",
            "lies below itself",
        ),
    ],
)
async def test_faults_of_a_system_are_named_and_nothing_is_written(
    cx: Context, concepts: list[Json], place: str, wrong: str
) -> None:
    with pytest.raises(terminology.Unreadable) as refused:
        await load(cx, system(FRUIT, *concepts))
    problem = refused.value.problems[0]
    assert problem.place == place
    assert wrong in problem.wrong
    assert (await rows(cx))["code_system"] == 0


@pytest.mark.parametrize(
    "resource",
    [
        system(FRUIT, concept("编" * 400)),
        system(FRUIT, concept("a", property=[prop("p" * 201, valueCode="x")])),
        system("urn:" + "x" * 1_000, concept("a")),
        value_set("urn:x", include(), version="1" * 201),
        concept_map("urn:x", {"source": FRUIT, "element": [mapped("a" * 1_001, ("x", "equal"))]}),
    ],
)
async def test_what_is_too_long_to_be_looked_up_is_refused(cx: Context, resource: Json) -> None:
    with pytest.raises(terminology.Unreadable):
        await load(cx, resource)


async def test_numbers_in_versions_may_be_of_any_length(cx: Context) -> None:
    for version in ("1." + "9" * 150, "1." + "1" * 151):
        await load(cx, system(FRUIT, concept("a", version), version=version))
    assert (await terminology.lookup(cx, Coding("a", FRUIT))).display == "1." + "1" * 151


async def test_a_fragment_may_name_parents_it_does_not_hold(cx: Context) -> None:
    part = system(FRUIT, concept("a", property=[prop("parent", valueCode="z")]), content="fragment")
    assert (await load(cx, part))[0].count == 1


async def test_a_system_that_disregards_case_has_each_code_once(cx: Context) -> None:
    await load(cx, system(FRUIT, concept("Apple"), caseSensitive=False))
    assert (await terminology.lookup(cx, Coding("aPPLE", FRUIT))).code == "Apple"
    twice = system(FRUIT, concept("Apple"), concept("apple"), caseSensitive=False)
    with pytest.raises(terminology.Unreadable):
        await load(cx, twice)


async def test_rules_of_r4_hold_and_supplements_are_refused(cx: Context) -> None:
    with pytest.raises(fhir.Invalid):
        await load(cx, fruit(status="sold"))
    with pytest.raises(terminology.Unreadable):
        await load(cx, fruit(content="supplement", supplements=FRUIT))


async def test_what_has_no_address_stands_in_the_record_alone(cx: Context) -> None:
    nameless = {name: one for name, one in fruit().items() if name != "url"}
    (made,) = await load(cx, nameless)
    assert made.state is State.KEPT
    assert await fhir.get(cx, "CodeSystem", made.resource_id)
    assert (await rows(cx))["code_system"] == 0


async def test_a_resource_stored_under_its_own_id_is_brought_to_the_tables(cx: Context) -> None:
    assert await terminology.index(cx, fruit()) == fruit()
    moved = fruit(url="urn:made-up:other")
    await terminology.index(cx, moved)
    with pytest.raises(terminology.SystemUnknown):
        await terminology.lookup(cx, Coding("leek", FRUIT))
    with pytest.raises(terminology.VersionTaken):
        await terminology.index(cx, moved | {"id": "another"})
    await terminology.drop(cx, "CodeSystem", "fruit")
    assert not any((await rows(cx)).values())


async def test_icd_lists_stand_side_by_side_with_their_map(cx: Context, tmp_path: Path) -> None:
    clinical = written(tmp_path, "a.csv", "主要编码,疾病名称\nQ01,合成甲\nQ01.001,合成乙\n")
    insurance = written(tmp_path, "b.csv", "诊断代码,诊断名称\nR01.100,合成丙\n")
    between = written(tmp_path, "c.csv", "国临版编码,医保版编码\nQ01.001,R01.100\n")
    first = Named(CLINICAL, "2.0", "国临版（合成）")
    await terminology.load_list(cx, clinical, first, Layout(by_prefix=True))
    await terminology.load_list(cx, insurance, Named(INSURANCE, "2.0", "医保版（合成）"), Layout())
    named = Named("urn:made-up:map", "1", "国临版到医保版（合成）")
    ends = Ends(f"{CLINICAL}|2.0", INSURANCE)
    made = await terminology.load_mapping(cx, between, named, ends, Layout())
    assert (made.state, made.count) == (State.LOADED, 1)
    again = await terminology.load_mapping(cx, between, named, ends, Layout())
    assert again.state is State.UNCHANGED
    assert await terminology.below(cx, CLINICAL, "Q01", 10) == ["Q01", "Q01.001"]
    there = await terminology.translate(cx, Coding("Q01.001", CLINICAL))
    back = await terminology.translate(cx, Coding("R01.100", INSURANCE), reverse=True)
    assert [one.coding for one in there.matches] == [Coding("R01.100", INSURANCE)]
    assert [one.coding for one in back.matches] == [Coding("Q01.001", CLINICAL, "2.0")]
    kept = await fhir.get(cx, "ConceptMap", made.resource_id)
    assert kept["title"] == "国临版到医保版（合成）"


async def test_a_list_with_other_options_is_another_load(cx: Context, tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "code,display\nQ1,x\nQ12,y\n")
    named = Named(CLINICAL, "1", "合成")
    states = [
        (await terminology.load_list(cx, path, named, layout)).state
        for layout in (Layout(), Layout(), Layout(by_prefix=True))
    ]
    assert states == [State.LOADED, State.UNCHANGED, State.REPLACED]
    assert (await rows(cx))["concept_span"] == 1
