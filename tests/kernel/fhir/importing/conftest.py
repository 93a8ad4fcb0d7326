"""Resources to import, files of them, and what is kept afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import importing
from citycare.kernel.fhir.importing import Options, Result, reading
from citycare.kit import clock
from citycare.kit.db import Database

Json = dict[str, Any]
Take = Callable[..., Awaitable[Result]]
Kept = Callable[[], Awaitable[dict[str, tuple[int, Json]]]]


def patient(id_: str, **more: Any) -> Json:
    return {"resourceType": "Patient", "id": id_, "name": [{"family": "吴"}], **more}


def weight(id_: str, subject: str, **more: Any) -> Json:
    return {
        "resourceType": "Observation", "id": id_, "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": subject}, **more,
    }  # fmt: skip


def bundle(kind: str, *entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def post(resource: Json, full_url: str = "", **request: Any) -> Json:
    asked = {"method": "POST", "url": resource["resourceType"], **request}
    return {"resource": resource, "request": asked} | ({"fullUrl": full_url} if full_url else {})


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, Any], Path]:
    """Writes a file: a Bundle or resource as JSON, a list as NDJSON, bytes as they are."""

    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        if isinstance(content, list):
            content = "".join(fhir.dumps(one) + "\n" for one in content).encode()
        path.write_bytes(content if isinstance(content, bytes) else fhir.dumps(content).encode())
        return path

    return write


@pytest.fixture
def take(database: Database) -> Take:
    """Imports files in this process; the result of the last part."""

    async def take_files(
        *paths: Path, tell: Any = None, again: bool = False, **options: Any
    ) -> Result:
        results: list[Result] = []
        options["again"] = clock.now() if again else None
        for part in reading.parts(importing.find_files(paths)):
            asked = Options("http://city/fhir/R4", **options)
            results.append(await importing.take(database, part, asked, tell or (lambda *_: None)))
        return results[-1]

    return take_files


@pytest.fixture
def kept(database: Database) -> Kept:
    """Version and resource, by `Type/id`, of all that is stored."""

    async def read() -> dict[str, tuple[int, Json]]:
        async with database.autocommit() as db:
            rows = await db.execute("SELECT type, id, version, body FROM fhir.resource")
            return {
                f"{row['type']}/{row['id']}": (row["version"], fhir.loads(row["body"]))
                for row in await rows.fetchall()
            }

    return read


@pytest.fixture
def faults(database: Database) -> Callable[[Result], Awaitable[list[tuple[int, str, str]]]]:
    """What was refused: (place, `Type/id`, codes)."""

    async def read(result: Result) -> list[tuple[int, str, str]]:
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, clock.now(), "test")
            return [
                (one["place"], f"{one['type']}/{one['id']}", _codes(one["faults"]))
                async for one in importing.refused(cx, result.digest)
            ]

    return read


def _codes(faults: Sequence[Json]) -> str:
    return " ".join(sorted(f"{one['element']}:{one['code']}" for one in faults))
