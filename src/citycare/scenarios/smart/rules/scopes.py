"""SMART scopes: read, narrowed, written, and asked what they allow.

Both grammars are read: v1 `patient/*.read` and v2 `patient/Observation.rs?category=laboratory`.
What cannot be read is ignored, never taken for more than it says; v1 `read` means r and s,
`write` means c, u and d.

Source: HL7 SMART App Launch 2.2.0, "Scopes and Launch Context"; RFC 6749 §3.3 (the characters
of a scope, a server may give less than was asked for and says so).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from urllib.parse import parse_qsl
from uuid import UUID

Filter = tuple[str, str]  # a search parameter and its value

ALL = "cruds"
ANY_TYPE = "*"
V1 = {"read": "rs", "write": "cud", "*": ALL}
DATA = re.compile(
    r"(patient|user|system)/(\*|[A-Z][A-Za-z]{1,63})\.(read|write|\*|c?r?u?d?s?)(?:\?(.+))?"
)
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?::[A-Za-z]+)?|_(?:id|tag|security|profile|lastUpdated)")
WORDS = ("openid", "fhirUser", "offline_access", "launch", "launch/patient")
CHARS_MAX = 4_000
SCOPES_MAX = 100
FILTERS_MAX = 5


class Level(StrEnum):
    """For whom the data are: one patient, what a user may see, or a system."""

    PATIENT = "patient"
    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope on data. `type` `*` is all types; `filters` hold together (and)."""

    level: Level
    type: str
    interactions: frozenset[str]
    filters: tuple[Filter, ...] = ()
    text: str = field(default="", compare=False)

    def implies(self, other: Scope) -> bool:
        """Tell whether whoever has this one has all of the other."""
        return (
            self.level is other.level
            and self.type in (ANY_TYPE, other.type)
            and other.interactions <= self.interactions
            and set(self.filters) <= set(other.filters)
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A scope parameter, read. `words` are those of sign-in and launch; `ignored` was not read."""

    data: tuple[Scope, ...] = ()
    words: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Write it as a scope parameter again, without what was ignored."""
        words = [word for word in WORDS if word in self.words]
        return " ".join([*words, *(scope.text for scope in self.data)])


@dataclass(frozen=True, slots=True)
class Limit:
    """One way in which something is allowed: of one patient (or any), and only what matches."""

    patient_id: UUID | None = None
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a token allows. `patient_id` is the patient in context.

    Whoever serves a request asks consent about the actor first; this only ever narrows that.
    `allows` and `types_for` tell what is allowed whatever a resource holds; scopes with a filter
    count in `limits` alone, so who cannot apply filters gives less, never more.
    """

    data: tuple[Scope, ...]
    patient_id: UUID | None = None

    def limits(self, resource_type: str, interaction: str) -> tuple[Limit, ...]:
        """Return the ways in which this is allowed: one of them must hold; none: it is not.

        Scopes `patient/…` hold for what belongs to the patient in context, and without one for
        nothing.

        Args:
            resource_type: a type of FHIR R4.
            interaction: c, r, u, d or s.
        """
        found = [
            Limit(self.patient_id if scope.level is Level.PATIENT else None, scope.filters)
            for scope in self._effective()
            if scope.type in (ANY_TYPE, resource_type) and interaction in scope.interactions
        ]
        return tuple(
            one
            for one in dict.fromkeys(found)
            if not any(other != one and _is_wider(other, one) for other in found)
        )

    def allows(self, resource_type: str, interaction: str) -> bool:
        """Tell whether this may be done to resources of this type, whatever they hold."""
        return any(not one.filters for one in self.limits(resource_type, interaction))

    def types_for(self, interaction: str) -> frozenset[str] | None:
        """Return the types for which this may be done, whatever they hold; None: for all."""
        types = {
            scope.type
            for scope in self._effective()
            if interaction in scope.interactions and not scope.filters
        }
        return None if ANY_TYPE in types else frozenset(types)

    def _effective(self) -> Iterable[Scope]:
        has_patient = self.patient_id is not None
        return (one for one in self.data if has_patient or one.level is not Level.PATIENT)


def _is_wider(wide: Limit, narrow: Limit) -> bool:
    same_people = wide.patient_id in (None, narrow.patient_id)
    return same_people and set(wide.filters) <= set(narrow.filters)


@lru_cache(maxsize=4_096)
def parse(text: str) -> Asked:
    """Read a scope parameter; a text or list that is too long is not read at all.

    Source: HL7 SMART App Launch 2.2.0, "Scopes for requesting FHIR Resources"; RFC 6749 §3.3.
    """
    parts = tuple(dict.fromkeys(text.split(" "))) if len(text) <= CHARS_MAX else (text[:50],)
    parts = tuple(part for part in parts if part)
    if len(text) > CHARS_MAX or len(parts) > SCOPES_MAX:
        return Asked(ignored=parts[:1])
    data: list[Scope] = []
    words: set[str] = set()
    ignored: list[str] = []
    for part in parts:
        scope = _scope(part)
        if part in WORDS:
            words.add(part)
        elif scope is not None:
            data.append(scope)
        else:
            ignored.append(part)
    return Asked(_without_implied(data), frozenset(words), tuple(ignored))


def _scope(part: str) -> Scope | None:
    found = DATA.fullmatch(part) if SCOPE.fullmatch(part) else None
    if found is None:
        return None
    level, resource_type, wanted, query = found.groups()
    filters = _filters(query) if query is not None else ()
    interactions = frozenset(V1.get(wanted, wanted))
    if filters is None or not interactions:
        return None
    return Scope(Level(level), resource_type, interactions, filters, part)


def _filters(query: str) -> tuple[Filter, ...] | None:
    """Read the search of a v2 scope; None when any part of it cannot be held to."""
    try:
        pairs = parse_qsl(query, True, True, errors="strict", max_num_fields=FILTERS_MAX)
    except ValueError:
        return None
    if not all(NAME.fullmatch(name) and value.isprintable() and value for name, value in pairs):
        return None
    return tuple(sorted(set(pairs)))


def meet(asked: Asked, most: Asked) -> Asked:
    """Return what is in both: what was asked for, as far as `most` goes.

    Source: RFC 6749 §3.3 (a server may issue less than was asked for).
    """
    data = [both for one in asked.data for other in most.data if (both := _both(one, other))]
    return Asked(_without_implied(data), asked.words & most.words)


def _both(one: Scope, other: Scope) -> Scope | None:
    interactions = one.interactions & other.interactions
    fits = ANY_TYPE in (one.type, other.type) or one.type == other.type
    if one.level is not other.level or not fits or not interactions:
        return None
    for whole, wider in ((one, other), (other, one)):  # keep the words of who said it
        if wider.implies(whole):
            return whole
    resource_type = other.type if one.type == ANY_TYPE else one.type
    return made(one.level, resource_type, interactions, {*one.filters, *other.filters})


def made(
    level: Level, resource_type: str, interactions: Iterable[str], filters: Iterable[Filter] = ()
) -> Scope:
    """Make a scope and write it in the grammar of v2.

    Source: HL7 SMART App Launch 2.2.0, "Scopes for requesting FHIR Resources".
    """
    held = frozenset(interactions)
    pairs = tuple(sorted(set(filters)))
    letters = "".join(letter for letter in ALL if letter in held)
    query = "&".join(f"{_quote(name)}={_quote(value)}" for name, value in pairs)
    text = f"{level}/{resource_type}.{letters}{'?' if query else ''}{query}"
    return Scope(level, resource_type, held, pairs, text)


def _quote(text: str) -> str:
    """Escape what a scope or its query cannot hold as it is; `|`, `:` and `/` stay readable."""
    return "".join(
        sign if SCOPE.fullmatch(sign) and sign not in "&=+%;#" else _percent(sign) for sign in text
    )


def _percent(sign: str) -> str:
    return "".join(f"%{byte:02X}" for byte in sign.encode())


def _without_implied(data: Iterable[Scope]) -> tuple[Scope, ...]:
    """Leave out what another one gives anyway; of two that say the same, the first stays."""
    kept: list[Scope] = []
    for one in data:
        if not any(other.implies(one) for other in kept):
            kept = [other for other in kept if not one.implies(other)] + [one]
    return tuple(kept)


def join(one: Asked, other: Asked) -> Asked:
    """Return what is in either.

    Source: RFC 6749 §3.3 (each scope adds to the others).
    """
    return Asked(_without_implied([*one.data, *other.data]), one.words | other.words)


def exceeds(asked: Asked, most: Asked) -> bool:
    """Tell whether more is asked for than `most` gives: a refresh may only ask for less.

    Source: RFC 6749 §6.
    """
    wide = [one for one in asked.data if not any(other.implies(one) for other in most.data)]
    return bool(wide or asked.words - most.words or asked.ignored)


def only(asked: Asked, *levels: Level, words: Iterable[str]) -> Asked:
    """Keep the scopes of these levels and these words.

    Source: HL7 SMART App Launch 2.2.0, "Scopes and Launch Context" (who may ask for which).
    """
    data = tuple(one for one in asked.data if one.level in levels)
    return Asked(data, asked.words & frozenset(words))
