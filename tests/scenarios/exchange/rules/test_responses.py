"""Bundles as text are Bundles, with the stored text in them to the letter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel import fhir
from citycare.scenarios.exchange.model.values import Past, Spliced
from citycare.scenarios.exchange.rules import responses
from citycare.scenarios.exchange.rules.routing import pairs

NOW = datetime(2026, 11, 29, 8, 15, 30, 123456, tzinfo=UTC)
BASE = "http://127.0.0.1:8000/fhir/R4"
BODY = '{"resourceType":"Patient","id":"p","extension":[{"url":"urn:x","valueDecimal":72.50}]}'
OUTCOME = (
    '{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"not-supported"}]}'
)


def read(text: str) -> dict[str, Any]:
    """Read a Bundle, with an id, which what is stored must have."""
    return {**fhir.loads(text), "id": "b"}


def test_a_page_of_a_search() -> None:
    text = responses.searchset(
        [
            Spliced(f"{BASE}/Patient/p", BODY),
            Spliced(f'{BASE}/Patient/"q', BODY.replace('"p"', '"q"'), "include"),
            Spliced("", OUTCOME, "outcome"),
        ],
        links={"self": f"{BASE}/Patient?name=示", "next": f"{BASE}/Patient?_page=x"},
        total=17,
        updated_at=NOW,
    )
    assert BODY in text
    made = json.loads(text)
    assert [one["search"]["mode"] for one in made["entry"]] == ["match", "include", "outcome"]
    assert made["entry"][1]["fullUrl"] == f'{BASE}/Patient/"q'
    assert "fullUrl" not in made["entry"][2]
    assert made["total"] == 17
    assert made["link"][1] == {"relation": "next", "url": f"{BASE}/Patient?_page=x"}
    assert made["meta"] == {"lastUpdated": "2026-11-29T08:15:30.123Z"}


@pytest.mark.parametrize("total", [0, None])
def test_a_search_that_finds_nothing(total: int | None) -> None:
    text = responses.searchset([], links={"self": BASE}, total=total)
    made = read(text)
    assert fhir.violations(made) == []
    assert "entry" not in made
    assert made.get("total") == total


def test_an_empty_bundle_is_json() -> None:
    assert json.loads(responses.searchset([], links={})) == {
        "resourceType": "Bundle", "type": "searchset"
    }  # fmt: skip


def test_a_page_of_a_history() -> None:
    text = responses.history(
        [
            Past("Patient", "p", 3, NOW, ""),
            Past("Patient", "p", 2, NOW, BODY),
            Past("Patient", "q", 1, NOW, BODY.replace('"p"', '"q"')),
        ],
        base=BASE,
        links={"self": f"{BASE}/Patient/_history"},
        until=NOW,
    )
    made = read(text)
    assert fhir.violations(made) == []
    assert made["timestamp"] == made["meta"]["lastUpdated"] == "2026-11-29T08:15:30.123Z"
    gone, changed, first = made["entry"]
    assert gone["request"] == {"method": "DELETE", "url": "Patient/p"}
    assert "resource" not in gone
    assert gone["response"]["etag"] == 'W/"3"'
    assert changed["response"]["status"] == "200 OK"
    assert first["response"]["status"] == "201 Created"
    assert BODY in text


def test_a_search_is_a_right_bundle() -> None:
    text = responses.searchset(
        [Spliced(f"{BASE}/Patient/p", BODY), Spliced("", OUTCOME, "outcome")],
        links=responses.links(BASE, "Patient", [("name", "a b")], following="t"),
        total=1,
        updated_at=NOW,
    )
    assert fhir.violations(read(text)) == []


def test_links_of_pages() -> None:
    asked = [("code", "http://loinc.org|85354-9"), ("_sort", "-date")]
    own = f"{BASE}/Observation?code=http://loinc.org|85354-9&_sort=-date"
    assert responses.links(BASE, "Observation", asked) == {"self": own}
    assert responses.links(BASE, "Observation", asked, token="a=", following="b") == {
        "self": f"{own}&_page=a%3D",
        "first": own,
        "next": f"{own}&_page=b",
    }
    assert responses.links(BASE, "", []) == {"self": BASE}


def test_a_query_that_can_be_an_address_is_told_as_it_was_sent() -> None:
    asked = [("name", "王芳"), ("_count", "2")]
    sent = "name=%E7%8E%8B%E8%8A%B3&_count=2"
    told = {"self": f"{BASE}/Patient?{sent}", "next": f"{BASE}/Patient?{sent}&_page=b"}
    for written in (sent, "name=王芳&_count=2", 'name="&_count=2'):
        links = responses.links(BASE, "Patient", asked, following="b", sent=written)
        assert links == told
    other = "_count=2&name=%e7%8e%8b%e8%8a%b3"
    assert responses.links(BASE, "", asked, sent=other) == {"self": f"{BASE}?{other}"}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
def test_an_address_reads_back(asked: list[tuple[str, str]]) -> None:
    url = responses.address(BASE, "Patient", asked)
    assert list(pairs(urlsplit(url).query)) == asked
    assert url.isascii()


@given(TEXTS)
def test_any_text_stays_text(url: str) -> None:
    text = responses.searchset([Spliced(url, BODY)], links={url: url})
    made = json.loads(text)
    assert made["link"] == [{"relation": url, "url": url}]
    assert made["entry"][0].get("fullUrl", "") == url
