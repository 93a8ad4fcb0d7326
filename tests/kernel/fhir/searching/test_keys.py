"""What is remembered of keys is bounded, by count and by length."""

from __future__ import annotations

from citycare.kernel.fhir.searching import keys


def test_nothing_long_is_remembered() -> None:
    before = [one.cache_info().currsize for one in (keys._hash, keys._coding_hashes, keys._lead)]
    for number in range(50):
        long = f"http://x.example/{number}/" + "x" * keys.SHORT
        keys.value_hash(keys.CODE, long)
        keys.coding_hashes(long, "a")
        keys.link_hashes(long)
        assert keys.link_hashes(long) == (keys.value_hash(keys.ADDRESS, long),)
    after = [one.cache_info().currsize for one in (keys._hash, keys._coding_hashes, keys._lead)]
    assert [b - a for a, b in zip(before, after, strict=True)][1:] == [0, 0]
    assert after[0] - before[0] <= 1  # of the code "a"
