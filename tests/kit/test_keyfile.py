"""A secret file is made once, by whoever is first, whole, and for one user only."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from citycare.kit import keyfile

CROWD = 6
FORK = multiprocessing.get_context("fork")
KEY = b"0123456789abcdef0123456789abcdef"


def test_the_first_call_makes_it_and_the_next_ones_read_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "one.key"
    made = keyfile.keep(path, lambda: KEY)
    assert made == KEY
    assert keyfile.keep(path, lambda: b"another") == KEY
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["one.key"]


def _race(path: Path, link: Callable[..., None]) -> set[bytes]:
    """Let processes make the file at once, all past the look whether it is there."""
    gate = FORK.Barrier(CROWD)
    heard: Any = FORK.SimpleQueue()

    def one(place: int) -> None:
        def make() -> bytes:
            gate.wait(10)
            return secrets.token_bytes(32)

        def late(draft: str, name: str) -> None:
            time.sleep(place * 0.05)
            link(draft, name)

        keyfile.os.link = late  # type: ignore[attr-defined]
        heard.put(keyfile.keep(path, make))

    crowd = [FORK.Process(target=one, args=(place,)) for place in range(CROWD)]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join(20)
    assert [process.exitcode for process in crowd] == [0] * CROWD
    return {heard.get() for _ in range(CROWD)}


@pytest.mark.race
def test_processes_that_start_at_once_have_one_secret(tmp_path: Path) -> None:
    (secret,) = _race(tmp_path / "one.key", os.link)
    assert keyfile.read(tmp_path / "one.key") == secret
    assert [one.name for one in tmp_path.iterdir()] == ["one.key"]


@pytest.mark.race
def test_control_when_the_name_may_be_taken_twice_they_have_several(tmp_path: Path) -> None:
    assert len(_race(tmp_path / "one.key", os.replace)) > 1


@pytest.mark.parametrize("step", ["fdopen", "fsync", "link", "unlink"])
def test_a_crash_on_the_way_leaves_all_or_nothing(tmp_path: Path, step: str) -> None:
    path = tmp_path / "one.key"

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def first() -> None:
        setattr(os, step, die)
        keyfile.keep(path, lambda: KEY)

    process = FORK.Process(target=first)
    process.start()
    process.join(20)
    assert process.exitcode == -signal.SIGKILL
    assert not path.exists() or path.read_bytes() == KEY
    expected = KEY if step == "unlink" else b"of the second start"
    assert keyfile.keep(path, lambda: b"of the second start") == expected


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604])
def test_a_file_others_can_open_is_refused_with_the_next_step(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "one key"
    keyfile.keep(path, lambda: KEY)
    path.chmod(mode)
    with pytest.raises(keyfile.KeyFileWrong) as refused:
        keyfile.keep(path, lambda: b"")
    assert str(refused.value).endswith(f"(mode {mode:04o}). Next: chmod 600 '{path}'")


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.key"
    keyfile.keep(path, lambda: KEY)
    mine = path.stat().st_uid
    if mine == 0:
        os.chown(path, 4711, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(keyfile.KeyFileWrong, match="belongs to user"):
        keyfile.read(path)


def test_a_file_that_must_be_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(keyfile.KeyFileWrong, match=r"No such file .* see docs/runbook\.md"):
        keyfile.read(tmp_path / "one.key")
    assert list(tmp_path.iterdir()) == []


def test_no_change_is_lost_when_two_change_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "many.keys"
    keyfile.keep(path, lambda: b"")
    gate = FORK.Barrier(CROWD)

    def slowly(old: bytes) -> bytes:
        time.sleep(0.02)
        return old + b"x"

    def one() -> None:
        gate.wait(10)
        keyfile.change(path, slowly)

    crowd = [FORK.Process(target=one) for _ in range(CROWD)]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join(20)
    assert keyfile.read(path) == b"x" * CROWD
    assert path.stat().st_mode & 0o777 == 0o600
