"""A statement that is put together: its parameters by name."""

from __future__ import annotations

from typing import Any


class Sql:
    """Gathers the values of a statement; texts of it come from constants alone."""

    def __init__(self) -> None:
        """Begin with none."""
        self.values: dict[str, Any] = {}

    def value(self, value: Any) -> str:
        """Return the placeholder of a value."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"%({name})s"
