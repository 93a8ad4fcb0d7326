"""Texts as a search by string compares them: folded, by their beginnings and by what is in them.

A text is found by the beginning of the whole or of any word in it; a human name also by family and
given name together, and where it has Chinese characters by its pinyin and initials.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.8 string: case, accents, punctuation and white space do not
count; HumanName and Address by any of their text elements. Pinyin is ours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from citycare.kernel.identity import names

SEPARATORS = re.compile(r"[\s··・,,.]+")
NOT_PHONE = re.compile(r"[^0-9A-Za-z@._+]")
BEGINNING_MAX = 16
"""Signs of a beginning that is indexed; more are decided by a recheck."""
LONG_MIN = 500
"""Signs of a lane's texts in one resource beyond which they are not indexed but only marked."""
SILENT = "MPZC"  # categories of Unicode that do not count: marks, punctuation, blanks, controls
ASCII = {
    code: None for code in range(128) if unicodedata.category(chr(code))[0] in SILENT
}  # fmt: skip
IDEOGRAMS = "\u2e80"  # the first sign of scripts where one sign may be a word
PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}
CHINESE = ("\u4e00", "\u9fff")


@lru_cache(maxsize=16_384)
def fold(text: str) -> str:
    """Write a text as it is compared: letters, digits and signs, without case and accents."""
    if text.isascii():
        return text.lower().translate(ASCII)
    wide = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(sign for sign in wide if unicodedata.category(sign)[0] not in SILENT)


def phone(text: str) -> str:
    """Write a phone number as it is compared: `(021) 6407-1234` is `02164071234`."""
    return NOT_PHONE.sub("", text).casefold()


def texts_of(kind: str, value: Any) -> list[str]:
    """Return the texts of a value: of a name or an address, of its elements; not of their use."""
    if isinstance(value, str):
        return [value]
    found: list[str] = []
    for name in PARTS.get(kind, ()):
        inner = value.get(name)
        found += _strings(inner if isinstance(inner, list) else (inner,))
    return found


def _strings(some: Iterable[Any]) -> Iterator[str]:
    return (each for each in some if isinstance(each, str) and each)


def wholes_of(kind: str, value: Any) -> set[str]:
    """Return every whole text, as written, that a value is found by."""
    found = set(texts_of(kind, value))
    if kind == "HumanName":
        family, given = value.get("family"), value.get("given")
        first = "".join(_strings(given if isinstance(given, list) else ()))
        found.add((family if isinstance(family, str) else "") + first)
        for text in tuple(found):
            if not text.isascii() and any(CHINESE[0] <= sign <= CHINESE[1] for sign in text):
                found.update(_sounds(text))
    return found


@lru_cache(maxsize=4_096)
def _sounds(name: str) -> tuple[str, str]:
    return names.pinyin(name)


@lru_cache(maxsize=16_384)
def folded(text: str) -> tuple[str, ...]:
    """Return the whole of a text and each word of it, folded, each once; what is left of them."""
    words = dict.fromkeys((fold(text), *map(fold, SEPARATORS.split(text))))
    return tuple(word for word in words if word)


@lru_cache(maxsize=16_384)
def spaced(text: str) -> str:
    """Return what `folded` does as one text, with a blank between."""
    return " ".join(folded(text))


def beginnings(text: str) -> Iterator[str]:
    """Yield every beginning of a text and of its words, up to BEGINNING_MAX signs."""
    for word in folded(text):
        for length in range(1, min(len(word), BEGINNING_MAX) + 1):
            yield word[:length]


def pieces(whole: str) -> list[str]:
    """Return the pairs of adjacent signs of a folded text, and single signs that may be words."""
    pairs = [whole[at : at + 2] for at in range(len(whole) - 1)]
    return pairs if whole.isascii() else pairs + [sign for sign in whole if sign >= IDEOGRAMS]
