"""Values, errors and limits of forms.

An answer is a piece of JSON as a QuestionnaireResponse holds it: `{"valueCoding": {…}}`.
Source: HL7 FHIR R4 §2.4 (Questionnaire, QuestionnaireResponse), element definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from citycare.kit.errors import Incorrect, NotFound

Json = dict[str, Any]
Answer = dict[str, Any]

ITEMS_MAX = 5_000  # of a questionnaire
DEPTH_MAX = 20  # of items in items
OPTIONS_MAX = 5_000  # of one question
SPOTS_MAX = 20_000  # items of a response, repetitions counted
ANSWERS_MAX = 1_000  # of one question
REPEATS_MAX = 500  # of one group
JSON_DEPTH_MAX = 30  # of one answer
DIGITS_MAX = 30  # of a number in it, before and after the point
ROUNDS_MAX = 50  # through expressions that depend on each other in a circle
EVALUATIONS_MAX = 200_000  # of expressions and conditions after one change
TOLD_MAX = 10  # problems named in a log line


class FormBroken(Incorrect):
    """The questionnaire cannot be filled in: its structure is not that of FHIR R4.

    `problems` tells everything that is wrong with it, in the order of the questionnaire.
    """

    code = "fhir.form_broken"
    words = "这份问卷的内容有错，暂时不能填写。请按提示改正问卷后再使用。"

    def __init__(self, *problems: Problem) -> None:
        """Keep the problems; the facts name the first ten."""
        told = ", ".join(f"{each.code} {each.path}".strip() for each in problems[:TOLD_MAX])
        super().__init__(problems=len(problems), first=told)
        self.problems = problems


class PlaceUnknown(NotFound):
    """The form has no such question at this place."""

    code = "fhir.form_place"
    words = "没有找到要填写的这一项，问卷可能已经更新。请刷新页面后再填写。"


class PlaceFixed(Incorrect):
    """Only the form itself answers this question."""

    code = "fhir.form_fixed"
    words = "这一项由系统填写，不能修改。如果内容不对，请联系工作人员。"


class AnswerBroken(Incorrect):
    """What was sent is no answer and no response in the shape of FHIR R4."""

    code = "fhir.form_answer"
    words = "收到的答案格式不对，没有保存。请刷新页面后重新填写。"


class ResponseTooLong(Incorrect):
    """The response holds more answers or repetitions than a form may have."""

    code = "fhir.form_too_long"
    words = "填写的内容太多，超出了问卷的上限。请删去一些后再试。"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a response (or with the form itself).

    Attributes:
        path: the place, as `Shown.path`; "" is the whole response.
        link_id: the item's linkId; "" is the whole response.
        code: stable; `words.WORDS` lists them.
        words: what people read, Chinese.
        message: the same in English.
        warning: it may be completed all the same.
    """

    path: str
    link_id: str
    code: str
    words: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that is offered.

    Attributes:
        answer: as it goes into the response.
        text: what is shown.
        prefix: a label before it ("A.").
        weight: its score, or None.
        exclusive: no other may be chosen beside it.
        initial: chosen at the beginning.
    """

    answer: Answer
    text: str
    prefix: str = ""
    weight: Decimal | int | None = None
    exclusive: bool = False
    initial: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an answer must keep to; None is no bound.

    Attributes:
        low: of an `Item`: (type, value), or the expression that gives it; of a `Shown` what that
            is now: a number, Temporal or Quantity of `kernel.fhir.path`. `high` likewise.
        max_places: digits after the decimal point.
        step: of a slider.
        max_bytes: of an attachment.
    """

    low: Any = None
    high: Any = None
    max_length: int | None = None
    min_length: int | None = None
    max_places: int | None = None
    pattern: str | None = None
    step: Decimal | int | None = None
    min_occurs: int | None = None
    max_occurs: int | None = None
    max_bytes: int | None = None
    mime_types: tuple[str, ...] = ()
    entry_format: str = ""


NO_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer as a page shows it.

    Attributes:
        kind: `Coding`, `String` … as in `valueCoding`.
        value: the JSON value.
        text: what is shown.
        items: what is asked about this answer.
    """

    kind: str
    value: Any
    text: str
    items: tuple[Shown, ...] = ()


class Widget(StrEnum):
    """What an item is drawn as."""

    BOOLEAN = "boolean"  # yes or no
    RADIOS = "radios"  # one of the options; with `open` or a text
    CHECKBOXES = "checkboxes"  # some of the options; with `open` and a text
    LIST = "list"  # one of many options; with `open` or a text
    INTEGER = "integer"
    DECIMAL = "decimal"
    QUANTITY = "quantity"  # a number and a unit: `unit`, or one of `units`
    DATE = "date"
    DATE_TIME = "datetime"
    TIME = "time"
    STRING = "string"
    TEXT = "text"
    URL = "url"
    GROUP = "group"
    DISPLAY = "display"
    UNSUPPORTED = "unsupported"  # files, references, options nobody knows: said, not drawn


@dataclass(frozen=True, slots=True)
class Shown:
    """One item at one place of a form, as a page renders it.

    Attributes:
        path: names the place: linkIds, with the number of the repetition (`g[0]/q`); stable while
            no repetition is removed. `~`, `/` and `[` of a linkId are written `~0`, `~1`, `~2`.
        type: the R4 item type (`choice`, `group` …).
        widget: what it is drawn as.
        control: the item control's code (`slider`, `check-box` …), or "".
        category: the display category (`instructions`, `security`), or "".
        enabled: whether it is to be answered; of an item that is not, nothing counts.
        read_only: only the form itself answers it.
        repeats: of a question: more answers; of a group: this is one of its repetitions.
        number: which repetition of a group this is, from 0.
        may_add: one more answer or repetition is allowed.
        options: what is offered, of a yes or no both; with `open` other texts may be written, and
            with `hints` anything.
        unit: that of a number, as shown, and as its Coding; `units`: to choose from.
        items: what is within: of a group, or of a question without an answer yet; what is within
            an answered question stands in its entries.
    """

    path: str
    link_id: str
    type: str
    widget: Widget
    text: str
    prefix: str
    control: str
    category: str
    help: str
    depth: int
    number: int
    enabled: bool
    required: bool
    read_only: bool
    hidden: bool
    repeats: bool
    may_add: bool
    calculated: bool
    open: bool
    hints: bool
    entries: tuple[Entry, ...]
    options: tuple[Choice, ...]
    unit: str
    unit_coding: Json | None
    units: tuple[Choice, ...]
    bounds: Bounds
    problems: tuple[Problem, ...]
    items: tuple[Shown, ...]


NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Sources:
    """What a form may ask of its surroundings; all of it is handed in.

    Attributes:
        context: launch context: name (`patient`, `user`, `encounter` …) to a resource or a list.
        expand: canonical of a value set to its Codings; None where it is not known.
        member: (Coding, canonical) to whether it belongs; asked where `expand` does not know.
        search: a FHIR query (`Observation?code=…`) to the resources found.
        resolve: a reference to the resource; None where there is none.
    """

    context: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    expand: Callable[[str], Sequence[Json] | None] | None = None
    member: Callable[[Json, str], bool | None] | None = None
    search: Callable[[str], Sequence[Json]] | None = None
    resolve: Callable[[str], Json | None] | None = None


NO_SOURCES = Sources()
