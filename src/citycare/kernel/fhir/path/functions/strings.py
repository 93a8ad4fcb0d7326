"""Texts.

Source: HL7 FHIRPath N1 §5.6 string manipulation; encode, decode, escape, unescape, trim, split,
join, matchesFull and lastIndexOf are of 2.1 and 3.0.0.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
from collections.abc import Callable
from typing import Any, Final

from citycare.kernel.fhir.path import regex, values
from citycare.kernel.fhir.path.functions.registry import Function, of_lists
from citycare.kernel.fhir.path.model import (
    TEXT_MAX,
    Frame,
    Items,
    PathError,
    Step,
    text_within,
)


def _of_text(name: str, rule: Callable[..., Any], texts: int = 0) -> Function:
    """Return a function of the one text and so many texts more; nothing in, nothing out."""

    def whole(items: Items, *given: Items) -> Items:
        found = [values.text_of(each, name) for each in (items, *given)]
        if None in found:
            return []
        result = rule(*found)
        return result if isinstance(result, list) else [result]

    return of_lists(whole, texts)


def _of_pattern(name: str, rule: Callable[..., Any], texts: int) -> Function:
    """Return what `_of_text` does, of a rule whose work is counted: its steps are an evaluation's.

    Args:
        name: of the function.
        rule: of a pattern, a text, what else is given, and the work.
        texts: how many it takes, the pattern among them.
    """

    def build(args: tuple[Step, ...]) -> Step:
        def step(items: Items, frame: Frame) -> Items:
            given = (items, *(arg(frame.this, frame) for arg in args))
            text, pattern, *more = [values.text_of(each, name) for each in given]
            if None in (text, pattern, *more):
                return []
            work = regex.Work()
            try:
                found = rule(pattern, text, *more, work)
            finally:  # it counts also where it was too much
                frame.run.steps += work.done
            frame.run.spend(1)
            return [found]

        return step

    return Function(texts, texts, build)


def _substring(items: Items, start: Items, length: Items | None = None) -> Items:
    text = values.text_of(items, "substring")
    first = values.integer_of(start, "substring")
    if text is None or first is None or not 0 <= first < len(text):
        return []
    count = None if length is None else values.integer_of(length, "substring")
    return [text[first:] if count is None else text[first : first + max(count, 0)]]


def _replace(text: str, pattern: str, substitution: str) -> str:
    times = text.count(pattern) if pattern else len(text) + 1
    if len(text) + times * (len(substitution) - len(pattern)) > TEXT_MAX:
        raise PathError(problem="text too long", limit=TEXT_MAX)
    return text.replace(pattern, substitution)


def _split(text: str, separator: str) -> Items:
    return list(text.split(separator)) if separator else list(text)


def _join(items: Items, separator: Items | None = None) -> Items:
    between = values.text_of(separator, "join") or "" if separator else ""
    texts = [values.text_of([item], "join") for item in items]
    known = [text for text in texts if text is not None]
    if sum(map(len, known)) + len(between) * len(known) > TEXT_MAX:
        raise PathError(problem="text too long", limit=TEXT_MAX)
    return [between.join(known)] if known else []


def _encode(text: str, form: str) -> Items:
    raw = text.encode("utf-8", "surrogatepass")
    match form:
        case "hex":
            return [raw.hex()]
        case "base64":
            return [base64.b64encode(raw).decode()]
        case "urlbase64":
            return [base64.urlsafe_b64encode(raw).decode()]
    return []


def _decode(text: str, form: str) -> Items:
    try:
        match form:
            case "hex":
                return [bytes.fromhex(text).decode()]
            case "base64":
                return [base64.b64decode(text, validate=True).decode()]
            case "urlbase64":
                return [base64.b64decode(text, altchars=b"-_", validate=True).decode()]
    except (ValueError, binascii.Error) as error:
        raise PathError(problem=f"not written in {form}") from error
    return []


def _escape(text: str, form: str) -> Items:
    if form == "html":
        return [text_within(html.escape(text))]
    return [text_within(json.dumps(text, ensure_ascii=False)[1:-1])] if form == "json" else []


def _unescape(text: str, form: str) -> Items:
    if form == "html":
        return [html.unescape(text)]
    if form != "json":
        return []
    try:
        return [str(json.loads(f'"{text}"', strict=False))]
    except ValueError as error:
        raise PathError(problem="not written in json") from error


FUNCTIONS: Final[dict[str, Function]] = {
    "indexOf": _of_text("indexOf", str.find, 1),
    "lastIndexOf": _of_text("lastIndexOf", str.rfind, 1),
    "substring": of_lists(_substring, 1, 2),
    "startsWith": _of_text("startsWith", str.startswith, 1),
    "endsWith": _of_text("endsWith", str.endswith, 1),
    "contains": _of_text("contains", str.__contains__, 1),
    "upper": _of_text("upper", str.upper),
    "lower": _of_text("lower", str.lower),
    "replace": _of_text("replace", _replace, 2),
    "matches": _of_pattern("matches", regex.matches, 1),
    "matchesFull": _of_pattern("matchesFull", regex.matches_full, 1),
    "replaceMatches": _of_pattern("replaceMatches", regex.replaced, 2),
    "length": _of_text("length", len),
    "toChars": _of_text("toChars", list),
    "trim": _of_text("trim", str.strip),
    "split": _of_text("split", _split, 1),
    "join": of_lists(_join, 0, 1),
    "encode": _of_text("encode", _encode, 1),
    "decode": _of_text("decode", _decode, 1),
    "escape": _of_text("escape", _escape, 1),
    "unescape": _of_text("unescape", _unescape, 1),
}
