"""What a plan of PostgreSQL says, in a few numbers: by which indexes, what was read, what was kept.

Source: PostgreSQL 17 documentation, EXPLAIN (FORMAT JSON) and §14.1 Using EXPLAIN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PAGE_KB = 8
REMOVED = (
    "Rows Removed by Filter",
    "Rows Removed by Index Recheck",
    "Rows Removed by Join Filter",
)


@dataclass(frozen=True, slots=True)
class Told:
    """One statement.

    Attributes:
        looked_at: rows that tables and indexes gave, those thrown away again included.
        found: rows the statement returned.
        thrown_away: rows that were read and met no condition.
        indexes: that were used, each once.
        scanned: tables that were read from end to end.
        from_cache, from_disk: kB.
        sorted_on_disk: the order did not fit into memory.
    """

    looked_at: int
    found: int
    thrown_away: int
    indexes: tuple[str, ...]
    scanned: tuple[str, ...]
    from_cache_kb: int
    from_disk_kb: int
    sorted_on_disk: bool


def told(plan: Mapping[str, Any]) -> Told:
    """Read a plan, as `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)` gives it for one statement.

    Source: PostgreSQL manual, EXPLAIN (what a plan says).
    """
    top = plan["Plan"]
    nodes = list(_nodes(top))
    thrown = sum(_rows(node, *REMOVED) for node in nodes)
    looked = sum(
        _rows(node, "Actual Rows", *REMOVED[:2]) for node in nodes if "Relation Name" in node
    )
    return Told(
        looked_at=looked,
        found=_rows(top, "Actual Rows"),
        thrown_away=thrown,
        indexes=_names(node.get("Index Name") for node in nodes),
        scanned=_names(
            node.get("Relation Name") for node in nodes if node.get("Node Type") == "Seq Scan"
        ),
        from_cache_kb=int(top.get("Shared Hit Blocks", 0)) * PAGE_KB,
        from_disk_kb=int(top.get("Shared Read Blocks", 0)) * PAGE_KB,
        sorted_on_disk=any(node.get("Sort Space Type") == "Disk" for node in nodes),
    )


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _rows(node: Mapping[str, Any], *names: str) -> int:
    """Return a sum over all loops; PostgreSQL tells the mean of each."""
    return round(sum(float(node.get(name, 0)) for name in names) * int(node.get("Actual Loops", 1)))


def _names(some: Iterator[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in some if name))
