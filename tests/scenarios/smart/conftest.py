from __future__ import annotations

from pathlib import Path

import pytest

from citycare.kit.db import Database
from tests.scenarios.smart.apps import Town


@pytest.fixture
def town(database: Database, tmp_path: Path) -> Town:
    return Town(database, tmp_path)
