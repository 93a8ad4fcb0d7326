"""One tiny city for the whole level; a browser per module; hands that are looked over at the end.

The browser lives no longer than its module: while Playwright runs, no other event loop can.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from citycare.kit.embedded import Embedded
from citycare.web import assets
from tests.browser.hand import Hand, open_browser
from tests.browser.stage import CHROMIUM, Stage, open_stage

NewHand = Callable[..., Hand]


@pytest.fixture(scope="session")
def stage(
    server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """The city of 9:12 on a Sunday, served by one real web process."""
    if not CHROMIUM:
        pytest.fail("no chromium here: ./run setup")
    if not assets.DIST.exists():
        pytest.fail("the pages are not built: ./run setup")
    home = tmp_path_factory.mktemp("city")
    with open_stage(server, template, home, f"browser_{os.getpid()}") as here:
        yield here


@pytest.fixture(scope="module")
def browser(stage: Stage) -> Iterator[Browser]:
    """Debian's Chromium; after the stage, which needs an event loop to build."""
    assert stage.address
    with open_browser() as chromium:
        yield chromium


@pytest.fixture
def new_hand(browser: Browser, stage: Stage) -> Iterator[NewHand]:
    """Give somebody a browser of their own; at the end it must not have complained."""
    hands: list[Hand] = []

    def make(**manner: Any) -> Hand:
        hands.append(Hand(browser, stage.address, **manner))
        return hands[-1]

    yield make
    for one in hands:
        one.close()
