"""From a Bundle to steps: what each entry asks, whether it can be asked, and in which order.

Source: HL7 FHIR R4 4.0.1 §3.1.0.11.2 Transaction Processing Rules (order, overlap), §3.1.0.11.1
batch (entries fail alone), §2.36.4 and bdl-1 to bdl-8 (fullUrl), §3.1.0.1.1 (addresses).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from citycare.kernel.fhir.bundles.model import (
    FAULTS_MAX,
    Kind,
    Method,
    Plan,
    Step,
    violation,
)
from citycare.kernel.fhir.bundles.reading import Entry, is_known, shown, step_of
from citycare.kernel.fhir.model import Invalid, Violation

ORDER = {
    Method.DELETE: 0, Method.POST: 1, Method.PUT: 2, Method.PATCH: 2, Method.GET: 3, Method.HEAD: 3,
}  # fmt: skip
KINDS = tuple(Kind)


def plan(bundle: Any, *, base: str) -> Plan:
    """Read what a Bundle asks.

    Args:
        bundle: JSON as `fhir.loads` gives it.
        base: address of this server: urls and fullUrls may start with it.

    Raises:
        Invalid: it is no batch or transaction; or, of a transaction, any entry is broken. Each
            fault names its entry; at most 100. Broken entries of a batch are in `refused`.
    """
    kind, entries, bundle_id = _frame(bundle)
    base = base.rstrip("/")
    steps: list[Step] = []
    refused: dict[int, tuple[Violation, ...]] = {}
    urls: dict[str, int] = {}
    written: dict[tuple[str, ...], int] = {}
    told = 0
    for place, given in enumerate(entries):
        entry = Entry(place, bundle_id, max(1, FAULTS_MAX - told))
        step = step_of(entry, given, base)
        if entry.full_url in urls:
            entry.fault("fullUrl", "repeated", f"entry[{urls[entry.full_url]}]")
        elif entry.full_url and (kind is Kind.TRANSACTION or not entry.found):
            urls[entry.full_url] = place
        if step is not None and kind is Kind.TRANSACTION:
            _overlap(entry, step, written)
        if entry.found:
            refused[place] = tuple(entry.found)
            told += len(entry.found)
            if told >= FAULTS_MAX and kind is Kind.TRANSACTION:
                break
        elif step is not None:
            steps.append(step)
    if refused and kind is Kind.TRANSACTION:
        raise Invalid([one for some in refused.values() for one in some][:FAULTS_MAX])
    steps.sort(key=lambda step: ORDER[step.method])  # stable: as in the Bundle within a kind
    return Plan(kind, base, len(entries), tuple(steps), refused, urls)


def distinct(plan: Plan, targets: Mapping[int, str]) -> None:
    """Check once more that no two entries write one resource, now that conditions are resolved.

    Args:
        plan: of a transaction; the entries of a batch may meet.
        targets: `Type/id` by place for what a condition has found; entries that will write
            nothing (a create whose resource was there) are left out.

    Raises:
        Invalid: two entries write the same resource.
    """
    if plan.kind is not Kind.TRANSACTION:
        return
    first: dict[str, int] = {}
    found: list[Violation] = []
    for step in sorted(plan.steps, key=lambda step: step.place):
        target = targets.get(step.place) or (f"{step.type}/{step.id}" if step.id else "")
        if not step.writes or not target:
            continue
        if target in first and len(found) < FAULTS_MAX:
            found.append(violation("?", step.at, "overlap", f"entry[{first[target]}]"))
        first.setdefault(target, step.place)
    if found:
        raise Invalid(found)


def _frame(bundle: Any) -> tuple[Kind, list[Any], str]:
    """Check the Bundle itself."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise Invalid([violation("?", "Bundle.resourceType", "type")])
    given_id = bundle.get("id")
    bundle_id = given_id[:64] if isinstance(given_id, str) else "?"
    found = []
    for name in bundle:
        if name == "total":
            found.append(violation(bundle_id, "Bundle.total", "bdl-1"))
        elif not is_known("Bundle", name) and name != "resourceType":
            found.append(violation(bundle_id, f"Bundle.{shown(name)}", "unknown"))
    kind = bundle.get("type")
    if kind not in KINDS:
        found.append(
            violation(bundle_id, "Bundle.type", "code" if "type" in bundle else "required")
        )
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        found.append(violation(bundle_id, "Bundle.entry", "array"))
    elif not entries and "entry" in bundle:
        found.append(violation(bundle_id, "Bundle.entry", "empty"))
    if found:
        raise Invalid(found[:FAULTS_MAX])
    return Kind(str(kind)), entries, bundle_id


def _overlap(entry: Entry, step: Step, written: dict[tuple[str, ...], int]) -> None:
    """Name an entry that writes what an earlier one writes; same conditions find the same."""
    if not step.writes:
        return
    if step.method is Method.POST:
        key = (step.type, "new", step.if_none_exist) if step.if_none_exist else None
    else:
        key = (step.type, "id", step.id) if step.id else (step.type, "query", step.query)
    if key is None:
        return
    if key in written:
        entry.fault("", "overlap", f"entry[{written[key]}]")
    written.setdefault(key, step.place)
