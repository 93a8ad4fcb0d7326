from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import rush


@pytest.fixture
def real_city(tmp_path: Path) -> Iterator[rush.RealCity]:
    """A server of its own, 3,200 people, 2,200 places; the test starts what it needs on it."""
    with rush.real_city(tmp_path) as here:
        yield here
