"""What a receiver is told: Bundles of type history whose first entry is the status.

Source: Subscriptions R5 Backport IG 1.1.0, notifications and payloads; profiles
backport-subscription-notification-r4 and backport-subscription-status-r4; operations $status and
$events. HL7 FHIR R4 4.0.1, Bundle (bdl-3, bdl-4: each entry of a history has request and response).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from citycare.scenarios.exchange.model.subscriptions import (
    Content,
    Event,
    Notice,
    Standing,
)

PROFILE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-"
METHODS = {"create": "POST", "update": "PUT", "delete": "DELETE"}
STATUSES = {"create": "201", "update": "200", "delete": "204"}
GONE, LARGE = "410", "413"
ERRORS = "http://terminology.hl7.org/CodeSystem/subscription-error"

Json = dict[str, Any]
Bodies = Mapping[int, Any]
"""By number of the event: the resource, or its text as something that is written as it is."""


def instant(at: datetime) -> str:
    """Write an instant to the millisecond.

    Source: HL7 FHIR R4 4.0.1 §2.24.0.1 instant.
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status(
    standing: Standing,
    notice: Notice,
    *,
    id_: UUID,
    base: str,
    topic: str = "",
    events: Sequence[Json] = (),
) -> Json:
    """Return the Parameters that tell how a subscription stands, and of which events.

    Args:
        standing: of the subscription.
        notice: what for.
        id_: of these Parameters.
        base: the server's own address.
        topic: canonical URL, where there is one and it is to be told.
        events: parts of each event, as `event_part` gives them.

    Source: Backport IG 1.1.0, profile backport-subscription-status-r4. Numbers are strings there.
    """
    parameters: list[Json] = [
        {
            "name": "subscription",
            "valueReference": {"reference": f"{base}/Subscription/{standing.id}"},
        }
    ]
    if topic:
        parameters.append({"name": "topic", "valueCanonical": topic})
    parameters += [
        {"name": "status", "valueCode": standing.state.value},
        {"name": "type", "valueCode": notice.value},
        {"name": "events-since-subscription-start", "valueString": str(standing.numbered)},
    ]
    parameters += [{"name": "notification-event", "part": list(event["part"])} for event in events]
    if standing.error:
        coding = {"system": ERRORS, "code": "no-response"}
        parameters.append(
            {
                "name": "error",
                "valueCodeableConcept": {"coding": [coding], "text": standing.error},
            }
        )
    return {
        "resourceType": "Parameters",
        "id": str(id_),
        "meta": {"profile": [PROFILE + "status-r4"]},
        "parameter": parameters,
    }


def event_part(event: Event, *, base: str, named: bool) -> Json:
    """Return number, time and, where it may be named, the resource of an event.

    Source: Backport IG 1.1.0, payloads: with content `empty` there is no focus.
    """
    part: list[Json] = [
        {"name": "event-number", "valueString": str(event.number)},
        {"name": "timestamp", "valueInstant": instant(event.at)},
    ]
    if named:
        reference = f"{base}/{event.type}/{event.resource_id}"
        part.append({"name": "focus", "valueReference": {"reference": reference}})
    return {"part": part}


def entry(event: Event, *, base: str, body: Any, large: bool = False) -> Json:
    """Return the entry of an event's resource, with its body where there is one to tell.

    Source: HL7 FHIR R4 4.0.1, Bundle.entry of a history; Backport IG 1.1.0, payloads: a resource
    that cannot be sent is told of by request and response.
    """
    address = f"{event.type}/{event.resource_id}"
    method = METHODS[event.interaction]
    told: Json = {"fullUrl": f"{base}/{address}"}
    if body is not None and not large:
        told["resource"] = body
    told["request"] = {
        "method": method,
        "url": event.type if method == "POST" else address,
    }
    told["response"] = {
        "status": LARGE if large else STATUSES[event.interaction],
        "etag": f'W/"{event.version}"',
        "lastModified": instant(event.at),
    }
    return told


def bundle(
    standing: Standing,
    notice: Notice,
    *,
    ids: tuple[UUID, UUID],
    now: datetime,
    base: str,
    topic: str = "",
    content: Content = Content.EMPTY,
    events: Sequence[Event] = (),
    withheld: frozenset[int] = frozenset(),
    large: frozenset[int] = frozenset(),
    bodies: Bodies | None = None,
) -> Json:
    """Return a notification.

    Args:
        standing: of the subscription.
        notice: what it is.
        ids: of the Bundle and of the Parameters.
        now: when it is written.
        base: the server's own address.
        topic: its canonical URL; left out with content `empty`, as it may say too much.
        content: how much is told of each event.
        events: in order.
        withheld: numbers of events whose resource the owner may not see any more: of them, nothing
            but that there was one.
        large: numbers of events whose resource does not fit.
        bodies: of each event.

    Source: see the module.
    """
    told = content is not Content.EMPTY
    parts = [
        event_part(event, base=base, named=told and event.number not in withheld)
        for event in events
    ]
    parameters = status(
        standing, notice, id_=ids[1], base=base, topic=topic if told or not events else "",
        events=parts,
    )  # fmt: skip
    entries: list[Json] = [
        {
            "fullUrl": f"urn:uuid:{ids[1]}",
            "resource": parameters,
            "request": {"method": "GET", "url": f"{base}/Subscription/{standing.id}/$status"},
            "response": {"status": "200"},
        }
    ]
    for event in events if told else ():
        if event.number not in withheld:
            body = (bodies or {}).get(event.number) if content is Content.FULL else None
            entries.append(entry(event, base=base, body=body, large=event.number in large))
    return {
        "resourceType": "Bundle",
        "id": str(ids[0]),
        "meta": {"profile": [PROFILE + "notification-r4"]},
        "type": "history",
        "timestamp": instant(now),
        "entry": entries,
    }


def statuses(all_of: Sequence[Json], *, id_: UUID, now: datetime, base: str) -> Json:
    """Return the answer of `$status`: a searchset of Parameters.

    Source: Backport IG 1.1.0, operation backport-subscription-status.
    """
    entries = [
        {"fullUrl": f"urn:uuid:{each['id']}", "resource": each, "search": {"mode": "match"}}
        for each in all_of
    ]
    return {
        "resourceType": "Bundle",
        "id": str(id_),
        "type": "searchset",
        "timestamp": instant(now),
        "total": len(all_of),
        "link": [{"relation": "self", "url": f"{base}/Subscription/$status"}],
        **({"entry": entries} if entries else {}),  # FHIR has no empty arrays
    }
