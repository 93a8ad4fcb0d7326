"""Synthetic patients and observations, made from their number: nobody real, always the same."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

CARD = "urn:citycare:bench:card"
LOINC = "http://loinc.org"
FAMILIES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰春梅建国文辉"
CODES = ("8867-4", "8480-6", "8462-4", "29463-7", "8302-2", "2339-0", "2093-3", "718-7", "8310-5")
PER_PATIENT = 24
BEARERS = 4
"""Patients with one whole name: the same search finds as much whatever their number."""


def patient(number: int) -> Json:
    """Return a Patient."""
    rest, at = divmod(number // BEARERS, len(FAMILIES))
    family = FAMILIES[at]
    given = GIVEN[rest % len(GIVEN)] + GIVEN[rest // len(GIVEN) % len(GIVEN)]
    return {
        "resourceType": "Patient",
        "identifier": [{"system": CARD, "value": f"BENCH{number:09d}"}],
        "active": True,
        "name": [{"use": "official", "text": family + given, "family": family, "given": [given]}],
        "telecom": [{"system": "phone", "value": f"1990{number:07d}", "use": "mobile"}],
        "gender": ("male", "female")[number % 2],
        "birthDate": f"{1930 + number % 90}-{1 + number % 12:02d}-{1 + number % 28:02d}",
        "address": [{"country": "CN", "city": "上海市", "text": f"示例路{number % 900}号"}],
    }


def observation(subject: str, number: int) -> Json:
    """Return an Observation about a Patient, as large as those of Synthea."""
    code = CODES[number % len(CODES)]
    day = f"2026-{1 + number // len(CODES) % 11:02d}-{1 + number % 28:02d}"
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "vital-signs",
                        "display": "Vital Signs",
                    }
                ]
            }
        ],
        "code": {
            "coding": [{"system": LOINC, "code": code, "display": f"LOINC {code}"}],
            "text": f"measurement {code}",
        },
        "subject": {"reference": subject, "display": f"synthetic patient of {subject}"},
        "performer": [{"identifier": {"system": f"{CARD}:staff", "value": f"S{number % 500}"}}],
        "effectiveDateTime": f"{day}T08:{number % 60:02d}:00+08:00",
        "issued": f"{day}T09:{number % 60:02d}:00.000+08:00",
        "valueQuantity": {
            "value": 60 + number % 80,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }


def transaction(number: int) -> Json:
    """Return a Bundle of a Patient and nine Observations about them."""
    name = f"urn:uuid:00000000-0000-4000-8000-{number:012d}"
    entries = [
        {
            "fullUrl": name,
            "resource": patient(number),
            "request": {"method": "POST", "url": "Patient"},
        }
    ]
    entries += [
        {
            "resource": observation(name, number + each),
            "request": {"method": "POST", "url": "Observation"},
        }
        for each in range(9)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
