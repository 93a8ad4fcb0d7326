"""The parts of a parsed FHIRPath expression. Source: HL7 FHIRPath N1, appendix B (grammar)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Const:
    """A literal; `{}` has no values."""

    values: tuple[Any, ...]
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Special:
    """`$this`, `$index` or `$total`."""

    name: str
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Variable:
    """`%name`."""

    name: str
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Member:
    """`target.name`; without target the name stands alone and is looked for in `$this`."""

    target: Ast | None
    name: str
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Call:
    """`target.name(args)`."""

    target: Ast | None
    name: str
    args: tuple[Ast, ...]
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Index:
    """`target[at]`."""

    target: Ast
    at: Ast
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Unary:
    """`-right` or `+right`."""

    operator: str
    right: Ast
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`."""

    operator: str
    left: Ast
    right: Ast
    depth: int = 1


@dataclass(frozen=True, slots=True)
class OfType:
    """`left is Type` or `left as Type`; the namespace is "" where none is written."""

    operator: str
    left: Ast
    namespace: str
    name: str
    depth: int = 1


Ast = Const | Special | Variable | Member | Call | Index | Unary | Binary | OfType


def parts(ast: Ast) -> Iterator[Ast]:
    """Yield what an expression is made of, one level down."""
    match ast:
        case Member(target=target):
            if target is not None:
                yield target
        case Call(target=target, args=args):
            if target is not None:
                yield target
            yield from args
        case Index(target=target, at=at):
            yield target
            yield at
        case Unary(right=right):
            yield right
        case Binary(left=left, right=right):
            yield left
            yield right
        case OfType(left=left):
            yield left
