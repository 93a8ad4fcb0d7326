"""The elements of definitions, put together as a tree: the base's first, then the profile's own.

An element is named by its id where it has a sound one (`Observation.category:VSCat.coding`), else
by its path and the slices opened before it. `valueQuantity` as a path is the slice of `value[x]`
that has this type.

Source: HL7 FHIR R4 4.0.1 ElementDefinition.id, path, sliceName; §5.1.0.15 (paths of choices).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from citycare.kernel.fhir.definitions import structures
from citycare.kernel.fhir.profiles.model import DEPTH_MAX, NAME_MAX, SLICES_MAX, Json, Unfit

ANY_RESOURCE = "Resource"
Segments = list[tuple[str, str]]  # element and slice, from the root on


@cache
def elements_of(kind: str) -> Mapping[str, Json]:
    """Return R4's own elements of a type, those it inherits too; none of what R4 does not know."""
    entry = structures().get(kind)
    if entry is None:
        return {}
    return {**elements_of(entry.get("base", "")), **entry["elements"]}


def kinds_of(name: str, own: Json) -> dict[str, str]:
    """Return the names in JSON of an element, each with its type."""
    if not name.endswith("[x]"):
        return dict.fromkeys((name,), own["t"][0])
    bare = name.removesuffix("[x]")
    return {bare + one[0].upper() + one[1:]: one for one in own["t"]}


@dataclass(slots=True)
class Draft:
    """One element or slice while definitions are read.

    Attributes:
        name: of the element as R4 has it (`value[x]`).
        own: what R4 says of it (`t` types, `m` must, `n` many, `v` value set, `r` targets).
        place: for notes.
        told: all that definitions say of it, the base's first.
        short: types it was named by (`valueQuantity`): without slicing it has no others.
    """

    name: str
    own: Json
    place: str
    told: list[Json] = field(default_factory=list)
    inner: dict[str, Draft] = field(default_factory=dict)
    slices: dict[str, Draft] = field(default_factory=dict)
    short: set[str] = field(default_factory=set)

    def all(self, name: str) -> list[Any]:
        """Return all that was said under one name."""
        return [one[name] for one in self.told if name in one]

    def last(self, name: str, otherwise: Any = None) -> Any:
        """Return what was said last under one name."""
        return (self.all(name) or [otherwise])[-1]

    def types(self) -> tuple[str, ...]:
        """Return the types that are allowed, empty for all of R4's."""
        if self.short and self.last("slicing") is None:
            return tuple(sorted(self.short))
        codes = tuple(str(one.get("code", "")) for one in self.last("type", ()))
        return () if any("/" in code for code in codes) else codes  # fhirpath's: ids, urls

    def kind(self) -> str:
        """Return the type whose elements stand below it."""
        own = self.own["t"]
        if len(own) == 1 and own[0] != ANY_RESOURCE:
            return str(own[0])
        told = self.types()
        return told[0] if len(told) == 1 else own[0] if len(own) == 1 else "Element"

    def below(self, name: str) -> Draft | None:
        """Return the element of this name, made if it is new; None: R4 has none."""
        known = elements_of(self.kind())
        for one in (name, f"{name}[x]"):
            if one in known:
                made = Draft(one, known[one], f"{self.place}.{one}")
                return self.inner.setdefault(one, made)
        for one, own in known.items():
            kind = kinds_of(one, own).get(name) if one.endswith("[x]") else None
            if kind is not None:
                choice = self.below(one)
                assert choice is not None
                choice.short.add(kind)
                return choice.slice(name, {"type": [{"code": kind}]})
        return None

    def slice(self, name: str, told: Json | None = None) -> Draft:
        """Return the slice of this name, made if it is new."""
        if name not in self.slices:
            if len(self.slices) >= SLICES_MAX:
                raise Unfit(f"more than {SLICES_MAX} slices at {self.place}")
            made = Draft(self.name, self.own, f"{self.place}:{name}")
            made.told = [one for one in (told,) if one]
            self.slices[name] = made
        return self.slices[name]


def drafted(kind: str, elements: Sequence[Json], notes: list[str]) -> Draft:
    """Return the tree of elements of a type of resource; what R4 does not have is noted.

    Raises:
        Unfit: paths that are not of this type, too deep, or too many slices.
    """
    root = Draft(kind, {"t": [kind]}, kind)
    opened: Segments = []
    for one in elements:
        opened = _segments(one, opened)
        is_long = max(len(name) + len(sliced) for name, sliced in opened) > NAME_MAX
        if opened[0][0] != kind or len(opened) > DEPTH_MAX or is_long:
            raise Unfit(f"path {one['path'][:80]!r} is not of {kind}, too deep, or too long")
        draft = _reached(root, opened[1:])
        if draft is None:
            notes.append(f"{one['path']}: R4 has no such element")
        else:
            draft.told.append(one)
    return root


def _reached(root: Draft, segments: Segments) -> Draft | None:
    draft = root
    for name, sliced in segments:
        below = draft.below(name)
        if below is None:
            return None
        is_there = not sliced or below.place.endswith(f":{sliced}")  # valueQuantity:valueQuantity
        draft = below if is_there else below.slice(sliced)
    return draft


def _segments(element: Json, opened: Segments) -> Segments:
    """Return where an element stands, by its id, or by its path after what came before it."""
    path = str(element["path"]).split(".")
    sliced = str(element.get("sliceName", ""))
    parts = [one.partition(":") for one in str(element.get("id", "")).split(".")]
    if len(parts) == len(path) and parts[0][0] == path[0] and parts[-1][2] == sliced:
        return [(name, slice_) for name, _, slice_ in parts]
    found: Segments = []
    for index, name in enumerate(path[:-1]):
        same = found == opened[:index] and index < len(opened) and opened[index][0] == name
        found.append(opened[index] if same else (name, ""))
    return [*found, (path[-1], sliced)]
