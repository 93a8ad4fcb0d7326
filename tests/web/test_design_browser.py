"""The design screens in Debian's Chromium, under the strict CSP: what only a browser shows."""

import shutil
import threading
import time
from collections.abc import Iterator
from functools import cache
from gettext import NullTranslations
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from jinja2 import Environment
from playwright.sync_api import Browser, Page, sync_playwright

from citycare.web import assets, design, rendering
from citycare.web.shell import NavItem, Shell

CHROMIUM = shutil.which("chromium") or ""
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SLOW_S = 0.9
LONG_NAME = "阿卜杜热合曼·买买提吐尔逊江·伊布拉音"

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@cache
def environment() -> Environment:
    return rendering.environment()


def page_of(path: str) -> str:
    split = urlsplit(path)
    asked = parse_qs(split.query, keep_blank_values=True)
    template, page = design.screen(split.path.rsplit("/", 1)[-1], "zh")
    shell = Shell(
        elder="elder" in asked,
        person_name=LONG_NAME,
        can_switch=True,
        switch_url="#",
        lang_url="#",
        elder_url="#",
        sign_out_url="#",
        portal_name="门诊",
        nav=(NavItem(label="今天", href="#", key="1", icon="list", count=34, current=True),),
    )
    text = rendering.render(environment(), template, shell, page, NullTranslations())
    slow = '<a hx-get="/design/slow" hx-target="#panel" hx-swap="innerHTML" class="row-link"'
    return text.replace('<a class="row-link"', slow)


class Serve(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Security-Policy", CSP)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith(assets.BASE):
            file = assets.DIST / path.removeprefix(assets.BASE)
            self.answer(file.read_bytes(), KINDS[file.suffix])
        elif path == "/design/slow":
            time.sleep(SLOW_S)
            self.answer("<h2 data-focus>周建国</h2>".encode(), "text/html")
        else:
            self.answer(page_of(self.path).encode(), "text/html")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Serve)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/design/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda fault: complaints.append(str(fault)))
    yield page
    context.close()
    assert [one for one in complaints if "ERR_INTERNET_DISCONNECTED" not in one] == []


@pytest.mark.parametrize("elder", ["", "?elder"])
@pytest.mark.parametrize("width", [320, 920])
def test_nothing_sticks_out_and_nothing_breaks_the_policy(
    tab: Page, address: str, width: int, elder: str
) -> None:
    tab.set_viewport_size({"width": width, "height": 720})
    for name in design.SCREENS:
        tab.goto(address + name + elder)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert tab.evaluate(wide) <= 0, name


def test_elder_targets_are_sixty_pixels_high(tab: Page, address: str) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    for name in ("home", "choose", "question", "form", "confirm"):
        tab.goto(f"{address}{name}?elder")
        found = tab.locator("a:visible, button:visible, .input:visible, .choice:visible").all()
        for one in found:
            box = one.bounding_box()
            assert box
            inline = one.evaluate("it => it.closest('.notice, h2') !== null")
            skip = one.evaluate("it => it.matches('.skip')")
            assert skip or inline or box["height"] >= 60, (name, one.inner_text())


def test_rows_are_walked_and_opened_by_keyboard(tab: Page, address: str) -> None:
    tab.goto(address + "clinic")
    tab.keyboard.press("j")
    assert "周建国" in tab.evaluate("document.activeElement.textContent")
    tab.keyboard.press("Enter")
    assert tab.locator("#panel .bones").count() == 0
    tab.wait_for_selector("#panel .bones")
    assert "周建国" in tab.locator("tr.is-selected").inner_text()
    tab.wait_for_selector("#panel h2:focus")
    assert tab.locator("#panel").inner_text() == "周建国"


def test_single_keys_rest_in_fields_and_can_be_switched_off(tab: Page, address: str) -> None:
    tab.goto(address + "clinic")
    tab.keyboard.press("/")
    tab.keyboard.type("jk")
    assert tab.input_value("#search") == "jk"
    tab.keyboard.press("Escape")
    tab.click("[data-keys-switch]")
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") != "search"


def test_a_stale_form_loses_nothing(tab: Page, address: str) -> None:
    tab.goto(address + "form")
    tab.fill("#note", "夜里喘")
    tab.reload()
    assert tab.input_value("#note") == "夜里喘"
    assert tab.is_visible("[data-kept-notice]")


def test_reading_aloud_marks_what_is_read_and_pauses(tab: Page, address: str) -> None:
    tab.goto(address + "home?elder")
    tab.click("[data-read-aloud]:visible")
    tab.wait_for_selector(".is-read")
    assert tab.locator("[data-read-aloud]:visible").inner_text() == "暂停"


def test_it_says_when_the_network_is_gone(tab: Page, address: str) -> None:
    tab.goto(address + "home")
    tab.context.set_offline(True)
    tab.wait_for_selector("#offline", state="visible")
    tab.context.set_offline(False)
    tab.wait_for_selector("#offline", state="hidden")


def test_a_chart_is_drawn_and_keeps_its_table(tab: Page, address: str) -> None:
    tab.goto(address + "parts")
    tab.wait_for_selector("figure[data-drawn] canvas")
    tab.click("figure summary >> nth=0")
    assert tab.is_visible("figure table >> nth=0")


def test_without_script_all_is_there(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "parts")
    assert page.is_visible("figure table >> nth=0")
    assert not page.is_visible("[data-copy]")
    context.close()
