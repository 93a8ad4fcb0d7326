"""Who may see and change what, for one caller: found once a call, then held to by every statement.

A resident sees their own record and those they act for, a clinician those under care, the system of
an organisation what it wrote and those under care there, the city's system everything. What others
keep of a person under an id of their own, and is linked to the person (`kernel.identity`), is seen
with it, and never written by way of it. What is not about anybody, the directory and definitions,
is open to all who may use this door.

Source: `kernel.consent` (policy); SMART App Launch 2.0 (scopes narrow, they never widen).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from citycare.kernel import consent, identity
from citycare.kernel.context import Actor, Context, Grant, Role
from citycare.kernel.fhir import RESOURCES
from citycare.kernel.fhir.finding import Visible
from citycare.kernel.fhir.integrity import persons_of
from citycare.kernel.fhir.searching import meeting, reading
from citycare.kernel.fhir.searching.model import Criterion, ParamType
from citycare.kernel.identity import accounts
from citycare.kit.db import Connection
from citycare.kit.errors import AppError
from citycare.scenarios.exchange.model.errors import NotPermitted
from citycare.scenarios.exchange.rules.subscriptions import is_topic

READ, WRITE, EXCHANGE = "record.read", "record.write", "record.exchange"
OF_SETS = frozenset(("in", "not-in", "above", "below"))  # of codes: terminology decides them
OPEN_TYPES = frozenset(
    (
        "ActivityDefinition", "CapabilityStatement", "ChargeItemDefinition", "CodeSystem",
        "CompartmentDefinition", "ConceptMap", "DeviceDefinition", "Endpoint", "EventDefinition",
        "Evidence", "EvidenceVariable", "ExampleScenario", "GraphDefinition", "HealthcareService",
        "ImplementationGuide", "InsurancePlan", "Library", "Location", "Measure", "Medication",
        "MedicationKnowledge", "MessageDefinition", "NamingSystem", "ObservationDefinition",
        "OperationDefinition", "Organization", "OrganizationAffiliation", "PlanDefinition",
        "Practitioner", "PractitionerRole", "Questionnaire", "ResearchDefinition",
        "ResearchElementDefinition", "Schedule", "SearchParameter", "Slot", "SpecimenDefinition",
        "StructureDefinition", "StructureMap", "Substance", "SubstanceSpecification",
        "TerminologyCapabilities", "TestScript", "ValueSet",
    )
)  # fmt: skip
"""Types about nobody. A test holds them against R4: none but Schedule can refer to a Patient."""
RULES = frozenset(("CodeSystem", "ConceptMap", "StructureDefinition", "ValueSet"))
"""What all resources are held to, whoever wrote it: as topics of subscriptions the city's alone."""


class Limit(Protocol):
    """One way in which something is allowed."""

    @property
    def filters(self) -> Sequence[tuple[str, str]]:
        """Parameters of a search that a resource must meet."""


class Allowed(Protocol):
    """What the scopes of a token let through; none of them widens what the actor may do."""

    def types_for(self, interaction: str, /) -> frozenset[str] | None:
        """Return the types that may be (c)reated, (r)ead, (u)pdated, (d)eleted or (s)earched.

        Whatever they hold; None: all types.
        """

    def limits(self, resource_type: str, interaction: str, /) -> Sequence[Limit]:
        """Return the ways in which it may be done to a type: one must hold; none: it may not."""


class Granted(Protocol):
    """What an access token of an app stands for."""

    @property
    def actor(self) -> Actor:
        """Who acts."""

    @property
    def allowed(self) -> Allowed:
        """By its scopes."""

    @property
    def patient_id(self) -> UUID | None:
        """The only person it may see; None: no such limit."""


Find = Callable[[Connection, str, datetime], Awaitable[Granted | None]]
"""Looks a token up."""


@dataclass(frozen=True, slots=True)
class Scoped:
    """What scopes leave of one interaction.

    Attributes:
        types: for which it may be done; None: all.
        limits: of types of which only what meets one of these may be touched.
    """

    types: frozenset[str] | None = None
    limits: Mapping[str, tuple[tuple[Criterion, ...], ...]] = field(default_factory=dict)

    def holds(self, resource: Mapping[str, Any]) -> bool:
        """Tell whether a resource is within the scopes."""
        kind = resource["resourceType"]
        if self.types is not None and kind not in self.types:
            return False
        limits = self.limits.get(kind)
        return limits is None or any(
            all(meeting.meets(one, dict(resource)) for one in limit) for limit in limits
        )


WHOLE = Scoped()


