"""Reading Subscriptions; whom we may call; when to try again; what fires."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.fhir.r4 import faults
from citycare.kit import ids
from citycare.scenarios.exchange.model.subscriptions import (
    Content,
    Event,
    Notice,
    Pace,
    Standing,
    State,
    SubscriptionRefused,
)
from citycare.scenarios.exchange.rules import notifications
from citycare.scenarios.exchange.rules import subscriptions as rules
from tests.scenarios.exchange.subscriptions.conftest import BASE, observation, subscription

Json = dict[str, Any]
URL = "https://hospital.example/hook"
AT = datetime(2026, 11, 29, 1, 2, 3, 450_000, tzinfo=UTC)


def test_a_plain_one_is_read() -> None:
    found = rules.read_subscription(
        subscription(
            URL, "Observation?code=8867-4", content=None, end="2026-12-01T00:00:00+08:00",
            channel={"header": ["Authorization: Bearer abc"]}, meta={"versionId": "3"},
        )
    )  # fmt: skip
    assert (found.type, found.query, found.topic) == ("Observation", "code=8867-4", "")
    assert (found.version, found.status, found.content) == (3, State.REQUESTED, None)
    assert found.headers == (("Authorization", "Bearer abc"),)
    assert found.ends_at == datetime(2026, 12, 1, tzinfo=timezone(timedelta(hours=8)))
    assert (found.timeout_s, found.max_count, found.heartbeat_s) == (10, 100, None)


def test_what_the_client_wants_is_held_within_limits() -> None:
    wants = {"timeout": 900, "max-count": 1_000_000, "heartbeat-period": 1}
    found = rules.read_subscription(subscription(URL, "urn:topic:1", extensions=wants))
    assert (found.timeout_s, found.max_count, found.heartbeat_s) == (60, 1_000, 10)
    assert (found.topic, found.content) == ("urn:topic:1", Content.ID_ONLY)


@pytest.mark.parametrize(
    ("path", "value", "element"),
    [
        ("criteria", "observations please", "criteria"),
        ("criteria", "", "criteria"),
        ("end", "2026-12-31T23:59:60Z", "end"),
        ("channel.header", [None], "channel.header"),
        ("channel.type", "websocket", "channel.type"),
        ("channel.payload", "application/fhir+xml", "channel.payload"),
        ("channel.payload", "", "channel.payload"),
        ("channel._payload", {"extension": [{"url": "x"}]}, "channel.payload"),
        ("channel.endpoint", "", "channel.endpoint"),
        ("channel.endpoint", "ftp://hospital.example/", "channel.endpoint"),
        ("channel.endpoint", "https:///nobody", "channel.endpoint"),
        ("channel.endpoint", "https://me:secret@hospital.example/", "channel.endpoint"),
        ("channel.endpoint", "https://hospital.example/\r\nX: 1", "channel.endpoint"),
        ("channel.endpoint", "https://[::1", "channel.endpoint"),
        ("channel.endpoint", "https://hospital.example:99999/", "channel.endpoint"),
        ("channel.header", ["Host: elsewhere"], "channel.header"),
        ("channel.header", ["transfer-encoding: chunked"], "channel.header"),
        ("channel.header", ["X: a\r\nY: b"], "channel.header"),
        ("channel.header", ["no colon"], "channel.header"),
        ("channel.header", [f"X-{n}: 1" for n in range(21)], "channel.header"),
    ],
)
def test_what_is_not_served_is_refused_by_element(path: str, value: Any, element: str) -> None:
    resource = deepcopy(subscription(URL, "urn:topic:1"))
    place = resource
    *before, last = path.split(".")
    for step in before:
        place = place[step]
    place[last] = value
    with pytest.raises(SubscriptionRefused) as refused:
        rules.read_subscription(resource)
    assert str(refused.value.facts["element"]).startswith(f"Subscription.{element}")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
        "::ffff:10.0.0.1", "2002:0a00:0001::1", "64:ff9b::a00:1", "2001:0:53aa:64c:0:0:0:1",
    ],
)  # fmt: skip
def test_our_own_network_is_not_called(address: str) -> None:
    assert not rules.may_reach(ip_address(address), (), encrypted=True)


def test_the_public_internet_is_called_encrypted_and_what_is_allowed_anyhow() -> None:
    for text in ("93.184.216.34", "2606:2800:220:1::1"):
        assert rules.may_reach(ip_address(text), (), encrypted=True)
        assert not rules.may_reach(ip_address(text), (), encrypted=False)
    allowed = (ip_network("10.1.0.0/16"),)
    assert rules.may_reach(ip_address("10.1.2.3"), allowed, encrypted=False)
    assert rules.may_reach(ip_address("::ffff:10.1.2.3"), allowed, encrypted=False)
    assert not rules.may_reach(ip_address("10.2.2.3"), allowed, encrypted=True)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_waits_grow_within_bounds(failures: int, luck: float) -> None:
    wait = rules.backoff_s(failures, luck, Pace())
    assert 0.5 <= wait <= 600
    assert rules.backoff_s(failures + 1, luck, Pace()) >= wait


def test_eleven_waits_are_about_half_an_hour() -> None:
    waits = [rules.backoff_s(failures, 1, Pace()) for failures in range(1, Pace().tries)]
    assert 15 * 60 < sum(waits) < 45 * 60


@pytest.mark.parametrize(
    ("sides", "both", "expected"),
    [
        ((None, None), True, True),
        ((None, False), False, False),
        ((True, None), True, True),
        ((True, False), True, False),
        ((True, False), False, True),
    ],
)
def test_what_fires(sides: tuple[bool | None, ...], both: bool, expected: bool) -> None:  # noqa: FBT001
    assert rules.fires(sides, both=both) is expected


def standing(**more: Any) -> Standing:
    common: Json = {
        "id": "s-1", "version": 2, "state": State.ACTIVE, "began_at": AT, "ends_at": None,
        "heartbeat_s": None, "numbered": 9, "delivered": 7, "failures": 0, "error": "",
        "failing_at": None, "due_at": AT, "told_at": None, "lease": None,
    }  # fmt: skip
    return Standing(**common | more)


@pytest.mark.parametrize("content", list(Content))
@pytest.mark.parametrize("notice", list(Notice))
def test_notifications_are_valid_r4(content: Content, notice: Notice) -> None:
    events = [
        Event(8, "Observation", "o-1", 1, "create", 300, AT),
        Event(9, "Observation", "o-2", 3, "delete", 0, AT),
        Event(10, "Observation", "o-3", 3, "update", 9_000_000, AT),
    ]
    told = notifications.bundle(
        standing(error="HTTP status 500"), notice, ids=(ids.new(), ids.new()), now=AT, base=BASE,
        topic="urn:topic:1", content=content, events=events, withheld=frozenset((9,)),
        large=frozenset((10,)), bodies={8: observation("o-1"), 10: observation("o-3")},
    )  # fmt: skip
    assert faults(told) == []
    assert "o-2" not in str(told)
    assert ("o-1" in str(told)) is (content is not Content.EMPTY)
    with_body = [each for each in told["entry"][1:] if "resource" in each]
    assert len(with_body) == (content is Content.FULL)


def test_a_status_is_valid_r4() -> None:
    one = notifications.status(standing(), Notice.QUERY_STATUS, id_=ids.new(), base=BASE)
    found = notifications.statuses([one], id_=ids.new(), now=AT, base=BASE)
    assert faults(found) == []
    assert found["timestamp"] == "2026-11-29T01:02:03.450Z"
