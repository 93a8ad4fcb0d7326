"""Bundles as text: stored resources are put in as they are, neither parsed nor written anew.

Source: HL7 FHIR R4 4.0.1 §2.36 Bundle (searchset, history, fullUrl, bdl-1 to bdl-8); §3.1.1 Search
("Paging", "Managing Returned Resources"); §3.1.0 "history"; RFC 8288 (link relations).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import orjson

from citycare.scenarios.exchange.model.values import Past, Spliced

Pairs = Sequence[tuple[str, str]]

SAFE = ":$,/|*"  # stands in a query as it is, so that addresses can be read
QUERY = re.compile(r"[A-Za-z0-9\-._~!$'()*+,;=:@/?|&%]+", re.ASCII)


def searchset(
    entries: Iterable[Spliced],
    *,
    links: Mapping[str, str],
    total: int | None = None,
    updated_at: datetime | None = None,
    until: datetime | None = None,
) -> str:
    """Write a page of a search.

    Args:
        entries: matches, what they include, an OperationOutcome, in this order.
        links: address by relation: self, first, next, previous.
        total: matches in all; None: not counted.
        updated_at: when it was found.
        until: see `history`.

    Source: HL7 FHIR R4 4.0.1 §2.36 Bundle (searchset), §3.1.1.5.
    """
    texts = []
    for one in entries:
        url = f'"fullUrl":{_text(one.url)},' if one.url else ""
        texts.append(f'{{{url}"resource":{one.body},"search":{{{_search(one)}}}}}')
    return _bundle("searchset", texts, links, total, _head(updated_at, until))


MATCH_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"


def _search(one: Spliced) -> str:
    grade = f'"extension":[{{"url":"{MATCH_GRADE}","valueCode":"{one.grade}"}}],'
    score = "" if one.score is None else f',"score":{one.score}'
    return f'{grade if one.grade else ""}"mode":"{one.mode}"{score}'


def history(
    entries: Iterable[Past],
    *,
    base: str,
    links: Mapping[str, str],
    until: datetime | None = None,
) -> str:
    """Write a page of a history, the newest first; a deletion has no resource.

    `request` says how the version came about: PUT for every one, which with ids given by the
    client holds of the first version too, so that a history can be replayed.

    Args:
        entries: versions.
        base: the server's own address.
        links: see `searchset`.
        until: nothing from before it is missing: what to ask with next time. It is the Bundle's
            timestamp, and its `lastUpdated`, which many take for that. Pages after the first tell
            no time, as what they told would be too late.

    Source: HL7 FHIR R4 4.0.1 §3.1.0.11 history; Bundle.timestamp, bdl-3, bdl-4.
    """
    texts = []
    for one in entries:
        place = f"{one.type}/{one.id}"
        resource = f'"resource":{one.body},' if one.body else ""
        method, status = ("PUT", "200 OK") if one.body else ("DELETE", "204 No Content")
        if one.body and one.version == 1:
            status = "201 Created"
        texts.append(
            f'{{"fullUrl":{_text(f"{base}/{place}")},{resource}'
            f'"request":{{"method":"{method}","url":{_text(place)}}},'
            f'"response":{{"status":"{status}","etag":"W/\\"{one.version}\\"",'
            f'"lastModified":"{instant(one.updated_at)}"}}}}'
        )
    return _bundle("history", texts, links, None, _head(None, until))


def _bundle(
    kind: str, entries: Sequence[str], links: Mapping[str, str], total: int | None, head: str
) -> str:
    counted = "" if total is None else f'"total":{total},'
    linked = ",".join(
        f'{{"relation":{_text(relation)},"url":{_text(url)}}}' for relation, url in links.items()
    )
    parts = [f'{{"resourceType":"Bundle","type":"{kind}",{head}{counted}']
    parts.append(f'"link":[{linked}],' if linked else "")
    parts.append(f'"entry":[{",".join(entries)}],' if entries else "")
    return "".join(parts).removesuffix(",") + "}"


def _head(updated_at: datetime | None, until: datetime | None) -> str:
    told = until or updated_at
    meta = f'"meta":{{"lastUpdated":"{instant(told)}"}},' if told else ""
    stamp = f'"timestamp":"{instant(until)}",' if until else ""
    return meta + stamp


def _text(value: str) -> str:
    return orjson.dumps(value).decode()


def instant(moment: datetime) -> str:
    """Write an instant, to the millisecond.

    Source: HL7 FHIR R4 4.0.1 instant.
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def address(base: str, path: str, pairs: Pairs = ()) -> str:
    """Write an address with its query.

    Args:
        base: of the server, without a slash at the end.
        path: below it, `""` for the base itself.
        pairs: names and values, decoded.

    Source: RFC 3986 §3.4.
    """
    query = urlencode(list(pairs), safe=SAFE, quote_via=quote)
    return base + (f"/{path}" if path else "") + (f"?{query}" if query else "")


def links(
    base: str,
    path: str,
    pairs: Pairs,
    *,
    page: str = "_page",
    token: str = "",
    following: str = "",
    sent: str = "",
) -> dict[str, str]:
    """Return the links of a page.

    Args:
        base: of the server.
        path: of the search or history below it.
        pairs: parameters that were honoured: those passed over are not repeated in `self`.
        page: name of the parameter that carries the token of a page.
        token: of this page, `""` on the first.
        following: token of the page after it, `""` on the last.
        sent: the query as it was sent, where it says just these pairs, and nothing of a page.

    Source: HL7 FHIR R4 4.0.1 §3.1.1.5.3 paging; RFC 8288; RFC 3986 §3.4.
    """
    if sent and QUERY.fullmatch(sent):
        found = {"self": f"{base}/{path}?{sent}" if path else f"{base}?{sent}"}
    else:
        found = {"self": address(base, path, [*pairs, (page, token)] if token else pairs)}
    if token:
        found["first"] = address(base, path, pairs)
    if following:
        found["next"] = address(base, path, [*pairs, (page, following)])
    return found
