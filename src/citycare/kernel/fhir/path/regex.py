r"""Regular expressions in time proportional to pattern times text, whatever the pattern.

A backtracking engine (Python's `re`) can take years over `(a+)+$`. This one follows all ways at
once (Thompson 1968, Pike's machine), so a pattern from a form cannot hold the program up. What
cannot be done that way, or is not here, is refused: back references, looking ahead or behind,
atomic groups. Known: literals, `.`, `[...]`, `\d \w \s \b` and their opposites, `\t \n \r \f \v
\xhh \uhhhh`, `^ $`, groups (also `(?:...)`), `|`, `* + ? {n} {n,} {n,m}` and their lazy forms.
`.` matches line ends as well (N1 §5.6.8: single line mode); `\d \w \s` are ASCII.
Limits: pattern 1,000 characters, program 5,000 instructions, text 100,000 characters, 3,000,000
steps of the machine (a second or two; forms' patterns take microseconds).
Source: HL7 FHIRPath N1 §5.6.8 matches, §5.6.9 replaceMatches; K. Thompson, "Regular expression
search algorithm", CACM 11(6), 1968.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from citycare.kernel.fhir.path.model import TEXT_MAX, PathError, text_within
from citycare.kernel.fhir.path.patterns import (
    Alternatives,
    Assertion,
    Chars,
    Group,
    Part,
    Repeat,
    Sequence,
    is_word,
    read,
)

PROGRAM_MAX = 5_000
TEXT_LENGTH_MAX = 100_000
WORK_MAX = 3_000_000

CHAR, SPLIT, JUMP, SAVE, ASSERT, MATCH = range(6)
Saved = tuple[int, ...]


@dataclass(slots=True)
class Instruction:
    """One step of the machine: what, where next (and where else), a group's slot, a test."""

    kind: int
    next: int = 0
    other: int = 0
    test: Callable[[str], bool] | None = None
    assertion: str = ""


