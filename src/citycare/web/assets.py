"""Built files (styles, scripts, icons): source name → address with the hash in its name.

`npm run build` writes `static/dist/` and its `manifest.json`. Files there never change under
their name, so they are served with `Cache-Control: immutable`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

DIST = Path(__file__).parent / "static" / "dist"
BASE = "/static/dist/"
SPRITE = "icons.svg"


@dataclass(frozen=True, slots=True)
class Assets:
    """What the manifest says."""

    files: Mapping[str, str]
    preload: Mapping[str, tuple[str, ...]]
    icons: frozenset[str]

    def url(self, name: str) -> str:
        """Return the address of a built file by its source name, as `app.css`.

        Raises:
            LookupError: there is no such file in the build.
        """
        built = self.files.get(name)
        if built is None:
            raise LookupError(f"{name} is not built; known: {', '.join(sorted(self.files))}")
        return BASE + built

    def preloads(self, name: str) -> tuple[str, ...]:
        """Return the addresses of what a script loads at once besides itself."""
        return tuple(BASE + one for one in self.preload.get(name, ()))

    def icon(self, name: str) -> Markup:
        """Return an icon, hidden from screen readers: the words stand beside it.

        Raises:
            LookupError: the name is not in `static_src/icons.json`.
        """
        if name not in self.icons:
            raise LookupError(f"no icon {name!r}; add it to static_src/icons.json and build")
        return Markup(
            '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>'
        ).format(self.url(SPRITE), name)


def read(directory: Path = DIST) -> Assets:
    """Read the manifest of a build.

    Raises:
        FileNotFoundError: nothing was built yet.
    """
    manifest = directory / "manifest.json"
    if not manifest.exists():
        raise FileNotFoundError(f"{manifest} is missing: run `npm ci && npm run build`")
    facts = json.loads(manifest.read_text("utf-8"))
    return Assets(
        files=facts["files"],
        preload={name: tuple(needed) for name, needed in facts["preload"].items()},
        icons=frozenset(facts["icons"]),
    )
