"""An operator before the record's pages, and a little record: two residents, what is about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare import app as application
from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kit.db import Database
from citycare.scenarios import exchange
from citycare.scenarios.exchange.pages import portal
from citycare.settings import read
from citycare.web import access
from citycare.web.assembly import Parts
from citycare.web.edge.middleware import Limits
from tests.web.operator_city import BASE, committed, operator

Json = dict[str, Any]
ANNA = UUID("018f6b2e-0000-7000-8000-00000000a11a")
BORA = UUID("018f6b2e-0000-7000-8000-00000000b02a")
TEMPLATES = Path(exchange.__file__).parent / "templates"


@pytest.fixture
def app(tmp_path: Path, database: Database) -> FastAPI:
    settings = read(
        {"CITYCARE_HOME": str(tmp_path), "CITYCARE_DEMO": "1", "CITYCARE_BASE_URL": BASE}
    )
    parts = Parts(
        routers=(*portal.ROUTERS, access.router),
        templates=(TEMPLATES,),
        entries={"operator": (portal.ENTRY,)},
        limits=Limits(by_prefix=portal.LIMITS),
    )
    return application.create(settings, database, parts)


@pytest.fixture
async def client(app: FastAPI, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with await operator(app, database) as opened:
        yield opened


def patient(id_: UUID, name: str, born: str = "1958-03-14") -> Json:
    return {
        "resourceType": "Patient",
        "id": str(id_),
        "identifier": [{"system": "urn:city:number", "value": f"31010119{str(id_)[-4:]}"}],
        "name": [{"text": name}],
        "gender": "female",
        "birthDate": born,
    }


def pulse(id_: str, person: UUID, value: int = 72, **more: Any) -> Json:
    coding = {"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [coding], "text": "心率"},
        "subject": {"reference": f"Patient/{person}"},
        "effectiveDateTime": "2026-11-28T09:30:00+08:00",
        "valueQuantity": {"value": value, "unit": "/min", "system": "http://unitsofmeasure.org"},
        **more,
    }


@pytest.fixture
async def record(database: Database) -> None:
    """Two residents, a pulse of each, that of Anna put right once, and a hospital."""

    async def fill(cx: Context) -> None:
        hospital = {"resourceType": "Organization", "id": "h-1", "name": "示例第一医院"}
        some = [patient(ANNA, "林秀英"), patient(BORA, "周建国"), hospital]
        await fhir.put(cx, [*some, pulse("o-1", ANNA), pulse("o-2", BORA, 90)])

    async def mend(cx: Context) -> None:
        await fhir.put(cx, [pulse("o-1", ANNA, 76, note=[{"text": "复测"}])])

    await committed(database, fill)
    await committed(database, mend)
