"""Scopes by property: what is met, joined and written allows exactly what it says."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.scenarios.smart.rules import scopes
from citycare.scenarios.smart.rules.scopes import Allowed, Asked, Level, Limit, Scope

TYPES = ("Patient", "Observation", "Condition")
LETTERS = "cruds"
SOMEBODY = UUID(int=7)
LABORATORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
FILTERS = [("category", LABORATORY), ("code", "http://loinc.org|85354-9"), ("status", "a b&c=%é")]

DATA = st.builds(
    scopes.made,
    st.sampled_from(Level),
    st.sampled_from(("*", *TYPES)),
    st.sets(st.sampled_from(LETTERS), min_size=1),
    st.sets(st.sampled_from(FILTERS), max_size=2),
)
WORDS = st.sets(st.sampled_from(scopes.WORDS))


def read(data: list[Scope], words: set[str]) -> Asked:
    return scopes.parse(" ".join([*words, *(one.text for one in data)]))


ASKED = st.builds(read, st.lists(DATA, max_size=5), WORDS)


def gives(asked: Asked, level: Level, of: str, letter: str, matching: frozenset[str]) -> bool:
    """The slow and obvious way: may it be done to a resource that matches these filters?"""
    return any(
        one.level is level
        and one.type in ("*", of)
        and letter in one.interactions
        and {name for name, _ in one.filters} <= matching
        for one in asked.data
    )


def cases() -> list[tuple[Level, str, str, frozenset[str]]]:
    kinds = [frozenset(x) for x in ((), ("category",), ("code",), ("category", "code", "status"))]
    return [(v, t, c, k) for v in Level for t in TYPES for c in LETTERS for k in kinds]


@given(DATA)
def test_what_is_written_is_read_again(scope: Scope) -> None:
    asked = scopes.parse(scope.text)
    assert asked.data == (scope,)
    assert scopes.parse(asked.text).text == asked.text


@given(ASKED, ASKED)
def test_meeting_allows_what_both_allow_and_no_more(one: Asked, other: Asked) -> None:
    both, either = scopes.meet(one, other), scopes.join(one, other)
    for case in cases():
        assert gives(both, *case) == (gives(one, *case) and gives(other, *case)), case
        assert gives(either, *case) == (gives(one, *case) or gives(other, *case)), case
    assert both.words == one.words & other.words
    assert not scopes.exceeds(both, one)
    assert scopes.parse(both.text) == both


@given(ASKED, ASKED)
def test_whoever_does_not_exceed_gets_nothing_new(asked: Asked, most: Asked) -> None:
    if not scopes.exceeds(asked, most):
        assert all(gives(most, *case) for case in cases() if gives(asked, *case))
        assert asked.words <= most.words


@given(ASKED, st.sampled_from((None, SOMEBODY)))
def test_limits_say_the_same_as_the_scopes(asked: Asked, patient: UUID | None) -> None:
    allowed = Allowed(asked.data, patient)
    for of in TYPES:
        for letter in LETTERS:
            limits = allowed.limits(of, letter)
            levels = [Level.USER, Level.SYSTEM, *([Level.PATIENT] if patient else [])]
            whole = frozenset(name for name, _ in FILTERS)
            plain = any(gives(asked, v, of, letter, frozenset()) for v in levels)
            assert bool(limits) == any(gives(asked, v, of, letter, whole) for v in levels)
            assert allowed.allows(of, letter) == plain
            types = allowed.types_for(letter)
            assert plain == (types is None or of in types)
            assert {one.patient_id for one in limits} <= {None, patient}
            anyone = any(gives(asked, v, of, letter, frozenset()) for v in levels[:2])
            assert (limits == (Limit(),)) == anyone


@given(st.text(max_size=60))
def test_any_text_is_read_or_ignored(text: str) -> None:
    asked = scopes.parse(text)
    assert scopes.parse(asked.text) == Asked(asked.data, asked.words)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("patient/*.read", "rs"),
        ("patient/Observation.write", "cdu"),
        ("user/Patient.*", "cdrsu"),
        ("system/*.cruds", "cdrsu"),
        ("patient/Observation.s", "s"),
    ],
)
def test_both_grammars(text: str, letters: str) -> None:
    (scope,) = scopes.parse(text).data
    assert "".join(sorted(scope.interactions)) == letters
    assert scopes.parse(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "patient/Observation.sr",  # out of order
        "patient/Observation.",
        "patient/observation.rs",
        "patient/Observation.rs?",
        "patient/Observation.rs?category",
        "patient/Observation.rs?category=",
        "patient/Observation.rs?_count=5",
        "patient/Observation.rs?_include=Observation:subject",
        "patient/Observation.rs?subject.name=x",
        "patient/Observation.rs?category=%ff",
        "patient/Observation.rs?" + "&".join(f"code={n}" for n in range(6)),
        "patient/Observation.rs\u200b",
        'patient/"Observation.rs',
        "root/*.cruds",
        "patient/*.*.*",
    ],
)
def test_what_cannot_be_held_to_gives_nothing(text: str) -> None:
    assert scopes.parse(text).data == ()
    assert scopes.parse(text).ignored != ()


def test_too_many_or_too_long_is_not_read_at_all() -> None:
    many = " ".join(f"patient/Type{chr(65 + n // 26)}{chr(97 + n % 26)}.r" for n in range(101))
    assert scopes.parse(many).data == ()
    assert scopes.parse("openid " + "x" * 4000).words == frozenset()


def test_a_filter_narrows_and_a_whole_scope_frees_it() -> None:
    text = "patient/Observation.rs?category=laboratory patient/Observation.r"
    allowed = Allowed(scopes.parse(text).data, SOMEBODY)
    assert allowed.limits("Observation", "s") == (Limit(SOMEBODY, (("category", "laboratory"),)),)
    assert allowed.limits("Observation", "r") == (Limit(SOMEBODY),)
    assert not allowed.allows("Condition", "r")
    assert allowed.types_for("c") == frozenset()
    assert allowed.allows("Observation", "r")
    assert not allowed.allows("Observation", "s")  # who cannot filter gives nothing
    assert allowed.types_for("s") == frozenset()
