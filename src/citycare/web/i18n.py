"""Two languages. Chinese sentences are the source; English comes from one catalogue.

`locale/en/LC_MESSAGES/messages.po` is compiled in memory when first needed. An error's English
is its `message()`, so error sentences need no entry; those residents often meet have one all the
same, which says what to do. A test finds what has no English yet (tests/web/spoken.py).
"""

from __future__ import annotations

from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages import pofile
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.support import Translations

from citycare.kit.errors import AppError
from citycare.web.shell import Lang

LANGUAGES: tuple[Lang, ...] = ("zh", "en")
CATALOGUE = Path(__file__).parent / "locale" / "en" / "LC_MESSAGES" / "messages.po"
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
    write_mo(compiled, catalogue())
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


def catalogue() -> Catalog:
    """Read the catalogue as it was written."""
    if not CATALOGUE.exists():
        return Catalog(locale="en")
    with CATALOGUE.open("rb") as file:
        return pofile.read_po(file, locale="en")
