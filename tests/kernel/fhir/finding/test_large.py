"""What one answer holds is bounded by characters, not only by count; nothing is lost for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import finding, versions
from citycare.kernel.fhir.finding import Place, TooCostly
from citycare.kernel.fhir.searching import reading

Json = dict[str, Any]
MOST = 20_000
SIZES = [100, 9_000, 100, 19_000, 100, 9_000, 9_000, 30_000, 100, 100]


@pytest.fixture(autouse=True)
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "BODIES_MAX", MOST)


def basic(number: int, size: int, **more: Any) -> Json:
    words = [{"url": "urn:x:long", "valueString": "长" * size}]
    told = {"resourceType": "Basic", "id": f"b-{number}", "code": {"text": "x"}, "extension": words}
    return told | {"created": f"2026-11-{number + 1:02d}"} | more


async def town(cx: Context) -> None:
    await fhir.put(cx, [basic(n, size) for n, size in enumerate(SIZES)])


async def page(
    cx: Context, query: Sequence[tuple[str, str]], after: Place | None = None
) -> finding.Found:
    return await finding.find(cx, reading.read(("Basic",), query, now=cx.now), after=after)


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ([("_sort", "created"), ("_count", "10")], list(range(10))),
        ([("_sort", "-created"), ("_count", "4")], list(range(9, -1, -1))),
        ([("_sort", "code,_id"), ("_count", "10")], list(range(10))),
        ([("_sort", "created"), ("code:text", "x"), ("_count", "10")], list(range(10))),
    ],
)
async def test_a_page_ends_where_it_holds_enough(
    cx: Context, query: list[tuple[str, str]], order: list[int]
) -> None:
    await town(cx)
    seen: list[str] = []
    pages, after = 0, None
    while True:
        found = await page(cx, query, after)
        held = [len(hit.body) for hit in found.matches]
        assert sum(held) <= MOST or len(held) == 1
        assert [hit.resource()["id"] for hit in found.matches] == [hit.id for hit in found.matches]
        seen += [hit.id for hit in found.matches]
        pages += 1
        after = found.next
        if after is None:
            break
    assert seen == [f"b-{number}" for number in order]
    assert pages >= 4


async def test_what_is_left_out_is_read_as_it_was(cx: Context) -> None:
    """A later page is of the first one's snapshot, also of what is large and replaced since."""
    await town(cx)
    query = [("_sort", "created"), ("_count", "10")]
    first = await page(cx, query)
    await fhir.put(cx, [basic(3, 10, code={"text": "new"})])
    second = await page(cx, query, first.next)
    assert [hit.id for hit in first.matches] == ["b-0", "b-1", "b-2"]
    assert second.matches[0].resource()["code"] == {"text": "x"}


async def test_small_ones_come_in_one_statement(cx: Context, statements: Callable[[], int]) -> None:
    await fhir.put(cx, [basic(n, 10) for n in range(8)])
    statements()
    assert len((await page(cx, [("_count", "10")])).matches) == 8
    assert statements() == 1


async def test_a_total_counts_what_no_page_could_hold(cx: Context) -> None:
    await town(cx)
    found = await page(cx, [("code:text", "x"), ("_total", "accurate"), ("_count", "2")])
    assert found.total == len(SIZES)


async def test_too_much_to_include_is_refused(cx: Context) -> None:
    await fhir.put(cx, [basic(n, 12_000, subject={"reference": "Group/g"}) for n in range(2)])
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    await fhir.put(cx, [group])
    asked = reading.read(("Group",), [("_revinclude", "Basic:subject")], now=cx.now)
    with pytest.raises(TooCostly) as refused:
        await finding.find(cx, asked)
    assert refused.value.facts["problem"] == "characters"


async def test_histories_are_bounded_the_same_way(cx: Context) -> None:
    for size in SIZES:
        await fhir.put(cx, [basic(1, size)])
    await fhir.delete(cx, "Basic", "b-1")
    seen: list[int] = []
    after = None
    while True:
        got = await versions.history(cx, "Basic", "b-1", after=after, count=20)
        held = [len(one.body or "") for one in got.items]
        assert sum(held) <= MOST or len(held) == 1
        seen += [one.version for one in got.items]
        after = got.next
        if after is None:
            break
    assert seen == list(range(len(SIZES) + 1, 0, -1))


async def test_histories_of_a_type_are_bounded_the_same_way(cx: Context) -> None:
    await town(cx)
    await fhir.delete(cx, "Basic", "b-9")
    seen: list[tuple[str, int]] = []
    after = None
    while True:
        found, after = await versions.changes(cx, ["Basic"], after=after, count=20)
        held = [len(one.body or "") for one in found]
        assert sum(held) <= MOST or len(held) == 1
        seen += [(one.id, one.version) for one in found]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == len(SIZES) + 1
    assert ("b-9", 2) in seen
