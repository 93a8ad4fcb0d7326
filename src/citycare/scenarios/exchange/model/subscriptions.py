"""Subscriptions: who asked to be told of what, what there is to tell, how far that has gone.

Source: HL7 FHIR R4 4.0.1, resource Subscription; Subscriptions R5 Backport IG 1.1.0 (STU 1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from citycare.kit.errors import Incorrect, NotFound, Unavailable

TIMEOUT_S = 10
TIMEOUT_MAX_S = 60
COUNT = 100  # events a notification, where the client says nothing
COUNT_MAX = 1_000
BODY_MAX = 5_000_000  # bytes of a notification; a resource that is larger alone is only named
ENDPOINT_MAX = 2_000
HEADERS_MAX = 20
HEADER_MAX = 4_000
FILTERS_MAX = 20
HEARTBEAT_MIN_S = 10
OWNED_MAX = 1_000  # subscriptions of one account that are not off
ERROR_KEPT_DAYS = 7  # then a subscription in error is switched off, and what it waits for forgotten
EVENTS_KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Pace:
    """The knobs of delivery; the values are for production, tests shorten them.

    Attributes:
        tries: then the subscription is in error; the first eleven take about half an hour.
        backoff_s: doubles with each try, up to `backoff_max_s`.
        margin_s: a worker that says nothing for this long after a time-out is dead.
        poll_s: between two looks for what is to be delivered.
        look_s: between two looks for what has changed.
        at_once: receivers one worker calls at the same time.
    """

    tries: int = 12
    backoff_s: float = 1.0
    backoff_max_s: float = 600.0
    margin_s: float = 10.0
    poll_s: float = 0.25
    look_s: float = 0.5
    at_once: int = 32


class State(StrEnum):
    """Status of a Subscription. Clients ask for `requested` or `off`; the server says the rest."""

    REQUESTED = "requested"
    ACTIVE = "active"
    ERROR = "error"
    OFF = "off"


class Content(StrEnum):
    """How much of a resource a notification carries."""

    EMPTY = "empty"
    ID_ONLY = "id-only"
    FULL = "full-resource"


class Notice(StrEnum):
    """What a status is told for."""

    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    EVENTS = "event-notification"
    QUERY_STATUS = "query-status"
    QUERY_EVENTS = "query-event"


class SubscriptionRefused(Incorrect):
    """This subscription cannot be served; the facts name element and problem."""

    code = "exchange.subscription_refused"
    words = "这个订阅设置无法受理，请按提示修改后重新提交。"


class SubscriptionUnknown(NotFound):
    """There is no such subscription."""

    code = "exchange.subscription_unknown"
    words = "没有找到这个订阅，请核对编号后再试。"


NOT_FOUND, NOT_ALLOWED, LATE = "name not found", "address not allowed", "no answer in time"
CONNECTION, STATUS = "connection failed: ", "HTTP status "
"""Problems of a receiver, as `Subscription.error` has them; after the last two more is said."""


class ReceiverFailed(Unavailable):
    """The receiver of a subscription does not take notifications."""

    code = "exchange.receiver_failed"
    words = "订阅的接收方没有接收通知。请联系接收方检查服务，恢复后重新发送。"


@dataclass(frozen=True, slots=True)
class Filter:
    """A search by which a subscription narrows its topic. `type` is empty for any type."""

    type: str
    query: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """A Subscription, read.

    Attributes:
        version: of the resource.
        type, query: what is looked for, `type?query`; both empty where a topic says it.
        topic: canonical URL of a SubscriptionTopic; empty: none.
        content: of notifications as Bundles (IG); None: as R4 alone has it.
        payload: MIME type of what is sent; empty, of R4 alone: the receiver is only nudged.
    """

    id: str
    version: int
    status: State
    type: str
    query: str
    topic: str
    filters: tuple[Filter, ...]
    endpoint: str
    headers: tuple[tuple[str, str], ...]
    content: Content | None
    payload: str
    heartbeat_s: int | None
    timeout_s: int
    max_count: int
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Trigger:
    """What of one type makes an event of a topic.

    Attributes:
        interactions: `create`, `update`, `delete`.
        previous, current: searches which the version before and the new one must meet; None: not
            looked at.
        on_create: what counts as the answer of `previous` where there is no version before.
        on_delete: the same of `current`.
        both: whether both must be met, or one.
    """

    type: str
    interactions: frozenset[str]
    previous: str | None = None
    current: str | None = None
    on_create: bool | None = None
    on_delete: bool | None = None
    both: bool = False


@dataclass(frozen=True, slots=True)
class Topic:
    """A SubscriptionTopic: `id` of the Basic that holds it, its URL, any of whose triggers."""

    id: str
    url: str
    triggers: tuple[Trigger, ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """For whom a Subscription was stored.

    Attributes:
        account_id: whose sight it has.
        organisation_id: for which that account acted.
        app_id: the app that stored it; None: no app.
        types: of which alone it is told: those the app may read wholly; None: no app, or all.
    """

    account_id: UUID
    organisation_id: UUID | None
    app_id: UUID | None = None
    types: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """How far the record has been looked through; see migration 0021."""

    since: str
    target: str | None
    rid: int
    plan: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subscription stands; see migration 0021."""

    id: str
    version: int
    state: State
    began_at: datetime
    ends_at: datetime | None
    heartbeat_s: int | None
    numbered: int
    delivered: int
    failures: int
    error: str
    failing_at: datetime | None
    due_at: datetime
    told_at: datetime | None
    lease: UUID | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much of all there is to tell has not been told: for metrics and the operator."""

    events: int
    oldest_at: datetime | None
    by_state: dict[str, int]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to tell: a version of a resource came to be."""

    number: int
    type: str
    resource_id: str
    version: int
    interaction: str
    size: int  # of the version's JSON in bytes
    at: datetime
