"""Text as people type it: made even, cut into clauses, with what stands around a word."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from citycare.scenarios.triage.model.heard import When

TEXT_MAX = 20_000
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # no words, and no record takes them
CLAUSE_END = re.compile(r"[，,。.!！?？;；:：\n~～…]+|(?<=[^\x00-\x7f]) +(?=[^\x00-\x7f])")
SENTENCE_END = re.compile(r"[。!！?？\n]")
DIALECT = (  # as long as what they replace, so that places stay the same
    ("唔", "不"), ("勿", "不"), ("弗", "不"), ("呒没", "没有"), ("呒", "没"), ("冇", "没"),
    ("咗", "了"), ("嘅", "的"), ("喺", "在"), ("佢", "他"),
    ("莫得", "没有"), ("讲嘢", "讲话"), ("系咪", "是否"), ("企不", "站不"), ("遭不住", "受不了"),
)  # fmt: skip
DECIMAL = re.compile(r"(?<=\d)[.．。](?=\d)")

NO = ("没有", "没", "无", "不", "未见", "未", "否认", "并非", "排除", "别的没", "从来没", "从不")
NO_NOT = (  # words with 不/没/无 in them that deny nothing
    "不停", "不断", "不舒服", "不得了", "不行", "不了", "不住", "不适", "不止", "不对", "不正常",
    "不好", "不敢", "不知", "不清楚", "不太清", "不是很", "不同", "不少", "不仅", "不光", "不但",
    "不得不", "不管", "不过", "不稳", "不能", "不想", "没劲", "没力", "没事", "没精神", "没胃口",
    "无力", "无缘无故", "没办法", "不着", "不退", "不消", "不见好", "没好", "不大好", "无法",
    "不匀", "不齐", "不规律", "不调", "不通", "不畅", "不孕", "不育", "不举", "不全", "不干净",
    "没多久", "不久", "不小心", "无意", "不懂", "没钱", "不吃药", "没吃药", "没睡", "不下",
    "没用", "不管用", "没效果", "不明显", "没有用", "没有效果", "没有改善", "没缓解", "不缓解",
    "没去", "没来得及", "没看", "没检查", "没有去", "没做", "不一样", "没有好转", "没好转",
    "尿不湿", "没几", "没走", "没多远", "没一会", "没注意", "没在意", "没管", "没松",
    "不愿", "不肯", "没敢", "无名", "不规则", "没什么用", "不要", "不用", "能不能", "是不是",
    "会不会", "要不要", "有没有", "痛不痛", "不开刀", "不手术", "没断", "没间断", "不彻底",
    "差不多", "不哭不闹", "不声不响", "不吭声", "不言不语", "不理不睬", "不知不觉",
)  # fmt: skip
CANNOT = re.compile(  # 喘不上气, 叫不醒: what cannot be done is there, it is not denied
    r"(?<=[喘叫喊推摇拍唤说讲站坐睡吃喝看听走动吸抬拿按忍憋透提使用压认记想爬翻转呼咽咳解拉尿排退降喂哄哭"
    r"躺蹲举握伸弯张合闭咬嚼吐吞止迈挪撑熬顶攥抓提])不(?=[上出起醒应动住见清进过到开回下掉了得牢稳])"
    r"|没(?=[抱抓端拿扶坐站踩看拉接按握刹]好?[稳住])"
    r"|(?<=[月岁天周年钟时秒])不(?=到)|不(?=到(?:\d|[一二两三四五六七八九十百半]))"
)
PAIR = re.compile(r"([没不])[^没不\x02]\1[^没不\x02]")  # 没疼没痒 denies these two alone
SCOPE_END = re.compile(  # the last: 没大便也没放屁 denies twice, 没发烧也不舒服 once
    r"但|就是|只是|只有|不过|可是|却|而是|反而|除了|然后|后来|现在|[也又还更且](?=[不没无未\x02])"
)
AFTER_NO = re.compile(
    r"^(?:也|都|已经|现在|基本)?(?:没有了|没了|不明显|消失|不见了|好了|缓解了|退了)|"
    r"^[气吸]?(?:也|都|还|很|基本)?(?:正常|顺畅|平稳)(?![吗么嘛不])"
)
ASKED = re.compile(  # the whole clause is a question of knowledge
    r"前兆|先兆|怎么预防|如何预防|能预防|会引起|会导致|(?:什么|哪些|啥)症状|"
    r"^(?!.*[有现].*的症状).*的症状|和.{1,8}的区别|为了(?:预)?防|科普|听说|电视上|网上说|"
    r"有[什啥]么?(?:不一样|不同|区别)|(?:怎么|如何|怎样)(?:区分|分辨|辨别|识别)|看到?别人说|书上说|"
    r"哪个更?严重|梦见|梦到|"
    r"(?:电视剧|电影|小说|游戏|综艺|动画片?|漫画|连续剧|剧|片子|新闻|短?视频)里"
)
ASKED_AFTER = re.compile(  # only what follows is asked about: 胸口疼是不是心梗
    r"会不会(?:是|得|变|引起|导致)|是不是(?:得了)?|会得|怕得|担心(?:是|得)|怀疑(?:是|得)|"
    r"害怕(?:是|得)|万一|如果|要是|假如|想了解|想知道"
)
TOLD = re.compile(r"现在|今天|昨天|刚才|刚刚|然后|结果")  # ends what is only asked about
PAST = re.compile(  # what was once, wherever it stands in the clause
    r"既往|病史|得过|做过|有过|犯过|早就好|已经好|治好了|康复了|出院"
)
PAST_AFTER = re.compile(  # what follows was once: 去年胸口疼过
    r"以前|之前|曾经|曾|从前|去年|前年|大前年|小时候|年轻时|\d+年前|[一二两三四五六七八九十几多]+年前|"
    r"上个月|上次|那次|那时|初中(?:时候|的时候)|高中(?:时候|的时候)|"
    r"(?:\d+|[一二两三四五六七八九十]+)岁多?(?:的?时候|那年)"
)
DATED = re.compile(r"(?<!\d)(?:19|20)\d\d年|[一二][九〇零○][〇零○一二三四五六七八九]{2}年")
NOW = re.compile(  # ends what was once, within a clause
    r"现在|今天|今早|今晚|今儿|今朝|刚才|刚刚|这次|这回|这两天|这几天|昨天|昨晚|突然|忽然|最近|这会|如今|眼下|又"
)
FAMILY = re.compile(  # who is ill; not 跟妈妈吵架, 奶奶的药
    r"(?<![跟和与被让给对替陪])(?<![跟和与被让给对替陪][爸妈])(?:爷爷|奶奶|外公|外婆|姥姥|姥爷|"
    r"爸爸|妈妈|父亲|母亲|爸|妈|叔叔|舅舅|姑姑|小姨|阿姨|哥哥|姐姐|弟弟|妹妹|"
    r"家里人|家人|家族|亲戚|邻居|同事|朋友|同学|舍友|室友|老公|老婆)"
    r"(?!的.{0,5}(?:药|片|胰岛素|狗|猫|车|刀))"
)
PERSON = re.compile(FAMILY.pattern + r"|[我俺咱]|自己")


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch without a break: its words, where it starts, and its sentence's number."""

    words: str
    start: int
    sentence: int
    question: bool


