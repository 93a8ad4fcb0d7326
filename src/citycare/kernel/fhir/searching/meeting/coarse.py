"""Where the index is coarser than the rule, so that what it finds has to be rechecked.

Source: as `keys` and `measures`, whose promises are gathered here.
"""

from __future__ import annotations

from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.searching import words
from citycare.kernel.fhir.searching.extracting import definitions_of
from citycare.kernel.fhir.searching.meeting.criteria import COMPARTMENT
from citycare.kernel.fhir.searching.model import Criterion, Link, ParamType, Parts, Text, Uri, Value
from citycare.kernel.fhir.searching.ways import IN_THE_ROW, lanes_for

ALWAYS = frozenset((ParamType.NUMBER, ParamType.QUANTITY, ParamType.SPECIAL, ParamType.STRING))
EXACT = IN_THE_ROW | {COMPARTMENT}
"""Parameters that a column, or a key of their own, decides."""


def coarse(resource_type: str, criterion: Criterion) -> bool:
    """Tell whether what the index finds for a criterion among a type has to be rechecked.

    It never has for a date: its spans are compared as `meeting.ordered.SPANS` says. It always has
    for a number or quantity: gt to eb know no precision, which measures have; of eq, ne and ap only
    what is written with more than 15 digits, or a whole number on an edge, is decided otherwise;
    so has a position, of which the index knows a square. Of a string see `doubtful`.

    Raises:
        ValueError: it has a chain: what has to be rechecked then is the target.
        KeyError: the type has no such parameter.
        TypeUnknown: R4 has no such type.
    """
    if criterion.chain is not None:
        raise ValueError(f"{criterion.param}: a chain")
    if criterion.param in EXACT:
        return False
    if criterion.type is ParamType.REFERENCE:
        return resolves(resource_type, criterion.param) and (
            criterion.modifier != "" or not _told(resource_type, criterion)
        )
    if criterion.modifier == "missing":
        return False
    if criterion.type is ParamType.TOKEN:
        return criterion.modifier == "text"  # sets of codes are asked for code by code
    return criterion.type in ALWAYS or any(
        _is_coarse(resource_type, criterion, asked) for asked in criterion.values
    )


def doubtful(resource_type: str, criterion: Criterion) -> of.Keys:
    """Return keys of which a hit has one if it has to be rechecked; empty: `coarse` says it of all.

    A string of up to 16 signs is decided by the index but in resources whose texts were too long
    for it, which are marked by these keys and are rare.
    """
    if criterion.type is not ParamType.STRING or criterion.modifier:
        return ()
    for asked in criterion.values:
        folded = words.fold(asked.words) if isinstance(asked, Text) else ""
        if not 0 < len(folded) <= words.BEGINNING_MAX:
            return ()
    return tuple(of.long_key(lane) for lane, _ in lanes_for(resource_type, criterion.param))


def _is_coarse(resource_type: str, criterion: Criterion, asked: Value) -> bool:
    match asked:
        case Uri(address=address) if criterion.modifier == "below":
            folders = of.folders_of(address)
            return "://" in address and address not in folders
        case Uri(address=address):
            return criterion.modifier == "above" and "|" in address
        case Parts():
            lanes = lanes_for(resource_type, criterion.param)
            return not all(of.tuple_keys(lane, asked) for lane, _ in lanes)
    return False


def resolves(resource_type: str, code: str) -> bool:
    """Tell whether a parameter asks for the type of what a reference leads to, as lanes do not.

    Its lanes may have a value where it has none (`patient` of what is observed in a Group), so that
    for `:missing=true` their bits say nothing: every resource of the type is a candidate.
    """
    return "resolve()" in definitions_of(resource_type)[code]["x"]


def _told(resource_type: str, criterion: Criterion) -> bool:
    """Tell whether all that is asked for are resources here, of types the parameter leads to."""
    targets = {kind for _, some in lanes_for(resource_type, criterion.param) for kind in some}
    return all(
        isinstance(asked, Link) and not asked.address and targets.issuperset(asked.types)
        for asked in criterion.values
    )
