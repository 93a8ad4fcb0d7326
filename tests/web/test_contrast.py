"""Contrast by calculation, WCAG 2.2 formula, from tokens.css itself."""

import re
from pathlib import Path

import pytest

from citycare.web import rendering

CSS = rendering.TEMPLATES.parent / "static_src" / "css"
TEXT_ON = [
    ("ink", "ground"),
    ("ink", "card"),
    ("ink", "sunk"),
    ("ink-2", "ground"),
    ("ink-2", "card"),
    ("ink-2", "sunk"),
    ("ink-2", "jade-wash"),
    ("ink-3", "ground"),
    ("ink-3", "card"),
    ("ink-3", "sunk"),
    ("jade", "ground"),
    ("jade", "card"),
    ("jade", "jade-wash"),
    ("jade-strong", "jade-wash"),
    ("on-jade", "jade"),
    ("on-jade", "jade-strong"),
    ("jade-pale", "jade-strong"),
    ("jade-wash", "jade"),
    ("amber", "amber-wash"),
    ("amber", "card"),
    ("red", "red-wash"),
    ("red", "ground"),
    ("on-jade", "red"),
    ("blue", "blue-wash"),
    ("blue", "card"),
    ("ink", "amber-wash"),
    ("ink", "red-wash"),
    ("ink", "blue-wash"),
    ("side-ink", "side"),
    ("on-jade", "side-on"),
    ("on-jade", "ink"),
    ("focus", "ink"),
]
SHAPES_ON = [("edge", "card"), ("edge", "ground"), ("ink", "focus"), ("red", "card")]


def tokens(*selectors: str) -> dict[str, str]:
    text = (CSS / "tokens.css").read_text("utf-8")
    found: dict[str, str] = {}
    for selector in selectors:
        block = re.search(rf"^{re.escape(selector)} \{{(.*?)^\}}", text, re.DOTALL | re.MULTILINE)
        assert block, selector
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block[1]))
    return found


def luminance(colour: str) -> float:
    def linear(part: str) -> float:
        value = int(part, 16) / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(colour[at : at + 2]) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_knows_black_on_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_reads_at_four_and_a_half(text: str, ground: str) -> None:
    colours = tokens(":root")
    assert contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_reads_at_seven_for_elders(text: str, ground: str) -> None:
    colours = tokens(":root", ".elder")
    assert contrast(colours[text], colours[ground]) >= 7


@pytest.mark.parametrize("manner", [(":root",), (":root", ".elder")])
@pytest.mark.parametrize(("shape", "ground"), SHAPES_ON)
def test_edges_of_what_can_be_used_show_at_three(
    manner: tuple[str, ...], shape: str, ground: str
) -> None:
    colours = tokens(*manner)
    assert contrast(colours[shape], colours[ground]) >= 3


def test_only_tokens_name_colours() -> None:
    colour = re.compile(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(|:\s*(white|black|gray)\b")
    for sheet in CSS.rglob("*.css"):
        if sheet.name == "tokens.css":
            continue
        text = re.sub(r"/\*.*?\*/", "", sheet.read_text("utf-8"), flags=re.DOTALL)
        assert not colour.findall(text), sheet.name


def test_elder_targets_and_type_are_big_enough() -> None:
    text = (CSS / "tokens.css").read_text("utf-8")
    elder = text[text.index(".elder {") : text.index(".dense {")]
    for name in ("target", "target-s", "row"):
        size = re.search(rf"--{name}: (\d+)px", elder)
        assert size
        assert int(size[1]) >= 60
    smallest = re.search(r"--t-s: ([\d.]+)rem", elder)
    assert smallest
    assert float(smallest[1]) * 16 >= 18


def test_every_token_in_use_is_defined() -> None:
    sheets = [sheet.read_text("utf-8") for sheet in CSS.rglob("*.css")]
    text = "\n".join(sheets)
    used = set(re.findall(r"var\(--([\w-]+)", text))
    defined = set(re.findall(r"--([\w-]+):", text))
    assert used <= defined, used - defined
    assert Path(CSS / "app.css").exists()
