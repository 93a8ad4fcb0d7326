"""What a request asks for, as values.

Source: HL7 FHIR R4 4.0.1 §3.1.0 RESTful API; OperationOutcome; RFC 7240 (Prefer).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """Interactions, by the names R4 has for them."""

    READ = "read"
    VREAD = "vread"
    UPDATE = "update"
    CONDITIONAL_UPDATE = "conditional-update"
    PATCH = "patch"
    CONDITIONAL_PATCH = "conditional-patch"
    DELETE = "delete"
    CONDITIONAL_DELETE = "conditional-delete"
    CREATE = "create"
    CONDITIONAL_CREATE = "conditional-create"
    SEARCH_TYPE = "search-type"
    SEARCH_SYSTEM = "search-system"
    SEARCH_COMPARTMENT = "search-compartment"
    HISTORY_INSTANCE = "history-instance"
    HISTORY_TYPE = "history-type"
    HISTORY_SYSTEM = "history-system"
    BATCH = "batch-or-transaction"
    CAPABILITIES = "capabilities"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class Interaction:
    """What a method and an address ask for.

    Attributes:
        kind: which interaction.
        type: resource type, `""` for the whole system and for every type of a compartment.
        id: of the resource; of a compartment: of the resource it is of.
        version: of a vread.
        compartment: type of the compartment that is searched.
        operation: name without `$`.
        query: what followed `?`, as written: criteria, parameters of a search or an operation.
        posted: a search whose parameters are also in the body, as a form.
    """

    kind: Kind
    type: str = ""
    id: str = ""
    version: str = ""
    compartment: str = ""
    operation: str = ""
    query: str = ""
    posted: bool = False


class Format(StrEnum):
    """Media types that answers are written as; the text is the same."""

    FHIR_JSON = "application/fhir+json"
    JSON = "application/json"


class Body(StrEnum):
    """What a body holds."""

    RESOURCE = "resource"
    PATCH = "patch"
    FORM = "form"


class Return(StrEnum):
    """What a client wants back from a write."""

    MINIMAL = "minimal"
    REPRESENTATION = "representation"
    OUTCOME = "OperationOutcome"


class Handling(StrEnum):
    """What is done with parameters that are not known."""

    STRICT = "strict"
    LENIENT = "lenient"


@dataclass(frozen=True, slots=True)
class Preference:
    """What `Prefer` says; None where it says nothing."""

    returned: Return | None = None
    handling: Handling | None = None
    respond_async: bool = False


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must hold before something is done.

    Attributes:
        if_match, if_none_match: versions; `*` stands for any; empty where nothing was said.
        if_none_exist: criteria of a conditional create, without `?`; None where nothing was said.
        if_modified_since: aware.
    """

    if_match: frozenset[str] = frozenset()
    if_none_match: frozenset[str] = frozenset()
    if_none_exist: str | None = None
    if_modified_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """What shortening a resource needs to know of one shape.

    Attributes:
        elements: JSON name to the element's name in the definitions: `valueQuantity` to `value`.
        below: JSON name to the name of the shape below it, `""` where there is none; of `contained`
            and `Bundle.entry.resource`: `Resource`.
        summary: JSON names of summary elements.
        mandatory: JSON names of which the definitions demand one.
        modifiers: JSON names of elements that may alter what the rest means.
    """

    elements: Mapping[str, str]
    below: Mapping[str, str]
    summary: frozenset[str]
    mandatory: frozenset[str]
    modifiers: frozenset[str]


Outlines = Callable[[str], Outline]
"""Gives the outline of a type or an element's path, as `Observation.component`."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of an OperationOutcome.

    Attributes:
        code: of IssueType.
        words: for people, in Chinese.
        message: for programmers, in English.
        severity: fatal, error, warning, information.
        expression: FHIRPath of the element, or `http.` and the name of a header or parameter.
        error: stable code of ours.
    """

    code: str
    words: str
    message: str
    severity: str = "error"
    expression: str = ""
    error: str = ""


class Spliced(NamedTuple):
    """An entry of a searchset: a resource as JSON text, put in as it is.

    Attributes:
        url: fullUrl, `""` for an OperationOutcome.
        body: JSON text of the resource.
        mode: match, include, outcome.
        score: of a match, 0 to 1; None: it is not weighed.
        grade: of a match: certain, probable, possible.
    """

    url: str
    body: str
    mode: str = "match"
    score: float | None = None
    grade: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """An entry of a history: one version.

    Attributes:
        type, id, version, updated_at: of the version.
        body: JSON text; `""` of a deletion.
    """

    type: str
    id: str
    version: int
    updated_at: datetime
    body: str
