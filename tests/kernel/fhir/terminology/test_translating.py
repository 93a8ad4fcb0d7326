from __future__ import annotations

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.terminology import Coding, answers
from citycare.kernel.fhir.terminology.model import Json
from tests.kernel.fhir.terminology.made import concept_map, load, mapped

HERE, THERE, MAP = "urn:made-up:here", "urn:made-up:there", "urn:made-up:map"


def group(*elements: Json, **more: Json) -> Json:
    return {"source": HERE, "target": THERE, "element": list(elements), **more}


PLAIN = group(
    mapped("a", ("A1", "wider"), ("A2", "specializes")),
    mapped("b", ("B", "equal")),
    mapped("c", ("", "unmatched")),
    mapped("d", ("B", "disjoint")),
    {"code": "e"},
)


async def told(
    cx: Context, code: str, *, system: str = HERE, reverse: bool = False, url: str = MAP
) -> list[tuple[str, str]]:
    found = await terminology.translate(cx, Coding(code, system), url=url, reverse=reverse)
    assert fhir.violations(answers.translated(found) | {"id": "x"}) == []
    return [(one.equivalence, one.coding.code if one.coding else "") for one in found.matches]


async def test_a_code_has_all_its_targets_and_says_how_they_are_related(cx: Context) -> None:
    await load(cx, concept_map(MAP, PLAIN))
    assert await told(cx, "a") == [("wider", "A1"), ("specializes", "A2")]
    assert await told(cx, "c") == [("unmatched", "")]
    assert await told(cx, "e") == [("unmatched", "")]
    assert await told(cx, "z") == []
    assert await told(cx, "a", system="urn:other") == []


async def test_backwards_what_was_wider_is_narrower(cx: Context) -> None:
    await load(cx, concept_map(MAP, PLAIN))
    assert await told(cx, "A1", system=THERE, reverse=True) == [("narrower", "a")]
    assert await told(cx, "A2", system=THERE, reverse=True) == [("subsumes", "a")]
    back = await told(cx, "B", system=THERE, reverse=True)
    assert back == [("equal", "b"), ("disjoint", "d")]


@pytest.mark.parametrize("code", ["b", "c", "d", "z"])
async def test_only_a_match_is_a_result(cx: Context, code: str) -> None:
    await load(cx, concept_map(MAP, PLAIN))
    found = await terminology.translate(cx, Coding(code, HERE), url=MAP)
    assert found.result is (code == "b")
    assert bool(found.message) is not found.result


async def test_what_a_group_says_of_codes_it_does_not_list(cx: Context) -> None:
    other = "urn:made-up:other-map"
    for unmapped, right in (
        ({"mode": "provided"}, [("relatedto", "z")]),
        ({"mode": "fixed", "code": "unknown", "display": "不详"}, [("inexact", "unknown")]),
        ({"mode": "other-map", "url": other}, [("equal", "Z")]),
    ):
        await load(
            cx,
            concept_map(other, group(mapped("z", ("Z", "equal")))),
            concept_map(MAP, group(mapped("a", ("A", "equal")), unmapped=unmapped)),
        )
        assert await told(cx, "z") == right
        assert await told(cx, "a") == [("equal", "A")]


async def test_maps_that_hand_on_in_a_circle_are_refused(cx: Context) -> None:
    for one, other in ((MAP, "urn:b"), ("urn:b", MAP)):
        unmapped = {"mode": "other-map", "url": other}
        await load(cx, concept_map(one, group(mapped("a", ("A", "equal")), unmapped=unmapped)))
    with pytest.raises(terminology.Circular):
        await told(cx, "z")


async def test_without_a_map_all_that_lead_between_are_asked_in_their_newest_version(
    cx: Context,
) -> None:
    for version, target in (("1", "old"), ("2", "new")):
        made = group(mapped("a", (target, "equal")))
        await load(cx, concept_map(MAP, made, version=version, sourceUri="urn:set"))
    far = group(mapped("a", ("far", "equal"))) | {"target": "urn:far"}
    await load(cx, concept_map("urn:c", far))
    assert await told(cx, "a", url="") == [("equal", "new"), ("equal", "far")]
    coding = Coding("a", HERE)
    found = await terminology.translate(cx, coding, target_system="urn:far")
    assert [one.coding for one in found.matches] == [Coding("far", "urn:far")]
    found = await terminology.translate(cx, coding, source="urn:set")
    assert [one.source for one in found.matches] == [f"{MAP}|2"]
    assert await told(cx, "a", url=f"{MAP}|1") == [("equal", "old")]


async def test_a_map_that_is_not_here_and_a_code_without_system(cx: Context) -> None:
    with pytest.raises(terminology.MapUnknown):
        await told(cx, "a")
    with pytest.raises(terminology.Ask):
        await told(cx, "a", system="")


async def test_what_belongs_to_a_match_is_told_with_it(cx: Context) -> None:
    product = [{"property": "urn:p", "system": "urn:q", "value": "v"}]
    element = mapped("a", ("A", "equal"))
    element["target"][0] |= {"product": product, "comment": "合成"}
    await load(cx, concept_map(MAP, group(element)))
    found = await terminology.translate(cx, Coding("a", HERE), url=MAP)
    made = answers.translated(found)["parameter"][-1]["part"]
    assert {"name": "source", "valueUri": MAP} in made
    assert made[2]["part"][1]["valueCoding"] == {"system": "urn:q", "code": "v"}
