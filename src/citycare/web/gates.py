"""What every route declares, and the list of those that are open to everybody.

    from citycare.web.gates import ReadContext, WriteContext, gate

`list_routes(app)` is what the route test walks: each route has a gate with a context of ours, or
stands in `PUBLIC` with its reason. `wrong_routes` says which have neither.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from citycare.web.edge.contexts import OPENERS, ReadContext, WriteContext, gate
from citycare.web.edge.exchange import Gate

__all__ = [
    "PUBLIC",
    "Declared",
    "ReadContext",
    "WriteContext",
    "gate",
    "list_routes",
    "wrong_routes",
]

PUBLIC: Mapping[str, str] = {
    "/health/live": "the supervisor asks before anybody is signed in",
    "/health/ready": "the load balancer asks; tells only whether migrations are missing",
    "/metrics": "Prometheus scrapes it; figures by route template, nothing of persons",
    "/api/openapi.json": "the interface description is public",
    "/api/docs": "the same, to read",
    "/static": "styles, scripts, icons",
    "/login": "the door itself",
    "/login/start": "the way to the provider",
    "/login/demo": "the same in the demo; 404 elsewhere",
    "/login/callback": "the way back; holds state, nonce, signature before it opens a session",
    "/fhir/R4/.well-known/smart-configuration": "apps ask where to go before they are anybody",
    "/.well-known/openid-configuration": "the same for OpenID Connect",
    "/oauth/jwks": "the public keys that sign ID tokens",
    "/oauth/token": "a client proves itself by what it sends; no cookie counts",
    "/oauth/introspect": "same",
    "/oauth/revoke": "same",
    "/dev/oidc/authorize": "the development provider; 404 outside the demo",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """One route as it stands: its gate, and whether one of our contexts enforces it."""

    path: str
    methods: frozenset[str]
    gate: Gate | None
    opens: str
    commits_late: bool


def list_routes(app: FastAPI) -> list[Declared]:
    """Return every route of an application, included routers and mounts too."""
    found = []
    for route in iter_route_contexts(app.routes):
        tree = list(_tree(getattr(route, "dependant", None)))
        gates = [getattr(one.call, "gate", None) for one in tree]
        opening = [one for one in tree if one.call in OPENERS]
        found.append(
            Declared(
                path=route.path or "",
                methods=frozenset(route.methods or ()),
                gate=next((one for one in gates if one is not None), None),
                opens=OPENERS[opening[0].call] if opening and opening[0].call else "",
                commits_late=any(one.scope != "function" for one in opening),
            )
        )
    return found


def wrong_routes(app: FastAPI, self_enforced: Collection[str] = ()) -> list[str]:
    """Return what is wrong with the routes, a sentence each; empty when all is well.

    `self_enforced`: paths that look the actor up by themselves, as the booking rush does for a
    whole batch at once; their owner's test shows that they do.
    """
    wrong = []
    for route in list_routes(app):
        name = f"{' '.join(sorted(route.methods))} {route.path}"
        if route.path in PUBLIC:
            continue
        if route.gate is None:
            wrong.append(f"{name}: no gate and not in PUBLIC")
        elif not route.opens and route.path not in self_enforced and not _is_open(route):
            wrong.append(f"{name}: a gate, but no context that enforces it")
        elif route.commits_late:
            wrong.append(f"{name}: use WriteContext/ReadContext: it would commit after the answer")
        elif route.opens == "read" and route.methods & {"POST", "PUT", "PATCH", "DELETE"}:
            wrong.append(f"{name}: changes things without a transaction")
    return wrong


def _is_open(route: Declared) -> bool:
    """Tell whether a route reads for everybody: then a context has nothing to enforce."""
    gate_of = route.gate
    return gate_of is not None and gate_of.anonymous and route.methods <= {"GET", "HEAD"}


def _tree(dependant: Dependant | None) -> Iterator[Dependant]:
    for one in dependant.dependencies if dependant is not None else ():
        yield one
        yield from _tree(one)
