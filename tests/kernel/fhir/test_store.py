from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context

Json = dict[str, Any]
Make = Callable[[int], list[Json]]


def place(name: str, **more: Any) -> Json:
    return {"resourceType": "Location", "id": "room-17", "name": name, **more}


async def test_a_new_resource_is_version_1_and_carries_its_meta(cx: Context) -> None:
    kept = await fhir.put(cx, [place("三楼", meta={"source": "urn:oid:1.2.3"})])
    assert [one.key for one in kept] == [fhir.Key("Location", "room-17", 1)]
    assert await fhir.get(cx, "Location", "room-17") == {
        "resourceType": "Location",
        "id": "room-17",
        "meta": {
            "source": "urn:oid:1.2.3",
            "versionId": "1",
            "lastUpdated": "2026-11-22T01:00:00.000Z",
        },
        "name": "三楼",
    }


async def test_decimals_keep_the_digits_they_were_written_with(cx: Context) -> None:
    text = '{"longitude": 121.500, "latitude": 31.2300000000000001}'
    await fhir.put(cx, [place("三楼", position=fhir.loads(text))])
    position = (await fhir.get(cx, "Location", "room-17"))["position"]
    assert position["longitude"] == Decimal("121.500")
    assert str(position["longitude"]) == "121.500"
    assert str(position["latitude"]) == "31.2300000000000001"


async def test_every_version_is_kept_and_the_newest_is_read(cx: Context) -> None:
    for minute, name in enumerate(("三楼", "四楼", "五楼")):
        later = dataclasses.replace(cx, now=cx.now + timedelta(minutes=minute))
        await fhir.put(later, [place(name)])
    assert (await fhir.get(cx, "Location", "room-17"))["name"] == "五楼"
    page = await fhir.history(cx, "Location", "room-17")
    names = [(each.version, fhir.loads(each.body or "{}").get("name")) for each in page.items]
    assert names == [(3, "五楼"), (2, "四楼"), (1, "三楼")]
    assert page.items[0].updated_at - page.items[2].updated_at == timedelta(minutes=2)


async def test_history_comes_in_pages(cx: Context) -> None:
    for number in range(5):
        await fhir.put(cx, [place(f"{number}楼")])
    first = await fhir.history(cx, "Location", "room-17", count=2)
    second = await fhir.history(cx, "Location", "room-17", after=first.next, count=4)
    assert [each.version for each in (*first.items, *second.items)] == [5, 4, 3, 2, 1]
    assert second.next is None


async def test_deleted_is_not_found_but_its_history_is_and_it_can_come_back(cx: Context) -> None:
    await fhir.put(cx, [place("三楼")])
    await fhir.delete(cx, "Location", "room-17")
    with pytest.raises(fhir.ResourceDeleted):
        await fhir.get(cx, "Location", "room-17")
    with pytest.raises(fhir.ResourceDeleted):
        await fhir.delete(cx, "Location", "room-17")
    assert (await fhir.search(cx, "Location", {"name": "三楼"})).items == []
    assert (await fhir.search(cx, "Location", {})).items == []
    (back,) = await fhir.put(cx, [place("四楼")])
    assert back.key == fhir.Key("Location", "room-17", 3)
    page = await fhir.history(cx, "Location", "room-17")
    assert [(each.version, each.body is None) for each in page.items] == [
        (3, False),
        (2, True),
        (1, False),
    ]


async def test_what_was_never_there_is_not_found(cx: Context) -> None:
    for call in (fhir.get, fhir.history, fhir.delete):
        with pytest.raises(fhir.ResourceNotFound):
            await call(cx, "Location", "room-99")


async def test_create_refuses_an_id_that_is_taken(cx: Context) -> None:
    await fhir.create(cx, [place("三楼")])
    with pytest.raises(fhir.ResourceExists):
        async with cx.db.transaction():
            await fhir.create(cx, [place("四楼")])
    assert (await fhir.get(cx, "Location", "room-17"))["name"] == "三楼"


async def test_one_id_twice_in_one_call_is_refused(cx: Context) -> None:
    with pytest.raises(fhir.ResourceExists):
        await fhir.put(cx, [place("三楼"), place("四楼")])


async def test_the_callers_resource_is_not_changed(cx: Context) -> None:
    mine = place("三楼", meta={"source": "urn:oid:1.2.3"})
    await fhir.put(cx, [mine])
    assert mine == place("三楼", meta={"source": "urn:oid:1.2.3"})


async def test_two_hundred_new_appointments_are_one_statement(
    cx: Context, statements: Callable[[], int], appointments: Make
) -> None:
    statements()
    await fhir.create(cx, appointments(200))
    assert statements() == 1
    found = await fhir.find_many(cx, "Appointment", [f"a-{index}" for index in range(250)])
    assert len(found) == 200


@pytest.mark.parametrize("number", [2, 150])
async def test_put_takes_the_same_few_statements_for_any_number(
    cx: Context, statements: Callable[[], int], appointments: Make, number: int
) -> None:
    resources = appointments(number)
    await fhir.put(cx, resources[: number // 2])
    statements()
    await fhir.put(cx, resources)
    assert statements() == 4
    assert (await fhir.get(cx, "Appointment", "a-0"))["meta"]["versionId"] == "2"
    assert (await fhir.get(cx, "Appointment", f"a-{number - 1}"))["meta"]["versionId"] == "1"


async def test_nothing_is_stored_when_one_of_many_is_wrong(cx: Context, appointments: Make) -> None:
    resources = appointments(3)
    resources[1]["status"] = "sold"
    with pytest.raises(fhir.Invalid) as refused:
        await fhir.put(cx, resources)
    assert refused.value.facts["element"] == "Appointment.status"
    assert await fhir.find_many(cx, "Appointment", ["a-0", "a-1", "a-2"]) == {}


@pytest.mark.outside_data
async def test_official_examples_come_back_as_they_went_in(
    cx: Context, examples_of_our_types: list[Json]
) -> None:
    assert len(examples_of_our_types) > 70
    keys = [one.key for one in await fhir.put(cx, examples_of_our_types)]
    assert {key.version for key in keys} == {1}
    for given in examples_of_our_types:
        kept = await fhir.get(cx, given["resourceType"], given["id"])
        meta = kept.pop("meta")
        given_meta = given.pop("meta", {})
        assert fhir.dumps(kept) == fhir.dumps(
            {"resourceType": given["resourceType"], "id": given["id"], **given}
        )
        assert meta | {"versionId": "1"} == given_meta | {
            "versionId": "1",
            "lastUpdated": "2026-11-22T01:00:00.000Z",
        }
