"""Bundles for the tests."""

from __future__ import annotations

import base64
import json
from typing import Any

from citycare.kernel.fhir import bundles
from citycare.kernel.fhir.bundles import Plan

Json = dict[str, Any]

BASE = "https://city.example/fhir/R4"
OTHER = "http://hospital.example/fhir"
A, B = "urn:uuid:0e0e0e0e-0000-4000-8000-00000000000a", "urn:oid:1.2.3.4"


def entry(method: str, url: str, resource: Json | None = None, **more: Any) -> Json:
    request = {"method": method, "url": url}
    request |= {name: more.pop(name) for name in list(more) if name.startswith("if")}
    made = more | {"request": request}
    return made if resource is None else made | {"resource": resource}


def bundle(*entries: Any, kind: str = "transaction") -> Json:
    made: Json = {"resourceType": "Bundle", "type": kind}
    return made | {"entry": list(entries)} if entries else made


def planned(*entries: Any, kind: str = "transaction") -> Plan:
    return bundles.plan(bundle(*entries, kind=kind), base=BASE)


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient"} | more


def binary(patch: Any, kind: str = "application/json-patch+json") -> Json:
    data = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"resourceType": "Binary", "contentType": kind, "data": data}


PATCH = [{"op": "replace", "path": "/active", "value": False}]


DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p title="href=\'{0}\'">{0} {1}</p></div>'


def linked(to: str) -> Json:
    """An Observation that names something wherever it can, and where it only looks so."""
    return {
        "resourceType": "Observation",
        "text": {"status": "generated", "div": DIV.format(to, f'<a href="{to}">x</a>')},
        "contained": [{"resourceType": "Encounter", "id": "e", "subject": {"reference": to}}],
        "extension": [{"url": to, "valueUri": to}, {"url": "urn:x", "valueCanonical": to}],
        "identifier": [{"system": to, "value": to}],
        "status": "final",
        "_status": {"extension": [{"url": "urn:x", "valueReference": {"reference": f"{to}#p"}}]},
        "code": {"coding": [{"system": to, "code": "x"}], "text": to},
        "subject": {"reference": to, "display": to},
        "performer": [{"reference": f"{to}/_history/3"}, {"reference": "Practitioner/7"}],
        "encounter": {"reference": "#e"},
    }
