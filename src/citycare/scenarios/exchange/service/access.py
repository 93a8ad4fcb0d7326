"""Who may see and change what, for one caller: found once a call, then held to by every statement.

A resident sees their own record and those they act for, a clinician those under care, the system of
an organisation what it wrote and those under care there, the city's system everything. What is not
about anybody, the directory and definitions, is open to all who may use this door.

Source: `kernel.consent` (policy); SMART App Launch 2.0 (scopes narrow, they never widen).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from citycare.kernel import consent
from citycare.kernel.context import Actor, Context, Grant, Role
from citycare.kernel.fhir.finding import Visible
from citycare.kernel.fhir.integrity import persons_of
from citycare.kernel.identity import accounts
from citycare.kit.db import Connection
from citycare.scenarios.exchange.model.errors import NotPermitted

READ, WRITE, EXCHANGE = "record.read", "record.write", "record.exchange"
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


class Allowed(Protocol):
    """What the scopes of a token let through; None of them widens what the actor may do."""

    def allows(self, resource_type: str, interaction: str, /) -> bool:
        """Tell whether a type may be (c)reated, (r)ead, (u)pdated, (d)eleted or (s)earched."""

    def types_for(self, interaction: str, /) -> frozenset[str] | None:
        """Return the types that may be; None: all."""


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
class Access:
    """What this caller may do.

    Attributes:
        visible: what may be seen.
        writable: persons and organisations whose records may be changed.
        owner: the organisation that writes, of a system.
        allowed: by the scopes of an app; None: it is no app.
        action, writing: under which reads and writes are audited.
    """

    visible: Visible
    writable: Visible
    owner: UUID | None = None
    allowed: Allowed | None = None
    action: str = READ
    writing: str = WRITE

    def require(self, resource_type: str, interaction: str) -> None:
        """Check the scopes.

        Raises:
            NotPermitted: they do not cover it.
        """
        if self.allowed is not None and not self.allowed.allows(resource_type, interaction):
            raise NotPermitted(type=resource_type, interaction=interaction)

    def seen(self, interaction: str) -> Visible:
        """Return what may be seen by this interaction (`r` or `s`)."""
        if self.allowed is None:
            return self.visible
        return replace(self.visible, types=self.allowed.types_for(interaction))

    def require_writable(self, resource: Mapping[str, Any]) -> None:
        """Check that a resource, as it was or as it will be, is one this caller may write.

        Raises:
            NotPermitted: it is about somebody else, or about nobody.
        """
        may = self.writable
        if may.everything or self.owner is not None:
            return
        persons = persons_of(resource)
        if not persons or not persons <= set(map(str, may.persons)):
            raise NotPermitted(type=resource["resourceType"], interaction="write")


async def access_of(cx: Context, granted: Granted | None = None) -> Access:
    """Return what the actor of this context may do here."""
    system = [one for one in cx.actor.grants if one.role is Role.EXCHANGE]
    if system:
        scope = await consent.visible(cx, EXCHANGE)
        owner = next((one.organisation_id for one in system if one.organisation_id), None)
        found = Access(_visible(scope), _visible(scope), owner, None, EXCHANGE, EXCHANGE)
    else:
        seen, written = await consent.visible(cx, READ), await consent.visible(cx, WRITE)
        found = Access(_visible(seen), _visible(written))
    if granted is None:
        return found
    found = replace(found, allowed=granted.allowed)
    only = granted.patient_id
    if only is None:
        return found
    return replace(
        found, visible=_only(found.visible, only), writable=_only(found.writable, only), owner=None
    )


async def seen_by(cx: Context, account_id: UUID) -> Visible:
    """Return what an account may see now, whoever asks: for what is sent to it later.

    Raises:
        AccountUnknown: there is none.
    """
    account = await accounts.get_account(cx, account_id)
    if account.disabled_at is not None:
        return Visible()
    grants = await accounts.list_grants(cx, account_id)
    if account.person_id is not None:
        grants += (Grant(Role.RESIDENT),)
    actor = Actor(account.id, account.person_id, grants, None, account.name)
    return (await access_of(replace(cx, actor=actor))).visible


def _visible(scope: consent.Scope) -> Visible:
    return Visible(scope.everything, scope.persons, scope.organisations, OPEN_TYPES)


def _only(some: Visible, person: UUID) -> Visible:
    """Narrow to one person, if it is one of those."""
    persons: Collection[UUID] = {person} if some.everything else some.persons & {person}
    return Visible(persons=frozenset(persons), open_types=some.open_types)
