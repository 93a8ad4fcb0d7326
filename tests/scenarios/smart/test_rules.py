"""Addresses, requests and assertions: each trick of a hostile app is one line here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.scenarios.smart.model import Refused
from citycare.scenarios.smart.rules import addresses, assertions, requests

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
GOOD = "https://app.example.test/back?a=1"
LOCAL = "http://127.0.0.1/cb"
OURS = "https://city.test/oauth/token"
CLAIMS = {"iss": "c1", "sub": "c1", "aud": OURS, "exp": AT + 240, "jti": "j"}
FHIR = "https://city.test/fhir/R4"
REQUEST = {
    "response_type": "code",
    "state": "s",
    "code_challenge": "a" * 43,
    "code_challenge_method": "S256",
    "aud": FHIR,
}


@pytest.mark.parametrize(
    "given_",
    [
        "https://app.example.test/back",  # without the query
        "https://app.example.test/back?a=1&b=2",
        "https://app.example.test/back/?a=1",
        "https://app.example.test:443/back?a=1",
        "https://APP.example.test/back?a=1",
        "https://app.example.test/back?a=1#x",
        "https://app.example.test@evil.test/back?a=1",
        "https://evil.test\\@app.example.test/back?a=1",
        "https://app.example.test.evil.test/back?a=1",
        "https://app.example.test/%62ack?a=1",
        "https://app.example.test/x/../back?a=1",
        "http://app.example.test/back?a=1",
        "//app.example.test/back?a=1",
        "https://app.example.test/back?a=1\r\nx: y",
        "https://аpp.example.test/back?a=1",  # the first letter is Cyrillic
        " https://app.example.test/back?a=1",
        "javascript:alert(1)",
        "",
        "http://127.0.0.1.evil.test/cb",
        "http://127.0.0.1:5000/cb/..",
        "http://127.0.0.1:5000/cb?x",
        "http://localhost:5000/cb",
        "http://[::1]:5000/cb",
        "http://127.0.0.1:x/cb",
        "https://127.0.0.1/cb",
    ],
)
def test_no_other_address_will_do(given_: str) -> None:
    assert not addresses.fits([GOOD, LOCAL], given_)


def test_the_registered_one_and_any_port_of_the_loopback() -> None:
    assert addresses.fits([GOOD], GOOD)
    assert addresses.fits([LOCAL], "http://127.0.0.1:51004/cb")
    assert addresses.fits(["cn.example.app:/back"], "cn.example.app:/back")
    assert not addresses.fits(["http://localhost/cb"], "http://localhost:1/cb")


@pytest.mark.parametrize(
    ("address", "is_good"),
    [
        ("cn.example.app:/back", True),
        ("http://localhost:3000/cb", True),
        ("myapp:/back", False),  # no domain in reverse
        ("cn.example.app://host/back", False),
        ("data:text/html,x", False),
        ("file.x:", False),
        ("https:///back", False),
    ],
)
def test_what_may_be_registered(address: str, *, is_good: bool) -> None:
    assert addresses.is_redirect(address) is is_good


@given(st.text(max_size=80))
def test_no_text_breaks_the_reading(text: str) -> None:
    assert addresses.fits([GOOD], text) is (text == GOOD)
    assert not addresses.is_public(text) or "." in text or ":" in text


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1",
        "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:0:0:1::",
        "fe80::1%eth0", "ff02::1", "localhost", "",
    ],
)  # fmt: skip
def test_no_disguise_of_a_private_address_is_public(address: str) -> None:
    assert not addresses.is_public(address)


def test_public_addresses_are() -> None:
    assert addresses.is_public("1.1.1.1")
    assert addresses.is_public("2606:4700:4700::1111")
    assert addresses.is_public("::ffff:1.1.1.1")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "c2"}, "assertion_issuer"),
        ({"sub": "c2"}, "assertion_issuer"),
        ({"aud": "https://other.test/token"}, "assertion_audience"),
        ({"aud": []}, "assertion_audience"),
        ({"aud": {"x": OURS}}, "assertion_audience"),
        ({"aud": OURS + "/"}, "assertion_audience"),
        ({"exp": AT - 61}, "assertion_expired"),
        ({"exp": None}, "assertion_expired"),
        ({"exp": str(AT + 60)}, "assertion_expired"),
        ({"exp": True}, "assertion_expired"),
        ({"exp": float("nan")}, "assertion_expired"),
        ({"exp": 1e300}, "assertion_expired"),
        ({"exp": AT + 3600}, "assertion_too_long"),
        ({"nbf": AT + 3600}, "assertion_from_the_future"),
        ({"iat": AT + 3600}, "assertion_from_the_future"),
        ({"iat": "soon"}, "assertion_from_the_future"),
        ({"jti": ""}, "assertion_without_jti"),
        ({"jti": 7}, "assertion_without_jti"),
        ({"jti": "x" * 257}, "assertion_without_jti"),
    ],
)
def test_each_claim_is_held_to(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused) as caught:
        assertions.check_claims({**CLAIMS, **changes}, "c1", [OURS], NOW)
    assert caught.value.why == why


def test_a_good_assertion_is_kept_until_it_could_serve_no_longer() -> None:
    kept = assertions.check_claims({**CLAIMS, "aud": ["x", OURS]}, "c1", [OURS], NOW)
    assert kept.jti == "j"
    assert int(kept.expires_at.timestamp()) == AT + 300


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"alg": "none", "kid": "k"}, "assertion_algorithm"),
        ({"alg": "HS384", "kid": "k"}, "assertion_algorithm"),
        ({"alg": "RS256", "kid": "k"}, "assertion_algorithm"),
        ({"alg": "ES384"}, "assertion_without_kid"),
        ({"alg": "ES384", "kid": 1}, "assertion_without_kid"),
        ({"alg": "ES384", "kid": "k", "typ": "at+jwt"}, "assertion_header"),
        ({"alg": "ES384", "kid": "k", "crit": ["exp"]}, "assertion_header"),
        ({"alg": "ES384", "kid": "k", "jku": "https://evil.test/k"}, "assertion_jku"),
    ],
)
def test_each_header_is_held_to(header: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused) as caught:
        assertions.check_header(header, "https://app.test/keys")
    assert caught.value.why == why


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([("state", "t")], "parameter_unclear"),
        ([("unknown", "1"), ("unknown", "2")], "parameter_unclear"),
        ([("scope", "patient/*.rs " * 400)], "parameter_unclear"),
        ([("request_uri", "https://evil.test")], "request_object"),
        ([("request", "eyJ")], "request_object"),
    ],
)
def test_what_comes_beside_is_refused(pairs: list[tuple[str, str]], why: str) -> None:
    with pytest.raises(Refused) as caught:
        requests.check(requests.read([*REQUEST.items(), *pairs]), FHIR)
    assert caught.value.why == why


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("response_type", "token", "response_type"),
        ("response_type", "code id_token", "response_type"),
        ("state", "", "state"),
        ("code_challenge", "", "pkce"),
        ("code_challenge", "a" * 42, "pkce"),
        ("code_challenge", "a" * 42 + "=", "pkce"),
        ("code_challenge_method", "plain", "pkce"),
        ("code_challenge_method", "", "pkce"),
        ("aud", "https://evil.test/fhir/R4", "aud"),
        ("aud", "", "aud"),
    ],
)
def test_each_parameter_is_held_to(name: str, value: str, why: str) -> None:
    with pytest.raises(Refused) as caught:
        requests.check(requests.read([*{**REQUEST, name: value}.items()]), FHIR)
    assert caught.value.why == why


def test_a_good_request_and_its_answer() -> None:
    requests.check(requests.read([*REQUEST.items(), ("extra", "1")]), FHIR)
    assert requests.with_query("https://a.test/b?x=1", {"code": "c d"}) == (
        "https://a.test/b?x=1&code=c+d"
    )
    doubled = requests.read([("client_id", "a"), ("client_id", "b"), ("redirect_uri", GOOD)] * 2)
    assert doubled.client_id is None
    assert doubled.redirect_uri == ""
