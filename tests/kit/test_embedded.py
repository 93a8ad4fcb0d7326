"""A database server that does not get ready says so, and what to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from citycare.kit import embedded
from citycare.kit.embedded import Embedded, ServerNotReady


class Mute:
    """A server of the wheel that says it was started; or that fails to start."""

    def __init__(self, error: Exception | None) -> None:
        self.error, self.asked = error, 0

    def __call__(self, _folder: Path, cleanup_mode: object) -> Mute:
        assert cleanup_mode is None
        return self

    def ensure_pgdata_inited(self) -> None:
        self.asked += 1

    def ensure_postgres_running(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [None, subprocess.CalledProcessError(1, "pg_ctl")])
def test_a_server_that_does_not_get_ready_is_said_after_the_last_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    server = Mute(error)
    real = vars(embedded)["PostgresServer"]
    monkeypatch.setattr(server.__class__, "_lock", real._lock, raising=False)
    monkeypatch.setattr("citycare.kit.embedded.PostgresServer", server)
    monkeypatch.setattr(embedded, "START_PAUSE_S", 0.0)
    (tmp_path / "postgresql.conf").touch()
    with pytest.raises(ServerNotReady) as caught:
        Embedded(tmp_path).ensure_running()
    assert server.asked == embedded.START_TRIES
    assert str(tmp_path / "log") in str(caught.value)
    assert caught.value.__cause__ is error
