"""A body read as JSON, or refused before it can do harm.

Source: HL7 FHIR R4 4.0.1 §2.6.2 JSON ("property names SHALL be unique"); RFC 8259 §8.1 (UTF-8), §9
(limits).
"""

from __future__ import annotations

from typing import Any

from citycare.kit import strict_json
from citycare.scenarios.exchange.model.errors import BodyBroken, TooLarge

PARTS_MAX = 4_000_000
"""Objects, arrays and commas of a body. An empty array takes 3 bytes there and 64 in memory."""
MARKS = (b",", b"[", b"{")


def json_of(raw: bytes) -> Any:
    """Read JSON, strictly.

    Raises:
        BodyBroken: it is no JSON that every reader would read alike (`strict_json`).
        TooLarge: more than PARTS_MAX parts.

    Source:
        HL7 FHIR R4 4.0.1 §2.6.2.
    """
    if len(raw) > PARTS_MAX and sum(map(raw.count, MARKS)) > PARTS_MAX:
        raise TooLarge(parts_most=PARTS_MAX)
    try:
        return strict_json.loads(text_of(raw))
    except ValueError as error:
        raise BodyBroken(problem=str(error)[:100]) from error


def text_of(raw: bytes) -> str:
    """Read UTF-8.

    Raises:
        BodyBroken: it is none.

    Source:
        HL7 FHIR R4 4.0.1 §3.1.0 ("Content Types and encodings": UTF-8).
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BodyBroken(problem="not UTF-8") from error
