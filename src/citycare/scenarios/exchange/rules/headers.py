"""Headers of a request read, headers of an answer written.

Names are looked up in lower case, as ASGI gives them. Every header is bounded in length and parsed
in time linear in it.

Source: RFC 9110 §8.8 (ETag, Last-Modified), §12.5.1 (Accept), §13.1 (conditions); RFC 7240
(Prefer); HL7 FHIR R4 4.0.1 §3.1.0 RESTful API ("Content Types and encodings", "FHIR Version
Parameter", "Managing Return Content", "Managing Resource Contention", "conditional read").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from itertools import islice

from citycare.scenarios.exchange.model.errors import (
    FormatNotOffered,
    HeaderWrong,
    MediaTypeUnsupported,
    VersionConflict,
)
from citycare.scenarios.exchange.model.values import (
    Body,
    Conditions,
    Format,
    Handling,
    Preference,
    Return,
)

HEADER_MAX = 8_000
ITEMS_MAX = 100
ANY = "*"

TAG = re.compile(r'(?:W/)?"(?P<quoted>[A-Za-z0-9\-.]{1,64})"|(?P<bare>\*|[A-Za-z0-9\-.]{1,64})')
# Possessive, so that no text is read twice, however broken its quotes.
ITEM = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*+(?:"|\\?$))++', re.DOTALL)
PART = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*+(?:"|\\?$))++', re.DOTALL)
WEIGHT = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?", re.ASCII)

FORMATS = {  # what the names of `_format`, and the ranges of Accept, come to
    "json": Format.FHIR_JSON,
    "application/fhir+json": Format.FHIR_JSON,
    "application/json": Format.JSON,
    "text/json": Format.JSON,
    "application/*": Format.FHIR_JSON,
    "*/*": Format.FHIR_JSON,
}
BODIES = {
    "application/fhir+json": Body.RESOURCE,
    "application/json": Body.RESOURCE,
    "application/json-patch+json": Body.PATCH,
    "application/x-www-form-urlencoded": Body.FORM,
}
NOTHING_PREFERRED = Preference()
FHIR_VERSION = "fhirversion"  # `fhirVersion=4.0`; names of parameters are of any case
VERSIONS = ("4.0", "4.0.1")


def conditions(headers: Mapping[str, str]) -> Conditions:
    """Read what must hold.

    An If-Modified-Since that is no date is passed over, as RFC 9110 §13.1.3 asks.

    Raises:
        HeaderWrong: a tag is none of ours, or a condition is empty.

    Source: RFC 9110 §13.1; HL7 FHIR R4 4.0.1 §3.1.0.8 (If-None-Exist).
    """
    return Conditions(
        if_match=_tags(headers, "if-match"),
        if_none_match=_tags(headers, "if-none-match"),
        if_none_exist=_criteria(headers),
        if_modified_since=instant(headers.get("if-modified-since", "")),
    )


def _tags(headers: Mapping[str, str], name: str) -> frozenset[str]:
    """Read `W/"3"`, a list of them, or `*`; a bare `3`, which clients write, is taken as well."""
    if name not in headers:
        return frozenset()
    found = set()
    for item in _bounded(headers, name).split(","):
        if not (text := item.strip()):
            continue
        tag = TAG.fullmatch(text)
        if tag is None:
            raise HeaderWrong(header=name, value=_shown(text))
        found.add(tag["quoted"] or tag["bare"])
    if not found or len(found) > ITEMS_MAX:
        raise HeaderWrong(header=name, count=len(found))
    return frozenset(found)


def _criteria(headers: Mapping[str, str]) -> str | None:
    name = "if-none-exist"
    if name not in headers:
        return None
    text = _bounded(headers, name).strip()
    head, mark, tail = text.partition("?")  # the type in front of `?` is what R4's example writes
    criteria = tail if mark and (not head or head.isalpha()) else text
    if not criteria or "#" in criteria:
        raise HeaderWrong(header=name, length=len(text))  # criteria may name a person: not shown
    return criteria


def _bounded(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if len(value) > HEADER_MAX:
        raise HeaderWrong(header=name, length=len(value), most=HEADER_MAX)
    return value


def _shown(text: str) -> str:
    return text[:100]


def instant(text: str) -> datetime | None:
    """Read an HTTP date, or an instant as Bundles have it; None where it is neither.

    Source: RFC 9110 §5.6.7; HL7 FHIR R4 4.0.1 instant.
    """
    if not text or len(text) > 100:  # noqa: PLR2004 (no date is as long)
        return None
    try:
        found = datetime.fromisoformat(text) if text[0].isdigit() else parsedate_to_datetime(text)
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def require_version(asked: Conditions, version: int | None) -> None:
    """Check the conditions of a write.

    Args:
        asked: of the request.
        version: the newest version; None where there is nothing, or nothing any more.

    Raises:
        VersionConflict: the resource is not as the client believes (HTTP 412).

    Source: HL7 FHIR R4 4.0.1 §3.1.0.5 Managing Resource Contention.
    """
    if asked.if_match and not _names(asked.if_match, version):
        raise VersionConflict(current=version, asked=" ".join(sorted(asked.if_match)))
    if asked.if_none_match and _names(asked.if_none_match, version):
        raise VersionConflict(current=version, excluded=" ".join(sorted(asked.if_none_match)))


def is_unmodified(asked: Conditions, version: int, updated_at: datetime) -> bool:
    """Tell whether a read is answered by 304: the client has this version.

    If-None-Match decides where it was sent; dates are compared by the second, which is all an
    HTTP date can say.

    Source: RFC 9110 §13.1.2, §13.1.3; HL7 FHIR R4 4.0.1 "conditional read".
    """
    if asked.if_none_match:
        return _names(asked.if_none_match, version)
    since = asked.if_modified_since
    return since is not None and updated_at.replace(microsecond=0) <= since


def _names(tags: frozenset[str], version: int | None) -> bool:
    return version is not None and (ANY in tags or str(version) in tags)


def preference(value: str) -> Preference:
    """Read Prefer; what is not known is passed over, and of repeats the first holds (RFC 7240 §2).

    Raises:
        HeaderWrong: it is too long.

    Source: RFC 7240 §2, §4; HL7 FHIR R4 4.0.1 "Managing Return Content".
    """
    if not value:
        return NOTHING_PREFERRED
    if len(value) > HEADER_MAX:
        raise HeaderWrong(header="prefer", length=len(value), most=HEADER_MAX)
    told: dict[str, str] = {}
    for item in _items(value):
        name, _, word = next(_parts(item), "").partition("=")
        told.setdefault(name.strip().lower(), _bare(word))
    returned, handling = told.get("return"), told.get("handling")
    return Preference(
        returned=Return(returned) if returned in set(Return) else None,
        handling=Handling(handling) if handling in set(Handling) else None,
        respond_async="respond-async" in told,
    )


def accepted(accept: str, asked: str | None = None) -> Format:
    """Choose what the answer is written as.

    Args:
        accept: the header, `""` where there is none.
        asked: value of `_format`, which holds before the header; a blank in it was a `+`.

    Raises:
        FormatNotOffered: none of what is asked for is JSON of FHIR 4.0 (HTTP 406).
        HeaderWrong: it is too long.

    Source: RFC 9110 §12.5.1; HL7 FHIR R4 4.0.1 "Content Types and encodings", `_format`.
    """
    text = accept if asked is None else asked.replace(" ", "+")
    if len(text) > HEADER_MAX:
        raise HeaderWrong(header="accept", length=len(text), most=HEADER_MAX)
    best: tuple[float, int, Format] | None = None
    for item in _items(text):
        kind, told = _media(item)
        format_ = FORMATS.get(kind)
        if format_ is None or told.get(FHIR_VERSION, VERSIONS[0]) not in VERSIONS:
            continue
        weight = _weight(told.get("q", "1"))
        rank = (weight, -kind.count("*"), format_)
        if weight and (best is None or rank[:2] > best[:2]):
            best = rank
    if best is not None:
        return best[2]
    if text.strip():
        raise FormatNotOffered(asked=_shown(text), offered=Format.FHIR_JSON)
    return Format.FHIR_JSON


def sent(content_type: str, *taken: Body) -> Body:
    """Tell what a body holds.

    Args:
        content_type: the header, `""` where there is none.
        taken: what the interaction takes.

    Raises:
        MediaTypeUnsupported: it is something else, not UTF-8, or of another FHIR (HTTP 415).

    Source: RFC 9110 §8.3; HL7 FHIR R4 4.0.1 "Content Types and encodings".
    """
    kind, told = _media(content_type[:HEADER_MAX])
    body = BODIES.get(kind)
    if (
        body not in taken
        or told.get("charset", "utf-8").lower() not in ("utf-8", "utf8")
        or told.get(FHIR_VERSION, VERSIONS[0]) not in VERSIONS
    ):
        fit = " ".join(name for name, one in BODIES.items() if one in taken)
        raise MediaTypeUnsupported(sent=_shown(content_type), takes=fit)
    assert body is not None
    return body


def _items(text: str) -> Iterator[str]:
    """Yield what stands between commas outside of quotes, not more than a client can mean."""
    for count, found in enumerate(ITEM.finditer(text)):
        if count == ITEMS_MAX:
            return
        yield found[0]


def _parts(item: str) -> Iterator[str]:
    return (found[0] for found in PART.finditer(item))


def _media(item: str) -> tuple[str, dict[str, str]]:
    """Take a media type or range apart: its name, and its parameters."""
    parts = _parts(item)
    kind = next(parts, "")
    told = {}
    for part in islice(parts, ITEMS_MAX):
        name, _, value = part.partition("=")
        told[name.strip().lower()] = _bare(value)
    return kind.strip().lower(), told


def _bare(word: str) -> str:
    """Take the quotes off."""
    text = word.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text


def _weight(text: str) -> float:
    """Read a weight; one that cannot be read counts as none was given."""
    return float(text) if WEIGHT.fullmatch(text) else 1.0


def etag(version: int) -> str:
    """Write the tag of a version: weak, as R4 has it.

    Source: HL7 FHIR R4 4.0.1 §3.1.0.1 (weak tags of versions).
    """
    return f'W/"{version}"'


def last_modified(updated_at: datetime) -> str:
    """Write an HTTP date, to the second.

    Source: RFC 9110 §8.8.2.
    """
    return format_datetime(updated_at.astimezone(UTC), usegmt=True)


def location(base: str, resource_type: str, resource_id: str, version: int) -> str:
    """Write where a version is read.

    Source: HL7 FHIR R4 4.0.1 §3.1.0.8 create (Location).
    """
    return f"{base}/{resource_type}/{resource_id}/_history/{version}"


def applied(wish: Preference) -> str:
    """Write Preference-Applied for what was said (RFC 7240 §3); `""` for nothing.

    Source: RFC 7240 §3.
    """
    said = [
        f"return={wish.returned}" if wish.returned else "",
        f"handling={wish.handling}" if wish.handling else "",
        "respond-async" if wish.respond_async else "",
    ]
    return ", ".join(one for one in said if one)
