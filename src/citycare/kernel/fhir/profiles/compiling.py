"""From StructureDefinitions to rules.

Source: HL7 FHIR R4 4.0.1 StructureDefinition; ElementDefinition; §5.1.0.8 to §5.1.0.14 Slicing,
Discriminator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from citycare.kernel.fhir.definitions import RESOURCES, invariants, structures
from citycare.kernel.fhir.path import PathSyntax
from citycare.kernel.fhir.path import compiled as expression
from citycare.kernel.fhir.profiles.drafting import Draft, drafted, kinds_of
from citycare.kernel.fhir.profiles.matching import reached
from citycare.kernel.fhir.profiles.model import (
    BASES_MAX,
    ELEMENTS_MAX,
    STRUCTURES,
    Expected,
    Held,
    Json,
    Profile,
    Rule,
    Slice,
    Test,
    Unfit,
)

Find = Callable[[str], Json | None]
"""Canonical to the StructureDefinition, None where it is not here."""

VERSION = "4.0"
NOTE_MAX = 300
QUANTITIES = (f"{STRUCTURES}SimpleQuantity", f"{STRUCTURES}MoneyQuantity")
R4_KEYS = frozenset(key.partition(" ")[0] for key in invariants()) | {"ele-1", "ext-1"}
ANY = frozenset(("Resource", "DomainResource"))
BOUNDS = re.compile(r"maxLength|minValue[A-Z].*|maxValue[A-Z].*")
COUNT = re.compile(r"\d{1,9}", re.ASCII)  # of `max`; `*`, or more than any array has, is no limit
STEP = re.compile(r"[A-Za-z]\w*", re.ASCII)
VARIABLE = re.compile(r"%`?(?!(?:resource|rootResource|context|ucum|sct|loinc)\b|vs-|ext-)([\w-]+)")
UNANSWERED = ("resolve(", "conformsTo(")
URL = [{"type": "value", "path": "url"}]
THIS_TYPE = [{"type": "type", "path": "$this"}]


def base_of(definition: Json) -> str:
    """Return the canonical of the definition that this one needs to be compiled; empty: none."""
    base = str(definition.get("baseDefinition", ""))
    return "" if definition.get("snapshot") or is_own(base) else base


def targets_of(definition: Json) -> tuple[str, ...]:
    """Return the profiles that references of a definition lead to, none of R4's own types."""
    every = (
        canonical
        for part in ("snapshot", "differential")
        for element in definition.get(part, {}).get("element", ())
        for one in element.get("type", ())
        for canonical in one.get("targetProfile", ())
    )
    return tuple(dict.fromkeys(one for one in every if not is_own(one)))


def is_own(canonical: str) -> bool:
    """Tell whether a canonical is one of R4's own types, to which all is held anyway."""
    url = canonical.partition("|")[0]
    return url.startswith(STRUCTURES) and url.removeprefix(STRUCTURES) in structures()


def compiled(definition: Json, find: Find = lambda _: None) -> Profile:
    """Return the rules of a profile.

    Args:
        definition: a StructureDefinition that holds R4's rules.
        find: for its bases, and the profiles of what its references lead to.

    Raises:
        Unfit: it constrains no resource of R4, or is too big, too deep, or in a circle.
    """
    kind = str(definition.get("type", ""))
    if definition.get("kind") != "resource" or definition.get("derivation") != "constraint":
        raise Unfit("it does not constrain a type of resource")
    if kind not in RESOURCES or not definition.get("fhirVersion", VERSION).startswith(VERSION):
        raise Unfit("it is not of FHIR R4")
    notes: list[str] = []
    told = list(_elements(definition, find, notes))
    if len(told) > ELEMENTS_MAX:
        raise Unfit(f"more than {ELEMENTS_MAX} elements")
    making = _Making(find, notes)
    root = making.rule(drafted(kind, told, notes))
    making.note_content_references()
    url = str(definition.get("url", "")).partition("|")[0]
    return Profile(url, kind, root, tuple(dict.fromkeys(notes)))


def _elements(definition: Json, find: Find, notes: list[str]) -> Iterator[Json]:
    """Yield what is said of elements, the base's first."""
    chain = [definition]
    while base := base_of(chain[-1]):
        found = find(base)
        if found is None:
            notes.append(f"{base}: this base is not here")
            break
        if found in chain or len(chain) > BASES_MAX or found.get("type") != definition["type"]:
            raise Unfit(f"its base {base[:200]} leads in a circle, too far, or to another type")
        chain.append(found)
    for one in reversed(chain):
        yield from (one.get("snapshot") or one.get("differential") or {}).get("element", ())


