"""Hostile input is refused by a limit, or done; never a fault, never without end of memory.

No time is measured: what takes for ever hangs the test. Memory is the peak of what Python holds.
"""

from __future__ import annotations

import base64
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from citycare.kernel.context import Role
from citycare.kit import pages
from citycare.kit.db import Database
from citycare.scenarios.exchange.api.rest import BODY_MAX
from citycare.web.login.tokens import issue_token
from tests.scenarios.exchange.rest.hostile import PATCH, Attacker, Json, is_bounded, issue

MEGABYTE = 1_000_000
FORM = "application/x-www-form-urlencoded"
BASIC: Json = {"resourceType": "Basic", "code": {"text": "x"}}


@pytest.fixture
async def attacker(app: FastAPI, database: Database) -> Attacker:
    return Attacker(app, await issue_token(database, Role.EXCHANGE))


@contextmanager
def held_below(most: int) -> Iterator[None]:
    """Check the peak of memory that Python holds, in bytes more than before."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def basic(member: str) -> bytes:
    """Write a Basic with one more member, as text."""
    return f'{{"resourceType":"Basic","code":{{"text":"x"}},{member}}}'.encode()


def nested(levels: int, opening: str, closing: str, inner: str = "") -> str:
    return opening * levels + inner + closing * levels


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


@pytest.mark.parametrize("levels", [70, 260, 400, 900, 990, 100_000])
async def test_what_is_nested_too_deeply(attacker: Attacker, levels: int) -> None:
    extension = nested(levels, '{"url":"a","extension":[', "]}", '{"url":"a","valueCode":"b"}')
    arrays = nested(levels, "[", "]")
    objects = nested(levels, '{"a":', "}", "1")
    contained = nested(levels, '{"resourceType":"Basic","contained":[', "]}")
    bundles = nested(
        levels, '{"resourceType":"Bundle","type":"collection","entry":[{"resource":', "}]}", "1"
    )
    for member in (
        f'"extension":[{extension}]',
        f'"identifier":{arrays}',
        f'"identifier":[{objects}]',
        f'"contained":[{contained}]',
        f'"subject":{objects}',
        f'"meta":{objects}',
        f'"text":{{"status":"generated","div":{arrays}}}',
    ):
        issue(await attacker.post(basic(member), "/Basic"), member[:30])
        issue(await attacker.send("PUT", "/Basic/deep", basic(member)), member[:30])
        entry = b'{"resource":%b,"request":{"method":"POST","url":"Basic"}}' % basic(member)
        for kind in (b"batch", b"transaction"):
            body = b'{"resourceType":"Bundle","type":"%b","entry":[%b]}' % (kind, entry)
            is_bounded(await attacker.post(body, ""), member[:30])
    for body in (arrays, objects, bundles):
        issue(await attacker.post(body.encode(), "/Bundle"), body[:30])
        issue(await attacker.post(body.encode(), ""), body[:30])


async def test_a_body_beyond_the_limit_is_not_read(attacker: Attacker) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(50):
            taken += MEGABYTE
            yield b" " * MEGABYTE

    with held_below(3 * BODY_MAX):
        answer = await attacker.send("POST", "/Patient", endless())
    assert (answer.status, issue(answer)["code"]) == (413, "too-long")
    assert taken <= BODY_MAX + 2 * MEGABYTE
    for method, kind in (("PUT", "application/fhir+json"), ("PATCH", PATCH)):
        answer = await attacker.send(method, "/Patient/1", endless(), kind=kind)
        assert answer.status == 413
    answer = await attacker.send("POST", "/Patient/_search", endless(), kind=FORM)
    assert answer.status == 413


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"0,", b'"",', b'{"a":[]},'])
async def test_many_small_things_do_not_fill_the_memory(attacker: Attacker, piece: bytes) -> None:
    body = b'{"resourceType":"Basic","identifier":[' + piece * (24 * MEGABYTE // len(piece))
    with held_below(10 * BODY_MAX):
        issue(await attacker.post(body + b"0]}", "/Basic"))


NUMBERS = (
    "1" * 10_000, "-" + "1" * 10_000, "0." + "1" * 10_000, "1e999999999", "1e-999999999", "1e400",
    "-1e400", "1e309", "1e-400", "NaN", "Infinity", "-Infinity", "1E+999999999999999999999",
    "9" * 4_000, "9" * 65, "0." + "0" * 300 + "1", "1e64", "123456789.123456789e300",
)  # fmt: skip
QUANTITY = '"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"'


@pytest.mark.parametrize("number", NUMBERS, ids=lambda one: one[:12])
async def test_huge_numbers(attacker: Attacker, number: str) -> None:
    for value in (
        f'"valueDecimal":{number}',
        f'"valueInteger":{number}',
        f'"valueQuantity":{{"value":{number},{QUANTITY}}}',
        f'"valueMoney":{{"value":{number},"currency":"CNY"}}',
    ):
        body = basic(f'"extension":[{{"url":"urn:x",{value}}}]')
        is_bounded(await attacker.post(body, "/Basic"), value[:20])
    head = '{"resourceType":"Observation","status":"final","code":{"text":"x"},'
    for member in (f'"valueQuantity":{{"value":{number},{QUANTITY}}}', f'"valueInteger":{number}'):
        is_bounded(await attacker.post(f"{head}{member}}}".encode(), "/Observation"), member[:20])
    risk = (
        '{"resourceType":"RiskAssessment","status":"final","subject":{"display":"x"},"prediction":'
        f'[{{"probabilityDecimal":{number}}}]}}'
    )
    is_bounded(await attacker.post(risk.encode(), "/RiskAssessment"))
    patch = f'[{{"op":"test","path":"/code","value":{number}}}]'.encode()
    is_bounded(await attacker.send("PATCH", "/Basic/1", patch, kind=PATCH))
    for prefix in ("", "eq", "ne", "gt", "le", "sa", "eb", "ap"):
        for query in (
            f"value-quantity={prefix}{number}|http://unitsofmeasure.org|mg",
            f"value-quantity={prefix}{number}",
            f"code-value-quantity=x${prefix}{number}",
        ):
            is_bounded(await attacker.send("GET", "/Observation", query=query), query[:40])
        query = f"probability={prefix}{number}"
        is_bounded(await attacker.send("GET", "/RiskAssessment", query=query), query[:40])
    for query in (f"near={number}|{number}|{number}|km", f"near=1|1|{number}|m"):
        is_bounded(await attacker.send("GET", "/Location", query=query), query[:40])
    for name in ("_count", "_total", "_summary"):
        is_bounded(await attacker.send("GET", "/Basic", query=f"{name}={number}"), name)


DATES = (
    "0001-01-01", "9999-12-31", "9999", "0001", "0000", "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999999999Z", "2026-02-30",
    "2026-11-29T24:00:00Z", "2026-11-29T08:00:60Z", "99999-01-01", "-4712-01-01",
    "2026-11-29T08:00:00+99:99", "2026-11-29T08:00:00." + "9" * 5_000 + "Z",
)  # fmt: skip


@pytest.mark.parametrize("date", DATES, ids=lambda one: one[:26])
async def test_dates_at_the_ends_of_time(attacker: Attacker, date: str) -> None:
    period = {"start": date, "end": date}
    for resource in (
        {"resourceType": "Patient", "birthDate": date},
        {"resourceType": "Patient", "deceasedDateTime": date},
        {"resourceType": "Basic", "code": {"text": "x"}, "meta": {"lastUpdated": date}},
        {"resourceType": "Basic", "code": {"text": "x"}, "created": date},
        {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
         "period": period},
        {"resourceType": "Appointment", "status": "proposed", "requestedPeriod": [period],
         "participant": [{"status": "accepted", "actor": {"display": "x"}, "period": period}]},
    ):  # fmt: skip
        is_bounded(await attacker.post(resource), resource)
    for prefix in ("", "eq", "ne", "gt", "ge", "le", "lt", "sa", "eb", "ap"):
        for kind, name in (("Patient", "birthdate"), ("Encounter", "date"), ("Basic", "created")):
            query = f"{name}={prefix}{date.replace('+', '%2B')}"
            is_bounded(await attacker.send("GET", f"/{kind}", query=query), query)
        query = f"_lastUpdated={prefix}{date.replace('+', '%2B')}"
        is_bounded(await attacker.send("GET", "/Basic", query=query), query)
    for name in ("_since", "_at"):
        query = f"{name}={date.replace('+', '%2B')}"
        is_bounded(await attacker.send("GET", "/_history", query=query), query)
        is_bounded(await attacker.send("GET", "/Basic/_history", query=query), query)


BROKEN = (
    b"", b" ", b"null", b"true", b'"text"', b"7", b"[]", b"{}", b"{", b'{"resourceType"', b"\x00",
    b'\xef\xbb\xbf{"resourceType":"Basic"}', b"\xff\xfe{\x00}\x00", b'{"resourceType":7}',
    b'{"resourceType":null}', b'{"resourceType":["Basic"]}', b'{"resourceType":"basic"}',
    b'{"resourceType":"Resource"}', b'{"resourceType":"DomainResource"}',
    b'{"resourceType":"Basic","code":{"text":"\xff"}}', b'{"resourceType":"Basic"}trailing',
    b'{"resourceType":"\\ud800"}', b'{"resourceType":"\\u0000"}',
)  # fmt: skip


@pytest.mark.parametrize("body", BROKEN, ids=lambda one: repr(one)[:40])
async def test_bodies_that_are_no_resource(attacker: Attacker, body: bytes) -> None:
    for method, path in (
        ("POST", "/Basic"), ("PUT", "/Basic/1"), ("POST", ""), ("POST", "/Parameters"),
        ("POST", "/Bundle"), ("PUT", "/Bundle/1"),
    ):  # fmt: skip
        issue(await attacker.send(method, path, body), (method, path))
    issue(await attacker.send("PATCH", "/Basic/1", body, kind=PATCH))
    issue(await attacker.send("PUT", "/Basic", body, query="identifier=1"))


ODD = (
    "\\ud800",
    "\\udfff",
    "\\ud800\\ud800",
    "\\u0000",
    "\\ufffe",
    "\\uffff",
    "\\u0001",
    "\\u202e",
)


@pytest.mark.parametrize("odd", ODD)
async def test_characters_that_no_text_holds(attacker: Attacker, odd: str) -> None:
    for member in (
        f'"{odd}":1',
        f'"id":"{odd}"',
        f'"language":"{odd}"',
        f'"meta":{{"tag":[{{"code":"{odd}"}}]}}',
        f'"meta":{{"{odd}":"a"}}',
        f'"identifier":[{{"system":"{odd}","value":"{odd}"}}]',
        f'"subject":{{"reference":"Patient/{odd}"}}',
        f'"subject":{{"reference":"{odd}","display":"{odd}"}}',
        f'"extension":[{{"url":"{odd}","valueString":"{odd}"}}]',
        f'"text":{{"status":"generated","div":"<div>{odd}</div>"}}',
        f'"contained":[{{"resourceType":"{odd}"}}]',
    ):
        body = basic(member)
        is_bounded(await attacker.post(body, "/Basic"), member)
        is_bounded(await attacker.send("PUT", "/Basic/odd", body), member)
        for kind in ("batch", "transaction"):
            for request in (
                '"method":"POST","url":"Basic"',
                f'"method":"POST","url":"{odd}"',
                f'"method":"{odd}","url":"Basic"',
                f'"method":"PUT","url":"Basic?identifier={odd}"',
                f'"method":"POST","url":"Basic","ifNoneExist":"identifier={odd}"',
                f'"method":"PUT","url":"Basic/1","ifMatch":"{odd}"',
            ):
                entry = f'{{"fullUrl":"urn:x:{odd}","resource":{body.decode()},"request":{{{request}}}}}'
                bundle = f'{{"resourceType":"Bundle","type":"{kind}","entry":[{entry}]}}'
                is_bounded(await attacker.post(bundle.encode(), ""), (member, request))
    kept = await attacker.send("PUT", "/Basic/1", orjson.dumps(BASIC | {"id": "1"}))
    assert kept.status < 300, kept.body
    for step in (
        f'{{"op":"add","path":"/{odd}","value":"a"}}',
        f'{{"op":"add","path":"/language","value":"{odd}"}}',
        f'{{"op":"{odd}","path":"/language"}}',
        f'{{"op":"test","path":"/code/text","value":"{odd}"}}',
        f'{{"op":"copy","from":"/{odd}","path":"/language"}}',
    ):
        is_bounded(await attacker.send("PATCH", "/Basic/1", f"[{step}]".encode(), kind=PATCH), step)


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Basic","code":{"text":"x"},"code":{"text":"y"}}',
        b'{"resourceType":"Basic","resourceType":"Patient","code":{"text":"x"}}',
        b'{"resourceType":"Basic","code":{"text":"x","text":"y"}}',
        b'{"resourceType":"Basic","code":{"text":"x"},"id":"a","id":"b"}',
        b'{"resourceType":"Basic","code":{"text":"x"},"identifier":[{"value":"1","value":"2"}]}',
    ],
)
async def test_two_members_of_one_name_are_refused(attacker: Attacker, body: bytes) -> None:
    """Who takes the first and who takes the last of them would read two different resources."""
    assert issue(await attacker.post(body, "/Basic"))["code"] == "structure"


LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(f'<!ENTITY l{n} "{"&l" + str(n - 1) + ";" if n else "&lol;"}">' * 1 for n in range(9))
    + "]>"
)


async def test_xml_and_its_entities(attacker: Attacker) -> None:
    text = f"<?xml version='1.0'?>{LAUGHS}<Patient xmlns='http://hl7.org/fhir'>&l8;</Patient>"
    for kind in ("application/fhir+xml", "application/xml", "text/xml", "text/html", "", ";;;"):
        answer = await attacker.post(text.encode(), "/Patient", kind=kind)
        assert answer.status == 415
        issue(answer)
    issue(await attacker.post(text.encode(), "/Patient"))
    for div in (
        f"{LAUGHS}<div xmlns='http://www.w3.org/1999/xhtml'>&l8;</div>",
        "<div xmlns='http://www.w3.org/1999/xhtml'>&lol;</div>",
        "<div xmlns='http://www.w3.org/1999/xhtml'><script>1</script></div>",
        "<div xmlns='http://www.w3.org/1999/xhtml'>" + "<b>" * 50_000 + "</b>" * 50_000 + "</div>",
        "<div xmlns='http://www.w3.org/1999/xhtml' " + "a='" * 50_000,
        "<" * 100_000,
        "<!--" * 50_000,
        '<div xmlns="http://www.w3.org/1999/xhtml">' + '<a href="' * 50_000,
    ):
        resource = BASIC | {"text": {"status": "generated", "div": div}}
        issue(await attacker.post(resource), div[:40])
        entry = {"resource": resource, "request": {"method": "POST", "url": "Basic"}}
        issue(
            await attacker.post(
                {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}, ""
            )
        )


def ring(size: int) -> list[Json]:
    """Entries each of which refers to the next, and the last to the first."""
    names = [f"urn:uuid:00000000-0000-4000-8000-{number:012}" for number in range(size)]
    return [
        {
            "fullUrl": name,
            "resource": {
                "resourceType": "Organization", "name": "x",
                "partOf": {"reference": names[(number + 1) % size]},
            },
            "request": {"method": "POST", "url": "Organization"},
        }
        for number, name in enumerate(names)
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 50])
async def test_a_ring_of_references_is_stored_and_followed_once(
    attacker: Attacker, size: int
) -> None:
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": ring(size)}
    answer = await attacker.post(bundle, "")
    assert answer.status == 200, answer.body
    follow = "_include:iterate=Organization:partof&_revinclude:iterate=Organization:partof"
    for query in (follow, f"_count=1&{follow}", "_count=1&_include:iterate=*"):
        found = await attacker.send("GET", "/Organization", query=query)
        assert found.status == 200
        names = [one["fullUrl"] for one in found.json()["entry"]]
        assert len(names) == len(set(names)) <= size
    deep = "partof." * 8 + "name=x"
    assert (await attacker.send("GET", "/Organization", query=deep)).status == 200
    gone = [one["response"]["location"].split("/") for one in answer.json()["entry"]]
    entries = [{"request": {"method": "DELETE", "url": "/".join(one[-4:-2])}} for one in gone]
    is_bounded(
        await attacker.post({"resourceType": "Bundle", "type": "transaction", "entry": entries}, "")
    )


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


@pytest.mark.parametrize("name", HEADERS, ids=lambda one: one.decode())
async def test_no_header_is_the_death_of_a_pattern(attacker: Attacker, name: bytes) -> None:
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
    "/Patient/1/_history/2147483648", "/Patient/1/_history/٣", "/Patient/\ud800".encode("utf-8", "replace").decode(),
    "/Patient/欧阳", "/Patient;a=b/1", "/Patient/1;a", "/Patient/1/../2", "/patient/1", "/Patient%2f1",
    "/Patient/%24everything", "/$", "/$$", "/$" + "a" * 65, "/_", "/_history/1", "/metadata/1",
    "/Patient/1/*/_search", "/Patient/1/Nothing", "/Basic/1/Patient", "/*", "/Patient/*/Observation",
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


@pytest.mark.parametrize("value", ['"\\ud800"', "NaN", "1e999999999", '{"\\ud800":1}', '"\\u0000"'])
async def test_patches_inside_a_bundle(attacker: Attacker, value: str) -> None:
    """They come as base64, so that nothing that reads the body sees what is in them."""
    assert (await attacker.send("PUT", "/Basic/p", orjson.dumps(BASIC | {"id": "p"}))).status == 201
    for op, path in (
        ("add", "/code/text"),
        ("add", "/x"),
        ("test", "/code"),
        ("add", "/extension"),
    ):
        patch = f'[{{"op":"{op}","path":"{path}","value":{value}}}]'
        data = base64.b64encode(patch.encode()).decode()
        binary = {"resourceType": "Binary", "contentType": PATCH, "data": data}
        entry = {"resource": binary, "request": {"method": "PATCH", "url": "Basic/p"}}
        for kind in ("batch", "transaction"):
            answer = await attacker.post(bundle_of(kind, entry, 1), "")
            is_bounded(answer, (kind, op, path))
            if kind == "batch":
                assert answer.json()["entry"][0]["response"]["status"][0] == "4"


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


def bundle_of(kind: str, entry: Json, count: int) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": [entry] * count}


async def test_a_transaction_of_very_many_entries_is_done_or_refused_whole(
    attacker: Attacker,
) -> None:
    wrong = {"resource": BASIC | {"x": 1}, "request": {"method": "POST", "url": "Basic"}}
    with held_below(600 * MEGABYTE):
        issue(await attacker.post(bundle_of("transaction", wrong, 50_000), ""))
    entry = {"resource": BASIC, "request": {"method": "POST", "url": "Basic"}}
    answer = await attacker.post(bundle_of("transaction", entry, 12_000), "")
    assert answer.status == 200, answer.body[:300]
    counted = await attacker.send("GET", "/Basic", query="_summary=count")
    assert counted.json()["total"] == 12_000


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_answers_are_bounded_however_small_the_question(
    attacker: Attacker, kind: str
) -> None:
    """100 bytes ask for a megabyte each: 50,000 of them would be 50 GB."""
    large = BASIC | {"id": "large", "code": {"text": "x" * 1_000_000}}
    assert (await attacker.send("PUT", "/Basic/large", orjson.dumps(large))).status == 201
    read = {"request": {"method": "GET", "url": "Basic/large"}}
    with held_below(1_000 * MEGABYTE):
        answer = await attacker.post(bundle_of(kind, read, 50_000), "")
    is_bounded(answer)
    assert len(answer.body) < 100 * MEGABYTE


async def test_a_patch_that_grows_without_end(attacker: Attacker) -> None:
    assert (await attacker.send("PUT", "/Basic/p", orjson.dumps(BASIC | {"id": "p"}))).status
    doubling: list[Any] = [{"op": "add", "path": "/extension", "value": [{"url": "a"}]}]
    doubling += [{"op": "copy", "from": "/extension", "path": "/extension/0/extension"}] * 900
    with held_below(300 * MEGABYTE):
        answer = await attacker.send("PATCH", "/Basic/p", orjson.dumps(doubling), kind=PATCH)
    issue(answer)
