"""Parameters of an operation: of the address, of a Parameters resource, or one resource as it is.

Source: HL7 FHIR R4 4.0.1 §3.2.0.2 executing an operation; Parameters (inv-1).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from citycare.kernel import fhir
from citycare.kernel.fhir.searching.reading import UNHELD
from citycare.scenarios.exchange.model.errors import BodyBroken, ParameterWrong

Json = dict[str, Any]

TEXT = ""  # the kind of what stands in an address: it can be read as any primitive
PARAMETERS_MAX = 1_000
SHOWN_MAX = 100
PASSED_OVER = frozenset(("_format", "_pretty"))
ANY = {"valueBoolean": True}
WRITTEN = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Part:
    """One parameter.

    Attributes:
        name: of it.
        kind: as value[x] ends (`Coding`), `Resource`, or TEXT.
        value: of it.
    """

    name: str
    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Given:
    """The parameters of one call, in order."""

    parts: tuple[Part, ...]

    def all(self, name: str) -> list[Part]:
        """Return each time a parameter was given."""
        return [one for one in self.parts if one.name == name]

    def texts(self, name: str) -> list[str]:
        """Return the values of a parameter that is text: a uri, a code, a date, an id."""
        found = []
        for one in self.all(name):
            if not isinstance(one.value, str) or not one.value or UNHELD.search(one.value):
                raise wrong(name, "", "not text that can be kept")
            found.append(one.value)
        return found

    def text(self, name: str) -> str:
        """Return the one value of a parameter that is text; `""`: it was not given."""
        found = self.texts(name)
        if len(set(found)) > 1:
            raise wrong(name, found[1], "given twice")
        return found[0] if found else ""

    def listed(self, name: str) -> list[str]:
        """Return the items of lists with commas between them, each once."""
        every = [item for text in self.texts(name) for item in text.split(",")]
        if not all(every):
            raise wrong(name, "", "an item is empty")
        return list(dict.fromkeys(every))

    def flag(self, name: str, *, otherwise: bool = False) -> bool:
        """Return a boolean."""
        one = self._one(name)
        if one is None:
            return otherwise
        value = WRITTEN.get(one.value) if isinstance(one.value, str) else one.value
        if not isinstance(value, bool):
            raise wrong(name, one.value, "neither true nor false")
        return value

    def number(self, name: str) -> int | None:
        """Return a whole number from 0."""
        one = self._one(name)
        if one is None:
            return None
        text = str(one.value)
        if isinstance(one.value, bool) or not text.isascii() or not text.isdecimal():
            raise wrong(name, one.value, "not a whole number")
        if len(text) > 9:  # noqa: PLR2004 (the largest has ten digits)
            raise wrong(name, one.value, "too large")
        return int(text)

    def complex(self, name: str, kind: str) -> Json | None:
        """Return a Coding, a CodeableConcept and the like."""
        one = self._one(name)
        if one is None:
            return None
        if one.kind != kind or not isinstance(one.value, dict):
            raise wrong(name, one.value, f"not a {kind}")
        return one.value

    def resource(self, name: str, kind: str = "") -> Json | None:
        """Return a resource, of this type where one is named."""
        found = self.complex(name, "Resource")
        if found is not None and kind and found.get("resourceType") != kind:
            raise wrong(name, found.get("resourceType"), f"not a {kind}")
        return found

    def pairs(self, *without: str) -> list[tuple[str, str]]:
        """Return what can stand in an address."""
        found = []
        for one in self.parts:
            if one.name not in without and isinstance(one.value, str | int):
                text = str(one.value).lower() if isinstance(one.value, bool) else str(one.value)
                found.append((one.name, text))
        return found

    def _one(self, name: str) -> Part | None:
        found = self.all(name)
        if len(found) > 1:
            raise wrong(name, found[1].value, "given twice")
        return found[0] if found else None


def wrong(name: str, value: object, problem: str, **more: object) -> ParameterWrong:
    """Make the error for a parameter."""
    shown = str(value)[:SHOWN_MAX] if isinstance(value, str | int) else ""
    return ParameterWrong(parameter=name[:SHOWN_MAX], value=shown, problem=problem, **more)


def read(
    pairs: Sequence[tuple[str, str]],
    body: Any,
    *,
    takes: Collection[str] | None,
    bare: str = "",
    lenient: bool = False,
) -> Given:
    """Read the parameters of a call.

    Args:
        pairs: of the address.
        body: what was posted; None: nothing.
        takes: names that are known; None: any.
        bare: the parameter that a resource sent as it is stands for.
        lenient: names that are not known are passed over.

    Raises:
        BodyBroken: the body is neither Parameters nor a resource that may be sent so.
        Invalid: a value is not what its type asks for; resources are left to the operation.
        ParameterWrong: a name is not known, or a parameter has not exactly one value.
    """
    parts = [Part(name, TEXT, text) for name, text in pairs if name not in PASSED_OVER]
    parts += _posted(body, bare) if body is not None else []
    unknown = [] if takes is None else [one.name for one in parts if one.name not in takes]
    if unknown and not lenient:
        known = " ".join(sorted(takes or ()))
        raise wrong(unknown[0], "", "not known", known=known)
    return Given(tuple(one for one in parts if one.name not in unknown))


def _posted(body: Any, bare: str) -> list[Part]:
    kind = body.get("resourceType") if isinstance(body, dict) else None
    if not isinstance(kind, str):
        raise BodyBroken(problem="not a resource")
    if kind != "Parameters":
        if not bare:
            raise BodyBroken(problem="not a Parameters resource")
        return [Part(bare, "Resource", body)]
    some = body.get("parameter", [])
    if not isinstance(some, list) or len(some) > PARAMETERS_MAX:
        raise BodyBroken(problem=f"not a list of up to {PARAMETERS_MAX} parameters")
    parts = [_part(one, number) for number, one in enumerate(some)]
    told = [one if "resource" not in one else {"name": one["name"], **ANY} for one in some]
    found = fhir.violations({"resourceType": kind, "id": "given", "parameter": told})
    if some and found:
        raise fhir.Invalid(found)
    return parts


def _part(one: Any, number: int) -> Part:
    name = one.get("name") if isinstance(one, dict) else None
    if not isinstance(name, str) or not name:
        raise wrong(f"Parameters.parameter[{number}]", "", "has no name")
    found = [
        (key.removeprefix("value") if key != "resource" else "Resource", value)
        for key, value in one.items()
        if key in {"resource", "part"} or (key.startswith("value") and key != "value")
    ]
    if len(found) != 1:
        raise wrong(name, "", "has not exactly one value")
    ((kind, value),) = found
    if kind == "Resource" and not (isinstance(value, dict) and "resourceType" in value):
        raise wrong(name, "", "not a resource")
    return Part(name, kind, value)
