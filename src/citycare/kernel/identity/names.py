"""How a Chinese name sounds: pinyin and initials for search and matching. Pure.

Source: pypinyin for the readings; the surnames that read differently as surnames are ours, from
memory (UNVERIFIED), and only help to find people.
"""

from __future__ import annotations

import re

SURNAMES = {
    "单": "shan", "曾": "zeng", "解": "xie", "仇": "qiu", "查": "zha", "任": "ren", "区": "ou",
    "朴": "piao", "盖": "ge", "华": "hua", "缪": "miao", "乐": "yue", "翟": "zhai", "覃": "qin",
    "尉迟": "yuchi", "万俟": "moqi", "长孙": "zhangsun", "澹台": "tantai",
}  # fmt: skip
_NOT_LETTERS = re.compile(r"[^a-z]")


def pinyin(name: str) -> tuple[str, str]:
    """Return how a name sounds, without tones or gaps, and its initials: `("zhangsan", "zs")`.

    A name in Latin letters keeps its letters; its initials are those of its words.
    """
    from pypinyin import lazy_pinyin  # noqa: PLC0415 - 45 MB of readings, only where names are written

    first = next((name[:size] for size in (2, 1) if name[:size] in SURNAMES), "")
    syllables = [SURNAMES[first]] if len(first) == 1 else []
    if len(first) > 1:
        whole = SURNAMES[first]
        second = lazy_pinyin(first[1])[0]
        syllables = [whole.removesuffix(second), second] if whole.endswith(second) else [whole]
    rest = name[len(first) :].lower().replace("·", " ")
    for part in lazy_pinyin(rest):
        syllables.extend(_NOT_LETTERS.sub("", word) for word in part.split())
    syllables = [syllable for syllable in syllables if syllable]
    return "".join(syllables), "".join(syllable[0] for syllable in syllables)
