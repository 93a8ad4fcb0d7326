"""What a finished dialogue of a person leaves in the record."""

from __future__ import annotations

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.scenarios.triage.model.dialogue import Dialogue
from citycare.scenarios.triage.rules.advise import Triage
from citycare.scenarios.triage.rules.telling import response_as_fhir


async def publish(cx: Context, triage: Triage, one: Dialogue) -> None:
    """Put the dialogue into the record as a QuestionnaireResponse, in the same transaction."""
    heard = triage.hear_again(one)
    await fhir.put(cx, [response_as_fhir(triage.knowledge, one, heard)])
