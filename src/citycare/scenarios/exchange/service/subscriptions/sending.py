"""HTTP to receivers, whose addresses strangers choose: never into our own network (SSRF).

The name is looked up here and the connection goes to the address that was looked at, not to what
the name leads to a moment later; the certificate is still that of the name. No redirects, no
proxies of the environment, no connection kept (two names on one machine must not share one), and of
the answer nothing is read but its status.

Source: OWASP, Server-Side Request Forgery Prevention; RFC 9110 §15.3 (2xx: taken).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpx

from citycare.scenarios.exchange.model.subscriptions import (
    CONNECTION,
    LATE,
    NOT_ALLOWED,
    NOT_FOUND,
    STATUS,
    ReceiverFailed,
)
from citycare.scenarios.exchange.rules.subscriptions import Networks, may_reach

AGENT = "CityCare-Subscriptions"
ADDRESSES_MAX = 4
REDIRECT, WRONG = 300, 400
PORTS = {"http": 80, "https": 443}


class Guarded(httpx.AsyncBaseTransport):
    """Looks a name up, looks at its addresses, and connects to one of them."""

    def __init__(self, allowed: Networks, inner: httpx.AsyncBaseTransport) -> None:
        """`allowed`: networks of receivers that need be neither public nor encrypted."""
        self._allowed = allowed
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first address that takes the connection.

        Raises:
            ReceiverFailed: the name leads nowhere, or to where we do not call.
            httpx.TransportError: none of the addresses takes it.
        """
        host = request.url.host
        addresses = await self._look_up(request.url)
        for number, address in enumerate(addresses):
            sent = httpx.Request(
                request.method,
                request.url.copy_with(host=str(address)),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await self._inner.handle_async_request(sent)
            except httpx.ConnectError:  # nothing was sent yet
                if number == len(addresses) - 1:
                    raise
        raise ReceiverFailed(problem=NOT_FOUND)

    async def _look_up(self, url: httpx.URL) -> list[IPv4Address | IPv6Address]:
        port = url.port or PORTS[url.scheme]
        loop = asyncio.get_running_loop()
        try:
            told = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ReceiverFailed(problem=NOT_FOUND) from error
        found = list(dict.fromkeys(ip_address(each[4][0]) for each in told))
        encrypted = url.scheme == "https"
        # One address of ours among others is not passed over: it is what an attack looks like.
        if not all(may_reach(each, self._allowed, encrypted=encrypted) for each in found):
            raise ReceiverFailed(problem=NOT_ALLOWED)
        return found[:ADDRESSES_MAX]

    async def aclose(self) -> None:
        """Close what is inside."""
        await self._inner.aclose()


class Sender:
    """Sends notifications. Use it as a context; one for all receivers."""

    def __init__(
        self, allowed: Networks = (), tls: ssl.SSLContext | None = None, at_once: int = 64
    ) -> None:
        """Prepare.

        Args:
            allowed: networks of receivers that need be neither public nor encrypted; in the demo
                the loopback.
            tls: whom we trust; None: whom everybody does.
            at_once: connections at the same time.
        """
        limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=0)
        inner = httpx.AsyncHTTPTransport(
            verify=tls or ssl.create_default_context(), limits=limits, trust_env=False
        )
        self._client = httpx.AsyncClient(
            transport=Guarded(allowed, inner),
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": AGENT, "Accept": "*/*"},
        )

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        below: int = REDIRECT,
    ) -> None:
        """Send one request and wait for its status.

        Args:
            method: POST, PUT or GET.
            url: of the receiver.
            headers: beside those of HTTP itself.
            body: None: none.
            timeout_s: for all of it, from the look-up of the name to the status.
            below: statuses from 200 on, below this one, are good; redirects never are.

        Raises:
            ReceiverFailed: it did not take it; the fact `problem` says why in a few words.
        """
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._client.stream(
                    method, url, headers=dict(headers), content=body, timeout=timeout_s
                ) as answer,
            ):
                status = answer.status_code
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ReceiverFailed(problem=LATE) from error
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise ReceiverFailed(problem=f"{CONNECTION}{type(error).__name__}") from error
        if not 200 <= status < below or REDIRECT <= status < WRONG:  # noqa: PLR2004
            raise ReceiverFailed(problem=f"{STATUS}{status}")

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()
