"""The check of a resource against the rules of a profile: one walk, every fault in its place.

What breaks R4 itself is passed over here; `kernel.fhir.validate` tells it.

Source: HL7 FHIR R4 4.0.1 ElementDefinition; §5.1.0.8 Slicing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from citycare.kernel.fhir.model import Violation
from citycare.kernel.fhir.path import Hooks, Node, PathError
from citycare.kernel.fhir.profiles.matching import meets, passes
from citycare.kernel.fhir.profiles.model import Held, Json, Profile, Rule
from citycare.kernel.fhir.r4.checking import CONDITIONAL, CONTAINED, FAULTS_MAX, REFERENCE
from citycare.kernel.fhir.r4.shapes import CODED

Member = Callable[[Any, str], bool | None]
"""A code, Coding, CodeableConcept or Quantity, and a canonical: whether it is in the value set;
None where the set, or a system of it, is not here."""

STEPS_MAX = 200_000  # of one check: items looked at, tests of slices
CALL_STEPS_MAX = 5_000_000  # of all checks of one call: some seconds
EXPRESSION = 40  # steps that one is worth
URL_MAX = 300
FAILED = 20_000  # and one that cannot be tried, perhaps for taking too long
WORDS = {
    "profile-min": ("至少要有{told}项", "needs at least {told}"),
    "profile-max": ("最多只能有{told}项", "may have at most {told}"),
    "profile-fixed": ("取值必须是{told}", "must be exactly {told}"),
    "profile-pattern": ("取值必须包含{told}", "must hold {told}"),
    "profile-type": ("类型必须是{told}", "must be of type {told}"),
    "profile-target": ("只能引用{told}", "may refer to {told} only"),
    "profile-binding": ("编码必须取自值集{told}", "must be a code of {told}"),
    "profile-slice": ("不属于允许的任何一种：{told}", "is none of the slices {told}"),
    "profile-costly": ("按这个规范检查的步骤太多", "takes too many steps to check"),
}
RULE = ("不符合规则{code}", "breaks {code}: {told}")


class _Spent(Exception):
    """The check has taken all the steps it may."""


class _Item(NamedTuple):
    """One value of an element: its place, type, the JSON, and what stands beside a primitive."""

    place: str
    name: str
    kind: str
    value: Any
    extra: Any


@dataclass(slots=True)
class Budget:
    """What all checks of one call may still take together, in steps."""

    left: int = CALL_STEPS_MAX


@dataclass(slots=True)
class _Walk:
    resource: Json
    profile: Profile
    member: Member
    now: datetime | None
    own: Json
    root: Json
    budget: Budget
    found: list[Violation] = field(default_factory=list)
    told: set[tuple[str, str, str]] = field(default_factory=set)
    steps: int = 0

    def fault(self, code: str, place: str, told: object = "") -> None:
        """Note a fault, one that is asked of an element and of its slice once."""
        if (key := (code, place, str(told))) in self.told:
            return
        if len(self.found) >= FAULTS_MAX:
            raise _Spent
        self.told.add(key)
        words, message = (
            one.format(code=code, told=str(told)[:200]) for one in WORDS.get(code, RULE)
        )
        url = self.profile.url[:URL_MAX]
        self.found.append(
            Violation(
                str(self.resource.get("resourceType", "?")),
                str(self.resource.get("id", "?")),
                place,
                code,
                f"{place} {words}（规范 {url}）",
                f"{place} {message} (profile {url})",
            )
        )

    def spend(self, steps: int) -> None:
        self.steps += steps
        self.budget.left -= steps
        if self.steps > STEPS_MAX or self.budget.left < 0:
            self.fault("profile-costly", self.profile.type)
            raise _Spent


def violations(
    resource: Json,
    profile: Profile,
    member: Member = lambda _value, _canonical: None,
    now: datetime | None = None,
    budget: Budget | None = None,
) -> list[Violation]:
    """Return every fault of a resource against a profile, at most 100, in order of the resource.

    Args:
        resource: JSON as `fhir.loads` gives it.
        profile: see `compiling.compiled`.
        member: for required bindings and `memberOf()`.
        now: the instant of `now()` in expressions.
        budget: of the call, where this is not its only check.
    """
    walk = _Walk(resource, profile, member, now, resource, resource, budget or Budget())
    kind = profile.type
    try:
        if resource.get("resourceType") != kind:
            walk.fault("profile-type", str(resource.get("resourceType", "?")), kind)
        else:
            _item(walk, profile.root, _Item(kind, kind, kind, resource, None))
    except _Spent:
        pass  # what was found until then is told
    return walk.found


def _items(rule: Rule, holder: Json, place: str) -> list[_Item]:
    """Return the values of an element; one that has extensions only is one as well."""
    found = []
    for name, kind in rule.kinds.items():
        value, extra = holder.get(name), holder.get(f"_{name}")
        if value is None and extra is None:
            continue
        if isinstance(value, list) or isinstance(extra, list):
            pairs = zip_longest(*(one if isinstance(one, list) else [] for one in (value, extra)))
            found += [
                _Item(f"{place}.{name}[{index}]", name, kind, *pair)
                for index, pair in enumerate(pairs)
                if pair != (None, None)
            ]
        else:
            found.append(_Item(f"{place}.{name}", name, kind, value, extra))
    return found


def _element(walk: _Walk, rule: Rule, items: Sequence[_Item], place: str, sliced: str = "") -> None:
    """Check all items of an element or of a slice."""
    told = f" ({rule.name}:{sliced})" if sliced else ""
    if len(items) < rule.least:
        walk.fault("profile-min", place, f"{rule.least}{told}")
    if rule.most is not None and len(items) > rule.most:
        walk.fault("profile-max", place, f"{rule.most}{told}")
    fit = [item for item in items if _item(walk, rule, item)]
    if rule.slices:
        _slices(walk, rule, fit, place)


def _slices(walk: _Walk, rule: Rule, items: Sequence[_Item], place: str) -> None:
    """Give each item to the first slice whose tests it passes, and check the slices."""
    parts: dict[str, list[_Item]] = {one.name: [] for one in rule.slices}
    for item in items:
        walk.spend(len(rule.slices))
        mine = (
            one.name
            for one in rule.slices
            if all(passes(test, item.value, item.kind) for test in one.tests)
        )
        name = next(mine, None)
        if name is not None:
            parts[name].append(item)
        elif rule.closed:
            walk.fault("profile-slice", item.place, " ".join(parts))
    for one in rule.slices:
        _element(walk, one.rule, parts[one.name], place, one.name)


def _item(walk: _Walk, rule: Rule, item: _Item) -> bool:
    """Check one item; False: its type is wrong, so there is nothing to say of what it holds."""
    walk.spend(1)
    value, kind = item.value, item.kind
    if not isinstance(value, dict) or "resourceType" not in value:
        return _one(walk, rule, item, kind)
    within = walk.own, walk.root
    walk.own = value
    walk.root = walk.root if rule.name == CONTAINED else value
    is_fit = _one(walk, rule, item, str(value["resourceType"]))
    walk.own, walk.root = within
    return is_fit


def _one(walk: _Walk, rule: Rule, item: _Item, kind: str) -> bool:
    value = item.value
    if rule.types is not None and kind not in rule.types:
        walk.fault("profile-type", item.place, " ".join(sorted(rule.types)))
        return False
    for one in rule.expected:
        if not meets(value, one):
            walk.fault("profile-fixed" if one.whole else "profile-pattern", item.place, one.value)
    if rule.targets is not None and isinstance(value, dict):
        target = _target(value, walk.root)
        if target and target not in rule.targets:
            told = " ".join(sorted(rule.targets))
            walk.fault("profile-target", f"{item.place}.reference", told)
    coded = rule.value_set and kind in CODED and isinstance(value, str | dict)
    if coded and walk.member(value, rule.value_set) is False:
        walk.fault("profile-binding", item.place, rule.value_set)
    for held in rule.held:
        _try(walk, held, item, kind)
    holder = value if isinstance(value, dict) else item.extra
    if rule.inner:
        _inner(walk, rule.inner, holder if isinstance(holder, dict) else {}, item.place)
    return True


def _inner(walk: _Walk, rules: Sequence[Rule], holder: Json, place: str) -> None:
    """Check the elements below in the order they have there, then those that are not there."""
    order: Mapping[str, int] = {name.lstrip("_"): at for at, name in enumerate(holder)}
    missing = len(order)
    ordered = sorted(rules, key=lambda rule: min(order.get(name, missing) for name in rule.kinds))
    for rule in ordered:
        _element(walk, rule, _items(rule, holder, place), f"{place}.{rule.name}")


def _try(walk: _Walk, held: Held, item: _Item, kind: str) -> None:
    walk.spend(EXPRESSION)
    focus = Node(item.value, item.name, "" if "." in kind else kind, _dict(item.extra))
    hooks = Hooks(member=walk.member, spent=walk.spend)
    try:
        answer = held.path.evaluate(
            focus, now=walk.now, resource=walk.own, root=walk.root, hooks=hooks
        )
    except PathError as error:
        walk.fault(held.key, item.place, f"cannot be tried: {error}")
        walk.spend(FAILED)
        return
    if answer == [False]:  # empty: it does not apply
        walk.fault(held.key, item.place, held.words)


def _dict(value: Any) -> Json | None:
    return value if isinstance(value, dict) else None


def _target(value: Json, resource: Json) -> str:
    """Return the type a reference leads to, empty where that cannot be told."""
    target = value.get("reference")
    if not isinstance(target, str):
        return str(value.get("type", "")).rpartition("/")[2]
    if target.startswith("#"):
        inside = resource.get("contained", ())
        return next(
            (
                str(one.get("resourceType", ""))
                for one in (inside if isinstance(inside, list) else ())
                if isinstance(one, dict) and one.get("id") == target[1:]
            ),
            "",
        )
    found = REFERENCE.fullmatch(target) or CONDITIONAL.fullmatch(target)
    return found["type"] if found is not None else ""
