"""Somebody who keeps a copy: asks again and again for what has come since the last time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import quote

from tests.faults.record import resources
from tests.faults.record.clients import Client

TYPES = ("Basic", "Patient", "Observation")
PAUSE_S = 0.1


class Poller:
    """Goes by what the server says of its time alone; what was told once may be told again.

    Attributes:
        told: name and number of each version that came, deletions included.
    """

    def __init__(self, client: Client) -> None:
        self.told: set[tuple[str, int]] = set()
        self._client = client
        self._since: dict[str, str] = {}

    async def close(self) -> None:
        await self._client.close()

    async def work(self, until: Callable[[], bool]) -> None:
        """Poll until it is over."""
        while not until():
            await self.poll()
            await asyncio.sleep(PAUSE_S)

    async def poll(self) -> bool:
        """Take what has come since, of each type; tell whether all of it came."""
        return all([await self._poll(kind) for kind in TYPES])

    async def _poll(self, kind: str) -> bool:
        """Go on from here the next time only if every page has come."""
        path = f"{kind}/_history?_count=1000"
        path += f"&_since={quote(self._since[kind])}" if kind in self._since else ""
        moment = ""
        while path:
            reply = await self._client.ask("GET", path)
            if reply.status != 200:
                return False
            moment = moment or reply.body["timestamp"]
            self.told.update((one.name, one.version) for one in resources.entries(reply.body))
            path = resources.following(reply.body)
        self._since[kind] = moment
        return True
