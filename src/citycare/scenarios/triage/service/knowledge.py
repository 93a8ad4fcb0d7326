"""The knowledge that is in use: read from files once, in each process."""

from __future__ import annotations

import gc
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from threadpoolctl import threadpool_limits

from citycare.kit.errors import Unavailable
from citycare.scenarios.triage.rules.advise import Triage
from citycare.scenarios.triage.rules.compiling import compile_entries
from citycare.scenarios.triage.rules.reading import UNREADABLE, read

VERSION_CHARS = 12
OTHERS = "questionnaires"  # lies beside, belongs to the pre-consultation


def documents_of(folder: Path) -> dict[str, Any]:
    """Read every YAML file below a folder, by its name relative to it.

    A file that is no YAML comes back as a fault of its own, in place of entries.
    """
    return {path.relative_to(folder).as_posix(): _document(path) for path in _files(folder)}


def _document(path: Path) -> Any:
    try:
        return yaml.CSafeLoader(path.read_bytes()).get_single_data() or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return {"source": ["-"], UNREADABLE: str(error)}


def version_of(folder: Path) -> str:
    """Return what names exactly this state of the files: a digest over names and bytes."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:VERSION_CHARS]


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.yaml"))
    return [path for path in found if path.relative_to(folder).parts[0] != OTHERS]


class KnowledgeBroken(Unavailable):
    """The files of the knowledge have faults; the old knowledge stays in use."""

    code = "triage.knowledge_broken"
    words = "分诊知识库有错误，请用 citycare triage lint 查看并改正。"


@cache
def load(folder: Path) -> Triage:
    """Read, check and compile; once in a process, for files change with a restart only.

    Takes some two seconds and 80 MB, so a process does it when first asked, not when it starts.

    Raises:
        KnowledgeBroken: an entry has a fault; `citycare triage lint` names each.
    """
    entries, problems = read(documents_of(folder))
    if problems:
        first = problems[0]
        raise KnowledgeBroken(file=first.file, entry=first.entry, faults=len(problems))
    threadpool_limits(limits=1, user_api="blas")  # a process a core: more threads only collide
    made = Triage(compile_entries(entries, version_of(folder)))
    gc.freeze()  # it stays: the collector need not walk it again
    return made
