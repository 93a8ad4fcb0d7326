"""How one value of a resource meets one value of a search: strings, tokens, addresses, references.

Where R4 leaves room, this model takes, on purpose:
    A string starts at the beginning of the element or of any word in it (words as `kernel.fhir`
    `.terms` parts them: at spaces, `·`, commas and full stops). Case, accents, full-width forms,
    punctuation and spaces do not count (`fold`).
    Codes are compared as written, case and all; only phone numbers are compared without their
    punctuation (`searching.words.phone`).
    `|code` asks for a code that has no system: a `code` element with a required binding has one.
    A reference leads to a resource whatever version it names.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.4 modifiers, .8 string, .9 uri, .10 token, .12 reference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from citycare.kernel.fhir.r4 import RESOURCES
from citycare.kernel.fhir.searching import words as ours
from citycare.kernel.fhir.searching.model import Link, Token
from citycare.kernel.identity import names
from tests.kernel.fhir.searching.typed import kind_of

Member = Callable[[str | None, str, str], bool]
"""(system, code, value set): whether the code is in it; see `meets_set` for what sets are asked."""

HUMAN_NAME = ("family", "given", "prefix", "suffix", "text")
ADDRESS = ("text", "line", "city", "district", "state", "postalCode", "country")
PHONES = frozenset(("phone", "fax", "pager", "sms"))
BOOLEANS = "http://terminology.hl7.org/CodeSystem/special-values"
LITERAL = re.compile(
    r"(?:(.*)/)?([A-Z]\w+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?"
)


# Strings


def fold(text: str) -> str:
    """Write a text as it is compared: letters, digits and signs, without case and accents.

    Source: R4 §3.1.1.4.8: insensitive to case and combining characters; punctuation and white
    space are ignored.
    """
    wide = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in wide if unicodedata.category(char)[0] not in "MPZC")


def texts_of(value: Any) -> list[str]:
    """Return the texts of a string parameter's value.

    Source: R4 §3.1.1.4.8: of HumanName and Address any of their text elements (not use, period).
    """
    match kind_of(value):
        case "HumanName":
            return list(_parts(value, HUMAN_NAME))
        case "Address":
            return list(_parts(value, ADDRESS))
    return [str(value)] if isinstance(value, str) else []


def _parts(value: Any, elements: tuple[str, ...]) -> Iterator[str]:
    for name in elements:
        found = value.get(name, ())
        yield from (each for each in ([found] if isinstance(found, str) else found) if each)


def written_ways(value: Any) -> set[str]:
    """Return every text a search may begin with: elements and their words; of Chinese names more.

    Source: R4 §3.1.1.4.8 (parts of a family name are searched independently); ours: family and
    given name together, and pinyin with its initials of each part that has a Chinese character.
    """
    texts = set(texts_of(value))
    if kind_of(value) == "HumanName":
        given = "".join(each for each in value.get("given", ()) if each)
        texts.add(value.get("family", "") + given)
        for text in list(texts):
            if any("\u4e00" <= char <= "\u9fff" for char in text):
                texts.update(names.pinyin(text))
    for text in list(texts):
        texts.update(ours.SEPARATORS.split(text))
    return {text for text in texts if fold(text)}


def meets_string(value: Any, words: str, modifier: str) -> bool:
    """Tell whether a string is met. Source: R4 §3.1.1.4.8, `:exact` and `:contains` §3.1.1.4.4."""
    if modifier == "exact":
        return words in texts_of(value)
    return _meets_words(written_ways(value), words, modifier)


def _meets_words(ways: set[str], words: str, modifier: str = "") -> bool:
    asked = fold(words)
    if modifier == "contains":
        return any(asked in fold(way) for way in ways)
    return any(fold(way).startswith(asked) for way in ways)


# Tokens


@dataclass(frozen=True, slots=True)
class Coded:
    """A code of a resource, with the systems it may be said to be of; none: it has no system."""

    systems: frozenset[str]
    code: str | None


def codes_of(value: Any) -> list[Coded]:
    """Return the codes of a token parameter's value.

    Source: R4 §3.1.1.4.10, the table of types: Coding, CodeableConcept, Identifier; a ContactPoint
    by its value, without a system; code, boolean, string, uri and id by themselves, a code also
    with the systems of its required binding.
    """
    match kind_of(value):
        case "CodeableConcept":
            found = [one for coding in value.get("coding", ()) for one in codes_of(coding)]
        case "Coding":
            found = [_coded(value.get("system"), value.get("code"))]
        case "Identifier":
            found = [_coded(value.get("system"), value.get("value"))]
        case "ContactPoint":
            found = [_coded(None, value.get("value"))]
        case "boolean":
            found = [_coded(None, "true" if value else "false")]
        case _:
            found = [_implied(value)] if isinstance(value, str) else []
    return found


def _implied(value: Any) -> Coded:
    allowed = getattr(value, "allowed", None) or {}
    systems = frozenset(system for system, codes in allowed.items() if value in codes)
    return Coded(systems, str(value))


def _coded(system: str | None, code: str | None) -> Coded:
    return Coded(frozenset((system,) if system else ()), code)


def meets_token(value: Any, asked: Token) -> bool:
    """Tell whether a token is met: `code`, `system|code`, `|code`, `system|`.

    Source: R4 §3.1.1.4.10.
    """
    phone = kind_of(value) == "ContactPoint" and value.get("system") in PHONES
    return any(_same_token(one, asked, phone=phone) for one in codes_of(value))


def _same_token(one: Coded, asked: Token, *, phone: bool = False) -> bool:
    if asked.system == "" and one.systems:
        return False
    if asked.system and asked.system not in one.systems:
        return False
    if asked.code is None or one.code is None:
        return asked.code is None
    if phone:
        return ours.phone(one.code) == ours.phone(asked.code)
    return one.code == asked.code


def meets_text(value: Any, words: str) -> bool:
    """Tell whether the words of a token are met, as a string is.

    Source: R4 §3.1.1.4.4 and .10 `:text`: the text of a CodeableConcept, the display of a Coding
    (also of those in a CodeableConcept), the text of an Identifier's type.
    """
    match kind_of(value):
        case "CodeableConcept":
            displays = [one.get("display") for one in value.get("coding", ())]
            found = [value.get("text"), *displays]
        case "Coding":
            found = [value.get("display")]
        case "Identifier":
            found = [value.get("type", {}).get("text")]
        case _:
            found = []
    return any(_meets_words({text, *ours.SEPARATORS.split(text)}, words) for text in found if text)


def meets_of_type(value: Any, kind: Token, number: str | None) -> bool:
    """Tell whether an Identifier is of a type, and has this value.

    Source: R4 §3.1.1.4.10 `:of-type`: `system|code|value`, all three are needed.
    """
    if kind_of(value) != "Identifier" or value.get("value") != number:
        return False
    codings = value.get("type", {}).get("coding", ())
    return any(_same_token(_coded(one.get("system"), one.get("code")), kind) for one in codings)


def meets_set(value: Any, value_set: str, member: Member) -> bool:
    """Tell whether a code of a token is in a set of codes, which `member` knows.

    `:in` asks for the value set's address; `:above` and `:below` ask for the sets `above:S|C` and
    `below:S|C` of the concept C of system S (none: of any), the concept itself included.

    Source: R4 §3.1.1.4.4 and .10 `:in`, `:above`, `:below`.
    """
    return any(
        member(system, one.code, value_set)
        for one in codes_of(value)
        if one.code is not None
        for system in (one.systems or {None})
    )


# Addresses


def meets_uri(value: Any, address: str, modifier: str) -> bool:
    """Tell whether a uri is met: exactly, or `below` where it begins with what was asked.

    `above` is the other way round; both hold of URLs alone, not of `urn:`. A canonical that names a
    version is also met without it.

    Source: R4 §3.1.1.4.9 uri (its example: `:below=http://acme.org/fhir/`).
    """
    if not isinstance(value, str):
        return False
    mine = str(value)
    if kind_of(value) == "canonical" and "|" not in address:
        mine = mine.partition("|")[0]
    if modifier == "below":
        return _is_below(mine, address)
    if modifier == "above":
        return _is_below(address, mine)
    return mine == address


def _is_below(lower: str, upper: str) -> bool:
    if lower == upper:
        return True
    return "://" in upper and lower.startswith(upper)


# References


@dataclass(frozen=True, slots=True)
class Target:
    """What a literal reference names: a resource here, or an address elsewhere."""

    type: str = ""
    id: str = ""
    address: str = ""


def target_of(value: Any, base: str) -> Target:
    """Return what a Reference, canonical, uri or url names, without a version.

    `Type/id`, and the same after the server's own address, is here; all else is elsewhere; what is
    contained (`#p`), and a Reference without `reference`, names nothing.
    Source: R4 §3.1.1.4.12 and .13 (references and versions); §2.3.0 literal references.
    """
    text = value.get("reference") if isinstance(value, dict) else value
    if isinstance(value, dict) and "resourceType" in value:  # Bundle.entry[0].resource
        return Target(value["resourceType"], value.get("id", ""))
    if not isinstance(text, str) or text.startswith("#"):
        return Target()
    found = LITERAL.fullmatch(text)
    if found and found[2] in RESOURCES and (not found[1] or found[1] == base.rstrip("/")):
        return Target(found[2], found[3])
    if found and found[2] in RESOURCES:
        return Target(address=text.partition("/_history/")[0])
    return Target(address=text)


def meets_link(value: Any, asked: Link, base: str) -> bool:
    """Tell whether a reference leads where it was asked to. Source: R4 §3.1.1.4.12.

    An address that names no version (`|2.0` of a canonical) is met by any.
    """
    target = target_of(value, base)
    if asked.address:
        mine = target.address
        if "|" not in asked.address and "?" not in mine:
            mine = mine.partition("|")[0]
        return mine == asked.address.partition("/_history/")[0]
    return (
        bool(target.id)
        and target.id == asked.id
        and (not asked.types or target.type in asked.types)
    )


def meets_identifier(value: Any, asked: Token) -> bool:
    """Tell whether a reference is known by an identifier. Source: R4 §3.1.1.4.12 `:identifier`."""
    identifier = value.get("identifier") if isinstance(value, dict) else None
    return identifier is not None and meets_token(identifier, asked)
