"""What is drawn of a form, and what came back of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from citycare.kernel.fhir.forms import Answer, Shown, Widget
from citycare.web.parts import Option

DRAWN: Final = "q"  # hidden, one for each question on the page
DO: Final = "do"  # the button pressed: "add g[0]", "remove g[1]"
PREFIX: Final = "q."
OTHER: Final = "other"  # the text beside the options
UNIT: Final = "unit"
CHOSEN: Final = (Widget.BOOLEAN, Widget.RADIOS, Widget.CHECKBOXES, Widget.LIST)
FIELDS_MAX: Final = 4_000  # of a posted form: two or three for each question


class Look(StrEnum):
    """Which macro draws it."""

    CHOICES = "choices"
    LIST = "list"
    FIELD = "field"
    AREA = "area"
    QUANTITY = "quantity"
    GROUP = "group"
    WORDS = "words"
    FIXED = "fixed"  # only the form answers it
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One field of a question; a question that repeats has several."""

    id: str
    value: str = ""
    unit: str = ""
    items: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One item as the template draws it; words are in the person's language.

    Attributes:
        place: `Shown.path`.
        name: of its fields; the first one's id too.
        boxes: its fields with what stands in them, of all looks but choices and lists.
        other: the text beside the options, or None where none may be written.
        unit: what stands behind the number; `units` to choose from, or with `free_unit` to write.
        many: several options may be ticked.
        add: the repetition to add after, "" for none; `remove` likewise.
    """

    look: Look
    place: str
    name: str
    label: str
    hint: str = ""
    error: str = ""
    required: bool = False
    many: bool = False
    type: str = "text"
    inputmode: str = ""
    attrs: dict[str, str] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    other: str | None = None
    boxes: tuple[Box, ...] = ()
    unit: str = ""
    units: tuple[Option, ...] = ()
    free_unit: bool = False
    text: str = ""
    loud: bool = False
    items: tuple[Asked, ...] = ()
    add: str = ""
    remove: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A form as it is drawn.

    Attributes:
        items: what to draw, top to bottom.
        errors: (field id, words) for the summary on top; `labels` tells which field that is.
    """

    items: tuple[Asked, ...]
    errors: tuple[tuple[str, str], ...]
    labels: dict[str, str]


@dataclass(slots=True)
class Posted:
    """What a posted form held that could not be read, to be shown again.

    Attributes:
        errors: place to a sentence, to be translated when shown.
        typed: place to what was typed there.
        at: the place to show next, where a repetition was added; "" otherwise.
    """

    errors: dict[str, str] = field(default_factory=dict)
    typed: dict[str, Typed] = field(default_factory=dict)
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The fields of one question as they were sent."""

    values: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    other: str = ""


def is_chosen(shown: Shown) -> bool:
    """Tell whether an answer is chosen from what is offered, not typed with hints beside it."""
    only_hints = shown.hints and shown.type not in ("choice", "open-choice")
    return shown.widget in CHOSEN and not only_hints


def name_of(place: str, part: str = "") -> str:
    """Return the name (and id) of a field; a place may hold any signs, an id no spaces.

    The colon parts what belongs to a question from a place, where it is written `%3A`.
    """
    return f"{PREFIX}{quote(place, safe='/[]')}" + (f":{part}" if part else "")


def token(answer: Answer) -> str:
    """Return what stands for an answer in a form: its code and system, or itself."""
    value: Any = next((each for name, each in answer.items() if name.startswith("value")), "")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        code = value.get("code")
        return f"{value.get('system', '')}|{code}" if code else f"|{value.get('display', '')}"
    return str(value)
