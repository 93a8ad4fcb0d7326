from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.definitions import codes as required
from citycare.kernel.fhir.terminology import Options, composing, expanding
from citycare.kernel.fhir.terminology.model import NESTING_MAX, Json
from tests.kernel.fhir.terminology.made import (
    FRUIT,
    codes,
    concept,
    contained,
    fruit,
    include,
    load,
    prop,
    said,
    system,
    value_set,
    where,
)

ALL = f"{FRUIT}?fhir_vs"


@pytest.fixture
async def fruits(cx: Context) -> Context:
    await load(cx, fruit(valueSet="urn:made-up:all-fruit"))
    return cx


async def expand(cx: Context, one: str | Json = ALL, **options: Any) -> Json:
    return await terminology.expand(cx, one, Options(**options))


async def test_an_expansion_says_what_it_holds_and_of_which_version(fruits: Context) -> None:
    found = (await expand(fruits))["expansion"]
    assert (found["total"], found["offset"]) == (8, 0)
    assert found["parameter"] == [{"name": "version", "valueUri": f"{FRUIT}|1"}]
    assert found["contains"][0] == {
        "system": FRUIT, "version": "1", "code": "fruit", "display": "水果", "abstract": True,
    }  # fmt: skip
    assert found["contains"][-1]["inactive"] is True


async def test_codes_come_in_the_order_of_the_hierarchy(fruits: Context) -> None:
    assert codes(await expand(fruits)) == [
        "fruit", "apple", "boskoop", "lemon", "tomato", "vegetable", "leek", "medlar",
    ]  # fmt: skip


async def test_listed_codes_come_in_the_order_they_are_listed(fruits: Context) -> None:
    one = value_set("urn:x", include(FRUIT, ["lemon", "boskoop"]), include(FRUIT, ["apple"]))
    assert codes(await expand(fruits, one)) == ["lemon", "boskoop", "apple"]


async def test_a_listed_display_stands_before_that_of_the_system(fruits: Context) -> None:
    listed = {"system": FRUIT, "concept": [{"code": "lemon", "display": "黄柠檬"}]}
    found = await expand(fruits, value_set("urn:x", listed))
    assert contained(found)[0]["display"] == "黄柠檬"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("苹果", ["apple", "boskoop"]),  # the shortest first
        ("果", ["fruit", "apple", "boskoop"]),
        ("bskppg", ["boskoop"]),
        ("pg", ["apple", "boskoop"]),
        ("APP", ["apple"]),
        ("apfel", ["apple"]),
        ("博斯 苹", ["boskoop"]),
        ("leek", ["leek"]),
        ("gxy", []),
        ("%", ["fruit", "apple"]),  # says nothing
    ],
)
async def test_words_find_codes_names_synonyms_and_initials(
    fruits: Context, text: str, found: list[str]
) -> None:
    made = codes(await expand(fruits, filter=text))
    assert (made if text != "%" else made[:2]) == found


async def test_words_find_listed_codes_of_systems_that_are_not_here(fruits: Context) -> None:
    listed = {"system": "urn:away", "concept": [{"code": "x1", "display": "合成"}, {"code": "x2"}]}
    one = value_set("urn:x", listed, include(FRUIT, ["apple", "lemon"]))
    assert codes(await expand(fruits, one, filter="合成")) == ["x1"]
    assert codes(await expand(fruits, one, filter="柠檬")) == ["lemon"]


async def test_a_name_that_only_the_list_gives_is_found_and_still_cut_and_taken_away(
    fruits: Context,
) -> None:
    listed = {"system": FRUIT, "concept": [{"code": "lemon", "display": "黄色"}] * 2}
    await load(fruits, value_set("urn:all", include()))
    for more, found in (
        (value_set("urn:x", listed), ["lemon"]),
        (value_set("urn:x", listed | {"valueSet": ["urn:all"]}), ["lemon"]),
        (value_set("urn:x", listed, exclude=[include(FRUIT, ["lemon"])]), []),
        (value_set("urn:x", listed, exclude=[include()]), []),
    ):
        assert codes(await expand(fruits, more, filter="黄")) == found


