"""Queries for the comparison of searches, made by Hypothesis from what there is to find.

A value of a resource is taken and changed a little: a date made wider or moved to the edge of its
span, a digit more or less of a number, another unit, the first letters of a word. So about half of
the queries find something, and most of the others nearly do.

`moment`, `number`, `amount` write values of a query as its text would be read (R4 §3.1.1.4.5-.7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import strategies as st

from citycare.kernel.fhir import dates
from citycare.kernel.fhir.r4 import compartments, parameters
from citycare.kernel.fhir.searching.model import (
    Amount,
    Chain,
    Criterion,
    Having,
    Include,
    Link,
    Missing,
    Moment,
    Near,
    Number,
    ParamType,
    Parts,
    Prefix,
    Query,
    Sort,
    Text,
    Token,
    Uri,
    Value,
)
from citycare.kernel.fhir.searching.reading import within_compartments
from citycare.kit import clock
from tests.kernel.fhir.searching import comparing, wording
from tests.kernel.fhir.searching.oracle import Key, Oracle, definition, reference_params
from tests.kernel.fhir.searching.typed import kind_of

Json = dict[str, Any]

TENTH = Decimal("0.1")
COMMON = ("_id", "_lastUpdated", "_profile", "_source", "_tag")
SETS = ("urn:x:set:lab", "urn:x:set:none")
"""Value sets that `member` knows."""
DEPTH_MAX = 2
"""Chains in chains."""


def member(system: str | None, code: str, value_set: str) -> bool:
    """Know two value sets, one empty; and that a code is below those of its system it begins with.

    The other set has every code of LOINC, of SNOMED CT and of FHIR itself.
    """
    if value_set.startswith("below:"):
        wanted, _, top = value_set.removeprefix("below:").rpartition("|")
        return wanted in ("", system) and code.startswith(top)
    if value_set.startswith("above:"):
        wanted, _, leaf = value_set.removeprefix("above:").rpartition("|")
        return wanted in ("", system) and leaf.startswith(code)
    known = ("http://loinc.org", "http://snomed.info/sct", "http://hl7.org/fhir/")
    return value_set == SETS[0] and (system or "").startswith(known)


# Values as a text of a query would be read


def moment(text: str, prefix: Prefix = Prefix.EQ) -> Moment:
    """Return the span of a date; of `ap` the text is taken to be widened already."""
    return Moment(prefix, *dates.span_of_query(text))


def number(text: str, prefix: Prefix = Prefix.EQ) -> Number:
    """Return a number with the span of its precision; of `ap` with a tenth on either side.

    Source: R4 §3.1.1.4.5 ("the recommended value for the approximation is 10%").
    """
    value = Decimal(text)
    step = comparing.half_step(value)
    if prefix is Prefix.AP:
        step = max(step, abs(value) * TENTH)
    return Number(prefix, value, value - step, value + step)


def amount(text: str, prefix: Prefix = Prefix.EQ) -> Amount:
    """Return `5.4|http://unitsofmeasure.org|mg`, `5.4||mg` or `5.4`."""
    parts = [*text.split("|"), "", ""]
    return Amount(number(parts[0], prefix), parts[1] or None, parts[2] or None)


# Values near those of a resource


OUTSIDE = {Prefix.GT: -1, Prefix.SA: -1, Prefix.LT: 1, Prefix.EB: 1}
"""Prefixes that are not met by what is equal, and in which direction to ask instead."""


def _date(dice: Random, value: Any) -> Value | None:
    span = comparing.span_of(value)
    if span is None:
        return None
    low, high = span
    edge = dice.choice([one for one in span if one not in (dates.EARLIEST, dates.LATEST)])
    day = clock.bounds(clock.day_of(edge))
    moved = timedelta(days=dice.choice([-1, 1]))
    spans = [
        *([span] * 3), day, (day[0] + moved, day[1] + moved), (edge, edge + timedelta(seconds=1)),
        (edge - timedelta(milliseconds=1), edge), dates.span_of_query(str(clock.day_of(edge).year)),
    ]  # fmt: skip
    if dates.EARLIEST in span or dates.LATEST in span:
        spans = spans[3:]
    prefix = dice.choice(list(Prefix))
    if prefix in OUTSIDE and dice.choice([False, True]):
        shift = timedelta(days=400) * OUTSIDE[prefix]
        spans = [(each[0] + shift, each[1] + shift) for each in spans]
    low, high = dice.choice(spans)
    if prefix is Prefix.AP:
        low, high = low - abs(moved), high + abs(moved)
    return Moment(prefix, low, high)


def _number(dice: Random, value: Any) -> Number | None:
    if isinstance(value, dict):
        value = (value.get("low") or value.get("high") or value).get("value")
    if value is None:
        return None
    mine = Decimal(value)
    exponent = mine.as_tuple().exponent
    assert isinstance(exponent, int)
    last = Decimal((0, (1,), exponent))
    near = [
        mine, mine, mine, mine.normalize(), mine + last, mine - last,
        mine.quantize(last * TENTH), mine + last / 2, mine.quantize(last * 10),
    ]  # fmt: skip
    prefix = dice.choice(list(Prefix))
    if prefix in OUTSIDE and dice.choice([False, True]):
        near = [each + OUTSIDE[prefix] * last * 2 for each in near]
    return number(str(dice.choice(near)), prefix)


def _quantity(dice: Random, value: Any) -> Value | None:
    kind = kind_of(value)
    if kind == "SampledData":
        value = value["origin"]
    asked = _number(dice, value)
    if asked is None:
        return None
    unit = value.get("low", value.get("high", value))
    if kind == "Money":
        unit = {"system": comparing.CURRENCIES, "code": value.get("currency")}
    units = [
        (None, None), (None, None), (None, unit.get("code")), (None, unit.get("unit")),
        *[(unit.get("system"), unit.get("code"))] * 3, (None, "g"),
    ]  # fmt: skip
    other = {"mg": ("g", -3), "g": ("mg", 3), "mg/dL": ("g/L", -2), "min": ("s", 0)}
    if unit.get("code") in other and dice.choice([False, True]):
        code, shift = other[unit["code"]]
        low, high = (each.scaleb(shift) for each in (asked.low, asked.high))
        asked = Number(asked.prefix, asked.value.scaleb(shift), low, high)
        return Amount(asked, unit["system"], code)
    return Amount(asked, *dice.choice(units))


def _string(dice: Random, value: Any, modifier: str) -> Value | None:
    texts = wording.texts_of(value) if modifier == "exact" else wording.written_ways(value)
    if not texts:
        return None
    return Text(_words(dice, sorted(texts), modifier))


def _words(dice: Random, texts: Sequence[str], modifier: str = "") -> str:
    text = dice.choice(texts)
    if modifier == "exact":
        return dice.choice([text, text, text.upper(), text[:-1] or text])
    cut = dice.randint(1, len(text))
    start = dice.randint(0, len(text) - 1)
    forms = [text, text[:cut], text.upper(), text + "x", text.replace("é", "e")]
    if modifier == "contains":
        forms += [text[start:]] * 3
    return next(form for form in (dice.choice(forms), text) if form.strip(" .,·"))


def _token(  # noqa: PLR0911 - one way for each modifier
    dice: Random, value: Any, modifier: str
) -> Value | None:
    if modifier in ("in", "not-in"):
        return Uri(dice.choice([SETS[0], SETS[0], SETS[1]]))
    if modifier == "text":
        texts = [text for text in _displays(value) if text]
        return Text(_words(dice, texts)) if texts else None
    if modifier == "of-type":
        codings = value.get("type", {}).get("coding") if kind_of(value) == "Identifier" else None
        if not codings:
            return None
        kind = Token(codings[0].get("system"), codings[0].get("code"))
        return Parts((kind, Token(None, dice.choice([value.get("value", "0"), "0"]))))
    codes = wording.codes_of(value)
    if not codes:
        return None
    one = dice.choice(codes)
    system = min(one.systems, default="")
    if modifier in ("above", "below"):
        return Token(
            system or None, (one.code or "0")[:3] if modifier == "below" else f"{one.code}1"
        )
    forms = [Token(None, one.code or "0"), Token(system, one.code or "0"), Token(None, "0")]
    forms += [Token(system, None)] if system else [Token("", one.code or "0")]
    return dice.choice([*forms[:2], *forms])


def _displays(value: Any) -> list[Any]:
    if not isinstance(value, dict):
        return []
    codings = value.get("coding", [value])
    return [
        value.get("text"),
        value.get("type", {}).get("text"),
        *(c.get("display") for c in codings),
    ]


def _reference(dice: Random, value: Any, modifier: str) -> Value | None:
    if modifier == "identifier":
        identifier = value.get("identifier") if isinstance(value, dict) else None
        return None if identifier is None else _token(dice, identifier, "")
    target = wording.target_of(value, "")
    if target.address:
        return Link("", address=target.address)
    if not target.id:
        return None
    types = dice.choice([(target.type,), (target.type,), (), ("Patient", "Location")])
    return Link(dice.choice([target.id, target.id, "p0"]), types)


def _uri(dice: Random, value: Any, modifier: str) -> Value | None:
    text = str(value)
    above, _, _ = text.rpartition("/")
    forms = {"below": [text, above or text], "above": [text, f"{text}/more"]}
    return Uri(dice.choice(forms.get(modifier, [text, text.partition("|")[0], text + "x"])))


def _near(dice: Random, value: Any) -> Value | None:
    shift = dice.choice([0.0, 0.004, 0.03, -0.03])
    metres = dice.choice([100.0, 1_000.0, 5_000.0, 3e7])
    return Near(float(value["latitude"]) + shift, float(value["longitude"]), metres)


MODIFIERS: Mapping[ParamType, tuple[str, ...]] = {
    ParamType.STRING: ("", "", "", "exact", "contains"),
    ParamType.URI: ("", "", "below", "above"),
    ParamType.REFERENCE: ("",),
    ParamType.TOKEN: ("", "", "", "not", "text", "in", "not-in", "above", "below"),
}
TYPED: Mapping[ParamType, tuple[str, ...]] = {
    ParamType.TOKEN: ("of-type",) * 5,
    ParamType.REFERENCE: ("identifier",),
}
"""Modifiers for Identifiers that have a type, and for References, which have one beside these."""
WITH_MODIFIER: Mapping[ParamType, Callable[[Random, Any, str], Value | None]] = {
    ParamType.STRING: _string, ParamType.URI: _uri, ParamType.REFERENCE: _reference,
    ParamType.TOKEN: _token,
}  # fmt: skip
PLAIN: Mapping[ParamType, Callable[[Random, Any], Value | None]] = {
    ParamType.DATE: _date, ParamType.NUMBER: _number, ParamType.QUANTITY: _quantity,
    ParamType.SPECIAL: _near,
}  # fmt: skip


def _value(dice: Random, kind: ParamType, modifier: str, value: Any) -> Value | None:
    """Return something to ask for near a value; None: this value has nothing to ask for."""
    if kind in PLAIN:
        return PLAIN[kind](dice, value)
    return WITH_MODIFIER[kind](dice, value, modifier)


def _parts(dice: Random, oracle: Oracle, key: Key, param: str, element: Any) -> Value | None:
    parts = []
    for code, expression in definition(key[0], param)["p"]:
        found = oracle._evaluated(expression, element, key)
        kind = ParamType(definition(key[0], code)["t"])
        part = _value(dice, kind, "", dice.choice(found)) if found else None
        if part is None:
            return None
        parts.append(part)
    return Parts(tuple(parts))


# Criteria and queries


WAYS = (*["plain"] * 7, "missing", "chain", "having")


def _criterion(dice: Random, oracle: Oracle, key: Key, depth: int = 0) -> Criterion | Having:
    """Return a criterion near what a resource has."""
    way = dice.choice(WAYS)
    found: Criterion | Having | None = None
    if way == "missing":
        kinds = _by_kind(key[0], parameters()[key[0]])
        kind = dice.choice(sorted(kinds.keys() - {ParamType.COMPOSITE}))
        code = dice.choice(kinds[kind])
        return Criterion(code, kind, "missing", (Missing(dice.choice([False, True])),))
    if way == "having" and depth < DEPTH_MAX:
        found = _having(dice, oracle, key, depth)
    elif way == "chain" and depth < DEPTH_MAX:
        found = _chain(dice, oracle, key, depth)
    return found or _plain(dice, oracle, key)


WEIGHTS = {ParamType.QUANTITY: 8, ParamType.COMPOSITE: 5, ParamType.NUMBER: 3}
"""How much more often than others a type of parameter is tried, where a resource has it."""
TRIES = 5


def _plain(dice: Random, oracle: Oracle, key: Key) -> Criterion:
    """Return a criterion on the resource itself, on one of the types of parameters it has."""
    codes = (*parameters()[key[0]], *COMMON)
    there = _by_kind(key[0], (code for code in codes if oracle.values(key, code)))
    kinds = [kind for kind in sorted(there) for _ in range(WEIGHTS.get(kind, 1))]
    if "identifier" in there.get(ParamType.TOKEN, ()):
        there[ParamType.TOKEN] += ["identifier"] * 3
    for _ in range(TRIES):
        kind = dice.choice(kinds)
        found = _near_values(dice, oracle, key, dice.choice(there[kind]), kind)
        if found is not None:
            return found
    return Criterion("_id", ParamType.TOKEN, "", (Token(None, key[1]),))


def _common(dice: Random, oracle: Oracle, key: Key) -> Criterion:
    """Return a criterion that can be asked of every type."""
    code = dice.choice([one for one in COMMON if oracle.values(key, one)])
    kind = ParamType(definition(key[0], code)["t"])
    found = _near_values(dice, oracle, key, code, kind)
    return found or Criterion("_id", ParamType.TOKEN, "", (Token(None, key[1]),))


def _near_values(
    dice: Random, oracle: Oracle, key: Key, code: str, kind: ParamType
) -> Criterion | None:
    values = oracle.values(key, code)
    modifiers = MODIFIERS.get(kind, ("",))
    with_type = [value for value in values if isinstance(value, dict) and "type" in value]
    if with_type:
        modifiers += TYPED.get(kind, ())
    modifier = dice.choice(modifiers)
    if modifier in ("of-type", "identifier"):
        values = with_type
    asked = []
    for value in dice.sample(values, min(len(values), dice.choice([1, 1, 2, 3]))):
        if kind is ParamType.COMPOSITE:
            asked.append(_parts(dice, oracle, key, code, value))
        else:
            asked.append(_value(dice, kind, modifier, value))
    found = tuple(one for one in asked if one is not None)
    return Criterion(code, kind, modifier, found) if found else None


def _by_kind(resource_type: str, codes: Iterable[str]) -> dict[ParamType, list[str]]:
    found: dict[ParamType, list[str]] = {}
    for code in codes:
        found.setdefault(ParamType(definition(resource_type, code)["t"]), []).append(code)
    return found


def _chain(dice: Random, oracle: Oracle, key: Key, depth: int) -> Criterion | None:
    links = [
        (param, target)
        for param in reference_params(key[0])
        for target in sorted(oracle._targets(key, param) & set(oracle.resources))
    ]
    if not links:
        return None
    param, target = dice.choice(links)
    chain = Chain(((target[0], _criterion(dice, oracle, target, depth + 1)),))
    return Criterion(param, ParamType.REFERENCE, chain=chain)


def _having(dice: Random, oracle: Oracle, key: Key, depth: int) -> Having | None:
    links = [
        (other, param)
        for other in oracle.resources
        for param in reference_params(other[0])
        if key in oracle._targets(other, param)
    ]
    if not links:
        return None
    other, param = dice.choice(links)
    return Having(other[0], param, _criterion(dice, oracle, other, depth + 1))


def _within(dice: Random, oracle: Oracle) -> Criterion:
    """Return a criterion on compartments of the town, one or two."""
    owners = sorted(key for key in oracle.resources if key[0] in compartments())
    some = dice.sample(owners, dice.choice([1, 2]))
    return within_compartments(*(Link(id_, (kind,)) for kind, id_ in some))


def _sorts(dice: Random, resource_type: str) -> tuple[Sort, ...]:
    codes = {
        code: ParamType(one["t"])
        for code, one in parameters()[resource_type].items()
        if ParamType(one["t"]) not in (ParamType.COMPOSITE, ParamType.SPECIAL)
    } | {"_lastUpdated": ParamType.DATE}
    chosen = dice.sample(sorted(codes), dice.choice([0, 1, 2]))
    return tuple(Sort(code, codes[code], dice.choice([False, True])) for code in chosen)


def _includes(dice: Random, oracle: Oracle, searched: str) -> tuple[Include, ...]:
    """Return includes along links there are, those of the type searched first."""
    links = sorted(
        {
            (source[0], param, target[0])
            for source in oracle.resources
            for param in reference_params(source[0])
            for target in oracle._targets(source, param) & set(oracle.resources)
        },
        key=lambda link: (searched not in (link[0], link[2]), link),
    )
    made = []
    for number in range(dice.choice([0, 1, 2, 3]) if links else 0):
        near = [one for one in links if searched in (one[0], one[2])] or links
        source, param, target = dice.choice(links if number else near)
        param = dice.choice([param, param, "*"])
        target = dice.choice(["", "", target, "Organization"])
        made.append(
            Include(source, param, target, dice.choice([False, True]), dice.choice([False, True]))
        )
    return tuple(made)


@st.composite
def queries(draw: st.DrawFn, resources: Sequence[Json]) -> Query:
    """Return a strategy for a search among these resources: mostly one type, 1 to 3 criteria.

    Hypothesis decides how much is asked; what is asked comes from dice thrown by a drawn number and
    the resources, since Hypothesis alone asks for the first parameters again and again. So a
    failure shrinks by its resources, with another query each time. What the queries use of value
    sets and hierarchies, `member` knows.
    """
    oracle = Oracle(resources, member=member)
    count = draw(st.sampled_from([1, 1, 1, 2, 3]))
    dice = Random(f"{draw(st.integers(0, 2**64 - 1))} {resources!r}")
    kinds = sorted({kind for kind, _ in oracle.resources})
    searched = dice.choice([*kinds, *["Observation"] * 4, "Patient"])
    key = dice.choice(sorted(key for key in oracle.resources if key[0] == searched))
    if dice.choice([False] * 9 + [True]):
        types = tuple(dice.sample(kinds, dice.choice([0, 2, 3])))  # none: all
        criteria = [_common(dice, oracle, key) for _ in range(count)]
        return Query(types, tuple(criteria), includes=_includes(dice, oracle, searched))
    asked = [_criterion(dice, oracle, key) for _ in range(count)]
    if dice.choice([False] * 9 + [True]):
        asked[0] = _within(dice, oracle)
    return Query(
        (searched,),
        tuple(asked),
        sort=_sorts(dice, searched) if draw(st.booleans()) else (),
        includes=_includes(dice, oracle, searched) if draw(st.booleans()) else (),
    )
