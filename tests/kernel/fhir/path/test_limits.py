from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from citycare.kernel.fhir.path import PathError, PathSyntax, compiled
from citycare.kernel.fhir.path.model import DEPTH_MAX, JSON_DEPTH_MAX, NESTING_MAX, RESULT_MAX
from citycare.kit.errors import Category

Evaluate = Callable[..., list[Any]]

MISWRITTEN = [  # expression, what is said, where
    ("", "not expected here", 0),
    ("1 +", "not expected here", 3),
    ("name.", "not expected here", 5),
    ("(1", "not expected here", 2),
    ("1)", "not expected here", 1),
    ("[1]", "not expected here", 0),
    ("a b", "not expected here", 2),
    ("'abc", "no word of FHIRPath", 0),
    ("a ? b", "no word of FHIRPath", 2),
    ("2 /* open", "no word of FHIRPath", 2),
    ("'\\d+'", "unknown escape \\d", 0),
    ("f(1,)", "not expected here", 4),
    ("a.$this", "not expected here", 2),
    ("% x y", "not expected here", 4),
    ("1 is", "not expected here", 4),
    ("x.and", "not expected here", 2),
    ("@2012-02-30", "no such date or time", 0),
]
ENDLESS = [
    "1.repeat($this + 1)",
    "1.repeatAll($this | 1)",
    "(1|2|3|4|5|6|7|8|9).repeatAll(1 | 2 | 3)",
    "%many.select(%many.select(%many))",
    "%many.where(%many.where(%many.exists($this = 'x')).exists())",
    "%many.aggregate($total.combine($total), 1)",
]


@pytest.mark.parametrize(("expression", "problem", "at"), MISWRITTEN)
def test_what_is_miswritten_is_told_with_its_place(expression: str, problem: str, at: int) -> None:
    with pytest.raises(PathSyntax) as caught:
        compiled(expression)
    assert (caught.value.facts["problem"], caught.value.facts["at"]) == (problem, at)


def test_errors_are_of_the_family() -> None:
    assert (PathSyntax.code, PathError.code) == ("fhir.path_syntax", "fhir.path")
    assert PathSyntax.category is PathError.category is Category.INCORRECT


def test_words_of_operators_may_be_names_of_elements(evaluate: Evaluate) -> None:
    data = {"contains": [{"is": 1, "as": 2}], "in": 3, "div": 4}
    assert evaluate("contains.is + contains.as + in + `div`", data) == [10]


def test_comments_and_spaces_are_passed_over(evaluate: Evaluate) -> None:
    assert evaluate(" 2\n + /* two\n lines */ 2 // and the rest + 9") == [4]


def test_escapes_are_read(evaluate: Evaluate) -> None:
    assert evaluate("'\\'\\\"\\`\\\\\\/\\n\\t\\r\\f\\u4e2d'") == ["'\"`\\/\n\t\r\f中"]
    assert evaluate("`odd \\`name`", {"odd `name": 7}) == [7]


@pytest.mark.parametrize(
    "expression",
    [
        "'" + "x" * 10_000 + "'",
        "(" * (NESTING_MAX + 1) + "1" + ")" * (NESTING_MAX + 1),
        "+".join("1" * (DEPTH_MAX + 1)),
        "a" + ".a" * DEPTH_MAX,
        "-" * (NESTING_MAX + 1) + "1",
        "a" + "[0]" * DEPTH_MAX,
        "f(" * (NESTING_MAX + 1),
    ],
)
def test_what_is_too_long_or_deep_is_refused(expression: str) -> None:
    with pytest.raises(PathSyntax):
        compiled(expression)


def test_what_is_just_short_enough_is_evaluated(evaluate: Evaluate) -> None:
    assert evaluate("+".join("1" * DEPTH_MAX)) == [DEPTH_MAX]
    deep = NESTING_MAX - 1
    assert evaluate("(" * deep + "1" + ")" * deep) == [1]
    assert evaluate("a" + ".a" * (DEPTH_MAX - 1)) == []


@pytest.mark.parametrize("expression", ENDLESS)
def test_what_has_no_end_is_stopped(evaluate: Evaluate, expression: str) -> None:
    with pytest.raises(PathError, match="too many steps"):
        evaluate(expression, many=list(range(2_000)))


def test_work_on_regular_expressions_counts_as_steps(evaluate: Evaluate) -> None:
    """Each of these alone is within its limit; together they would take a minute."""
    texts = ["x" * 10_000 + str(number) for number in range(300)]
    for expression in (
        "%x.all(matches('^x*x*x*[0-9]+$'))",
        "%x.all(matchesFull('x*x*x*[0-9]+'))",
        "%x.select(replaceMatches('x*x*x*[0-9]', '')).count()",
    ):
        assert evaluate(expression, x=texts[:1]) != []
        with pytest.raises(PathError, match="too many steps"):
            evaluate(expression, x=texts)


def test_a_result_has_its_limit(evaluate: Evaluate) -> None:
    assert len(evaluate("%x", x=list(range(RESULT_MAX)))) == RESULT_MAX
    with pytest.raises(PathError, match="result too big"):
        evaluate("%x", x=list(range(RESULT_MAX + 1)))


@pytest.mark.parametrize(
    "expression",
    [
        "%x.aggregate($total & $total, 'abcdefgh')",
        "%long.replace('', %long)",
        "%x.select(%long).join(%long)",
        "%long.replaceMatches('x', 'yyyyyyyyyyyyyyyyyyyy')",
    ],
)
def test_texts_have_their_limit(evaluate: Evaluate, expression: str) -> None:
    with pytest.raises(PathError, match=r"too long|too much"):
        evaluate(expression, x=list(range(50)), long="x" * 90_000)


def test_bottomless_data_is_refused(evaluate: Evaluate) -> None:
    bottom: dict[str, Any] = {"a": 1}
    for _ in range(JSON_DEPTH_MAX + 20):
        bottom = {"a": bottom}
    for expression in ("descendants().count()", "a = a", "a ~ a", "a.distinct()", "a | a"):
        with pytest.raises(PathError, match="nested too deeply"):
            evaluate(expression, bottom)


def test_what_json_cannot_hold_counts_as_nothing(evaluate: Evaluate) -> None:
    data = {"value": float("nan"), "other": [float("inf"), 2.5]}
    assert evaluate("value < 1 or value = value", data) == []
    assert evaluate("other.sum()", {"other": 2.5}) == [Decimal("2.5")]
    assert evaluate("%x.count()", x=[float("nan"), 1]) == [1]


def test_nothing_handed_in_is_changed(evaluate: Evaluate) -> None:
    given = [1, 2]
    for expression in ("%x.combine(3)", "%x | 3", "%x.aggregate($total | $this, %x)", "%x.sum()"):
        evaluate(expression, x=given)
        assert given == [1, 2]
    assert evaluate("1 | 2") == evaluate("1 | 2")