async def test_displays_come_in_the_language_that_is_asked_for(cx: Context) -> None:
    told = [said("Apple", "en-GB"), said("Apfel", "de")]
    await load(cx, system(FRUIT, concept("a", "苹果", designation=told), concept("b", "梨")))
    for language, names in (("en", ["Apple", "梨"]), ("de-AT", ["Apfel", "梨"])):
        found = contained(await expand(cx, language=language))
        assert [one["display"] for one in found] == names
    found = contained(await expand(cx, designations=True))
    assert found[0]["designation"] == [
        {"language": "en-GB", "value": "Apple"},
        {"language": "de", "value": "Apfel"},
    ]


async def test_count_zero_only_counts(fruits: Context) -> None:
    found = await expand(fruits, count=0)
    assert found["expansion"]["total"] == 8
    assert "contains" not in found["expansion"]


async def test_a_large_set_comes_only_in_pages(
    fruits: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expanding, "EXPANSION_MAX", 5)
    with pytest.raises(terminology.TooCostly):
        await expand(fruits)
    assert len(codes(await expand(fruits, count=20))) == 5
    with pytest.raises(terminology.TooCostly):
        await terminology.members(fruits, ALL, 7)
    assert len(await terminology.members(fruits, ALL, 8)) == 8


@pytest.mark.parametrize("options", [{"offset": -1}, {"count": -1}, {"offset": 10**9}])
async def test_places_that_cannot_be_are_refused(fruits: Context, options: Json) -> None:
    with pytest.raises(terminology.Ask):
        await expand(fruits, **options)


async def test_sets_that_need_no_definition(fruits: Context) -> None:
    assert len(codes(await expand(fruits, "urn:made-up:all-fruit"))) == 8
    assert codes(await expand(fruits, f"{ALL}=isa/vegetable")) == ["tomato", "vegetable", "leek"]
    await load(fruits, system("http://snomed.info/sct", concept("1"), id="sct"))
    assert codes(await expand(fruits, "http://snomed.info/sct?fhir_vs")) == ["1"]
    for unknown in ("urn:no", f"{ALL}=refset", f"{ALL}=ecl/<1"):
        with pytest.raises(terminology.ValueSetUnknown):
            await expand(fruits, unknown)


async def test_an_edition_of_snomed_ct_is_its_version(cx: Context) -> None:
    edition = "http://snomed.info/sct/900000000000207008"
    for version, code in ((edition, "1"), ("2026", "2")):
        await load(cx, system("http://snomed.info/sct", concept(code), version=version))
    assert codes(await expand(cx, f"{edition}?fhir_vs")) == ["1"]


async def test_required_bindings_of_r4_are_known_without_being_loaded(cx: Context) -> None:
    closed = [url for url, some in required().items() if all(some.values())]
    assert len(closed) > 150
    for url in closed[::5]:
        right = {(one, code) for one, some in required()[url].items() for code in some}
        assert set(await terminology.members(cx, url, 10_000)) == right
    with pytest.raises(terminology.SystemUnknown):
        await terminology.members(cx, "http://hl7.org/fhir/ValueSet/mimetypes", 10)


async def test_value_sets_that_import_one_another_in_a_circle_are_refused(fruits: Context) -> None:
    await load(
        fruits,
        value_set("urn:a", include("", valueSet=["urn:b"])),
        value_set("urn:b", include(FRUIT), exclude=[include("", valueSet=["urn:a"])]),
    )
    with pytest.raises(terminology.Circular):
        await expand(fruits, "urn:a")


async def test_value_sets_may_be_nested_so_deep_and_no_deeper(fruits: Context) -> None:
    chain = [value_set("urn:0", include(FRUIT, ["leek"]))]
    chain += [
        value_set(f"urn:{at}", include("", valueSet=[f"urn:{at - 1}"]))
        for at in range(1, NESTING_MAX + 1)
    ]
    await load(fruits, *chain)
    assert codes(await expand(fruits, f"urn:{NESTING_MAX - 1}")) == ["leek"]
    with pytest.raises(terminology.TooCostly):
        await expand(fruits, f"urn:{NESTING_MAX}")


async def test_value_sets_that_double_at_each_step_are_refused(fruits: Context) -> None:
    chain = [value_set("urn:0", include(FRUIT, ["leek"]))]
    chain += [
        value_set(f"urn:{at}", *[include("", valueSet=[f"urn:{at - 1}"])] * 2)
        for at in range(1, 20)
    ]
    await load(fruits, *chain)
    with pytest.raises(terminology.TooCostly):
        await expand(fruits, "urn:19")


