"""Figures for Prometheus: requests by route template and status, durations, the pool.

Each worker process answers for itself; the label `process` tells them apart.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from citycare.kit.db import Database

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
POOL_FIGURES = (
    "pool_size",
    "pool_available",
    "requests_waiting",
    "requests_num",
    "requests_errors",
    "connections_lost",
)


class Metrics:
    """The figures of one application, in a registry of its own."""

    def __init__(self) -> None:
        """Make the registry."""
        self.registry = CollectorRegistry()
        self._process = str(os.getpid())
        self._known: dict[tuple[str, str, int], Histogram] = {}
        self._seconds = Histogram(
            "citycare_http_request_seconds",
            "Time from the request's head to the end of its answer",
            ("process", "method", "route", "status"),
            registry=self.registry,
            buckets=BUCKETS_S,
        )
        self._pool = Gauge(
            "citycare_database_pool",
            "Database connections of this process",
            ("process", "figure"),
            registry=self.registry,
        )

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. `route` is a template, never a path with ids in it."""
        if method not in METHODS:  # a client makes up as many as it likes
            method = "OTHER"
        found = self._known.get((method, route, status))
        if found is None:
            found = self._seconds.labels(self._process, method, route, str(status))
            self._known[method, route, status] = found
        found.observe(seconds)

    def text(self, database: Database) -> bytes:
        """Return all figures as Prometheus text."""
        stats = database.pool.get_stats()
        for figure in POOL_FIGURES:
            self._pool.labels(self._process, figure).set(stats.get(figure, 0))
        return generate_latest(self.registry)
