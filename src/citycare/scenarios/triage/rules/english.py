"""English first messages: as far as the knowledge has the words, they are said again in Chinese.

The knowledge names each finding, condition and department in English too. What is found of them is
put behind the message in Chinese, so that everything after this understands one language only, and
a doctor reads both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from citycare.scenarios.triage.model.entries import Entries, Finding

CHINESE = re.compile(r"[\u4e00-\u9fff]")
CLAUSE_END = re.compile(r"[,.;:!?\n]+|\bbut\b|\bhowever\b")
WORD = re.compile(r"[a-z]+")
SMALL = frozenset(
    ("a", "an", "the", "of", "on", "in", "at", "or", "and", "my", "with", "to", "is", "by", "for")
)
ORDINARY = frozenset(  # stems said of many things: alone they name no finding
    ("yellow", "fire", "belly", "dived", "thrown", "slipp", "trapp", "iron", "worm", "fall", "clot")
)
WORDS_MAX = 5
STEM_MIN = 4
LAY_WORDS: dict[str, tuple[str, ...]] = {  # what people say in English, as patterns
    "不想活了": (
        r"(?:want|wish|going) to die",
        r"kill(?:ing)? myself",
        r"end(?:ing)? (?:my life|it all)",
        r"suicid",
        r"(?:hurt|harm)(?:ing)? myself",
        r"better off dead",
    ),
    "呼吸困难": (
        r"(?:can ?no?t|can'?t|hard to|unable to|struggling to) breathe",
        r"short(?:ness)? of breath",
        r"difficult\w* (?:in )?breathing",
        r"out of breath",
        r"breathless",
    ),
    "胸痛": (r"chest (?:hurts|pain|ache)", r"pain in (?:my|the|his|her) chest"),
    "胸口压榨样疼": (
        r"(?:crush|squeez|press|tight)\w*[^.]{0,20}chest",
        r"chest[^.]{0,20}(?:crush|squeez|press)",
    ),
    "出冷汗": (r"cold sweat",),
    "肚子疼": (r"(?:stomach|belly|tummy|abdom\w+)[ -]?(?:ache|hurts|pain|cramps)",),
    "头痛": (r"head (?:hurts|pain)", r"migraine"),
    "黄痰": (r"yellow(?:ish)? (?:phlegm|sputum|mucus)", r"(?:phlegm|sputum|mucus) is yellow"),
    "皮肤发黄": (r"yellow (?:skin|eyes?)", r"(?:skin|eyes?)[^.]{0,12}yellow", r"jaundice"),
    "小便疼": (r"(?:burn|pain|sting|hurt)\w*[^.]{0,20}(?:pee|urinat)",),
    "嗓子疼": (r"throat (?:hurts|pain)",),
    "腰疼": (r"back (?:hurts|ache)", r"backache"),
    "膝盖疼": (r"knees? (?:hurts?|pain)",),
    "呕吐": (r"throw(?:ing)? up", r"vomit", r"puk(?:e|ing)"),
    "拉肚子": (r"diarrh", r"loose stool", r"the runs"),
    "便秘": (r"constipat",),
    "头晕": (r"dizz", r"light-?headed"),
    "昏倒": (r"faint(?:ed|ing)?\b", r"pass(?:ed)? out", r"black(?:ed)? out"),
    "叫不醒": (
        r"(?:can ?no?t|can'?t|cannot) (?:be )?(?:wake|woken)",
        r"unconscious",
        r"unresponsive",
    ),
    "抽搐": (r"seizure", r"convuls", r"having a fit"),
    "口角歪斜": (r"face (?:is )?droop\w*", r"mouth (?:is )?droop\w*"),
    "说话不清": (r"slurr\w* speech", r"can(?:not|'t) speak"),
    "吐血": (r"vomit\w* blood", r"throw\w* up blood"),
    "便血": (r"blood in (?:my |the )?(?:stool|poo)",),
    "尿血": (r"blood in (?:my |the )?(?:urine|pee)",),
    "失眠": (r"can(?:not|'t) sleep", r"insomnia", r"trouble sleeping"),
    "情绪低落": (r"depress",),
    "焦虑": (r"anxious", r"anxiety", r"panic"),
    "皮肤痒": (r"itch",),
    "发烧": (r"temperature", r"feverish", r"high fever"),
    "牙疼": (r"tooth ?ache", r"tooth hurts", r"dentist", r"cavity"),
    "耳朵疼": (r"ear ?ache", r"ear hurts"),
    "心慌": (r"(?:heart )?palpitation", r"heart (?:is )?(?:racing|pounding)"),
    "怀孕了": (r"pregnan",),
    "月经没来": (r"period (?:is )?late", r"missed (?:my )?period"),
    "糖尿病": (r"diabet",),
    "高血压": (r"high blood pressure", r"hypertension"),
    "想体检": (r"check-?up", r"physical exam"),
    "打疫苗": (r"vaccin", r"immuni[sz]"),
    "开药": (r"refill", r"renew\w* [^.]{0,12}(?:prescription|medic)"),
}
LAY = tuple((said, re.compile("|".join(one))) for said, one in LAY_WORDS.items())
DENIES = re.compile(r"\b(?:no|not|without|never|don'?t|doesn'?t|didn'?t|haven'?t)\b")
CHILD = re.compile(r"\b(?:my )?(?:child|baby|toddler|infant|son|daughter|kid|newborn)\b")
NAMED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
COUNTS = {word: n for n, word in enumerate(NAMED, start=1)}
NUMBER = rf"(\d+|{'|'.join(NAMED)})"
OLD = re.compile(NUMBER + r"[ -](year|month|week|day)s?[ -]old")
LASTING = re.compile(NUMBER + r" (hour|day|week|month|year)s?\b")
AGES = {"year": "岁", "month": "个月大", "week": "周大", "day": "天大"}
UNITS = {"hour": "小时", "day": "天", "week": "周", "month": "个月", "year": "年"}


def with_chinese(entries: Entries, text: str) -> str:
    """Return an English message with what was recognised behind it in Chinese, else the text.

    Denied things are said as denied. A message with any Chinese in it is left alone.

    Source: ours; bags of words within a clause, a denial reaching to the clause's end.
    """
    if CHINESE.search(text):
        return text
    even = text.lower().replace("’", "'")
    found = [said for clause in CLAUSE_END.split(even) for said in _clause(entries, clause)]
    if not found:
        return text
    if CHILD.search(even):
        found.insert(0, "孩子")
    if old := OLD.search(even):
        found.insert(0, f"{_number(old[1])}{AGES[old[2]]}")
    if lasting := LASTING.search(OLD.sub("", even)):
        found.append(f"{_number(lasting[1])}{UNITS[lasting[2]]}了")
    return f"{text}\n（{'，'.join(dict.fromkeys(found))}）"


def original_of(text: str) -> str:
    """Return a message as it was typed, without what `with_chinese` put behind it.

    Source: ours.
    """
    typed, _, behind = text.rpartition("\n（")
    return typed if behind.endswith("）") and not CHINESE.search(typed) else text


def _number(word: str) -> int:
    return COUNTS.get(word) or int(word)


def _clause(entries: Entries, clause: str) -> Iterator[str]:
    denied = DENIES.search(clause)
    for said, pattern in LAY:
        if hit := pattern.search(clause):
            yield f"没有{said}" if denied and denied.end() <= hit.start() else said
    words = WORD.findall(clause)
    stems = [_stem(word) for word in words]
    for finding, bag in _findings(entries, frozenset(stems)):
        said = _plain(finding.name, finding.words)
        at = min(clause.find(words[stems.index(stem)]) for stem in bag)
        if said:
            yield f"没有{said}" if denied and denied.end() <= at else said
    spaced = f" {' '.join(words)} "
    for english, name in _names(entries):
        named = f" {' '.join(WORD.findall(english.lower()))} "
        if named.strip() and named in spaced:
            yield name


def _names(entries: Entries) -> Iterator[tuple[str, str]]:
    for condition in entries.conditions:
        yield condition.en, condition.name
    for department in entries.departments:
        yield department.en, department.name


def _findings(entries: Entries, stems: frozenset[str]) -> list[tuple[Finding, frozenset[str]]]:
    """Return the findings all of whose English words are there; the more exact swallow others."""
    found: list[tuple[Finding, frozenset[str]]] = []
    for one in entries.findings:
        bag = bag_of(one.en)
        if bag and len(bag) <= WORDS_MAX and bag <= stems and not bag <= ORDINARY:
            found.append((one, bag))
    return [
        (one, bag) for one, bag in found if not any(bag < other for _, other in found)
    ]  # fmt: skip


def bag_of(english: str) -> frozenset[str]:
    """Return the stems of the words that carry the meaning.

    Source: ours.
    """
    return frozenset(_stem(word) for word in WORD.findall(english.lower()) if word not in SMALL)


def _stem(word: str) -> str:
    """Cut what plural and continuing forms add: headaches, coughing, coughed."""
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= STEM_MIN:
            return word.removesuffix(ending)
    return word


def _plain(name: str, words: tuple[str, ...]) -> str:
    plain = [word for word in words if "~" not in word and "<" not in word]
    return name if name in plain else next(iter(plain), "")
