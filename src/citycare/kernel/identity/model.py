"""What identity knows of people, organisations and accounts, as plain values; and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from citycare.kernel.identity.documents import Sex
from citycare.kit.errors import Conflict, Forbidden, Incorrect, NotFound


@dataclass(frozen=True, slots=True)
class Person:
    """One person in the city's index. `merged_into` names the one to use instead, if any."""

    id: UUID
    name: str
    name_pinyin: str
    name_initials: str
    sex: Sex
    born_on: date
    phone: str | None
    district: str | None
    address: str
    created_at: datetime
    merged_into: UUID | None = None

    def __post_init__(self) -> None:
        """Take the sex as the enum, also from a database row."""
        object.__setattr__(self, "sex", Sex(self.sex))


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What is asked to register somebody.

    `guardian_id`: who answers for a child under the guardian age; a newborn's mother.
    """

    name: str
    sex: Sex
    born_on: date
    phone: str | None = None
    district: str | None = None
    address: str = ""
    guardian_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A document as a person holds it."""

    id: UUID
    kind: str
    number: str
    person_id: UUID
    verified_at: datetime | None
    verified_by: str | None


class RelationKind(StrEnum):
    """Why somebody may act for another (R08)."""

    GUARDIAN = "guardian"
    SPOUSE = "spouse"
    CHILD = "child"
    RELATIVE = "relative"
    FRIEND = "friend"
    FAMILY_DOCTOR = "family_doctor"
    COMMUNITY_WORKER = "community_worker"


class ProxyScope(StrEnum):
    """What a relation lets the proxy do."""

    BOOKING = "booking"
    PERSON = "person"  # see and correct name, phone, address
    RECORD = "record"  # read the health record
    PAYMENT = "payment"


@dataclass(frozen=True, slots=True)
class Relation:
    """proxy_id may act for person_id, for these scopes, from starts_at until before ends_at."""

    id: UUID
    person_id: UUID
    proxy_id: UUID
    kind: RelationKind
    scopes: tuple[ProxyScope, ...]
    starts_at: datetime
    ends_at: datetime | None
    evidence: str

    def __post_init__(self) -> None:
        """Take kind and scopes as enums, also from a database row."""
        object.__setattr__(self, "kind", RelationKind(self.kind))
        object.__setattr__(self, "scopes", tuple(ProxyScope(scope) for scope in self.scopes))

    def is_in_force(self, now: datetime) -> bool:
        """Tell whether it holds at an instant: from its start, until before its end."""
        return self.starts_at <= now and (self.ends_at is None or now < self.ends_at)


@dataclass(frozen=True, slots=True)
class Account:
    """A sign-in: one subject at one issuer, perhaps of a person, perhaps of a practitioner."""

    id: UUID
    issuer: str
    subject: str
    person_id: UUID | None
    practitioner_id: UUID | None
    name: str
    disabled_at: datetime | None
    has_second_factor: bool


@dataclass(frozen=True, slots=True)
class Session:
    """An open sign-in on one device; the token is not in here."""

    id: UUID
    account_id: UUID
    created_at: datetime
    expires_at: datetime
    second_factor_at: datetime | None
    revoked_at: datetime | None
    device: str


class PersonUnknown(NotFound):
    """There is no such person."""

    code = "request.not_found"


class NameMissing(Incorrect):
    """A person needs a name."""

    code = "identity.name_missing"
    words = "请填写姓名。"


class BornAhead(Incorrect):
    """The date of birth lies in the future."""

    code = "identity.born_ahead"
    words = "出生日期在今天之后，请检查年份。"


class DocumentContradicts(Incorrect):
    """The document says another date of birth or sex than the form."""

    code = "identity.document_contradicts"
    words = "填写的出生日期或性别和证件号码对不上，请对照证件改正。"


class DocumentUnknown(NotFound):
    """There is no such document, or it has ended."""

    code = "request.not_found"


class DocumentNotPersonal(Incorrect):
    """This kind of document belongs to organisations."""

    code = "identity.document_not_personal"
    words = "这是单位的代码，不是个人证件，请改用身份证等个人证件。"


class DocumentsOfTwoPeople(Conflict):
    """The documents belong to two different people in the index."""

    code = "identity.documents_of_two_people"
    words = "这几个证件登记在不同的人名下，请到窗口核对后合并。"


class DocumentNameDiffers(Conflict):
    """The document is registered under another name."""

    code = "identity.document_name_differs"
    words = "这个证件登记的姓名和填写的不一样，请检查姓名，或带证件到窗口核对。"


# Sentences of errors say the ages of the law: under 14 a guardian decides (个人信息保护法 2021
# art 31), from 18 one is an adult (民法典 2020 art 17, 18; both from memory). What is checked is
# policy, `identity.guardian.age` and `identity.adult.age`; a test holds the two together.
class GuardianMissing(Incorrect):
    """A child under 14 is registered together with a guardian."""

    code = "identity.guardian_missing"
    words = "未满14周岁的孩子需要监护人一起登记，请先填写监护人。"


class RelationUnknown(NotFound):
    """There is no such relation."""

    code = "request.not_found"


class RelationRefused(Incorrect):
    """The relation does not make sense: to oneself, without scope, or already over."""

    code = "identity.relation_refused"
    words = "代办关系填写不完整：请选择另一位家人、至少一项代办内容和有效的截止日期。"


class MergeRefused(Conflict):
    """These two records cannot be merged."""

    code = "identity.merge_refused"
    words = "这两份档案不能合并，请核对证件后再试。"


class MergeBlocked(Conflict):
    """A visit is still open for one of the two; merge after it ends."""

    code = "identity.merge_blocked"
    words = "其中一位正在就诊，请在就诊结束后再合并。"


class MergeNotLast(Conflict):
    """A later merge builds on this one; undo that one first."""

    code = "identity.merge_not_last"
    words = "这份档案后来又合并过，请先撤销后来的那一次。"


class MergeUnknown(NotFound):
    """There is no such merge, or it is undone already."""

    code = "request.not_found"


class ProposalUnknown(NotFound):
    """There is no such open proposal."""

    code = "request.not_found"


class AccountUnknown(NotFound):
    """There is no such account."""

    code = "request.not_found"


class AccountClosed(Forbidden):
    """The account is closed."""

    code = "identity.account_closed"
    words = "这个账号已经停用，请联系管理员。"
