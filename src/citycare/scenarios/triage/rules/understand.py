"""From text to mentions: deterministic and offline. Asks nobody, decides nothing."""

from __future__ import annotations

import re
from dataclasses import replace

from citycare.scenarios.triage.model.heard import Heard, Kind, Mention, Said, When
from citycare.scenarios.triage.model.knowledge import Knowledge
from citycare.scenarios.triage.rules import person
from citycare.scenarios.triage.rules import text as texts
from citycare.scenarios.triage.rules.lexicon import Hit, Lexicon

SUDDEN = re.compile(r"突然|忽然|一下子|猛地|骤然|突发")
SEVERE = re.compile(
    r"疼得?(?:不行|要命|受不了|厉害|打滚|直不起)|痛得?(?:不行|要命|受不了|厉害|打滚)|剧痛|剧烈|特别疼|特别痛|"
    r"非常疼|非常痛|难以忍受|忍不了|要死"
)
SEEN_THERE = re.compile(  # 骨科看了说没事: where one has been is not where one is to go
    r"(?:那边|医生|大夫|专家)?(?:都|也|先)?(?:(?:看|查|跑|去|挂)(?:了|过|遍)|说(?:没|不|正常|好|查不))"
)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[a-z]{2,}")
ABUSE = re.compile(r"傻逼|傻b|煞笔|操你|草泥马|妈的|去死吧|滚蛋|垃圾医院|王八蛋|狗屁")


def understand(
    knowledge: Knowledge, lexicon: Lexicon, text: str, *, age: float | None = None, sex: str = ""
) -> Heard:
    """Understand a message of at most 20,000 characters (what is longer is cut).

    Args:
        knowledge: what can be meant.
        lexicon: the words of the same knowledge.
        text: as typed or spoken.
        age: years, if known; wins over the text.
        sex: female, male or empty; wins over the text.

    Returns:
        Mentions in the order of the text, the patient, and how long it has lasted.

    Source: denial as in NegEx (Chapman 2001); the rest is ours.
    """
    even = texts.even(text)
    patient = person.patient_of(even, age=age, sex=sex)
    cut = list(texts.clauses(even))
    last = max((one.sentence for one in cut), default=0)
    mentions: list[Mention] = []
    told_of = -1  # the sentence that tells of a dated year: 二〇一九年夏天，我…，突然胸口压得慌
    for clause in cut:
        words = clause.words.replace(" ", "") if CHINESE.search(clause.words) else clause.words
        focus = clause.sentence == last and last > 0 and len(cut) > 1
        said = _mentions(lexicon, words, clause, patient.who, focus=focus)
        if texts.DATED.search(words):
            told_of = clause.sentence
        elif texts.TOLD.search(words):
            told_of = -1
        if clause.sentence == told_of:
            said = [replace(one, when=When.PAST) if one.when is When.NOW else one for one in said]
        mentions.extend(said)
    mentions.extend(_values(knowledge, even))
    return Heard(
        text=even,
        mentions=tuple(mentions),
        patient=patient,
        days=person.days_of(even),
        sudden=bool(SUDDEN.search(even)),
        severe=bool(SEVERE.search(even)),
        odd="" if mentions else _odd(even),
    )


def _mentions(
    lexicon: Lexicon, words: str, clause: texts.Clause, who: str, *,
    focus: bool,
) -> list[Mention]:  # fmt: skip
    hits = lexicon.find(words)
    if not hits:
        return []
    denied = texts.denials(words, _sayings_of_no(hits))
    times = texts.Times(words, who)
    found: dict[tuple[Kind, int], Mention] = {}
    for hit in hits:
        if hit.kind is Kind.DEPARTMENT and SEEN_THERE.match(words, hit.end):
            continue
        name = words[hit.start : hit.end]
        no = hit.kind is Kind.FINDING and texts.is_denied(words, hit.parts, denied)
        mention = Mention(
            hit.kind, hit.index, Said.NO if no else Said.YES,
            times.at(hit.start), name,
            clause.start + hit.start, focus or clause.question,
        )  # fmt: skip
        before = found.get((hit.kind, hit.index))
        if before is None or before.said is Said.NO or _nearer(mention, before):
            found[hit.kind, hit.index] = mention
    return list(found.values())


def _nearer(one: Mention, before: Mention) -> bool:
    """Tell whether the later of two mentions says that it is there now, the former not."""
    return one.said is Said.YES and one.when is When.NOW is not before.when


def _sayings_of_no(hits: list[Hit]) -> list[tuple[int, int]]:
    """The stretches of findings' own words: a 不 or 没 in there denies nothing else."""
    return [part for hit in hits if hit.kind is Kind.FINDING for part in hit.parts]


def _values(knowledge: Knowledge, even: str) -> list[Mention]:
    found: list[Mention] = []
    for value in knowledge.entries.values:
        for match in re.finditer(value.pattern, even):
            number = float(match.group(1))
            if value.at_least is not None and number < value.at_least:
                continue
            if value.below is not None and number >= value.below:
                continue
            index = knowledge.finding[value.finding]
            found.append(
                Mention(Kind.FINDING, index, Said.YES, When.NOW, match.group(0), match.start())
            )
            break
    return found


def _odd(even: str) -> str:
    """Say why nothing was understood."""
    if not even:
        return "empty"
    if ABUSE.search(even):
        return "abuse"
    if not CHINESE.search(even) and LATIN.search(even):
        return "english"
    return "nonsense"


def with_answers(heard: Heard, mentions: tuple[Mention, ...]) -> Heard:
    """Add what was answered later; a later answer wins over an earlier mention.

    Source: ours.
    """
    told = {(one.kind, one.index) for one in mentions}
    kept = tuple(one for one in heard.mentions if (one.kind, one.index) not in told)
    return replace(heard, mentions=(*kept, *mentions))