def even(text: str) -> str:
    """Make a text even: full-width to plain, lower case, dialect's no and not; cut to size.

    Source: Unicode NFKC (UAX #15); the limit of 20,000 characters is ours.
    """
    made = unicodedata.normalize("NFKC", text[:TEXT_MAX]).lower()
    for spoken, written in DIALECT:
        made = made.replace(spoken, written)
    return re.sub(r"[ \t\u3000]+", " ", made).strip()


class Times:
    """When, or of whom, what stands in one clause is said.

    Words that ask (是不是) or look back (以前) reach to the end of the clause; 现在, 突然 and the
    like end what was once. `who` is ill: somebody else's illness is told only of relatives of the
    one who writes about himself.

    Source: ours, after ConText (Harkema et al., J Biomed Inform 2009;42:839).
    """

    def __init__(self, words: str, who: str) -> None:
        self._all_asked = bool(ASKED.search(words))
        self._asked = [one.span() for one in ASKED_AFTER.finditer(words)]
        self._told = [one.span() for one in TOLD.finditer(words)]
        self._people = (
            [(one.span(), bool(FAMILY.fullmatch(one.group()))) for one in PERSON.finditer(words)]
            if who == "self" else []
        )  # fmt: skip
        self._now = [one.span() for one in NOW.finditer(words)]
        self._earlier = [one.span() for one in PAST_AFTER.finditer(words)]
        self._past = bool(PAST.search(words))

    def at(self, start: int) -> When:
        """Tell it of what begins at `start`."""
        asked = _last_begin(self._asked, start)
        if self._all_asked or (asked >= 0 and asked > _last_end(self._told, start)):
            return When.ASKED
        named = [family for (_, end), family in self._people if end <= start]
        if named and named[-1]:
            return When.FAMILY
        now = _last_end(self._now, start)
        earlier = _last_begin(self._earlier, start)
        if earlier >= 0 and earlier > now:
            return When.PAST
        if now < 0 and self._past:
            return When.PAST
        return When.NOW


