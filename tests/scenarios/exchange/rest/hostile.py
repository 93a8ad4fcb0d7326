"""What an attacker sends, as bytes the framework never gets to mend; and what must come of it."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI

from citycare.kernel import fhir

Json = dict[str, Any]
FHIR = "application/fhir+json"
PATCH = "application/json-patch+json"
MEGABYTE = 1_000_000
FORM = "application/x-www-form-urlencoded"
BASIC: Json = {"resourceType": "Basic", "code": {"text": "x"}}


@dataclass(frozen=True, slots=True)
class Got:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return fhir.loads(self.body.decode())


@dataclass(frozen=True, slots=True)
class Attacker:
    """Calls the application as a server of HTTP would, whatever is in the request."""

    app: FastAPI
    token: str

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        *,
        query: bytes | str = b"",
        kind: str = FHIR,
        headers: Iterable[tuple[bytes, bytes]] = (),
        pause: asyncio.Event | None = None,
    ) -> Got:
        """Send a body, piece by piece; with `pause`, its end only when that is set."""
        chunks = iter([body] if isinstance(body, bytes) else body)
        told = [
            (b"host", b"city.example"),
            (b"authorization", b"Bearer " + self.token.encode()),
            (b"content-type", kind.encode()),
        ]
        more = list(headers)
        given = {name for name, _ in more}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": f"/fhir/R4{path}", "root_path": "",
            "raw_path": f"/fhir/R4{path}".encode("utf-8", "replace"),
            "query_string": query.encode() if isinstance(query, str) else query,
            "headers": [*(one for one in told if one[0] not in given), *more],
            "client": ("127.0.0.1", 1), "server": ("city.example", 80), "state": {},
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            piece = next(chunks, None)
            if piece is None and pause is not None:
                await pause.wait()
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        headers_ = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        text = b"".join(one.get("body", b"") for one in sent[1:])
        return Got(sent[0]["status"], headers_, text)

    async def post(self, resource: Any, path: str | None = None, **more: Any) -> Got:
        body = resource if isinstance(resource, bytes) else orjson.dumps(resource)
        where = f"/{resource['resourceType']}" if path is None else path
        return await self.send("POST", where, body, **more)


def issue(answer: Got, name: object = "") -> Json:
    """Return what a refusal says; it is an OperationOutcome of a client's error."""
    assert 400 <= answer.status < 500, (name, answer.status, answer.body[:500])
    outcome = answer.json()
    assert fhir.violations(outcome) == [], name
    return dict(outcome["issue"][0])


def is_bounded(answer: Got, name: object = "") -> None:
    """Check that it was done, or refused as FHIR has it."""
    if answer.status >= 400:
        issue(answer, name)
    assert answer.status < 500, (name, answer.status, answer.body[:500])


@contextmanager
def held_below(most: int) -> Iterator[None]:
    """Check the peak of memory that Python holds, in bytes more than before."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
