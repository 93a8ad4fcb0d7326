"""Comparisons of spans as SQL: of the main date, of measures, of the last update.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.5 prefixes: what each says of the span asked for and that found.
"""

from __future__ import annotations

from math import cos, degrees, radians

from citycare.kernel.fhir.finding.sql import Values, all_of, any_of
from citycare.kernel.fhir.searching import measures
from citycare.kernel.fhir.searching.measures import Span
from citycare.kernel.fhir.searching.model import Amount, Moment, Near, Number, Prefix

EARTH_M = 6_371_008.8  # mean radius (IUGG)
MARGIN = 1e-9  # degrees: a tenth of a millimetre, for what floats round
POLE = 89.9  # nearer to it than that every longitude is near
HALF_TURN = 180.0

DATES = {
    Prefix.EQ: "{low} >= {a} AND {high} <= {z}",
    Prefix.NE: "NOT ({low} >= {a} AND {high} <= {z})",
    Prefix.GT: "{high} > {z}",
    Prefix.LT: "{low} < {a}",
    Prefix.GE: "{high} > {a}",
    Prefix.LE: "{low} < {z}",
    Prefix.SA: "{low} >= {z}",
    Prefix.EB: "{high} <= {a}",
    Prefix.AP: "{low} < {z} AND {high} > {a}",
}
NUMBERS = {  # edges and implied precision: never too few, and rechecked
    Prefix.EQ: "{low} >= {a} AND {high} <= {z}",
    Prefix.NE: "TRUE",
    Prefix.GT: "{high} >= {m}",
    Prefix.LT: "{low} <= {m}",
    Prefix.GE: "{high} >= {m}",
    Prefix.LE: "{low} <= {m}",
    Prefix.SA: "{high} >= {m}",
    Prefix.EB: "{low} <= {m}",
    Prefix.AP: "{low} <= {z} AND {high} >= {a}",
}


def date_meets(values: Values, asked: Moment, low: str, high: str) -> str:
    """Return what holds of two columns, in seconds since 1970, if they meet a date."""
    span = measures.asked_moment(asked)
    a, z = values.number(span.low), values.number(span.high)
    return "(" + DATES[asked.prefix].format(low=low, high=high, a=a, z=z) + ")"


def updated_meets(values: Values, asked: Moment, column: str) -> str:
    """Return what holds of a timestamp that stands for the millisecond it begins."""
    a, z = values.put(asked.low) + "::timestamptz", values.put(asked.high) + "::timestamptz"
    before = {"a": f"({a} - interval '1 ms')", "z": f"({z} - interval '1 ms')"}
    return "(" + {
        Prefix.EQ: f"{column} >= {a} AND {column} <= {before['z']}",
        Prefix.NE: f"({column} < {a} OR {column} > {before['z']})",
        Prefix.GT: f"{column} > {before['z']}",
        Prefix.LT: f"{column} < {a}",
        Prefix.GE: f"{column} > {before['a']}",
        Prefix.LE: f"{column} < {z}",
        Prefix.SA: f"{column} >= {z}",
        Prefix.EB: f"{column} <= {before['a']}",
        Prefix.AP: f"{column} < {z} AND {column} > {before['a']}",
    }[asked.prefix] + ")"  # fmt: skip


def measured(values: Values, alias: str, ways: list[int], unit: int, condition: str) -> str:
    """Return what holds of a resource that has a measure with this condition on `m`."""
    return (
        f"EXISTS (SELECT FROM fhir.measure m WHERE m.rid = {alias}.rid"
        f" AND m.way = ANY({values.ways(ways)}) AND m.unit = {values.put(unit)} AND {condition})"
    )


def date_measured(values: Values, alias: str, ways: list[int], asked: Moment) -> str:
    """Return what holds of a resource with a date, not its main one, that is met."""
    return measured(values, alias, ways, measures.RAW, date_meets(values, asked, "m.low", "m.high"))


def number_measured(values: Values, alias: str, ways: list[int], asked: Number | Amount) -> str:
    """Return what holds of a resource with a number or quantity that may be met: recheck."""
    if isinstance(asked, Number):
        span, value = measures.asked_number(asked)
        prefix = asked.prefix
    else:
        span, value = measures.asked_amount(asked)
        prefix = asked.number.prefix
    return measured(values, alias, ways, span.unit, _number_meets(values, prefix, span, value))


def _number_meets(values: Values, prefix: Prefix, span: Span, value: float) -> str:
    text = NUMBERS[prefix]
    said = {"low": "m.low", "high": "m.high"}
    for name, number in (("a", span.low), ("z", span.high), ("m", value)):
        if f"{{{name}}}" in text:
            said[name] = values.number(number)
    return "(" + text.format(**said) + ")"


def near(values: Values, alias: str, ways: list[int], asked: Near) -> str:
    """Return what holds of a resource in the square round a circle: recheck."""
    reach = degrees(asked.metres / EARTH_M) + MARGIN
    south, north = asked.latitude - reach, asked.latitude + reach
    between = "m.low BETWEEN {} AND {}"
    lines = [
        measured(
            values, alias, ways, measures.LATITUDE,
            between.format(values.number(south), values.number(north)),
        )
    ]  # fmt: skip
    widest = max(abs(south), abs(north))
    across = reach / cos(radians(widest)) if widest < POLE else HALF_TURN
    if across < HALF_TURN:
        west, east = asked.longitude - across, asked.longitude + across
        turns = (
            0.0,
            *([360.0] if west < -HALF_TURN else []),
            *([-360.0] if east > HALF_TURN else []),
        )
        some = [
            between.format(values.number(west + turn), values.number(east + turn)) for turn in turns
        ]
        lines.append(measured(values, alias, ways, measures.LONGITUDE, any_of(some)))
    return all_of(lines)
