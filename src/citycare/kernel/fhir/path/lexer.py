"""Words of a FHIRPath expression. Source: HL7 FHIRPath N1, appendix B (lexical elements)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from citycare.kernel.fhir.path.model import LENGTH_MAX, PathSyntax

SYMBOLS = r"<=|>=|!=|!~|[-+*/&|=~<>.,()\[\]{}%]"
TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\r\n]*|/\*.*?\*/)
    |(?P<time>@T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)
    |(?P<datetime>@\d{4}(?:-\d\d(?:-\d\d)?)?T
        (?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)
    |(?P<date>@\d{4}(?:-\d\d(?:-\d\d)?)?)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<quoted>`(?:[^`\\]|\\.)*`)
    |(?P<string>'(?:[^'\\]|\\.)*')
    |(?P<special>\$(?:this|index|total)\b)
    |(?P<symbol>"""
    + SYMBOLS
    + ")",
    re.DOTALL | re.VERBOSE | re.ASCII,
)
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
ESCAPES = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"} | {each: each for each in "'`\"\\/"}
END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One word: its kind, its text (without quotes and escapes), where it begins."""

    kind: str
    text: str
    at: int


def tokens(expression: str) -> list[Token]:
    """Return the words of an expression, then one of kind END.

    Raises:
        PathSyntax: it is too long, or holds what is no word.
    """
    if len(expression) > LENGTH_MAX:
        raise PathSyntax(problem="expression too long", limit=LENGTH_MAX)
    return [*_tokens(expression), Token(END, "", len(expression))]


def _tokens(expression: str) -> Iterator[Token]:
    place = 0
    while place < len(expression):
        found = TOKEN.match(expression, place)
        if found is None or (found["symbol"] and expression.startswith("/*", place)):
            raise PathSyntax(problem="no word of FHIRPath", at=place, near=_near(expression, place))
        kind = found.lastgroup
        assert kind is not None
        text = found[0]
        if kind in ("quoted", "string"):
            text = _unescaped(text[1:-1], place)
        if kind in ("date", "datetime", "time"):
            text = text[1:]
        if kind != "space":
            yield Token(kind, text, place)
        place = found.end()


def _unescaped(text: str, place: int) -> str:
    def one(found: re.Match[str]) -> str:
        escape = found[1]
        if len(escape) > 1:
            return chr(int(escape[1:], 16))
        if escape not in ESCAPES:
            raise PathSyntax(problem=f"unknown escape \\{escape}", at=place)
        return ESCAPES[escape]

    return ESCAPE.sub(one, text) if "\\" in text else text


def _near(expression: str, place: int) -> str:
    return expression[place : place + 12]
