"""The published draw as a stranger sees it over HTTP, and a run that is killed with -9."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from citycare import app as application
from citycare import cli, worker
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit import clock, ids, migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.kit.errors import Unavailable
from citycare.scenarios.booking.api import draw as api
from citycare.scenarios.booking.model.draw import Draw, DrawUnknown, Keys
from citycare.scenarios.booking.service import draw as service
from citycare.scenarios.booking.service import draw_run
from citycare.settings import read
from citycare.web.assembly import Parts

ROOT = Path(__file__).resolve().parents[3]
KEYS = Keys(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32)
HOSPITAL = UUID(int=0x4051)
REQUESTS = 60
Command = Callable[..., Awaitable[tuple[int, str]]]
FILL = f"""
    INSERT INTO booking.clinic (id, organisation_id, organisation_name, organisation_short,
        district, department_id, department_code, department_name, kind, release, fee_fen)
    VALUES ('{HOSPITAL}', '{HOSPITAL}', '某医院', '某', '310101', '{HOSPITAL}', '03', '内科',
            'general', 'draw', 2500);
    INSERT INTO booking.slot (id, clinic_id, organisation_id, district, department_code,
        starts_at, ends_at, release, capacity, free, busy)
    SELECT gen_random_uuid(), '{HOSPITAL}', '{HOSPITAL}', '310101', '03',
           now() + n * interval '1 day', now() + n * interval '1 day' + interval '30 min',
           'draw', 5, 5, 0
      FROM generate_series(1, 4) AS n;
    INSERT INTO booking.place (slot_id, number, pool, opens_at)
    SELECT id, n, 'public', now() FROM booking.slot, generate_series(1, 5) AS n;
"""
CLOSE = """
    UPDATE booking.draw SET opens_at = now() - interval '1 day',
           closes_at = now() - interval '1 second'
"""
RUN = """
import asyncio, os, signal, sys
from uuid import UUID
from citycare.kit.db import Database
from citycare.scenarios.booking.model.draw import Keys
from citycare.scenarios.booking.service import draw_run

draw_run.PLACES_A_CHUNK, draw_run.TOLD_A_CHUNK = 5, 10
seen = 0

def tell(phase, done, of):
    global seen
    seen += 1
    if seen == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    database = Database(sys.argv[1])
    await database.open()
    keys = Keys(b"\\1" * 32, b"\\2" * 32, b"\\3" * 32)
    await draw_run.run_draw(database, keys, UUID(sys.argv[2]), tell)
    await database.close()

asyncio.run(main())
"""


async def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return await asyncio.to_thread(
        subprocess.run, command, check=False, capture_output=True, text=True, env=environment
    )


@pytest.fixture
async def draw(database: Database, server: Embedded, own_database: str) -> Draw:
    """A draw of 60 requests on 20 places, closed and not yet run."""
    with psycopg.connect(server.url(own_database), autocommit=True) as admin:
        admin.execute(FILL)
        slots = [row[0] for row in admin.execute("SELECT id FROM booking.slot ORDER BY starts_at")]
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test", Channel.PHONE, "test")
        hour = timedelta(hours=1)
        new = service.NewDraw(HOSPITAL, "专家号", cx.now - hour, cx.now + hour, slots)
        opened = await service.open_draw(cx, KEYS, new)
        for n in range(REQUESTS):
            wishes = [slots[n % 4], slots[(n + 1) % 4]]
            await service.request_places(cx, KEYS, opened.id, ids.derive("person", n), wishes)
    with psycopg.connect(server.url(own_database), autocommit=True) as admin:
        admin.execute(CLOSE)
    return opened


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is not signed in."""
    settings = read({"CITYCARE_HOME": str(tmp_path), "CITYCARE_DEMO": "1"})
    app = application.create(settings, database, Parts(routers=(api.router,)))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as opened:
        yield opened


