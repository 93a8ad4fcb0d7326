from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from citycare.kit import migrate
from citycare.kit.embedded import Embedded
from citycare.settings import ROOT


def test_a_migration_that_was_applied_may_not_be_changed(
    server: Embedded, own_database: str, tmp_path: Path
) -> None:
    folder = shutil.copytree(ROOT / "migrations", tmp_path / "migrations")
    assert migrate.apply(server.url(own_database), folder) == []
    first = min(folder.glob("*.sql"))
    first.write_text(first.read_text("utf8") + "-- later\n", "utf8")
    with pytest.raises(migrate.MigrationChanged, match=rf"{first.name} was changed"):
        migrate.apply(server.url(own_database), folder)
