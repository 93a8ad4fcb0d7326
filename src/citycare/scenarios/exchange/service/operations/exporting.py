"""$export: asks for a bulk export; what came of it is fetched below `/bulk/fhir`.

Source: HL7 FHIR Bulk Data Access IG 2.0.0, "Bulk Data Kick-off Request".
"""

from __future__ import annotations

from citycare.kernel import fhir
from citycare.kernel.fhir import exporting
from citycare.kernel.fhir.exporting import Asked, Level
from citycare.scenarios.exchange.model.calls import Answer
from citycare.scenarios.exchange.model.errors import NotPermitted, ParameterWrong, PreferenceNeeded
from citycare.scenarios.exchange.rules import headers, responses
from citycare.scenarios.exchange.service.access import EXCHANGE
from citycare.scenarios.exchange.service.operations.model import Operating
from citycare.scenarios.exchange.service.reading import visible_version

TAKES = frozenset(("_outputFormat", "_since", "_type", "patient"))
NDJSON = frozenset(("application/fhir+ndjson", "application/ndjson", "ndjson"))
ACCEPTED = 202
BULK = "/bulk/fhir"
LEVELS = {"": Level.SYSTEM, "Patient": Level.PATIENT, "Group": Level.GROUP}


async def export(asked: Operating) -> Answer:
    """Begin an export; whoever it names is on record, since its manifest counts what is theirs.

    Raises:
        NotPermitted: the caller is no system, or may not read a type, or a part of it alone.
        ResourceNotFound, ResourceDeleted: there is no such group, or it may not be known of.
        PreferenceNeeded: it was not asked for as `respond-async`.
        ParameterWrong: another format than NDJSON, or an instant that cannot be read.
    """
    if asked.access.action != EXCHANGE:
        raise NotPermitted(interaction="export")
    if not asked.call.preference.respond_async:
        raise PreferenceNeeded(header="Prefer", value="respond-async")
    given = asked.given
    if any(one not in NDJSON for one in given.texts("_outputFormat")):
        raise ParameterWrong(parameter="_outputFormat", offered="application/fhir+ndjson")
    since = [headers.instant(one.replace(" ", "+")) for one in given.texts("_since")]
    if None in since:
        raise ParameterWrong(parameter="_since", problem="not an instant")
    types = [one for text in given.texts("_type") for one in text.split(",")]
    seen = asked.access.seen("r")
    for kind in types:
        asked.access.require(kind, "r")
        if kind in seen.limits:
            raise NotPermitted(type=kind, interaction="export")
    patients = tuple(one.removeprefix("Patient/") for one in given.texts("patient"))
    named = patients
    if LEVELS[asked.type] is Level.GROUP:
        asked.access.require(asked.type, "r")
        group = await visible_version(asked.cx, asked.access, asked.trail, asked.type, asked.id)
        named = exporting.members_of(fhir.loads(group.body or ""))
    made = await exporting.start(
        asked.cx,
        Asked(
            LEVELS[asked.type],
            asked.id,
            patients,
            tuple(dict.fromkeys(types)),
            next(iter(since), None),
            responses.address(asked.base, asked.path, asked.call.pairs),
            seen,
        ),
    )
    if named:
        record = f"fhir.export/{made}"
        await asked.trail.read(asked.cx, asked.access.action, record, dict.fromkeys(named))
    place = asked.base.partition("/fhir/")[0] + f"{BULK}/{made}"
    return Answer(ACCEPTED, "", {"Content-Location": place})