class _Making:
    """Makes rules of drafts, and notes what is passed over."""

    def __init__(self, find: Find, notes: list[str]) -> None:
        self.find = find
        self.notes = notes
        self.asking: set[str] = set()  # places of elements that something is asked of
        self.referred: set[str] = set()

    def note(self, draft: Draft, text: str) -> None:
        self.notes.append(f"{draft.place}: {text[:NOTE_MAX]}")

    def note_content_references(self) -> None:
        """What is asked of an element is not asked of those that are defined by naming it."""
        for place in sorted(self.referred):
            if any(one.startswith(f"{place}.") for one in self.asking):
                self.notes.append(f"{place}: not asked of elements that refer to its content")

    def rule(self, draft: Draft, *, sliced: bool = False) -> Rule:
        """Return what a draft asks beyond R4; a slice has no cardinality of R4's."""
        own, kinds = draft.own, kinds_of(draft.name, draft.own)
        least = max((int(one.get("min", 0)) for one in draft.told), default=0)
        most = min((int(one["max"]) for one in draft.told if _counts(one)), default=None)
        if not sliced:
            least = 0 if least <= own.get("m", 0) else least
            most = None if most == 1 and not own.get("n") else most
        self._note_what_is_not_checked(draft)
        slices, closed = ((), False) if sliced else self._slices(draft)
        inner = [self.rule(one) for one in draft.inner.values()]
        made = Rule(
            draft.name.removesuffix("[x]"), kinds, least, most, self._types(draft),
            self._targets(draft), tuple(_expected(draft)), self._value_set(draft),
            tuple(self._held(draft)), tuple(one for one in inner if one.asks()), slices, closed,
        )  # fmt: skip
        if made.asks():
            self.asking.add(draft.place)
        return made

    def _types(self, draft: Draft) -> frozenset[str] | None:
        told, own = frozenset(draft.types()), draft.own["t"]
        if not told or told & ANY or told.issuperset(own) or (len(own) == 1 and own[0] not in ANY):
            return None
        return told

    def _targets(self, draft: Draft) -> frozenset[str] | None:
        told = [one for one in draft.last("type", ()) if one.get("code") == "Reference"]
        found: set[str] = set()
        for one in told:
            found |= {self._target(draft, each) for each in one.get("targetProfile", ("",))}
        if not found or found & {"", *ANY} or found.issuperset(draft.own.get("r", ("?",))):
            return None
        return frozenset(found)

    def _target(self, draft: Draft, canonical: str) -> str:
        """Return the type a reference may lead to, empty for any."""
        if not canonical or is_own(canonical):
            return canonical.partition("|")[0].removeprefix(STRUCTURES)
        self.note(draft, f"of the target only the type is checked, not {canonical}")
        found = self.find(canonical)
        return str(found.get("type", "")) if found else ""

    def _value_set(self, draft: Draft) -> str:
        bindings = draft.all("binding")
        required = [one for one in bindings if one.get("strength") == "required"]
        if not required:
            return ""
        canonical = str(required[-1].get("valueSet", ""))
        return "" if canonical.partition("|")[0] == draft.own.get("v") else canonical

    def _held(self, draft: Draft) -> Iterator[Held]:
        every = {one["key"]: one for told in draft.told for one in told.get("constraint", ())}
        for key, one in every.items():
            source = one.get("source", "")
            if one.get("severity") != "error" or (is_own(source) if source else key in R4_KEYS):
                continue
            text = str(one.get("expression", ""))
            try:
                path = expression(text)
            except PathSyntax as error:
                self.note(draft, f"{key} cannot be compiled: {error.facts}")
                continue
            if any(word in text for word in UNANSWERED) or VARIABLE.search(text):
                self.note(draft, f"{key} asks for what is not known here")
                continue
            yield Held(key, path, str(one.get("human", "")))

    def _note_what_is_not_checked(self, draft: Draft) -> None:
        for one in draft.told:
            for name in filter(BOUNDS.fullmatch, one):
                self.note(draft, name)
            self.referred |= {str(one.get("contentReference", "#")).partition("#")[2]} - {""}
        for one in draft.last("type", ()):
            for canonical in one.get("profile", ()):
                if canonical.partition("|")[0] not in QUANTITIES and not is_own(canonical):
                    self.note(draft, f"the definition {canonical} of its type")

    # Slices

    def _slices(self, draft: Draft) -> tuple[tuple[Slice, ...], bool]:
        """Return slices that can be told apart, and whether there may be nothing else."""
        slicing = draft.last("slicing", {})
        closed = slicing.get("rules") == "closed"
        if not draft.slices:
            return (), False
        if slicing.get("ordered"):
            self.note(draft, "the order of its slices")
        if slicing.get("rules") == "openAtEnd":
            self.note(draft, "others stand after its slices")
        otherwise = THIS_TYPE if draft.name.endswith("[x]") else URL if _is_extension(draft) else []
        discriminators = next(
            (
                one["discriminator"]
                for one in reversed(draft.all("slicing"))
                if one.get("discriminator")
            ),
            otherwise,
        )
        found = []
        for name, one in draft.slices.items():
            if "/" in name or one.slices:
                self.note(one, "a slice of a slice")
                closed = False
                continue
            tests = [_test(one, each) for each in discriminators]
            known = [test for test in tests if test is not None]
            if not tests or len(known) < len(tests):
                self.note(one, "what tells its items apart")
                closed = False
                continue
            found.append(Slice(name, tuple(known), self.rule(one, sliced=True)))
        return tuple(found), closed


