"""An invariant is spared only where FHIRPath says that it holds."""

from __future__ import annotations

import random
from typing import Any

import pytest

from citycare.kernel.fhir.definitions import structures
from citycare.kernel.fhir.path import compiled
from citycare.kernel.fhir.r4.shapes import ANY_RESOURCE, Field, shape
from citycare.kernel.fhir.r4.sparing import sparing

Json = dict[str, Any]

DATES = (
    "2026", "2026-11", "2026-11-29", "2026-11-28", "2026-11-29T08:00:00+08:00",
    "2026-11-29T08:00:01+08:00", "2026-11-29T07:59:59.5+08:00", "2026-11-29T08:00:00+09:00",
    "2026-11-29T00:00:00Z", "2026-11-29T00:00:01Z", "2026-11-29T00:00:00.1234Z",
)  # fmt: skip
VALUES: dict[str, tuple[Any, ...]] = {
    "boolean": (True, False),
    "decimal": (0, 7),
    "integer": (-1, 0, 3),
    "positiveInt": (1, 2),
    "unsignedInt": (0, 2),
    "time": ("08:00:00", "09:00:00"),
    **dict.fromkeys(("date", "dateTime", "instant"), DATES),
}
TEXTS = ("a", "b", "entered-in-error", "http://x.example/a", "#a", "1")
BESIDE = {"extension": [{"url": "urn:x:why", "valueCode": "unknown"}]}


def made(dice: random.Random, kind: str, depth: int = 0) -> Json:
    """Make an object with about half of the elements its type has, each in the form R4 gives it."""
    found: Json = {}
    for name, known in shape(kind).fields.items():
        if name in {"contained", "extension", "modifierExtension"} or dice.random() < 0.6:
            continue
        if known.check is not None and dice.random() < 0.1:
            found[f"_{name}"] = [BESIDE] if known.many else BESIDE
        elif (value := _value(dice, known, depth)) is not None:
            found[name] = [value] if known.many else value
    return found


def _value(dice: random.Random, known: Field, depth: int) -> Any:
    if known.check is not None:
        return dice.choice(VALUES.get(known.type, TEXTS))
    if known.type == ANY_RESOURCE or depth == 2:
        return None
    return made(dice, known.type, depth + 1) or None


def test_what_is_spared_holds_in_fhirpath() -> None:
    dice = random.Random(20261129)
    spared: dict[str, int] = {}
    tried = 0
    for kind in sorted(structures()):
        if structures()[kind]["kind"] == "primitive":
            continue
        for _ in range(150 if shape(kind).held else 0):
            value = made(dice, kind)
            for one in shape(kind).held:
                tried += 1
                if value and one.spares(value):
                    spared[one.key] = spared.get(one.key, 0) + 1
                    told = one.path.evaluate(value, resource=value, root=value)
                    assert told != [False], (one.key, one.path.text, value)
    assert tried > 10_000
    assert {"per-1", "obs-6", "obs-7", "qty-3", "att-1"} <= spared.keys()


@pytest.mark.parametrize(
    ("start", "end", "spared"),
    [
        ("2026-11-28", "2026-11-29", True),
        ("2026-11-29T08:00:00+08:00", "2026-11-29T08:00:00+08:00", True),
        ("2026-11-29T08:00:00Z", "2026-11-29T08:30:15Z", True),
        ("2026-11-29", "2026-11-28", False),
        ("2026", "2026-11", False),
        ("2026-11-29T08:00:00+08:00", "2026-11-29T08:00:00+09:00", False),
        ("2026-11-29T08:00:00.123Z", "2026-11-29T08:00:00Z", False),
    ],
)
def test_a_period_is_spared_where_its_ends_are_plainly_in_order(
    start: str, end: str, spared: object
) -> None:
    (rule,) = (one for one in shape("Period").held if one.key == "per-1")
    assert rule.spares({"start": start, "end": end}) is spared


@pytest.mark.parametrize(
    ("text", "value", "spared"),
    [
        ("a.empty() or b.exists()", {"a": 1}, False),
        ("a.empty() or b.exists()", {"a": 1, "b": 1}, True),
        ("a.empty() or b.exists()", {"_a": {"id": "1"}}, False),
        ("a.empty() or b.exists()", {"aQuantity": {"value": 1}}, False),
        ("a.empty() or b.exists()", {}, True),
        ("a.b.where(c = 1).empty()", {"b": 1}, True),
        ("a.single().empty() or b.exists()", {"b": 1}, False),
        ("a.where(b + 1 > c).empty() or d.exists()", {"a": {"b": "x"}, "d": 1}, False),
        ("a.exists() and b.exists()", {"a": 1, "b": 1}, False),
        ("a.exists().not().empty()", {}, False),
        ("a.empty().not()", {"a": 1}, False),
        ("Patient.empty() or a.exists()", {}, False),
    ],
)
def test_nothing_is_said_of_what_is_not_plain(text: str, value: Json, spared: object) -> None:
    assert sparing(compiled(text).ast)(value) is spared