@dataclass(frozen=True, slots=True)
class Access:
    """What this caller may do.

    Attributes:
        visible: what may be seen.
        writable: persons and organisations whose records may be changed.
        links: Patients of others among what may be seen, and which person each is.
        owner: the organisation that writes, of a system.
        scoped: by interaction, what the scopes of an app leave; empty: it is no app.
        action, writing: under which reads and writes are audited.
    """

    visible: Visible
    writable: Visible
    links: Mapping[str, UUID] = field(default_factory=dict)
    owner: UUID | None = None
    scoped: Mapping[str, Scoped] = field(default_factory=dict)
    action: str = READ
    writing: str = WRITE

    def require(self, resource_type: str, interaction: str) -> None:
        """Check the scopes.

        Raises:
            NotPermitted: they do not cover it.
        """
        types = self.scoped.get(interaction, WHOLE).types
        if types is not None and resource_type not in types:
            raise NotPermitted(type=resource_type, interaction=interaction)

    def seen(self, interaction: str) -> Visible:
        """Return what may be seen by this interaction (`r` or `s`)."""
        scoped = self.scoped.get(interaction)
        if scoped is None:
            return self.visible
        return replace(self.visible, types=scoped.types, limits=scoped.limits)

    def require_writable(self, resource: Mapping[str, Any], interaction: str = "u") -> None:
        """Check that a resource, as it was or as it will be, is one this caller may write.

        Raises:
            NotPermitted: it is about somebody else, or about nobody, or beyond the scopes.
        """
        kind = resource["resourceType"]
        if not self.scoped.get(interaction, WHOLE).holds(resource):
            raise NotPermitted(type=kind, interaction=interaction)
        may = self.writable
        if may.everything:
            return
        if kind in RULES or is_topic(resource):
            raise NotPermitted(type=kind, interaction="write")
        if self.owner is not None:
            return
        persons = persons_of(resource)
        if kind == "Patient" or not persons or not persons <= may.patients:
            raise NotPermitted(type=kind, interaction="write")

    def require_writer(self, resource_type: str) -> None:
        """Check, before anything is done for it, that this caller may write anything at all.

        Raises:
            NotPermitted: there is nothing.
        """
        may = self.writable
        if not (may.everything or self.owner is not None or may.patients):
            raise NotPermitted(type=resource_type, interaction="write")

    def shows(self, resource: Mapping[str, Any]) -> bool:
        """Tell whether the scopes let what was written be told."""
        return self.scoped.get("r", WHOLE).holds(resource)


async def access_of(cx: Context, granted: Granted | None = None) -> Access:
    """Return what the actor of this context may do here."""
    system = [one for one in cx.actor.grants if one.role is Role.EXCHANGE]
    if system:
        seen = written = await consent.visible(cx, EXCHANGE)
        owner = next((one.organisation_id for one in system if one.organisation_id), None)
        found = Access(_visible(seen), _visible(written), {}, owner, {}, EXCHANGE, EXCHANGE)
    else:
        seen, written = await consent.visible(cx, READ), await consent.visible(cx, WRITE)
        found = Access(_visible(seen), _visible(written))
    if granted is not None:
        scoped = {one: _scoped(granted.allowed, one, cx.now) for one in "crsud"}
        found = replace(found, scoped=scoped)
        if granted.patient_id is not None:
            only = granted.patient_id
            seen, written = _only(seen, only), _only(written, only)
            found = replace(found, visible=_visible(seen), writable=_visible(written), owner=None)
    links = await identity.list_links(cx, seen.persons)
    patients = found.visible.patients.union(links)
    return replace(found, visible=replace(found.visible, patients=patients), links=links)


def _scoped(allowed: Allowed, interaction: str, now: datetime) -> Scoped:
    """Read what scopes leave; a filter that keys do not decide gives nothing."""
    types = allowed.types_for(interaction)
    if types is None:
        return WHOLE
    limits: dict[str, tuple[tuple[Criterion, ...], ...]] = {}
    for kind in RESOURCES - types:
        some = [_criteria(kind, one.filters, now) for one in allowed.limits(kind, interaction)]
        read = tuple(one for one in some if one)
        if read:
            limits[kind] = read
    return Scoped(types | limits.keys(), limits)


def _criteria(
    kind: str, filters: Sequence[tuple[str, str]], now: datetime
) -> tuple[Criterion, ...]:
    try:
        asked = reading.read((kind,), filters, now=now).criteria
    except AppError:
        return ()  # a scope of an app for another kind of data: it opens nothing here
    plain = tuple(one for one in asked if isinstance(one, Criterion) and _is_plain(kind, one))
    return plain if len(plain) == len(filters) else ()


def _is_plain(kind: str, one: Criterion) -> bool:
    """Tell whether keys and a resource itself decide it, and both alike."""
    if one.chain is not None or (one.type is ParamType.TOKEN and one.modifier in OF_SETS):
        return False
    return not meeting.coarse(kind, one)


async def seen_by(cx: Context, account_id: UUID, only: Role | None = None) -> Visible:
    """Return what an account may see now, whoever asks: for what is sent to it later.

    With `only`, in that role alone, whatever else it holds.

    Raises:
        AccountUnknown: there is none.
    """
    account = await accounts.get_account(cx, account_id)
    if account.disabled_at is not None:
        return Visible()
    grants = await accounts.list_grants(cx, account_id)
    if account.person_id is not None:
        grants += (Grant(Role.RESIDENT),)
    if only is not None:
        grants = tuple(one for one in grants if one.role is only)
    actor = Actor(account.id, account.person_id, grants, None, account.name)
    return (await access_of(replace(cx, actor=actor))).visible


def _visible(scope: consent.Scope) -> Visible:
    patients = frozenset(map(str, scope.persons))
    return Visible(scope.everything, patients, scope.organisations, OPEN_TYPES)


def _only(some: consent.Scope, person: UUID) -> consent.Scope:
    """Narrow to one person, if it is one of those."""
    persons: Collection[UUID] = {person} if some.everything else some.persons & {person}
    return consent.Scope(persons=frozenset(persons))
