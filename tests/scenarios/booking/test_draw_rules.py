import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.draw import Draw, DrawSlot, DrawState
from citycare.scenarios.booking.rules import draw as rules
from citycare.scenarios.booking.rules.draw_check import verify

OPENS = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CLOSES = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


def windows(*places: int) -> list[DrawSlot]:
    """Number windows with so many places each."""
    return [
        DrawSlot(n, UUID(int=n), list(range(1, count + 1)))
        for n, count in enumerate(places, start=1)
    ]


def requests(dice: random.Random, count: int, slots: int) -> list[bytes]:
    """Make requests with one to three wishes, in the order of ids."""
    made = {
        dice.randbytes(rules.ID): dice.sample(range(1, slots + 1), dice.randint(1, min(3, slots)))
        for _ in range(count)
    }
    return [rules.pack(id_, made[id_]) for id_ in sorted(made)]


def published(
    seed: bytes,
    slots: Sequence[DrawSlot],
    records: Sequence[bytes],
    beacon: str = "",
    source: str | None = None,
) -> list[bytes]:
    """Write the file of a draw as the service does; the source is named for a beacon."""
    draw = Draw(
        id=UUID(int=77),
        organisation_id=UUID(int=78),
        name="专家号",
        pool=Pool.PUBLIC,
        opens_at=OPENS,
        closes_at=CLOSES,
        state=DrawState.DONE,
        commitment=rules.commitment(seed),
        beacon_source=source or ("双色球" if beacon else ""),
        requests=len(records),
    )
    so_far = hashlib.sha256()
    lines = list(rules.head(draw, slots))
    so_far.update(b"".join(lines))
    lines.extend(rules.request_lines(records, so_far))
    digest = so_far.digest()
    tail = [rules.draw_line(seed, digest, beacon)]
    tickets = rules.ranked(rules.lottery_key(seed, digest, beacon), records)
    for position, result in enumerate(rules.allot(tickets, slots), start=1):
        tail.append(rules.result_line(position, *result))
    so_far.update(b"".join(tail))
    return [*lines, *tail, rules.end_line(so_far)]


SEED = bytes(range(32))
KEY = bytes(range(32, 64))


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, list[DrawSlot], list[bytes]]:
    slots = windows(*draw(st.lists(st.integers(0, 4), min_size=1, max_size=6)))
    count = draw(st.integers(0, 40))
    dice = random.Random(draw(st.integers(0, 2**32)))
    return draw(st.binary(min_size=32, max_size=32)), slots, requests(dice, count, len(slots))


def wishes_of(record: bytes) -> list[int]:
    parts = (record[at : at + rules.WISH] for at in range(rules.ID, rules.RECORD, rules.WISH))
    return [n for part in parts if (n := int.from_bytes(part, "big"))]


@given(cases())
def test_each_request_gets_at_most_one_place_and_each_place_has_one_holder(
    case: tuple[bytes, list[DrawSlot], list[bytes]],
) -> None:
    key, slots, records = case
    results = list(rules.allot(rules.ranked(key, records), slots))
    assert sorted(id_ for id_, *_ in results) == [record[: rules.ID] for record in records]
    given_out = [(n, number) for _, wish, n, number in results if wish]
    assert len(given_out) == len(set(given_out))
    capacity = {slot.n: set(slot.numbers) for slot in slots}
    assert all(number in capacity[n] for n, number in given_out)


@given(cases())
def test_nobody_has_justified_envy(case: tuple[bytes, list[DrawSlot], list[bytes]]) -> None:
    """Whoever did not get a wish: each of its places went to somebody earlier in the order."""
    key, slots, records = case
    wanted = {record[: rules.ID]: wishes_of(record) for record in records}
    results = list(rules.allot(rules.ranked(key, records), slots))
    holders: dict[int, list[int]] = {slot.n: [] for slot in slots}
    for position, (_, wish, n, _) in enumerate(results):
        if wish:
            holders[n].append(position)
    for position, (id_, wish, n, _) in enumerate(results):
        better = wanted[id_][: wish - 1] if wish else wanted[id_]
        assert not wish or wanted[id_][wish - 1] == n
        for missed in better:
            assert len(holders[missed]) == len(slots[missed - 1].numbers)
            assert all(other < position for other in holders[missed])


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_in_which_requests_came_changes_nothing(
    case: tuple[bytes, list[DrawSlot], list[bytes]], dice: random.Random
) -> None:
    key, slots, records = case
    shuffled = list(records)
    dice.shuffle(shuffled)
    first = list(rules.allot(rules.ranked(key, records), slots))
    assert first == list(rules.allot(rules.ranked(key, shuffled), slots))


@given(cases())
def test_a_published_draw_verifies(case: tuple[bytes, list[DrawSlot], list[bytes]]) -> None:
    seed, slots, records = case
    report = verify(published(seed, slots, records), commitment=rules.commitment(seed))
    assert report.ok, report
    assert report.requests == len(records)


