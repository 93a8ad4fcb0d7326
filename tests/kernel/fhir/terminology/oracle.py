"""What a value set holds, worked out in memory: slow, and written from R4 alone.

Source: HL7 FHIR R4 4.0.1 §4.9 ValueSet.compose, value set filter-operator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from citycare.kernel.fhir.terminology.model import Json
from tests.kernel.fhir.terminology.made import walk

Member = tuple[str, str]  # system, code


class Oracle:
    """Code systems and value sets by url."""

    def __init__(self, systems: Sequence[Json], value_sets: Sequence[Json]) -> None:
        self.concepts = {
            one["url"]: {each["code"]: each for each in walk(one["concept"])} for one in systems
        }
        self.parents = {one["url"]: dict(_parents(one["concept"], ())) for one in systems}
        self.value_sets = {one["url"]: one for one in value_sets}

    def members(self, value_set: Json, *, active_only: bool = False) -> set[Member]:
        compose = value_set["compose"]
        found: set[Member] = set()
        for part in compose["include"]:
            found |= self._part(part)
        for part in compose.get("exclude", ()):
            found -= self._part(part)
        if active_only or compose.get("inactive") is False:
            found = {one for one in found if not self._is(one, "inactive")}
        return found

    def _is(self, member: Member, flag: str) -> bool:
        told = self.concepts.get(member[0], {}).get(member[1], {})
        return {"code": flag, "valueBoolean": True} in told.get("property", ())

    def _part(self, part: Json) -> set[Member]:
        imported: set[Member] | None = None
        for url in part.get("valueSet", ()):
            imported = (imported or set()) | self.members(self.value_sets[url])
        if "system" not in part:
            return imported or set()
        url = part["system"]
        known = self.concepts.get(url)
        if "concept" in part:
            codes = {one["code"] for one in part["concept"]}
            own = codes if known is None else codes & set(known)
        else:
            assert known is not None
            own = {
                code for code in known
                if all(self._holds(url, code, one) for one in part.get("filter", ()))
            }  # fmt: skip
        found = {(url, code) for code in own}
        return found if imported is None else found & imported

    def above(self, url: str, code: str) -> set[str]:
        """A code and all above it."""
        found = {code}
        for parent in self.parents[url].get(code, ()):
            found |= self.above(url, parent)
        return found

    def _holds(self, url: str, code: str, told: Mapping[str, str]) -> bool:
        name, op, value = told["property"], told["op"], told["value"]
        values = list(self._values(url, code, name))
        listed = set(value.split(","))
        tests: Mapping[str, Callable[[], bool]] = {
            "is-a": lambda: value in self.above(url, code),
            "descendent-of": lambda: value in self.above(url, code) and value != code,
            "is-not-a": lambda: value not in self.above(url, code),
            "generalizes": lambda: (
                value in self.concepts[url] and code in self.above(url, value)
            ),
            "=": lambda: value in values,
            "in": lambda: bool(listed & set(values)),
            "not-in": lambda: not listed & set(values),
            "regex": lambda: any(re.fullmatch(value, one) for one in values),
            "exists": lambda: bool(values) is (value == "true"),
        }  # fmt: skip
        return tests[op]()

    def _values(self, url: str, code: str, name: str) -> Iterator[str]:
        concept = self.concepts[url][code]
        if name in ("concept", "code"):
            yield code
        elif name == "display":
            yield concept["display"]
        elif name == "parent":
            yield from self.parents[url].get(code, ())
        elif name == "child":
            yield from (one for one, above in self.parents[url].items() if code in above)
        else:
            for one in concept.get("property", ()):
                if one["code"] == name:
                    yield str(next(each for key, each in one.items() if key != "code"))


def _parents(
    concepts: Sequence[Json], above: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for one in concepts:
        named = [
            each["valueCode"] for each in one.get("property", ()) if each["code"] == "parent"
        ]  # fmt: skip
        yield one["code"], (*above, *named)
        yield from _parents(one.get("concept", ()), (one["code"],))
