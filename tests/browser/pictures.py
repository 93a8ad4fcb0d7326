"""Make the pictures of the README: `python -m tests.browser.pictures` (about a minute).

The demo city at 9:12 on a Sunday, always the same, photographed in Debian's Chromium. Look at each
before committing it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser

from bench.city import ROOT
from citycare.journeys.demo.model import SMALL
from citycare.kit.embedded import Embedded
from tests.browser.hand import DESKTOP, Hand, open_browser
from tests.browser.stage import Stage, open_stage

OUT = ROOT / "docs" / "pictures"
BYTES_MAX = 200_000
ALL_BYTES_MAX = 2_500_000
WIDE = {"width": 1280, "height": 800}
OPEN_DRAW = """
    SELECT l.slot_id AS id FROM booking.draw d JOIN booking.draw_slot l ON l.draw_id = d.id
     WHERE d.state = 'open' ORDER BY l.n LIMIT 1
"""
COUGH = "咳嗽三天了，有黄痰，有点发烧"
QUIET = """() => {
  document.querySelector('.toast')?.remove();
  document.activeElement?.blur();
}"""


def phone(browser: Browser, stage: Stage, **manner: object) -> Hand:
    """Return a phone, half as sharp again as a screen: enough for a README, and small."""
    extra = {"device_scale_factor": 1.5, "is_mobile": True, "has_touch": True}
    return Hand(browser, stage.address, extra=extra, **manner)  # type: ignore[arg-type]


def desktop(browser: Browser, stage: Stage, **manner: object) -> Hand:
    return Hand(browser, stage.address, size=DESKTOP, **manner)  # type: ignore[arg-type]


def keep(hand: Hand, name: str) -> None:
    """Take one picture, when everything is drawn and nothing moves."""
    hand.page.wait_for_load_state("networkidle")
    hand.page.evaluate(QUIET)
    hand.page.wait_for_timeout(500)
    file = OUT / f"{name}.png"
    hand.shoot(file)
    size = file.stat().st_size
    sys.stdout.write(f"  {name:<22} {size / 1000:6.0f} kB\n")
    if size > BYTES_MAX:
        sys.stdout.write(f"  {name} is larger than {BYTES_MAX / 1000:.0f} kB\n")


def resident(browser: Browser, stage: Stage) -> None:
    hand = phone(browser, stage)
    hand.sign_in("resident", to="/?elder=0")
    hand.go("/?elder=0")
    keep(hand, "phone-home")
    hand.go("/book?q=瑞金 心内")
    hand.page.locator(".days a.day-open").nth(2).click()
    keep(hand, "phone-choose")
    hand.page.locator("a.chip-free, a.chip-few").first.click()
    hand.page.locator("h1", has_text=re.compile(":")).wait_for()
    keep(hand, "phone-confirm")
    hand.go(f"/draws/of/{stage.ask(OPEN_DRAW)[0]['id']}")
    keep(hand, "draw")


def elder(browser: Browser, stage: Stage) -> None:
    hand = phone(browser, stage)
    hand.sign_in("resident", to="/?elder=1")
    keep(hand, "elder-home")
    hand.go("/book")
    keep(hand, "elder-choose")


def english(browser: Browser, stage: Stage) -> None:
    hand = phone(browser, stage, lang="en")
    hand.sign_in("resident", to="/?elder=0")
    hand.go("/?elder=0&lang=en")
    keep(hand, "en-home")


def big_screen(browser: Browser, stage: Stage) -> None:
    hand = desktop(browser, stage)
    hand.sign_in("daughter")
    hand.go("/book?q=瑞金 心内")
    hand.page.locator(".days a.day-open").nth(2).click()
    keep(hand, "desktop-choose")


def triage(browser: Browser, stage: Stage) -> None:
    """From where it hurts to the advice; stopped; for elders, in English, on a desktop."""
    hand = phone(browser, stage)
    hand.sign_in("daughter", to="/?elder=0")
    hand.go("/triage?elder=0&site=chest")
    hand.page.locator("#where").evaluate("it => it.scrollIntoView()")
    keep(hand, "phone-triage-body")
    _say(hand, COUGH)
    keep(hand, "phone-triage-question")
    hand.page.goto(hand.page.url.partition("?")[0] + "?advice=1")
    keep(hand, "phone-triage-advice")
    _say(hand, "胸口压榨样疼半个小时了，出冷汗")
    keep(hand, "phone-triage-stop")
    hand = phone(browser, stage)
    hand.sign_in("resident", to="/?elder=1")
    _say(hand, "膝盖疼一个月了，上下楼疼")
    keep(hand, "elder-triage")
    hand = phone(browser, stage, lang="en")
    hand.go("/triage?elder=0&lang=en")
    hand.page.locator("#age").fill("35")
    hand.page.locator("#text").fill("I have had a cough and yellow phlegm for three days")
    hand.page.locator("button[form=ask].btn").click()
    hand.page.goto(hand.page.url.partition("?")[0] + "?advice=1")
    keep(hand, "en-triage")
    hand = desktop(browser, stage)
    hand.sign_in("daughter")
    hand.go("/triage?elder=0&site=chest")
    keep(hand, "desktop-triage")


def _say(hand: Hand, words: str) -> None:
    hand.go("/triage")
    hand.page.locator("#text").fill(words)
    hand.page.locator("button[form=ask].btn").click()


def staff(browser: Browser, stage: Stage) -> None:
    hand = desktop(browser, stage)
    hand.sign_in("clerk", to="/desk?q=林秀英")
    keep(hand, "desk")
    hand = desktop(browser, stage)
    hand.sign_in("clinician", to="/clinic")
    row = hand.page.locator("a.row-link", has_text="林秀英").first
    row.click()
    hand.page.locator("#panel h2", has_text="林秀英").wait_for()
    keep(hand, "clinic")
    hand = desktop(browser, stage)
    hand.sign_in("scheduler", to="/scheduler")
    keep(hand, "scheduler")
    hand = desktop(browser, stage)
    hand.sign_in("operator", to="/operator")
    hand.page.locator("figure[data-drawn]").first.wait_for()
    keep(hand, "operator")


def record(browser: Browser, stage: Stage) -> None:
    """The record as an operator browses it; an app that asks a resident to let it in."""
    hand = desktop(browser, stage)
    hand.sign_in("operator", to="/operator/record")
    keep(hand, "record")
    hand.go("/operator/apps/new")
    page = hand.page
    page.locator("[name=name]").fill("我的血压本")
    page.locator("[name=publisher]").fill("示例健康科技有限公司")
    page.locator("[name=auth]").select_option(index=2)
    page.locator("[name=redirect_uris]").fill("https://app.example/back")
    page.locator("[name=scopes]").fill("launch/patient patient/Patient.rs patient/Observation.rs")
    page.locator("main button[type=submit]").first.click()
    page.wait_for_url(re.compile(r"/operator/apps/[0-9a-f-]{36}"))
    client = page.url.rpartition("/")[2].partition("?")[0]
    asked = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": "https://app.example/back",
        "scope": "launch/patient patient/Patient.rs patient/Observation.rs",
        "state": "0123456789ab",
        "aud": f"{stage.address}/fhir/R4",
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
    }
    hand = phone(browser, stage)
    hand.sign_in("daughter", to="/?elder=0")
    hand.go(f"/oauth/authorize?{urlencode(asked)}")
    keep(hand, "phone-consent")


SCENES: tuple[Callable[[Browser, Stage], None], ...] = (
    resident,
    elder,
    english,
    big_screen,
    triage,
    staff,
    record,
)


def main() -> None:
    """Build the city, take all pictures, or those of the scenes named, take the city away."""
    wanted = sys.argv[1:] or [scene.__name__ for scene in SCENES]
    server = Embedded(ROOT / ".var" / "test")
    server.ensure_running()
    with tempfile.TemporaryDirectory() as home:
        city = open_stage(server, "template1", Path(home), "pictures", SMALL)
        with city as stage, open_browser() as browser:
            for scene in SCENES:
                if scene.__name__ in wanted:
                    scene(browser, stage)
    total = sum(file.stat().st_size for file in OUT.glob("*.png"))
    sys.stdout.write(f"  {'all':<22} {total / 1000:6.0f} kB\n")
    if total > ALL_BYTES_MAX:
        raise SystemExit(f"more than {ALL_BYTES_MAX / 1000:.0f} kB in all")


if __name__ == "__main__":
    main()
