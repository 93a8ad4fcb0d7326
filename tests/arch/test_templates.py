"""What every template keeps, looked at as text. How they render, tests/web/test_templates.py."""

from __future__ import annotations

import re

import pytest

from tests.arch.sources import PACKAGE

TEMPLATES = sorted(PACKAGE.rglob("templates/**/*.html"))
RULES: dict[str, tuple[re.Pattern[str], str, str]] = {  # what must not stand there: good, bad
    "inline script": (
        re.compile(r"<script(?![^>]*\bsrc=)"),
        '<script type="module" src="{{ asset(\'app.js\') }}"></script>',
        "<script>go()</script>",
    ),
    "inline style": (
        re.compile(r"<style\b|\sstyle="),
        '<p class="quiet">',
        '<p style="color: red">',
    ),
    "inline handler": (
        re.compile(r"\son[a-z]+=|hx-on|javascript:|hx-vals=['\"]js"),
        '<button hx-post="/x">',
        '<button onclick="go()">',
    ),
    "outside address": (
        re.compile(r"(?:src|href|action)=\"(?:https?:)?//"),
        '<a href="/book">',
        '<link href="//cdn.example/x.css">',
    ),
    "unescaped": (
        re.compile(r"\|\s*safe\b|{%-?\s*autoescape\s+false"),
        "{{ page.name }}",
        "{{ page.name | safe }}",
    ),
    "image without words": (
        re.compile(r"<img(?![^>]*\balt=)"),
        '<img src="/static/a.png" alt="地图">',
        '<img src="/static/a.png">',
    ),
    "positive tabindex": (
        re.compile(r"tabindex=\"[1-9]"),
        '<main tabindex="-1">',
        '<a tabindex="3">',
    ),
    "text nobody can translate": (
        re.compile(r">\s*[\u4e00-\u9fff]"),
        '<h1>{{ _("预约") }}</h1>',
        "<h1>预约</h1>",
    ),
}
COMMENT = re.compile(r"{#.*?#}", re.DOTALL)
SHOWN_AS_IS = {"design"}  # the design screens are shown to developers only


@pytest.mark.parametrize("rule", RULES)
def test_no_template_holds(rule: str) -> None:
    banned = RULES[rule][0]
    found = [
        f"{path.relative_to(PACKAGE)}: {match[0]}"
        for path in TEMPLATES
        if not (rule == "text nobody can translate" and path.parent.name in SHOWN_AS_IS)
        for match in banned.finditer(COMMENT.sub("", path.read_text("utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_passes_the_good_and_finds_the_bad(rule: str) -> None:
    banned, good, bad = RULES[rule]
    assert not banned.search(good)
    assert banned.search(bad)


def test_each_template_says_what_it_needs() -> None:
    bare = [str(path) for path in TEMPLATES if not path.read_text("utf-8").startswith("{#")]
    assert bare == []
    assert len(TEMPLATES) > 30


def test_each_post_form_carries_the_token() -> None:
    for path in TEMPLATES:
        text = COMMENT.sub("", path.read_text("utf-8"))
        for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.DOTALL):
            assert re.search(r"csrf_field\(\)|name=\"csrf\"", form), f"{path}: {form[:80]}"
