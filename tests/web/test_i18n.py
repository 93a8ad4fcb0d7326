from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from citycare import app as application
from citycare.kit.errors import AppError, Busy, Unavailable
from citycare.scenarios.booking.model.core import OnHold, SlotUnavailable, TooLate, TooManyBookings
from citycare.scenarios.booking.model.draw import DrawStep
from citycare.web import i18n
from tests.web import spoken

SOURCE = Path(application.__file__).parent
FACT = re.compile(r"%\((\w+)\)[ds]")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_every_sentence_has_its_english() -> None:
    assert spoken.missing([SOURCE]) == set()


def test_a_planted_sentence_without_english_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<p>{{ _("从来没有人翻译过这句话") }}</p>', "utf-8")
    (tmp_path / "page.py").write_text('LABEL = mark("这句也没有")\n', "utf-8")
    assert spoken.missing([tmp_path]) == {"从来没有人翻译过这句话", "这句也没有"}


def test_english_keeps_the_facts_and_has_no_chinese_left() -> None:
    for message in i18n.catalogue():
        if not message.id:
            continue
        sources = [message.id] if isinstance(message.id, str) else list(message.id)
        targets = (
            [message.string] if isinstance(message.string, str) else list(message.string or ())
        )
        facts = set(FACT.findall(sources[0]))
        for target in targets:
            assert set(FACT.findall(target)) == facts, sources[0]
            assert not CHINESE.search(target), sources[0]


def test_every_error_says_what_happened_in_both_languages() -> None:
    ours = [
        kind for kind in spoken.errors_without_english() if kind.__module__.startswith("citycare")
    ]
    assert ours == []


def test_a_planted_error_without_english_is_found() -> None:
    class Silent(Busy):
        pass

    Silent.__doc__ = None
    assert Silent in spoken.errors_without_english(Busy)
    del Silent


@pytest.mark.parametrize(
    ("wishes", "accepted", "lang"),
    [
        (("en", "zh"), "zh", "en"),
        ((None, "zh"), "en-GB,en;q=0.9", "zh"),
        ((None, None), "en-GB,en;q=0.9", "en"),
        ((None, "fr"), "fr-FR, zh-CN;q=0.5", "zh"),
        ((None, None), "", "zh"),
    ],
)
def test_the_first_language_of_ours_is_taken(
    wishes: tuple[str | None, ...], accepted: str, lang: str
) -> None:
    assert i18n.language(*wishes, accepted=accepted) == lang


async def test_a_link_changes_the_language_and_it_stays(client: httpx.AsyncClient) -> None:
    assert "登录城医通" in (await client.get("/login")).text
    page = await client.get("/login?lang=en")
    assert '<html lang="en"' in page.text
    assert "Sign in to CityCare" in page.text
    assert "Sign in to CityCare" in (await client.get("/login")).text
    assert "登录城医通" in (await client.get("/login?lang=zh")).text


async def test_elder_mode_is_a_link_too(client: httpx.AsyncClient) -> None:
    page = await client.get("/?elder=1")
    assert 'class="elder' in page.text
    assert "标准版" in (await client.get("/")).text
    assert 'class="elder' not in (await client.get("/?elder=0")).text


async def test_errors_speak_the_persons_language(client: httpx.AsyncClient) -> None:
    headers = {"accept": "text/html"}
    chinese = await client.get("/nowhere", headers=headers)
    assert "没有这个页面" in chinese.text
    english = await client.get("/nowhere?lang=en", headers=headers)
    assert "There is no such page" in english.text
    assert english.headers["x-request-id"] in english.text


def test_words_of_an_error() -> None:
    error: AppError = Busy()
    assert i18n.words_of(error, "zh") == Busy.words
    assert i18n.words_of(error, "en").startswith("Many people are here at the moment.")


def test_what_residents_often_meet_says_in_english_what_to_do() -> None:
    for kind in (SlotUnavailable, TooManyBookings, OnHold, TooLate, Unavailable):
        assert i18n.words_of(kind, "en").count(". ") >= 1, kind.code
    assert i18n.words_of(DrawStep, "en") == DrawStep.message()  # without an entry: the docstring
