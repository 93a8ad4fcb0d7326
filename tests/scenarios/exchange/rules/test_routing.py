"""Each address of R4 leads to its interaction; all others are refused, and say why."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.fhir import bundles
from citycare.kernel.fhir.bundles import Step
from citycare.kit.errors import AppError
from citycare.scenarios.exchange.model.errors import (
    ConditionMissing,
    IdBroken,
    InteractionUnknown,
    MethodUnfit,
    QueryBroken,
    TypeUnknown,
)
from citycare.scenarios.exchange.model.values import Interaction, Kind
from citycare.scenarios.exchange.rules.routing import interaction, pairs

TYPES = frozenset(("Patient", "Observation", "Bundle"))
LONGEST = "a-b.C" + "9" * 59


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("GET /Patient/p.1", Interaction(Kind.READ, "Patient", "p.1")),
        ("HEAD /Patient/p.1", Interaction(Kind.READ, "Patient", "p.1")),
        (f"GET Patient/{LONGEST}", Interaction(Kind.READ, "Patient", LONGEST)),
        ("GET /Patient/p/_history/7", Interaction(Kind.VREAD, "Patient", "p", "7")),
        ("PUT /Patient/p", Interaction(Kind.UPDATE, "Patient", "p")),
        ("PUT /Patient?a=b", Interaction(Kind.CONDITIONAL_UPDATE, "Patient", query="a=b")),
        ("PATCH /Patient/p", Interaction(Kind.PATCH, "Patient", "p")),
        ("PATCH /Patient?a=b", Interaction(Kind.CONDITIONAL_PATCH, "Patient", query="a=b")),
        ("DELETE /Patient/p", Interaction(Kind.DELETE, "Patient", "p")),
        ("DELETE /Patient/?a=b", Interaction(Kind.CONDITIONAL_DELETE, "Patient", query="a=b")),
        ("POST /Patient", Interaction(Kind.CREATE, "Patient")),
        ("GET /Patient", Interaction(Kind.SEARCH_TYPE, "Patient")),
        ("GET /Patient?a=b&c", Interaction(Kind.SEARCH_TYPE, "Patient", query="a=b&c")),
        ("POST /Patient/_search", Interaction(Kind.SEARCH_TYPE, "Patient", posted=True)),
        ("GET ?_type=A", Interaction(Kind.SEARCH_SYSTEM, query="_type=A")),
        ("GET /?_type=A", Interaction(Kind.SEARCH_SYSTEM, query="_type=A")),
        ("POST /_search?a=b", Interaction(Kind.SEARCH_SYSTEM, query="a=b", posted=True)),
        (
            "GET /Patient/p/Observation?a=b",
            Interaction(
                Kind.SEARCH_COMPARTMENT, "Observation", "p", compartment="Patient", query="a=b"
            ),
        ),
        ("GET /Patient/p/*", Interaction(Kind.SEARCH_COMPARTMENT, "", "p", compartment="Patient")),
        (
            "POST /Patient/p/Observation/_search",
            Interaction(
                Kind.SEARCH_COMPARTMENT, "Observation", "p", compartment="Patient", posted=True
            ),
        ),
        ("GET /Patient/p/_history", Interaction(Kind.HISTORY_INSTANCE, "Patient", "p")),
        ("GET /Patient/_history", Interaction(Kind.HISTORY_TYPE, "Patient")),
        ("GET /_history?_count=5", Interaction(Kind.HISTORY_SYSTEM, query="_count=5")),
        ("POST", Interaction(Kind.BATCH)),
        ("POST /", Interaction(Kind.BATCH)),
        ("GET /metadata", Interaction(Kind.CAPABILITIES)),
        ("GET /$export", Interaction(Kind.OPERATION, operation="export")),
        ("POST /Patient/$match", Interaction(Kind.OPERATION, "Patient", operation="match")),
        (
            "GET /Patient/p/$everything?_since=2026",
            Interaction(
                Kind.OPERATION, "Patient", "p", operation="everything", query="_since=2026"
            ),
        ),
        ("GET /Patient/p/%24everything", Interaction(
            Kind.OPERATION, "Patient", "p", operation="everything")),
    ],
)  # fmt: skip
def test_addresses(asked: str, meant: Interaction) -> None:
    method, _, url = asked.partition(" ")
    path, _, query = url.partition("?")
    assert interaction(method, path, query, types=TYPES) == meant


def test_a_create_may_have_a_condition() -> None:
    made = interaction("POST", "Patient", types=TYPES, if_none_exist=True)
    assert made == Interaction(Kind.CONDITIONAL_CREATE, "Patient")


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("GET /patient", InteractionUnknown),
        ("GET /Patients", TypeUnknown),
        ("GET /Patients/1", TypeUnknown),
        ("GET /Patient/1/Observations", TypeUnknown),
        ("GET /Parameters", TypeUnknown),
        ("GET /Patient//1", InteractionUnknown),
        ("GET //Patient", InteractionUnknown),
        ("GET /Patient/1/2", InteractionUnknown),
        ("GET /Patient/1/_history/1/2", InteractionUnknown),
        ("GET /Patient/1/_search", InteractionUnknown),
        ("GET /Patient/_historical", InteractionUnknown),
        ("GET /Patient/metadata/metadata", InteractionUnknown),
        ("GET /_metadata", InteractionUnknown),
        ("GET /$", InteractionUnknown),
        ("GET /$a$b", InteractionUnknown),
        ("GET /Patient/a_b", IdBroken),
        ("GET /Patient/" + "a" * 65, IdBroken),
        ("GET /Patient/..%00", IdBroken),
        ("GET /Patient/é", IdBroken),
        ("GET /Patient/1/_history/a b", IdBroken),
        ("GET /Patient/%ff", InteractionUnknown),
        ("GET /" + "Patient/" * 500, InteractionUnknown),
        ("GET /", MethodUnfit),
        ("PUT /", MethodUnfit),
        ("DELETE /metadata", MethodUnfit),
        ("PUT /Patient/1/_history/1", MethodUnfit),
        ("GET /_search", MethodUnfit),
        ("POST /Patient/1", MethodUnfit),
        ("TRACE /Patient/1", MethodUnfit),
        ("PUT /Patient", ConditionMissing),
        ("PATCH /Patient", ConditionMissing),
        ("DELETE /Patient", ConditionMissing),
    ],
)
def test_other_addresses_are_refused(asked: str, error: type[AppError]) -> None:
    method, _, url = asked.partition(" ")
    with pytest.raises(error):
        interaction(method, *url.split("?"), types=TYPES)


def test_an_unfit_method_is_told_what_would_fit() -> None:
    with pytest.raises(MethodUnfit) as refused:
        interaction("POST", "Patient/1", types=TYPES)
    assert refused.value.facts["allowed"] == "GET, PUT, PATCH, DELETE"


SEGMENTS = st.sampled_from(
    ["Patient", "Observation", "Foo", "1", "_history", "_search", "$op", "*", "metadata", "", "%2F"]
)


@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "x"]),
    st.one_of(st.lists(SEGMENTS, max_size=6).map("/".join), st.text(max_size=30)),
    st.sampled_from(["", "a=b"]),
)
def test_any_address_means_something_or_is_refused(method: str, path: str, query: str) -> None:
    try:
        made = interaction(method, path, query, types=TYPES)
    except AppError:
        return
    assert made.type in TYPES | {""}
    for one in (made.id, made.version):
        assert one == "" or re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", one, re.ASCII)
    assert made.query in (query, "")


METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])


def step(method: str, url: str) -> Step | None:
    """Return what a batch makes of an entry; None where it refuses it."""
    patient = {"resourceType": "Patient"}
    patch = {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": "W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2EifV0=",
    }
    entry: dict[str, object] = {"request": {"method": method, "url": url}}
    if method == "PATCH":
        entry["resource"] = patch
    elif method in ("POST", "PUT") and "$" not in url and "_search" not in url:
        entry["resource"] = patient
    made = bundles.plan({"resourceType": "Bundle", "type": "batch", "entry": [entry]}, base="")
    return made.steps[0] if made.steps else None


@given(METHODS, st.lists(SEGMENTS, min_size=1, max_size=5).map("/".join), st.booleans())
def test_what_an_entry_of_a_bundle_may_ask_is_an_interaction(
    method: str,
    path: str,
    asking: bool,  # noqa: FBT001 (hypothesis calls it)
) -> None:
    made = step(method, f"{path}?a=b" if asking else path)
    if made is None:
        return
    again = "/".join(one for one in (made.type, made.id, made.rest) if one)
    found = interaction(made.method, again, made.query, types=TYPES)
    assert found.kind is not Kind.BATCH
    assert found.query == made.query
    assert (found.compartment or found.type, found.id) == (made.type, made.id)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8))
def test_pairs_read_back(given_pairs: list[tuple[str, str]]) -> None:
    assert list(pairs(urlencode(given_pairs))) == given_pairs


@pytest.mark.parametrize("query", ["a=%zz", "a=%", "a=%ff", "a&" * 1_001])
def test_queries_that_cannot_be_read_are_refused(query: str) -> None:
    with pytest.raises(QueryBroken):
        pairs(query)


@given(st.text(max_size=50))
def test_any_query_is_read_or_refused(query: str) -> None:
    try:
        pairs(query)
    except QueryBroken:
        return


@given(st.lists(st.sampled_from(["a", "王", "=", "&", "+", "%41", "%E7%8E%8B", ";", "%3D"])))
def test_a_query_is_read_as_the_library_reads_it(pieces: list[str]) -> None:
    query = "".join(pieces)
    assert list(pairs(query)) == parse_qsl(query, keep_blank_values=True, errors="strict")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_criteria_where_nothing_is_selected_are_refused(method: str) -> None:
    path = "Patient" if method == "POST" else "Patient/1"
    assert interaction(method, path, "_format=json", types=TYPES).type == "Patient"
    with pytest.raises(QueryBroken):
        interaction(method, path, "identifier=7", types=TYPES)
