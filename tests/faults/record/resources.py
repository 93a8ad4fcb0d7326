"""The resources of a run, written and read: a token that says who wrote it, and a number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.faults.record.history import GONE, NEVER, Seen, Sent, group_of

Json = dict[str, Any]

CHECK = "urn:citycare:check"
TOKEN, KEY, AMOUNT = f"{CHECK}:token", f"{CHECK}:key", f"{CHECK}:amount"


def basic(sent: Sent, group: str = "") -> Json:
    """Return a Basic with what was to be sent."""
    coding = {"system": CHECK, "code": group or group_of(sent.name)}
    made = _marked(sent) | {"resourceType": "Basic", "code": {"coding": [coding]}}
    return made | ({"id": sent.name.partition("/")[2]} if sent.name else {})


def patient(sent: Sent) -> Json:
    return _marked(sent) | {"resourceType": "Patient", "gender": "unknown"}


def observation(sent: Sent, subject: str) -> Json:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    told = {"status": "final", "code": code, "subject": {"reference": subject}}
    return _marked(sent) | {"resourceType": "Observation"} | told


def _marked(sent: Sent) -> Json:
    identifiers = [{"system": TOKEN, "value": sent.token}]
    identifiers += [{"system": KEY, "value": sent.key}] if sent.key else []
    amount = [{"url": AMOUNT, "valueInteger": sent.value}]
    return {"identifier": identifiers, "extension": amount}


def patch(seen: Seen, sent: Sent) -> list[Json]:
    """Return the step from a number that was seen to the next."""
    amount = "/extension/0/valueInteger"
    return [
        {"op": "test", "path": amount, "value": seen.value},
        {"op": "replace", "path": amount, "value": sent.value},
        {"op": "replace", "path": "/identifier/0/value", "value": sent.token},
    ]


def entry(resource: Json, method: str, url: str, full_url: str = "") -> Json:
    """Return an entry of a transaction."""
    made: Json = {"resource": resource, "request": {"method": method, "url": url}}
    return made | ({"fullUrl": full_url} if full_url else {})


def seen(resource: Json) -> Seen:
    """Read what is shown of a resource."""
    return Seen(
        f"{resource['resourceType']}/{resource['id']}",
        int(resource["meta"]["versionId"]),
        resource["identifier"][0]["value"],
        resource["extension"][0]["valueInteger"],
    )


def state(name: str, status: int, body: Any) -> Seen | None:
    """Read what an answer to a read says; None where it says nothing of the resource."""
    if status == 200:
        return seen(body)
    return {404: Seen(name, NEVER), 410: Seen(name, GONE)}.get(status)


def entries(bundle: Json) -> Iterator[Seen]:
    """Read the entries of a page; a deletion has no token."""
    for one in bundle.get("entry", ()):
        if "resource" in one:
            yield seen(one["resource"])
        else:
            version = int(one["response"]["etag"].strip('W/"'))
            yield Seen(one["request"]["url"], version)


def following(bundle: Json) -> str:
    """Return the path of the next page below the base, or nothing."""
    for link in bundle.get("link", ()):
        if link["relation"] == "next":
            parts = urlsplit(str(link["url"]))
            return parts.path.partition("/fhir/R4/")[2] + "?" + parts.query
    return ""
