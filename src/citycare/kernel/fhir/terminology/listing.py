"""Lists of codes and of mappings as CSV, in the layouts they are published in.

A list has a code and a name in each row, perhaps the codes above it; or, as the insurance's list of
diagnoses (医保版), each row names every level above it: chapter, section, category, subcategory,
diagnosis. Columns are known by their headers; others are told by name, and what is left over
becomes properties.

Source: headers of 医保疾病诊断分类与代码 and of GB/T 14396 / 国家临床版 (主要编码, 疾病名称) as
copies in circulation have them; not compared with the authorities' own files (UNVERIFIED).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from citycare.kernel.fhir.terminology.model import (
    TEXT_MAX,
    Concept,
    Designation,
    Entry,
    Problem,
    Property,
    Unreadable,
    fits,
)

ENCODINGS = ("utf-8-sig", "gb18030")
HEADERS = {
    "code": ("code", "主要编码", "诊断代码", "诊断编码", "疾病编码", "疾病代码", "编码", "代码"),
    "display": ("display", "name", "疾病名称", "诊断名称", "名称"),
    "parent": ("parent", "上级编码", "上级代码"),
    "definition": ("definition", "定义", "说明"),
    "designation": ("designation", "synonym", "别名", "同义词"),
    "inactive": ("inactive", "停用"),
    "source": ("source", "source_code", "源编码", "国临版编码", "国临编码"),
    "target": ("target", "target_code", "目标编码", "医保版编码", "医保编码"),
    "equivalence": ("equivalence", "对应关系"),
    "source_display": ("source_display", "源名称", "国临版名称", "国临名称"),
    "target_display": ("target_display", "目标名称", "医保版名称", "医保名称"),
}
LEVELS = (  # code and name of each level, the highest first
    ("章代码范围", "章的名称"), ("节代码范围", "节名称"), ("类目代码", "类目名称"),
    ("亚目代码", "亚目名称"), ("诊断代码", "诊断名称"),
)  # fmt: skip
LADDER_MIN = 2  # levels that make a row a ladder
BETWEEN = "|"
TRUE, FALSE = ("1", "true", "yes", "是"), ("", "0", "false", "no", "否")
EQUIVALENCES = frozenset((
    "relatedto", "equivalent", "equal", "wider", "subsumes", "narrower", "specializes", "inexact",
    "unmatched", "disjoint",
))  # fmt: skip
PROBLEMS_MAX = 100
COLUMNS_MAX = 200


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is to be read.

    Attributes:
        columns: header by what it is (`code`, `display`, `parent` …), beyond those of HEADERS.
        by_prefix: the parent of a code is the longest other code that it begins with.
        strip: characters that are no part of a code where they stand at its end (`†*`).
        encoding: empty: UTF-8, or else GB 18030.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    by_prefix: bool = False
    strip: str = ""
    encoding: str = ""
    delimiter: str = ","


class Faults:
    """What is wrong in a file: the first PROBLEMS_MAX, and how many in all."""

    def __init__(self) -> None:
        """Begin with none."""
        self.kept: list[Problem] = []
        self.count = 0

    def add(self, place: str, column: str, wrong: str) -> None:
        """Note one."""
        self.count += 1
        if len(self.kept) < PROBLEMS_MAX:
            self.kept.append(Problem(place, column, wrong))

    def check(self) -> None:
        """Raise Unreadable if there is any."""
        if self.kept:
            raise Unreadable(self.kept, self.count)


class Table:
    """A CSV file whose rows can be read as often as needed, one at a time."""

    def __init__(self, path: Path, layout: Layout) -> None:
        """Find out how it is written and what its columns are.

        Raises:
            Unreadable: it cannot be decoded, or its header is broken.
        """
        self.path = path
        self.layout = layout
        self.encoding = layout.encoding or self._encoding()
        self.faults = Faults()
        self.headers: list[str] = []
        self.headers = [one.strip() for one in next(self._lines(), (0, []))[1]]
        if not self.headers or len(self.headers) > COLUMNS_MAX:
            self.faults.add("row 1", "", f"must have 1 to {COLUMNS_MAX} columns")
        for one in dict.fromkeys(self.headers):
            if one and self.headers.count(one) > 1:
                self.faults.add("row 1", one, "this column comes twice")
        self.faults.check()

    def _encoding(self) -> str:
        for name in ENCODINGS:
            try:
                with self.path.open(encoding=name) as file:
                    while file.read(1 << 20):
                        pass  # only whether it can be read
            except UnicodeDecodeError:
                continue
            return name
        raise Unreadable([Problem("file", "", f"is neither {' nor '.join(ENCODINGS)}")])

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        try:
            with self.path.open(encoding=self.encoding, newline="") as file:
                reader = csv.reader(file, delimiter=self.layout.delimiter, strict=True)
                try:
                    yield from ((reader.line_num, cells) for cells in reader if any(cells))
                except csv.Error as error:
                    wrong = str(error)
                    raise Unreadable([Problem(f"row {reader.line_num}", "", wrong)]) from error
        except (UnicodeDecodeError, LookupError) as error:
            raise Unreadable([Problem("file", "", str(error))]) from error

    def rows(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield each row with its place, by header; rows of a wrong width become faults."""
        lines = self._lines()
        next(lines, None)
        for number, cells in lines:
            place = f"row {number}"
            if len(cells) != len(self.headers):
                self.faults.add(
                    place, "", f"{len(cells)} cells, the header has {len(self.headers)}"
                )
                continue
            row = {name: cell.strip() for name, cell in zip(self.headers, cells, strict=True)}
            long = next((name for name, cell in row.items() if len(cell) > TEXT_MAX), None)
            if long is not None or any("\x00" in cell for cell in cells):
                self.faults.add(place, long or "", f"holds NUL or more than {TEXT_MAX} characters")
                continue
            yield place, row

    def column(self, name: str, *, needed: bool = False) -> str:
        """Return the header of a column; empty if there is none.

        Raises:
            Unreadable: it is needed, or was named, and is not there.
        """
        told = self.layout.columns.get(name)
        known = (told,) if told is not None else HEADERS[name]
        by_name = {one.lower(): one for one in self.headers} | {one: one for one in self.headers}
        found = next((by_name[one] for one in known if one in by_name), "")
        if not found and (needed or told is not None):
            wrong = f"no column for it; there are {', '.join(self.headers)[:300]}"
            raise Unreadable([Problem("row 1", told or name, wrong)])
        return found

    def code(self, place: str, column: str, cell: str) -> str:
        """Return a code without what is no part of it; a bad one becomes a fault and empty."""
        code = cell.rstrip(self.layout.strip).strip() if self.layout.strip else cell
        if not code:
            self.faults.add(place, column, "is empty")
        elif not fits(code) or "  " in code or any(one in code for one in "\t\r\n"):
            self.faults.add(place, column, "is not a code: too long, or blanks in a row")
        else:
            return code
        return ""


