from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from citycare.kernel.fhir.path import PathError, regex

REFUSED = [
    r"(a)\1",
    r"a(?=b)",
    r"(?<!a)b",
    r"(?<x>a)",
    r"(?i)a",
    "(",
    ")",
    "a)(b",
    "[a",
    "[b-a]",
    "*a",
    "a**",
    "a{2}{3}",
    "a{5,2}",
    "a{1001}",
    "(a{1000}){1000}",
    "(?:(?:(?:){1000}){1000}){1000}",
    "^*",
    r"\p{L}",
    "\\",
    r"\x1",
    "[[:alpha:]]",
    "(" * 31 + ")" * 31,
    "x" * 1_001,
]
HARD = ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*)*x", "(a*)*b", "([a-z]+)*[0-9]", "a?" * 30 + "a" * 30]


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_cannot_be_followed_is_refused(pattern: str) -> None:
    with pytest.raises(PathError):
        regex.matches_full(pattern, "ab")


@pytest.mark.parametrize("pattern", HARD)
def test_patterns_that_hold_others_up_take_a_few_steps_a_character(pattern: str) -> None:
    text = "a" * 2_000 + "!"
    program = regex.compiled(pattern)
    work = regex.Work()
    program.search(text, work, anchored=True)
    assert work.done <= 2 * len(program.code) * (len(text) + 2)


def test_work_has_its_limit() -> None:
    with pytest.raises(PathError, match="too much work"):
        regex.replaced("a.*b|a", "a" * 50_000, "x")
    with pytest.raises(PathError, match="too long"):
        regex.matches("a", "a" * 100_001)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"1[3-9]\d{9}", "13800001111", True),
        (r"1[3-9]\d{9}", "138000011112", False),
        (r"[^@\s]+@[\w.-]+\.[a-z]{2,}", "a.b@example.org", True),
        (r"\d{17}[\dXx]", "11010519491231002X", True),
        (r"[\u4e00-\u9fff·]{2,20}", "欧阳建国", True),
        (r"(?:0|[1-9]\d{0,2})(\.\d)?", "36.5", True),
        (r"(?:0|[1-9]\d{0,2})(\.\d)?", "036.5", False),
        ("a|b", "b", True),
        ("ab|c", "ac", False),
        ("", "", True),
        ("a{,3}", "a{,3}", True),
        (r"[]a]+", "]a", True),
        (r"[a\-z]+", "a-z", True),
        (r"\bone\b.*", "one two", True),
        (r"\x41\u0042\t", "AB\t", True),
    ],
)
def test_whole_texts(pattern: str, text: str, *, found: bool) -> None:
    assert regex.matches_full(pattern, text) is found


def test_substitutions_name_groups() -> None:
    assert regex.replaced(r"(\w+) (\w+)", "a b, c d", "$2 $1") == "b a, d c"
    assert regex.replaced("a(b)?", "a ab", "[$1]") == "[] [b]"
    assert regex.replaced("b", "abc", r"\$1\\$") == "a$1\\$c"
    assert regex.replaced("x*", "abc", "-") == "-a-b-c-"
    with pytest.raises(PathError, match="no such group"):
        regex.replaced("a", "a", "$1")


atoms = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", "(a|b)", "(?:ab)", r"\d", "^", "$", r"\b", "(ab|a)", r"\W"]
)
counts = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{2,}", "*?", "+?", "??"])
patterns = st.lists(
    st.tuples(atoms, counts).map(lambda p: p[0] + (p[1] if p[0] not in ("^", "$", r"\b") else "")),
    min_size=1,
    max_size=4,
).map("".join)


@given(patterns, st.text(alphabet="ab1 ", max_size=8))
@example("(ab|a)(b)?", "ab")
def test_the_same_is_found_as_by_a_machine_that_tries_one_way_at_a_time(
    pattern: str, text: str
) -> None:
    reference = re.compile(pattern.replace("$", r"\Z"), re.DOTALL | re.ASCII).search(text)
    found = regex.compiled(pattern).search(text, regex.Work())
    assert (found is None) == (reference is None)
    if found is not None and reference is not None:
        assert found[:2] == reference.span()
        groups = range(1, len(found) // 2)
        assert found[2:] == tuple(place for g in groups for place in reference.span(g))
