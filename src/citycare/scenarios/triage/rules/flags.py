"""Red flags: rules that stop everything, before any probability."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from citycare.scenarios.triage.model.answer import Alarm
from citycare.scenarios.triage.model.entries import URGENCIES, Finding, RedFlag
from citycare.scenarios.triage.model.heard import Heard, Kind, Mention, Patient, Said, When
from citycare.scenarios.triage.model.knowledge import Knowledge
from citycare.scenarios.triage.rules import person
from citycare.scenarios.triage.rules import text as texts
from citycare.scenarios.triage.rules.reason import Belief

ACUTE = re.compile(
    r"突然|忽然|一下子|刚才|刚刚|正在|救命|快救|怎么(?:办|做|弄|救|处理|急救)|咋[办整弄救]|今[天早晚儿朝个日晨]|"
    r"现在(?!没|好|正常)|这会|这阵|打120|帮帮|快来|快点|晌午|半夜|清早|还在|没停|"
    r"[没停止了有]{1,2}(?:呼吸|心跳|意识|反应|知觉)了?|叫不[醒应]|昏迷|不省人事|倒[地下]"
)
PASSING = re.compile(r"(?:左右|不到)?(?:就|自己|又|一次|一回|一趟|一片|一阵)")  # 歇三五分钟就好
SINCE_THEN = re.compile(  # counted from an operation or the like, not from when the trouble began
    r"(?:手术|术后|化疗|放疗|产后|出院|生完|剖完|石膏|夹板|拔牙|骨折|流产|移植|支架)[^，,。;；]{0,4}$"
)
WITH_CHILD = re.compile(r"孕|怀|胎|羊水|破水|宫缩")
GONE_WITH = re.compile(r"(?:孕|怀)[^，,。;；]{0,6}$")
WEEKS_OF_CHILD = (12, 42)  # 34周: how far, not how long
SMALL = 3.0  # years
LONG = 180.0  # days; what an illness has lasted so long is not how long the trouble has
NEAR = 0.12  # a baby's age told again, of its days
OF_THE_DEAD = re.compile(
    r"去世|过世|走的|走了|没了(?![呼心意反脉知气力劲动声])|没救|遗传|得过|病史|年前"
)
FIRST_PERSON = re.compile(r"[我俺咱]|自己|本人")  # without: the relative is the patient
LIKELIER = 1.5  # times as often as in anybody, to be worth a question
ASKED_MAX = 5
KNOWN_LONG = re.compile(r"半年|大半年|多年|好几年|从小|老毛病|长期|常年|一直以来")
CHANCE_MIN = 0.008
EXPOSURES = ("trauma", "poisoning")


def present_of(knowledge: Knowledge, heard: Heard) -> tuple[set[str], set[str]]:
    """Return the ids of findings that are there now, and of those that are not.

    What was, what is only asked about and what a relative had raises no alarm; what somebody had
    once still counts as history, and what a relative has this minute, or has where nobody else is
    spoken of, counts at once.

    Source: ours.
    """
    yes: set[str] = set()
    no: set[str] = set()
    findings = knowledge.entries.findings
    whens = {When.NOW}
    about_now = ACUTE.search(heard.text) or not FIRST_PERSON.search(heard.text)
    if about_now and not OF_THE_DEAD.search(heard.text):
        whens.add(When.FAMILY)
    for one in heard.mentions:
        if one.kind is not Kind.FINDING or not _counts(findings[one.index], one, whens):
            continue
        if one.said is Said.YES:
            for index in (one.index, *(knowledge.finding[n] for n in findings[one.index].means)):
                yes |= {findings[up].id for up in (index, *knowledge.ancestors[index])}
        elif one.said is Said.NO:
            no |= {findings[down].id for down in (one.index, *knowledge.descendants[one.index])}
    told = (
        (heard.sudden, "sudden_onset"),
        (heard.severe, "unbearable_pain"),
        (bool(heard.patient.pregnant), "pregnant"),
    )
    known = knowledge.finding.keys() - no
    yes |= {name for there, name in told if there and name in known}
    return yes, no - yes


def _counts(finding: Finding, one: Mention, whens: set[When]) -> bool:
    return one.when in whens or (finding.kind == "history" and one.when is When.PAST)


def acute_days(heard: Heard) -> float | None:
    """Return for how many days the freshest trouble has lasted: the shortest stretch named.

    `Heard.days` is the longest: ten years of headache, since today with a numb hand.

    Source: ours.
    """
    named = _clauses_naming_an_illness(heard)
    elsewise = False  # what is counted is no trouble
    found: list[float] = []
    for pattern, vague in person.VAGUE_DAYS:
        match = pattern.search(heard.text)
        if match and KNOWN_LONG.match(match.group()) and _within(match.start(), named):
            elsewise = True
        elif match:
            found.append(vague)
    text = heard.text
    for pattern in (person.AGE_DAYS, person.AGE_MONTHS, person.AGE_YEARS):
        text = pattern.sub(lambda match: " " * len(match.group()), text)
    for match in person.LASTING.finditer(text):
        if PASSING.match(text, match.end()):
            continue
        unit = "晚" if match.group(4).startswith("晚") else match.group(4)
        days = person.number(match.group(1)) * person.UNIT_DAYS[unit]
        before = text[: match.start()]
        long_known = days >= LONG and _within(match.start(), named)  # 糖尿病十几年
        if long_known or SINCE_THEN.search(before) or _of_a_child(heard, days, unit, before):
            elsewise = True
            continue
        found.append(days)
    return min(found, default=None if elsewise else heard.days)


def _of_a_child(heard: Heard, days: float, unit: str, before: str) -> bool:
    """Tell whether a stretch is how far a pregnancy is, or a baby's age told again."""
    age = heard.patient.age
    if age is not None and age < SMALL and abs(days - age * 365) <= max(3.0, NEAR * age * 365):
        return True
    if unit not in ("周", "月") or not WITH_CHILD.search(heard.text):
        return False
    low, high = WEEKS_OF_CHILD
    return bool(GONE_WITH.search(before)) or (unit == "周" and low <= days / 7 <= high)


