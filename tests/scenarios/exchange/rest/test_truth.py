"""What the CapabilityStatement declares is done, and what it does not declare is refused.

The statement is the one a client reads. Each parameter of each type is searched by, in each way its
type has, on a database with next to nothing in it: what is found is the matter of other tests
(`tests/kernel/fhir/finding`), that it is understood down to the database is the matter of this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import finding
from citycare.kernel.fhir.finding import Hit
from citycare.kernel.fhir.finding.including import included
from citycare.kernel.fhir.model import ParameterUnknown
from citycare.kernel.fhir.searching import reading
from citycare.kernel.fhir.searching.criteria import MODIFIERS, known
from citycare.kernel.fhir.searching.model import ParamType
from citycare.kernel.fhir.searching.values import Param
from citycare.scenarios.exchange.service.capabilities import SERVED
from tests.conftest import NOW
from tests.scenarios.exchange.rest import conftest

Json = dict[str, Any]
BASE = f"{conftest.BASE}/fhir/R4"
CHUNKS = 8
VALUES = {
    ParamType.NUMBER: ("5", "ge0.1", "ap7"),
    ParamType.DATE: ("2026", "ge2026-11-29", "eb2026-11-29T08:00:00Z", "ap2020"),
    ParamType.STRING: ("a", "欧阳", "a,b"),
    ParamType.TOKEN: ("a", "urn:x|a", "urn:x|", "|a"),
    ParamType.QUANTITY: ("5", "lt5|http://unitsofmeasure.org|mg", "5||mg"),
    ParamType.URI: ("urn:x:a", "http://example.org/a"),
}
WORTH = {  # of modifiers; others take what the plain parameter takes
    "missing": ("true", "false"),
    "of-type": ("urn:x|MR|7",),
    "identifier": ("urn:x|7",),
    "in": ("http://hl7.org/fhir/ValueSet/administrative-gender",),
    "not-in": ("http://hl7.org/fhir/ValueSet/administrative-gender",),
    "above": ("http://example.org/a",),
    "below": ("http://example.org/a",),
}
SETS = ("in", "not-in", "above", "below")  # of tokens: by loaded terminology, tested there


def values_of(param: Param) -> tuple[str, ...]:
    """Return what a parameter may be asked."""
    if param.code == "_id":
        return ("a", "a,b")
    if param.type is ParamType.REFERENCE:
        target = (param.targets or ("Patient",))[0]
        return f"{target}/1", "1", f"{BASE}/{target}/1", "urn:uuid:x"
    if param.type is ParamType.COMPOSITE:
        return ("$".join(values_of(part)[0] for part in param.parts),)
    if param.type is ParamType.SPECIAL:
        return ("31.2|121.4|5|km",)
    return VALUES[param.type]


def asked_of(param: Param) -> Iterator[tuple[str, str]]:
    """Yield names and values in every way of a parameter."""
    for value in values_of(param):
        yield param.code, value
    for modifier in sorted(MODIFIERS[param.type]):
        if param.type is ParamType.TOKEN and modifier in SETS:
            continue
        for value in WORTH.get(modifier) or values_of(param)[:1]:
            yield f"{param.code}:{modifier}", value
    if param.targets:
        yield f"{param.code}:{param.targets[-1]}", "1"
        yield f"{param.code}:{param.targets[0]}._id", "1"
    if param.type not in reading.UNSORTED:
        yield "_sort", param.code
        yield "_sort", f"-{param.code}"


@pytest.fixture
async def declared(city: httpx.AsyncClient) -> Json:
    """Return what the statement says of the server's REST."""
    made: Json = (await city.get("metadata")).json()["rest"][0]
    return made


@pytest.mark.parametrize("part", range(CHUNKS))
async def test_each_parameter_of_each_type_is_searched_by(cx: Context, part: int) -> None:
    """`test_capabilities` shows that the statement names exactly these."""
    cx = replace(cx, now=NOW)
    for kind in sorted(SERVED)[part::CHUNKS]:
        for code, param in sorted(known((kind,)).items()):
            for pair in asked_of(param) if not code.startswith("_") else ():
                query = reading.read([kind], [pair], now=NOW, base=BASE)
                found = await finding.find(cx, query, base=BASE)
                assert (found.matches, query.unknown) == ([], ()), (kind, pair)


