"""What matches bring with them: `_include`, `_revinclude`, again and again with `:iterate`.

Source: HL7 FHIR R4 4.0.1 §3.1.1.5.4 including other resources in result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir import versions
from citycare.kernel.fhir.finding.conditions import Conditions
from citycare.kernel.fhir.finding.lanes import lanes_of
from citycare.kernel.fhir.finding.model import Hit, TooCostly, Visible
from citycare.kernel.fhir.finding.sql import Values, all_of
from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.searching.criteria import known
from citycare.kernel.fhir.searching.model import Include, ParamType

INCLUDED_MAX = 2_000
ROUNDS_MAX = 20
EVERY = "*"

READ = """
    SELECT r.rid, r.type, r.id, r.version, r.updated_at, {body} FROM fhir.resource r
     WHERE {where} ORDER BY r.rid LIMIT {most}
"""


async def included(
    cx: Context, matches: Sequence[Hit], includes: Sequence[Include], visible: Visible, base: str
) -> list[Hit]:
    """Return what is included, each once, and nothing that is a match.

    Raises:
        TooCostly: more than INCLUDED_MAX, or more than one answer may hold.
    """
    found = {(hit.type, hit.id): hit for hit in matches}
    own = set(found)
    fresh = list(matches)
    for turn in range(ROUNDS_MAX):
        asked = [one for one in includes if turn == 0 or one.iterate]
        if not asked or not fresh:
            break
        more = await _one_round(cx, fresh, asked, visible, base)
        fresh = [hit for hit in more if (hit.type, hit.id) not in found]
        found |= {(hit.type, hit.id): hit for hit in fresh}
        if len(found) - len(own) > INCLUDED_MAX:
            raise TooCostly(problem="included", most=INCLUDED_MAX)
        held = sum(len(hit.body) for key, hit in found.items() if key not in own)
        if held > versions.BODIES_MAX:
            raise TooCostly(problem="characters", most=versions.BODIES_MAX)
    return [hit for key, hit in found.items() if key not in own]


async def _one_round(
    cx: Context, hits: Sequence[Hit], includes: Sequence[Include], visible: Visible, base: str
) -> list[Hit]:
    found: list[Hit] = []
    forward = [one for one in includes if not one.reverse]
    if forward:
        resources = [(hit.type, hit.resource()) for hit in hits]
        targets = {
            target
            for one in forward
            for kind, resource in resources
            if one.source in ("", EVERY, kind)
            for target in _targets(kind, resource, one, base)
        }
        found += await named(cx, targets, visible)
    for one in includes:
        if one.reverse:
            found += await _referring(cx, hits, one, visible)
    return found


def references_of(kind: str, param: str) -> list[str]:
    """Return the reference parameters of a type that an include names: one, or all."""
    told = known((kind,))
    if param != EVERY:
        return [param] if param in told else []
    return [code for code, one in told.items() if one.type is ParamType.REFERENCE]


def _targets(kind: str, resource: Any, one: Include, base: str) -> Iterable[tuple[str, str]]:
    for param in references_of(kind, one.param):
        for lane, targets in lanes_of((kind,), param):
            for _, value in lane.values(resource):
                text = value.get("reference") if isinstance(value, dict) else value
                target = of.target_of(text, base) if isinstance(text, str) else None
                if target is None or one.target not in ("", target[0]):
                    continue
                if not targets or target[0] in targets:
                    yield target


async def named(cx: Context, targets: Collection[tuple[str, str]], visible: Visible) -> list[Hit]:
    """Return those of some resources that are there and may be seen."""
    if not targets:
        return []
    values = Values()
    kinds, ids = zip(*sorted(targets), strict=True)
    where = all_of(
        [
            f"(r.type, r.id) IN (SELECT * FROM unnest({values.texts(kinds)}, {values.texts(ids)}))",
            "NOT r.deleted",
            Conditions(values, "", visible).seen("r"),
        ]
    )
    return await _read(cx, where, values)


async def _referring(cx: Context, hits: Sequence[Hit], one: Include, visible: Visible) -> list[Hit]:
    values = Values()
    keys = [
        lane.hash ^ of.resource_hash(hit.type, hit.id)
        for param in references_of(one.source, one.param)
        for lane, targets in lanes_of((one.source,), param)
        for hit in hits
        if one.target in ("", hit.type) and (not targets or hit.type in targets)
    ]
    if not keys:
        return []
    where = all_of(
        [
            f"r.type = {values.put(one.source)}",
            "NOT r.deleted",
            f"r.keys && {values.keys(keys)}",
            Conditions(values, "", visible).seen("r"),
        ]
    )
    return await _read(cx, where, values)


async def _read(cx: Context, where: str, values: Values) -> list[Hit]:
    """Read hits; of large ones as many bodies as one answer may hold.

    Raises:
        TooCostly: that is not all.
    """
    body = versions.body_of("r.body", values.put(versions.share(INCLUDED_MAX)))
    text = READ.format(where=where, most=INCLUDED_MAX + 1, body=body)
    rows = await (await cx.db.execute(text, values.named)).fetchall()
    hits = [Hit(*row.values()) for row in rows]
    if all(hit.body for hit in hits):
        return hits
    stored, is_all = await versions.filled(cx, [hit.stored() for hit in hits])
    if not is_all:
        raise TooCostly(problem="characters", most=versions.BODIES_MAX)
    both = zip(hits, stored, strict=True)
    return [hit._replace(body=one.body or "") for hit, one in both]
