"""Search terms: a resource becomes a list of short strings `name=value`, kept in a GIN index.

A token gives `system|code` and `code`; a reference `Type/id`; a name every beginning of each of
its words, and of its pinyin, so that one exact look-up answers "starts with". The same functions
read search values, so both sides agree by construction.
Source: HL7 FHIR R4 §3.1.1.4 (string, token, reference search).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from citycare.kernel.fhir import dates
from citycare.kernel.fhir.definitions import DATES, DEFINITIONS, Definition, Kind, Param
from citycare.kernel.identity import names

TERM_BYTES_MAX = 400
PREFIX_MAX = 16
WORD_MAX = 128
SEPARATORS = re.compile(r"[\s··・,,.]+")
NOT_PHONE = re.compile(r"[^0-9A-Za-z@._+]")
HISTORY = re.compile(r"/_history/[^/]*$")

Extract = Callable[[dict[str, Any], set[str]], None]
Date = Callable[[dict[str, Any]], dates.Span | None]


def term(name: str, value: str) -> str:
    """Write one term; a very long value is replaced by its hash, so that the index takes it."""
    text = f"{name}={value}"
    if len(text) * 4 > TERM_BYTES_MAX and len(text.encode()) > TERM_BYTES_MAX:
        return f"{name}=#{hashlib.sha256(value.encode()).hexdigest()}"
    return text


def fold(text: str) -> str:
    """Write a word as it is compared: no case, no accents, no full-width forms, no spaces."""
    if not text.isascii():
        wide = unicodedata.normalize("NFKD", text)
        text = "".join(char for char in wide if not unicodedata.combining(char))
    return SEPARATORS.sub("", text.casefold())


def phone(text: str) -> str:
    """Write a phone number as it is compared: `(021) 6407-1234` is `02164071234`."""
    return NOT_PHONE.sub("", text).casefold()


def nodes(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    """Walk a path through objects and arrays; missing steps give nothing."""
    if isinstance(value, list):
        for item in value:
            yield from nodes(item, steps)
    elif not steps:
        if value is not None:
            yield value
    elif isinstance(value, dict) and steps[0] in value:
        yield from nodes(value[steps[0]], steps[1:])


def picked(value: Any, steps: tuple[str, ...]) -> list[Any]:
    """Walk a path like `nodes`, at once: the writing of terms is on the way of every booking."""
    found = [value]
    for step in steps:
        deeper: list[Any] = []
        for one in found:
            below = one.get(step) if isinstance(one, dict) else None
            if isinstance(below, list):
                deeper += below
            elif below is not None:
                deeper.append(below)
        found = deeper
    return found


def _token(name: str, value: Any) -> Iterator[str]:
    """Identifier, CodeableConcept, Coding."""
    if not isinstance(value, dict):
        return
    if "coding" in value:
        for coding in nodes(value["coding"], ()):
            yield from _token(name, coding)
    code = value.get("value", value.get("code"))
    if isinstance(code, str):
        yield term(name, f"{value.get('system', '')}|{code}")
        yield term(name, code)


def _code(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield term(name, value)


def _reference(name: str, value: Any) -> Iterator[str]:
    target = value.get("reference") if isinstance(value, dict) else None
    if isinstance(target, str) and not target.startswith("#"):
        yield term(name, HISTORY.sub("", target) if "/_h" in target else target)


def _phone(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value.get("system") == "phone":
        number = value.get("value")
        if isinstance(number, str):
            yield term(name, phone(number))


def prefixes(name: str, word: str) -> Iterator[str]:
    """Every beginning of a word up to PREFIX_MAX, and the whole of a longer one."""
    word = fold(word)[:WORD_MAX]
    for length in range(1, min(len(word), PREFIX_MAX) + 1):
        yield term(name, word[:length])
    if len(word) > PREFIX_MAX:
        yield term(name, word)


def _string(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        for word in {value, *SEPARATORS.split(value)}:
            yield from prefixes(name, word)


def _human(name: str, value: Any) -> Iterator[str]:
    """HumanName: text, its words, family, each given, family with given; pinyin and initials."""
    if not isinstance(value, dict):
        return
    family = value.get("family", "")
    given = [part for part in nodes(value.get("given"), ()) if isinstance(part, str)]
    words = {str(value.get("text", "")), str(family), *given, str(family) + "".join(given)}
    for word in set(words):
        if any("\u4e00" <= char <= "\u9fff" for char in word):
            words.update(names.pinyin(word))
        words.update(SEPARATORS.split(word))
    for word in words:
        yield from prefixes(name, word)


WRITE: dict[Kind, Callable[[str, Any], Iterator[str]]] = {
    Kind.TOKEN: _token,
    Kind.CODE: _code,
    Kind.REFERENCE: _reference,
    Kind.STRING: _string,
    Kind.HUMAN: _human,
    Kind.PHONE: _phone,
}


def _compile_param(param: Param) -> Extract:
    write = WRITE[param.kind]
    paths = [tuple(path.split(".")) for path in param.paths]

    def extract(resource: dict[str, Any], into: set[str]) -> None:
        for path in paths:
            for value in picked(resource, path):
                into.update(write(param.code, value))

    return extract


def _compile(definition: Definition) -> tuple[Extract, Date]:
    parts = [
        _compile_param(param)
        for param in definition.params
        if param.paths and param.kind not in DATES
    ]
    main = definition.date
    element = main.paths[0] if main else None
    span = dates.instant if main and main.kind is Kind.INSTANT else dates.span_of_element

    def extract(resource: dict[str, Any], into: set[str]) -> None:
        for part in parts:
            part(resource, into)

    def date(resource: dict[str, Any]) -> dates.Span | None:
        if element is None or element not in resource:
            return None
        return span(resource[element])

    return extract, date


COMPILED = {name: _compile(definition) for name, definition in DEFINITIONS.items()}


def terms_of(resource: dict[str, Any]) -> list[str]:
    """Return the terms of a resource, each once; types without a definition have none."""
    found: set[str] = set()
    compiled = COMPILED.get(resource["resourceType"])
    if compiled is not None:
        compiled[0](resource, found)
    return list(found)


def date_of(resource: dict[str, Any]) -> dates.Span | None:
    """Return the span of the type's main date, or None when it has none.

    Raises:
        ValueError: the element is not a date.
    """
    compiled = COMPILED.get(resource["resourceType"])
    return compiled[1](resource) if compiled is not None else None
