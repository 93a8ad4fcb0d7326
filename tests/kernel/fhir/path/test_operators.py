from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from citycare.kernel.fhir.path import PathError

TRUTHS = ("true", "false", "{}")
TABLES = {  # N1 §6.5: rows are the left side, columns the right one, in the order of TRUTHS
    "and": (("True", "False", ""), ("False", "False", "False"), ("", "False", "")),
    "or": (("True", "True", "True"), ("True", "False", ""), ("True", "", "")),
    "xor": (("False", "True", ""), ("True", "False", ""), ("", "", "")),
    "implies": (("True", "False", ""), ("True", "True", "True"), ("True", "", "")),
}
MATHS = [
    ("1 + 2 * 3", ["7"]),
    ("(1 + 2) * 3", ["9"]),
    ("1.50 + 1", ["2.50"]),
    ("0.1 + 0.2", ["0.3"]),
    ("'a' + 'b'", ["ab"]),
    ("'a' + {}", []),
    ("'a' & {} & 'c'", ["ac"]),
    ("{} & {}", [""]),
    ("7 - 9", ["-2"]),
    ("-(3)", ["-3"]),
    ("- 3 + 5", ["2"]),
    ("+2.5", ["2.5"]),
    ("1.2 * 1.8", ["2.16"]),
    ("1 / 2", ["0.5"]),
    ("1 / 3", ["0.3333333333333333333333333333"]),
    ("1 / 0", []),
    ("7 div 2", ["3"]),
    ("-7 div 2", ["-3"]),
    ("2.2 div 1.8", ["1"]),
    ("5 div 0", []),
    ("7 mod 3", ["1"]),
    ("-7 mod 3", ["-1"]),
    ("2.2 mod 1.8", ["0.4"]),
    ("5 mod 0", []),
    ("2147483647 + 1", []),
    ("-2147483647 - 1", ["-2147483648"]),
    ("2147483647 * 2", []),
    ("1 + {}", []),
]
COMPARED = [
    ("1 < 2", True),
    ("1.0 <= 1", True),
    ("2 > 10", False),
    ("'b' > 'a'", True),
    ("'10' < '9'", True),
    ("1 = 1.00", True),
    ("1 = '1'", False),
    ("true = 1", False),
    ("'a' = 'A'", False),
    ("'a' != 'b'", True),
    ("(1 | 2) = (1 | 2)", True),
    ("(1 | 2) = (2 | 1)", False),
    ("(1 | 2) ~ (2 | 1)", True),
    ("(1 | 2) = (1 | 2 | 3)", False),
    ("'Ab  C' ~ 'aB c'", True),
    ("'a' !~ 'b'", True),
    ("0.67 ~ 1.2 / 1.8", True),
    ("0.66 ~ 1.2 / 1.8", False),
    ("1 ~ '1'", False),
    ("{} ~ {}", True),
    ("{} !~ {}", False),
    ("1 ~ {}", False),
    ("2 in (1 | 2)", True),
    ("2 in {}", False),
    ("(1 | 2) contains 3", False),
]
EMPTY = ["{} = {}", "1 = {}", "{} != 1", "1 < {}", "{} in (1 | 2)", "(1 | 2) contains {}"]
PRECEDENCE = [
    ("1 > 2 is Boolean", ["True"]),
    ("1 | 1 is Integer", ["True"]),
    ("true or true and false", ["True"]),
    ("true xor true and false", ["True"]),
    ("false implies false implies false", ["False"]),
    ("1 = 2 = false", ["True"]),
    ("2 in (1 | 2) and true", ["True"]),
    ("1 + 2 & 'x' = '3x'", None),
    ("'a' & 'b' = 'ab'", ["True"]),
    ("-1.abs()", ["-1"]),
    ("(1 | 2 | 3)[1] * 2", ["4"]),
]
WRONG = [
    "1 + 'a'",
    "'a' - 'b'",
    "true * 2",
    "1 < 'a'",
    "true < false",
    "@2012 < @T10",
    "(1 | 2) + 1",
    "(1 | 2) < 3",
    "(1 | 2) and true",
    "(1 | 2) in (1 | 2)",
    "-'a'",
    "-1.convertsToInteger()",
    "1 & 2",
    "@2012-01-01 + 7",
]

Shown = Callable[..., list[str]]


@pytest.mark.parametrize("operator", TABLES)
def test_logic_has_three_values(shown: Shown, operator: str) -> None:
    for left, row in zip(TRUTHS, TABLES[operator], strict=True):
        for right, expected in zip(TRUTHS, row, strict=True):
            found = "".join(shown(f"{left} {operator} {right}"))
            assert found == expected, f"{left} {operator} {right}"


def test_one_item_that_is_no_truth_counts_as_true(shown: Shown) -> None:
    assert shown("'a' and true") == ["True"]
    assert shown("7.not()") == ["False"]


def test_what_cannot_change_the_answer_is_not_evaluated(evaluate: Callable[..., list[Any]]) -> None:
    asked: list[str] = []

    def told() -> list[Any]:
        asked.append("x")
        return [True]

    assert evaluate("false and %x", x=told) == [False]
    assert evaluate("true or %x", x=told) == [True]
    assert evaluate("false implies %x", x=told) == [True]
    assert asked == []
    assert evaluate("true and %x", x=told) == [True]
    assert asked == ["x"]


@pytest.mark.parametrize(("expression", "expected"), MATHS)
def test_arithmetic(shown: Shown, expression: str, expected: list[str]) -> None:
    assert shown(expression) == expected


@pytest.mark.parametrize(("expression", "expected"), COMPARED)
def test_comparison(evaluate: Callable[..., list[Any]], *, expression: str, expected: bool) -> None:
    assert evaluate(expression) == [expected]


@pytest.mark.parametrize("expression", EMPTY)
def test_nothing_compares_to_nothing(shown: Shown, expression: str) -> None:
    assert shown(expression) == []


@pytest.mark.parametrize(("expression", "expected"), PRECEDENCE)
def test_precedence(shown: Shown, expression: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(PathError):  # & binds as + does, so 3 & 'x' is tried first
            shown(expression)
    else:
        assert shown(expression) == expected


@pytest.mark.parametrize("expression", WRONG)
def test_operands_of_the_wrong_kind_are_refused(shown: Shown, expression: str) -> None:
    with pytest.raises(PathError):
        shown(expression)
