"""What a Patient of somebody else says of a person, in the words of the person index. Pure.

Source: HL7 FHIR R4 4.0.1 §8.1 Patient (resource), §2.24.0.5 Identifier, HumanName, ContactPoint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

Json = Mapping[str, Any]
DATE_CHARS = 10
CHARS_MAX = 200  # of a name or number: no real one is longer, and a hostile one costs nothing
IDENTIFIERS_MAX = 20
DISTRICT = re.compile(r"[0-9]{6}", re.ASCII)
NOT_DIGITS = re.compile(r"[^0-9]+", re.ASCII)
MOBILE = re.compile(r"(?:0?086|86)?(1[0-9]{10})", re.ASCII)
HAN = re.compile("[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
SOUND = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
NAMES_FIRST = ("official", "usual", "")
OVER = frozenset(("old", "maiden", "anonymous", "temp", "nickname"))
OID = "urn:oid:"


def same_systems(system: str) -> tuple[str, ...]:
    """Return the ways to write a name space: an OID with and without its `urn:oid:`.

    Source: HL7 FHIR R4 4.0.1, uri (an OID is written urn:oid:…); some leave that out.
    """
    bare = system.removeprefix(OID)
    return (system,) if bare == system else (system, bare)


def identifiers_of(patient: Json, kinds: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (kind, number as written) of identifiers in the name spaces of documents.

    Args:
        patient: the resource.
        kinds: of documents, by name space; as `same_systems` writes them.

    Source: HL7 FHIR R4 4.0.1, Identifier (`use` old: not to be used any more).
    """
    found = []
    for one in _objects(patient.get("identifier")):
        kind, value = kinds.get(str(one.get("system", ""))), one.get("value")
        if kind and isinstance(value, str) and one.get("use") != "old":
            found.append((kind, value[:CHARS_MAX]))
    return found[:IDENTIFIERS_MAX]


def name_of(patient: Json) -> str:
    """Return the name people write now: the text, or its parts as the script joins them.

    Source: HL7 FHIR R4 4.0.1, HumanName; Chinese names have no blank between their parts.
    """
    names = [
        one
        for one in _objects(patient.get("name"))
        if str(one.get("use")) not in OVER and not _is_sound(one)
    ]
    names.sort(key=lambda one: _rank(one.get("use", "")))
    return next(filter(None, map(_written, names)), "")[:CHARS_MAX]


def _rank(use: object) -> int:
    return NAMES_FIRST.index(use) if use in NAMES_FIRST else len(NAMES_FIRST)


def _is_sound(name: Json) -> bool:
    """Tell whether it is only how another name sounds."""
    return any(
        one.get("url") == SOUND and one.get("valueCode") == "SYL"
        for one in _objects(name.get("extension"))
    )


def _written(name: Json) -> str:
    text = name.get("text")
    if isinstance(text, str) and text.strip():
        return text.strip()
    given = name.get("given")
    parts = [name.get("family"), *(given if isinstance(given, Sequence) else ())]
    texts = [one.strip() for one in parts if isinstance(one, str) and one.strip()]
    if any(HAN.search(one) for one in texts):
        return "".join(texts)
    return " ".join(texts[1:] + texts[:1])


def born_of(patient: Json) -> date | None:
    """Return the day of birth; None where only its year or month is known.

    Source: HL7 FHIR R4 4.0.1, Patient.birthDate (date: YYYY, YYYY-MM or YYYY-MM-DD).
    """
    text = patient.get("birthDate")
    if not isinstance(text, str) or len(text) != DATE_CHARS:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def phone_of(patient: Json) -> str | None:
    """Return the first mobile number, as 11 digits.

    Source: HL7 FHIR R4 4.0.1, ContactPoint; numbers of mainland China: 11 digits from 1 on, after
    +86 from abroad (from memory).
    """
    for one in _objects(patient.get("telecom")):
        value = one.get("value")
        if one.get("use") == "old" or one.get("system") not in ("phone", "sms"):
            continue
        found = MOBILE.fullmatch(NOT_DIGITS.sub("", value if isinstance(value, str) else ""))
        if found:
            return found[1]
    return None


def district_of(patient: Json) -> str | None:
    """Return the district somebody lives in, where it is told by its code.

    Source: HL7 FHIR R4 4.0.1, Address.district; codes of GB/T 2260.
    """
    for one in _objects(patient.get("address")):
        text = one.get("district")
        if one.get("use") != "old" and isinstance(text, str) and DISTRICT.fullmatch(text):
            return text
    return None


def _objects(value: object) -> Iterator[Json]:
    """Return the objects of a list; what is kept may be of before it was checked."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, Mapping):
            yield one
