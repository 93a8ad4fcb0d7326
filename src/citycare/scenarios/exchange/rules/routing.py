"""From a method and an address to the interaction that is meant; also of an entry of a Bundle.

Source: HL7 FHIR R4 4.0.1 §3.1.0 RESTful API (each interaction and its summary table), §3.1.1 Search
(compartments, POST), §3.2 Operations, §2.24.0.1 (id).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from urllib.parse import unquote

from citycare.scenarios.exchange.model.errors import (
    ConditionMissing,
    IdBroken,
    InteractionUnknown,
    MethodUnfit,
    QueryBroken,
    TypeUnknown,
)
from citycare.scenarios.exchange.model.values import Interaction, Kind

PATH_MAX = 1_000
SEGMENTS_MAX = 5
PAIRS_MAX = 1_000  # the reader of searches takes fewer; this bounds the work before it

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}", re.ASCII)
OPERATION = re.compile(r"\$[A-Za-z][A-Za-z0-9\-_]{0,63}", re.ASCII)
BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")

GET, POST, PUT, PATCH, DELETE = "GET", "POST", "PUT", "PATCH", "DELETE"
HISTORY, SEARCH, METADATA, ALL = "_history", "_search", "metadata", "*"


def interaction(
    method: str,
    path: str,
    query: str = "",
    *,
    types: Collection[str],
    if_none_exist: bool = False,
) -> Interaction:
    """Return what is asked for.

    Args:
        method: of HTTP; HEAD is GET.
        path: below the base address, with or without a slash in front.
        query: what follows `?`, as written.
        types: names of the resource types that are served.
        if_none_exist: the create has a condition.

    Raises:
        InteractionUnknown, TypeUnknown: there is nothing at this address.
        MethodUnfit: there is, but not for this method; the fact `allowed` names those it has.
        IdBroken: an id breaks R4's rule.
        ConditionMissing: a conditional interaction without criteria.
        QueryBroken: parameters where there is nothing to select; passed over, a condition that
            stands there (of a create it belongs into If-None-Exist) would be lost.

    Source: HL7 FHIR R4 4.0.1 §3.1.0 RESTful API, the summary of interactions.
    """
    segments = _segments(path)
    if segments and TYPE.fullmatch(segments[0]) and segments[0] not in types:
        raise TypeUnknown(type=segments[0])
    found = _allowed(segments, query, types)
    method = GET if method == "HEAD" else method
    made = found.get(method)
    if made is None:
        raise MethodUnfit(method=method[:20], allowed=", ".join(found))
    if made.kind in PLAIN_WRITES and query:
        _require_general(query)
    if made.kind is Kind.CREATE and if_none_exist:
        return Interaction(Kind.CONDITIONAL_CREATE, made.type)
    if made.kind in CRITERIA and not query:
        raise ConditionMissing(interaction=made.kind)
    return made


CRITERIA = (Kind.CONDITIONAL_UPDATE, Kind.CONDITIONAL_PATCH, Kind.CONDITIONAL_DELETE)
PLAIN_WRITES = (Kind.CREATE, Kind.UPDATE, Kind.PATCH, Kind.DELETE, Kind.BATCH)
GENERAL = frozenset(("_format", "_pretty", "_summary", "_elements"))  # R4's "general parameters"


def _require_general(query: str) -> None:
    for name, _ in pairs(query):
        if name not in GENERAL:
            problem = "takes no criteria; a condition of a create stands in If-None-Exist"
            raise QueryBroken(parameter=name[:100], problem=problem)


def _segments(path: str) -> Sequence[str]:
    """Split a path; one slash at its end says nothing."""
    if len(path) > PATH_MAX:
        raise InteractionUnknown(length=len(path), most=PATH_MAX)
    bare = path.removeprefix("/").removesuffix("/")
    if "%" in bare:
        try:
            bare = unquote(bare, errors="strict")
        except UnicodeDecodeError as error:
            raise InteractionUnknown from error
    segments = bare.split("/") if bare else []
    if len(segments) > SEGMENTS_MAX or not all(segments):
        raise InteractionUnknown(path=bare[:100])
    return segments


def _allowed(  # noqa: PLR0911 (a return for each form of address)
    segments: Sequence[str], query: str, types: Collection[str]
) -> dict[str, Interaction]:
    """Return what each method does at an address."""
    match segments:
        case []:
            return _of_system(query)
        case [name]:
            if name in types:
                return _of_type(name, query)
            return _named(name, "", "", query)
        case [kind, name] if kind in types:
            if name.startswith(("_", "$")):
                return _named(name, kind, "", query)
            return _of_instance(kind, _id(name), query)
        case [kind, key, name] if kind in types:
            key = _id(key)
            if name == ALL or TYPE.fullmatch(name):
                return _of_compartment(kind, key, name, types, query)
            return _named(name, kind, key, query)
        case [kind, key, part, name] if kind in types:
            return _of_version(kind, _id(key), (part, name), types, query)
    raise InteractionUnknown(path="/".join(segments)[:100])


def _of_system(query: str) -> dict[str, Interaction]:
    """Return what the base does; a bare GET asks for nothing."""
    posted = {POST: Interaction(Kind.BATCH, query=query)}
    return posted | ({GET: Interaction(Kind.SEARCH_SYSTEM, query=query)} if query else {})


def _of_type(kind: str, query: str) -> dict[str, Interaction]:
    return {
        GET: Interaction(Kind.SEARCH_TYPE, kind, query=query),
        POST: Interaction(Kind.CREATE, kind, query=query),
        PUT: Interaction(Kind.CONDITIONAL_UPDATE, kind, query=query),
        PATCH: Interaction(Kind.CONDITIONAL_PATCH, kind, query=query),
        DELETE: Interaction(Kind.CONDITIONAL_DELETE, kind, query=query),
    }


def _of_instance(kind: str, key: str, query: str) -> dict[str, Interaction]:
    return {
        GET: Interaction(Kind.READ, kind, key, query=query),
        PUT: Interaction(Kind.UPDATE, kind, key, query=query),
        PATCH: Interaction(Kind.PATCH, kind, key, query=query),
        DELETE: Interaction(Kind.DELETE, kind, key, query=query),
    }


def _of_compartment(
    kind: str, key: str, name: str, types: Collection[str], query: str
) -> dict[str, Interaction]:
    """Return what `Patient/1/Observation` does; that there is a compartment the reader checks."""
    if name != ALL and name not in types:
        raise TypeUnknown(type=name)
    found = "" if name == ALL else name
    return {
        GET: Interaction(Kind.SEARCH_COMPARTMENT, found, key, compartment=kind, query=query),
    }


def _of_version(
    kind: str, key: str, last: tuple[str, str], types: Collection[str], query: str
) -> dict[str, Interaction]:
    """Return what four segments do: a version, or a search of a compartment by POST."""
    part, name = last
    if part == HISTORY:
        return {GET: Interaction(Kind.VREAD, kind, key, _id(name), query=query)}
    if name == SEARCH and (part == ALL or TYPE.fullmatch(part)):
        found = _of_compartment(kind, key, part, types, query)[GET]
        return {POST: _posted(found)}
    raise InteractionUnknown(path="/".join((kind, key, *last))[:100])


def _named(name: str, kind: str, key: str, query: str) -> dict[str, Interaction]:
    """Return what a name that begins with `_` or `$`, or `metadata`, does at its level."""
    if OPERATION.fullmatch(name):
        made = Interaction(Kind.OPERATION, kind, key, operation=name[1:], query=query)
        return {GET: made, POST: made}
    if name == HISTORY:
        level = Kind.HISTORY_INSTANCE if key else Kind.HISTORY_TYPE if kind else Kind.HISTORY_SYSTEM
        return {GET: Interaction(level, kind, key, query=query)}
    if name == SEARCH and not key:
        level = Kind.SEARCH_TYPE if kind else Kind.SEARCH_SYSTEM
        return {POST: _posted(Interaction(level, kind, query=query))}
    if name == METADATA and not kind:
        return {GET: Interaction(Kind.CAPABILITIES, query=query)}
    raise InteractionUnknown(path=name[:100])


def _posted(made: Interaction) -> Interaction:
    return Interaction(
        made.kind, made.type, made.id,
        compartment=made.compartment, query=made.query, posted=True,
    )  # fmt: skip


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise IdBroken(id=text[:80])
    return text


def pairs(query: str) -> tuple[tuple[str, str], ...]:
    """Return names and values of a query or a form, decoded, in order, with repeats.

    Raises:
        QueryBroken: it is not UTF-8, an escape is broken, or there are too many.

    Source: HL7 FHIR R4 4.0.1 §3.1.1.2; RFC 3986 §2.1.
    """
    if BROKEN_ESCAPE.search(query):
        raise QueryBroken(problem="a broken escape")
    pieces = query.split("&") if query else []
    if len(pieces) > PAIRS_MAX:
        raise QueryBroken(problem=f"more than {PAIRS_MAX} parameters")
    found = [piece.partition("=") for piece in pieces if piece]
    try:
        return tuple([(_decoded(name), _decoded(value)) for name, _, value in found])
    except UnicodeDecodeError as error:
        raise QueryBroken(problem=str(error)[:100]) from error


def _decoded(text: str) -> str:
    """Decode a name or a value; what `urllib` does for a whole query costs twice as much."""
    text = text.replace("+", " ")
    return unquote(text, errors="strict") if "%" in text else text
