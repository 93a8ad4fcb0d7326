"""Stories told with the clients that integrators use: fhirpy and fhirclient, on a real server.

Granian serves the application in a process of its own, over a socket, as in a city.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fhirclient import client as smart
from fhirclient.models.bundle import Bundle
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirpy import AsyncFHIRClient
from fhirpy.base.exceptions import (
    AuthorizationError,
    MultipleResourcesFound,
    OperationOutcome,
    ResourceNotFound,
)
from requests import HTTPError

from citycare.kernel.context import Role
from citycare.kit import migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.kit.supervise import web_command
from citycare.web.login.tokens import issue_token
from tests.conftest import ROOT, _clone

Json = dict[str, Any]
HOST = "127.0.0.1"
LOINC = "http://loinc.org"
CARD = "urn:x:card"
UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers, and a token of the city's system."""

    base: str
    token: str

    def fhirpy(self, **headers: str) -> AsyncFHIRClient:
        return AsyncFHIRClient(
            self.base, authorization=f"Bearer {self.token}", extra_headers=headers
        )


async def token_for(url: str) -> str:
    pool = Database(url, size_max=1)
    await pool.open()
    try:
        return await issue_token(pool, Role.EXCHANGE)
    finally:
        await pool.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def wait_ready(origin: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{origin}/health/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
        if process.poll() is not None:
            break
    raise AssertionError(log.read_text()[-2_000:])


@pytest.fixture(scope="module")
def served(
    server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("clients")
    port = free_port()
    origin = f"http://{HOST}:{port}"
    for name in _clone(server, template, f"clients_{os.getpid()}"):
        url = server.url(name, user=migrate.APP)
        told = {
            **os.environ,
            "CITYCARE_HOME": str(home),
            "CITYCARE_DATABASE_URL": url,
            "CITYCARE_BASE_URL": origin,
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONWARNINGS": "ignore",
        }
        log = home / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(web_command(HOST, port, 1), env=told, stdout=out, stderr=out)
        try:
            wait_ready(origin, process, log)
            yield Served(f"{origin}/fhir/R4", asyncio.run(token_for(url)))
        finally:
            process.terminate()
            process.wait(30)


def person(number: str, family: str = "欧阳") -> Json:
    return {
        "identifier": [{"system": CARD, "value": number}],
        "name": [{"family": family, "given": ["慕清"]}],
        "birthDate": "1987-03-09",
    }


def heart_rate(patient: str, day: int) -> Json:
    return {
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "8867-4"}]},
        "subject": {"reference": patient},
        "effectiveDateTime": f"2026-11-{day:02}T08:00:00+08:00",
        "valueQuantity": {"value": 60 + day, "unit": "/min", "system": UCUM, "code": "/min"},
    }


async def test_fhirpy_writes_finds_and_deletes(served: Served) -> None:
    client = served.fhirpy()
    patient = client.resource("Patient", **person("fp-1"))
    await patient.save()
    reference = f"Patient/{patient.id}"
    for day in range(1, 8):
        await client.resource("Observation", **heart_rate(reference, day)).save()
    found = client.resources("Observation").search(subject=reference, code=f"{LOINC}|8867-4")
    newest = await found.sort("-date").limit(3).fetch_all()  # follows the links of three pages
    assert [one["valueQuantity"]["value"] for one in newest] == [67, 66, 65, 64, 63, 62, 61]
    late = await found.search(date__ge="2026-11-05").sort("date").fetch()
    assert [one["valueQuantity"]["value"] for one in late] == [65, 66, 67]
    raw = await found.include("Observation", "subject").limit(1).fetch_raw()
    assert [one["search"]["mode"] for one in raw["entry"]] == ["match", "include"]
    assert await client.resources("Patient").search(_id=patient.id).get() == patient
    assert await client.reference("Patient", patient.id).to_resource() == patient
    for one in newest:
        await client.delete("Observation", one.id)
    await client.delete("Patient", patient.id)
    with pytest.raises(ResourceNotFound):
        await client.get("Patient", patient.id)


async def test_fhirpy_updates_a_version_and_is_told_when_it_is_late(served: Served) -> None:
    patient = served.fhirpy().resource("Patient", **person("fp-2"))
    await patient.save()
    careful = served.fhirpy(**{"If-Match": 'W/"1"'})
    mine = careful.resource("Patient", **person("fp-2"), id=patient.id, gender="female")
    await mine.save()
    assert mine["meta"]["versionId"] == "2"
    with pytest.raises(MultipleResourcesFound):  # fhirpy's name for every 412
        await mine.save()
    past = await served.fhirpy().execute(f"Patient/{patient.id}/_history", "get")
    assert [one["resource"].get("gender") for one in past["entry"]] == ["female", None]
    await patient.refresh()
    assert patient["gender"] == "female"
    await patient.refresh()  # this time 304
    assert patient["gender"] == "female"


async def test_fhirpy_creates_once_for_a_condition(served: Served) -> None:
    once = served.fhirpy(**{"If-None-Exist": f"identifier={CARD}|fp-3"})
    made = [once.resource("Patient", **person("fp-3")) for _ in range(5)]
    await asyncio.gather(*(one.save() for one in made))
    assert len({one.id for one in made}) == 1
    patients = served.fhirpy().resources("Patient").search(identifier=f"{CARD}|fp-3")
    changed, fresh = await patients.update(
        served.fhirpy().resource("Patient", **person("fp-3"), gender="other")
    )
    assert (fresh, changed.id, changed["meta"]["versionId"]) == (False, made[0].id, "2")