async def test_each_common_parameter_is_searched_by_at_every_level(cx: Context) -> None:
    for kinds in ([], ["Patient"], ["Patient", "Observation"], sorted(SERVED)):
        for _, param in sorted(known(tuple(kinds[:1])).items()):
            for pair in asked_of(param) if param.code.startswith("_") else ():
                query = reading.read(kinds, [pair], now=NOW, base=BASE)
                assert query.unknown == ()
                await finding.find(cx, query, base=BASE)


async def test_each_include_is_followed(cx: Context, declared: Json) -> None:
    for one in declared["resource"]:
        kind = one["type"]
        hit = Hit(1, kind, "1", 1, NOW, fhir.dumps({"resourceType": kind, "id": "1"}))
        named = [("_include", each) for each in one["searchInclude"]]
        named += [("_revinclude", each) for each in one["searchRevInclude"]]
        for at in range(0, len(named), reading.INCLUDES_MAX):
            some = named[at : at + reading.INCLUDES_MAX]
            query = reading.read([kind], some, now=NOW, base=BASE)
            assert len(query.includes) == len(some)
            assert await included(cx, [hit], query.includes, finding.EVERYTHING, BASE) == []


CALLS: dict[str, tuple[str, str, object, frozenset[int]]] = {  # what each does on an empty server
    "read": ("GET", "{kind}/1", None, frozenset((404,))),
    "vread": ("GET", "{kind}/1/_history/1", None, frozenset((404,))),
    "update": ("PUT", "{kind}/1", {"x": 1}, frozenset((400, 422))),
    "patch": ("PATCH", "{kind}/1", [{"op": "remove", "path": "/id"}], frozenset((404,))),
    "delete": ("DELETE", "{kind}/1", None, frozenset((204,))),
    "history-instance": ("GET", "{kind}/1/_history", None, frozenset((404,))),
    "history-type": ("GET", "{kind}/_history", None, frozenset((200,))),
    "create": ("POST", "{kind}", {"x": 1}, frozenset((400, 422))),
    "search-type": ("GET", "{kind}", None, frozenset((200,))),
    "search-system": ("GET", "?_type=Basic", None, frozenset((200,))),
    "history-system": ("GET", "_history", None, frozenset((200,))),
    "batch": ("POST", "", {"resourceType": "Bundle", "type": "batch"}, frozenset((200,))),
    "transaction": (
        "POST", "", {"resourceType": "Bundle", "type": "transaction"}, frozenset((200,)),
    ),
}  # fmt: skip


async def does(city: httpx.AsyncClient, kind: str, code: str) -> None:
    method, path, body, states = CALLS[code]
    if isinstance(body, dict) and kind:
        body = {"resourceType": kind, **body}
    content = "json-patch+json" if code == "patch" else "fhir+json"
    sent: Json = {"json": body, "headers": {"Content-Type": f"application/{content}"}}
    answer = await city.request(method, path.format(kind=kind), **(sent if body else {}))
    assert answer.status_code in states, (kind, code, answer.text[:300])


async def test_each_interaction_is_there(city: httpx.AsyncClient, declared: Json) -> None:
    for one in declared["interaction"]:
        await does(city, "", one["code"])
    for one in declared["resource"]:
        for each in one["interaction"]:
            await does(city, one["type"], each["code"])


async def test_what_is_said_of_each_type_holds(city: httpx.AsyncClient, declared: Json) -> None:
    """Conditional interactions, versions, creation by update: the same code for every type."""
    for one in declared["resource"]:
        kind = one["type"]
        told = ("conditionalCreate", "conditionalUpdate", "updateCreate", "readHistory")
        assert all(one[name] for name in told)
        wrong = {"resourceType": kind, "x": 1}
        for answer in (
            await city.post(kind, json=wrong, headers={"If-None-Exist": "_id=1"}),
            await city.put(f"{kind}?_id=1", json=wrong),
            await city.put(f"{kind}/new", json=wrong | {"id": "new"}),
        ):
            assert answer.status_code == 422, (kind, answer.text[:300])
        assert (await city.delete(f"{kind}?_id=1")).status_code == 204
        late = await city.delete(f"{kind}/1", headers={"If-Match": 'W/"1"'})
        assert late.status_code == 412


