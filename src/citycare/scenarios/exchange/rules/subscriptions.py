"""Reading Subscriptions and topics; when to try again; whom we may call.

Two forms are taken. R4 alone: `criteria` is a search (`Observation?code=…`), the channel a
rest-hook, and with a payload each resource is put to the receiver. With the backport, `criteria` is
the URL of a topic, and notifications are Bundles; the extension for their content is also taken
with a search as `criteria`.

Source: HL7 FHIR R4 4.0.1, resource Subscription and code system subscription-channel-type;
Subscriptions R5 Backport IG 1.1.0, profile backport-subscription and its extensions. That version
says nothing of how a topic is kept on an R4 server; Basic with the cross-version extensions is what
its example Basic-r4-encounter-complete (continuous build 1.2.0) shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from urllib.parse import urlsplit

from citycare.scenarios.exchange.model.subscriptions import (
    COUNT,
    COUNT_MAX,
    ENDPOINT_MAX,
    FILTERS_MAX,
    HEADER_MAX,
    HEADERS_MAX,
    HEARTBEAT_MIN_S,
    TIMEOUT_MAX_S,
    TIMEOUT_S,
    Content,
    Filter,
    Pace,
    State,
    Subscription,
    SubscriptionRefused,
    Topic,
    Trigger,
)

Json = Mapping[str, Any]
Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
TOPIC_R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic."
TOPIC_R4B = "http://hl7.org/fhir/4.3/StructureDefinition/extension-SubscriptionTopic."
FHIR_TYPES = ("http://hl7.org/fhir/fhir-types", "SubscriptionTopic")
DEFINITION = "http://hl7.org/fhir/StructureDefinition/"
JSON_TYPES = frozenset(("application/fhir+json", "application/json"))
SEARCH = re.compile(r"([A-Z][A-Za-z]+)(?:\?(.*))?", re.ASCII | re.DOTALL)
INTERACTIONS = frozenset(("create", "update", "delete"))
HEADER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)"
)
OURS = frozenset(
    (
        "connection", "content-encoding", "content-length", "content-type", "expect", "host",
        "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    )
)  # fmt: skip
"""Headers that a client may not set: they say how the request is built."""

NAT64 = IPv6Network("64:ff9b::/96")


def _refused(element: str, problem: str) -> SubscriptionRefused:
    """Return the error that names element (a FHIRPath) and problem."""
    return SubscriptionRefused(element=element, problem=problem)


def read_subscription(resource: Json) -> Subscription:
    """Read a Subscription that has passed the checks of R4.

    Returns:
        Searches as they are written: whether they can be read is for who knows the parameters.

    Raises:
        SubscriptionRefused: it asks for what is not served.

    Source: see the module.
    """
    channel = resource["channel"]
    if channel.get("type") != "rest-hook" or _extensions(channel.get("_type"), "channel-type"):
        raise _refused("Subscription.channel.type", "only rest-hook is served")
    kind, query, topic = _criteria(resource)
    content = _content(channel)
    if topic and content is None:
        what = "a topic needs the extension backport-payload-content"
        raise _refused("Subscription.channel.payload", what)
    payload = channel.get("payload", "")
    if payload.partition(";")[0].strip() not in JSON_TYPES | {""} or (content and not payload):
        raise _refused("Subscription.channel.payload", "only application/fhir+json is served")
    return Subscription(
        id=resource["id"],
        version=int(resource.get("meta", {}).get("versionId", "0")),
        status=State.OFF if resource.get("status") == "off" else State.REQUESTED,
        type=kind,
        query=query,
        topic=topic,
        filters=_filters(resource),
        endpoint=_endpoint(channel),
        headers=_headers(channel.get("header", ())),
        content=content,
        payload=payload,
        heartbeat_s=_number(channel, "heartbeat-period", HEARTBEAT_MIN_S, None),
        timeout_s=_number(channel, "timeout", 1, TIMEOUT_MAX_S) or TIMEOUT_S,
        max_count=_number(channel, "max-count", 1, COUNT_MAX) or COUNT,
        ends_at=_instant(resource.get("end")),
    )


def _instant(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError as error:  # R4 lets a leap second through
        raise _refused("Subscription.end", "not an instant") from error


def _criteria(resource: Json) -> tuple[str, str, str]:
    text = resource.get("criteria", "").strip()
    found = SEARCH.fullmatch(text)
    if found is not None:
        return found[1], found[2] or "", ""
    if "://" not in text and not text.startswith("urn:"):
        what = "neither a search (Type?parameter=value) nor the URL of a topic"
        raise _refused("Subscription.criteria", what)
    return "", "", text


def _filters(resource: Json) -> tuple[Filter, ...]:
    element = "Subscription.criteria.extension"
    found = []
    for each in _extensions(resource.get("_criteria"), "filter-criteria"):
        text = each.get("valueString", "")
        kind, mark, query = text.partition("?")
        found.append(Filter(kind, query) if mark else Filter("", text))
        if not found[-1].query:
            raise _refused(element, "a filter is empty")
    if len(found) > FILTERS_MAX:
        raise _refused(element, f"more than {FILTERS_MAX} filters")
    return tuple(found)


def _content(channel: Json) -> Content | None:
    found = _extensions(channel.get("_payload"), "payload-content")
    if not found:
        return None
    code = found[0].get("valueCode")
    if code not in set(Content):
        what = "the content is none of " + ", ".join(Content)
        raise _refused("Subscription.channel.payload.extension", what)
    return Content(code)


def _endpoint(channel: Json) -> str:
    element = "Subscription.channel.endpoint"
    text = str(channel.get("endpoint", ""))
    if (
        not text
        or len(text) > ENDPOINT_MAX
        or not text.isascii()
        or re.search(r"[\x00-\x20]", text)
    ):
        raise _refused(element, f"an ASCII address of at most {ENDPOINT_MAX} characters is needed")
    try:
        parts = urlsplit(text)
        good = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or parts.scheme not in ("http", "https"):
        raise _refused(element, "not an address of http or https")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused(element, "no user, password or fragment in the address: use headers")
    return text


def _headers(texts: Iterable[str | None]) -> tuple[tuple[str, str], ...]:
    element = "Subscription.channel.header"
    found = []
    for text in texts:
        match = HEADER.fullmatch(text) if text and len(text) <= HEADER_MAX else None
        if match is None:
            raise _refused(element, "not of the form Name: value, in ASCII")
        if match[1].lower() in OURS:
            raise _refused(element, f"{match[1]} is set by the server")
        found.append((match[1], match[2]))
    if len(found) > HEADERS_MAX:
        raise _refused(element, f"more than {HEADERS_MAX} headers")
    return tuple(found)


def _number(channel: Json, name: str, least: int, most: int | None) -> int | None:
    """Return what an extension of the channel says, held within limits; None: it is not there."""
    found = _extensions(channel, name)
    value = found[0].get("valueUnsignedInt", found[0].get("valuePositiveInt")) if found else None
    if not isinstance(value, int) or value == 0:  # 0 as heartbeat or time-out: as we see fit
        return None
    return max(least, value if most is None else min(value, most))


def _extensions(element: Json | None, name: str) -> list[Json]:
    url = BACKPORT + name
    return [each for each in (element or {}).get("extension", ()) if each.get("url") == url]


def is_topic(resource: Mapping[str, Any]) -> bool:
    """Tell whether a resource is a Basic that holds a SubscriptionTopic.

    Source: see the module.
    """
    code = resource.get("code") if resource["resourceType"] == "Basic" else None
    codings = code.get("coding") if isinstance(code, dict) else None
    some = [each for each in codings if isinstance(each, dict)] if isinstance(codings, list) else []
    return FHIR_TYPES in [(each.get("system"), each.get("code")) for each in some]


def read_topic(resource: Json) -> Topic | None:
    """Read the SubscriptionTopic that a Basic holds; None where it is something else, or retired.

    Raises:
        SubscriptionRefused: it asks for what is not served, or lacks URL or triggers.

    Source: see the module; HL7 FHIR R5 5.0.0, SubscriptionTopic (resourceTrigger, queryCriteria).
    """
    if not is_topic(resource):
        return None
    told = [*resource.get("extension", ()), *resource.get("modifierExtension", ())]
    if _of_topic(told, "status") and _of_topic(told, "status")[0].get("valueCode") == "retired":
        return None
    urls = [each["valueUri"] for each in _of_topic(told, "url") if "valueUri" in each]
    triggers = [_trigger(each.get("extension", ())) for each in _of_topic(told, "resourceTrigger")]
    if not urls or not triggers:
        raise _refused("Basic.extension", "a topic needs a url and a resourceTrigger")
    return Topic(resource["id"], urls[0], tuple(triggers))


def _of_topic(told: Iterable[Json], name: str) -> list[Json]:
    return [each for each in told if each.get("url") in (TOPIC_R5 + name, TOPIC_R4B + name)]


def _trigger(parts: Sequence[Json]) -> Trigger:
    by_name: dict[str, list[Json]] = {}
    for part in parts:
        by_name.setdefault(part.get("url", ""), []).append(part)
    kind = next(iter(by_name.get("resource", ())), {}).get("valueUri", "").removeprefix(DEFINITION)
    said = {part.get("valueCode", "") for part in by_name.get("supportedInteraction", ())}
    if not kind or not said <= INTERACTIONS:
        raise _refused("Basic.extension", "a trigger names its type and create, update or delete")
    asked = by_name.get("queryCriteria", [{}])[0].get("extension", ())
    if "fhirPathCriteria" in by_name and not asked:
        raise _refused("Basic.extension", "of a trigger only queryCriteria are served, no FHIRPath")
    query = {part.get("url"): part for part in asked}
    answers = {"test-passes": True, "test-fails": False}
    return Trigger(
        type=kind,
        interactions=frozenset(said) or INTERACTIONS,
        previous=query.get("previous", {}).get("valueString"),
        current=query.get("current", {}).get("valueString"),
        on_create=answers.get(query.get("resultForCreate", {}).get("valueCode", "")),
        on_delete=answers.get(query.get("resultForDelete", {}).get("valueCode", "")),
        both=bool(query.get("requireBoth", {}).get("valueBoolean")),
    )


def fires(sides: Sequence[bool | None], *, both: bool) -> bool:
    """Tell whether what is known of the version before and of the new one makes an event.

    Args:
        sides: whether each meets its search; None: it is not looked at.
        both: whether all must hold, or one.

    Source: HL7 FHIR R5 5.0.0, SubscriptionTopic.resourceTrigger.queryCriteria.requireBoth.
    """
    known = [side for side in sides if side is not None]
    if not known:
        return True
    return all(known) if both else any(known)


def backoff_s(failures: int, luck: float, pace: Pace) -> float:
    """Return the seconds to wait after so many failures in a row.

    Args:
        failures: from 1 on.
        luck: from 0 to 1; receivers that failed together do not come back together.
        pace: the first wait and the longest.

    Source: ours: doubles with each failure; a half of it is by luck.
    """
    whole = min(pace.backoff_s * 2.0 ** min(failures - 1, 30), pace.backoff_max_s)
    return whole * (0.5 + luck / 2)


def may_reach(address: Address, allowed: Networks, *, encrypted: bool) -> bool:
    """Tell whether a receiver at this address may be called.

    Elsewhere than in the networks the operator allows, an address must be one of the public
    internet and the connection encrypted: else a subscription would be a way into our own network.

    Source: OWASP, Server-Side Request Forgery Prevention; IANA special-purpose address registries
    (RFC 6890); Backport IG 1.1.0, channels, security notes (https only).
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in allowed):
        return True
    if not encrypted or not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv6Address):  # these carry an address of version 4, of wherever
        return address.sixtofour is None and address.teredo is None and address not in NAT64
    return True
