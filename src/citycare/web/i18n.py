"""Two languages. Chinese sentences are the source; English comes from one catalogue.

`locale/en/LC_MESSAGES/messages.po` is compiled in memory when first needed. An error's English
is its `message()`, so error sentences need no entry; those residents often meet have one all the
same, which says what to do. `missing()` finds what has no English yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages import pofile
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.support import Translations

from citycare.kit.errors import AppError
from citycare.web.shell import Lang

LANGUAGES: tuple[Lang, ...] = ("zh", "en")
CATALOGUE = Path(__file__).parent / "locale" / "en" / "LC_MESSAGES" / "messages.po"
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "mark": None,
    "words": None,
    "ngettext": (1, 2),
}
METHODS = [("**.html", "jinja2"), ("**.py", "python")]
ACCEPTED_MAX = 10


def mark(message: str) -> str:
    """Mark a sentence for translation where it is declared; it is looked up when shown."""
    return message


@cache
def translations(lang: Lang) -> NullTranslations:
    """Return the words of a language. Chinese is the source and needs no look-up."""
    if lang == "zh" or not CATALOGUE.exists():
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, _catalogue())
    compiled.seek(0)
    return Translations(compiled)


def words_of(error: AppError | type[AppError], lang: Lang) -> str:
    """Return the sentence of an error in a language; the catalogue may have kinder English."""
    if lang == "zh":
        return error.words
    kinder = translations(lang).gettext(error.words)
    return kinder if kinder != error.words else error.message()


def language(*wishes: str | None, accepted: str = "") -> Lang:
    """Return the first wish that is one of ours, else what the browser accepts, else Chinese."""
    for wish in wishes:
        if wish in LANGUAGES:
            return wish
    for part in accepted.split(",")[:ACCEPTED_MAX]:
        main = part.partition(";")[0].strip().lower().partition("-")[0]
        if main in LANGUAGES:
            return main
    return "zh"


def missing(folders: Sequence[Path]) -> set[str]:
    """Return the marked sentences in templates and pages that have no English."""
    known = {
        message.id if isinstance(message.id, str) else message.id[0]
        for message in _catalogue()
        if message.id and message.string and not message.fuzzy
    }
    return {sentence for folder in folders for sentence in _marked(folder)} - known


def errors_without_english(base: type[AppError] = AppError) -> list[type[AppError]]:
    """Return the error classes whose English sentence or Chinese words are missing."""
    return [
        kind
        for kind in _kinds(base)
        if not (kind.__doc__ or "").strip() or not getattr(kind, "words", "").strip()
    ]


def _catalogue() -> Catalog:
    if not CATALOGUE.exists():
        return Catalog(locale="en")
    with CATALOGUE.open("rb") as file:
        return pofile.read_po(file, locale="en")


def _marked(folder: Path) -> Iterator[str]:
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


def _kinds(base: type[AppError]) -> Iterator[type[AppError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
