from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from citycare.kit.pages import TokenBroken, encode, read

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ONE = UUID("0193a1f0-7d1a-7c3e-9f10-2b6f6c1d4e01")


def test_a_token_gives_its_keys_back_in_their_kinds() -> None:
    token = encode(NOW.isoformat(), 7, "陈立", str(ONE))
    assert read(token, datetime, int, str, UUID) == (NOW, 7, "陈立", ONE)


@pytest.mark.parametrize(
    ("token", "kinds"),
    [
        ("nonsense", (int,)),
        (encode(1, 2), (int,)),
        (encode("1"), (int,)),
        (encode(2**63), (int,)),
        (encode(True), (int,)),
        (encode(1), (str,)),
        (encode(1), (UUID,)),
        (encode("yesterday"), (datetime,)),
    ],
)
def test_a_made_up_token_is_refused(token: str, kinds: tuple[type, ...]) -> None:
    with pytest.raises(TokenBroken):
        read(token, *kinds)
