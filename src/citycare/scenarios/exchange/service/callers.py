"""Who stands behind a token, remembered for a second: who reads much is looked up once.

So a token that is revoked, a grant or a consent that ends, counts here after a second at most.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from citycare.kernel.context import Actor, Channel, Context, Role
from citycare.kernel.identity import sessions
from citycare.scenarios.exchange.service.access import Access, Find, access_of

LIFE = timedelta(seconds=1)
KEPT_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, through what, and what they may do here."""

    actor: Actor
    channel: Channel
    access: Access


class Callers:
    """The callers of the last second, by the hash of their token."""

    def __init__(self, find: Find) -> None:
        """Ask `find` for tokens of apps."""
        self._find = find
        self._kept: OrderedDict[bytes, tuple[datetime, Caller]] = OrderedDict()

    def remembered(self, token: str, now: datetime) -> Caller | None:
        """Return the caller whose token counted a moment ago."""
        return self._remembered(_key(token), now)

    async def of(self, cx: Context, token: str) -> Caller | None:
        """Return the caller with this token; None: it does not count."""
        key = _key(token)
        kept = self._remembered(key, cx.now)
        if kept is not None:
            return kept
        found = await self._look_up(cx, token)
        self._kept.pop(key, None)
        if found is not None:
            self._kept[key] = cx.now, found
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return found

    def _remembered(self, key: bytes, now: datetime) -> Caller | None:
        kept = self._kept.get(key)
        return kept[1] if kept is not None and kept[0] <= now < kept[0] + LIFE else None

    async def _look_up(self, cx: Context, token: str) -> Caller | None:
        actors = await sessions.actor_of(cx.db, [token], cx.now)
        granted = None if actors else await self._find(cx.db, token, cx.now)
        if not actors and granted is None:
            return None
        actor = granted.actor if granted is not None else actors[token]
        system = any(one.role is Role.EXCHANGE for one in actor.grants)
        channel = Channel.HOSPITAL if system else Channel.PHONE
        acting = replace(cx, actor=actor, channel=channel)
        return Caller(actor, channel, await access_of(acting, granted))


def _key(token: str) -> bytes:
    return sha256(token.encode()).digest()