async def test_fhirpys_own_condition_in_the_address_of_a_create_is_refused(served: Served) -> None:
    """R4 has the condition of a create in a header; passed over, it would make two of one."""
    client = served.fhirpy()
    patients = client.resources("Patient").search(identifier=f"{CARD}|fp-4")
    with pytest.raises(OperationOutcome) as refused:
        await patients.get_or_create(client.resource("Patient", **person("fp-4")))
    assert "If-None-Exist" in str(refused.value)
    assert await patients.fetch() == []


async def test_fhirpy_is_told_what_is_wrong_and_that_it_must_sign_in(served: Served) -> None:
    wrong = served.fhirpy().resource("Patient", gender="unheard-of")
    with pytest.raises(OperationOutcome) as refused:
        await wrong.save()
    (issue,) = refused.value.resource["issue"]
    assert (issue["code"], issue["expression"]) == ("code-invalid", ["Patient.gender"])
    with pytest.raises(AuthorizationError):
        await AsyncFHIRClient(served.base).resources("Patient").fetch()


async def test_fhirpy_does_a_transaction_whole_or_not_at_all(served: Served) -> None:
    client = served.fhirpy()
    mother = "urn:uuid:9a1f6c52-20a5-4b3a-9d92-2f1f0f9e0a11"
    post = {"method": "POST", "url": "Patient"}
    entries: list[Json] = [
        {
            "fullUrl": mother,
            "resource": {"resourceType": "Patient", **person("fp-5")},
            "request": {**post, "ifNoneExist": f"identifier={CARD}|fp-5"},
        },
        *(
            {
                "resource": {"resourceType": "Observation", **heart_rate(mother, day)},
                "request": {"method": "POST", "url": "Observation"},
            }
            for day in range(1, 10)
        ),
    ]  # fmt: skip
    bundle: Json = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await client.execute("", data=bundle)
    assert [one["response"]["status"][:3] for one in answer["entry"]] == ["201"] * 10
    entries[5]["resource"]["status"] = "imagined"
    entries[0] = entries[0] | {"request": post}
    with pytest.raises(OperationOutcome):
        await client.execute("", data=bundle)
    found = client.resources("Patient").search(identifier=f"{CARD}|fp-5")
    assert len(await found.fetch()) == 1
    told = await found.search(_summary="count").fetch_raw()
    assert told["total"] == 1


@pytest.fixture
def app(served: Served) -> Iterator[Any]:
    """An app of SMART's own client, signed in by a token."""
    told = {"app_id": "story", "app_secret": None, "scope": "", "redirect": None}
    state = {
        "base_uri": f"{served.base}/",
        "auth_type": "oauth2",
        "auth": {"access_token": served.token},
    }
    made = smart.FHIRClient(
        state={**told, "patient_id": None, "server": state, "launch_token": None}
    )
    yield made.server
    made.server.session.close()


def test_fhirclient_reads_what_the_server_can(app: Any) -> None:
    told = app.capabilityStatement
    assert told.fhirVersion == "4.0.1"
    assert {one.type for one in told.rest[0].resource} >= {"Patient", "Observation", "Bundle"}


def test_fhirclient_writes_finds_and_deletes(app: Any) -> None:
    made = Patient({"resourceType": "Patient", **person("fc-1", "司徒")}).create(app)
    patient = Patient.read(made["id"], app)
    assert patient.name[0].family == "司徒"
    patient.gender = "male"
    assert patient.update(app)["meta"]["versionId"] == "2"
    observations = [
        Observation(heart_rate(f"Patient/{made['id']}", day)).create(app) for day in range(1, 6)
    ]
    search = Observation.where(
        {"subject": f"Patient/{made['id']}", "_sort": "-date", "_count": "2"}
    )
    pages = list(search.perform_iter(app))
    assert [len(one.entry) for one in pages] == [2, 2, 1]
    values = [one.resource.valueQuantity.value for page in pages for one in page.entry]
    assert values == [65, 64, 63, 62, 61]
    both = Patient.where({"_id": made["id"]}).include("subject", Observation, reverse=True)
    types = [one.resource_type for one in both.perform_resources_iter(app)]
    assert sorted(types) == ["Observation"] * 5 + ["Patient"]
    with pytest.raises(HTTPError, match="409"):  # others still refer to it
        patient.delete(app)
    for one in observations:
        Observation.read(one["id"], app).delete()
    patient.delete(app)
    with pytest.raises(HTTPError, match="410"):
        Patient.read(made["id"], app)


def test_fhirclient_does_a_transaction(app: Any) -> None:
    name = "urn:uuid:1d5a3bd4-6b5d-4d6e-8b57-9d2b1b4f7c02"
    bundle = Bundle(
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "fullUrl": name,
                    "resource": {"resourceType": "Patient", **person("fc-2")},
                    "request": {"method": "POST", "url": "Patient"},
                },
                {
                    "resource": {"resourceType": "Observation", **heart_rate(name, 3)},
                    "request": {"method": "POST", "url": "Observation"},
                },
            ],
        }
    )
    answer = Bundle(bundle.create(app))
    assert answer.type == "transaction-response"
    observation = Observation.read_from(answer.entry[1].response.location, app)
    patient = Patient.read_from(observation.subject.reference, app)
    assert patient.identifier[0].value == "fc-2"
