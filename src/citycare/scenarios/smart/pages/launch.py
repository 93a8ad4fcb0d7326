"""A clinician opens an app out of their work, with the patient at hand.

What the app brings back to us is sealed: which app, whose session, which patient. It serves that
account alone, for five minutes, so nothing needs to be stored and looking twice does no harm.

Source: HL7 SMART App Launch 2.2.0, "Launch App: EHR Launch" (`iss`, `launch`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Role
from citycare.scenarios.smart.model import ClientUnknown
from citycare.scenarios.smart.rules import requests
from citycare.scenarios.smart.service import clients
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.exchange import edge_of
from citycare.web.parts import Link
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)

ACTION = "record.read"
GATE = gate(ACTION, roles={Role.CLINICIAN, Role.COMMUNITY_GP})
PATH = "/clinic/apps/{person_id}"
LAUNCH = "smart/launch"
LIFE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppsPage:
    """The apps that can be opened with this patient."""

    name: str
    links: tuple[Link, ...]


@router.get(PATH, dependencies=[GATE])
async def apps(request: Request, cx: WriteContext, person_id: UUID) -> Response:
    """List the apps of the house for one patient."""
    await consent.require(cx, ACTION, person_id)
    person = await identity.get_person(cx, person_id)
    await audit.append(cx, [audit.Entry("person.read", person.id, f"person/{person.id}")])
    page = AppsPage(
        name=person.name,
        links=tuple(
            Link(
                label=one.name,
                note=one.publisher,
                href=f"/clinic/apps/{person_id}/{one.id}",
                icon="link",
            )
            for one in await clients.list_for_staff(cx)
        ),
    )
    return await respond(request, cx, "smart/launch.html", page)


@router.get(PATH + "/{client_id}", dependencies=[GATE])
async def open_app(
    request: Request, cx: WriteContext, person_id: UUID, client_id: UUID
) -> Response:
    """Go to the app, with what it brings back to ask for this patient."""
    await consent.require(cx, ACTION, person_id)
    found = {one.id: one for one in await clients.list_for_staff(cx)}
    if client_id not in found:
        raise ClientUnknown
    edge = edge_of(request)
    facts = [str(client_id), str(cx.actor.account_id), str(person_id)]
    query = {
        "iss": edge.site.base_url + "/fhir/R4",
        "launch": edge.sealer.seal(LAUNCH, facts, cx.now, LIFE),
    }
    record = f"smart.client/{client_id}"
    await audit.append(cx, [audit.Entry("smart.launched", person_id, record, "ok", {})])
    address = requests.with_query(found[client_id].launch_url, query)
    return Response(status_code=303, headers={"Location": address})
