r"""Search for our own use: parameters in a mapping, resources in the order of their main date.

Repeated parameters must all hold; values parted by commas are alternatives (`\,` is a comma).
What is not known is refused, never passed over. Source: HL7 FHIR R4 §3.1.1.
"""

from __future__ import annotations

from citycare.kernel.context import Context
from citycare.kernel.fhir import finding
from citycare.kernel.fhir.finding import Place
from citycare.kernel.fhir.model import Params, Resource
from citycare.kernel.fhir.searching import reading
from citycare.kernel.fhir.searching.ways import main_param
from citycare.kit import pages
from citycare.kit.pages import Page


async def search(
    cx: Context, resource_type: str, params: Params, after: str | None = None, count: int = 50
) -> Page[Resource]:
    """Return a page of the resources of a type that match, by main date.

    The caller has decided who may see what (kernel.consent) and puts it in `params`.

    Raises:
        TypeUnknown, ParameterUnknown, ValueBroken: the search cannot be understood.
        TooCostly: it would look at too much.
        TokenBroken: `after` is not a token of ours.
    """
    count = max(1, min(count, pages.PAGE_MAX))
    pairs = [
        (name, text)
        for name, given in params.items()
        for text in ([given] if isinstance(given, str) else given)
    ]
    main = main_param(resource_type)
    pairs += [("_count", str(count)), *([("_sort", main)] if main else [])]
    query = reading.read((resource_type,), pairs, now=cx.now)
    found = await finding.find(cx, query, after=_place(after, 3) if after else None)
    following = found.next
    return Page(
        [hit.resource() for hit in found.matches],
        pages.encode(following.snapshot, *map(str, following.last)) if following else None,
    )


def _place(token: str, length: int) -> Place:
    snapshot, *last = pages.read(token, *[str] * length)
    return Place(snapshot, tuple(last))
