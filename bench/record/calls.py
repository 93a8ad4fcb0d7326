"""The requests of each figure: the same work that the other servers were given."""

from __future__ import annotations

import random
from collections.abc import Callable
from urllib.parse import quote

import orjson

from bench.record import data
from bench.record.stage import patient_id

ROOT = "/fhir/R4"
DICE = random.Random(20261129)
Make = Callable[[int, str, int], list[bytes]]
"""Makes requests: how many, as whom, over how many patients."""


def _get(path: str, token: str) -> bytes:
    return (
        f"GET {ROOT}/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


def _post(path: str, body: object, token: str) -> bytes:
    text = orjson.dumps(body)
    head = (
        f"POST {ROOT}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/fhir+json\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


FRESH = 500_000_000  # numbers of patients that are not on the stage


def create(count: int, token: str, _: int) -> list[bytes]:
    """One Patient each."""
    start = FRESH + DICE.randrange(10**6) * 100
    return [_post("/Patient", data.patient(start + n), token) for n in range(count)]


def transaction(count: int, token: str, _: int) -> list[bytes]:
    """One Patient and nine Observations each."""
    start = FRESH + DICE.randrange(10**6) * 100
    return [_post("", data.transaction(start + n), token) for n in range(count)]


def read(count: int, token: str, patients: int) -> list[bytes]:
    """A Patient by id."""
    return [_get(f"Patient/{patient_id(DICE.randrange(patients))}", token) for _ in range(count)]


def identifier(count: int, token: str, patients: int) -> list[bytes]:
    """A Patient by system and number."""
    some = (DICE.randrange(patients) for _ in range(count))
    return [_get(f"Patient?identifier={data.CARD}%7CBENCH{n:09d}", token) for n in some]


def name_birthdate(count: int, token: str, patients: int) -> list[bytes]:
    """Patients by a whole name, born since a day; the first twenty."""
    paths = []
    for _ in range(count):
        one = data.patient(DICE.randrange(patients))
        name = quote(one["name"][0]["text"])
        paths.append(f"Patient?name={name}&birthdate=ge1960-01-01&_count=20")
    return [_get(path, token) for path in paths]


def obs_code(count: int, token: str, patients: int) -> list[bytes]:
    """The newest Observations of a Patient with a code."""
    return [
        _get(
            f"Observation?subject=Patient/{patient_id(DICE.randrange(patients))}"
            f"&code={data.LOINC}%7C{DICE.choice(data.CODES)}&_sort=-date&_count=20",
            token,
        )
        for _ in range(count)
    ]


def everything(count: int, token: str, patients: int) -> list[bytes]:
    """All of a Patient, about 25 resources."""
    return [
        _get(f"Patient/{patient_id(DICE.randrange(patients))}/$everything", token)
        for _ in range(count)
    ]


CALLS: dict[str, tuple[Make, int]] = {
    "create": (create, 4_000),
    "transaction": (transaction, 800),
    "read": (read, 12_000),
    "identifier": (identifier, 8_000),
    "name_birthdate": (name_birthdate, 4_000),
    "obs_code": (obs_code, 6_000),
    "everything": (everything, 4_000),
}
