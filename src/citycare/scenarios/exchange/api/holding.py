"""Bodies under way: each has a limit, also of time, and all that one process holds at a time.

A body is held from its first piece until its call is answered, and weighs some ten times as much
once it is read. Small ones may take all the room, larger ones three quarters: so whoever holds many
large ones back, by sending them slowly, does not keep others from writing one resource.

Source: RFC 9110 §15.5.9 (408), §15.5.14 (413), §15.6.4 (503).
"""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive

from citycare.scenarios.exchange.model.errors import BodiesMany, BodySlow, TooLarge

SMALL = 64_000


class Held:
    """How much of bodies is held, in bytes."""

    __slots__ = ("_most", "_now")

    def __init__(self, most: int) -> None:
        """Hold at most so much."""
        self._most = most
        self._now = 0

    def take(self, size: int, whole: int) -> None:
        """Take room for a piece of a body, of which there is `whole` with it.

        Raises:
            BodiesMany: there is none.
        """
        most = self._most if whole <= SMALL else self._most * 3 // 4
        if self._now + size > most:
            raise BodiesMany(most=self._most)
        self._now += size

    def give(self, size: int) -> None:
        """Give room back."""
        self._now -= size


class Bounded:
    """Hands a body on, and stops it at a limit, or where all that is held leaves no room."""

    __slots__ = ("_held", "_most", "_receive", "_seconds", "_seen", "_taken", "_until")

    def __init__(self, receive: Receive, most: int, seconds: float, held: Held) -> None:
        """Let `most` bytes through, as long as the last comes so many seconds after the first."""
        self._receive = receive
        self._most = most
        self._seconds = seconds
        self._until = 0.0
        self._held = held
        self._seen = self._taken = 0

    async def __call__(self) -> Message:
        """Return the next piece.

        Raises:
            TooLarge: it is one too many.
            BodySlow: it does not come in time.
            BodiesMany: too much is held.
        """
        message = await (self._rest() if self._seen else self._receive())
        size = len(message.get("body", b""))
        self._seen += size
        if self._seen > self._most:
            raise TooLarge(most=self._most)
        self._held.take(size, self._seen)
        self._taken += size
        return message

    async def _rest(self) -> Message:
        """Return a later piece; most bodies come in one, and pay for no clock."""
        self._until = self._until or asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._until):
                return await self._receive()
        except TimeoutError as error:
            raise BodySlow(seconds=self._seconds) from error

    def release(self) -> None:
        """Give back what was taken: the call is answered, or will not be."""
        self._held.give(self._taken)
        self._taken = 0