class Work:
    """Counts what one call does."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        """Begin with nothing."""
        self.done = 0

    def spend(self, steps: int) -> None:
        """Count steps.

        Raises:
            PathError: it takes too many.
        """
        self.done += steps
        if self.done > WORK_MAX:
            raise PathError(problem="too much work for a regular expression", limit=WORK_MAX)


class Program:
    """A compiled pattern."""

    __slots__ = ("adds", "code", "groups")

    def __init__(self, pattern: str) -> None:
        """Compile a pattern.

        Raises:
            PathError: it is not understood, refused or too long.
        """
        part, self.groups = read(pattern)
        self.code: list[Instruction] = []
        self.adds = 0
        self._save(0)
        self._add(part)
        self._save(1)
        self.code.append(Instruction(MATCH))

    def _emit(self, made: Instruction) -> int:
        if len(self.code) >= PROGRAM_MAX:
            raise PathError(problem="regular expression too big", limit=PROGRAM_MAX)
        self.code.append(made)
        made.next = len(self.code)
        return len(self.code) - 1

    def _save(self, slot: int) -> None:
        self._emit(Instruction(SAVE, other=slot))

    def _add(self, part: Part) -> None:
        self.adds += 1
        if self.adds > PROGRAM_MAX * 4:  # counts of nothing, as in (?:){1000}, add no instruction
            raise PathError(problem="regular expression too big", limit=PROGRAM_MAX)
        match part:
            case Chars(test=test):
                self._emit(Instruction(CHAR, test=test))
            case Assertion(name=name):
                self._emit(Instruction(ASSERT, assertion=name))
            case Group(part=inner, number=number):
                if number is None:
                    self._add(inner)
                else:
                    self._save(2 * number)
                    self._add(inner)
                    self._save(2 * number + 1)
            case Sequence(parts=inners):
                for inner in inners:
                    self._add(inner)
            case Alternatives(parts=inners):
                self._add_alternatives(inners)
            case Repeat():
                self._add_repeat(part)

    def _add_alternatives(self, parts: tuple[Part, ...]) -> None:
        ends = []
        for inner in parts[:-1]:
            split = self._emit(Instruction(SPLIT))
            self._add(inner)
            ends.append(self._emit(Instruction(JUMP)))
            self.code[split].other = len(self.code)
        self._add(parts[-1])
        for end in ends:
            self.code[end].next = len(self.code)

    def _add_repeat(self, part: Repeat) -> None:
        for _ in range(part.least):
            self._add(part.part)
        if part.most is None:
            split = self._emit(Instruction(SPLIT))
            self._add(part.part)
            self.code[self._emit(Instruction(JUMP))].next = split
            self._fork(split, part.lazy)
            return
        splits = []
        for _ in range(part.most - part.least):
            splits.append(self._emit(Instruction(SPLIT)))
            self._add(part.part)
        for split in splits:
            self._fork(split, part.lazy)

    def _fork(self, split: int, lazy: bool) -> None:  # noqa: FBT001 - a property of the repeat
        """Let a split try what follows it first, or the end of the repeat, if it is lazy."""
        inside, after = split + 1, len(self.code)
        self.code[split].next, self.code[split].other = (after, inside) if lazy else (inside, after)

    def search(
        self, text: str, work: Work, start: int = 0, *, anchored: bool = False
    ) -> Saved | None:
        """Return where the leftmost match and its groups begin and end (-1: took no part).

        Args:
            text: what to look in.
            work: counts the steps.
            start: where to begin looking.
            anchored: it must begin there.

        Raises:
            PathError: text too long, or too many steps.
        """
        if len(text) > TEXT_LENGTH_MAX:
            raise PathError(problem="text too long for a regular expression", limit=TEXT_LENGTH_MAX)
        best: Saved | None = None
        nothing = (-1,) * (2 * self.groups + 2)
        threads: dict[int, Saved] = {}
        for place in range(start, len(text) + 1):
            if best is None and (place == start or not anchored):
                work.spend(self._follow(threads, 0, nothing, text, place))
            if not threads:
                if best is not None or anchored:
                    break
                continue
            char = text[place] if place < len(text) else ""
            following: dict[int, Saved] = {}
            for at, saved in threads.items():
                made = self.code[at]
                if made.kind == MATCH:
                    best = saved
                    break  # threads behind it are of lower priority
                if char and made.test is not None and made.test(char):
                    work.spend(self._follow(following, made.next, saved, text, place + 1))
            work.spend(len(threads))
            threads = following
        return best

    def _follow(
        self, threads: dict[int, Saved], at: int, saved: Saved, text: str, place: int
    ) -> int:
        """Add a thread and all it reaches without a character, best first; count the steps."""
        seen: set[int] = set()
        stack = [(at, saved)]
        while stack:
            at, saved = stack.pop()
            if at in seen or at in threads:
                continue
            seen.add(at)
            made = self.code[at]
            if made.kind == JUMP:
                stack.append((made.next, saved))
            elif made.kind == SPLIT:
                stack.append((made.other, saved))
                stack.append((made.next, saved))
            elif made.kind == SAVE:
                slot = made.other
                stack.append((made.next, (*saved[:slot], place, *saved[slot + 1 :])))
            elif made.kind == ASSERT:
                if _holds(made.assertion, text, place):
                    stack.append((made.next, saved))
            else:
                threads[at] = saved
        return len(seen) + 1


def _holds(assertion: str, text: str, place: int) -> bool:
    if assertion == "^":
        return place == 0
    if assertion == "$":
        return place == len(text)
    before = place > 0 and is_word(text[place - 1])
    after = place < len(text) and is_word(text[place])
    return (before != after) == (assertion == "b")


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Program:
    """Return the program of a pattern.

    Raises:
        PathError: it is not understood, refused or too long.
    """
    return Program(pattern)


def matches(pattern: str, text: str, work: Work | None = None) -> bool:
    """Tell whether a part of the text matches; `work` counts what it took."""
    return compiled(pattern).search(text, work or Work()) is not None


def matches_full(pattern: str, text: str, work: Work | None = None) -> bool:
    """Tell whether the whole text matches."""
    compiled(pattern)  # what is wrong by itself is not put right by brackets round it
    program = compiled(f"^(?:{pattern})$")
    return program.search(text, work or Work(), anchored=True) is not None


def replaced(pattern: str, text: str, substitution: str, work: Work | None = None) -> str:
    r"""Replace every match; `$1` is a group, `$0` the match, `\$` a dollar sign."""
    if not pattern:
        return text
    program = compiled(pattern)
    pieces = _pieces(substitution, program.groups)
    out: list[str] = []
    place = length = 0
    work = work or Work()
    while place <= len(text):
        found = program.search(text, work, place)
        if found is None:
            break
        begin, end = found[0], found[1]
        fresh = [text[place:begin]]
        fresh += [
            piece if isinstance(piece, str) else text[found[2 * piece] : found[2 * piece + 1]]
            for piece in pieces
        ]
        if end == begin:
            fresh.append(text[begin : begin + 1])
        length += sum(map(len, fresh))
        if length > TEXT_MAX:
            raise PathError(problem="text too long", limit=TEXT_MAX)
        out += fresh
        place = end if end > begin else begin + 1
    return text_within("".join([*out, text[place:]]))


DIGITS: Final = "0123456789"


def _pieces(substitution: str, groups: int) -> list[str | int]:
    found: list[str | int] = []
    place = 0
    while place < len(substitution):
        char = substitution[place]
        following = substitution[place + 1 : place + 2]
        if char == "\\" and following in ("$", "\\"):
            found.append(following)
            place += 2
        elif char == "$" and following and following in DIGITS:
            number = int(following)
            if number > groups:
                raise PathError(problem="no such group in the regular expression", group=number)
            found.append(number)
            place += 2
        else:
            found.append(char)
            place += 1
    return found
