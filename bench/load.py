"""A small HTTP/1.1 load generator: ready-made requests over kept-alive connections, closed loop.

Made for one thing: to cost so little that on two cores the server is measured and not the client
(a general client costs more than the server does). Loopback only.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psutil

LENGTH = re.compile(rb"\r\ncontent-length: ?(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Outcome:
    """What came back: per request the status (0: connection lost) and the latency in ms.

    `answers` holds the whole answers, head and body, where they were asked for.
    """

    statuses: list[int]
    latencies_ms: list[float]
    answers: list[bytes] = field(default_factory=list)
    seconds: float = 0.0
    counts: Counter[int] = field(default_factory=Counter)

    def percentile_ms(self, share: float) -> float:
        """Return a percentile of the latencies of all answered requests."""
        answered = sorted(
            took for took, status in zip(self.latencies_ms, self.statuses, strict=True) if status
        )
        return answered[min(len(answered) - 1, int(len(answered) * share))] if answered else 0.0


class _Client(asyncio.Protocol):
    """One connection: sends the next request as soon as the last was answered."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._index = -1
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        self._index = next(self._run.indices, -1)
        if self._index < 0:
            self._transport.close()
            return
        self._started = time.perf_counter()
        self._transport.write(self._run.requests[self._index])  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        length = LENGTH.search(self._buffer)
        if head < 0 or length is None or len(self._buffer) < head + 4 + int(length[1]):
            return
        outcome = self._run.outcome
        outcome.statuses[self._index] = int(self._buffer[9:12])
        outcome.latencies_ms[self._index] = (time.perf_counter() - self._started) * 1000
        if outcome.answers:
            outcome.answers[self._index] = self._buffer
        self._buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._run.lost(self)


class _Run:
    def __init__(
        self,
        requests: Sequence[bytes],
        address: tuple[str, int],
        sockets: Sequence[socket.socket],
        *,
        keep: bool,
    ) -> None:
        self.requests = requests
        self.address = address
        self.sockets = list(sockets)
        self.indices: Iterator[int] = iter(range(len(requests)))
        count = len(requests)
        kept = [b""] * count if keep else []
        self.outcome = Outcome([0] * count, [0.0] * count, kept)
        self.done = asyncio.Event()
        self._open = 0

    async def connect(self) -> None:
        """Open one connection; try again for a while when the server is away."""
        self._open += 1
        loop = asyncio.get_running_loop()
        for _ in range(200):
            try:
                if self.sockets:
                    await loop.create_connection(lambda: _Client(self), sock=self.sockets.pop())
                else:
                    await loop.create_connection(lambda: _Client(self), *self.address)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return
        self._open -= 1
        self._finish()

    def lost(self, client: _Client) -> None:
        """Replace a connection the server dropped, while requests are left."""
        self._open -= 1
        if client._index >= 0:
            task = asyncio.create_task(self.connect())
            task.add_done_callback(lambda _: None)
        else:
            self._finish()

    def _finish(self) -> None:
        if self._open <= 0:
            self.done.set()


async def run(
    requests: Sequence[bytes],
    address: tuple[str, int],
    connections: int,
    *,
    sockets: Sequence[socket.socket] = (),
    keep: bool = False,
) -> Outcome:
    """Send all requests, each once, over so many connections; return statuses and latencies.

    `sockets` are connected already, and taken first; `keep` keeps the answers too.
    """
    state = _Run(requests, address, sockets, keep=keep)
    started = time.perf_counter()
    await asyncio.gather(*(state.connect() for _ in range(min(connections, len(requests)))))
    await state.done.wait()
    state.outcome.seconds = time.perf_counter() - started
    state.outcome.counts = Counter(state.outcome.statuses)
    return state.outcome


def spread(
    address: tuple[str, int], owners: Sequence[psutil.Process], each: int
) -> list[socket.socket]:
    """Connect `each` times to every one of these processes, which listen side by side.

    Which of them a connection meets is dice of the kernel: eight may all meet one.
    """
    kept: dict[int, list[socket.socket]] = {one.pid: [] for one in owners}
    while any(len(some) < each for some in kept.values()):
        made = socket.create_connection(address)
        some = kept[_owner(made.getsockname()[1], owners)]
        if len(some) < each:
            some.append(made)
        else:
            made.close()
    return [one for some in kept.values() for one in some]


def _owner(port: int, owners: Sequence[psutil.Process]) -> int:
    """Return which process has accepted the connection from this port."""
    for _ in range(200):
        for one in owners:
            if any(each.raddr and each.raddr.port == port for each in one.net_connections("tcp")):
                return int(one.pid)
        time.sleep(0.01)
    raise RuntimeError("nobody accepts a connection")


def post(path: str, body: bytes, token: str, key: str) -> bytes:
    """Write a POST with JSON, a bearer token and an idempotency key."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def get(path: str) -> bytes:
    """Write a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()
