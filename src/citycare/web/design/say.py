"""Demo words in both languages."""

from __future__ import annotations

from dataclasses import dataclass

from citycare.web.shell import Lang


@dataclass(frozen=True, slots=True)
class Say:
    """Demo words in both languages; they are content, so not in the catalogue."""

    lang: Lang

    def __call__(self, zh: str, en: str) -> str:
        """Return the words of the language."""
        return zh if self.lang == "zh" else en