async def test_each_compartment_is_searched(city: httpx.AsyncClient, declared: Json) -> None:
    for one in declared["compartment"]:
        name = one.rpartition("/")[2]
        kind = next(each for each in SERVED if each.lower() == name)
        for path in (f"{kind}/1/*", f"{kind}/1/Observation"):
            answer = await city.get(path)
            assert answer.status_code in (200, 400), answer.text[:300]
        assert (await city.get(f"{kind}/1/{kind}")).status_code in (200, 400)


async def test_each_operation_is_there_and_no_other(
    city: httpx.AsyncClient, declared: Json
) -> None:
    named = [("", one["name"]) for one in declared.get("operation", ())]
    named += [
        (one["type"], each["name"])
        for one in declared["resource"]
        for each in one.get("operation", ())
    ]
    for kind, name in named:
        answers = [
            await city.get(f"{prefix}${name}")
            for prefix in ((f"{kind}/", f"{kind}/1/") if kind else ("",))
        ]
        codes = [
            each.get("details", {}).get("coding", [{}])[0].get("code")
            for answer in answers
            for each in (answer.json().get("issue", ()) if answer.content else ())
        ]
        assert codes.count("exchange.interaction_unknown") < len(answers), (kind, name)
    for path in ("$nothing", "Patient/$nothing", "Patient/1/$nothing", "$everything"):
        assert (await city.get(path)).status_code == 404


REFUSED = (
    ("GET", "Parameters", 404),
    ("POST", "Parameters", 404),
    ("PUT", "Parameters/1", 404),
    ("GET", "Patient?_text=a", 400),
    ("GET", "Patient?_filter=a", 400),
    ("GET", "Patient?_query=a", 400),
    ("GET", "Patient?_list=a", 400),
    ("GET", "Patient?_contained=true", 400),
    ("GET", "Patient?name:sounds=a", 400),
    ("GET", "Patient?birthdate:exact=2026", 400),
    ("GET", "Patient?_format=xml", 406),
    ("GET", "Patient?_format=ttl", 406),
    ("POST", "$graphql", 404),
    ("PUT", "", 405),
    ("DELETE", "", 405),
    ("POST", "Patient/1", 405),
    ("POST", "_history", 405),
    ("PUT", "Patient/1/_history/1", 405),
    ("DELETE", "Patient/1/_history", 405),
)


async def test_what_is_not_declared_is_refused(city: httpx.AsyncClient) -> None:
    for method, path, status in REFUSED:
        body: Json = {"json": {"resourceType": "Parameters"}} if method in ("POST", "PUT") else {}
        answer = await city.request(method, path, **body)
        assert answer.status_code == status, (method, path, answer.text[:300])
        assert answer.json()["resourceType"] == "OperationOutcome"
    entry = {
        "resource": {"resourceType": "Parameters"},
        "request": {"method": "POST", "url": "Parameters"},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert (await city.post("", json=bundle)).status_code == 404


def test_no_type_takes_a_parameter_or_modifier_that_is_not_declared() -> None:
    every = {code for kind in SERVED for code in known((kind,))}
    modifiers = {one for some in MODIFIERS.values() for one in some} | {"nothing"}
    for kind in sorted(SERVED):
        mine = known((kind,))
        for code in sorted(every - set(mine)):
            with pytest.raises(ParameterUnknown):
                reading.read([kind], [(code, "a")], now=NOW)
        for code, param in mine.items():
            for modifier in modifiers - MODIFIERS[param.type]:
                with pytest.raises(ParameterUnknown):
                    reading.read([kind], [(f"{code}:{modifier}", "a")], now=NOW)