def concepts(table: Table) -> Callable[[], Iterator[Concept]]:
    """Return what yields the concepts of a list, as often as it is called.

    Faults of rows are gathered in `table.faults` while it runs.

    Raises:
        Unreadable: needed columns are missing.
    """
    levels = [pair for pair in LEVELS if all(one in table.headers for one in pair)]
    if len(levels) >= LADDER_MIN and not table.layout.columns:
        return lambda: _ladder(table, levels)
    code = table.column("code", needed=True)
    table.column("display", needed=True)
    if not table.layout.by_prefix:
        return lambda: _plain(table, lambda _: "")
    known = {row[code].rstrip(table.layout.strip or None).strip() for _, row in table.rows()}
    table.faults = Faults()  # the same rows are read again
    return lambda: _plain(table, lambda one: _longest(one, known))


def _longest(code: str, known: set[str]) -> str:
    return next((code[:end] for end in range(len(code) - 1, 0, -1) if code[:end] in known), "")


def _plain(table: Table, above: Callable[[str], str]) -> Iterator[Concept]:
    names = {name: table.column(name) for name in
             ("code", "display", "parent", "definition", "designation", "inactive")}  # fmt: skip
    more = [one for one in table.headers if one and one not in names.values()]
    for place, row in table.rows():
        cells = {name: row.get(column, "") for name, column in names.items()}
        code = table.code(place, names["code"], cells["code"])
        if not cells["display"]:
            table.faults.add(place, names["display"], "is empty")
        inactive = cells["inactive"].lower()
        if inactive not in (*TRUE, *FALSE):
            table.faults.add(place, names["inactive"], "is neither yes nor no")
        if not code or not cells["display"]:
            continue
        parents = _several(cells["parent"]) or _several(above(code))
        yield Concept(
            place, code, cells["display"], cells["definition"] or None, parents,
            tuple(Designation(one) for one in _several(cells["designation"])),
            tuple(Property(one, "String", row[one]) for one in more if row[one]),
            inactive in TRUE,
        )  # fmt: skip


