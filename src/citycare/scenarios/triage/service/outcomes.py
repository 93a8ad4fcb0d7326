"""Later diagnoses flow back: taken from the record, held against the advice, counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from citycare.kernel import audit, fhir
from citycare.kernel.context import Context, policy
from citycare.kit import clock
from citycare.scenarios.triage.model.outcome import Outcome, Tally, Waiting
from citycare.scenarios.triage.rules.advise import Triage
from citycare.scenarios.triage.rules.outcomes import (
    CATEGORY_SIGNS,
    accepted,
    has_drifted,
    interval,
    is_right,
)
from citycare.scenarios.triage.store import outcomes as store

BATCH = 500
CONDITIONS_MAX = 20
AGAIN_AFTER = timedelta(hours=20)
ICD_SYSTEM = "icd"  # any coding system that names ICD-10: 国临版, 医保版, WHO
NEW_DAYS = 30


async def take(cx: Context, load: Callable[[], Triage]) -> int:
    """Look for diagnoses of people who were advised, some hundred at a time; returns how many.

    `load` reads the knowledge, only when there is something to look at: it takes memory. Only the
    ICD-10 category, where it was made and whether it fits are kept. Each look at a
    person is written into the audit trail.
    """
    days = int(await policy.value(cx, "triage.outcome.days"))
    waiting = await store.find_waiting(
        cx.db, cx.now - timedelta(days=days), cx.now - AGAIN_AFTER, BATCH
    )
    if not waiting:
        return 0
    triage = await asyncio.to_thread(load)
    await audit.append(cx, [audit.Entry("triage.outcome", one.person_id, "") for one in waiting])
    found = [made for one in waiting if (made := await _look(cx, triage, one)) is not None]
    await store.note_looked(cx.db, [one.dialogue_id for one in waiting], cx.now)
    await store.keep(cx.db, found)
    return len(found)


async def _look(cx: Context, triage: Triage, one: Waiting) -> Outcome | None:
    params = {
        "patient": f"Patient/{one.person_id}",
        "recorded-date": f"ge{clock.day_of(one.created_at).isoformat()}",
    }
    page = await fhir.search(cx, "Condition", params, count=CONDITIONS_MAX)
    for condition in page.items:
        code = _icd(condition)
        wanted = accepted(triage.knowledge, code, one.age_years) if code else {}
        if not wanted:
            continue
        right = [is_right(name, wanted) for name in one.departments]
        return Outcome(
            dialogue_id=one.dialogue_id,
            diagnosis=code[:CATEGORY_SIGNS],
            organisation=await _made_at(cx, condition),
            department_code=max(wanted, key=lambda name: wanted[name]),
            first_right=bool(right and right[0]),
            three_right=any(right),
        )
    return None


def _icd(condition: Mapping[str, Any]) -> str:
    codings = condition.get("code", {}).get("coding", [])
    for coding in codings:
        if ICD_SYSTEM in str(coding.get("system", "")).lower() and coding.get("code"):
            return str(coding["code"]).upper()
    return ""


async def _made_at(cx: Context, condition: Mapping[str, Any]) -> str:
    """Return the organisation of the encounter the diagnosis belongs to; empty: not said."""
    kind, _, name = condition.get("encounter", {}).get("reference", "").partition("/")
    if kind != "Encounter":
        return ""
    encounter = (await fhir.find_many(cx, kind, [name])).get(name, {})
    reference: str = encounter.get("serviceProvider", {}).get("reference", "")
    return reference.removeprefix("Organization/")


@dataclass(frozen=True, slots=True)
class Line:
    """How often right in one group: shares 0 to 1; `low`, `high` are the 95 % interval of top 1."""

    name: str
    count: int
    top1: float
    top3: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Report:
    """How often the advice was right. `drifted`: the last 30 days differ from before."""

    since: datetime
    total: Line
    departments: tuple[Line, ...]
    organisations: tuple[Line, ...]
    months: tuple[Line, ...]
    drifted: bool


async def report(cx: Context, triage: Triage, since: datetime) -> Report:
    """Count what was right since an instant, by department, organisation and month."""
    tallies = await store.list_tallies(cx.db, since)
    fresh = await store.list_tallies(cx.db, cx.now - timedelta(days=NEW_DAYS))
    right, count = _sum(tallies)
    right_now, count_now = _sum(fresh)
    names = {one.code: one.name for one in triage.knowledge.entries.departments}
    places = await _names_of(cx, {one.organisation for one in tallies})
    return Report(
        since=since,
        total=_line("", tallies),
        departments=_lines(tallies, lambda one: names.get(
            one.department_code, one.department_code)),
        organisations=_lines(tallies, lambda one: places.get(one.organisation, "不知道哪家")),
        months=_lines(tallies, lambda one: f"{one.month:%Y-%m}"),
        drifted=has_drifted((right - right_now, count - count_now), (right_now, count_now)),
    )  # fmt: skip


def _sum(tallies: list[Tally]) -> tuple[int, int]:
    return sum(one.first_right for one in tallies), sum(one.count for one in tallies)


def _line(name: str, tallies: list[Tally]) -> Line:
    right, count = _sum(tallies)
    three = sum(one.three_right for one in tallies)
    some = max(count, 1)
    return Line(name, count, right / some, three / some, *interval(right, count))


def _lines(tallies: list[Tally], key: Any) -> tuple[Line, ...]:
    groups: dict[str, list[Tally]] = {}
    for one in tallies:
        groups.setdefault(key(one), []).append(one)
    return tuple(_line(name, group) for name, group in groups.items())


async def _names_of(cx: Context, organisations: set[str]) -> dict[str, str]:
    found = await fhir.find_many(cx, "Organization", sorted(organisations - {""}))
    return {name: str(one.get("name", name)) for name, one in found.items()}
