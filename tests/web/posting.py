"""A browser's part in a form: the fields of a page as they would be sent."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser


class Fields(HTMLParser):
    """What a page's form would send, untouched.

    Attributes:
        sent: (name, value) in the order of the page.
        names: of all fields, ticked or not.
        text: all words of the page.
        buttons: (name, value) of the buttons.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self.names: list[str] = []
        self.ids: list[str] = []
        self.described: list[str] = []
        self.buttons: list[tuple[str, str]] = []
        self.text = ""
        self._area = ""
        self._select: list[tuple[str, bool]] | None = None
        self._name = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        self.ids += [facts["id"]] if "id" in facts else []
        self.described += facts.get("aria-describedby", "").split()
        name = facts.get("name", "")
        if tag == "button" and name:
            self.buttons.append((name, facts.get("value", "")))
        if tag in ("input", "textarea", "select") and name:
            self.names.append(name)
            self._name = name
        if tag == "input" and name:
            ticked = facts.get("type") not in ("radio", "checkbox") or "checked" in facts
            if ticked:
                self.sent.append((name, facts.get("value", "")))
        elif tag == "textarea":
            self.sent.append((name, ""))
            self._area = name
        elif tag == "select":
            self._select = []
        elif tag == "option" and self._select is not None:
            self._select.append((facts.get("value", ""), "selected" in facts))

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""
        elif tag == "select" and self._select is not None:
            chosen = [value for value, is_chosen in self._select if is_chosen]
            first = [value for value, _ in self._select][:1]
            self.sent += [(self._name, value) for value in (chosen or first)[:1]]
            self._select = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._area:
            name, value = self.sent.pop()
            self.sent.append((name, value + data))

    def filled(self, answers: Mapping[str, str | list[str]]) -> list[tuple[str, str]]:
        """The fields with answers in place of what stands in them: `q.` is put before a name."""
        changed = {f"q.{name}": value for name, value in answers.items()}
        kept = [(name, value) for name, value in self.sent if name not in changed]
        for name, value in changed.items():
            assert name in self.names, f"{name} is not on the page"
            kept += [(name, each) for each in ([value] if isinstance(value, str) else value)]
        return kept