async def test_a_stranger_checks_a_draw_with_the_lines_from_the_documentation(
    database: Database, draw: Draw, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    early = await client.get(f"/api/v1/draws/{draw.id}/list.ndjson")
    assert (early.status_code, early.json()["code"]) == (409, "booking.draw_step")
    await draw_run.run_draw(database, KEYS, draw.id)
    shown = (await client.get(f"/api/v1/draws/{draw.id}")).json()
    assert (shown["state"], shown["commitment"]) == ("done", draw.commitment.hex())
    listed = await client.get(shown["list"])
    assert listed.status_code == 200
    path = tmp_path / "list.ndjson"
    path.write_bytes(listed.content)
    page = (ROOT / "docs" / "scenarios" / "draw.md").read_text("utf8")
    check = page.split("```python\n")[1].split("```")[0]
    done = await run([sys.executable, "-c", check, str(path)])
    assert done.stdout == "the draw is right: 60 requests\n"
    with path.open("rb") as file:
        report = service.verify_file(file, commitment=bytes.fromhex(shown["commitment"]))
    assert (report.ok, report.won) == (True, 20)
    people = [ids.derive("person", n) for n in range(REQUESTS)]
    assert not any(one.hex in listed.text or str(one) in listed.text for one in people)


async def test_draws_are_listed_and_an_unknown_one_is_not_found(
    draw: Draw, client: httpx.AsyncClient
) -> None:
    page = (await client.get("/api/v1/draws", params={"count": 1})).json()
    assert [one["id"] for one in page["items"]] == [str(draw.id)]
    assert page["items"][0]["seed"] is None
    assert (await client.get("/api/v1/draws", params={"after": page["next"]})).json()["items"] == []
    missing = await client.get(f"/api/v1/draws/{UUID(int=1)}")
    assert (missing.status_code, missing.json()["code"]) == (404, "booking.draw_unknown")


async def test_entering_needs_a_sign_in(draw: Draw, client: httpx.AsyncClient) -> None:
    address = f"/api/v1/draws/{draw.id}/requests/{ids.derive('person', 1)}"
    body = {"wishes": [str(UUID(int=1))]}
    assert (await client.put(address, json=body)).status_code in (401, 403)


@pytest.fixture
def command(
    server: Embedded, own_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run `citycare …` on the database of the test."""
    monkeypatch.setenv("CITYCARE_HOME", str(tmp_path))
    monkeypatch.setenv("CITYCARE_DATABASE_URL", server.url(own_database))
    (tmp_path / "secrets").mkdir()

    async def run_command(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, cli.app, list(words))
        return result.exit_code, result.stdout

    return run_command


async def test_the_command_line_runs_a_draw_and_checks_it(
    database: Database,
    draw: Draw,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "read_keys", lambda _home: KEYS)
    assert (await command("booking", "verify-draw", str(draw.id)))[0] == 1
    code, said = await command("booking", "draw", str(draw.id), "--json")
    assert (code, json.loads(said)["state"], json.loads(said)["won"]) == (0, "done", 20)
    code, said = await command("booking", "verify-draw", str(draw.id), "--json")
    assert (code, json.loads(said)["ok"], json.loads(said)["requests"]) == (0, True, REQUESTS)
    path = tmp_path / "list.ndjson"
    async with database.autocommit() as db:
        path.write_bytes(b"".join([block async for block in service.published(db, draw.id)]))
    assert (await command("booking", "verify-draw", str(path)))[0] == 0
    noted = ["--commitment", "00" * 32]
    assert (await command("booking", "verify-draw", str(path), *noted))[0] == 1
    lines = path.read_bytes().splitlines(keepends=True)
    one = json.loads(lines[30])
    lines[30] = lines[30].replace(
        json.dumps(one["wishes"]).replace(" ", "").encode(),
        json.dumps(one["wishes"][::-1]).replace(" ", "").encode(),
    )
    path.write_bytes(b"".join(lines))
    code, said = await command("booking", "verify-draw", str(path), "--json")
    assert (code, json.loads(said)["line"]) == (1, 31)
    code, said = await command("booking", "verify-draw", str(path))
    assert said.startswith("NOT RIGHT, line 31: ")


async def test_a_draw_that_is_neither_here_nor_a_file_is_said(command: Command) -> None:
    assert (await command("booking", "verify-draw", str(UUID(int=7))))[0] == 1
    assert (await command("booking", "verify-draw", "nonsense"))[0] == 2
    assert (await command("booking", "verify-draw", "x.ndjson", "--commitment", "xyz"))[0] == 2


async def test_one_draw_that_fails_does_not_keep_the_others(
    database: Database, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def two(*_: object) -> list[UUID]:
        return [UUID(int=1), draw.id]

    monkeypatch.setattr("citycare.scenarios.booking.store.draw.list_due", two)
    with pytest.raises(DrawUnknown):
        await draw_run.run_due(database, KEYS)
    async with database.autocommit() as db:
        assert (await service.get_draw(db, draw.id)).state == "done"


async def test_the_worker_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "FAILED_S", 0.0)
    faults: list[Exception] = [RuntimeError("once"), Unavailable()]
    well = asyncio.Event()

    async def go_round() -> float:
        if faults:
            raise faults.pop()
        well.set()
        return 60.0

    task = asyncio.create_task(worker.keep_up("test", go_round))
    await asyncio.wait_for(well.wait(), 5)
    task.cancel()


@pytest.mark.fault
async def test_killed_with_9_again_and_again_it_ends_right(
    database: Database, draw: Draw, server: Embedded, own_database: str
) -> None:
    url = server.url(own_database, user=migrate.APP)
    endings = []
    for step in (1, 2, 4, 5, 3, 2):
        died = await run([sys.executable, "-c", RUN, url, str(draw.id), str(step)])
        endings.append(died.returncode)
    assert endings.count(-signal.SIGKILL) >= 5, endings
    assert set(endings) <= {-signal.SIGKILL, 0}
    done = await draw_run.run_draw(database, KEYS, draw.id)
    assert done.won == 20
    async with database.autocommit() as db:
        assert (await service.verify_draw(db, draw.id)).ok
        counts = await (
            await db.execute(
                "SELECT (SELECT count(*) FROM booking.booking) AS booked,"
                " (SELECT count(*) FROM booking.message) AS told,"
                " (SELECT count(*) FROM booking.place WHERE state = 'taken') AS taken,"
                " (SELECT count(*) FROM fhir.resource WHERE type = 'Appointment') AS published"
            )
        ).fetchone()
    assert counts == {"booked": 20, "told": 60, "taken": 20, "published": 20}
