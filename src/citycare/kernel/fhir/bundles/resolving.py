"""References between entries: who names whom, and a resource with the ids that were assigned.

Types decide what is a link, not the look of a text: an Identifier's value that looks like a
fullUrl stays as it is. Not links, though of type uri: names of definitions and of systems
(`ValueSet.url`, `Extension.url`, `Coding.system`), which must stay what canonicals say; R4 leaves
canonicals alone.

Source: HL7 FHIR R4 4.0.1 §3.1.0.11.2 ("Servers SHALL replace all matching links in the bundle …
elements of type uri, url, oid, uuid, and <a href="" & <img src="" in the narrative. Elements of
type canonical are not replaced"; conditional references), §2.36.4.1 Resolving references.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import cache

from citycare.kernel.fhir.bundles.model import (
    FAULTS_MAX,
    Json,
    Method,
    Plan,
    References,
    Use,
    violation,
)
from citycare.kernel.fhir.bundles.reading import NESTED_MAX
from citycare.kernel.fhir.definitions import RESOURCES
from citycare.kernel.fhir.model import Invalid, Violation
from citycare.kernel.fhir.r4.checking import CONDITIONAL
from citycare.kernel.fhir.r4.shapes import ANY_RESOURCE, shape
from citycare.kernel.fhir.rows import dumps

ADDRESSES = ("uri", "url", "oid", "uuid")
PLACEHOLDERS = ("urn:uuid:", "urn:oid:")
HISTORY = "/_history/"
EXTENSIONS = ("extension", "modifierExtension")

# Possessive, and no `<` in a tag: each text is read once, however broken. Comments and CDATA are
# passed over, closed or not.
TAGS = re.compile(
    r"<!--(?:.*?-->|.*)|<!\[CDATA\[(?:.*?\]\]>|.*)"
    r"|<[A-Za-z](?:[^\"'<>]++|\"[^\"<]*+\"|'[^'<]*+')*+>",
    re.DOTALL,
)
ATTRIBUTE = re.compile(r"(?<![\w:.\-])([\w:.\-]++)(\s*+=\s*+)(\"[^\"]*+\"|'[^']*+')")
LINKING = ("href", "src")

Place = tuple["Place | None", str, int]  # (place above, name, index or -1)


class _Link(Enum):
    """What stands under a JSON name."""

    REFERENCE = auto()
    ADDRESS = auto()
    NARRATIVE = auto()
    OBJECT = auto()
    RESOURCE = auto()


Change = Callable[[_Link, str, Place], str]
"""Given a link as written and its place, returns what shall stand there."""


Held = tuple[_Link, str, bool]
"""What stands under a JSON name, the shape of what is below, and whether extensions are there."""


@cache
def _links(name: str, extended: bool) -> Mapping[str, Held]:  # noqa: FBT001 - a key of the cache
    """Return what may hold links, by JSON name.

    A Bundle inside is a document of its own: its entries call each other by its own fullUrls.

    Args:
        name: of a shape.
        extended: whether there are extensions, which may hold links wherever they stand.
    """
    found: dict[str, Held] = {}
    for element, known in shape(name).fields.items():
        if known.check is None:
            kind = _Link.RESOURCE if known.type == ANY_RESOURCE else _Link.OBJECT
            if (name, element) != ("Bundle", "entry") and (extended or _leads(name, element)):
                found[element] = (kind, known.type, extended)
            continue
        if extended:
            found[f"_{element}"] = (_Link.OBJECT, "Element", extended)
        link = _link(name, element)
        if link is not None:
            found[element] = (link, "", extended)
    return found


def _link(name: str, element: str) -> _Link | None:
    """Return what link a primitive is, if it is one."""
    known = shape(name).fields[element]
    if known.type == "xhtml":
        return _Link.NARRATIVE
    if (name, element) == ("Reference", "reference"):
        return _Link.REFERENCE
    return _Link.ADDRESS if known.type in ADDRESSES and not _is_name(name, element) else None


def _leads(name: str, element: str) -> bool:
    """Tell whether a link may be in an object, or in what is below it, but for extensions."""
    seen = {shape(name).fields[element].type} if element not in EXTENSIONS else set()
    left = list(seen)
    while left:
        below = left.pop()
        if below == ANY_RESOURCE:
            return True
        for one, known in shape(below).fields.items():
            if known.check is not None:
                if _link(below, one) is not None:
                    return True
            elif one not in EXTENSIONS and known.type not in seen:
                seen.add(known.type)
                left.append(known.type)
    return False


def _has_extensions(resource: Json) -> bool:
    """Tell it by the text, which is made ten times as fast as the tree is walked."""
    try:
        return 'xtension":' in dumps(resource)
    except TypeError:  # what cannot be written is told when it is checked
        return True


def _is_name(name: str, element: str) -> bool:
    """Tell whether an element names a system or a definition; Device.url, for one, does not."""
    if element != "url":
        return element == "system"
    version = shape(name).fields.get("version") if name in RESOURCES else None
    return name == "Extension" or (version is not None and not version.many)


def _walked(
    value: Json, links: Mapping[str, Held], place: Place, change: Change, depth: int
) -> Json:
    """Return the object with its links changed; itself where none is."""
    if depth > NESTED_MAX:
        raise Invalid([violation("?", _written(place), "depth")])
    changed: Json | None = None
    for name, item in value.items():
        link = links.get(name)
        if link is None:
            continue
        made: object = item
        if type(item) is list:
            several: list[object] | None = None
            for index, one in enumerate(item):
                new = _one(link, one, (place, name, index), change, depth)
                if new is not one:
                    several = list(item) if several is None else several
                    several[index] = new
            made = item if several is None else several
        else:
            made = _one(link, item, (place, name, -1), change, depth)
        if made is not item:
            changed = dict(value) if changed is None else changed
            changed[name] = made
    return value if changed is None else changed


def _one(link: Held, item: object, place: Place, change: Change, depth: int) -> object:
    kind, name, extended = link
    if type(item) is dict:
        if kind is _Link.RESOURCE:
            name = item.get("resourceType", "")
            if not isinstance(name, str) or name not in RESOURCES:
                return item
        elif kind is not _Link.OBJECT:
            return item
        links = _links(name, extended)
        if depth < NESTED_MAX and links.keys().isdisjoint(item):  # most: codings, quantities
            return item
        return _walked(item, links, place, change, depth + 1)
    if type(item) is not str or kind is _Link.OBJECT or kind is _Link.RESOURCE:
        return item
    made = _narrative(item, place, change) if kind is _Link.NARRATIVE else change(kind, item, place)
    return item if made == item else made


def _narrative(text: str, place: Place, change: Change) -> str:
    """Change `href` and `src` in the tags of a narrative; all else stays to the letter."""
    if not any(name in text for name in LINKING):
        return text

    def attribute(found: re.Match[str]) -> str:
        name, between, quoted = found.groups()
        if name not in LINKING:
            return found[0]
        written = html.unescape(quoted[1:-1])
        made = change(_Link.NARRATIVE, written, place)
        return found[0] if made == written else f'{name}{between}"{html.escape(made)}"'

    def tag(found: re.Match[str]) -> str:
        return found[0] if found[0][1] == "!" else ATTRIBUTE.sub(attribute, found[0])

    return TAGS.sub(tag, text)


def _written(place: Place | None) -> str:
    parts = []
    while place is not None:
        place, name, index = place
        parts.append(name if index < 0 else f"{name}[{index}]")
    return ".".join(reversed(parts))


def _match(text: str, urls: Mapping[str, object], root: str) -> tuple[str, str] | None:
    """Find the fullUrl a text names; with it, what follows: `/_history/2`, `#part`."""
    if text in urls:
        return text, ""
    head, hash_, part = text.partition("#")
    bare, slash, version = head.partition(HISTORY)
    follows = f"{slash}{version}{hash_}{part}"
    if follows and bare in urls:
        return bare, follows
    if root and bare[:1].isupper() and f"{root}/{bare}" in urls:
        return f"{root}/{bare}", follows
    return None


def _is_conditional(text: str) -> bool:
    found = CONDITIONAL.fullmatch(text) if "?" in text else None
    return found is not None and found["type"] in RESOURCES


def references(plan: Plan) -> References:
    """Tell what the resources of a plan refer to: entries, searches, placeholders of nothing.

    Raises:
        Invalid: a resource is nested too deeply.
    """
    links: dict[str, list[Use]] = {}
    conditional: dict[str, list[Use]] = {}
    missing: dict[str, list[Use]] = {}
    for step in plan.steps:
        if step.resource is None:
            continue

        def note(
            kind: _Link, text: str, where: Place, place: int = step.place, root: str = step.root
        ) -> str:
            found = _match(text, plan.urls, root)
            if found is not None:
                links.setdefault(found[0], []).append(Use(place, _written(where)))
            elif kind is _Link.REFERENCE:
                if text.startswith(PLACEHOLDERS):
                    missing.setdefault(text, []).append(Use(place, _written(where)))
                elif _is_conditional(text):
                    conditional.setdefault(text, []).append(Use(place, _written(where)))
            return text

        name = str(step.resource["resourceType"])
        held = _links(name, _has_extensions(step.resource))
        _walked(step.resource, held, (None, name, -1), note, 0)
    return References(
        *(
            {key: tuple(uses) for key, uses in some.items()}
            for some in (links, conditional, missing)
        )
    )


def addresses(plan: Plan, given: Mapping[int, str]) -> dict[str, str]:
    """Say what each fullUrl has become, for `resolved`.

    Args:
        plan: whose urls name the ids of updates.
        given: `Type/id` by place: ids assigned to creates, or found by a condition.

    Returns:
        `Type/id` by fullUrl. What is deleted, read or not given is left out: a reference to it
        is then not found.
    """
    return {
        step.full_url: given.get(step.place) or f"{step.type}/{step.id}"
        for step in plan.steps
        if step.full_url
        and step.writes
        and step.method is not Method.DELETE
        and (step.place in given or step.id)
    }


def resolved(
    resource: Json,
    ids: Mapping[str, str],
    found: Mapping[str, str],
    *,
    root: str = "",
    at: str = "",
) -> Json:
    """Return a copy in which every link to an entry leads to where it is kept.

    Args:
        resource: of a step; not changed, and parts without links are shared with the copy.
        ids: `Type/id` by fullUrl (`addresses`).
        found: `Type/id` by conditional reference, as written.
        root: of the step, for relative references between entries from another server.
        at: of the step, for the words of faults.

    Raises:
        Invalid: references that lead nowhere (`urn:uuid:`, `urn:oid:`, conditional), at most 100.
    """
    lost: list[Violation] = []

    def change(kind: _Link, text: str, place: Place) -> str:
        match = _match(text, ids, root)
        if match is not None:
            return ids[match[0]] + match[1]
        if kind is not _Link.REFERENCE:
            return text
        if text in found:
            return found[text]
        if (text.startswith(PLACEHOLDERS) or _is_conditional(text)) and len(lost) < FAULTS_MAX:
            written = _written(place).partition(".")[2]
            where = f"{at}.resource.{written}" if at else _written(place)
            lost.append(violation("?", where, "unresolved", text))
        return text

    name = resource.get("resourceType")
    if not isinstance(name, str) or name not in RESOURCES:
        raise Invalid([violation("?", f"{at}.resource" if at else "resourceType", "type")])
    held = _links(name, _has_extensions(resource))
    made = _walked(resource, held, (None, name, -1), change, 0)
    if lost:
        raise Invalid(lost)
    return dict(made)
