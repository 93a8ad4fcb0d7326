"""Actor and Context, plain values handed down by the edge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from citycare.kit.db import Connection


class Role(StrEnum):
    """What an account may act as. A resident is anybody; the rest are staff."""

    RESIDENT = "resident"
    CLINICIAN = "clinician"
    SCHEDULER = "scheduler"
    CLERK = "clerk"
    COMMUNITY_GP = "community_gp"
    OPERATOR = "operator"
    EXCHANGE = "exchange"  # no person: the system of an organisation, or of the city
    SYSTEM = "system"


class Channel(StrEnum):
    """Through what the person came to us; being helped counts like coming by oneself."""

    PHONE = "phone"
    KIOSK = "kiosk"
    WINDOW = "window"
    TELEPHONE = "telephone"
    VOLUNTEER = "volunteer"
    HOSPITAL = "hospital"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in one organisation, or in the whole city when organisation_id is None."""

    role: Role
    organisation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class App:
    """An app that acts for an account, by its number and its name at that time."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it. `person_id` is the person the account belongs to, if any.

    `app`: the app they do it through, which every line of the audit trail then names.
    """

    account_id: UUID | None
    person_id: UUID | None
    grants: tuple[Grant, ...]
    session_id: UUID | None = None
    name: str = ""
    app: App | None = None

    def has(self, role: Role, organisation_id: UUID | None = None) -> bool:
        """Tell whether the actor holds a role in an organisation (or city-wide).

        With organisation_id None: in any organisation at all.
        """
        return any(
            grant.role == role
            and (organisation_id is None or grant.organisation_id in (None, organisation_id))
            for grant in self.grants
        )

    @property
    def label(self) -> str:
        """Name the actor in the audit trail: the account, or the built-in one."""
        return str(self.account_id) if self.account_id else self.name


ANONYMOUS = Actor(None, None, (), None, "anonymous")
SYSTEM = Actor(None, None, (Grant(Role.SYSTEM),), None, "system")


@dataclass(frozen=True, slots=True)
class Context:
    """One request or job: its transaction, its actor, its one instant.

    `purpose` is why it is done (the action name of the route or job), for consent and audit.
    """

    db: Connection
    actor: Actor
    now: datetime
    request_id: str
    channel: Channel = Channel.PHONE
    purpose: str = ""
