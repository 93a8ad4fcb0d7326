"""The official list of medical specialties by which departments are coded.

The list lives in `specialties.csv` beside this file; every row says whether somebody has checked
it against the printed order. None has been: UNVERIFIED. What we were not sure of is left out.

Source: 《医疗机构诊疗科目名录》, 卫医发〔1994〕第27号, with 27 疼痛科 (2007) and
28 重症医学科 (2009) added later; main codes 01 to 52, from memory and from reprints.
"""

from __future__ import annotations

import csv
import importlib.resources
from dataclasses import dataclass
from functools import cache

from citycare.kit.errors import Incorrect


class SpecialtyUnknown(Incorrect):
    """The department's code is not in the list of specialties."""

    code = "identity.specialty_unknown"
    words = "科室代码不在《医疗机构诊疗科目名录》里，请对照名录改正。"


@dataclass(frozen=True, slots=True)
class Specialty:
    """One code of the list; `parent` is the main code of a sub-code, else empty."""

    code: str
    name: str
    status: str

    @property
    def parent(self) -> str:
        """The main code this one belongs to, or nothing for a main code."""
        main, dot, _ = self.code.partition(".")
        return main if dot else ""


@cache
def specialties() -> dict[str, Specialty]:
    """Return all specialties by code, in the order of the list."""
    table = importlib.resources.files(__package__).joinpath("specialties.csv")
    with table.open(encoding="utf8") as lines:
        return {row["code"]: Specialty(**row) for row in csv.DictReader(lines)}


def get_specialty(code: str) -> Specialty:
    """Return one specialty, or raise SpecialtyUnknown."""
    try:
        return specialties()[code]
    except KeyError as error:
        raise SpecialtyUnknown(code=code) from error
