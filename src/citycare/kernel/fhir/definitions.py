"""What the store knows of FHIR R4: per type one entry of search parameters and rules.

Hand-written for the types the first release needs; the full server will compile the same table
from the official definitions. Source: HL7 FHIR R4 4.0.1, the page of each resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """How a parameter's element becomes terms, and how a search value is read."""

    TOKEN = "token"  # noqa: S105 - the FHIR name
    CODE = "code"
    REFERENCE = "reference"
    STRING = "string"
    HUMAN = "human"
    PHONE = "phone"
    DATE = "date"
    INSTANT = "instant"


DATES = (Kind.DATE, Kind.INSTANT)


@dataclass(frozen=True, slots=True)
class Param:
    """A search parameter. `paths` empty: it searches the terms of others, for `targets` only."""

    code: str
    kind: Kind
    paths: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """One resource type.

    Attributes:
        many: top-level elements that repeat, so JSON must hold an array.
        required: paths with a minimum of one; below a repeating element, in each of them.
        codes: path to the codes a required binding allows.
    """

    type: str
    many: frozenset[str]
    required: tuple[str, ...]
    params: tuple[Param, ...]
    codes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def date(self) -> Param | None:
        """The parameter of the type's main date, if it has one."""
        return next((param for param in self.params if param.kind in DATES), None)


def _token(code: str, path: str = "") -> Param:
    return Param(code, Kind.TOKEN, (path or code,))


def _reference(code: str, targets: str, path: str = "") -> Param:
    return Param(code, Kind.REFERENCE, (path or code,), tuple(targets.split()))


def _narrowed(code: str, target: str, terms: str) -> Param:
    return Param(code, Kind.REFERENCE, (), (target,), tuple(terms.split()))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GENDER = _words("male female other unknown")
NAMES = ("name", "alias")

