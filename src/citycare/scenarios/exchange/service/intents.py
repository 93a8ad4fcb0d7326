"""What is to be written, and what came of it.

Source: HL7 FHIR R4 4.0.1 §3.1.0 RESTful API.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from citycare.kernel.fhir import Key, Stored
from citycare.scenarios.exchange.model.errors import ResourceDiffers, TypeUnknown
from citycare.scenarios.exchange.service.capabilities import SERVED

Json = dict[str, Any]
Name = tuple[str, str]

OK, CREATED, NO_CONTENT = 200, 201, 204


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a write.

    Attributes:
        status: of HTTP.
        key: the version that is there now; None: nothing is.
        updated_at: of it, as `meta.lastUpdated`.
        body: of it; `""` of a deletion.
    """

    status: int
    key: Key | None = None
    updated_at: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """A resource that is to be stored, all conditions having been met.

    Attributes:
        resource: with its id.
        before: what is there now; None: nothing, or nothing any more.
        fresh: its id is one of ours, which nobody can have taken.
    """

    resource: Json
    before: Stored | None = None
    fresh: bool = False

    @property
    def name(self) -> Name:
        """Type and id."""
        return self.resource["resourceType"], self.resource["id"]


def named(resource: Json, kind: str, key: str) -> Json:
    """Return a resource with the id it is kept under.

    Raises:
        ResourceDiffers: it is of another type.
        TypeUnknown: it is of a type that is not kept, alone or in a Bundle.
    """
    if kind not in SERVED:
        raise TypeUnknown(type=kind)
    if resource.get("resourceType") != kind:
        raise ResourceDiffers(type=kind, sent=str(resource.get("resourceType"))[:64])
    return {**resource, "id": key}
