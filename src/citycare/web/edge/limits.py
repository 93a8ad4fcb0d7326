"""A bounded count of attempts per client, for sign-in: some at once, then one each few seconds.

Kept in the memory of one process: with N workers the bound is N times as wide, still sane.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from citycare.web.edge.errors import TooManyAttempts

CLIENTS_MAX = 10_000


@dataclass(slots=True)
class Attempts:
    """Token buckets by key; the least recently seen key is forgotten first."""

    burst: int = 20
    refill_s: float = 3.0
    buckets: OrderedDict[str, tuple[float, datetime]] = field(default_factory=OrderedDict)

    def take(
        self, key: str, now: datetime, *, burst: int | None = None, refill_s: float | None = None
    ) -> None:
        """Count one attempt, or raise TooManyAttempts."""
        top, each_s = float(burst or self.burst), refill_s or self.refill_s
        left, since = self.buckets.pop(key, (top, now))
        passed_s = max(0.0, (now - since).total_seconds())
        left = min(top, left + passed_s / each_s)
        allowed = left >= 1.0
        self.buckets[key] = (left - 1.0 if allowed else left, now)
        while len(self.buckets) > CLIENTS_MAX:
            self.buckets.popitem(last=False)
        if not allowed:
            raise TooManyAttempts(retry_after_s=max(1, round((1.0 - left) * each_s)))
