"""Bodies under way: each has a limit, and all that one process holds at a time.

A body is held from its first piece until its call is answered, and weighs some ten times as much
once it is read. Small ones may take all the room, larger ones three quarters: so whoever holds many
large ones back, by sending them slowly, does not keep others from writing one resource.

Source: RFC 9110 §15.5.14 (413), §15.6.4 (503).
"""

from __future__ import annotations

from starlette.types import Message, Receive

from citycare.scenarios.exchange.model.errors import BodiesMany, TooLarge

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
    """Hands a body on, and stops it at the limit, or where all that is held leaves no room."""

    __slots__ = ("_held", "_most", "_receive", "_seen", "_taken")

    def __init__(self, receive: Receive, most: int, held: Held) -> None:
        """Let `most` bytes through."""
        self._receive = receive
        self._most = most
        self._held = held
        self._seen = self._taken = 0

    async def __call__(self) -> Message:
        """Return the next piece.

        Raises:
            TooLarge: it is one too many.
            BodiesMany: too much is held.
        """
        message = await self._receive()
        size = len(message.get("body", b""))
        self._seen += size
        if self._seen > self._most:
            raise TooLarge(most=self._most)
        self._held.take(size, self._seen)
        self._taken += size
        return message

    def release(self) -> None:
        """Give back what was taken: the call is answered, or will not be."""
        self._held.give(self._taken)
        self._taken = 0
