"""A resident's browser for tests of pages: the whole application on a database of its own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from citycare import app as application
from citycare.kernel import identity
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit.db import Database
from citycare.settings import read
from tests.conftest import NOW

BASE = "http://127.0.0.1:8000"
HTML = {"accept": "text/html"}
CSRF = re.compile(r'name="csrf" value="([^"]*)"')
FILLED = re.compile(r'class="btn(?: btn-small)?(?: btn-wide)?"')
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass
class Browser:
    """One person's browser without script: it opens addresses and sends forms."""

    client: httpx.AsyncClient

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers=HTML)

    async def page(self, path: str) -> str:
        """Open a page that must be there, with at most one filled button on it."""
        answer = await self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.headers)
        assert len(FILLED.findall(answer.text)) <= 1, path
        return answer.text

    async def post(self, path: str, shown_on: str, **fields: Any) -> httpx.Response:
        """Send a form with the token of the page it stands on."""
        found = CSRF.search((await self.get(shown_on)).text)
        assert found is not None, shown_on
        return await self.client.post(path, data={"csrf": found.group(1), **fields}, headers=HTML)

    async def english(self, path: str, names: tuple[str, ...] = ()) -> None:
        """Hold a page in English against Chinese left over, but for these names."""
        joiner = "&" if "?" in path else "?"
        text = await self.page(f"{path}{joiner}lang=en")
        body = re.sub(r"<[^>]*>", " ", text)
        for name in (*sorted(names, key=len, reverse=True), "中文", "医"):
            body = body.replace(name, "")
        assert not CHINESE.search(body), (path, CHINESE.findall(body)[:30])
        await self.get(f"{path}{joiner}lang=zh")


class House:
    """The application at NOW, and everything a test needs around it."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        settings = {"CITYCARE_HOME": str(home), "CITYCARE_BASE_URL": BASE}
        parts = replace(application.PARTS, now=lambda: NOW)
        self.app = application.create(read(settings), database, parts)

    def stranger(self) -> Browser:
        """Somebody who has not signed in."""
        transport = httpx.ASGITransport(self.app)
        return Browser(httpx.AsyncClient(transport=transport, base_url=BASE))

    async def within(self, run: Callable[[Context], Awaitable[Any]]) -> Any:
        """Run something as the system at NOW, in a transaction that is kept."""
        async with self.database.transaction() as db:
            return await run(Context(db, SYSTEM, NOW, "setup", Channel.PHONE, "test"))

    async def signed_in(self, person_id: UUID | None, name: str = "林秀英") -> Browser:
        """Somebody with a session, as the sign-in would open it."""

        async def open_(cx: Context) -> str:
            subject = f"{name}/{person_id}"
            account = await identity.register_account(
                cx, "https://issuer.test", subject, name=name, person_id=person_id
            )
            return await identity.open_session(cx, account.id)

        browser = self.stranger()
        browser.client.cookies.set("cc_session", await self.within(open_))
        return browser


async def must_sign_in(house: House, paths: list[str]) -> None:
    """Hold that each of these pages sends a stranger to sign in, and back."""
    for path in paths:
        answer = await house.stranger().get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/login?next="), path


async def needs_token(browser: Browser, paths: list[str]) -> None:
    """Hold that a form without its token changes nothing and comes back whole."""
    for path in paths:
        answer = await browser.client.post(path, data={"name": "林静"}, headers=HTML)
        assert answer.status_code == 403, path
        assert "林静" in answer.text, path
