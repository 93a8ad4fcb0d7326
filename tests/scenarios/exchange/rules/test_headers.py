"""Headers: what clients write is understood, what nobody can mean is refused, nothing breaks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kit.errors import AppError
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
from citycare.scenarios.exchange.rules import headers

NOW = datetime(2026, 11, 29, 8, 15, 30, 123000, tzinfo=UTC)
WORDS = st.text(st.sampled_from('aW/"3*,;=\\ \t0.é<>q'), max_size=60)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('W/"3"', {"3"}),
        ('"3"', {"3"}),
        ("3", {"3"}),
        ("*", {"*"}),
        ('W/"3", W/"17" ,"a.b-c"', {"3", "17", "a.b-c"}),
        ('W/"3",,', {"3"}),
    ],
)
def test_tags(written: str, meant: set[str]) -> None:
    assert headers.conditions({"if-match": written}).if_match == meant
    assert headers.conditions({"if-none-match": written}).if_none_match == meant


@pytest.mark.parametrize(
    "written", ["", " ", ",", 'W/"', 'W/"3', 'w/"3"', '"3 4"', 'W/"3"x', "W/3", "é", "3" * 9_000]
)
def test_tags_that_say_nothing_are_refused(written: str) -> None:
    with pytest.raises(HeaderWrong) as refused:
        headers.conditions({"if-match": written})
    assert refused.value.facts["header"] == "if-match"


def test_too_many_tags_are_refused() -> None:
    with pytest.raises(HeaderWrong):
        headers.conditions({"if-match": ",".join(f'W/"{n}"' for n in range(101))})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("identifier=urn:a|7", "identifier=urn:a|7"),
        ("?identifier=urn:a|7", "identifier=urn:a|7"),
        ("Patient?identifier=urn:a|7", "identifier=urn:a|7"),
        ("identifier=http://a?b|7", "identifier=http://a?b|7"),
    ],
)
def test_criteria_of_a_create(written: str, meant: str) -> None:
    assert headers.conditions({"if-none-exist": written}).if_none_exist == meant


@pytest.mark.parametrize("written", ["", "?", "Patient?", "a=b#c"])
def test_criteria_that_select_nothing_are_refused(written: str) -> None:
    with pytest.raises(HeaderWrong):
        headers.conditions({"if-none-exist": written})


def test_dates_of_both_kinds_are_read_and_others_passed_over() -> None:
    for written in ("Sun, 29 Nov 2026 08:15:30 GMT", "2026-11-29T16:15:30+08:00"):
        read = headers.conditions({"if-modified-since": written}).if_modified_since
        assert read == NOW.replace(microsecond=0)
    for written in ("", "yesterday", "2026-11-29", "2026-11-29T08:15:30", "9" * 200, "٣"):
        assert headers.conditions({"if-modified-since": written}).if_modified_since is None
    assert headers.conditions({}) == Conditions()


@given(WORDS, st.text(max_size=40))
def test_any_text_is_read_or_refused(ascii_text: str, text: str) -> None:
    for value in (ascii_text, text):
        for name in ("if-match", "if-none-match", "if-none-exist", "if-modified-since"):
            _tried(lambda v=value, n=name: headers.conditions({n: v}))
        headers.preference(value)
        _tried(lambda v=value: headers.accepted(v))
        _tried(lambda v=value: headers.accepted("", v))
        _tried(lambda v=value: headers.sent(v, Body.RESOURCE))


@pytest.mark.parametrize("text", [";", ";;", '"', '"\\', ",;", "=;=", ";q=0", '\\"'])
def test_separators_alone_say_nothing(text: str) -> None:
    assert headers.preference(text) == Preference()
    with pytest.raises(FormatNotOffered):
        headers.accepted(text)
    with pytest.raises(MediaTypeUnsupported):
        headers.sent(text, Body.RESOURCE)


def _tried(call: object) -> None:
    assert callable(call)
    try:
        call()
    except AppError:
        return


def test_a_write_is_refused_at_another_version() -> None:
    asked = headers.conditions({"if-match": 'W/"3"'})
    headers.require_version(asked, 3)
    for current in (4, 2, 33, None):
        with pytest.raises(VersionConflict):
            headers.require_version(asked, current)
    with pytest.raises(VersionConflict):
        headers.require_version(headers.conditions({"if-match": "*"}), None)


def test_a_write_that_wants_nothing_to_be_there() -> None:
    asked = headers.conditions({"if-none-match": "*"})
    headers.require_version(asked, None)
    with pytest.raises(VersionConflict):
        headers.require_version(asked, 1)


def test_a_read_of_what_the_client_has() -> None:
    has = headers.conditions({"if-none-match": 'W/"2", W/"3"'})
    assert headers.is_unmodified(has, 3, NOW)
    assert not headers.is_unmodified(has, 4, NOW)
    since = headers.conditions({"if-modified-since": headers.last_modified(NOW)})
    assert headers.is_unmodified(since, 3, NOW)  # by the second
    assert not headers.is_unmodified(since, 3, NOW + timedelta(seconds=1))
    assert not headers.is_unmodified(Conditions(), 3, NOW)


def test_a_tag_decides_before_a_date() -> None:
    both = headers.conditions(
        {"if-none-match": 'W/"2"', "if-modified-since": headers.last_modified(NOW)}
    )
    assert not headers.is_unmodified(both, 3, NOW)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", Preference()),
        ("return=minimal", Preference(Return.MINIMAL)),
        ('return="representation"', Preference(Return.REPRESENTATION)),
        ("return=OperationOutcome; x=1", Preference(Return.OUTCOME)),
        ("handling=lenient, respond-async", Preference(None, Handling.LENIENT, respond_async=True)),
        ("Return = minimal ,HANDLING=strict", Preference(Return.MINIMAL, Handling.STRICT)),
        ("return=minimal, return=representation", Preference(Return.MINIMAL)),
        ("return=everything", Preference()),
        ('foo="a, return=minimal", wait=10', Preference()),
    ],
)
def test_preferences(written: str, meant: Preference) -> None:
    assert headers.preference(written) == meant


@given(st.sampled_from([None, *Return]), st.sampled_from([None, *Handling]), st.booleans())
def test_what_was_applied_reads_back(
    returned: Return | None,
    handling: Handling | None,
    respond_async: bool,  # noqa: FBT001 (hypothesis calls it)
) -> None:
    wish = Preference(returned, handling, respond_async)
    assert headers.preference(headers.applied(wish)) == wish


@pytest.mark.parametrize(
    ("accept", "asked", "meant"),
    [
        ("", None, Format.FHIR_JSON),
        ("*/*", None, Format.FHIR_JSON),
        ("application/json", None, Format.JSON),
        ("application/fhir+xml;q=0.9, application/json;q=0.1", None, Format.JSON),
        ("application/json;q=0.5, application/fhir+json", None, Format.FHIR_JSON),
        ("application/fhir+json; fhirVersion=4.0", None, Format.FHIR_JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", None, Format.FHIR_JSON),
        ("application/json, */*", None, Format.JSON),
        ("application/fhir+xml", "json", Format.FHIR_JSON),
        ("", "application/fhir json", Format.FHIR_JSON),
        ("", "application/json", Format.JSON),
        ("Application/FHIR+JSON;charset=utf-8", None, Format.FHIR_JSON),
    ],
)
def test_what_is_offered_is_chosen(accept: str, asked: str | None, meant: Format) -> None:
    assert headers.accepted(accept, asked) is meant


@pytest.mark.parametrize(
    ("accept", "asked"),
    [
        ("application/fhir+xml", None),
        ("application/fhir+json;q=0", None),
        ("application/fhir+json; fhirVersion=3.0", None),
        ("*/*", "xml"),
        ("application/json", "ttl"),
        ("text/turtle, text/html", None),
    ],
)
def test_what_is_not_offered_is_refused(accept: str, asked: str | None) -> None:
    with pytest.raises(FormatNotOffered):
        headers.accepted(accept, asked)


@pytest.mark.parametrize(
    ("written", "taken", "meant"),
    [
        ("application/fhir+json", (Body.RESOURCE,), Body.RESOURCE),
        ("application/json; charset=UTF-8", (Body.RESOURCE,), Body.RESOURCE),
        ('application/fhir+json;fhirVersion="4.0"', (Body.RESOURCE,), Body.RESOURCE),
        ("application/json-patch+json", (Body.PATCH,), Body.PATCH),
        ("application/x-www-form-urlencoded", (Body.FORM, Body.RESOURCE), Body.FORM),
    ],
)
def test_bodies_that_are_taken(written: str, taken: tuple[Body, ...], meant: Body) -> None:
    assert headers.sent(written, *taken) is meant


@pytest.mark.parametrize(
    "written",
    [
        "", "application/fhir+xml", "text/plain", "application/json-patch+json",
        "application/json; charset=gbk", "application/fhir+json; fhirVersion=5.0", "json",
    ],
)  # fmt: skip
def test_other_bodies_are_refused(written: str) -> None:
    with pytest.raises(MediaTypeUnsupported) as refused:
        headers.sent(written, Body.RESOURCE)
    assert "application/fhir+json" in str(refused.value.facts["takes"])


def test_what_is_written() -> None:
    assert headers.etag(7) == 'W/"7"'
    assert headers.last_modified(NOW) == "Sun, 29 Nov 2026 08:15:30 GMT"
    assert headers.location("http://a/R4", "Patient", "p.1", 7) == (
        "http://a/R4/Patient/p.1/_history/7"
    )


def test_long_headers_are_not_looked_at() -> None:
    for call in (
        lambda: headers.preference('"' * 9_000),
        lambda: headers.accepted("a," * 9_000),
        lambda: headers.conditions({"if-none-exist": "a" * 9_000}),
    ):
        with pytest.raises(HeaderWrong):
            call()
