"""Expressions of a form: FHIRPath and FHIR queries, compiled once; others are told, not run.

Source: HL7 FHIR R4 §2.24.0.11 Expression; SDC 3.0.0 "Using expressions" (languages, variables,
`{{…}}` in a query of language application/x-fhir-query).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from citycare.kernel.fhir import path
from citycare.kernel.fhir.forms.model import Json, Sources
from citycare.kernel.fhir.path import Hooks, Path, PathError, PathSyntax, values

FHIRPATH: Final = "text/fhirpath"
QUERY: Final = "application/x-fhir-query"
HOLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)

Items = list[Any]


@dataclass(frozen=True, slots=True)
class Formula:
    """One expression.

    Attributes:
        text: as written.
        name: of the variable it makes, or "".
        path: compiled, if it is FHIRPath.
        query: pieces of a query: texts, and expressions to fill in.
        fault: the code of what is wrong with it, or "".
        near: where, for who wrote it.
    """

    text: str
    name: str = ""
    path: Path | None = None
    query: tuple[str | Path, ...] = ()
    fault: str = ""
    near: str = ""

    def paths(self) -> Iterator[Path]:
        """Yield all compiled expressions in it."""
        if self.path is not None:
            yield self.path
        for piece in self.query:
            if isinstance(piece, Path):
                yield piece


def formula(expression: Any) -> Formula | None:
    """Compile an Expression; None where there is none."""
    if not isinstance(expression, dict):
        return None
    text = expression.get("expression")
    name = expression.get("name")
    label = name if isinstance(name, str) else ""
    if not isinstance(text, str):
        return Formula("", label, fault="expression_syntax", near="no expression")
    language = expression.get("language", FHIRPATH)
    try:
        if language == FHIRPATH:
            return Formula(text, label, path.compiled(text))
        if language == QUERY:
            return Formula(text, label, query=_pieces(text))
    except PathSyntax as error:
        return Formula(text, label, fault="expression_syntax", near=str(error))
    return Formula(text, label, fault="expression_language", near=str(language))


def _pieces(text: str) -> tuple[str | Path, ...]:
    parts = HOLE.split(text)
    return tuple(
        path.compiled(part) if index % 2 else part for index, part in enumerate(parts) if part
    )


class Scope(Mapping[str, Any]):
    """The variables an expression sees: each name is looked for in one mapping after the other."""

    __slots__ = ("mappings",)

    def __init__(self, *mappings: Mapping[str, Any]) -> None:
        """See these mappings, the nearest first."""
        self.mappings = mappings

    def __getitem__(self, name: str) -> Any:
        """Return what the nearest mapping says."""
        for mapping in self.mappings:
            if name in mapping:
                return mapping[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        """Tell whether any mapping knows the name."""
        return any(name in mapping for mapping in self.mappings)

    def __iter__(self) -> Iterator[str]:
        """Yield every name."""
        return iter({name for mapping in self.mappings for name in mapping})

    def __len__(self) -> int:
        """Count the names."""
        return len({name for mapping in self.mappings for name in mapping})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression is evaluated: on which element of which response, when, with what."""

    focus: Json
    resource: Json
    scope: Mapping[str, Any]
    now: datetime | None
    hooks: Hooks
    sources: Sources


def found(made: Formula, place: Place) -> Items:
    """Evaluate an expression.

    Raises:
        PathError: it cannot be evaluated; a fault of the form is one too.
    """
    if made.path is not None:
        return _items(made.path, place)
    if not made.query:
        raise PathError(problem=made.fault or "nothing to evaluate", near=made.near)
    if place.sources.search is None:
        raise PathError(problem="no search is possible here")
    query = "".join(
        piece if isinstance(piece, str) else _filled(piece, place) for piece in made.query
    )
    return [path.Node(each) for each in place.sources.search(query)]


def _items(compiled: Path, place: Place) -> Items:
    return compiled.items(
        place.focus, place.scope, now=place.now, resource=place.resource, hooks=place.hooks
    )


def _filled(compiled: Path, place: Place) -> str:
    """Return what goes into a query: values parted by commas, each written safely."""
    texts = [values.written(values.plain(item)) for item in _items(compiled, place)]
    return ",".join(quote(text, safe="") for text in texts if text is not None)
