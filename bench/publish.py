"""Keeps the newest result of each bench in docs/performance.md, with the machine it was run on."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path
from typing import Any

from citycare.kit import clock

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def machine() -> str:
    """Describe the machine in a line."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = cpu[1] if cpu else platform.machine()
    python = platform.python_version()
    return f"{os.cpu_count()} cores ({name}), {memory:.0f} GiB, Python {python}"


def keep(result: dict[str, Any]) -> None:
    """Put a result into its section, between its markers; the words around it stay."""
    name = result["bench"]
    begin, end = f"<!-- bench {name} -->", f"<!-- end {name} -->"
    rows = [
        f"| {key} | {value:g} |"
        for part in ("figures", "ratios")
        for key, value in sorted(result.get(part, {}).items())
    ]
    table = "\n".join(["| figure | value |", "|---|---:|", *rows])
    day = clock.day_of(clock.now())
    line = json.dumps(result)
    body = f"{begin}\nMeasured {day} on {machine()}.\n\n{table}\n\n```json\n{line}\n```\n{end}"
    text = PAGE.read_text(encoding="utf8") if PAGE.exists() else "# Performance\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    text = pattern.sub(lambda _: body, text) if pattern.search(text) else f"{text}\n{body}\n"
    PAGE.write_text(text, encoding="utf8")
