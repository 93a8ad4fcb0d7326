"""A hospital's own files, as text to write, change and import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from citycare.journeys.onboarding import Report, import_paths
from citycare.kit import migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
Json = dict[str, Any]
Import = Callable[..., Awaitable[Report]]

USCC = "91350100M000100Y43"
TABLES = {
    "organisations.csv": f"""uscc,name,short_name,nicknames,kind,level,district,address,phone
{USCC},青浦区中山医院,中山青浦,青中山|中山分院,hospital,三级乙等,310118,公园东路1158号,021-69719190
""",
    "departments.csv": f"""organisation,code,name,place
{USCC},03.04,心内科,3号楼2层
{USCC},10,眼科,门诊楼4层
""",
    "practitioners.csv": """licence,name,sex,title,good_at,organisation,departments
N-77,曾小贤,男,主任医师,冠心病;高血压,青浦区中山医院,心内科
N-78,胡一菲,女,副主任医师,白内障,青浦区中山医院,眼科|心内科
""",
    "clinics.csv": f"""organisation,clinic,department,licence,kind,release,room,fee
{USCC},XN-01,心内科,N-77,expert,first_come,305诊室,50
{USCC},YK-00,眼科,,general,first_come,401诊室,25.5
""",
    "schedules.csv": f"""organisation,clinic,weekday,starts,ends,window_min,capacity,valid_from
{USCC},XN-01,1,08:00,11:30,30,6,2026-11-01
{USCC},XN-01,周三,13:30,16:30,30,6,2026-11-01
""",
    "windows.csv": f"""organisation,clinic,date,starts,ends,capacity,public,referral,elder
{USCC},YK-00,2026-11-24,08:00,08:30,5,3,1,1
{USCC},YK-00,2026-11-24,08:30,09:00,5,,,
""",
}


@pytest.fixture
def files() -> dict[str, str]:
    """The six tables, as text; a test changes what it is about."""
    return dict(TABLES)


def _put_files(folder: Path, given: dict[str, str | bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, text in given.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def _loader(database: Database, folder: Path) -> Import:
    async def run(given: dict[str, str | bytes], **more: Any) -> Report:
        _put_files(folder, given)
        more.setdefault("now", NOW)
        return await import_paths(database, [folder], **more)

    return run


@pytest.fixture
def load(database: Database, tmp_path: Path) -> Import:
    """Writes files and imports the folder at 9:00 of Sunday 2026-11-22."""
    return _loader(database, tmp_path / "hospital")


@pytest.fixture
async def untouched(server: Embedded, shared_database: str) -> AsyncIterator[Database]:
    """The database all tests share: for imports that must write nothing."""
    pool = Database(server.url(shared_database, user=migrate.APP), size_max=2)
    await pool.open()
    yield pool
    await pool.close()


@pytest.fixture
def refuse(untouched: Database, tmp_path: Path) -> Import:
    """Imports like `load`, then makes sure that nothing was written."""
    run = _loader(untouched, tmp_path / "hospital")

    async def checked(given: dict[str, str | bytes], **more: Any) -> Report:
        report = await run(given, **more)
        assert report.written == {}
        assert set((await _count(untouched)).values()) == {0}
        return report

    return checked


WRITTEN = {
    "organisations": "identity.organisation",
    "departments": "identity.department",
    "practitioners": "identity.practitioner",
    "roles": "identity.practitioner_role",
    "clinics": "booking.clinic",
    "templates": "booking.template",
    "windows": "booking.slot",
    "places": "booking.place",
    "resources": "fhir.resource",
}


async def _count(database: Database) -> dict[str, int]:
    found = {}
    async with database.autocommit() as db:
        for name, table in WRITTEN.items():
            statement = f"SELECT count(*) AS n FROM {table}".encode()
            row = await (await db.execute(statement)).fetchone()
            found[name] = row["n"] if row else -1
    return found


@pytest.fixture
def counts(database: Database) -> Callable[[], Awaitable[dict[str, int]]]:
    """Counts the rows an import may write."""
    return lambda: _count(database)
