"""English first messages: said again in Chinese as far as the words are known."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.scenarios.triage.rules.english import original_of, with_chinese
from tests.scenarios.triage import small

ENGLISH = {
    "cough": {**small.FINDINGS["cough"], "en": "Cough"},
    "fever": {**small.FINDINGS["fever"], "en": "Fever"},
    "discharge": {**small.FINDINGS["discharge"], "en": "Yellow"},
}
ENTRIES: Any = small.triage(findings={**small.FINDINGS, **ENGLISH}).knowledge.entries


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("I have been coughing for three days", "咳嗽，3天了"),
        ("Cough but no fever", "咳嗽，没有发烧"),
        ("My son, 4 years old, has a fever", "4岁，孩子，发烧"),
        ("crushing chest pain", "胸痛，胸口压榨样疼"),
        ("I want to die", "不想活了"),
        ("yellow phlegm", "黄痰"),
        ("my eyes are yellow", "皮肤发黄"),
    ],
)
def test_what_is_recognised_stands_behind_in_chinese(said: str, heard: str) -> None:
    made = with_chinese(ENTRIES, said)
    assert made == f"{said}\n（{heard}）"
    assert original_of(made) == said


@pytest.mark.parametrize("said", ["咳嗽 cough", "something yellow", "hello there"])
def test_chinese_and_what_is_not_recognised_stay_as_they_are(said: str) -> None:
    assert with_chinese(ENTRIES, said) == said
    assert original_of(said) == said
