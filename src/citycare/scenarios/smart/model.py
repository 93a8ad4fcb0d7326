"""Values of the app server: clients, approvals, what is told of them, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from citycare.kit.errors import Conflict, Forbidden, Incorrect, NotFound


class Audience(StrEnum):
    """For whom an app is: any resident, the staff of one organisation, or no human at all."""

    RESIDENT = "resident"
    STAFF = "staff"
    BACKEND = "backend"


class Auth(StrEnum):
    """How a client proves who it is at the token endpoint (RFC 7591 §2 names)."""

    NONE = "none"
    SECRET = "client_secret_basic"  # noqa: S105 - the name of a method
    KEY = "private_key_jwt"


class OAuthError(StrEnum):
    """What an OAuth answer says went wrong (RFC 6749 §4.1.2.1, §5.2; OpenID Connect Core §6)."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    INVALID_SCOPE = "invalid_scope"
    ACCESS_DENIED = "access_denied"
    REQUEST_NOT_SUPPORTED = "request_not_supported"


class Refused(Incorrect):
    """The app's request did not hold; the answer names the reason for its maker."""

    code = "smart.refused"
    words = "应用的请求没有通过核对，没有给它任何数据。请联系应用的开发方。"

    def __init__(self, error: OAuthError, why: str) -> None:
        """Keep the OAuth error, and the reason in short words of ours (`code_used`)."""
        super().__init__(error=error, why=why)
        self.error = error
        self.why = why


class ClientUnknown(NotFound):
    """No app is registered under this id, or it has been switched off."""

    code = "smart.client_unknown"
    words = "这个应用没有登记，或者已经停用，不能读取健康档案。您不用做什么，关掉这一页就行。"


class RedirectWrong(Incorrect):
    """The app wants the answer at an address it has not registered."""

    code = "smart.redirect_wrong"
    words = "这个应用给的返回地址没有登记过，为了安全没有继续。请不要再试，联系应用的开发方。"


class StaffOnly(Forbidden):
    """This app is for clinical staff of the organisation it belongs to."""

    code = "smart.staff_only"
    words = "这个应用只给本机构的医护人员用。请换工作账号登录后再打开。"


class NoPerson(Forbidden):
    """This account is not joined to a person with papers, so there is no record to share."""

    code = "smart.no_person"
    words = "这个账号还没有核对过证件，没有健康档案可以给应用看。请带证件到任一医院窗口核对。"


class NothingAllowed(Conflict):
    """Choose at least one kind of data, or do not allow the app."""

    code = "smart.nothing_allowed"
    words = "一项数据都没有选。请至少选一项，或者点“不同意”。"


class ApprovalUnknown(NotFound):
    """There is no such approval in force that is yours to end."""

    code = "smart.approval_unknown"
    words = "没有找到这个应用的授权，它可能已经撤回或到期。"


class Wrong(StrEnum):
    """What can be wrong with a registration."""

    REDIRECT = "redirect"
    LAUNCH = "launch"
    SCOPES = "scopes"
    KEYS = "keys"
    KEYS_URL = "keys_url"


class ClientWrong(Incorrect):
    """The registration of an app has a fault."""

    code = "smart.client_wrong"
    words = "应用的登记内容有误，没有保存。请按提示改正后再保存。"

    def __init__(self, wrong: Wrong, why: str) -> None:
        """Say which part, and why in short words of ours."""
        super().__init__(wrong=wrong, why=why)
        self.wrong = wrong
        self.why = why


@dataclass(frozen=True, slots=True)
class NewClient:
    """What an operator registers. Keys are public ones, by value or by address, never both."""

    name: str
    publisher: str
    audience: Audience
    auth: Auth
    scopes: str
    organisation_id: UUID | None = None
    redirect_uris: tuple[str, ...] = ()
    launch_url: str = ""
    jwks: dict[str, Any] | None = None
    jwks_url: str | None = None
    introspects: bool = False


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client."""

    id: UUID
    name: str
    publisher: str
    audience: Audience
    auth: Auth
    organisation_id: UUID | None
    account_id: UUID | None
    redirect_uris: tuple[str, ...]
    launch_url: str
    scopes: str
    jwks: dict[str, Any] | None
    jwks_url: str | None
    secret_hash: bytes | None = field(repr=False)
    introspects: bool
    created_at: datetime
    disabled_at: datetime | None

    def __post_init__(self) -> None:
        """Take enums and lists in their types, also from a database row."""
        object.__setattr__(self, "audience", Audience(self.audience))
        object.__setattr__(self, "auth", Auth(self.auth))
        object.__setattr__(self, "redirect_uris", tuple(self.redirect_uris))
        if self.secret_hash is not None:
            object.__setattr__(self, "secret_hash", bytes(self.secret_hash))


@dataclass(frozen=True, slots=True)
class Approval:
    """One "yes": who said it to which client, about whose record, for what, until when."""

    id: UUID
    client_id: UUID
    account_id: UUID
    person_id: UUID | None
    patient_id: UUID | None
    scopes: str
    given_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    ended_why: str | None = None

    def is_in_force(self, now: datetime) -> bool:
        """Tell whether it still allows anything."""
        return self.ended_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Shared:
    """What one app may read of one record now: all approvals in force together, the newest's id."""

    id: UUID
    client_id: UUID
    client_name: str
    publisher: str
    patient_id: UUID
    scopes: str
    given_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Launch:
    """An app opened out of a clinician's work: which, by whom, with whose record at hand."""

    client_id: UUID
    account_id: UUID
    patient_id: UUID
