"""What the frame around every page needs to know: who, where, in which language and manner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Lang = Literal["zh", "en"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NavItem:
    """One place of a portal. `label` is already in the person's language."""

    label: str
    href: str
    icon: str = ""
    count: int | None = None
    current: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toast:
    """One sentence right after something was done; `undo` is the address to POST to."""

    text: str
    undo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """The frame. Empty addresses: the frame leaves that part out."""

    lang: Lang = "zh"
    elder: bool = False
    person_name: str = ""
    can_switch: bool = False
    portal: str = "resident"
    portal_name: str = ""
    nav: tuple[NavItem, ...] = ()
    csrf: str = ""
    city: str = ""
    demo: bool = False
    path: str = "/"
    home: str = "/"
    switch_url: str = ""
    lang_url: str = ""
    elder_url: str = ""
    help_url: str = "tel:12320"
    emergency_url: str = "tel:120"
    sign_out_url: str = ""
    toast: Toast | None = None

    @property
    def html_lang(self) -> str:
        """Return the language tag for `<html lang>`."""
        return "zh-CN" if self.lang == "zh" else "en"