def _clauses_naming_an_illness(heard: Heard) -> list[tuple[int, int]]:
    """支扩老毛病: tells since when the illness is known, not since when there is blood."""
    places = [one.start for one in heard.mentions if one.kind is Kind.NAME]
    spans = [(one.start, one.start + len(one.words)) for one in texts.clauses(heard.text)]
    return [(a, b) for a, b in spans if any(a <= place < b for place in places)]


def _within(place: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(begin <= place < end for begin, end in spans)


def fits(flag: RedFlag, patient: Patient, days: float | None) -> bool:
    """Tell whether a rule is for this patient: age, sex, pregnancy, duration. Unknown fits adults.

    Source: ours.
    """
    age = 35.0 if patient.age is None else patient.age
    if not flag.age[0] <= age < flag.age[1]:
        return False
    if flag.sex and patient.sex and flag.sex != patient.sex:
        return False
    if flag.pregnant and not patient.pregnant:
        return False
    return not (flag.days_max is not None and days is not None and days > flag.days_max)


def alarms(knowledge: Knowledge, heard: Heard) -> tuple[Alarm, ...]:
    """Return every red flag that holds, most urgent first.

    Source: each rule names its own in `knowledge/red_flags/`.
    """
    yes, _ = present_of(knowledge, heard)
    days = acute_days(heard)
    found = [
        Alarm(flag.id, flag.name, flag.urgency, flag.say)
        for flag, missing in _touched(knowledge, yes)
        if not missing and fits(flag, heard.patient, days)
    ]
    return tuple(sorted(found, key=lambda one: URGENCIES.index(one.urgency)))


def _touched(
    knowledge: Knowledge, yes: set[str]
) -> Iterator[tuple[RedFlag, list[tuple[str, ...]]]]:
    """Yield each rule that something is there for and nothing against, with what is missing."""
    met: dict[int, set[int]] = {}
    for name in yes:
        for place, number in knowledge.flagged.get(name, ()):
            met.setdefault(place, set()).add(number)
    for place, groups in sorted(met.items()):
        flag = knowledge.entries.red_flags[place]
        if yes.isdisjoint(flag.none):
            yield flag, [group for n, group in enumerate(flag.every) if n not in groups]


def to_ask(
    knowledge: Knowledge, heard: Heard, told: Sequence[str], belief: Belief
) -> tuple[str, ...]:
    """Return the findings that would complete a red flag of which all else is there.

    Only findings with a question, not yet asked, not denied, and likelier with what may be behind
    it than in anybody: whoever coughs is not asked for swallowed acid. The likeliest first.

    Source: ours.
    """
    yes, no = present_of(knowledge, heard)
    days = acute_days(heard)
    found: set[str] = set()
    for flag, missing in _touched(knowledge, yes):
        if len(missing) == 1 and flag.ask and fits(flag, heard.patient, days):
            found.update(name for name in missing[0] if _may_ask(knowledge, flag, name))
    found -= no | set(told)
    weighed = {name: _likelier(knowledge, belief, knowledge.finding[name]) for name in found}
    likely = [name for name in weighed if weighed[name] >= LIKELIER]
    return tuple(sorted(likely, key=lambda name: (-weighed[name], name))[:ASKED_MAX])


def _may_ask(knowledge: Knowledge, flag: RedFlag, name: str) -> bool:
    """Whoever was burnt or poisoned says so; ask of it only what a condition lists."""
    place = knowledge.finding[name]
    if not knowledge.entries.findings[place].ask:
        return False
    return flag.group not in EXPOSURES or bool(knowledge.tables.told[place])


def _likelier(knowledge: Knowledge, belief: Belief, place: int) -> float:
    """How many times as often as in anybody; what no condition lists, as its general form.

    Nothing that fewer than CHANCE_MIN of such people have is worth a question.
    """
    forms = [place] if knowledge.tables.told[place] else list(knowledge.ancestors[place])
    tables = knowledge.tables
    chances = [(float(tables.share[n] @ belief.conditions), n) for n in forms]
    ratios = [chance / float(tables.base[n]) for chance, n in chances if chance >= CHANCE_MIN]
    return max(ratios, default=0.0)
