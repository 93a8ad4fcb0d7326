"""The model of search against R4's own examples: strings, tokens, addresses."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel.fhir.model import ValueBroken
from citycare.kernel.fhir.searching.model import (
    Criterion,
    ParamType,
    Parts,
    Query,
    Text,
    Token,
    Uri,
    Value,
)
from tests.kernel.fhir.searching.oracle import Oracle
from tests.kernel.fhir.searching.trying import met, one

Json = dict[str, Any]

LOINC = "http://loinc.org"
STRING, TOKEN, URI = ParamType.STRING, ParamType.TOKEN, ParamType.URI

# §3.1.1.4.8 strings


@pytest.mark.parametrize(
    ("name", "code", "asked", "modifier", "expected"),
    [
        ({"given": ["Eve"]}, "given", "eve", "", True),
        ({"given": ["Evelyn"]}, "given", "eve", "", True),
        ({"given": ["Steve"]}, "given", "eve", "", False),
        ({"given": ["Severine"]}, "given", "eve", "contains", True),
        ({"given": ["Eve"]}, "given", "Eve", "exact", True),
        ({"given": ["eve"]}, "given", "Eve", "exact", False),
        ({"given": ["Evelyn"]}, "given", "Eve", "exact", False),
        ({"family": "Carreño Quiñones"}, "family", "Carreno", "", True),
        ({"family": "Carreño Quiñones"}, "family", "quiñones", "", True),
        ({"family": "Carreño Quiñones"}, "family", "Carreno Quinones", "", True),
        ({"family": "Carreño Quiñones"}, "family", "Carreno", "exact", False),
        ({"family": "O'Brien"}, "family", "obrien", "", True),
        ({"family": "Straße"}, "family", "strasse", "", True),
        ({"prefix": ["Dr."]}, "name", "dr", "", True),
        ({"suffix": ["PhD"]}, "name", "phd", "", True),
        ({"text": "Ms. Li"}, "name", "li", "", True),
        ({"family": "Li"}, "given", "li", "", False),
        ({"use": "official", "text": "x"}, "name", "official", "", False),
        ({"family": "张", "given": ["伟"]}, "name", "张伟", "", True),
        ({"family": "张", "given": ["伟"]}, "name", "伟", "", True),
        ({"family": "张", "given": ["伟"]}, "name", "zhangwei", "", True),
        ({"family": "张", "given": ["伟"]}, "name", "Zhang Wei", "", True),
        ({"family": "张", "given": ["伟"]}, "name", "zw", "", True),
        ({"family": "张", "given": ["伟"]}, "name", "zhangsan", "", False),
        ({"family": "张", "given": ["伟"]}, "name", "张伟", "exact", False),
        ({"text": "曾小红"}, "name", "zengxiaohong", "", True),
        ({"family": "曾", "given": ["小", "红"]}, "name", "曾小红", "", True),
        ({"text": "ＬＩ"}, "name", "li", "", True),
    ],
)
def test_names(name: Json, code: str, asked: str, modifier: str, *, expected: bool) -> None:
    patient = one("Patient", name=[name])
    assert met(patient, code, STRING, Text(asked), modifier=modifier) == expected


def test_parts_of_an_address() -> None:
    address = {"use": "home", "line": ["世纪大道 100 号"], "city": "Málaga", "postalCode": "29001"}
    patient = one("Patient", address=[address])
    for asked in ("世纪", "100", "malaga", "29001"):
        assert met(patient, "address", STRING, Text(asked))
    assert not met(patient, "address", STRING, Text("home"))
    assert met(patient, "address-city", STRING, Text("mal"))
    assert not met(patient, "address-city", STRING, Text("29001"))
    assert met(patient, "address-use", TOKEN, Token(None, "home"))


# §3.1.1.4.10 tokens

CONCEPT = {
    "coding": [
        {"system": "urn:a", "code": "X", "display": "Headache"},
        {"code": "Y"},
    ],
    "text": "Café au lait spots",
}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Token(None, "X"), True),
        (Token("urn:a", "X"), True),
        (Token("urn:b", "X"), False),
        (Token("", "X"), False),
        (Token("", "Y"), True),
        (Token("urn:a", "Y"), False),
        (Token("urn:a", None), True),
        (Token("urn:b", None), False),
        (Token(None, "x"), False),
    ],
)
def test_codes_and_their_systems(asked: Token, *, expected: bool) -> None:
    resource = one("Observation", code=CONCEPT)
    assert met(resource, "code", TOKEN, asked) == expected
    assert met(resource, "code", TOKEN, asked, modifier="not") != expected


def test_not_counts_for_the_resource_and_where_there_is_nothing() -> None:
    asked = (Token(None, "male"), Token(None, "female"))
    for gender, expected in (("male", False), ("other", True)):
        patient = one("Patient", gender=gender)
        assert met(patient, "gender", TOKEN, *asked, modifier="not") == expected
    assert met(one("Patient"), "gender", TOKEN, *asked, modifier="not")


def test_a_code_has_the_system_of_its_required_binding() -> None:
    patient = one("Patient", gender="male")
    system = "http://hl7.org/fhir/administrative-gender"
    assert met(patient, "gender", TOKEN, Token(system, "male"))
    assert met(patient, "gender", TOKEN, Token(system, None))
    assert met(patient, "gender", TOKEN, Token(None, "male"))
    assert not met(patient, "gender", TOKEN, Token("", "male"))
    assert not met(patient, "gender", TOKEN, Token("urn:x", "male"))


def test_tokens_of_other_types() -> None:
    telecom = [{"system": "phone", "value": "(021) 6407-1234"}, {"system": "email", "value": "A@b"}]
    identifier = {
        "system": "urn:mrn",
        "value": "446053",
        "type": {"coding": [{"system": "urn:t", "code": "MR"}], "text": "Medical record number"},
    }
    patient = one("Patient", active=True, telecom=telecom, identifier=[identifier])
    assert met(patient, "active", TOKEN, Token(None, "true"))
    assert met(patient, "phone", TOKEN, Token(None, "02164071234"))
    assert not met(patient, "email", TOKEN, Token(None, "02164071234"))
    assert met(patient, "telecom", TOKEN, Token(None, "A@b"))
    assert met(patient, "identifier", TOKEN, Token("urn:mrn", "446053"))
    of_type = Parts((Token("urn:t", "MR"), Token(None, "446053")))
    assert met(patient, "identifier", TOKEN, of_type, modifier="of-type")
    other = Parts((Token("urn:t", "DL"), Token(None, "446053")))
    assert not met(patient, "identifier", TOKEN, other, modifier="of-type")
    assert met(patient, "identifier", TOKEN, Text("medical"), modifier="text")
    assert met(patient, "_id", TOKEN, Token(None, "1"))
    assert met(patient, "deceased", TOKEN, Token(None, "false"))
    dead = one("Patient", deceasedDateTime="2026")
    assert met(dead, "deceased", TOKEN, Token(None, "true"))


@pytest.mark.parametrize(
    ("asked", "modifier", "expected"),
    [
        (Text("head"), "text", True),
        (Text("cafe au"), "text", True),
        (Text("ache"), "text", False),
        (Token("urn:a", "X1"), "above", True),
        (Token("urn:a", "X"), "below", True),
        (Token("urn:b", "X"), "below", False),
        (Token(None, "X"), "below", True),
        (Uri("urn:x:set:lab"), "in", False),
        (Uri("urn:x:set:lab"), "not-in", True),
    ],
)
def test_modifiers_of_tokens(asked: Value, modifier: str, *, expected: bool) -> None:
    resource = one("Observation", code=CONCEPT)
    assert met(resource, "code", TOKEN, asked, modifier=modifier) == expected


def test_value_sets_are_asked_of_the_hook() -> None:
    resource = one("Observation", code={"coding": [{"system": LOINC, "code": "1"}]})
    assert met(resource, "code", TOKEN, Uri("urn:x:set:lab"), modifier="in")
    criterion = Criterion("code", TOKEN, "in", (Uri("urn:x:set:lab"),))
    with pytest.raises(ValueBroken):
        Oracle([resource]).matches(Query(("Observation",), (criterion,)))


# §3.1.1.4.9 addresses


@pytest.mark.parametrize(
    ("url", "asked", "modifier", "expected"),
    [
        ("http://acme.org/fhir/ValueSet/123", "http://acme.org/fhir/ValueSet/123", "", True),
        ("http://acme.org/fhir/ValueSet/123", "http://acme.org/fhir/valueset/123", "", False),
        ("http://acme.org/fhir/ValueSet/123", "http://acme.org/fhir", "", False),
        ("http://acme.org/fhir/ValueSet/123", "http://acme.org/fhir/", "below", True),
        ("http://acme.org/fhir/ValueSet/123", "http://acme.org/fhir", "below", True),
        ("http://acme.org/fhirx", "http://acme.org/fhir", "below", True),
        ("http://acme.org/fhir/", "http://acme.org/fhir/ValueSet/123/_history/5", "above", True),
        ("http://acme.org/fhir/ValueSet/123", "http://acme.org/fhir", "above", False),
        ("urn:oid:1.2.3.4.5", "urn:oid:1.2.3.4.5", "", True),
        ("urn:oid:1.2.3.4.5", "urn:oid:1.2.3", "below", False),
    ],
)
def test_addresses(url: str, asked: str, modifier: str, *, expected: bool) -> None:
    assert met(one("ValueSet", url=url), "url", URI, Uri(asked), modifier=modifier) == expected


def test_a_canonical_is_met_with_and_without_its_version() -> None:
    resource = one("Patient", meta={"profile": ["http://a.org/p|2.0"]})
    for asked, expected in (("http://a.org/p", True), ("http://a.org/p|2.0", True)):
        assert met(resource, "_profile", URI, Uri(asked)) == expected
    assert not met(resource, "_profile", URI, Uri("http://a.org/p|1.0"))
