"""The words of the whole product: complete in both languages, clean, and never the system's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from citycare import app as application
from citycare.journeys.demo import demo_logins
from citycare.kit.errors import AppError
from citycare.web import i18n
from tests.web import spoken

SOURCE = Path(application.__file__).parent
PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?([ds%])")
CJK = r"\u3400-\u9fff“”（）《》「」‘’"
HALF_WIDTH = re.compile(rf"(?<=[{CJK}])[,:;?!](?=[{CJK}]|%\(|$)|(?<=[{CJK}])\((?!-)|\)(?=[{CJK}])")
SYSTEM = re.compile(
    r"操作失败|操作成功|提交成功|提交失败|非法|参数错误|无效的?参数|系统异常|请求失败|不合法|"
    r"服务器(?:内部)?错误|数据异常|未知错误|网络异常"
)
NAMED = re.compile(r"%\(\w+\)[ds]")


def sentences() -> list[str]:
    return sorted(set(spoken.marked(SOURCE)))


def error_words() -> Iterator[tuple[str, str]]:
    for kind in set(spoken.kinds(AppError)):
        if kind.__module__.startswith("citycare"):
            yield kind.__qualname__, kind.words


def entries() -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Pairs of Chinese and English, plurals as several."""
    found = []
    for message in i18n.catalogue():
        if not message.id:
            continue
        source = (message.id,) if isinstance(message.id, str) else tuple(message.id)
        target = message.string
        found.append((source, (target,) if isinstance(target, str) else tuple(target or ())))
    return found


def test_nothing_is_missing_and_nothing_is_left_over() -> None:
    known = {source[0] for source, _ in entries()}
    assert sorted(spoken.missing([SOURCE])) == []
    may_be_kinder = {words for _, words in error_words()}  # than the docstring an error has
    people = {f"{one.name} {one.words}" for one in demo_logins()}
    assert sorted(known - set(sentences()) - may_be_kinder - people) == []


def test_both_sides_hold_the_same_facts() -> None:
    wrong = [
        source[0]
        for source, targets in entries()
        for target in targets
        if sorted(PLACEHOLDER.findall(source[0])) != sorted(PLACEHOLDER.findall(target))
    ]
    assert wrong == []


def test_chinese_has_chinese_punctuation() -> None:
    texts = [*sentences(), *(words for _, words in error_words())]
    wrong = [text for text in texts if HALF_WIDTH.search(NAMED.sub("某", text))]
    assert wrong == []


def test_english_has_english_punctuation() -> None:
    wrong = [
        target
        for source, targets in entries()
        for target in targets
        if re.search(r"[，。：；？！、（）《》]", target)
        or target != target.lstrip()
        or (target != target.rstrip() and source[0][-1] not in "、：；，")
    ]
    assert wrong == []


def test_nobody_hears_the_system_talk() -> None:
    texts = [*sentences(), *(words for _, words in error_words())]
    assert [text for text in texts if SYSTEM.search(text)] == []


def test_every_error_tells_the_next_step() -> None:
    """What happened and what to do: more than one clause, and an end."""
    short = [
        (name, words)
        for name, words in error_words()
        if not words.endswith(("。", "？", "！")) or len(words) < 5
    ]
    assert short == []


@pytest.mark.parametrize(
    "bad",
    ["填好了,请看", "您好:请坐", "好吗?好的", "记得(带证件)来", "候补第%(n)d位,请等"],
)
def test_planted_half_width_signs_are_found(bad: str) -> None:
    assert HALF_WIDTH.search(NAMED.sub("某", bad))


@pytest.mark.parametrize(
    "good",
    ["填好了，请看", "第 3 号", "PostgreSQL 18, 3 GB", "8:30 到 9:00", "Appointment/1 的记录"],
)
def test_good_sentences_pass(good: str) -> None:
    assert not HALF_WIDTH.search(good)
    assert not SYSTEM.search(good)


def test_planted_system_words_are_found() -> None:
    assert SYSTEM.search("操作失败，请重试")
    assert SYSTEM.search("非法参数")