def _last_begin(spans: Sequence[tuple[int, int]], before: int) -> int:
    return max((begin for begin, end in spans if end <= before), default=-1)


def _last_end(spans: Sequence[tuple[int, int]], before: int) -> int:
    return max((end for _, end in spans if end <= before), default=-1)


def clauses(text: str) -> Iterator[Clause]:
    """Cut an even text into clauses; points inside numbers do not cut.

    Source: ours.
    """
    hidden = DECIMAL.sub("\x01", text)
    at = sentence = 0
    while at < len(hidden):
        match = CLAUSE_END.search(hidden, at)
        end, after = match.span() if match else (len(hidden), len(hidden))
        if end > at:
            mark = hidden[end:after]
            yield Clause(text[at:end], at, sentence, "?" in mark or "？" in mark)
        if match and SENTENCE_END.search(match.group()):
            sentence += 1
        at = after


def denials(words: str, own: Sequence[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """Return the stretches of a clause that a denial covers, as (from, to).

    A denial reaches to the end of the clause or to a word of contrast. 不停, 不舒服 and the like
    deny nothing; nor does what stands inside the stretches `own`, the words of a finding that
    say no themselves (叫不醒, 不吃奶).

    Source: the idea of NegEx (Chapman et al., J Biomed Inform 2001;34:301), words ours.
    """
    if not any(word in words for word in NO):
        return []
    shadow = CANNOT.sub("\x02", words)
    for word in NO_NOT:
        shadow = shadow.replace(word, "\x02" * len(word))
    found: list[tuple[int, int]] = []
    pairs = {at: one.end() for one in PAIR.finditer(shadow) for at in (one.start(), one.end() - 2)}
    for match in re.finditer("|".join(NO), shadow):
        if any(begin <= match.start() < end for begin, end in own):
            continue
        stop = SCOPE_END.search(shadow, match.end())
        end = pairs.get(match.start(), stop.start() if stop else len(words))
        found.append((match.start(), end))
    return found


def is_denied(
    words: str, parts: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]
) -> bool:
    """Tell whether a hit, made of `parts`, is denied before, in a gap, or right after it.

    Source: as `denials`.
    """
    start, end = parts[0][0], parts[-1][1]
    if any(begin < start < stop or start < begin < end for begin, stop in spans):
        return True
    return bool(AFTER_NO.match(words[end:]))
