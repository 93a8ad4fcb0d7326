"""`_summary` and `_elements` on what is kept as text: read and written anew only where asked.

Source: HL7 FHIR R4 4.0.1 §3.1.1.5.8 summary, §3.1.1.5.9 elements; §3.1.0.1.9 ("read … _summary").
"""

from __future__ import annotations

from collections.abc import Iterable

from citycare.kernel import fhir
from citycare.scenarios.exchange.rules import summaries
from citycare.scenarios.exchange.service.outlines import outline

WHOLE = ("", "false")


def shortened(body: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Return the text of a resource, shortened as the parameters of a read ask."""
    told = dict(pairs)
    elements = tuple(filter(None, told.get("_elements", "").split(",")))
    return short(body, told.get("_summary", ""), elements)


def short(body: str, summary: str, elements: Iterable[str]) -> str:
    """Return the text of a resource, shortened."""
    named = tuple(elements)
    if summary in WHOLE and not named:
        return body
    resource = fhir.loads(body)
    if named:
        return fhir.dumps(summaries.shortened(resource, named, outline))
    return fhir.dumps(summaries.summarised(resource, summary, outline))
