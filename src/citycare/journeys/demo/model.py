"""What the demo city is made of, where identity and booking have no value for it already."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from citycare.kernel.context import Role
from citycare.kernel.identity.model import Person, Relation
from citycare.scenarios.booking.model.core import Booking
from citycare.scenarios.booking.model.schedule import Clinic, NewSlot, Template
from citycare.web.login.demo_people import PREFIX


@dataclass(frozen=True, slots=True)
class Resident:
    """A synthetic person and the number on the identity card; `doubtful`: never checked."""

    person: Person
    number: str
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """People who belong together, perhaps under two roofs."""

    residents: tuple[Resident, ...]
    relations: tuple[Relation, ...]


@dataclass(frozen=True, slots=True)
class Organisation:
    """A hospital, community centre, emergency centre or district commission."""

    id: UUID
    serial: int
    uscc: str
    name: str
    short_name: str
    nicknames: tuple[str, ...]
    kind: str
    profile: str
    level: str
    district: str
    address: str
    phone: str
    latitude: float
    longitude: float
    size: int
    parent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Specialty:
    """A department as the seed describes it, before a hospital has it."""

    key: str
    code: str
    name: str
    audience: str
    pull: int
    good_at: tuple[str, ...]
    walk_in: bool = False  # nothing to book: whoever comes is seen


@dataclass(frozen=True, slots=True)
class Department:
    """A department of one organisation, with where to find it."""

    id: UUID
    organisation: Organisation
    specialty: Specialty
    building: str
    floor: int

    @property
    def place(self) -> str:
        """Building and floor, as people say it."""
        return f"{self.building} {self.floor} 层"


@dataclass(frozen=True, slots=True)
class Doctor:
    """A synthetic doctor of one department."""

    id: UUID
    name: str
    name_pinyin: str
    sex: str
    title: str
    good_at: str
    licence: str
    department: Department


@dataclass(frozen=True, slots=True)
class Desk:
    """A clinic with its weekly rules and whom it treats."""

    clinic: Clinic
    templates: tuple[Template, ...]
    audience: str
    pull: int


@dataclass(frozen=True, slots=True)
class Institutions:
    """The fixed side of the city: it does not depend on the day."""

    organisations: tuple[Organisation, ...]
    departments: tuple[Department, ...]
    doctors: tuple[Doctor, ...]
    desks: tuple[Desk, ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """One booking, past or coming, with the window it is in."""

    booking: Booking
    slot: NewSlot


@dataclass(frozen=True, slots=True)
class Login:
    """A demo account: one line on the sign-in page.

    `hint` is what `/login/demo?as=` takes; `subject` is the account's at the demo provider.
    """

    role: Role
    key: str
    hint: str
    name: str
    words: str
    person_id: UUID | None = None
    practitioner_id: UUID | None = None
    organisation_id: UUID | None = None

    @property
    def subject(self) -> str:
        """Name the account at the development provider (`web.login.demo_people`)."""
        return f"{PREFIX}{self.hint}"


@dataclass(frozen=True, slots=True)
class Scale:
    """How big the city is.

    `capacity_factor`, `halves_factor`: times the places a window and half-days a doctor of the
    small city. `past_windows`: windows of the last 60 days that are kept, filled. `crowd`: how
    many residents are held in memory to be patients. `busy_percent`: how full the coming days
    are, compared with the small city.
    """

    name: str
    residents: int
    whole_city: bool
    capacity_factor: int
    halves_factor: int
    past_windows: int
    crowd: int
    busy_percent: int


SMALL = Scale(
    "small",
    20_000,
    whole_city=False,
    capacity_factor=1,
    halves_factor=1,
    past_windows=1_800,
    crowd=20_000,
    busy_percent=100,
)
CITY = Scale(
    "city",
    1_000_000,
    whole_city=True,
    capacity_factor=2,
    halves_factor=2,
    past_windows=9_000,
    crowd=100_000,
    busy_percent=40,
)
SCALES = {scale.name: scale for scale in (SMALL, CITY)}
