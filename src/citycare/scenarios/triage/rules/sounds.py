"""Words that sound right and are written wrong: 血红旦白, 勃子疼, 马蜂蛰.

People write with pinyin keyboards, so most typing errors are homophones. A word of four signs or
more is taken for one of the lexicon when every sign sounds the same and at least half are the same;
shorter words sound like too much else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import ahocorasick

SIGNS_MIN = 4
ALIKE_MIN = 0.5
PRIVATE = 0xE000  # Unicode's private area: one sign for each syllable
MIXED_UP = (("^([zcs])h", r"\1"), ("([ie])ng$", r"\1n"))  # zh z, ch c, sh s, in ing, en eng
CHINESE = re.compile(r"[\u4e00-\u9fff]+")


class Sounds:
    """The longer words of a lexicon by their sound; tones count nothing."""

    def __init__(self, words: Iterable[str], sounds: Mapping[str, str]) -> None:
        self._signs = _signs(sounds)
        words_of: dict[str, tuple[str, ...]] = {}
        for word in words:
            if self._signs and len(word) >= SIGNS_MIN and CHINESE.fullmatch(word):
                sound = word.translate(self._signs)
                words_of[sound] = (*words_of.get(sound, ()), word)
        self._automaton = ahocorasick.Automaton()
        for sound, meant in words_of.items():
            self._automaton.add_word(sound, meant)
        self._automaton.make_automaton()

    def find(self, words: str) -> Iterator[tuple[int, int, str]]:
        """Yield (from, to, the word meant) for what is written otherwise than the lexicon does."""
        if not self._automaton:
            return
        for last, meant in self._automaton.iter(words.translate(self._signs)):
            start, end = last + 1 - len(meant[0]), last + 1
            written = words[start:end]
            if written in meant:
                continue
            best = max(meant, key=lambda one: _alike(one, written))
            if _alike(best, written) >= ALIKE_MIN:
                yield start, end, best


def _signs(sounds: Mapping[str, str]) -> dict[int, int]:
    """Map each character to one sign for its syllable; syllables people mix up share it."""
    numbers: dict[str, int] = {}
    signs: dict[int, int] = {}
    for syllable, letters in sounds.items():
        plain = syllable
        for pattern, into in MIXED_UP:
            plain = re.sub(pattern, into, plain)
        number = PRIVATE + numbers.setdefault(plain, len(numbers))
        signs |= dict.fromkeys(map(ord, letters), number)
    return signs


def _alike(one: str, other: str) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
