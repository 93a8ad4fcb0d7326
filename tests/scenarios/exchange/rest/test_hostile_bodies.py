"""Hostile bodies: refused by a limit or done; never a fault, never without end of memory.

Memory is the peak of what Python holds, over all that a request takes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from citycare.scenarios.exchange.api.rest import BODY_MAX
from tests.scenarios.exchange.rest.hostile import (
    BASIC,
    FORM,
    MEGABYTE,
    PATCH,
    Attacker,
    Json,
    held_below,
    is_bounded,
    issue,
)


def basic(member: str) -> bytes:
    """Write a Basic with one more member, as text."""
    return f'{{"resourceType":"Basic","code":{{"text":"x"}},{member}}}'.encode()


def nested(levels: int, opening: str, closing: str, inner: str = "") -> str:
    return opening * levels + inner + closing * levels


async def test_what_is_nested_too_deeply(attacker: Attacker) -> None:
    for levels in (70, 260, 400, 900, 990, 100_000):
        await check_what_is_nested_too_deeply(attacker, levels)


async def check_what_is_nested_too_deeply(attacker: Attacker, levels: int) -> None:
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
    for text in (arrays, objects, bundles):
        issue(await attacker.post(text.encode(), "/Bundle"), text[:30])
        issue(await attacker.post(text.encode(), ""), text[:30])


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


async def test_many_small_things_do_not_fill_the_memory(attacker: Attacker) -> None:
    for piece in (b"[],", b"{},", b"0,", b'"",', b'{"a":[]},'):
        await check_many_small_things_do_not_fill_the_memory(attacker, piece)


async def check_many_small_things_do_not_fill_the_memory(attacker: Attacker, piece: bytes) -> None:
    body = b'{"resourceType":"Basic","identifier":[' + piece * (24 * MEGABYTE // len(piece))
    with held_below(10 * BODY_MAX):
        issue(await attacker.post(body + b"0]}", "/Basic"))


NUMBERS = (
    "1" * 10_000, "-" + "1" * 10_000, "0." + "1" * 10_000, "1e999999999", "1e-999999999", "1e400",
    "-1e400", "1e309", "1e-400", "NaN", "Infinity", "-Infinity", "1E+999999999999999999999",
    "9" * 4_000, "9" * 65, "0." + "0" * 300 + "1", "1e64", "123456789.123456789e300",
)  # fmt: skip
QUANTITY = '"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"'


async def test_huge_numbers(attacker: Attacker) -> None:
    for number in NUMBERS:
        await check_huge_numbers(attacker, number)


async def check_huge_numbers(attacker: Attacker, number: str) -> None:
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
    for kind in ("Basic", "Observation", "RiskAssessment"):  # what was taken can be read again
        assert (await attacker.send("GET", f"/{kind}")).status == 200
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


async def test_dates_at_the_ends_of_time(attacker: Attacker) -> None:
    for date in DATES:
        await check_dates_at_the_ends_of_time(attacker, date)


async def check_dates_at_the_ends_of_time(attacker: Attacker, date: str) -> None:
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


async def test_bodies_that_are_no_resource(attacker: Attacker) -> None:
    for body in BROKEN:
        await check_bodies_that_are_no_resource(attacker, body)


async def check_bodies_that_are_no_resource(attacker: Attacker, body: bytes) -> None:
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


async def test_characters_that_no_text_holds(attacker: Attacker) -> None:
    for odd in ODD:
        await check_characters_that_no_text_holds(attacker, odd)


async def check_characters_that_no_text_holds(attacker: Attacker, odd: str) -> None:
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
                resource = f'"fullUrl":"urn:x:{odd}","resource":{body.decode()}'
                entry = f'{{{resource},"request":{{{request}}}}}'
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


TWICE = (
    b'{"resourceType":"Basic","code":{"text":"x"},"code":{"text":"y"}}',
    b'{"resourceType":"Basic","resourceType":"Patient","code":{"text":"x"}}',
    b'{"resourceType":"Basic","code":{"text":"x","text":"y"}}',
    b'{"resourceType":"Basic","code":{"text":"x"},"id":"a","id":"b"}',
    b'{"resourceType":"Basic","code":{"text":"x"},"identifier":[{"value":"1","value":"2"}]}',
)


async def test_two_members_of_one_name_are_refused(attacker: Attacker) -> None:
    """Who takes the first and who takes the last of them would read two different resources."""
    for body in TWICE:
        assert issue(await attacker.post(body, "/Basic"))["code"] == "structure", body


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


async def test_a_ring_of_references_is_stored_and_followed_once(attacker: Attacker) -> None:
    for size in (1, 2, 50):
        await check_a_ring_of_references_is_stored_and_followed_once(attacker, size)


async def check_a_ring_of_references_is_stored_and_followed_once(
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
        assert len(names) == len(set(names)) <= 53
    deep = "partof." * 8 + "name=x"
    assert (await attacker.send("GET", "/Organization", query=deep)).status == 200
    gone = [one["response"]["location"].split("/") for one in answer.json()["entry"]]
    entries = [{"request": {"method": "DELETE", "url": "/".join(one[-4:-2])}} for one in gone]
    is_bounded(
        await attacker.post({"resourceType": "Bundle", "type": "transaction", "entry": entries}, "")
    )


async def test_patches_inside_a_bundle(attacker: Attacker) -> None:
    """They come as base64, so that nothing that reads the body sees what is in them."""
    for value in ('"\\ud800"', "NaN", "1e999999999", '{"\\ud800":1}', '"\\u0000"'):
        await check_patches_inside_a_bundle(attacker, value)


async def check_patches_inside_a_bundle(attacker: Attacker, value: str) -> None:
    assert (await attacker.send("PUT", "/Basic/p", orjson.dumps(BASIC | {"id": "p"}))).status < 300
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


def bundle_of(kind: str, entry: Json, count: int) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": [entry] * count}


async def test_a_transaction_of_very_many_entries_is_done_or_refused_whole(
    attacker: Attacker,
) -> None:
    wrong = {"resource": BASIC | {"x": 1}, "request": {"method": "POST", "url": "Basic"}}
    with held_below(240 * MEGABYTE):
        issue(await attacker.post(bundle_of("transaction", wrong, 20_000), ""))
    entry = {"resource": BASIC, "request": {"method": "POST", "url": "Basic"}}
    answer = await attacker.post(bundle_of("transaction", entry, 12_000), "")
    assert answer.status == 200, answer.body[:300]
    counted = await attacker.send("GET", "/Basic", query="_summary=count")
    assert counted.json()["total"] == 12_000


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_answers_are_bounded_however_small_the_question(
    attacker: Attacker, kind: str
) -> None:
    """100 bytes ask for a megabyte each: 20,000 of them would be 20 GB."""
    large = BASIC | {"id": "large", "code": {"text": "x" * 1_000_000}}
    assert (await attacker.send("PUT", "/Basic/large", orjson.dumps(large))).status == 201
    read = {"request": {"method": "GET", "url": "Basic/large"}}
    with held_below(1_000 * MEGABYTE):
        answer = await attacker.post(bundle_of(kind, read, 20_000), "")
    is_bounded(answer)
    assert len(answer.body) < 100 * MEGABYTE


async def test_a_patch_that_grows_without_end(attacker: Attacker) -> None:
    assert (await attacker.send("PUT", "/Basic/p", orjson.dumps(BASIC | {"id": "p"}))).status
    doubling: list[Any] = [{"op": "add", "path": "/extension", "value": [{"url": "a"}]}]
    doubling += [{"op": "copy", "from": "/extension", "path": "/extension/0/extension"}] * 900
    with held_below(300 * MEGABYTE):
        answer = await attacker.send("PATCH", "/Basic/p", orjson.dumps(doubling), kind=PATCH)
    issue(answer)
