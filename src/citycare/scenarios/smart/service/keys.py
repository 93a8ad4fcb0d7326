"""Public keys of clients: by value, or fetched from their address with care.

A fetch goes over TLS to public addresses only, and to the very address that was looked at (a name
that answers differently a moment later changes nothing), follows no redirect, and ends after five
seconds or 64 KiB. What came is kept for an hour; a key id that is not in it is asked for again, at
most each half minute; so is an address that failed.

Source: HL7 SMART App Launch 2.2.0, "Registering a client (communicating public keys)"; RFC 7517;
OWASP Server-Side Request Forgery Prevention (resolve, check, connect to what was checked).
"""

from __future__ import annotations

import asyncio
import socket
import warnings
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import orjson
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, KeySet, RSAKey

from citycare.scenarios.smart.model import ClientWrong, OAuthError, Refused, Wrong
from citycare.scenarios.smart.rules import addresses

TIMEOUT_S = 5.0
BYTES_MAX = 65_536
KEYS_MAX = 10
RSA_BITS = (2048, 8192)
CURVE = "P-384"
KEEP = timedelta(hours=1)
REFETCH = timedelta(seconds=30)
URLS_MAX = 1_000
AT_ONCE = 10
PORT = 443


def check(jwks: Mapping[str, Any]) -> KeySet:
    """Read a key set of a client: public keys, strong enough, each with an id of its own.

    Raises:
        ClientWrong: it is not one; the reason is in `why`.
    """
    listed = jwks.get("keys")
    if not isinstance(listed, list) or not 0 < len(listed) <= KEYS_MAX:
        raise ClientWrong(Wrong.KEYS, "no_keys")
    if any(not isinstance(one, dict) or "d" in one or "k" in one for one in listed):
        raise ClientWrong(Wrong.KEYS, "not_public")
    signing = [one for one in listed if one.get("use", "sig") == "sig"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # judged below
            keys = KeySet.import_key_set(cast("Any", {"keys": signing}))
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClientWrong(Wrong.KEYS, "unreadable") from error
    names = [key.kid for key in keys.keys]
    if len(set(names)) != len(names) or not all(isinstance(one, str) and one for one in names):
        raise ClientWrong(Wrong.KEYS, "kid")
    if not all(_is_strong(key) for key in keys.keys):
        raise ClientWrong(Wrong.KEYS, "weak")
    return keys


def _is_strong(key: object) -> bool:
    if isinstance(key, RSAKey):
        return RSA_BITS[0] <= key.raw_value.key_size <= RSA_BITS[1]
    return isinstance(key, ECKey) and key.curve_name == CURVE


Resolve = Callable[[str, int], Awaitable[list[str]]]
Fetch = Callable[[str], Awaitable[bytes]]


async def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


async def fetch(
    url: str, look_up: Resolve = resolve, transport: httpx.AsyncBaseTransport | None = None
) -> bytes:
    """Get a document from a public address over TLS.

    Raises:
        KeysAway: it is not public, does not answer, answers too slowly, too much or elsewhere.
    """
    if not addresses.is_https(url):
        raise KeysAway("address")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORT
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await look_up(host, port)
            if not found or not all(addresses.is_public(one) for one in found):
                raise KeysAway("not_public")
            literal = f"[{found[0]}]" if ":" in found[0] else found[0]
            target = parts._replace(netloc=f"{literal}:{port}").geturl()
            return await _get(target, parts.netloc, host, transport)
    except (httpx.HTTPError, OSError, UnicodeError, TimeoutError) as error:
        raise KeysAway(type(error).__name__) from error


async def _get(
    target: str, netloc: str, host: str, transport: httpx.AsyncBaseTransport | None
) -> bytes:
    """Ask the IP address that was checked; the certificate must still be that of the name."""
    headers = {"Host": netloc, "Accept": "application/json", "Accept-Encoding": "identity"}
    body = b""
    async with (
        httpx.AsyncClient(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, transport=transport
        ) as client,
        client.stream("GET", target, headers=headers, extensions={"sni_hostname": host}) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise KeysAway("status")
        async for part in answer.aiter_raw():
            body += part
            if len(body) > BYTES_MAX:
                raise KeysAway("size")
    return body


class KeysAway(Exception):
    """The keys of a client could not be had from its address."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What an address said last, or that it said nothing, and when."""

    keys: KeySet | None
    at: datetime


class KeyCache:
    """The keys of clients that gave an address, as last fetched. One a process."""

    def __init__(self, get: Fetch = fetch) -> None:
        """Start empty; `get` reads an address."""
        self._get = get
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._asking: dict[str, asyncio.Task[_Held]] = {}
        self._free = asyncio.Semaphore(AT_ONCE)

    async def keys_of(self, url: str, kid: str, now: datetime) -> KeySet:
        """Return the keys at an address.

        Raises:
            Refused: there are none to be had now.
        """
        held = self._held.get(url)
        age = now - held.at if held is not None else None
        knows = held is not None and held.keys is not None and _has(held.keys, kid)
        if held is None or age is None or age > (KEEP if knows else REFETCH):
            held = await self._ask(url, now)
        if held.keys is None:
            raise Refused(OAuthError.INVALID_CLIENT, "keys_away")
        return held.keys

    async def _ask(self, url: str, now: datetime) -> _Held:
        """Fetch an address; whoever asks meanwhile waits for the same answer."""
        task = self._asking.get(url)
        if task is None:
            task = asyncio.create_task(self._read(url, now))
            self._asking[url] = task
            task.add_done_callback(lambda _: self._asking.pop(url, None))
        return await asyncio.shield(task)

    async def _read(self, url: str, now: datetime) -> _Held:
        keys = None
        try:
            async with self._free:
                found = orjson.loads(await self._get(url))
            keys = check(found) if isinstance(found, dict) else None
        except (KeysAway, ClientWrong, orjson.JSONDecodeError):
            keys = None  # remembered as such for half a minute
        self._held.pop(url, None)
        self._held[url] = _Held(keys, now)
        while len(self._held) > URLS_MAX:
            self._held.popitem(last=False)
        return self._held[url]


def _has(keys: KeySet, kid: str) -> bool:
    return any(key.kid == kid for key in keys.keys)
