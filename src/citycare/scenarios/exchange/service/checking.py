"""A hospital's first try: what of its data would be refused, and why; nothing is stored.

The data is read as a bulk import reads it: a Bundle, one resource, or NDJSON, each resource held to
every rule of R4, and to what it refers to inside the same data.

Source: HL7 FHIR R4 4.0.1 §2.36 Bundle; §2.6 Resource Validation.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from citycare.kernel.fhir import Violation
from citycare.kernel.fhir.importing import Options
from citycare.kernel.fhir.importing.asking import Found, asked, identifier_of
from citycare.kernel.fhir.importing.model import BATCH, Refused
from citycare.kernel.fhir.importing.preparing import batch, drafts, settled
from citycare.kernel.fhir.importing.reading import Broken, Group, Line
from citycare.kernel.fhir.importing.reporting import FORMULA

BYTES_MAX = 5_000_000
LISTED_MAX = 500
CSV_MAX = 20_000
BOM = "\ufeff"
COLUMNS = ("位置", "类型", "编号", "数据项", "问题", "说明", "message")


@dataclass(frozen=True, slots=True)
class Report:
    """What would become of some data.

    Attributes:
        size: resources there are; 0 where it cannot be read at all.
        good: that would be taken.
        refused: each resource that would not, with its faults; place: line from 1, entry from 0.
        by_kind: faults by code, the most frequent first.
        by_type: refused resources by type.
        lines: places are lines of NDJSON.
    """

    size: int
    good: int
    refused: tuple[Refused, ...]
    by_kind: tuple[tuple[str, int], ...]
    by_type: tuple[tuple[str, int], ...]
    lines: bool

    @property
    def faults(self) -> int:
        """Return how many faults there are in all."""
        return sum(count for _, count in self.by_kind)

    def listed(self) -> Iterator[tuple[Refused, Violation]]:
        """Yield each fault with its resource."""
        for one in self.refused:
            for fault in one.faults:
                yield one, fault


def check(data: bytes, base: str = "") -> Report:
    """Check some data; takes about half a second for each MB, so not on the event loop.

    Args:
        data: a Bundle or a resource as JSON, or NDJSON, up to BYTES_MAX.
        base: the server's own address.
    """
    lines = _is_lines(data)
    refused: list[Refused] = []
    size = 0
    for group in _groups(data) if lines else (Group((), data, len(data)),):
        try:
            given = asked(group, Options(base=base, check=True))
        except Broken as error:
            refused.append(error.refused)
            continue
        size += given.size
        decided = settled(given, _nothing(given.conditions))
        for draft in drafts(decided):
            options = Options(base=base, check=True)
            refused += batch(decided, draft, _nothing(draft.conditions), options).refused
    refused.sort(key=lambda one: one.place)
    kinds = Counter(fault.code for one in refused for fault in one.faults)
    types = Counter(one.type for one in refused if one.type)
    good = max(0, size - len(refused))
    return Report(
        size, good, tuple(refused), tuple(kinds.most_common()), tuple(types.most_common()), lines
    )


def _nothing(conditions: Iterable[str]) -> Found:
    """Return that what an import would look for is not there: nothing is looked for here."""
    return {text: () for text in conditions if identifier_of(text)}


def _is_lines(data: bytes) -> bool:
    """Tell NDJSON by its first line being a whole object, with something after it."""
    first, _, rest = data.lstrip(b"\xef\xbb\xbf \t\r\n").partition(b"\n")
    return first.rstrip().endswith(b"}") and first.startswith(b"{") and bool(rest.strip())


def _groups(data: bytes) -> Iterator[Group]:
    held: list[Line] = []
    for number, text in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if text.strip():
            held.append(Line(number, text))
        if len(held) == BATCH:
            yield Group(held, b"", 0)
            held = []
    if held:
        yield Group(held, b"", 0)


def as_csv(report: Report) -> str:
    """Write every fault as a line, so that a spreadsheet opens it."""
    file = io.StringIO(newline="")
    file.write(BOM)
    table = csv.writer(file)
    table.writerow(COLUMNS)
    for number, (one, fault) in enumerate(report.listed()):
        if number == CSV_MAX:
            break
        cells = (one.place, one.type, one.id, fault.element, fault.code, fault.words, fault.message)
        table.writerow([_cell(each) for each in cells])
    return file.getvalue()


def _cell(value: object) -> object:
    """Keep a spreadsheet from taking what came from outside for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