BEACON = "2026-11-23 03 07 12 19 25 31 + 08"
FILE = published(SEED, windows(3, 0, 2, 1), requests(random.Random(5), 12, 4), beacon=BEACON)


@settings(max_examples=600)
@given(st.integers(0, len(b"".join(FILE)) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(at: int, flip: int) -> None:
    whole = bytearray(b"".join(FILE))
    whole[at] ^= flip
    report = verify(bytes(whole).splitlines(keepends=True))
    assert not report.ok
    assert report.line is not None


def test_every_byte_of_a_small_file_counts() -> None:
    whole = b"".join(published(SEED, windows(1), requests(random.Random(6), 2, 1)))
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1
        assert not verify(bytes(changed).splitlines(keepends=True)).ok, at


def test_a_changed_wish_is_named_by_its_line() -> None:
    lines = list(FILE)
    at = 8  # the header and four windows come first
    wishes = lines[at].index(b"[") + 1
    other = b"1" if lines[at][wishes : wishes + 1] != b"1" else b"2"
    lines[at] = lines[at][:wishes] + other + b"]" + lines[at][lines[at].index(b"]") + 1 :]
    assert verify(lines).line == at + 1


def test_a_changed_result_is_named_by_its_line() -> None:
    lines = list(FILE)
    at = next(i for i, line in enumerate(lines) if b'"order":3' in line)
    lines[at] = lines[at].replace(b'"order":3', b'"order":4')
    report = verify(lines)
    assert report.line == at + 1
    assert "it should read" in report.fault


def test_a_file_replaced_as_a_whole_is_found_by_the_noted_commitment() -> None:
    other = published(b"\x01" * 32, windows(3), requests(random.Random(5), 12, 1))
    assert verify(other).ok
    assert verify(other, commitment=rules.commitment(SEED)).line == 1
    assert not verify(other, seed=SEED).ok
    assert not verify(other, list_digest=b"\x00" * 32).ok


def test_an_announced_beacon_that_was_not_used_is_found() -> None:
    """Or an operator who reads the seed early could add requests until the order suits."""
    records = requests(random.Random(5), 12, 1)
    report = verify(published(SEED, windows(3), records, source="国家授时中心"))
    assert not report.ok
    assert report.line == 1 + 1 + len(records) + 1


def test_a_window_that_stands_there_twice_is_found() -> None:
    twice = [DrawSlot(n, UUID(int=1), [1]) for n in (1, 2)]
    assert verify(published(SEED, twice, requests(random.Random(5), 4, 2))).line == 3


def test_lines_taken_away_added_or_swapped_are_found() -> None:
    assert not verify(FILE[:-1]).ok
    assert not verify([*FILE, b"{}\n"]).ok
    assert not verify([]).ok
    assert not verify([*FILE[:6], FILE[7], FILE[6], *FILE[8:]]).ok


def test_every_request_is_equally_likely_to_be_first() -> None:
    """Chi-square over 6,000 fixed keys, 12 requests: 11 degrees of freedom, 31.26 is 0.1 %."""
    records = requests(random.Random(9), 12, 2)
    first: Counter[bytes] = Counter()
    for number in range(6_000):
        key = rules.lottery_key(number.to_bytes(32, "big"), b"\x07" * 32, "")
        first[rules.ranked(key, records)[0][rules.DIGEST :]] += 1
    expected = 6_000 / 12
    chi = sum((first[record] - expected) ** 2 / expected for record in records)
    assert chi < 31.26


def test_win_rates_are_equal_for_equal_wishes() -> None:
    """Each of 10 requests for 3 places wins 30 % of 5,000 draws; 27.88 is 0.1 % at 9 degrees."""
    records = [rules.pack(bytes([i]) * rules.ID, [1]) for i in range(10)]
    won: Counter[bytes] = Counter()
    for number in range(5_000):
        key = rules.lottery_key(number.to_bytes(32, "big"), b"\x08" * 32, "beacon")
        for id_, wish, _, _ in rules.allot(rules.ranked(key, records), windows(3)):
            won[id_] += wish
    chi = sum((won[record[: rules.ID]] - 1_500) ** 2 / 1_500 for record in records)
    assert chi < 27.88


def test_public_id_is_stable_and_depends_on_key_draw_and_person() -> None:
    draw, person = UUID(int=1), UUID(int=2)
    id_ = rules.public_id(KEY, draw, person)
    assert id_ == rules.public_id(KEY, draw, person)
    assert id_.version == 8
    others = {
        rules.public_id(SEED, draw, person),
        rules.public_id(KEY, person, person),
        rules.public_id(KEY, draw, draw),
    }
    assert id_ not in others
    assert len(others) == 3


def test_key_moves_with_seed_list_and_beacon() -> None:
    digest = b"\x01" * 32
    keys = {
        rules.lottery_key(SEED, digest, ""),
        rules.lottery_key(KEY, digest, ""),
        rules.lottery_key(SEED, KEY, ""),
        rules.lottery_key(SEED, digest, "x"),
    }
    assert len(keys) == 4