def _counts(told: Json) -> bool:
    return COUNT.fullmatch(str(told.get("max", ""))) is not None


def _is_extension(draft: Draft) -> bool:
    return bool(draft.own["t"] == ["Extension"])


def _expected(draft: Draft) -> Iterator[Expected]:
    """Yield what is fixed and the patterns, what a profile repeats of its base once."""
    found = [
        Expected(value, start == "fixed")
        for start in ("fixed", "pattern")
        for one in draft.told
        for name, value in one.items()
        if name.startswith(start)
    ]
    yield from (one for at, one in enumerate(found) if one not in found[:at])


def _test(draft: Draft, discriminator: Json) -> Test | None:
    """Return what tells items of a slice; None where that cannot be done here."""
    kind, path = discriminator.get("type"), str(discriminator.get("path", ""))
    steps = () if path == "$this" else tuple(path.split("."))
    if not all(STEP.fullmatch(one) for one in steps):
        return None
    any_of: Sequence[Any] = ()
    if kind in ("value", "pattern"):
        any_of = list(_expected_at(draft, steps)) or _own_url(draft, steps)
    elif kind == "exists":
        any_of = [*dict.fromkeys(_existing(one) for one in _at(draft, steps))]
        any_of = any_of if len(any_of) == 1 and any_of != [None] else ()
    elif kind == "type":
        any_of = [name for one in _at(draft, steps) for name in one.types()]
    return (
        Test(steps, "value" if kind == "pattern" else str(kind), tuple(any_of)) if any_of else None
    )


def _expected_at(draft: Draft, steps: tuple[str, ...]) -> Iterator[Expected]:
    """Yield what is expected at `steps`: said there, or by a value that is expected above."""
    found = [
        Expected(each, one.whole)
        for one in _expected(draft)
        for each, _ in reached(one.value, "", steps)
    ]
    yield from found
    if not found and steps:
        for one in _at(draft, steps[:1]):
            yield from _expected_at(one, steps[1:])


def _at(draft: Draft, steps: tuple[str, ...]) -> list[Draft]:
    """Return the drafts at `steps`, the slices of each too."""
    level = [draft]
    for step in steps:
        inner = [each.inner.get(step) or each.inner.get(f"{step}[x]") for each in level]
        level = [each for one in inner if one is not None for each in (one, *one.slices.values())]
    return level


def _own_url(draft: Draft, steps: tuple[str, ...]) -> list[Expected]:
    """Return the url of an extension, which is that of its definition."""
    if steps != ("url",) or not _is_extension(draft):
        return []
    every = [each for one in draft.last("type", ()) for each in one.get("profile", ())]
    return [Expected(one.partition("|")[0], True) for one in every]


def _existing(draft: Draft) -> bool | None:
    """Tell whether an element must, or must not, be there."""
    if any(one.get("max") == "0" for one in draft.told):
        return False
    return True if any(one.get("min", 0) for one in draft.told) else None
