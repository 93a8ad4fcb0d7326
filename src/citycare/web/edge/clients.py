"""From where a request comes: the address that counts, and the addresses it names itself.

Behind a proxy the other end of the connection is the proxy, for everybody alike. What a proxy of
ours appended to `X-Forwarded-For` is believed; what stood there before is the client's own word.

Source: RFC 7239 §7.4, §8.1 (why only trusted hops count); RFC 4291 §2.5.4 (a site has a /64).
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

Network = IPv4Network | IPv6Network
SITE_BITS = 64


def client_of(peer: str | None, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """Return a name for who sends this: an address; of IPv6 the site, which has many.

    Args:
        peer: the other end of the connection.
        forwarded: the values of `X-Forwarded-For`, in order.
        proxies: our own proxies; empty: the header is not looked at.
    """
    address = _read(peer or "")
    if address is None:
        return peer or "unknown"
    hops = ",".join(forwarded).split(",")
    while hops and any(address in network for network in proxies):
        before = _read(hops.pop().strip())
        if before is None:
            break
        address = before
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, SITE_BITS), strict=False))
    return str(address)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def parts_of(address: str) -> SplitResult:
    """Take an address that a header names apart; of one that is none, all parts are empty."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
