"""Keeps the parts of a running city up: the embedded server, the web processes, the worker.

Run as a process of its own that imports next to nothing, so that it costs little memory and has
little that can break. What dies is started again; SIGTERM or Ctrl-C stops all in order.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from citycare.kit.embedded import Embedded, ServerNotReady

log = logging.getLogger("citycare.supervise")

LOOK_EVERY_S = 0.3
STOP_WAIT_S = 8.0
RESTART_PAUSE_S = 0.5
HURRY = 5  # deaths in a minute after which restarts slow down
SLOW_PAUSE_S = 5.0
CONNECT_S = 0.2
GREETING = "CITYCARE_GREETING"  # in the environment: words to say when the web answers


@dataclass(slots=True)
class Part:
    """One process to keep alive, with its children a process group of its own."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)
    not_before: float = 0.0

    def ensure_running(self) -> None:
        """Start it, or start it again, slower when it keeps dying."""
        if self.process is not None and self.process.poll() is None:
            return
        now = time.monotonic()
        if self.process is not None:
            log.warning("%s stopped (%s), starting it again", self.name, self.process.returncode)
            self._bury()
            self.process = None
            self.deaths = [at for at in self.deaths if at > now - 60] + [now]
            pause = SLOW_PAUSE_S if len(self.deaths) > HURRY else RESTART_PAUSE_S
            self.not_before = now + pause
        if now >= self.not_before:
            self.process = subprocess.Popen(self.command, process_group=0)

    def stop(self) -> None:
        """Ask it to end; insist after a while."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._bury()

    def _bury(self) -> None:
        """End the children it left behind: a killed web server's workers would serve on, unseen."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Greeting:
    """What people read as soon as the web answers, and not before: they click at once."""

    host: str
    port: int
    words: str

    def say(self) -> bool:
        """Say it if somebody listens on the port; return whether it was said."""
        try:
            socket.create_connection((self.host, self.port), CONNECT_S).close()
        except OSError:
            return False
        sys.stdout.write(self.words)
        sys.stdout.flush()
        return True


class Supervisor:
    """The loop that looks after all parts."""

    def __init__(
        self, parts: Sequence[Part], embedded: Embedded | None, greeting: Greeting | None = None
    ) -> None:
        self._parts = parts
        self._greeting = greeting
        self._embedded = embedded
        self._stopping = False

    def run(self) -> None:
        """Keep everything up until a signal says stop."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        try:
            while not self._stopping:
                self._look()
                if self._greeting is not None and self._greeting.say():
                    self._greeting = None
                time.sleep(LOOK_EVERY_S)
        finally:
            for part in reversed(self._parts):
                part.stop()
            if self._embedded is not None:
                self._embedded.stop()

    def _look(self) -> None:
        if self._embedded is not None and not self._embedded.is_running():
            log.warning("the embedded database stopped, starting it again")
            with contextlib.suppress(ServerNotReady):  # tried again at the next look
                self._embedded.ensure_running()
        for part in self._parts:
            part.ensure_running()

    def _stop(self, *_: object) -> None:
        self._stopping = True


def web_command(host: str, port: int, workers: int) -> list[str]:
    """Return the command of the web processes (granian, ASGI, uvloop)."""
    return [
        sys.executable, "-m", "granian", "--interface", "asgi", "--factory",
        "--host", host, "--port", str(port), "--workers", str(workers),
        "--loop", "uvloop", "--no-ws", "--http", "1", "--backlog", "2048",
        "--respawn-failed-workers", "--respawn-interval", "0.3", "--log-level", "warning",
        "citycare.app:create_from_environment",
    ]  # fmt: skip


def main() -> None:
    """Supervise: `python -m citycare.kit.supervise HOST PORT WORKERS [EMBEDDED-FOLDER]`."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    host, port, workers, *folder = sys.argv[1:]
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    parts = [
        Part("web", web_command(host, int(port), int(workers))),
        Part("worker", [sys.executable, "-m", "citycare.worker"]),
    ]
    words = os.environ.pop(GREETING, "")
    greeting = Greeting(host, int(port), words) if words else None
    Supervisor(parts, Embedded(Path(folder[0])) if folder else None, greeting).run()


if __name__ == "__main__":
    main()
