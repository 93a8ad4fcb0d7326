"""The questionnaires that are in use: read from files once, in each process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import yaml

from citycare.kernel.fhir import forms
from citycare.kit.errors import Unavailable
from citycare.scenarios.preconsult.rules.choosing import Case, choose
from citycare.scenarios.preconsult.rules.paper import Json, Paper, paper_of

FALLBACK = "general"
FOLDER = "questionnaires"


class PapersBroken(Unavailable):
    """No questionnaire can be read; the folder of the knowledge is not whole."""

    code = "preconsult.papers_broken"
    words = "诊前问卷的文件读不出来，请联系平台管理员。就诊不受影响。"


@dataclass(frozen=True, slots=True)
class Papers:
    """All questionnaires: as forms, as papers, and which a visit gets.

    `faults`: file to what is wrong with it; such a file is not used, the others are.
    """

    forms: Mapping[str, forms.Form]
    papers: Mapping[str, Paper]
    rules: tuple[Mapping[str, Any], ...]
    suggestions: tuple[Mapping[str, Any], ...]
    faults: Mapping[str, tuple[str, ...]]

    def choose(self, case: Case) -> str:
        """Return the id of the questionnaire a visit gets."""
        return choose(self.rules, case, self.forms) or FALLBACK

    def find(self, canonical: str) -> str:
        """Return the id of the questionnaire a canonical names, in whatever version; "" if none."""
        url = canonical.partition("|")[0]
        return next((name for name, form in self.forms.items() if form.url == url), "")

    def units(self, name: str) -> dict[str, Json]:
        """Return what plain numbers of a questionnaire count, by linkId."""
        found = self.forms[name].by_link
        return {link: item.unit for link, item in found.items() if item.unit is not None}


@cache
def load(knowledge: Path) -> Papers:
    """Read and compile all of it; once in a process, for files change with a restart only.

    Raises:
        PapersBroken: not even the questionnaire for every department can be read.
    """
    folder = knowledge / FOLDER
    faults: dict[str, tuple[str, ...]] = {}
    read: dict[str, forms.Form] = {}
    papers: dict[str, Paper] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            source = orjson.loads(path.read_bytes())
            read[path.stem], papers[path.stem] = forms.read(source), paper_of(source)
        except orjson.JSONDecodeError as error:
            faults[path.name] = (str(error),)
        except forms.FormBroken as error:
            faults[path.name] = tuple(f"{one.path} {one.words}".strip() for one in error.problems)
    if FALLBACK not in read:
        raise PapersBroken(folder=folder.name, faults=len(faults))
    chosen = _entries(folder / "choose.yaml", "choose", faults)
    suggested = _entries(folder / "suggestions.yaml", "suggestions", faults)
    return Papers(read, papers, chosen, suggested, faults)


def _entries(
    path: Path, name: str, faults: dict[str, tuple[str, ...]]
) -> tuple[Mapping[str, Any], ...]:
    try:
        found = yaml.CSafeLoader(path.read_bytes()).get_single_data() or {}
        return tuple(found.get(name, ()))
    except (OSError, yaml.YAMLError, AttributeError) as error:
        faults[path.name] = (str(error),)
        return ()
