"""The request edge: transaction, actor, instant, errors, headers, figures.

`install(app, edge)` puts it round an application. Routes take `WriteContext` or `ReadContext`
and declare `gate(...)`.
"""

from __future__ import annotations

from fastapi import FastAPI

from citycare.web.edge import answers, apidocs, health
from citycare.web.edge.answers import Json, answer
from citycare.web.edge.exchange import Edge, Exchange, Gate, Site, edge_of, exchange_of
from citycare.web.edge.limits import Attempts
from citycare.web.edge.metrics import Metrics
from citycare.web.edge.middleware import EdgeMiddleware, Limits
from citycare.web.edge.seal import Sealer, load_key

__all__ = [
    "Attempts",
    "Edge",
    "Exchange",
    "Gate",
    "Json",
    "Limits",
    "Metrics",
    "Sealer",
    "Site",
    "answer",
    "edge_of",
    "exchange_of",
    "install",
    "load_key",
]


def install(app: FastAPI, edge: Edge, limits: Limits | None = None) -> None:
    """Put the edge round an application."""
    app.state.edge = edge
    answers.register(app)
    apidocs.describe(app)
    app.include_router(health.router)
    app.include_router(apidocs.router)
    app.add_middleware(EdgeMiddleware, edge=edge, limits=limits or Limits())
