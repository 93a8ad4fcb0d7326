"""FHIR forms on a server: drawn, posted as a browser would, drawn again; nothing typed is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from citycare.kernel.fhir import forms
from citycare.web import assets, i18n, questions, rendering
from citycare.web import forms as posted_forms
from citycare.web.shell import Lang, Shell
from tests.kernel.fhir.forms.made import (
    NOW,
    SYSTEM,
    calculated,
    coding,
    control,
    core,
    form,
    item,
    of,
    options,
    values,
)
from tests.web.posting import Fields

Json = dict[str, Any]

PAGE = (
    '{% from "macros/questions.html" import questions with context %}'
    '{% from "macros/forms.html" import error_summary with context %}'
    '<form method="post">'
    "{% if page.errors %}{{ error_summary(page.errors, page.labels) }}{% endif %}"
    "{{ questions(page.items) }}</form>"
)
UNIT = core("questionnaire-unitOption", valueCoding={"code": "kg", "display": "公斤"})
OTHER_UNIT = core("questionnaire-unitOption", valueCoding={"code": "g", "display": "克"})
ITEMS = (
    item("yes", "boolean"),
    item("more", "string", when={"question": "yes", "operator": "=", "answerBoolean": True}),
    item("one", "choice", answerOption=options("x", "y")),
    item("open", "open-choice", answerOption=options("x", "y")),
    item("some", "open-choice", answerOption=options("x", "y", "z"), repeats=True),
    item("list", "choice", answerOption=options("x", "y"), ext=[control("drop-down")]),
    item("whole", "integer"),
    item("broken", "decimal"),
    item("weight", "quantity", ext=[UNIT, OTHER_UNIT]),
    item("height", "quantity", ext=[core("questionnaire-unit", valueCoding={"code": "cm"})]),
    item("dose", "quantity"),
    item("day", "date"),
    item("moment", "dateTime"),
    item("clock", "time"),
    item("words", "text"),
    item("link", "url"),
    item("many", "string", repeats=True),
    item("rows", "group", item("name", "string", required=True), repeats=True),
    item("sum", "integer", readOnly=True, ext=[calculated(f"{of('whole')} * 2")]),
    item("hidden", "string", ext=[core("questionnaire-hidden", valueBoolean=True)]),
    item("file", "attachment"),
    item("odd name", "string"),
)


class Server:
    """One form on a page, kept in memory."""

    def __init__(self, made: forms.Form, lang: Lang = "zh") -> None:
        self.filling = forms.begin(made, now=NOW)
        self.lang: Lang = lang
        built = assets.Assets(files={}, preload={}, icons=frozenset())
        self.env = rendering.environment(assets=built)
        self.env.globals["icon"] = lambda *_: ""
        self.template = self.env.from_string(PAGE)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/", self.answer, methods=["GET", "POST"])])

    async def answer(self, request: Request) -> Response:
        posted = None
        if request.method == "POST":
            sent = await posted_forms.read(request, fields_max=questions.FIELDS_MAX)
            posted = questions.take(self.filling, sent)
        page = questions.draw(self.filling, self.lang, posted=posted, complete=posted is not None)
        words = i18n.translations(self.lang)
        shell = replace(Shell(), lang=self.lang)
        html = self.template.render(
            page=page, shell=shell, _=rendering._words(words), ngettext=rendering._plurals(words)
        )
        return HTMLResponse(html, status_code=422 if page.errors else 200)


class Browser:
    """Opens the page and posts it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.filling = server.filling
        transport = httpx.ASGITransport(server.app())
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")
        self.page = Fields("")
        self.status = 0

    async def open(self) -> Fields:
        self.page = Fields((await self.client.get("/")).text)
        return self.page

    async def post(
        self, answers: Mapping[str, str | list[str]] | None = None, *, press: str = ""
    ) -> Fields:
        fields = self.page.filled(answers or {}) + ([("do", press)] if press else [])
        answered = await self.client.post(
            "/",
            content=urlencode(fields),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        self.status = answered.status_code
        self.page = Fields(answered.text)
        return self.page

    def found(self, path: str) -> list[Any]:
        return values(self.filling, path)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    opened = Browser(Server(form(*ITEMS)))
    await opened.open()
    yield opened
    await opened.client.aclose()


async def test_every_field_has_a_name_and_ids_are_unique(browser: Browser) -> None:
    page = browser.page
    assert len(page.ids) == len(set(page.ids))
    assert set(page.described) <= set(page.ids)
    assert "q.more" not in page.names, "what is not asked for is not drawn"
    assert "q.hidden" not in page.names
    assert "看病时告诉医生" in page.text, "a file is said not to be possible here"


ANSWERS: dict[str, str | list[str]] = {
    "yes": "true",
    "one": f"{SYSTEM}|y",
    "open": f"{SYSTEM}|x",
    "some": [f"{SYSTEM}|x", f"{SYSTEM}|z"],
    "list": f"{SYSTEM}|y",
    "whole": "１２",
    "broken": "37.50",
    "weight": "61.5",
    "weight:unit": "|g",
    "height": "170",
    "dose": "2",
    "dose:unit": "片",
    "day": "2026/11/01",
    "moment": "2026-11-01T08:30",
    "clock": "8:05",
    "words": "一\r\n二",
    "link": "https://a.example/x",
    "many": ["甲", "", "乙"],
    "odd%20name": "好",
}
READ: dict[str, list[Any]] = {
    "yes": [True],
    "one": [{"system": SYSTEM, "code": "y", "display": "选项 y"}],
    "open": [{"system": SYSTEM, "code": "x", "display": "选项 x"}],
    "some": [coding(code, display=f"选项 {code}")["valueCoding"] for code in "xz"],
    "list": [{"system": SYSTEM, "code": "y", "display": "选项 y"}],
    "whole": [12],
    "broken": [Decimal("37.50")],
    "weight": [{"value": Decimal("61.5"), "unit": "克", "code": "g"}],
    "height": [{"value": Decimal(170), "unit": "cm", "code": "cm"}],
    "dose": [{"value": Decimal(2), "unit": "片"}],
    "day": ["2026-11-01"],
    "moment": ["2026-11-01T08:30:00+08:00"],
    "clock": ["08:05:00"],
    "words": ["一\n二"],
    "link": ["https://a.example/x"],
    "many": ["甲", "乙"],
    "odd name": ["好"],
    "sum": [24],
}


async def test_all_kinds_of_answers_are_read(browser: Browser) -> None:
    await browser.post(ANSWERS)
    assert {place: browser.found(place) for place in READ} == READ
    assert browser.status == 200
    assert "q.more" in browser.page.names, "what an answer brings is asked next"
    assert "24" in browser.page.text


async def test_a_page_sent_again_untouched_changes_nothing(browser: Browser) -> None:
    await browser.post(ANSWERS)
    before = browser.filling.answers()
    evaluations = browser.filling.evaluations
    await browser.post()
    assert browser.filling.answers() == before
    assert browser.filling.evaluations == evaluations


async def test_answers_are_taken_back(browser: Browser) -> None:
    await browser.post(ANSWERS)
    texts = ("whole", "broken", "weight", "day", "moment", "words", "many", "dose")
    await browser.post({"yes": "", "some": [], "list": "", **dict.fromkeys(texts, "")})
    for place in ("yes", "some", "list", "sum", *texts):
        assert browser.found(place) == [], place
    assert browser.found("clock") == ["08:05:00"]


WRONG = [
    ("whole", "三天", "请填一个整数"),
    ("whole", "99999999999", "请填一个整数"),
    ("broken", "37,5", "可以带小数"),
    ("weight", "很重", "可以带小数"),
    ("day", "2026-02-30", "日期不对"),
    ("day", "昨天", "日期不对"),
    ("moment", "2026-11-01T25:00", "日期和时间不对"),
    ("clock", "25:00", "时间不对"),
    ("one", "no-such", "请从列表里选一个"),
]


@pytest.mark.parametrize(("name", "typed", "words"), WRONG)
async def test_what_cannot_be_read_stays_with_its_error(
    browser: Browser, name: str, typed: str, words: str
) -> None:
    page = await browser.post({name: typed, "words": "别丢了"})
    assert browser.status == 422
    assert words in page.text
    assert browser.found(name) == []
    assert browser.found("words") == ["别丢了"]
    if name != "one":
        assert (f"q.{name}", typed) in page.sent, "what was typed is still there"
    assert f"q.{name}-error" in page.ids
    assert f"q.{name}-error" in page.described


async def test_a_choice_and_another_text_are_asked_about(browser: Browser) -> None:
    page = await browser.post({"open": f"{SYSTEM}|x", "open:other": "别的"})
    assert "请只留一个" in page.text
    assert ("q.open:other", "别的") in page.sent
    assert ("q.open", f"{SYSTEM}|x") in page.sent
    await browser.post({"open": [], "open:other": "别的", "some:other": "还有"})
    assert browser.found("open") == ["别的"]
    assert browser.found("some") == ["还有"]
    assert ("q.some:other", "还有") in browser.page.sent


async def test_what_is_wrong_by_the_form_stands_at_its_field() -> None:
    low = core("minValue", valueInteger=1)
    opened = Browser(
        Server(form(item("a", "integer", ext=[low]), item("b", "text", required=True)))
    )
    await opened.open()
    page = await opened.post({"a": "0"})
    assert opened.status == 422
    assert "不能小于（早于）1" in page.text
    assert "请填写这一项" in page.text
    assert {"q.a-error", "q.b-error"} <= set(page.ids)
    assert opened.found("a") == [0], "it is kept as a draft"


async def test_repetitions_are_added_and_removed_without_losing_what_was_typed(
    browser: Browser,
) -> None:
    assert ("do", "add rows[0]") in browser.page.buttons
    await browser.post({"rows[0]/name": "甲"}, press="add rows[0]")
    await browser.post({"rows[1]/name": "乙"}, press="add rows[1]")
    assert [value for name, value in browser.page.sent if "/name" in name] == ["甲", "乙", ""]
    await browser.post(press="remove rows[0]")
    assert [value for name, value in browser.page.sent if "/name" in name] == ["乙", ""]
    await browser.post(press="remove rows[7]")
    assert browser.found("rows[0]/name") == ["乙"]


async def test_enter_in_a_field_only_saves(browser: Browser) -> None:
    html = (await browser.client.get("/")).text
    first = html[html.index("<button") :].partition(">")[0]
    assert 'type="submit"' in first
    assert "name=" not in first


async def test_no_more_repetitions_than_allowed() -> None:
    most = core("questionnaire-maxOccurs", valueInteger=1)
    opened = Browser(Server(form(item("g", "group", item("a", "text"), repeats=True, ext=[most]))))
    await opened.open()
    assert opened.page.buttons == []
    page = await opened.post(press="add g[0]")
    assert "已经到了上限" in page.text


async def test_only_what_was_drawn_is_read(browser: Browser) -> None:
    await browser.post({"words": "好"})
    browser.page.sent = [("q.words", ""), ("q", "sum"), ("q.sum", "7"), ("q", "nowhere")]
    await browser.post()
    assert browser.found("words") == ["好"], "not named as drawn"
    assert browser.found("sum") == []
    browser.page.sent = [("q", "words"), ("q.words", "")]
    await browser.post()
    assert browser.found("words") == []


async def test_a_value_a_browser_cannot_show_in_its_field_stays_as_text(browser: Browser) -> None:
    await browser.post({"day": "2026-11", "moment": "2026-11-01"})
    await browser.post()
    assert browser.found("day") == ["2026-11"]
    assert browser.found("moment") == ["2026-11-01"]


async def test_a_unit_that_is_not_offered_is_not_changed_silently(browser: Browser) -> None:
    browser.filling.answer({"weight": [{"valueQuantity": {"value": 9, "unit": "斤"}}]})
    await browser.open()
    page = await browser.post()
    assert "请从列表里选一个" in page.text
    assert browser.found("weight") == [{"value": 9, "unit": "斤"}]


async def test_what_is_asked_within_an_answer() -> None:
    inner = item("why", "string")
    opened = Browser(
        Server(
            form(
                item("a", "string", inner, repeats=True),
                item("b", "boolean", inner | {"linkId": "when"}),
            )
        )
    )
    await opened.open()
    await opened.post({"a": ["一", ""]})
    await opened.post({"a[0]/why": "因为", "a": ["一", "二"], "b/when": "昨天"})
    await opened.post({"a": ["二", "一"]})
    assert opened.found("a[1]/why") == ["因为"]


async def test_english_words_where_the_form_has_none_of_its_own() -> None:
    opened = Browser(Server(form(item("a", "integer", required=True), item("b", "boolean")), "en"))
    page = await opened.open()
    assert "Yes" in page.text
    page = await opened.post({"a": "three"})
    assert "whole number" in page.text
    page = await opened.post({"a": ""})
    assert "This is required." in page.text


async def test_one_part_of_a_form_may_be_drawn_alone(browser: Browser) -> None:
    found = questions.draw(browser.filling, "zh", within="rows[0]")
    assert [each.place for each in found.items] == ["rows[0]"]
    assert questions.draw(browser.filling, "zh", within="nowhere").items == ()
