"""One person with one browser: signs in, taps what is seen, and looks at each page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from tests.browser.stage import ARGUMENTS, CHROMIUM

PHONE = {"width": 390, "height": 844}
NARROW = {"width": 320, "height": 640}
DESKTOP = {"width": 1280, "height": 800}
WIDTHS = (320, 390, 1280)
OVERHANG = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FILLED = ".btn:not(.btn-quiet):not(.btn-text):not(.btn-alarm):visible"
FOCUS_SEEN = """() => {
  const it = document.activeElement, style = getComputedStyle(it);
  const ring = (s) => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2;
  return it !== document.body && (ring(style) || style.boxShadow !== 'none');
}"""
WIDEST = """() => {
  const scrolls = (it) => it && it !== document.body &&
    (getComputedStyle(it).overflowX !== 'visible' || scrolls(it.parentElement));
  return [...document.querySelectorAll('body *')]
    .filter((it) => it.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .filter((it) => !scrolls(it.parentElement)).slice(0, 3).map((it) => it.outerHTML.slice(0, 120))
}"""
SETTLE_MS, SETTLE_LOOKS = 50, 20
FOCUS_MS = 5_000
Role = Literal["link", "button", "heading", "textbox", "searchbox", "combobox", "row", "cell"]


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Run Debian's Chromium."""
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield chromium
        finally:
            chromium.close()


@dataclass
class Hand:
    """Somebody at a screen."""

    browser: Browser
    address: str
    size: dict[str, int] = field(default_factory=lambda: PHONE)
    lang: str = "zh-CN"
    script: bool = True
    extra: dict[str, Any] = field(default_factory=dict)
    excused: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.context: BrowserContext = self.browser.new_context(
            viewport=self.size,  # type: ignore[arg-type]
            locale=self.lang,
            java_script_enabled=self.script,
            accept_downloads=True,
            timezone_id="Asia/Shanghai",
            **self.extra,
        )
        self.context.set_default_timeout(8_000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda fault: self.complaints.append(str(fault)))

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def close(self) -> None:
        """End, and say so if the browser complained."""
        self.context.close()
        heard = [one for one in self.complaints if not any(e in one for e in self.excused)]
        assert heard == [], heard

    def go(self, path: str) -> None:
        self.page.goto(self.address + path)

    def sign_in(self, hint: str, *, to: str = "") -> None:
        """Sign in by the door; staff also confirm the code the demo shows them."""
        self.go(f"/login?next={to}" if to else "/login")
        self.page.locator(f'a[href*="as={hint}"]').click()
        if "/login/code" in self.page.url:
            self.page.locator("main button.btn").first.click()
        assert "/login" not in self.page.url, self.page.url

    def tap(self, name: str | re.Pattern[str], role: Role | None = None, nth: int = 0) -> None:
        """Tap the link or button of this name."""
        self.find(name, role).nth(nth).click()

    def find(self, name: str | re.Pattern[str], role: Role | None = None) -> Locator:
        if role is not None:
            return self.page.get_by_role(role, name=name)
        link = self.page.get_by_role("link", name=name)
        return link.or_(self.page.get_by_role("button", name=name))

    def sees(self, text: str | re.Pattern[str]) -> None:
        """Wait until the text is on the page, in view or below."""
        self.page.get_by_text(text).locator("visible=true").first.wait_for()

    def heading(self) -> str:
        return self.page.locator("h1").first.inner_text()

    def look(self, *, widths: Sequence[int] = WIDTHS, lang: str = "", filled: int = 1) -> None:
        """Check what holds on every page, at each width."""
        where = self.page.url
        assert self.page.locator("html").get_attribute("lang") == (lang or self.lang), where
        assert self.page.locator("h1:visible").count() == 1, f"one h1: {where}"
        assert self.page.title().strip(" ·"), where
        for width in widths:
            self.page.set_viewport_size({"width": width, "height": self.size["height"]})
            if self.script:
                self._fits(f"{where} sticks out at {width}")
            shown = self.page.locator(FILLED).count()
            assert shown <= filled, f"{where}: {shown} filled buttons at {width}"
        self.page.set_viewport_size(self.size)  # type: ignore[arg-type]

    def _fits(self, fault: str) -> None:
        """Charts follow a new width a moment later; everything else at once."""
        for _ in range(SETTLE_LOOKS):
            if self.page.evaluate(OVERHANG) <= 0:
                return
            self.page.wait_for_timeout(SETTLE_MS)
        raise AssertionError(f"{fault}: {self.page.evaluate(WIDEST)}")

    def tab_is_seen(self) -> None:
        """Press Tab and check that what has the focus shows it."""
        self.page.wait_for_load_state("load")  # a key pressed into a page that still loads is lost
        self.page.bring_to_front()
        self.page.keyboard.press("Tab")
        self.page.wait_for_function(FOCUS_SEEN, timeout=FOCUS_MS)

    def shoot(self, file: Path, *, whole: bool = False) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=file, full_page=whole)
