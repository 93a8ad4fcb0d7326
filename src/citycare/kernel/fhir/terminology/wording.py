"""How concepts are found by words: folded texts, and the pairs of signs in them.

A text filter holds words; each must occur in the code, the display or a designation, anywhere;
Chinese texts are also found by the initials of their pinyin (高血压: gxy).

Source: ours; HL7 FHIR R4 4.0.1, operation ValueSet/$expand, leaves the meaning of `filter` to the
server.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from citycare.kernel.fhir.searching.words import CHINESE, fold, pieces

BETWEEN = "\n"
WORDS_MAX = 10
FILTER_MAX = 100
SIGN_BITS, INT_BITS = 16, 32


def words_of(texts: Iterable[str]) -> str:
    """Return all that a concept is found by, folded, a line each."""
    found: dict[str, None] = {}
    for text in texts:
        found[fold(text)] = None
        if not text.isascii() and any(CHINESE[0] <= sign <= CHINESE[1] for sign in text):
            found[_initials(text)] = None
    return BETWEEN.join(one for one in found if one)


def _initials(text: str) -> str:
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415 - 45 MB of readings, only for writing

    return fold("".join(lazy_pinyin(text, style=Style.FIRST_LETTER)))


def pieces_of(words: str) -> set[int]:
    """Return the pairs of signs in folded lines, as numbers that fit a column."""
    return {_number(piece) for line in words.split(BETWEEN) for piece in pieces(line)}


@lru_cache(maxsize=65_536)
def _number(piece: str) -> int:
    value = 0
    for sign in piece:
        value = (value << SIGN_BITS) ^ ord(sign)  # signs beyond 16 bits may collide: rechecked
    half = 1 << (INT_BITS - 1)
    return (value + half) % (1 << INT_BITS) - half


def filter_words(text: str) -> list[str]:
    """Return the folded words of a filter."""
    return [word for word in map(fold, text[:FILTER_MAX].split()[:WORDS_MAX]) if word]
