"""Addresses that others give us: where codes go, where apps open, where keys lie."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

PLAIN = re.compile(r"[\x21-\x7e]+")
PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+")
LOOPBACK = ("127.0.0.1", "::1")
CHARS_MAX = 500
REDIRECTS_MAX = 20
NAT64 = IPv6Network("64:ff9b::/32")


def _parts(address: str) -> SplitResult | None:
    """Take an address apart; None for what two readers could understand differently."""
    if not PLAIN.fullmatch(address) or "\\" in address or len(address) > CHARS_MAX:
        return None
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    return None if "@" in parts.netloc or "#" in address or parts.netloc.endswith(":") else parts


def is_redirect(address: str) -> bool:
    """Tell whether codes may be sent to this address at all.

    HTTPS; plain HTTP to the loopback address alone (a program on the user's machine); or a
    private scheme in reversed-domain form (an app on the user's phone).

    Source: RFC 6749 §3.1.2 (absolute, no fragment); RFC 8252 §7.1, §7.3; RFC 9700 §4.1.
    """
    parts = _parts(address)
    if parts is None:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme == "http":
        return parts.hostname in (*LOOPBACK, "localhost")
    return bool(PRIVATE_SCHEME.fullmatch(parts.scheme)) and not parts.netloc and bool(parts.path)


def fits(registered: Sequence[str], given: str) -> bool:
    """Tell whether an address is one of those registered: sign by sign.

    The one freedom: on the loopback address a program may listen at any port.

    Source: RFC 9700 §2.1 (exact string matching); RFC 8252 §7.3, §8.3 (loopback, not localhost).
    """
    if not is_redirect(given):
        return False
    return given in registered or any(_same_but_port(one, given) for one in registered)


def _same_but_port(registered: str, given: str) -> bool:
    ours, theirs = _parts(registered), _parts(given)
    if ours is None or theirs is None or ours.scheme != "http" or ours.hostname not in LOOPBACK:
        return False
    return (ours.scheme, ours.hostname, ours.path, ours.query) == (
        theirs.scheme, theirs.hostname, theirs.path, theirs.query,
    )  # fmt: skip


def form_target(address: str) -> str:
    """Return what a content policy must name so that a form may end at this address.

    Source: W3C Content Security Policy Level 3, `form-action`, host-source and scheme-source.
    """
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def is_https(address: str) -> bool:
    """Tell whether an address is a whole one over TLS, as for keys and for opening an app.

    Source: HL7 SMART App Launch 2.2.0, "Registering a client (communicating public keys)": the
    JWKS URL is TLS-protected.
    """
    parts = _parts(address)
    return parts is not None and parts.scheme == "https" and bool(parts.hostname)


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the open net, in whatever disguise it comes.

    Source: IANA special-purpose address registries (RFC 6890); RFC 4291 §2.5.5 (mapped), RFC 6052
    (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo): each can carry a private IPv4 address.
    """
    try:
        found: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found.sixtofour is not None or found.teredo is not None or found in NAT64:
            return False
    return found.is_global and not found.is_multicast
