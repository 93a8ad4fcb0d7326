"""What a plan of PostgreSQL says, in numbers."""

from __future__ import annotations

from citycare.scenarios.exchange.rules.plans import told

SCAN = {
    "Node Type": "Index Scan",
    "Relation Name": "resource",
    "Index Name": "resource_main",
    "Actual Rows": 3.0,
    "Actual Loops": 2,
    "Rows Removed by Filter": 10,
}


def test_rows_are_counted_over_all_loops() -> None:
    top = {
        "Node Type": "Limit",
        "Actual Rows": 5.0,
        "Actual Loops": 1,
        "Shared Hit Blocks": 4,
        "Shared Read Blocks": 2,
        "Plans": [SCAN],
    }
    found = told({"Plan": top})
    assert (found.found, found.looked_at, found.thrown_away) == (5, 26, 20)
    assert (found.indexes, found.scanned) == (("resource_main",), ())
    assert (found.from_cache_kb, found.from_disk_kb, found.sorted_on_disk) == (32, 16, False)


def test_whole_tables_and_sorts_on_disk_are_told() -> None:
    scan = {"Node Type": "Seq Scan", "Relation Name": "measure", "Actual Rows": 9}
    sort = {"Node Type": "Sort", "Sort Space Type": "Disk", "Plans": [scan, scan]}
    found = told({"Plan": sort})
    assert (found.scanned, found.looked_at, found.sorted_on_disk) == (("measure",), 18, True)


def test_a_bitmap_names_its_index_and_counts_rows_once() -> None:
    bitmap = {"Node Type": "Bitmap Index Scan", "Index Name": "resource_keys", "Actual Rows": 40}
    heap = {
        "Node Type": "Bitmap Heap Scan",
        "Relation Name": "resource",
        "Actual Rows": 30,
        "Rows Removed by Index Recheck": 10,
        "Plans": [bitmap],
    }
    found = told({"Plan": heap})
    assert (found.looked_at, found.thrown_away, found.indexes) == (40, 10, ("resource_keys",))
