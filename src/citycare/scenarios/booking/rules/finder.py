"""Understanding what people type to find a clinic; the words a clinic is found by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta

from citycare.scenarios.booking.model.finder import PartOfDay, Query, Word, WordKind
from citycare.scenarios.booking.model.schedule import Clinic
from citycare.scenarios.booking.rules.names import (
    doctor_names_of,
    latin_of,
    lay_names_of,
    nicknames_of,
    tails_of,
)
from citycare.scenarios.booking.rules.position import DISTRICTS
from citycare.scenarios.booking.rules.sounds import sound_of

TEXT_MAX = 100
GENERAL = "普通门诊"
WORDS_MAX = 8
CHUNK_MAX = 40
DAYS_MAX = 31
WEEKDAYS = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "日": 7, "天": 7}
SATURDAY, SUNDAY = 6, 7
NUMBERS = {"一": 1, "两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "十": 10}

PARTS = (
    (re.compile(r"上午|早上|早晨|早班|\bmorning\b|\bam\b"), PartOfDay.MORNING),
    (re.compile(r"下午|午后|\bafternoon\b|\bpm\b"), PartOfDay.AFTERNOON),
    (re.compile(r"晚上|夜间|夜门诊|晚间|\bevening\b"), PartOfDay.EVENING),
)
NEAR = re.compile(
    r"离我(?:最|比较)?近的?|离家近的?|我?附近的?|就近|最近的?(?=医院|社区|门诊)|\bnear(?:by|\s+me)?\b"
)
SOON = re.compile(r"最近|最快|尽快|最早|马上|有号的?|\bsoon(?:est)?\b|\basap\b")
SHORT_TIMES = (
    (re.compile(r"今晚|\btonight\b"), "今天晚上"),
    (re.compile(r"今早"), "今天上午"),
    (re.compile(r"明早"), "明天上午"),
    (re.compile(r"明晚"), "明天晚上"),
)
# What people call a kind of place, and the word that stands in a clinic's text for it.
KINDS = (
    (re.compile(r"专家(?:门诊|号)?"), " 主任医师 "),
    (re.compile(r"普通(?:门诊|号)"), f" {GENERAL} "),
)
HOUSE = re.compile(r"([1-9]\d?)(?=(?:人民)?医?院)")
DIGITS = "零一二三四五六七八九"
FILLER = re.compile(
    r"我?想?要?(?:挂号|预约|挂个号|挂|约)(?:一下|个)?|请问|帮我|我要|我想|查一下|去看|的号|号源"
)
WEEK = "(?:周|星期|礼拜)"
DAY_WORDS = {
    "大后天": 3,
    "今天": 0,
    "今日": 0,
    "明天": 1,
    "明日": 1,
    "后天": 2,
    "today": 0,
    "tomorrow": 1,
}
DAY_WORD = re.compile(r"大后天|今天|今日|明天|明日|后天|\btoday\b|\btomorrow\b")
WEEKEND = re.compile(rf"(下下|下)个?{WEEK}末|(?:这个?|本)?周末|\b(next )?weekend\b")
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任"
    "沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
# 周一鸣医生 is a name: what follows 周一 and stands before 医生 is no surname. 周三陈医生 is a day.
WEEKDAY = re.compile(
    rf"(下下|下|这|本)?个?{WEEK}([一二三四五六日天])(?!院|[^\s{SURNAMES}](?:医生|大夫|主任|医师))"
)
WEEK_WHOLE = re.compile(
    rf"(下下|下|这|本)个?{WEEK}(?:里|内)?|(?:近|未来)?一周内|\b(this|next) week\b"
)
MONTH_DAY = re.compile(r"(1[0-2]|0?[1-9])(?:月|/|-|\.)(3[01]|[12]\d|0?[1-9])(?:日|号|(?!\d))")
DAY_ONLY = re.compile(r"(?<![\d月/-])(3[01]|[12]\d|0?[1-9])(?:日|号)(?!楼|线|院)")
WITHIN = re.compile(r"(?:近|未来)?([1-9]\d?|[一两二三四五六七十])天(?:之?内|以内)")
SPLIT = re.compile(r"[\s,,。.、;;::!!??/|()()·\"“”'的]+")
BESIDE = (  # English words every clinic could have, and those between words
    "doctor doctors dr clinic clinics hospital hospitals department dept specialist health care"
    " appointment appointments book booking see find need want good best open free time"
    " a an and at by for i in me my of on or s the to with"
)
GENERIC = frozenset(
    {
        "医院",
        "yiyuan",
        "门诊",
        "医生",
        "大夫",
        "主任",
        "医师",
        "科室",
        "看病",
        "专家",
        "的",
        "科",
        "看",
        "去",
        "有",
    }
) | frozenset(BESIDE.split())
HOSPITALS = frozenset(("医院", "yiyuan", "hospital", "hospitals"))
WHOLE_LETTERS = 4
SPOKEN = ("医生", "大夫", "主任", "医师", "医院")
MIXED = re.compile(r"[a-z0-9]+|[^a-z0-9]+")


def normalise(text: str) -> str:
    """Fold width and case, drop what is beyond 100 characters.

    Source: Unicode NFKC (UAX #15).
    """
    return unicodedata.normalize("NFKC", text).lower().strip()[:TEXT_MAX]


def understand(text: str, today: date) -> Query:
    """Read free text: words to look up, and the days, half-day and nearness said in between.

    Words keep their order; at most eight count. No time said: from today, without an end. Days
    gone by are never meant: on a Friday 周三 is the coming Wednesday, '3号' on the 22nd is in the
    next month. Nothing understood is an error; what is not a time is a word.

    Source: ours; weeks begin on Monday (GB/T 7408.1, ISO 8601).
    """
    rest = _spelled(normalise(text))
    query = Query((), today)
    for pattern, part in PARTS:
        if pattern.search(rest):
            rest = pattern.sub(" ", rest)
            query = replace(query, part_of_day=part)
    if NEAR.search(rest):
        rest = NEAR.sub(" ", rest)
        query = replace(query, near=True)
    rest, days = _days_of(rest, today)
    if days is not None:
        query = replace(query, from_day=max(days[0], today), to_day=max(days[1], today))
    rest = FILLER.sub(" ", SOON.sub(" ", rest))
    words = [piece for chunk in SPLIT.split(rest) for piece in MIXED.findall(chunk)]
    kept = dict.fromkeys(word[:CHUNK_MAX] for word in words if word)
    return replace(query, words=tuple(kept)[:WORDS_MAX])


def far_too(text: str) -> str:
    """Take the nearness out of what was typed.

    Source: ours.
    """
    return " ".join(NEAR.sub(" ", normalise(text)).split())


def _spelled(text: str) -> str:
    """Write short forms out: 今晚, 6院, 专家号."""
    for pattern, whole in (*SHORT_TIMES, *KINDS):
        text = pattern.sub(whole, text)
    return HOUSE.sub(lambda found: _numeral(int(found[1])), text)


def _numeral(number: int) -> str:
    tens, ones = divmod(number, 10)
    head = "" if tens == 0 else "十" if tens == 1 else f"{DIGITS[tens]}十"
    return head + (DIGITS[ones] if ones else "")


def _days_of(text: str, today: date) -> tuple[str, tuple[date, date] | None]:
    """Take the first time expression out of the text; give the days it means."""
    readers = (
        (DAY_WORD, _day_word),
        (WEEKEND, _weekend),
        (WEEKDAY, _weekday),
        (WITHIN, _within),
        (WEEK_WHOLE, _week),
        (MONTH_DAY, _month_day),
        (DAY_ONLY, _day_only),
    )
    for pattern, read in readers:
        found = pattern.search(text)
        if found is None:
            continue
        days = read(found, today)
        if days is not None:
            return text[: found.start()] + " " + text[found.end() :], days
    return text, None


def _monday(today: date) -> date:
    return today - timedelta(days=today.isoweekday() - 1)


def _weeks(prefix: str | None) -> int:
    return {"下": 1, "下下": 2}.get(prefix or "", 0)


def _day_word(found: re.Match[str], today: date) -> tuple[date, date] | None:
    day = today + timedelta(days=DAY_WORDS[found[0]])
    return day, day


def _weekend(found: re.Match[str], today: date) -> tuple[date, date] | None:
    weeks = 1 if found[2] else _weeks(found[1])
    saturday = _monday(today) + timedelta(days=SATURDAY - 1, weeks=weeks)
    return saturday, saturday + timedelta(days=1)


def _weekday(found: re.Match[str], today: date) -> tuple[date, date] | None:
    day = _monday(today) + timedelta(days=WEEKDAYS[found[2]] - 1, weeks=_weeks(found[1]))
    if day < today:
        day += timedelta(weeks=1)
    return day, day


def _within(found: re.Match[str], today: date) -> tuple[date, date] | None:
    count = NUMBERS.get(found[1]) or int(found[1])
    return today, today + timedelta(days=min(count, DAYS_MAX) - 1)


def _week(found: re.Match[str], today: date) -> tuple[date, date] | None:
    if found[1] is None and found[2] is None:
        return today, today + timedelta(days=6)
    weeks = 1 if found[2] == "next" else _weeks(found[1])
    monday = _monday(today) + timedelta(weeks=weeks)
    return monday, monday + timedelta(days=6)


def _month_day(found: re.Match[str], today: date) -> tuple[date, date] | None:
    for year in (today.year, today.year + 1):
        try:
            day = date(year, int(found[1]), int(found[2]))
        except ValueError:
            continue  # 29 February may exist next year; 31 June never does
        if day >= today:
            return day, day
    return None


def _day_only(found: re.Match[str], today: date) -> tuple[date, date] | None:
    for ahead in range(DAYS_MAX * 2 + 1):
        day = today + timedelta(days=ahead)
        if day.day == int(found[1]):
            return day, day
    return None


def substrings(chunk: str) -> set[str]:
    """List all pieces of a word of two characters or more: what to look up to take it apart.

    Source: ours; at most 780 for 40 characters.
    """
    size = len(chunk)
    return {chunk[a:b] for a in range(size) for b in range(a + 2, size + 1)}


def without_generic(pieces: Collection[str]) -> list[str]:
    """Leave out words every clinic could have (医院, 门诊, 医生).

    Source: ours.
    """
    return [piece for piece in pieces if piece not in GENERIC]


def segment(chunk: str, known: Collection[str]) -> list[str]:
    """Take a word written without spaces apart into known words: 瑞金心内 → 瑞金, 心内.

    The cut that leaves the fewest characters unknown wins, then the one with the fewest pieces.
    Unknown stretches stay as pieces of their own. Nothing known: the word itself. Letters come
    apart only into words known to the last letter, or after one of four: 'clinic' is not 'cl'.

    Source: ours (dynamic programming over word ends).
    """
    best: list[tuple[int, int, list[str]]] = [(0, 0, [])]
    words = frozenset(known)
    for end in range(1, len(chunk) + 1):
        options: list[tuple[int, int, list[str]]] = []
        for start in range(end):
            missing, pieces, cut = best[start]
            piece = chunk[start:end]
            cost = 0 if piece in words else len(piece)
            options.append((missing + cost, pieces + 1, [*cut, piece]))
        best.append(min(options, key=lambda option: (option[0], option[1])))
    missing, _, cut = best[-1]
    doubtful = any(piece in words and len(piece) < WHOLE_LETTERS for piece in cut)
    return [chunk] if missing and chunk.isascii() and doubtful else cut


def by_ear(piece: str) -> tuple[str, ...]:
    """List how a name typed with wrong characters may have been meant: in pinyin, as it sounds.

    瑞今医院 → ruijinyiyuan; 陈力医生 → also chenli. Nothing for letters or a single character.

    Source: ours.
    """
    bare = next((piece.removesuffix(end) for end in SPOKEN if piece.endswith(end)), piece)
    heard = (sound_of(one) for one in dict.fromkeys((piece, bare)) if len(one) > 1)
    return tuple(sound for sound in heard if sound)


def best_fitting(piece: str, departments: Collection[str]) -> frozenset[str]:
    """Choose, of the departments a word may mean, those it means first.

    骨科 is 骨科 before 小儿骨科; without one of that very name, those that do not contain the name
    of another: for 糖尿病科, 内分泌科 before 小儿内分泌科.

    Source: ours.
    """
    exact = {piece, f"{piece}科"}.intersection(departments)
    return frozenset(exact) or frozenset(
        one
        for one in departments
        if not any(other != one and other in one for other in departments)
    )


def words_of(clinics: Iterable[Clinic], districts: Mapping[str, str] | None = None) -> set[Word]:
    """List every way to say where clinics are and who holds them.

    Args:
        clinics: with their organisation's own nicknames.
        districts: names by GB/T 2260 code; without a name a district has no words.

    Source: ours.
    """
    names = DISTRICTS if districts is None else districts
    said: dict[tuple[WordKind, str, str], set[str]] = {}
    for one in clinics:
        shown = one.organisation_short or one.organisation_name
        hospital = said.setdefault((WordKind.HOSPITAL, str(one.organisation_id), shown), set())
        hospital.update((one.organisation_name, *one.nicknames))
        department = one.department_name
        said[WordKind.DEPARTMENT, department, department] = {department}
        if one.practitioner_id is not None:
            who = f"{one.practitioner_name} · {shown}"  # many doctors share a name
            said[WordKind.DOCTOR, str(one.practitioner_id), who] = {one.practitioner_name}
        district = names.get(one.district, "")
        if district:
            said[WordKind.DISTRICT, one.district, district] = {district}
    return {
        word for (kind, key, name), ways in said.items() for word in _say(kind, key, name, ways)
    }


def _ways(kind: WordKind, name: str, given: Collection[str]) -> set[str]:
    if kind is WordKind.HOSPITAL:
        return {way for one in given for way in nicknames_of(one, name)}
    if kind is WordKind.DEPARTMENT:
        return lay_names_of(name)
    if kind is WordKind.DOCTOR:
        return {way for one in given for way in doctor_names_of(one)}
    return {name, name.removesuffix("区").removesuffix("新")}


def _say(kind: WordKind, key: str, name: str, given: Collection[str]) -> set[Word]:
    ways = _ways(kind, name, given)
    spoken = set(given) if kind is WordKind.DOCTOR else ways
    whole = {way.lower() for way in ways} | {word for way in spoken for word in latin_of(way)}
    return {Word(part, kind, key, name, whole=True) for part in whole} | {
        Word(part, kind, key, name, whole=False) for part in tails_of(spoken) - whole
    }


def search_text(clinic: Clinic) -> str:
    """Write the text searched when a word is no name: what the doctor is good at, title, room.

    Source: ours.
    """
    parts = (
        clinic.organisation_name,
        clinic.organisation_short,
        *clinic.nicknames,
        clinic.department_name,
        clinic.practitioner_name,
        clinic.title if clinic.practitioner_name else GENERAL,
        clinic.good_at,
        clinic.room,
    )
    return " ".join(dict.fromkeys(part.lower() for part in parts if part))
