"""Profiles of the record: found by what resources claim, kept no longer than they are."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir.profiles import library, loading
from tests.kernel.fhir.profiles.test_rules import PULSE, binding, defined, element
from tests.kernel.fhir.terminology.made import FRUIT, fruit, include, load, value_set

Json = dict[str, Any]

HERE = "https://a.example/StructureDefinition/"


def kept(name: str, *elements: Json, **more: Any) -> Json:
    told = {"id": name, "url": HERE + name, "name": "Made", "status": "active", "abstract": False}
    every = [one | {"id": f"{one['path']}.{at}"} for at, one in enumerate(elements)]
    return defined(*every) | told | more


def claiming(*names: str, **more: Any) -> Json:
    return PULSE | {"meta": {"profile": [HERE + name for name in names]}} | more


async def told(cx: Context, *resources: Json) -> list[tuple[str, str, str]]:
    every = await loading.claimed_violations(cx, resources, loading.Checks())
    return [(one.id, one.element, one.code) for one in every]


async def test_only_profiles_that_are_here_and_are_claimed_ask_anything(cx: Context) -> None:
    await fhir.create(cx, [kept("strict", element("method", min=1))])
    assert await told(cx, PULSE) == []
    assert await told(cx, claiming("other")) == []
    own = {"meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/Observation"]}}
    assert await told(cx, PULSE | own) == []
    assert await told(cx, claiming("other", "strict"), claiming("strict", id="o-2"), PULSE) == [
        ("o", "Observation.method", "profile-min"),
        ("o-2", "Observation.method", "profile-min"),
    ]


async def test_all_checks_of_a_call_share_their_steps(cx: Context) -> None:
    await fhir.create(cx, [kept("strict", element("method", min=1))])
    missing, costly = "profile-min", "profile-costly"
    resources = [claiming("strict", id=f"o-{number}") for number in range(3)]
    enough = loading.Checks()
    found = await loading.claimed_violations(cx, resources, enough)
    assert [one.code for one in found] == [missing] * 3
    took = (loading.Checks().left - enough.left) // 3
    short = loading.Checks(left=2 * took)
    found = await loading.claimed_violations(cx, resources, short)
    assert [one.code for one in found] == [missing, missing, costly]
    found = await loading.claimed_violations(cx, resources[:1], short)
    assert [one.code for one in found] == [costly]


async def test_a_profile_counts_as_it_is_now(cx: Context) -> None:
    first = kept("changing", element("method", min=1))
    assert await told(cx, claiming("changing")) == []
    await fhir.create(cx, [first])
    assert await told(cx, claiming("changing")) == [("o", "Observation.method", "profile-min")]
    await fhir.put(cx, [kept("changing", element("device", min=1))])
    assert await told(cx, claiming("changing")) == [("o", "Observation.device", "profile-min")]
    await fhir.delete(cx, "StructureDefinition", "changing")
    assert await told(cx, claiming("changing")) == []


async def test_the_version_that_is_claimed_counts_else_the_newest_active(cx: Context) -> None:
    url = HERE + "many"
    await fhir.create(
        cx,
        [
            kept("many-1", element("method", min=1), url=url, version="1.9"),
            kept("many-2", element("device", min=1), url=url, version="1.10"),
            kept("many-3", element("specimen", min=1), url=url, version="2", status="draft"),
        ],
    )
    for claimed, name in (("", "device"), ("|1.9", "method"), ("|2", "specimen")):
        asked = PULSE | {"meta": {"profile": [url + claimed]}}
        assert await told(cx, asked) == [("o", f"Observation.{name}", "profile-min")]
    assert await told(cx, PULSE | {"meta": {"profile": [f"{url}|3"]}}) == []


async def test_bases_and_targets_are_fetched_and_changes_of_them_count(cx: Context) -> None:
    person = kept(
        "person", type="Patient", baseDefinition="http://hl7.org/fhir/StructureDefinition/Patient"
    )
    person["differential"] = {"element": [{"id": "Patient", "path": "Patient"}]}
    leads = {"type": [{"code": "Reference", "targetProfile": [f"{HERE}person"]}]}
    await fhir.create(
        cx,
        [
            kept("top", element("method", min=1), baseDefinition=HERE + "middle"),
            kept("middle", element("performer", **leads), baseDefinition=HERE + "lowest"),
            kept("lowest", element("device", min=1)),
            person,
        ],
    )
    assert await told(cx, claiming("top")) == [
        ("o", "Observation.performer[0].reference", "profile-target"),
        ("o", "Observation.performer[1].reference", "profile-target"),
        ("o", "Observation.device", "profile-min"),
        ("o", "Observation.method", "profile-min"),
    ]
    await fhir.put(cx, [kept("lowest", element("device", min=0))])
    places = [place for _, place, _ in await told(cx, claiming("top"))]
    assert "Observation.device" not in places
    await fhir.put(cx, [kept("lowest", element("device", min=1), baseDefinition=HERE + "top")])
    assert await told(cx, claiming("top")) == [], "in a circle: no profile"
    circle = await loading.judged(cx, claiming("top"))
    assert [one for one, _ in circle.unknown] == [HERE + "top"]


async def test_required_bindings_ask_loaded_value_sets(cx: Context) -> None:
    await fhir.create(
        cx,
        [
            kept("fruit", element("code", **binding("required", "urn:made-up:some"))),
            kept("away", element("code", **binding("required", "urn:made-up:none"))),
        ],
    )
    await load(cx, fruit(), value_set("urn:made-up:some", include(FRUIT, ["apple"])))
    broken = [("o", "Observation.code", "profile-binding")]
    assert await told(cx, claiming("fruit")) == broken
    apple = {"system": FRUIT, "code": "apple", "display": "whatever it is called"}
    lemon = apple | {"code": "lemon"}
    assert await told(cx, claiming("fruit", code={"coding": [lemon, apple]})) == []
    assert await told(cx, claiming("fruit", code={"coding": [lemon]})) == broken
    assert await told(cx, claiming("fruit", code={"text": "apple"})) == broken
    assert await told(cx, claiming("away", code={"text": "apple"})) == []
    away = await loading.judged(cx, claiming("away"))
    assert away.violations == ()
    assert [one.partition(": ")[2][:29] for one in away.passed_over] == [
        "codes of urn:made-up:none: te"
    ]


async def test_a_value_set_is_asked_once_for_each_code(
    cx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    async def answer(_: Context, canonical: str, codings: Any) -> bool:
        asked.append((canonical, [one.code for one in codings]))
        return False

    monkeypatch.setattr(loading, "_is_member", answer)
    await fhir.create(cx, [kept("parts", element("component.code", **binding("required")))])
    same = [{"code": {"coding": [{"code": code}]}} for code in ("x", "y", "x")]
    places = [place for _, place, _ in await told(cx, claiming("parts", component=same))]
    assert places == [f"Observation.component[{at}].code" for at in range(3)]
    assert asked == [("urn:set", ["x"]), ("urn:set", ["y"])]


async def test_a_hundred_faults_are_told_of_all_together(cx: Context) -> None:
    rules = [element(name, min=1) for name in ("method", "device", "specimen")]
    await fhir.create(cx, [kept("three", *rules)])
    assert len(await told(cx, *[claiming("three", id=f"o-{at}") for at in range(40)])) == 100


async def test_one_is_held_to_what_is_asked_for_beside(cx: Context) -> None:
    await fhir.create(
        cx, [kept("a", element("method", min=1)), kept("b", element("note", max="0"))]
    )
    found = await loading.judged(cx, claiming("a"), [HERE + "b", HERE + "c"])
    assert [one.code for one in found.violations] == ["profile-max", "profile-min"]
    assert found.unknown == ((HERE + "c", "it is not here"),)


async def test_claims_are_few(cx: Context) -> None:
    many = claiming(*(f"p{at}" for at in range(loading.CLAIMED_MAX + 1)))
    assert await told(cx, many) == [("o", "Observation.meta.profile", "profile-many")]
    some: list[Any] = [None, 7, {}]
    metas: list[Any] = [None, [], *({"profile": one} for one in ("x", some, ["", "|"]))]
    for meta in metas:
        assert await told(cx, PULSE | {"meta": meta}) == []


def test_what_is_kept_is_bounded() -> None:
    kept_: dict[int, int] = {}
    library._keep(kept_, {at: at for at in range(5)}, 3)
    library._keep(kept_, {7: 7}, 3)
    assert list(kept_) == [3, 4, 7]
