"""Hostile addresses, queries, headers: refused by a limit or done; never a fault.

No time is measured: what takes for ever hangs the test.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from fastapi import FastAPI

from citycare.kit import pages
from tests.scenarios.exchange.rest.hostile import BASIC, FORM, Attacker, is_bounded, issue


async def test_nothing_is_read_of_who_has_not_signed_in(app: FastAPI) -> None:
    asked = 0

    def body() -> Iterator[bytes]:
        nonlocal asked
        asked += 1
        yield b"{}"

    for method, path in (
        ("POST", ""),
        ("POST", "/Basic"),
        ("PUT", "/Basic/1"),
        ("PATCH", "/Basic/1"),
    ):
        answer = await Attacker(app, "a" * 43).send(method, path, body())
        assert (answer.status, issue(answer)["code"]) == (401, "login")
    assert asked == 0


async def test_includes_without_end_are_refused(attacker: Attacker) -> None:
    """2,500 Organizations are part of one: a search of that one brings them all along."""
    top = {"resourceType": "Organization", "id": "top", "name": "x"}
    assert (await attacker.send("PUT", "/Organization/top", orjson.dumps(top))).status == 201
    part = {
        "resourceType": "Organization",
        "partOf": {"reference": "Organization/top"},
        "name": "y",
    }
    entry = {"resource": part, "request": {"method": "POST", "url": "Organization"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 2_500}
    assert (await attacker.post(bundle, "")).status == 200
    query = "_id=top&_revinclude:iterate=Organization:partof"
    assert issue(await attacker.send("GET", "/Organization", query=query))["code"] == "too-costly"


def many(count: int, text: str, between: str = ",") -> str:
    return between.join([text] * count)


async def test_searches_beyond_a_limit(attacker: Attacker) -> None:
    for kind, query in (
        ("Patient", "identifier=" + many(10_000, "a")),
        ("Patient", "name=" + many(10_000, "a")),
        ("Patient", "identifier=" + ",".join(f"urn:x|{n}" for n in range(1_000))),
        ("Patient", many(65, "name=a", "&")),
        ("Patient", many(1_001, "name=a", "&")),
        ("Patient", many(100_000, "a", "&")),
        ("Observation", "subject." + "link." * 200 + "name=a"),
        ("Patient", "_has:Observation:patient:" * 200 + "code=a"),
        ("Patient", "link:Patient." * 9 + "name=a"),
        ("Observation", many(30, "subject", ".") + "=a"),
        ("Patient", "_sort=" + many(500, "name")),
        ("Patient", many(64, "_include=Patient:link", "&") + "&_include=*"),
        ("Patient", "_elements=" + many(500, "name") + ",x"),
        ("Patient", "name=" + "a" * 100_000),
        ("Patient", "a" * 100_000 + "=a"),
        ("Patient", "name:exact:contains=a"),
        ("Patient", "name:" + "missing:" * 50 + "=true"),
        ("Patient", "_count=-1"),
        ("Patient", f"_count={10**30}"),
        ("Patient", "_count=1e3"),
        ("Patient", "_count=٣"),
        ("Patient", "identifier=%ED%A0%80"),
        ("Patient", "identifier=%00"),
        ("Patient", "identifier=%ff"),
        ("Patient", "identifier=%"),
        ("Patient", "%00=1"),
        ("Patient", "name=\\"),
        ("Patient", "identifier=" + "\\" * 9_999),
        ("Patient", "identifier=" + "|" * 5_000),
        ("Observation", "code-value-quantity=" + "$" * 5_000),
        ("Observation", "value-quantity=" + "|" * 5_000),
        ("Location", "near=" + "|" * 5_000),
        ("Location", "near=91|181|1|km"),
        ("Patient", "_type=" + many(1_000, "Patient")),
        ("Patient", "_id=" + "a" * 65),
        ("Patient", "_lastUpdated=" + many(600, "2026")),
        ("Patient", "_content=" + many(300, "a", "+")),
        ("ValueSet", "url:below=" + "/" * 9_000),
    ):
        answer = await attacker.send("GET", f"/{kind}", query=query)
        is_bounded(answer, query[:60])
        if not query.startswith(("url:below", "_type", "near=|", "identifier=|")):
            issue(answer, query[:60])
        posted = await attacker.send("POST", f"/{kind}/_search", query.encode(), kind=FORM)
        is_bounded(posted, query[:60])


async def test_the_dearest_searches_that_are_within_limits_are_done(attacker: Attacker) -> None:
    chain = "subject:Patient.general-practitioner:Practitioner.name=a"
    for kind, query in (
        ("Patient", "identifier=" + ",".join(f"urn:x|{n}" for n in range(500))),
        ("Patient", many(64, "name=a", "&")),
        ("Observation", many(20, chain, "&")),
        ("Patient", "_has:Observation:patient:_has:Provenance:target:agent:Practitioner.name=a"),
        ("", "_id=a&_sort=_lastUpdated&_total=accurate"),
        ("", "_content=" + many(50, "a", "+")),
        ("Patient", "name:contains=" + many(300, "ab")),
        ("Patient", "_sort=name,family,given,birthdate,-name,-family,-given,-birthdate"),
        ("", "_type=Patient,Observation&_include=*&_revinclude:iterate=Observation:subject"),
    ):
        path = f"/{kind}" if kind else ""
        answer = await attacker.send("GET", path, query=query)
        is_bounded(answer, query[:60])


DEATHS = (
    '"' * 7_000, '"\\' * 3_500, "," * 7_000, ";" * 7_000, "a;q=" * 2_000, "a," * 3_500,
    'W/"' * 2_500, 'W/"1",' * 1_200, "=" * 7_000, " " * 7_000, "\t" * 7_000, "a=" * 3_500,
    '"a\\"' * 2_000 + "!", "0." + "9" * 7_000, "*/*;q=" + "0." * 3_000, "\xff" * 7_000, "\x01", "",
    "x" * 500_000, "Mon, 01 Jan " * 600, "9" * 7_000, "application/" + "fhir+" * 1_400 + "json",
    "handling=lenient;" * 400, 'return="' * 800, "*" * 7_000, "?" * 7_000, "&" * 7_000,
    "identifier=" + "," * 7_000, "identifier=" + "%25" * 2_000, "{}" * 3_000, "%" * 7_000,
)  # fmt: skip
HEADERS = (
    b"accept", b"prefer", b"if-match", b"if-none-match", b"if-none-exist", b"if-modified-since",
    b"content-type", b"authorization", b"x-request-id", b"host", b"content-length", b"cookie",
    b"x-forwarded-for", b"x-channel", b"accept-language", b"range", b"x-http-method-override",
)  # fmt: skip


async def test_no_header_is_the_death_of_a_pattern(attacker: Attacker) -> None:
    for name in HEADERS:
        await check_no_header_is_the_death_of_a_pattern(attacker, name)


async def check_no_header_is_the_death_of_a_pattern(attacker: Attacker, name: bytes) -> None:
    body = orjson.dumps(BASIC)
    assert (await attacker.send("PUT", "/Basic/here", orjson.dumps(BASIC | {"id": "here"}))).status
    for value in DEATHS:
        told = [(name, value.encode("latin-1"))]
        for method, path, sent in (
            ("GET", "/Basic/here", b""), ("POST", "/Basic", body), ("GET", "/Basic", b""),
            ("PUT", "/Basic/here", orjson.dumps(BASIC | {"id": "here"})),
            ("DELETE", "/Basic/none", b""), ("GET", "/metadata", b""), ("GET", "/_history", b""),
        ):  # fmt: skip
            answer = await attacker.send(method, path, sent, headers=told)
            is_bounded(answer, (method, path, name, value[:20]))


PATHS = (
    "/..", "/../..", "/../../etc/passwd", "/Patient/..", "/Patient/../..", "/Patient/%2e%2e",
    "/Patient/%2e%2e%2f%2e%2e", "/%2e%2e/%2e%2e/etc/passwd", "//", "///", "//Patient//1",
    "/Patient//", "/Patient/%00", "/Patient/\x00", "/Patient/a%00b", "/Patient/1%0d%0aX:1",
    "/Patient/1\r\nX: 1", "/Patient/%ff", "/Patient/%", "/Patient/%zz", "/Patient/" + "a" * 65,
    "/Patient/" + "a/" * 5_000, "/" + "a" * 100_000, "/Patient/1/_history/" + "9" * 64,
    "/Patient/1/_history/0", "/Patient/1/_history/-1", "/Patient/1/_history/99999999999",
    "/Patient/1/_history/2147483648", "/Patient/1/_history/٣",
    "/Patient/\N{REPLACEMENT CHARACTER}", "/Patient/欧阳", "/Patient;a=b/1", "/Patient/1;a",
    "/Patient/1/../2", "/patient/1", "/Patient%2f1", "/Patient/%24everything",
    "/$", "/$$", "/$" + "a" * 65, "/_", "/_history/1", "/metadata/1",
    "/Patient/1/*/_search", "/Patient/1/Nothing", "/Basic/1/Patient", "/*",
    "/Patient/*/Observation",
)  # fmt: skip


async def test_paths_lead_nowhere_else(attacker: Attacker) -> None:
    for path in PATHS:
        for method in (
            "GET",
            "PUT",
            "DELETE",
            "POST",
            "PATCH",
            "HEAD",
            "OPTIONS",
            "TRACE",
            "X" * 99,
        ):
            answer = await attacker.send(method, path, orjson.dumps(BASIC))
            assert answer.status < 500, (method, path[:50], answer.body[:300])
            if answer.status >= 400 and method != "HEAD":
                issue(answer, (method, path[:50]))
            assert b"root:" not in answer.body
            assert not any("\n" in value or "\r" in value for value in answer.headers.values())


async def test_queries_of_raw_bytes(attacker: Attacker) -> None:
    for query in (
        b"\xff",
        b"name=\xff",
        b"name=\xed\xa0\x80",
        b"\x00",
        b"_format=\xff",
        b"a=b" * 9_000,
    ):
        for method, path in (("GET", "/Patient"), ("POST", "/Patient"), ("GET", "/metadata")):
            is_bounded(await attacker.send(method, path, query=query), query[:20])


FORGED = (
    "", "x", "=", "%00", "eyJ", "a" * 9_000, pages.encode("2026-11-29T00:00:00+00:00", 10**18),
    pages.encode("9999-12-31T23:59:59-14:00", 1), pages.encode("0001-01-01T00:00:00+14:00", 1),
    pages.encode("2026-11-29", -(2**63) + 1), pages.encode(1), pages.encode(2**62),
    pages.encode(-1), pages.encode(2**31), pages.encode("x"), pages.encode(1, 2), pages.encode(),
    "W10", "bnVsbA", "e30", "Ww", "WzFlOTk5XQ", "WzEuNV0", "W3RydWVd",
)  # fmt: skip


async def test_forged_and_foreign_tokens_of_pages(attacker: Attacker, app: FastAPI) -> None:
    for number in range(3):
        resource = BASIC | {"id": f"n{number}"}
        assert (await attacker.send("PUT", f"/Basic/n{number}", orjson.dumps(resource))).status
    assert (await attacker.send("PUT", "/Basic/n0", orjson.dumps(BASIC | {"id": "n0"}))).status
    first = (await attacker.send("GET", "/Basic", query="_count=1")).json()
    token = {one["relation"]: one["url"] for one in first["link"]}["next"].partition("_page=")[2]
    assert (await attacker.send("GET", "/Basic", query=f"_count=1&_page={token}")).status == 200
    for other in ("_count=2", "_count=1&_sort=_id", "_count=1&created=2026"):
        issue(await attacker.send("GET", "/Basic", query=f"{other}&_page={token}"), other)
    issue(await attacker.send("GET", "/Patient", query=f"_count=1&_page={token}"))
    forged = [*FORGED, token[:-1], token + "A", token[::-1], token.swapcase()]
    for one in forged[1:]:
        issue(await attacker.send("GET", "/Basic", query=f"_count=1&_page={one}"), one[:40])
        for path in ("/_history", "/Basic/_history", "/Basic/n0/_history"):
            is_bounded(await attacker.send("GET", path, query=f"_page={one}"), (path, one[:40]))
    edge = app.state.edge
    early = edge.now
    try:
        object.__setattr__(edge, "now", lambda: early().replace(year=early().year + 1))
        issue(await attacker.send("GET", "/Basic", query=f"_count=1&_page={token}"), "expired")
    finally:
        object.__setattr__(edge, "now", early)


TAGS = ('W/"0"', 'W/"-1"', 'W/"99999999999999999999"', '"', "W/", 'W/""', "*", "7, x", "w/1")


async def test_conditions_that_hold_for_nothing(attacker: Attacker) -> None:
    resource = orjson.dumps(BASIC | {"id": "one"})
    assert (await attacker.send("PUT", "/Basic/one", resource)).status == 201
    for tag in TAGS:
        told = [(b"if-match", tag.encode())]
        for method, body in (("PUT", resource), ("DELETE", b"")):
            answer = await attacker.send(
                method, "/Basic/gone", body.replace(b"one", b"gone"), headers=told
            )
            issue(answer, (method, tag))
        if tag != "*":
            issue(await attacker.send("PUT", "/Basic/one", resource, headers=told), tag)
            issue(await attacker.send("DELETE", "/Basic/one", headers=told), tag)
        is_bounded(
            await attacker.send("GET", "/Basic/one", headers=[(b"if-none-match", tag.encode())])
        )
    assert (await attacker.send("GET", "/Basic/one")).json()["meta"]["versionId"] == "1"


async def test_a_length_that_is_a_lie_changes_nothing(attacker: Attacker) -> None:
    body = orjson.dumps(BASIC)
    for length in (b"0", b"1", b"99999999999", b"-1", b"x", b"", b"1" * 5_000):
        told = [(b"content-length", length)]
        is_bounded(await attacker.send("POST", "/Basic", body, headers=told), length)
        is_bounded(await attacker.send("POST", "/Basic", b"", headers=told), length)


async def test_ids_one_character_too_long(attacker: Attacker) -> None:
    longest, longer = "a" * 64, "a" * 65
    assert (
        await attacker.send("PUT", f"/Basic/{longest}", orjson.dumps(BASIC | {"id": longest}))
    ).status == 201
    issue(await attacker.send("PUT", f"/Basic/{longer}", orjson.dumps(BASIC | {"id": longer})))
    for method in ("GET", "DELETE"):
        issue(await attacker.send(method, f"/Basic/{longer}"))
    patient = BASIC | {"subject": {"reference": f"Patient/{longer}"}}
    issue(await attacker.post(patient))
    entry = {
        "resource": BASIC | {"id": longer},
        "request": {"method": "PUT", "url": f"Basic/{longer}"},
    }
    issue(
        await attacker.post({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}, "")
    )
