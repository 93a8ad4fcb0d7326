"""Whether a narrative is the harmless part of XHTML that R4 allows.

Source: HL7 FHIR R4 4.0.1 §2.4.0 Narrative: txt-1 (elements and attributes allowed), txt-2 (not
empty); no scripts, forms, frames, events or entities of its own.
"""

from __future__ import annotations

import html
import re
from typing import Any
from xml.parsers import expat


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ELEMENTS = _words(
    "p br div h1 h2 h3 h4 h5 h6 hr a span table thead tbody tfoot tr th td caption col colgroup"
    " ul ol li dl dt dd blockquote pre q b i u s strong em big small tt sub sup code samp kbd var"
    " dfn cite abbr acronym del ins img map area address bdo strike font center"
)
ATTRIBUTES = _words(
    "title style class id lang dir accesskey tabindex span align valign char charoff abbr axis"
    " headers scope rowspan colspan width height border cellpadding cellspacing frame rules summary"
    " name href rel rev type charset src alt longdesc usemap ismap shape coords nohref cite"
    " datetime start value compact xml:lang xmlns bgcolor nowrap size color face reversed"
)
NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
PLAIN = frozenset(("amp", "lt", "gt", "quot", "apos"))
XHTML = "http://www.w3.org/1999/xhtml"
DEPTH_MAX = 100


class _Refused(Exception):
    """Something that has no place in a narrative."""


def is_narrative(value: Any) -> bool:
    """Tell whether this is a `<div>` of XHTML with words or a picture and nothing forbidden."""
    if not isinstance(value, str) or not value.lstrip().startswith("<div"):
        return False
    reader = expat.ParserCreate()
    open_, filled = [0], [False]

    def begin(name: str, attributes: dict[str, str]) -> None:
        open_[0] += 1
        if name not in ELEMENTS or not ATTRIBUTES.issuperset(attributes) or open_[0] > DEPTH_MAX:
            raise _Refused
        if open_[0] == 1 and attributes.get("xmlns") != XHTML:
            raise _Refused
        address = attributes.get("href", "") + attributes.get("src", "")
        if "script:" in address.lower():
            raise _Refused
        filled[0] = filled[0] or name == "img"

    def end(_: str) -> None:
        open_[0] -= 1

    def words(text: str) -> None:
        filled[0] = filled[0] or not text.isspace()

    def refuse(*_: Any) -> None:
        raise _Refused

    reader.StartElementHandler = begin
    reader.EndElementHandler = end
    reader.CharacterDataHandler = words
    reader.StartDoctypeDeclHandler = refuse
    reader.ProcessingInstructionHandler = refuse
    try:
        reader.Parse(NAMED.sub(_named, value), True)
    except (expat.ExpatError, _Refused):
        return False
    return filled[0]


def _named(found: re.Match[str]) -> str:
    """Write an entity of HTML as the sign it stands for; XML knows five of them only."""
    if found[1] in PLAIN:
        return found[0]
    return html.unescape(found[0])
