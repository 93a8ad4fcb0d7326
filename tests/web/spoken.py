"""What there is to say in two languages: the marked sentences, and the words of errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from babel.messages.extract import extract_from_dir

from citycare.kit.errors import AppError
from citycare.web import i18n

KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "mark": None,
    "words": None,
    "ngettext": (1, 2),
}
METHODS = [("**.html", "jinja2"), ("**.py", "python")]


def missing(folders: Sequence[Path]) -> set[str]:
    """Return the marked sentences in templates and pages that have no English."""
    known = {
        message.id if isinstance(message.id, str) else message.id[0]
        for message in i18n.catalogue()
        if message.id and message.string and not message.fuzzy
    }
    return {sentence for folder in folders for sentence in marked(folder)} - known


def errors_without_english(base: type[AppError] = AppError) -> list[type[AppError]]:
    """Return the error classes whose English sentence or Chinese words are missing."""
    return [
        kind
        for kind in kinds(base)
        if not (kind.__doc__ or "").strip() or not getattr(kind, "words", "").strip()
    ]


def marked(folder: Path) -> Iterator[str]:
    found = extract_from_dir(
        folder,
        method_map=METHODS,
        options_map={"**.html": {"encoding": "utf-8", "trimmed": "true"}},
        keywords=KEYWORDS,
    )
    for _, _, message, _, _ in found:
        first = message[0] if isinstance(message, tuple) else message
        if first:
            yield first


def kinds(base: type[AppError]) -> Iterator[type[AppError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)
