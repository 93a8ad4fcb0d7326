"""How one value of letters meets one that was asked for: strings, tokens, addresses, references.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.4 modifiers, .8 string, .9 uri, .10 token, .12 reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from citycare.kernel.fhir.r4 import RESOURCES
from citycare.kernel.fhir.searching import keys, tokens, words
from citycare.kernel.fhir.searching.model import Link, Parts, Token
from citycare.kernel.fhir.searching.walking import Json
from citycare.kernel.fhir.searching.ways import Lane

# Strings


def begins(kind: str, value: Any, asked: str) -> bool:
    """Tell whether a text of a value, or a word in one, begins so, as `words` compares them."""
    return _begins(words.wholes_of(kind, value), words.fold(asked))


def contains(kind: str, value: Any, asked: str) -> bool:
    """Tell whether these signs stand in a text of a value (`:contains`)."""
    wanted = words.fold(asked)
    return any(
        wanted in each for text in words.wholes_of(kind, value) for each in _folded(text)[:1]
    )


def same_text(kind: str, value: Any, asked: str) -> bool:
    """Tell whether a text of a value is this one, to the letter (`:exact`)."""
    return asked in words.texts_of(kind, value)


def _begins(texts: Iterable[str], wanted: str) -> bool:
    return any(word.startswith(wanted) for text in texts for word in _folded(text))


def _folded(text: str) -> tuple[str, ...]:
    """Return the whole of a text first, then its words; those of a long one are not kept."""
    if len(text) <= words.LONG_MIN:
        return words.folded(text)
    fold = words.fold.__wrapped__
    return tuple(filter(None, (fold(text), *map(fold, words.SEPARATORS.split(text)))))


# Tokens


def token_met(lane: Lane, kind: str, value: Any, asked: Token) -> bool:
    """Tell whether a value has this `code`, `system|code`, `|code` or `system|`."""
    match kind:
        case "CodeableConcept":
            codings = tokens.dicts(value.get("coding"))
            return any(_coded(each.get("system"), each.get("code"), asked) for each in codings)
        case "Coding":
            return _coded(value.get("system"), value.get("code"), asked)
        case "Identifier":
            return _coded(value.get("system"), value.get("value"), asked)
        case "ContactPoint":
            return _contact(value, asked)
        case "boolean":
            return _coded("", "true" if value else "false", asked)
    systems = lane.codes.get(value, ("",)) if isinstance(value, str) else ()
    return any(_coded(system, value, asked) for system in systems)


def _coded(system: Any, code: Any, asked: Token) -> bool:
    if asked.system is not None and asked.system != (system if isinstance(system, str) else ""):
        return False
    return asked.code is None or asked.code == code


def _contact(value: Json, asked: Token) -> bool:
    number, system = value.get("value"), value.get("system")
    if asked.system or not isinstance(number, str) or asked.code is None:
        return not asked.system and asked.code is None
    if isinstance(system, str) and system in tokens.PHONES:
        return words.phone(number) == words.phone(asked.code)
    return number == asked.code


def named(kind: str, value: Any, asked: str) -> bool:
    """Tell whether a text or display of a code, or a word in one, begins so (`:text`)."""
    return _begins(_names(kind, value), words.fold(asked))


def _names(kind: str, value: Any) -> Iterator[str]:
    """Yield the texts of a code: of a concept its own and the displays; of an identifier's type."""
    found: list[Any] = []
    if kind == "CodeableConcept":
        codings = tokens.dicts(value.get("coding"))
        found = [value.get("text"), *(each.get("display") for each in codings)]
    elif kind == "Coding":
        found = [value.get("display")]
    elif kind == "Identifier" and isinstance(type_ := value.get("type"), dict):
        found = [type_.get("text")]
    return (each for each in found if isinstance(each, str) and each)


def of_type(kind: str, value: Any, asked: Parts) -> bool:
    """Tell whether an Identifier is of a type, and has this value: Parts of two Tokens."""
    wanted, number = asked.parts
    assert isinstance(wanted, Token)
    assert isinstance(number, Token)
    if kind != "Identifier" or value.get("value") != number.code:
        return False
    type_ = value.get("type")
    codings = tokens.dicts(type_.get("coding")) if isinstance(type_, dict) else []
    return any(_coded(each.get("system"), each.get("code"), wanted) for each in codings)


# Addresses


def same_uri(kind: str, value: Any, asked: str) -> bool:
    """Tell whether an address is this one; a canonical that names a version is met without it."""
    return _bare(kind, value, asked) == asked


def below(kind: str, value: Any, asked: str) -> bool:
    """Tell whether an address is this one or begins so; of `urn:` nothing is below."""
    return _is_below(_bare(kind, value, asked), asked)


def above(kind: str, value: Any, asked: str) -> bool:
    """Tell whether an address is this one or its beginning; of `urn:` nothing is above."""
    return _is_below(asked, _bare(kind, value, asked))


def _is_below(lower: str, upper: str) -> bool:
    return lower == upper or ("://" in upper and lower.startswith(upper))


def _bare(kind: str, value: Any, asked: str) -> str:
    text = value if isinstance(value, str) else ""
    return text.partition("|")[0] if kind == "canonical" and "|" not in asked else text


# References


def leads(value: Any, asked: Link, base: str) -> bool:
    """Tell whether a Reference, an address or an entry of a Bundle leads or is what was asked for.

    Args:
        value: JSON of it.
        asked: `types` empty: of any type.
        base: the server's own address.
    """
    text = value
    if isinstance(value, dict):
        if "resourceType" in value:
            return is_asked((value["resourceType"], value.get("id")), asked)
        text = value.get("reference")
    if not isinstance(text, str) or text[:1] == "#":
        return False
    return (
        _leads_out(text, asked.address, base) if asked.address else _leads_here(text, asked, base)
    )


def _leads_here(text: str, asked: Link, base: str) -> bool:
    if asked.id not in text:  # which spares most the regular expression
        return False
    here = keys.target_of(text, base)
    return here is not None and is_asked(here, asked)


def is_asked(here: tuple[Any, Any], asked: Link) -> bool:
    """Tell whether a type and id of a resource here are what was asked for."""
    return not asked.address and here[1] == asked.id and here[0] in (asked.types or here[:1])


def _leads_out(text: str, asked: str, base: str) -> bool:
    """Tell whether a text is an address elsewhere, whatever version of a resource it names.

    Asked without the version of a canonical (`|2`), it is met by any.
    """
    wanted = asked.partition("/_history/")[0]
    if wanted not in text or keys.target_of(text, base) is not None:
        return False
    literal = keys.LITERAL.fullmatch(text)
    if literal is not None and literal["type"] in RESOURCES:
        text = text.partition("/_history/")[0]
    elif "|" not in wanted and "?" not in text:
        text = text.partition("|")[0]
    return text == wanted


def identified(value: Any, asked: Token) -> bool:
    """Tell whether a Reference names an identifier (`:identifier`)."""
    if not isinstance(value, dict) or "resourceType" in value:
        return False
    number = value.get("identifier")
    return isinstance(number, dict) and _coded(number.get("system"), number.get("value"), asked)
