"""Every template renders alone, strictly, in both languages and manners; and keeps the rules."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from gettext import NullTranslations
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment, UndefinedError, nodes

from citycare.kit.money import Money
from citycare.web import assets, design, rendering
from citycare.web.shell import Lang, NavItem, Shell, Toast

SOURCES = rendering.TEMPLATES.parent / "static_src"
PACKAGE = rendering.TEMPLATES.parents[1]
ALL = sorted(PACKAGE.rglob("templates/**/*.html"))
MACROS = sorted((rendering.TEMPLATES / "macros").glob("[!_]*.html"))
WHOLE = list(design.SCREENS)
BUILT = assets.Assets(
    files={name: name for name in ("app.css", "work.css", "app.js", "icons.svg", "favicon.svg")},
    preload={},
    icons=frozenset(json.loads((SOURCES / "icons.json").read_text("utf-8"))),
)
SHELL = Shell(
    person_name="林秀英",
    can_switch=True,
    nav=(NavItem(label="首页", href="/", current=True, key="1", icon="home", count=3),),
    csrf="tok<en",
    city="示范市",
    demo=True,
    switch_url="/family",
    lang_url="/manner?lang=en",
    elder_url="/manner?elder=1",
    sign_out_url="/sign-out",
    portal_name="门诊",
    toast=Toast(text="已退号", undo="/undo"),
)


class Page(HTMLParser):
    """What the rules look at: tags with their attributes, ids, labels."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.labelled: set[str] = set()
        self.depth = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        inside = self.depth > 0
        if tag == "label":
            self.depth += 1
            self.labelled.add(facts.get("for") or "")
        self.tags.append((tag, facts | {"_in_label": "yes" if inside else None}))

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self.depth -= 1

    def named(self, *names: str) -> Iterator[tuple[str, dict[str, str | None]]]:
        return ((tag, facts) for tag, facts in self.tags if tag in names)


@pytest.fixture(scope="module")
def env() -> Environment:
    return rendering.environment(assets=BUILT)


def rendered(env: Environment, name: str, lang: Lang = "zh", *, elder: bool = False) -> str:
    template, page = design.screen(name, lang)
    shell = replace(SHELL, lang=lang, elder=elder)
    return rendering.render(env, template, shell, page, NullTranslations())


@pytest.mark.parametrize("elder", [False, True])
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("name", WHOLE)
def test_every_screen_keeps_the_rules_of_a_page(
    env: Environment, name: str, lang: Lang, *, elder: bool
) -> None:
    page = Page(rendered(env, name, lang, elder=elder))
    html = next(facts for _, facts in page.named("html"))
    assert html["lang"] == ("zh-CN" if lang == "zh" else "en")
    ids = [facts["id"] for _, facts in page.tags if facts.get("id")]
    assert len(ids) == len(set(ids))
    assert len(list(page.named("main"))) == 1
    for tag, facts in page.named("input", "select", "textarea"):
        if facts.get("type") in {"hidden", "submit"}:
            continue
        assert facts["_in_label"] or facts.get("id") in page.labelled, (tag, facts)
    for _, facts in page.named("form"):
        assert facts.get("method") in {"get", "post"}
    for tag, facts in page.tags:
        for name_, value in facts.items():
            assert name_ != "style", (tag, facts)
            assert not re.match(r"on[a-z]|hx-on", name_), (tag, facts)
            if name_ in {"aria-describedby", "aria-controls"}:
                assert set((value or "").split()) <= set(ids), (tag, facts)


@pytest.mark.parametrize("name", [one for one in WHOLE if one != "parts"])
def test_a_screen_has_one_heading_of_the_first_level(env: Environment, name: str) -> None:
    assert len(list(Page(rendered(env, name)).named("h1"))) == 1


@pytest.mark.parametrize("name", WHOLE)
def test_every_post_form_carries_the_token(env: Environment, name: str) -> None:
    text = rendered(env, name)
    forms = re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL)
    for form in forms:
        assert 'name="csrf" value="tok&lt;en"' in form, form[:200]


@pytest.mark.parametrize("name", ["home", "choose", "question", "form", "confirm", "error"])
def test_elders_always_have_help_and_120(env: Environment, name: str) -> None:
    page = Page(rendered(env, name, elder=True))
    hrefs = [facts["href"] for _, facts in page.named("a")]
    assert hrefs.count("tel:120") == 1
    assert "tel:12320" in hrefs


@pytest.mark.parametrize("path", MACROS, ids=lambda one: one.stem)
def test_every_macro_is_in_its_head_comment_and_compiles(env: Environment, path: Path) -> None:
    text = path.read_text("utf-8")
    head = text[: text.index("#}")]
    tree = env.parse(text)
    for macro in tree.find_all(nodes.Macro):
        if macro.name in {"describe", "about", "optional", "day_words", "chip_words"}:
            continue
        if macro.name in {"cell_words", "list_facts"}:
            continue
        assert re.search(rf"\b{macro.name}\(", head), macro.name
    env.get_template(f"macros/{path.name}")


