"""What others keep of a person under ids of their own, asked for by the person's own id.

A search is literal: `subject=Patient/1` finds what says so. `subject:mdm=Patient/1` also finds what
says it of a Patient that is linked to this one, as far as the caller may see that.

Source: `kernel.identity.links`; the modifier's name is that of HAPI FHIR's master data management,
R4 has none.
"""

from __future__ import annotations

from collections.abc import Sequence

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.fhir import RESOURCES
from citycare.kernel.fhir.searching.criteria import known
from citycare.kernel.fhir.searching.model import ParamType
from citycare.scenarios.exchange.service.access import Access

PATIENT = "Patient"
MODIFIER = ":mdm"
Pairs = tuple[tuple[str, str], ...]


async def with_linked(cx: Context, access: Access, patient_ids: Sequence[str]) -> list[str]:
    """Return these ids of persons' Patients, and those of Patients linked to them that may be seen.

    One statement at most, however many are asked for.
    """
    links = access.links
    if access.visible.everything:
        persons = [one for each in patient_ids if (one := identity.person_id_of(each))]
        links = await identity.list_links(cx, persons)
    asked = set(patient_ids)
    return [*patient_ids, *sorted(one for one, whose in links.items() if str(whose) in asked)]


async def widened(
    cx: Context, access: Access, kind: str, pairs: Sequence[tuple[str, str]]
) -> Pairs:
    """Write parameters with `:mdm` as literal ones: each Patient and those linked to it.

    Of a parameter that leads to no Patient it is left, and refused like any unknown modifier.
    """
    found = []
    for name, value in pairs:
        param = name.removesuffix(MODIFIER)
        if param == name or kind not in RESOURCES or not _leads_to_patient(kind, param):
            found.append((name, value))
            continue
        asked = [one.removeprefix(f"{PATIENT}/") for one in value.split(",")]
        every = await with_linked(cx, access, asked)
        found.append((param, ",".join(f"{PATIENT}/{one}" for one in every)))
    return tuple(found)


def _leads_to_patient(kind: str, param: str) -> bool:
    told = known((kind,)).get(param)
    return told is not None and told.type is ParamType.REFERENCE and PATIENT in told.targets
