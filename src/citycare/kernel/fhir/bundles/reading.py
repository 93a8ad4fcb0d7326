"""From one entry to a step: what it asks, and every reason why that cannot be asked.

Source: HL7 FHIR R4 4.0.1 §3.1.0.1.1 (addresses), §2.36.4 and bdl-2 to bdl-8 (fullUrl), Bundle.
entry.request (conditions); §3.1.0.8.1 (a JSON Patch inside a Bundle is a Binary).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from citycare.kernel.fhir.bundles.model import Json, Method, Step, violation
from citycare.kernel.fhir.definitions import RESOURCES
from citycare.kernel.fhir.model import Violation
from citycare.kernel.fhir.r4.shapes import shape
from citycare.kit import strict_json

NESTED_MAX = 130  # arrays count too: more than the 60 objects deep that `r4.faults` allows
METHODS = tuple(Method)
READING = (Method.GET, Method.HEAD)
HEADERS: Mapping[str, tuple[Method, ...]] = {
    "ifMatch": (Method.PUT, Method.PATCH, Method.DELETE),
    "ifNoneMatch": (*READING, Method.PUT),
    "ifModifiedSince": READING,
    "ifNoneExist": (Method.POST,),
}

ID = r"[A-Za-z0-9\-.]{1,64}"
PATH = re.compile(
    rf"(?:(?P<type>[A-Z][A-Za-z]+)(?:/(?P<id>{ID}))?"
    rf"(?:/(?P<rest>_history(?:/{ID})?|_search|\$[A-Za-z][\w\-]*|\*|[A-Z][A-Za-z]+(?:/_search)?))?"
    r"|(?P<system>metadata|_history|_search|\$[A-Za-z][\w\-]*))?",
    re.ASCII,
)
RESTFUL = re.compile(
    rf"(?P<root>https?://[^\s?#]+)/(?P<type>[A-Z][A-Za-z]+)/(?P<id>{ID})", re.ASCII
)
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+", re.ASCII)
TAG = re.compile(rf"(?:W/)?\"(?P<quoted>{ID})\"|(?P<bare>\*|{ID})", re.ASCII)
JSON_PATCH = "application/json-patch+json"
ALLOWED_UNREAD = ("id", "extension", "link")
ALONE = frozenset(("method", "url"))
NO_HEADERS = dict.fromkeys(HEADERS, "")


@dataclass(slots=True)
class Entry:
    """One entry while it is read, with what was found wrong."""

    place: int
    bundle_id: str
    most: int  # faults that are still told
    full_url: str = ""
    found: list[Violation] = field(default_factory=list)

    def fault(self, element: str, code: str, told: str = "") -> None:
        """Note a fault at an element of the entry, `""` for the entry itself."""
        if len(self.found) < self.most:
            place = f"Bundle.entry[{self.place}]{element and '.'}{element}"
            self.found.append(violation(self.bundle_id, place, code, told))


def shown(name: Any) -> str:
    """Write a name from outside, shortened."""
    return str(name)[:64]


def is_known(kind: str, name: Any) -> bool:
    """Tell whether a shape has this element, or `_element` of a primitive."""
    fields = shape(kind).fields
    if name in fields:
        return True
    bare = str(name)[1:]
    return str(name)[:1] == "_" and bare in fields and fields[bare].check is not None


def step_of(entry: Entry, given: Any, base: str) -> Step | None:
    """Read one entry; None where not even its request can be understood."""
    if not isinstance(given, dict):
        entry.fault("", "type")
        return None
    _names(entry, given)
    full_url = entry.full_url = _full_url(entry, given)
    restful = RESTFUL.fullmatch(full_url)
    root = restful["root"] if restful and restful["type"] in RESOURCES else ""
    resource = _resource(entry, given)
    request = _request(entry, given)
    if request is None:
        return None
    method = Method(request["method"])
    path = _path(entry, method, request["url"], (base, root))
    if path is None:
        return None
    if root and restful:
        same = method is not Method.PATCH and not path["rest"]
        _agree(entry, restful, resource if same else None, path)
    patch = _held(entry, method, path, resource, sent="resource" in given)
    headers = _headers(entry, method, path, request)
    return Step(
        place=entry.place, method=method, type=path["type"] or "", id=path["id"] or "",
        rest=path["rest"] or "", query=path["query"] or "", resource=resource, patch=patch,
        full_url=full_url, root=root, if_match=headers["ifMatch"],
        if_none_match=headers["ifNoneMatch"], if_none_exist=headers["ifNoneExist"],
        if_modified_since=headers["ifModifiedSince"],
    )  # fmt: skip


def _names(entry: Entry, given: Json) -> None:
    for name in given:
        if name == "search":
            entry.fault("search", "bdl-2")
        elif name == "response":
            entry.fault("response", "bdl-4")
        elif name == "modifierExtension":
            entry.fault(name, "modifier")
        elif not is_known("Bundle.entry", name):
            entry.fault(shown(name), "unknown")


def _full_url(entry: Entry, given: Json) -> str:
    if "fullUrl" not in given:
        return ""
    full_url = given["fullUrl"]
    if not isinstance(full_url, str) or ABSOLUTE.fullmatch(full_url) is None:
        entry.fault("fullUrl", "full_url")
        return ""
    if "/_history/" in full_url or "#" in full_url:
        entry.fault("fullUrl", "full_url")
        return ""
    return full_url


def _resource(entry: Entry, given: Json) -> Json | None:
    if "resource" not in given:
        return None
    resource = given["resource"]
    name = resource.get("resourceType") if type(resource) is dict else None
    if not isinstance(name, str) or name not in RESOURCES:
        entry.fault("resource", "type")
        return None
    if _is_deep(resource):
        entry.fault("resource", "depth")
        return None
    found: Json = resource
    return found


def _is_deep(value: Any) -> bool:
    """Tell whether it is nested too deeply; level by level, so that depth costs no stack."""
    level = [value]
    for _ in range(NESTED_MAX):
        level = [
            inner
            for one in level
            for inner in (one.values() if type(one) is dict else one)
            if (type(inner) is dict or type(inner) is list) and inner
        ]
        if not level:
            return False
    return True


def _request(entry: Entry, given: Json) -> Json | None:
    """Check the elements of the request; None where method or url cannot be used."""
    request = given.get("request")
    if not isinstance(request, dict):
        entry.fault("request", "type" if "request" in given else "required")
        return None
    fields = shape("Bundle.entry.request").fields
    usable = True
    for name, value in request.items():
        known = fields.get(name)
        if name == "modifierExtension":
            entry.fault(f"request.{name}", "modifier")
        elif known is None:
            if not is_known("Bundle.entry.request", name):
                entry.fault(f"request.{shown(name)}", "unknown")
        elif name not in ALLOWED_UNREAD and (known.check is None or not known.check(value)):
            entry.fault(f"request.{name}", "value")
            usable = usable and name not in ("method", "url")
    for name in ("method", "url"):
        if name not in request:
            entry.fault(f"request.{name}", "required")
            usable = False
    if usable and request["method"] not in METHODS:
        entry.fault("request.method", "code")
        usable = False
    return request if usable else None


def _path(
    entry: Entry, method: Method, url: str, roots: tuple[str, ...]
) -> Mapping[str, str | None] | None:
    """Take an address apart, and see whether the method can be used with it."""
    for root in roots:
        if root and url.startswith(f"{root}/"):
            url = url[len(root) :]
            break
    bare, mark, query = url.removeprefix("/").partition("?")
    found = PATH.fullmatch(bare)
    if found is None or "#" in url or (found["type"] and found["type"] not in RESOURCES):
        entry.fault("request.url", "url", method)
        return None
    path: dict[str, str | None] = found.groupdict()
    path["rest"] = found["rest"] or found["system"]
    path["query"] = query
    rest, id_ = path["rest"] or "", found["id"]
    instance = rest.startswith("_history/") or rest[:1] == "*" or rest[:1].isupper()
    searching = rest.endswith("_search")
    if instance and (not id_ or (rest[:1].isupper() and rest.split("/")[0] not in RESOURCES)):
        fits = False
    elif method in READING:
        fits = not searching and bool(bare or query)
    elif method is Method.POST:
        alone = bool(found["type"]) and not id_ and not rest and not mark
        fits = alone or (searching and (instance or not id_)) or rest[:1] == "$"
    else:
        fits = (
            bool(found["type"]) and not rest and bool(id_) is not bool(query) and not (id_ and mark)
        )
    if not fits:
        entry.fault("request.url", "url", method)
        return None
    return path


def _agree(
    entry: Entry,
    full_url: re.Match[str],
    resource: Json | None,
    path: Mapping[str, str | None],
) -> None:
    """Check that a RESTful fullUrl names what is sent and what is written."""
    if resource is not None:
        given_id = resource.get("id", full_url["id"])
        if (resource["resourceType"], given_id) != (full_url["type"], full_url["id"]):
            entry.fault("fullUrl", "differs", "the resource")
    if (
        path["id"]
        and not path["rest"]
        and (path["type"], path["id"]) != (full_url["type"], full_url["id"])
    ):
        entry.fault("fullUrl", "differs", "request.url")


def _held(
    entry: Entry,
    method: Method,
    path: Mapping[str, str | None],
    resource: Json | None,
    *,
    sent: bool,
) -> tuple[Json, ...]:
    """Check what is sent with a method; return the operations of a PATCH."""
    rest = path["rest"] or ""
    if method in (*READING, Method.DELETE) or rest.endswith("_search"):
        if sent:
            entry.fault("resource", "unexpected", method)
        return ()
    if rest:  # an operation takes Parameters, a resource, or nothing
        return ()
    if resource is None:
        if not sent:
            entry.fault("resource", "required")
        return ()
    if method is Method.PATCH:
        patch = _patch(resource)
        if patch is None:
            entry.fault("resource", "patch")
        return patch or ()
    if resource["resourceType"] != path["type"]:
        entry.fault("resource.resourceType", "differs", "request.url")
    elif method is Method.PUT and path["id"] and resource.get("id") != path["id"]:
        entry.fault("resource.id", "differs", "request.url")
    return ()


def _patch(resource: Json) -> tuple[Json, ...] | None:
    """Read a Binary that holds a JSON Patch; None for anything else."""
    kind, data = resource.get("contentType"), resource.get("data")
    if (
        resource["resourceType"] != "Binary"
        or not isinstance(kind, str)
        or not isinstance(data, str)
    ):
        return None
    if kind.partition(";")[0].strip().lower() != JSON_PATCH:
        return None
    try:
        found = strict_json.loads(base64.b64decode("".join(data.split()), validate=True).decode())
    except ValueError:  # of base64, of UTF-8, of JSON
        return None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return None
    return tuple(found) if found and not _is_deep(found) else None


def _headers(
    entry: Entry, method: Method, path: Mapping[str, str | None], request: Json
) -> Mapping[str, str]:
    if request.keys() <= ALONE:
        return NO_HEADERS
    for name, methods in HEADERS.items():
        if name in request and (method not in methods or (name == "ifNoneExist" and path["rest"])):
            entry.fault(f"request.{name}", "unexpected", method)
    return {name: _header(entry, name, request, path["type"] or "") for name in HEADERS}


def _header(entry: Entry, name: str, request: Json, kind: str) -> str:
    """Read a condition of a request; what is not text was named before."""
    value = request.get(name, "")
    if not isinstance(value, str) or not value or name == "ifModifiedSince":
        return value if isinstance(value, str) else ""
    if name == "ifNoneExist":  # the specification wants what follows `?`; its example says more
        value = value.removeprefix(kind).removeprefix("?") if "?" in value else value
        if not value or "#" in value:
            entry.fault("request.ifNoneExist", "condition")
        return value
    found = TAG.fullmatch(value)
    if found is None:
        entry.fault(f"request.{name}", "tag")
        return ""
    return found["quoted"] or found["bare"] or ""