def test_the_parts_page_uses_every_macro() -> None:
    shown = "".join(
        path.read_text("utf-8") for path in (rendering.TEMPLATES / "design").glob("*.html")
    ) + "".join(
        path.read_text("utf-8") for path in (rendering.TEMPLATES / "layouts").glob("*.html")
    )
    macros = "".join(path.read_text("utf-8") for path in MACROS)
    for name in re.findall(r"{% macro (\w+)\(", macros):
        alias = re.search(rf"\b{name} as (\w+)", shown + macros)
        called = rf"(?<!macro )\b(?:{name}|{alias[1] if alias else name})\("
        used = len(re.findall(called, shown + re.sub(r"{#.*?#}", "", macros, flags=re.DOTALL)))
        assert used > 0, f"{name} is shown nowhere"


@pytest.mark.parametrize("path", ALL, ids=lambda one: f"{one.parent.name}/{one.name}")
def test_templates_keep_the_rules(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("{#"), "starts with a comment that lists its inputs"
    assert not re.search(r"<script(?![^>]*\bsrc=)", text), "inline script"
    assert not re.search(r"<style\b|\sstyle=", text), "inline style"
    assert not re.search(r"""\son[a-z]+=|hx-on|javascript:|hx-vals=['"]js""", text), "inline code"
    assert not re.search(r"https?://", text), "an outside address"
    for line in re.findall(r"{% from .*? %}|{% import .*? %}", text):
        assert line.endswith("with context %}"), line
    for icon in re.findall(r'\bicon\("([^"]+)"\)|icon_name="([^"]+)"', text):
        assert (icon[0] or icon[1]) in BUILT.icons, icon


def test_facts_in_sentences_are_escaped(env: Environment) -> None:
    child = env.overlay(
        loader=DictLoader({"x": '{{ _("约 %(who)s", who=page) }} {{ csrf_field() }}'})
    )
    text = rendering.render(child, "x", SHELL, "<b>", NullTranslations())
    assert text.startswith("约 &lt;b&gt;")


def test_a_forgotten_input_is_an_error(env: Environment) -> None:
    child = env.overlay(loader=DictLoader({"x": "{{ page.nothing }}"}))
    with pytest.raises(UndefinedError):
        rendering.render(child, "x", SHELL, object(), NullTranslations())


def test_words_of_one_render_do_not_leak_into_the_next(env: Environment) -> None:
    class Shout(NullTranslations):
        def gettext(self, message: str) -> str:
            return f"!{message}!"

    template, page = design.screen("home", "zh")
    assert "!接下来!" in rendering.render(env, template, SHELL, page, Shout())
    assert "!接下来!" not in rendering.render(env, template, SHELL, page, NullTranslations())


EIGHT_THIRTY = datetime(2026, 11, 26, 0, 30, tzinfo=UTC)


def test_times_and_days_are_the_citys() -> None:
    late = datetime(2026, 11, 25, 16, 5, tzinfo=UTC)
    assert rendering.local_time(late) == "0:05"
    assert rendering.local_day(late, "zh") == "11月26日 周四"
    assert rendering.local_day(date(2026, 11, 26), "en") == "Thu 26 Nov"
    assert rendering.weekday(late, "zh") == "周四"
    assert rendering.window(EIGHT_THIRTY, EIGHT_THIRTY.replace(hour=1, minute=0)) == "8:30–9:00"


def test_numbers_carry_their_units() -> None:
    assert rendering.yuan(Money(5000), "zh") == "50 元"
    assert rendering.yuan(Money(1250), "en") == "¥12.50"
    assert rendering.distance(2149, "zh") == "2.1 公里"
    assert rendering.distance(996, "en") == "1.0 km"
    assert rendering.distance(831, "zh") == "830 米"


def test_what_belongs_together_stays_on_one_line() -> None:
    assert rendering.times("周四 8:30–9:00") == '周四 <span class="num">8:30–9:00</span>'
    assert rendering.times("<b>") == "&lt;b&gt;"
    assert rendering.units("陈立 · 第 3 号") == "陈立\u00a0· 第 3\u00a0号"
    assert rendering.month_day(date(2026, 11, 26), "zh") == "11月26日"
    assert rendering.month_day(date(2026, 11, 26), "en") == "26 Nov"


def test_numbers_of_people_are_masked() -> None:
    assert rendering.mask("13812345678") == "138****5678"
    assert rendering.mask("31010119590412208X") == "310****208X"
    assert rendering.mask("林秀英") == "林**"
    assert rendering.mask("") == ""