DEFINITIONS: dict[str, Definition] = {
    each.type: each
    for each in (
        Definition(
            "Patient",
            _words(
                "identifier name telecom address photo contact communication"
                " generalPractitioner link"
            ),
            ("communication.language", "link.other", "link.type"),
            (
                _token("identifier"),
                Param("name", Kind.HUMAN, ("name",)),
                Param("phone", Kind.PHONE, ("telecom",)),
                Param("birthdate", Kind.DATE, ("birthDate",)),
            ),
            {"gender": GENDER},
        ),
        Definition(
            "RelatedPerson",
            _words("identifier relationship name telecom address photo communication"),
            ("patient", "communication.language"),
            (_token("identifier"), _reference("patient", "Patient")),
            {"gender": GENDER},
        ),
        Definition(
            "Practitioner",
            _words("identifier name telecom address photo qualification communication"),
            ("qualification.code",),
            (_token("identifier"), Param("name", Kind.HUMAN, ("name",))),
            {"gender": GENDER},
        ),
        Definition(
            "PractitionerRole",
            _words(
                "identifier code specialty location healthcareService telecom availableTime"
                " notAvailable endpoint"
            ),
            ("notAvailable.description",),
            (
                _reference("practitioner", "Practitioner"),
                _reference("organization", "Organization"),
                _token("specialty"),
            ),
        ),
        Definition(
            "Organization",
            _words("identifier type alias telecom address contact endpoint"),
            (),
            (
                _token("identifier"),
                Param("name", Kind.STRING, NAMES),
                _reference("partof", "Organization", "partOf"),
            ),
        ),
        Definition(
            "Location",
            _words("identifier alias type telecom hoursOfOperation endpoint"),
            ("position.longitude", "position.latitude"),
            (
                Param("name", Kind.STRING, NAMES),
                _reference("organization", "Organization", "managingOrganization"),
            ),
            {"status": _words("active suspended inactive"), "mode": _words("instance kind")},
        ),
        Definition(
            "HealthcareService",
            _words(
                "identifier category type specialty location telecom coverageArea"
                " serviceProvisionCode eligibility program characteristic communication"
                " referralMethod availableTime notAvailable endpoint"
            ),
            ("notAvailable.description",),
            (
                Param("name", Kind.STRING, ("name",)),
                _reference("organization", "Organization", "providedBy"),
                _token("specialty"),
            ),
        ),
        Definition(
            "Schedule",
            _words("identifier serviceCategory serviceType specialty actor"),
            ("actor",),
            (
                _reference(
                    "actor",
                    "Practitioner PractitionerRole HealthcareService Location Patient"
                    " RelatedPerson Device",
                ),
                Param("date", Kind.DATE, ("planningHorizon",)),
            ),
        ),
        Definition(
            "Slot",
            _words("identifier serviceCategory serviceType specialty"),
            ("schedule", "status", "start", "end"),
            (
                _reference("schedule", "Schedule"),
                Param("status", Kind.CODE, ("status",)),
                Param("start", Kind.INSTANT, ("start",)),
            ),
            {"status": _words("busy free busy-unavailable busy-tentative entered-in-error")},
        ),
        Definition(
            "Appointment",
            _words(
                "identifier serviceCategory serviceType specialty reasonCode reasonReference"
                " supportingInformation slot basedOn participant requestedPeriod"
            ),
            ("status", "participant", "participant.status"),
            (
                _reference(
                    "actor",
                    "Patient Practitioner PractitionerRole RelatedPerson Device"
                    " HealthcareService Location",
                    "participant.actor",
                ),
                _narrowed("patient", "Patient", "actor"),
                _narrowed("practitioner", "Practitioner", "actor"),
                _narrowed("location", "Location", "actor"),
                Param("status", Kind.CODE, ("status",)),
                _reference("slot", "Slot"),
                Param("date", Kind.INSTANT, ("start",)),
            ),
            {
                "status": _words(
                    "proposed pending booked arrived fulfilled cancelled noshow"
                    " entered-in-error checked-in waitlist"
                ),
                "participant.status": _words("accepted declined tentative needs-action"),
            },
        ),
        Definition(
            "Condition",
            _words("identifier category bodySite stage evidence note"),
            ("subject",),
            (
                _reference("subject", "Patient Group"),
                _narrowed("patient", "Patient", "subject"),
                _token("code"),
                _token("clinical-status", "clinicalStatus"),
                _reference("encounter", "Encounter"),
                Param("recorded-date", Kind.DATE, ("recordedDate",)),
            ),
        ),
        Definition(
            "AllergyIntolerance",
            _words("identifier category note reaction"),
            ("patient", "reaction.manifestation"),
            (
                _reference("patient", "Patient"),
                _token("code"),
                _token("clinical-status", "clinicalStatus"),
                Param("date", Kind.DATE, ("recordedDate",)),
            ),
            {"category": _words("food medication environment biologic")},
        ),
        Definition(
            "MedicationStatement",
            _words(
                "identifier basedOn partOf statusReason derivedFrom reasonCode reasonReference"
                " note dosage"
            ),
            ("status", "subject"),
            (
                _reference("subject", "Patient Group"),
                _narrowed("patient", "Patient", "subject"),
                Param("status", Kind.CODE, ("status",)),
            ),
            {
                "status": _words(
                    "active completed entered-in-error intended stopped on-hold unknown not-taken"
                )
            },
        ),
        Definition(
            "QuestionnaireResponse",
            _words("basedOn partOf item"),
            ("status",),
            (
                _token("identifier"),
                _reference("subject", "Patient"),
                _narrowed("patient", "Patient", "subject"),
                _reference("based-on", "ServiceRequest CarePlan", "basedOn"),
                Param("status", Kind.CODE, ("status",)),
                Param("authored", Kind.DATE, ("authored",)),
            ),
            {"status": _words("in-progress completed amended entered-in-error stopped")},
        ),
        Definition(
            "Composition",
            _words("category author attester relatesTo event section"),
            ("status", "type", "date", "author", "title"),
            (
                _reference("subject", "Patient"),
                _narrowed("patient", "Patient", "subject"),
                _token("type"),
                Param("date", Kind.DATE, ("date",)),
            ),
            {"status": _words("preliminary final amended entered-in-error")},
        ),
        Definition(
            "AuditEvent",
            _words("subtype purposeOfEvent agent entity"),
            ("type", "recorded", "agent", "agent.requestor", "source", "source.observer"),
            (
                _reference(
                    "agent",
                    "PractitionerRole Practitioner Organization Device Patient RelatedPerson",
                    "agent.who",
                ),
                Param("entity", Kind.REFERENCE, ("entity.what",), ("Patient",)),
                _narrowed("patient", "Patient", "agent entity"),
                Param("date", Kind.INSTANT, ("recorded",)),
            ),
        ),
    )
}

TYPES = _words("""
Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse
AuditEvent Basic Binary BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement
CarePlan CareTeam CatalogEntry ChargeItem ChargeItemDefinition Claim ClaimResponse
ClinicalImpression CodeSystem Communication CommunicationRequest CompartmentDefinition Composition
ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest
CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest
DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis
Encounter Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition Evidence
EvidenceVariable ExampleScenario ExplanationOfBenefit FamilyMemberHistory Flag Goal
GraphDefinition Group GuidanceResponse HealthcareService ImagingStudy Immunization
ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice
Library Linkage List Location Measure MeasureReport Media Medication MedicationAdministration
MedicationDispense MedicationKnowledge MedicationRequest MedicationStatement MedicinalProduct
MedicinalProductAuthorization MedicinalProductContraindication MedicinalProductIndication
MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured
MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect
MessageDefinition MessageHeader MolecularSequence NamingSystem NutritionOrder Observation
ObservationDefinition OperationDefinition OperationOutcome Organization OrganizationAffiliation
Parameters Patient PaymentNotice PaymentReconciliation Person PlanDefinition Practitioner
PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson
RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject
RiskAssessment RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot Specimen
SpecimenDefinition StructureDefinition StructureMap Subscription Substance SubstanceNucleicAcid
SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial
SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities TestReport
TestScript ValueSet VerificationResult VisionPrescription
""")
