"""A receiver of notifications: a real HTTP server with faults."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from citycare.kernel import fhir

Json = dict[str, Any]
SLOW_S = 0.4


@dataclass(frozen=True, slots=True)
class Request:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        found: Json = fhir.loads(self.body.decode())
        return found

    @property
    def notice(self) -> str:
        """What kind of notification it is; empty where it is none."""
        return str(self.status("type") or "") if self.body else ""

    def status(self, name: str) -> Any:
        """Return one parameter of the status."""
        resource = self.json()["entry"][0]["resource"]
        for parameter in resource["parameter"]:
            if parameter["name"] == name:
                return next(value for key, value in parameter.items() if key != "name")
        return None

    def numbers(self) -> list[int]:
        """Return the numbers of its events."""
        resource = self.json()["entry"][0]["resource"]
        events = [each for each in resource["parameter"] if each["name"] == "notification-event"]
        return [int(part["valueString"]) for each in events for part in each["part"][:1]]


@dataclass(slots=True)
class Receiver:
    """Takes requests; `faults` are used up one by one.

    A fault is a status, or `hang` (no answer), `drop` (taken, but the connection breaks before the
    answer), `slow`, `redirect`.
    """

    scheme: str = "http"
    port: int = 0
    faults: deque[int | str] = field(default_factory=deque)
    always: int | str = 200
    taken: list[Request] = field(default_factory=list)
    refused: list[Request] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            request = await read(reader)
            await self._answer(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever called has gone
        finally:
            self.under_way -= 1
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        fault = self.faults.popleft() if self.faults else self.always
        if fault == "hang":
            self.refused.append(request)
            await asyncio.sleep(60)
            return
        if fault == "slow":
            await asyncio.sleep(SLOW_S)
        status = fault if isinstance(fault, int) else 302 if fault == "redirect" else 200
        (self.taken if 200 <= status < 300 else self.refused).append(request)
        if fault == "drop":
            return
        more = f"Location: http://localhost:{self.port}/hook\r\n" if fault == "redirect" else ""
        writer.write(f"HTTP/1.1 {status} X\r\n{more}Content-Length: 0\r\n\r\n".encode())
        await writer.drain()

    async def until(self, good: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(seconds):
            while not good():  # noqa: ASYNC110 - it may be about anything
                await asyncio.sleep(0.02)


async def read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in headers.items()}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver on a port of its own."""
    found = Receiver(scheme="https" if tls else "http")
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
