"""Clinics, weekly templates, closures and the windows made from them, and what can be refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from uuid import UUID

from citycare.kit.errors import Conflict, Incorrect, NotFound
from citycare.scenarios.booking.model.core import Pool

Shares = Mapping[Pool, int]


@dataclass(frozen=True, slots=True)
class Clinic:
    """What one books with: a doctor's clinic, or a department's general one.

    Names are copies, so that this schema answers searches alone. `nicknames` are of the
    organisation (瑞金, 九院); they go into the index only. Coordinates are GCJ-02 degrees.
    """

    id: UUID
    organisation_id: UUID
    organisation_name: str
    organisation_short: str
    district: str
    department_id: UUID
    department_code: str
    department_name: str
    kind: str
    fee_fen: int
    practitioner_id: UUID | None = None
    practitioner_name: str = ""
    title: str = ""
    good_at: str = ""
    release: str = "first_come"
    room: str = ""
    latitude: float | None = None
    longitude: float | None = None
    active: bool = True
    nicknames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A weekly rule: on this ISO weekday, from `starts` to `ends`, windows of `window_min`."""

    id: UUID
    clinic_id: UUID
    weekday: int
    starts: time
    ends: time
    capacity: int
    shares: Shares
    valid_from: date
    valid_to: date | None = None
    window_min: int = 30


@dataclass(frozen=True, slots=True)
class Closure:
    """An exception: a day closed, or open in spite of the calendar. No clinic: all of them."""

    id: UUID
    organisation_id: UUID
    on_day: date
    kind: str
    reason: str
    clinic_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """From when until when; instants are UTC."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Release:
    """When the places of each pool open and when unused ones turn public.

    `days_ahead` and `clocks` by pool: that many days before the window, at that wall-clock time
    in the city. Reserved places turn public `give_back_hours` before the window begins, on-site
    ones `onsite_min` minutes before.
    """

    days_ahead: Mapping[Pool, int]
    clocks: Mapping[Pool, time]
    give_back_hours: int
    onsite_min: int


@dataclass(frozen=True, slots=True)
class NewPlace:
    """A numbered place to be written."""

    number: int
    pool: Pool
    opens_at: datetime
    gives_back_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewSlot:
    """A window to be written, with its numbered places."""

    id: UUID
    clinic: Clinic
    window: Window
    places: tuple[NewPlace, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A day on which a clinic with templates has no windows, and why."""

    day: date
    reason: str


@dataclass(frozen=True, slots=True)
class Made:
    """What making windows came to.

    `calendar_unknown` are the years whose public holidays are not announced yet: there no day
    counts as a holiday, and somebody has to enter closures.
    """

    slots: int
    places: int
    skipped: tuple[Skipped, ...] = ()
    calendar_unknown: tuple[int, ...] = field(default=())


class WindowTooLong(Incorrect):
    """A window may last 60 minutes at most."""

    code = "booking.window_too_long"
    words = "一个时段最长60分钟（建议30分钟）。请把时段改短。"


class SharesWrong(Incorrect):
    """The pools do not add up to the places of the window."""

    code = "booking.shares_wrong"
    words = "各类号源加起来要正好等于时段的号数。请改一改再保存。"


class TemplateWrong(Incorrect):
    """The template contradicts itself."""

    code = "booking.template_wrong"
    words = "排班填写有误：结束要晚于开始，时长要能整除，号数在1到60之间。请改一改再保存。"


class TemplateClash(Incorrect):
    """Two templates of one clinic overlap."""

    code = "booking.template_clash"
    words = "同一个门诊的两条排班时间重叠了。请先改掉其中一条。"


class ClosureUnknown(NotFound):
    """There is no such exception to the calendar that you may change."""

    code = "booking.closure_unknown"
    words = "没有找到这一天的安排，可能已经有人撤回了。请看看列表。"


class ClosurePast(Conflict):
    """A day that is over cannot be taken back."""

    code = "booking.closure_past"
    words = "这一天已经过去了，不能撤回。"


class ClinicUnknown(NotFound):
    """There is no such clinic that you may manage."""

    code = "booking.clinic_unknown"
    words = "没有找到这个门诊。请返回门诊列表重新选择。"