@pytest.mark.parametrize(
    "part",
    [
        include(FRUIT, (), where("taste", "is-a", "sour")),
        include(FRUIT, (), where("code", "regex", r"(a)\1")),
        include(FRUIT, (), where("code", "regex", r"\bapple")),
        include(FRUIT, (), where("code", "regex", "(?i)apple")),
        include(FRUIT, (), where("code", "regex", "***=apple")),
        include(FRUIT, (), where("code", "regex", "a{300}")),
        include(FRUIT, (), where("code", "regex", "[a-")),
        include(FRUIT, (), where("taste", "exists", "perhaps")),
        include(FRUIT, (), where("code", "in", ",".join(map(str, range(2_000))))),
    ],
)
async def test_definitions_that_cannot_be_followed_are_refused(fruits: Context, part: Json) -> None:
    with pytest.raises(terminology.ComposeBroken):
        await expand(fruits, value_set("urn:x", part))


async def test_after_a_refusal_the_transaction_goes_on(fruits: Context) -> None:
    broken = value_set("urn:x", include(FRUIT, (), where("code", "regex", "a{300}")))
    with pytest.raises(terminology.ComposeBroken):
        await expand(fruits, broken)
    assert len(codes(await expand(fruits))) == 8


async def test_a_value_set_that_is_sent_along_keeps_the_rules(
    fruits: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = include(FRUIT, ["apple"], where("code", "=", "apple"))
    some: list[Json] = [{"include": "all"}, {"include": [both]}, {"include": [{}]}]
    for broken in some:
        with pytest.raises(fhir.Invalid):
            await expand(fruits, value_set("urn:x") | {"compose": broken})
    monkeypatch.setattr(composing, "LISTED_MAX", 3)
    with pytest.raises(terminology.TooCostly):
        await expand(fruits, value_set("urn:x", include(FRUIT, ["a", "b", "c", "d"])))


async def test_a_pattern_that_holds_others_up_answers_at_once(cx: Context) -> None:
    await load(cx, system(FRUIT, concept("a" * 300), concept("b")))
    one = value_set("urn:x", include(FRUIT, (), where("code", "regex", "(a+)+b")))
    assert codes(await expand(cx, one)) == []


async def test_a_set_that_has_only_an_expansion_is_what_it_lists(cx: Context) -> None:
    listed = [
        {"system": FRUIT, "code": "x", "abstract": True,
         "contains": [{"system": FRUIT, "code": "y"}]},
        {"system": FRUIT, "code": "z"},
    ]  # fmt: skip
    one = value_set("urn:x") | {"expansion": {"timestamp": "2026-01-01", "contains": listed}}
    del one["compose"]
    await load(cx, one)
    assert codes(await expand(cx, "urn:x")) == ["y", "z"]


async def test_versions_that_a_definition_leaves_open_can_be_told(cx: Context) -> None:
    for version in ("1", "2"):
        await load(cx, system(FRUIT, concept(f"v{version}"), version=version))
    await load(cx, value_set("urn:x", include()), value_set("urn:y", include(version="1")))
    assert codes(await expand(cx, "urn:x")) == ["v2"]
    assert codes(await expand(cx, "urn:x", versions={FRUIT: "1"})) == ["v1"]
    assert codes(await expand(cx, "urn:y", versions={FRUIT: "2"})) == ["v1"]
    with pytest.raises(terminology.SystemUnknown):
        await expand(cx, "urn:x", versions={FRUIT: "3"})


async def test_flags_can_be_asked_for(fruits: Context) -> None:
    for name, found in (("inactive", ["medlar"]), ("notSelectable", ["fruit", "vegetable"])):
        one = value_set("urn:x", include(FRUIT, (), where(name, "=", "true")))
        assert codes(await expand(fruits, one)) == found


async def test_a_system_that_disregards_case_does_so_in_definitions(cx: Context) -> None:
    await load(cx, system(FRUIT, concept("Apple", property=[prop("p", valueString="x")]),
                          caseSensitive=False))  # fmt: skip
    for part in (include(FRUIT, ["aPPLE"]), include(FRUIT, (), where("code", "=", "APPLE"))):
        one = value_set("urn:x", part)
        assert codes(await expand(cx, one)) == ["Apple"]
        for code in ("apple", "APPLE"):
            told = await terminology.validate_code(cx, terminology.Coding(code, FRUIT), one)
            assert told.result
