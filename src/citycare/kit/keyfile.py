"""Secret files: made once, the same for every process, never half there, readable by one user.

`keep` returns what a file holds, and makes it first if there is none: written aside in a draft
nobody else may open, brought to the disk, then linked to its name. Linking fails when the name is
taken, so of several processes that start at once one wins and all read the winner's secret; a
process killed on the way leaves a draft, never half a secret. `change` replaces one in the same
manner, one process at a time.

Source: link(2), open(2) O_EXCL, fsync(2) ("also needed on the directory"), flock(2).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600
OTHERS = 0o077
NEXT = "Next: put it back from the backup, or mend its folder; see docs/runbook.md, 'Secrets'."


class KeyFileWrong(RuntimeError):
    """A secret file cannot be used as it is. The sentence says why and what to do."""


def keep(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the secret in a file; the first call anywhere makes it.

    Raises:
        KeyFileWrong: somebody else can read or owns the file, or it cannot be made or read.
    """
    try:
        if not path.exists():
            _make_folder(path.parent)
            with _draft(path, make()) as draft, suppress(FileExistsError):
                os.link(draft, path)  # taken: another process was first, and its secret holds
            _sync_folder(path.parent)
        return _read(path)
    except OSError as error:
        raise KeyFileWrong(f"{path}: {error.strerror}. {NEXT}") from error


def read(path: Path) -> bytes:
    """Return the secret in a file that must be there.

    Raises:
        KeyFileWrong: it is not there, or somebody else can read or owns it.
    """
    try:
        return _read(path)
    except OSError as error:
        raise KeyFileWrong(f"{path}: {error.strerror}. {NEXT}") from error


def change(path: Path, how: Callable[[bytes], bytes]) -> None:
    """Replace a secret file by what `how` makes of it; two at once wait for each other.

    Raises:
        KeyFileWrong: as in `read`.
    """
    try:
        with _alone(path.parent):
            with _draft(path, how(_read(path))) as draft:
                draft.replace(path)
            _sync_folder(path.parent)
    except OSError as error:
        raise KeyFileWrong(f"{path}: {error.strerror}. {NEXT}") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        about = os.fstat(file.fileno())  # of the file that was opened, whatever the name is now
        if about.st_uid not in (0, os.geteuid()):
            whose = f"belongs to user {about.st_uid}, who could change it"
            raise KeyFileWrong(f"{path} {whose}. Next: sudo chown {os.geteuid()} {_quoted(path)}")
        if about.st_mode & OTHERS:
            mode = f"can be read by other users (mode {stat.S_IMODE(about.st_mode):04o})"
            raise KeyFileWrong(f"{path} {mode}. Next: chmod 600 {_quoted(path)}")
        return file.read()


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        _sync_folder(folder.parent)


@contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    """Write content to the disk beside its place; the draft is gone afterwards."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
