"""A Pratt parser for FHIRPath: binding powers instead of one rule for each level.

`is` and `as` bind looser than `|` and `<`, as N1 and its test suite (testPrecedence3, 4) have it;
the 3.0.0 grammar turned that round, so brackets are wise there.
Source: HL7 FHIRPath N1, appendix B (grammar) and §6.8 operator precedence.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final

from citycare.kernel.fhir.path import temporal, types
from citycare.kernel.fhir.path.lexer import END, Token, tokens
from citycare.kernel.fhir.path.model import DEPTH_MAX, NESTING_MAX, PathSyntax
from citycare.kernel.fhir.path.quantity import CALENDAR_WORDS, Quantity, unit_of
from citycare.kernel.fhir.path.syntax import (
    Ast,
    Binary,
    Call,
    Const,
    Index,
    Member,
    OfType,
    Special,
    Unary,
    Variable,
)

POWERS: Final = {
    word: power
    for power, words in enumerate(
        (
            "implies",
            "or xor",
            "and",
            "in contains",
            "= ~ != !~",
            "is as",
            "> < >= <=",
            "|",
            "+ - &",
            "* / div mod",
        ),
        1,
    )
    for word in words.split()
}
PREFIX: Final = 11  # binds tighter than every operator between two, looser than `.` and `[`
NAMES: Final = ("as", "contains", "in", "is")  # words that may be names as well
RESERVED: Final = frozenset(("and", "div", "implies", "mod", "or", "xor", "true", "false"))
KINDS: Final = {"date": temporal.DATE, "datetime": temporal.DATE_TIME, "time": temporal.TIME}


@lru_cache(maxsize=4_096)
def parse(expression: str) -> Ast:
    """Return the parts of an expression.

    Raises:
        PathSyntax: it is none; the facts name the place and what stands there.
    """
    parser = _Parser(tokens(expression))
    ast = parser.expression(0)
    if parser.next.kind != END:
        raise parser.unexpected()
    return ast


class _Parser:
    """Reads words from left to right."""

    __slots__ = ("nesting", "place", "words")

    def __init__(self, words: list[Token]) -> None:
        """Begin at the first word."""
        self.words = words
        self.place = 0
        self.nesting = 0

    @property
    def next(self) -> Token:
        return self.words[self.place]

    def unexpected(self) -> PathSyntax:
        word = self.next
        return PathSyntax(problem="not expected here", near=word.text or word.kind, at=word.at)

    def take(self, symbol: str) -> None:
        if not self.at(symbol):
            raise self.unexpected()
        self.place += 1

    def at(self, symbol: str) -> bool:
        return self.next.kind == "symbol" and self.next.text == symbol

    def expression(self, above: int) -> Ast:
        """Read an expression whose operators all bind tighter than `above`."""
        self.nesting += 1
        if self.nesting > NESTING_MAX:
            raise PathSyntax(problem="nested too deeply", limit=NESTING_MAX, at=self.next.at)
        left = self.first()
        while True:
            word = self.next
            if self.at(".") or self.at("["):
                left = self.postfix(left)
                continue
            power = POWERS.get(word.text, 0) if word.kind in ("symbol", "name") else 0
            if power <= above:
                break
            self.place += 1
            left = self.binary(left, word, power)
        self.nesting -= 1
        return left

    def binary(self, left: Ast, word: Token, power: int) -> Ast:
        if word.text in ("is", "as"):
            namespace, name = self.type_name()
            return OfType(word.text, left, namespace, name, self.deeper(left))
        right = self.expression(power)
        return Binary(word.text, left, right, self.deeper(left, right))

    def deeper(self, *below: Ast) -> int:
        depth = 1 + max((each.depth for each in below), default=0)
        if depth > DEPTH_MAX:
            raise PathSyntax(problem="too many steps", limit=DEPTH_MAX, at=self.next.at)
        return depth

    def postfix(self, left: Ast) -> Ast:
        if self.at("["):
            self.take("[")
            inner = self.expression(0)
            self.take("]")
            return Index(left, inner, self.deeper(left, inner))
        self.take(".")
        if self.next.kind == "special":
            raise self.unexpected()
        return self.named(left)

    def first(self) -> Ast:
        """Read what an expression can begin with."""
        word = self.next
        if word.kind in ("string", "number", *KINDS):
            return self.literal()
        if word.kind == "name" and word.text in ("true", "false"):
            return self.literal()
        if word.kind == "special":
            self.place += 1
            return Special(word.text)
        if word.kind == "symbol":
            return self.symbol(word)
        return self.named(None)

    def symbol(self, word: Token) -> Ast:
        if word.text in ("+", "-"):
            self.place += 1
            right = self.expression(PREFIX)
            return Unary(word.text, right, self.deeper(right))
        if word.text == "(":
            self.take("(")
            inner = self.expression(0)
            self.take(")")
            return inner
        if word.text == "{":
            self.take("{")
            self.take("}")
            return Const(())
        if word.text == "%":
            self.take("%")
            name = self.next
            if name.kind not in ("name", "quoted", "string"):
                raise self.unexpected()
            self.place += 1
            return Variable(name.text)
        raise self.unexpected()

    def name(self) -> str:
        word = self.next
        if word.kind == "quoted" or (word.kind == "name" and self.is_name(word.text)):
            self.place += 1
            return word.text
        raise self.unexpected()

    @staticmethod
    def is_name(text: str) -> bool:
        return text in NAMES or (text not in RESERVED and text not in POWERS)

    def named(self, target: Ast | None) -> Ast:
        name = self.name()
        if not self.at("("):
            return Member(target, name, self.deeper(*([] if target is None else [target])))
        self.take("(")
        args: list[Ast] = []
        while not self.at(")"):
            if args:
                self.take(",")
            args.append(self.expression(0))
        self.take(")")
        below = [*([] if target is None else [target]), *args]
        return Call(target, name, tuple(args), self.deeper(*below))

    def type_name(self) -> tuple[str, str]:
        name = self.name()
        if self.at(".") and name in ("FHIR", "System"):
            self.take(".")
            return checked_type(name, self.name())
        return checked_type("", name)

    def literal(self) -> Ast:
        word = self.next
        self.place += 1
        if word.kind == "string":
            return Const((word.text,))
        if word.kind == "name":
            return Const((word.text == "true",))
        if word.kind == "number":
            return Const((self.number(word),))
        value = temporal.read(word.text, KINDS[word.kind])
        if value is None:
            raise PathSyntax(problem="no such date or time", near=word.text, at=word.at)
        return Const((value,))

    def number(self, word: Token) -> int | Decimal | Quantity:
        following = self.next
        if following.kind == "string":
            self.place += 1
            return Quantity(Decimal(word.text), unit_of(following.text))
        if following.kind == "name" and following.text in CALENDAR_WORDS:
            self.place += 1
            return Quantity(Decimal(word.text), unit_of(following.text))
        return Decimal(word.text) if "." in word.text else int(word.text)


def checked_type(namespace: str, name: str) -> tuple[str, str]:
    """Return the name of a type, if there is one.

    Raises:
        PathSyntax: there is none of this name.
    """
    if not types.known(namespace, name) and namespace != "System":
        raise PathSyntax(problem="no such type", near=f"{namespace}.{name}".strip("."))
    return namespace, name
