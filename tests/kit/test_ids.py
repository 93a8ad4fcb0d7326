import os
from datetime import UTC, datetime

from citycare.kit import ids


def test_ids_are_version_7_in_order_of_time_and_never_the_same() -> None:
    made = [ids.new() for _ in range(5_000)]
    assert len(set(made)) == len(made)
    assert {one.version for one in made} == {7}
    assert [one.int >> 80 for one in made] == sorted(one.int >> 80 for one in made)
    at = datetime.fromtimestamp((made[0].int >> 80) / 1000, UTC)
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60  # noqa: TID251


def test_a_fork_does_not_repeat_its_parents_ids() -> None:
    ids.new()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, (ids.new().int & ((1 << 62) - 1)).to_bytes(8))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = int.from_bytes(os.read(reader, 8))
    assert theirs not in {ids.new().int & ((1 << 62) - 1) for _ in range(400)}


def test_the_same_parts_give_the_same_id() -> None:
    assert ids.derive("a", 1) == ids.derive("a", 1) != ids.derive("a1")
