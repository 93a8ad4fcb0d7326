"""Reads a regular expression into its parts; refuses what `regex` cannot follow.

Source: the grammar shared by Perl, Java and ECMAScript, as far as `regex` says it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from citycare.kernel.fhir.path.model import PathError

PATTERN_MAX = 1_000
GROUPS_MAX = 50
NESTING_MAX = 30
REPEATS_MAX = 1_000

Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Chars:
    """One character that passes a test."""

    test: Test


@dataclass(frozen=True, slots=True)
class Assertion:
    """A place: `^`, `$`, `b` (edge of a word) or `B`."""

    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """Brackets; without number they capture nothing."""

    part: Part
    number: int | None


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """The first that leads to a match."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Again and again; `most` None has no end."""

    part: Part
    least: int
    most: int | None
    lazy: bool


Part = Chars | Assertion | Group | Sequence | Alternatives | Repeat

DIGITS: Final = frozenset("0123456789")
WORDS: Final = DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
SPACES: Final = frozenset(" \t\n\r\f\v\u00a0\u2028\u2029\ufeff\u3000")
CLASSES: Final[dict[str, frozenset[str]]] = {"d": DIGITS, "w": WORDS, "s": SPACES}
CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
HEX: Final = {"x": 2, "u": 4}
COUNTS: Final = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def is_word(char: str) -> bool:
    r"""Tell whether `\w` matches."""
    return char in WORDS


def read(pattern: str) -> tuple[Part, int]:
    """Return the parts of a pattern and how many groups it has.

    Raises:
        PathError: it is not understood, refused or too long.
    """
    if len(pattern) > PATTERN_MAX:
        raise PathError(problem="regular expression too long", limit=PATTERN_MAX)
    reader = _Reader(pattern)
    part = reader.alternatives()
    if reader.place < len(pattern):
        raise reader.wrong("a bracket that was not opened")
    return part, reader.groups


def _any(_: str) -> bool:
    return True


def _is(char: str) -> Chars:
    return Chars(char.__eq__)


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        """Begin at the first character."""
        self.pattern = pattern
        self.place = 0
        self.groups = 0
        self.nesting = 0

    def wrong(self, what: str) -> PathError:
        return PathError(problem=f"regular expression: {what}", at=self.place)

    def peek(self) -> str:
        return self.pattern[self.place : self.place + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise self.wrong("it ends too early")
        self.place += 1
        return char

    def skip(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.place)
        if found:
            self.place += len(text)
        return found

    def alternatives(self) -> Part:
        parts = [self.sequence()]
        while self.skip("|"):
            parts.append(self.sequence())
        return parts[0] if len(parts) == 1 else Alternatives(tuple(parts))

    def sequence(self) -> Part:
        parts: list[Part] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated(self.atom()))
        return Sequence(tuple(parts))

    def repeated(self, part: Part) -> Part:
        count = self.count()
        if count is None:
            return part
        if isinstance(part, Assertion):
            raise self.wrong("a place cannot be repeated")
        lazy = self.skip("?")
        if self.peek() in ("*", "+", "?") or self.count() is not None:
            raise self.wrong("two counts in a row")
        return Repeat(part, *count, lazy)

    def count(self) -> tuple[int, int | None] | None:
        char = self.peek()
        if char in COUNTS and char:
            self.place += 1
            return COUNTS[char]
        if char != "{":
            return None
        end = self.pattern.find("}", self.place)
        least, comma, most = self.pattern[self.place + 1 : max(end, 0)].partition(",")
        if not _is_number(least) or (most and not _is_number(most)):
            return None  # a bracket that means itself
        self.place = end + 1
        low = int(least)
        high = (int(most) if most else None) if comma else low
        if low > REPEATS_MAX or (high is not None and not low <= high <= REPEATS_MAX):
            raise self.wrong("a count out of range")
        return low, high

    def atom(self) -> Part:
        char = self.take()
        if char == "(":
            return self.group()
        if char == "[":
            return Chars(self.chars())
        if char == ".":
            return Chars(_any)
        if char in ("^", "$"):
            return Assertion(char)
        if char == "\\":
            return self.escape()
        if char in COUNTS:
            raise self.wrong("nothing to repeat")
        return _is(char)

    def group(self) -> Part:
        self.nesting += 1
        number = None
        if self.skip("?"):
            if not self.skip(":"):
                raise self.wrong("looking ahead or behind and named groups are not supported")
        else:
            self.groups += 1
            number = self.groups
        if self.nesting > NESTING_MAX or self.groups > GROUPS_MAX:
            raise self.wrong("too many groups")
        part = self.alternatives()
        if not self.skip(")"):
            raise self.wrong("a bracket that is not closed")
        self.nesting -= 1
        return Group(part, number)

    def escape(self) -> Part:
        char = self.peek()
        if char in ("b", "B"):
            self.place += 1
            return Assertion(char)
        found = self.escaped()
        return Chars(found) if callable(found) else _is(found)

    def escaped(self) -> str | Test:
        r"""Read what follows a backslash: a character, or a test of `\d` and its like."""
        char = self.take()
        if char.lower() in CLASSES:
            return _of(CLASSES[char.lower()], negated=char.isupper())
        if char in CONTROLS:
            return CONTROLS[char]
        if char in HEX:
            digits = self.pattern[self.place : self.place + HEX[char]]
            self.place += len(digits)
            if len(digits) < HEX[char] or not set(digits) <= set("0123456789abcdefABCDEF"):
                raise self.wrong("not a character's number")
            return chr(int(digits, 16))
        if char.isalnum() and char.isascii():
            raise self.wrong(f"\\{char} is not supported")
        return char

    def chars(self) -> Test:
        """Read a class of characters after its `[`."""
        negated = self.skip("^")
        singles: set[str] = set()
        ranges: list[tuple[str, str]] = []
        tests: list[Test] = []
        first = True
        while first or not self.skip("]"):
            first = False
            low = self.class_member()
            if callable(low):
                tests.append(low)
                continue
            ahead = self.pattern[self.place : self.place + 2]
            if len(ahead) < 2 or ahead[0] != "-" or ahead[1] == "]":  # noqa: PLR2004 - a range
                singles.add(low)
                continue
            self.place += 1
            high = self.class_member()
            if callable(high) or high < low:
                raise self.wrong("a range the wrong way round")
            ranges.append((low, high))

        def test(char: str) -> bool:
            found = (
                char in singles
                or any(low <= char <= high for low, high in ranges)
                or any(one(char) for one in tests)
            )
            return found != negated

        return test

    def class_member(self) -> str | Test:
        char = self.take()
        if char == "[" and self.peek() == ":":
            raise self.wrong("named classes are not supported")
        return self.escaped() if char == "\\" else char


def _of(chars: frozenset[str], *, negated: bool) -> Test:
    def test(char: str) -> bool:
        return (char in chars) != negated

    return test


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 6  # noqa: PLR2004 - no need of more
