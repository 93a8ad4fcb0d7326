"""The checker on made histories: a good one passes, and each kind of anomaly is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.faults.record.checking import check
from tests.faults.record.history import GONE, NEVER, Act, History, Kind, Outcome, Past, Seen, Sent

A, B = "Basic/register-1", "Basic/register-2"
DONE, REFUSED, UNKNOWN = Outcome.DONE, Outcome.REFUSED, Outcome.UNKNOWN


def write(at: float, *sent: Sent, versions: Sequence[int] = (), **more: Any) -> Act:
    """Make a write from `at` on, answered half a second later with these versions."""
    seen = tuple(
        Seen(one.name, version, one.token, one.value)
        for one, version in zip(sent, versions, strict=False)
    )
    told = {"outcome": DONE if seen else UNKNOWN, **more}
    return Act(1, "write", Kind.WRITE, at, at + 0.5, sent=sent, seen=seen, **told)


def delete(at: float, name: str = A, outcome: Outcome = DONE) -> Act:
    return Act(1, "delete", Kind.DELETE, at, at + 0.5, outcome, 204, name)


def read(at: float, *seen: Seen) -> Act:
    return Act(2, "read", Kind.READ, at, at + 0.5, DONE, 200, seen[0].name, seen=seen)


def search(at: float, *seen: Seen, ended: float = 0, group: str = "register") -> Act:
    end = ended or at + 0.5
    return Act(2, "search", Kind.SEARCH, at, end, DONE, 200, group, seen=seen, settled=at + 0.5)


def past(at: float, *seen: Seen, whole: bool = True) -> Act:
    return Act(2, "past", Kind.PAST, at, at + 0.5, DONE, 200, A, seen=seen, whole=whole)


def made(*tokens: str) -> tuple[Past, ...]:
    """Make versions with these tokens, an empty one a deletion."""
    return tuple(Past(at, token, 0, f"T{at}") for at, token in enumerate(tokens, start=1))


def kinds(acts: Sequence[Act], versions: Mapping[str, Sequence[Past]], **more: Any) -> set[str]:
    there = {name: tuple(some) for name, some in versions.items()}
    return {one.kind for one in check(History(tuple(acts), there, **more))}


ONE = write(1, Sent(A, "a"), versions=[1])
TWO = write(2, Sent(A, "b"), versions=[2])
LOST = write(3, Sent(A, "c"))
PAIR = write(1, Sent(A, "a"), Sent(B, "b"), versions=[1, 1])
PAIR_2 = write(2, Sent(A, "c"), Sent(B, "d"), versions=[2, 2])
BOTH = {A: made("a", "c"), B: made("b", "d")}


def test_a_good_history_passes() -> None:
    acts = [
        read(0, Seen(A, NEVER)),
        ONE, TWO, LOST,
        write(4, Sent(A, "x", expected=2), outcome=REFUSED, status=412),
        read(4, Seen(A, 3, "c")),
        delete(5),
        read(6, Seen(A, GONE)),
        past(6, Seen(A, 4), Seen(A, 3, "c"), Seen(A, 2, "b"), Seen(A, 1, "a")),
        search(6),
    ]  # fmt: skip
    versions = {A: made("a", "b", "c", "")}
    assert check(History(tuple(acts), versions, {A: GONE}, {"register": frozenset()})) == []


def test_what_nobody_knows_may_have_happened_or_not() -> None:
    assert kinds([ONE, LOST], {A: made("a", "c")}) == set()
    assert kinds([ONE, LOST], {A: made("a")}) == set()
    assert kinds([ONE, LOST, read(5, Seen(A, 1, "a"))], {A: made("a", "c")}) == set()


@pytest.mark.parametrize(
    ("acts", "versions", "anomaly"),
    [
        ([ONE, TWO], {A: made("a")}, "lost write"),
        ([ONE], {A: ()}, "lost write"),
        ([ONE, write(2, Sent(A, "b"), versions=[1])], {A: made("a")}, "lost write"),
        ([LOST], {A: made("c", "c")}, "doubled"),
        ([PAIR], {A: made("a")}, "half transaction"),
        ([write(1, Sent(A, "a"), Sent(B, "b"))], {A: made("a")}, "half transaction"),
        ([ONE], {A: made("a", "z")}, "from nowhere"),
        ([ONE], {A: (Past(1, "a", 7),)}, "altered"),
        ([ONE, TWO], {A: made("a"), B: made("b")}, "misplaced"),
        ([write(1, Sent(A, "a"), outcome=REFUSED)], {A: made("a")}, "refused but kept"),
        ([ONE, LOST], {A: (Past(1, "a"), Past(3, "c"))}, "version gap"),
        ([ONE, LOST], {A: (Past(1, "a"), Past(1, "c"))}, "version gap"),
        ([ONE, LOST], {A: (Past(1, "a", 0, "T2"), Past(2, "c", 0, "T1"))}, "clock"),
        ([ONE, LOST, TWO], {A: made("a", "c", "b")}, "order"),
        ([ONE], {A: made("a", "")}, "deleted by nobody"),
        ([ONE, delete(2), delete(3)], {A: made("a", "", "")}, "deleted twice"),
        ([ONE, delete(2)], {A: made("a")}, "not deleted"),
        ([write(1, Sent(A, "a"), status=500)], {A: ()}, "fault"),
    ],
)
def test_anomalies_of_writes(
    acts: list[Act], versions: dict[str, Sequence[Past]], anomaly: str
) -> None:
    assert anomaly in kinds(acts, versions)


def test_conditions_have_one_winner() -> None:
    first = write(2, Sent(A, "b", expected=1), versions=[2])
    second = write(2, Sent(A, "c", expected=1), versions=[3])
    assert kinds([ONE, first, second], {A: made("a", "b", "c")}) == {"If-Match"}
    fresh = write(2, Sent(A, "b", fresh=True), versions=[2])
    assert kinds([ONE, fresh], {A: made("a", "b")}) == {"If-None-Match"}
    step = write(2, Sent(A, "b", 1, stepped=True), versions=[2])
    late = write(2, Sent(A, "c", 1, stepped=True), versions=[3])
    versions = {A: (Past(1, "a"), Past(2, "b", 1), Past(3, "c", 1))}
    assert kinds([ONE, step, late], versions) == {"lost update"}
    groundless = write(2, Sent(A, "b", expected=1), outcome=REFUSED, status=412)
    assert kinds([ONE, groundless], {A: made("a")}) == {"refused without cause"}


def test_a_condition_is_met_by_one_resource() -> None:
    def ensure(at: float, token: str, name: str) -> Act:
        sent = Sent("", token, key="k", unless=True)
        return Act(
            1, "e", Kind.WRITE, at, at + 0.5, DONE, sent=(sent,), seen=(Seen(name, 1, token),)
        )

    assert kinds([ensure(1, "a", A)], {A: made("a")}) == set()
    found = kinds([ensure(1, "a", A), ensure(1, "b", B)], {A: made("a"), B: made("b")})
    assert found == {"duplicate"}


@pytest.mark.parametrize(
    ("acts", "versions", "anomaly"),
    [
        ([ONE, TWO, read(4, Seen(A, 1, "a"))], {A: made("a", "b")}, "stale read"),
        ([ONE, read(4, Seen(A, NEVER))], {A: made("a")}, "stale read"),
        ([ONE, delete(2), read(4, Seen(A, 1, "a"))], {A: made("a", "")}, "stale read"),
        ([ONE, read(3, Seen(A, 2, "z"))], {A: made("a")}, "dirty read"),
        ([ONE, LOST, read(1.5, Seen(A, 2, "c"))], {A: made("a", "c")}, "future read"),
        ([ONE, TWO, past(4, Seen(A, 1, "a"))], {A: made("a", "b")}, "stale read"),
        ([ONE, TWO, past(4, Seen(A, 2, "b"))], {A: made("a", "b")}, "version gap"),
        ([ONE, search(4)], {A: made("a")}, "missed"),
        ([ONE, search(4, Seen(A, 1, "a"), Seen(A, 1, "a"))], {A: made("a")}, "repeated"),
        (
            [PAIR, PAIR_2, search(1.9, Seen(A, 2, "c"), Seen(B, 1, "b"))],
            BOTH,
            "half transaction",
        ),
        (
            [ONE, write(1, Sent(B, "b"), versions=[1]),
             write(2, Sent(A, "c"), versions=[2]), write(3, Sent(B, "d"), versions=[2]),
             Act(2, "slow", Kind.SEARCH, 1.6, 9, DONE, 200, "register",
                 seen=(Seen(A, 1, "a"), Seen(B, 2, "d")))],
            BOTH,
            "no moment",
        ),
    ],
)  # fmt: skip
def test_anomalies_of_what_was_shown(
    acts: list[Act], versions: dict[str, Sequence[Past]], anomaly: str
) -> None:
    assert anomaly in kinds(acts, versions)


def test_who_has_seen_a_version_has_shown_that_it_was_there() -> None:
    """A write that was never answered is proved by the first read that shows it."""
    acts = [ONE, LOST, read(5, Seen(A, 2, "c")), read(6, Seen(A, 1, "a"))]
    assert kinds(acts, {A: made("a", "c")}) == {"stale read"}


def test_in_the_end_no_reference_leads_nowhere() -> None:
    patient, other = "Patient/p", "Observation/o"
    acts = [write(1, Sent(patient, "a"), Sent(other, "b"), versions=[1, 1]), delete(2, patient)]
    linked = (Past(1, "b", link=patient),)
    assert kinds(acts[:1], {patient: made("a"), other: linked}) == set()
    assert kinds(acts, {patient: made("a", ""), other: linked}) == {"dangling"}


def test_in_the_end_index_and_data_are_the_same() -> None:
    versions = {A: made("a", "b")}
    good: dict[str, Any] = {
        "reads": {A: 2},
        "found": {"register": frozenset({(A, 2)})},
        "by_token": {"a": frozenset(), "b": frozenset({A})},
    }
    assert kinds([ONE, TWO], versions, **good) == set()
    for name, wrong in (
        ("found", {"register": frozenset()}),
        ("found", {"register": frozenset({(A, 1)})}),
        ("by_token", {"a": frozenset({A})}),
        ("by_token", {"b": frozenset()}),
    ):
        assert kinds([ONE, TWO], versions, **{**good, name: wrong}) == {"index"}
    assert kinds([ONE, TWO], versions, **{**good, "reads": {A: 1}}) == {"read and history differ"}


def test_who_polls_is_told_of_every_version() -> None:
    versions = {A: made("a", "")}
    acts = [ONE, delete(2)]
    assert kinds(acts, versions, polled=frozenset({(A, 1), (A, 2)})) == set()
    assert kinds(acts, versions, polled=frozenset({(A, 2)})) == {"not told"}
    assert kinds(acts, versions, polled=frozenset({(A, 1), (A, 2), (A, 3)})) == {"dirty read"}