def _several(cell: str) -> tuple[str, ...]:
    parts = (one.strip() for one in cell.split(BETWEEN))
    return tuple(dict.fromkeys(one for one in parts if one))


def _ladder(table: Table, levels: Sequence[tuple[str, str]]) -> Iterator[Concept]:
    used = {one for pair in levels for one in pair}
    more = [one for one in table.headers if one and one not in used]
    seen: dict[str, tuple[str, str, bool]] = {}  # name, where, whether as the lowest of its row
    for place, row in table.rows():
        above = ""
        last = [pair for pair in levels if row[pair[0]]][-1:]
        if not last:
            table.faults.add(place, levels[-1][0], "no level has a code")
        for pair in levels:
            code, display = row[pair[0]], row[pair[1]]
            if not code and display:
                table.faults.add(place, pair[0], "is empty, its name is not")
            code = table.code(place, pair[0], code) if code else ""
            if not code or code == above:
                continue
            lowest = pair in last
            before = seen.get(code)
            if before is None:
                if not display:
                    table.faults.add(place, pair[1], "is empty")
                told = [Property(one, "String", row[one]) for one in more if lowest and row[one]]
                yield Concept(
                    place, code, display, parents=(above,) if above else (), properties=tuple(told)
                )
            elif before[0] != display:
                table.faults.add(place, pair[1], f"{code} is called differently in {before[1]}")
            elif lowest and before[2]:
                table.faults.add(place, pair[0], f"{code} stands in {before[1]} already")
            first = before or (display, place, False)
            seen[code] = (first[0], first[1], lowest or first[2])
            above = code


def entries(table: Table) -> Callable[[], Iterator[Entry]]:
    """Return what yields the entries of a list of mappings, as often as it is called.

    Where it is not said how the two are related, they are `relatedto`: how is not known.

    Source: HL7 FHIR R4 4.0.1, value set concept-map-equivalence.

    Raises:
        Unreadable: needed columns are missing.
    """
    for name in ("source", "target"):
        table.column(name, needed=True)
    return lambda: _entries(table)


def _entries(table: Table) -> Iterator[Entry]:
    names = {name: table.column(name) for name in
             ("source", "target", "equivalence", "source_display", "target_display")}  # fmt: skip
    for place, row in table.rows():
        cells = {name: row.get(column, "") for name, column in names.items()}
        source = table.code(place, names["source"], cells["source"])
        target = cells["target"] and table.code(place, names["target"], cells["target"])
        told = cells["equivalence"] or ("relatedto" if target else "unmatched")
        if told not in EQUIVALENCES:
            table.faults.add(place, names["equivalence"], "is not one of R4's equivalences")
        elif not target and told not in ("unmatched", "disjoint"):
            table.faults.add(place, names["target"], f"is empty, and {told} needs one")
        elif source:
            yield Entry(
                place, source, target, told, cells["source_display"], cells["target_display"]
            )
