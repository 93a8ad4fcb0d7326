"""Who is ill, how old, for how long: what stands between the lines of a first message."""

from __future__ import annotations

import re

from citycare.scenarios.triage.model.heard import Patient

DIGITS = {"一": 1, "二": 2, "两": 2, "俩": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8,
          "九": 9, "几": 3, "半": 0.5, "数": 3}  # fmt: skip
NUMBER = r"\d+(?:\.\d+)?|[一二两三四五六七八九十几半数百]{1,4}"
UNIT_DAYS = {"分钟": 1 / 1440, "小时": 1 / 24, "钟头": 1 / 24, "天": 1, "日": 1, "晚": 1, "夜": 1,
             "周": 7, "星期": 7, "礼拜": 7, "月": 30, "年": 365}  # fmt: skip
LASTING = re.compile(
    rf"({NUMBER})\s*(多|来)?个?多?(半)?(分钟|小时|钟头|天|日|晚上?|夜|周|星期|礼拜|月|年)(?!级|龄|轻|纪|后|份|经|底|初|岁)"
    r"(?!(?<=[一1][天日晚夜])(?:\d|[一二两三四五六七八九十几好多]){1,3}[次回趟遍])"
)
VAGUE_DAYS = (
    (re.compile(r"刚才|刚刚|刚(?!出生)|突然|忽然|今天|今早|今晚|今日|一早|半夜"), 0.5),
    (re.compile(r"昨天|昨晚|昨夜|昨日"), 1.0),
    (re.compile(r"前天|这两天|这几天|最近几天|近几天|几天"), 3.0),
    (re.compile(r"上周|上星期|上礼拜|这周|这星期"), 7.0),
    (re.compile(r"最近|近来|这段时间|这阵子|近期"), 20.0),
    (re.compile(r"上个月|个把月|这个月"), 30.0),
    (re.compile(r"半年|大半年"), 180.0),
    (re.compile(r"去年|前年|多年|好几年|从小|老毛病|长期|常年|一直以来|小时候|年轻时"), 700.0),
)
AGE_YEARS = re.compile(
    rf"({NUMBER})\s*(?:周)?岁(?!前|的时候|时|就|那年|起|开始|左右开始|以前|之前)(半)?"
)
NOW_AGED = re.compile(
    rf"(?:今年|现在|年龄|患者|目前|男|女|已经|快|刚|满)[，,:：]?\s*({NUMBER})\s*(?:周)?岁"
)
AGE_MONTHS = re.compile(
    rf"({NUMBER})\s*个?多?月(?:大|的?(?:宝宝|婴儿|孩子|小孩|娃|女儿|儿子|闺女|小宝|宝贝|男宝|女宝))"
    rf"|(?<!生完)(?<!生了)(?<!怀着)(?:宝宝|孩子|娃|婴儿|女儿|儿子|宝贝)(?:才|现在|刚)?(?:满)?({NUMBER})"
    r"\s*个?多?月(?!前|了.{0,2}(?:咳|发))"
)
AGE_DAYS = re.compile(
    rf"出生(?:才|刚|后)?({NUMBER})\s*天|(?<!第)({NUMBER})\s*天(?:大(?![便小概约出])|的?(?:宝宝|新生儿|婴儿))"
)
NEWBORN = re.compile(r"新生儿|刚出生|刚满月|满月的|月子里的宝宝")
CHILD = re.compile(
    r"宝宝|孩子|小孩|小朋友|婴儿|幼儿|小儿|娃(?!娃鱼)|宝贝|儿子|女儿|闺女|孙子|孙女|外孙|"
    r"(?<!下面)(?<!身上)毛毛(?![那虫雨躁])|"
    r"男孩|女孩|小学生|幼儿园"
)
NOT_A_CHILD = re.compile(
    r"生(?:男孩|女孩)|(?:孩子|宝宝)(?:还)?(?:能不能|能|可不可以|可以)(?:要|留|保)|"
    r"(?:怀|生|要|想要|打|有过|没有|备孕.{0,4})(?:了|个|过|上|二|出|下|出来|育|完)?(?:的|健康)?(?:的)?"
    r"(?:小?孩子|小孩|宝宝|婴儿)|孩子(?:他|她)?(?:爸|妈)|是孩子|母婴|"
    r"(?:传染|遗传|影响|感染|传|对|给|喂|抱|带着?|管|接触|照顾|害|为了|陪|辅导|哄)"
    r"(?:给|到|了|不到)?(?:我|自己|家里|家|新生|刚出生|下一代)?(?:的)?"
    r"(?:宝宝|小?孩子|小孩|婴幼儿|婴儿|幼儿|儿子|女儿|娃)(?!看|来|去)|"
    r"(?:以后|将来|未来|打算|计划|准备).{0,6}(?:小?孩子|小孩|宝宝|婴儿)|"
    r"(?:老人|大人)(?:和|与|及|跟|、)?(?:小孩|孩子)|(?:小孩|孩子)(?:和|与|及|跟|、)?(?:老人|大人)"
)
EXPECTED = re.compile(  # the child is not born yet, or the mother is meant
    r"臀位|头位|横位|四维|胎心|胎动|胎盘|脐带|入盆|双顶径|孕\d+周|怀孕\d+|试管|胚胎|羊水|产检|"
    r"奶水|催奶|[涨胀堵回]奶|孕妇.{0,20}(?:宝宝|孩子)(?:出生|生下)"
)
SURELY_SMALL = re.compile(
    r"宝宝|小朋友|婴儿|幼儿|小儿|娃|宝贝|孙子|孙女|外孙|毛毛|小学|幼儿园|儿童"
)
CHILD_WORD = re.compile(r"孩子|小孩|男孩|女孩")
GROWN_CHILD = 0.15  # of those called a child without an age, 14 or older
GROWN_SON = 0.5  # of sons and daughters
MINE = r"(?:我|俺)(?:的|家)?"
WHO = (
    ("mother", re.compile(MINE + r"(?:妈|母亲|老妈|娘|婆婆|岳母|丈母娘)|妈妈(?:今年|最近)")),
    ("father", re.compile(MINE + r"(?:爸|父亲|老爸|爹|公公|岳父|丈人)|爸爸(?:今年|最近)")),
    ("grandmother", re.compile(r"我?(?:的|家)?(?:奶奶|外婆|姥姥|婆婆)")),
    ("grandfather", re.compile(r"我?(?:的|家)?(?:爷爷|外公|姥爷)")),
    ("wife", re.compile(r"我?(?:的)?(?:老婆|妻子|媳妇|爱人|女朋友|女友|对象)")),
    ("husband", re.compile(r"我?(?:的)?(?:老公|丈夫|男朋友|男友|先生(?!您|你|好))")),
    ("sibling", re.compile(r"我?(?:的)?(?:哥哥|弟弟|我哥|我弟|姐姐|妹妹|我姐|我妹)")),
    ("other", re.compile(r"我?(?:的)?(?:朋友|同事|同学|邻居|叔叔|阿姨|舅舅|姑姑|室友)")),
)  # fmt: skip
SEX_OF = {"mother": "female", "grandmother": "female", "wife": "female", "father": "male",
          "grandfather": "male", "husband": "male"}  # fmt: skip
WRITES_FROM = 8.0  # years; whoever is younger is written about
AGE_OF = {"grandmother": 75.0, "grandfather": 75.0}
FIRST = re.compile(  # somebody who is named first is the one who is ill
    r"^(?:医生|大夫|你好|您好|请问|问一下|问下|[,，。.!！?？ ])*(?:家里|俺)?"
    r"(?:(?P<grandmother>奶奶|外婆|姥姥)|(?P<grandfather>爷爷|外公|姥爷)|(?P<mother>老?妈妈?|老?母亲|老娘)"
    r"|(?P<father>老?爸爸?|老?父亲|老爹)|(?P<wife>老婆|媳妇|妻子)|(?P<husband>老公|丈夫))"
    r"(?![和跟说让叫给都是们]|以前|得过|去世|有.{0,6}史)"
)
MYSELF = re.compile(
    r"我(?:自己|本人|最近|今年|现在|也|有点|这|是(?:一名|个)?(?:男|女)|的(?:头|手|腿|脚|胸|肚|腰))"
)
OWN = re.compile(  # the writer is ill, whoever else is named
    r"我(?:的|经常|总|老|一直|最近|也)?(?:头|手|腿|脚|胸|肚|腰|胃|背|脖|眼|牙|嗓|心口|皮肤|身上|下面|月经|例假)"
    r"|我(?:是|有|得了|患有|患)(?!(?:个|一个|两个|孩子|她|他).{0,4}|.{0,4}(?:妈|爸|家长|朋友|亲戚))"
    r"|我.{0,4}怀(?:孕|了|上|着)"
)
FEMALE = re.compile(
    r"女(?:性|的|生|士|孩|宝|儿|,|，|\s|\d)|^女|，女|闺女|孙女|孕妇|月经|例假|大姨妈|白带|怀孕|阴道|子宫|卵巢|"
    r"宫颈|人流|哺乳|姨妈|经期|备孕女|产后|剖腹产|顺产|胎动|孕|羊水|破水|宫缩|奶水"
)
MALE = re.compile(
    r"男(?:性|的|生|士|孩|宝|,|，|\s|\d)|^男|，男|儿子|孙子|前列腺|阴茎|龟头|睾丸|阴囊|包皮|早泄|阳痿|勃起|"
    r"鸡鸡|射精|精液|遗精|射(?:不出|了)"
)
HUSBAND = re.compile(r"老公|丈夫|男朋友|男友")
WIFE = re.compile(r"老婆|妻子|媳妇|女朋友|女友")
PREGNANT = re.compile(
    r"(?:我|现在|已经|目前|她|老婆)?(?:怀孕|怀了|有了身孕|孕)(?:了)?\s*(?:\d+|[一二三四五六七八九十]+|快|早期|中期|晚期|初期|期)|"
    r"孕妇|孕(?:早|中|晚)期|孕期|怀着(?:孕|孩子|宝宝)|怀孕(?:了|期间|的)|\d+周孕|身孕|预产期|胎动|"
    r"怀二胎|怀了(?!个?(?:怀疑))"
)
NOT_PREGNANT = re.compile(
    r"(?:没|没有|未|不是|并未|排除|怀疑|是不是|会不会|能不能|能|会|想|备|可以|影响|不易|容易|难|没法|"
    r"怎么|如何|避免|导致|才能|多久)(?:会)?(?:再)?(?:怀孕|怀上|受孕)|备孕|怀孕几率|怀孕(?:吗|么|的几率|的可能)"
)


def number(words: str) -> float:
    """Read a number written in digits or Chinese (to 99, and 几 as 3, 半 as a half).

    Source: ours.
    """
    if words.replace(".", "", 1).isdigit():
        return float(words)
    if words.startswith("百"):
        return 100.0
    total = 0.0
    for part in (words.partition("十"),):
        tens, ten, ones = part
        if ten:
            total = 10 * (DIGITS.get(tens, 1) if tens else 1) + DIGITS.get(ones, 0)
        else:
            total = sum(DIGITS.get(one, 0) for one in words[:1])
    return total


def days_of(text: str) -> float | None:
    """Return for how many days it has lasted: the longest stretch named, else a vague word.

    Source: ours.
    """
    for pattern in (AGE_DAYS, AGE_MONTHS, AGE_YEARS):
        text = pattern.sub("", text)
    found: list[float] = []
    for match in LASTING.finditer(text):
        count, _, half, unit = match.groups()
        unit = "晚" if unit.startswith("晚") else unit
        if unit in ("日", "年") and count.isdigit() and float(count) > 31:  # noqa: PLR2004
            continue  # a date
        before = text[max(0, match.start() - 3) : match.start()]
        if before.endswith(("每", "隔", "第", "一天", "每天", "打", "吃")):
            continue
        found.append((number(count) + (0.5 if half else 0)) * UNIT_DAYS[unit])
    if found:
        return max(found)
    vague = [days for pattern, days in VAGUE_DAYS if pattern.search(text)]
    return max(vague) if vague else None


def age_of(text: str) -> float | None:
    """Return the age in years that the text names, months and days included.

    Source: ours.
    """
    if match := AGE_DAYS.search(text):
        return number(match.group(1) or match.group(2)) / 365
    if match := AGE_MONTHS.search(text):
        return number(match.group(1) or match.group(2)) / 12
    ages = [number(match.group(1)) + (0.5 if match.group(2) else 0)
            for match in AGE_YEARS.finditer(text)]  # fmt: skip
    ages = [age for age in ages if 0 < age < 120]  # noqa: PLR2004
    if match := NOW_AGED.search(text):
        return number(match.group(1))
    if ages:
        return min(ages) if CHILD.search(text) else ages[0]
    if NEWBORN.search(text):
        return 0.05
    return None


def _sex_in(text: str, who: str) -> str:
    """Woman or man, by what is said of the body, else by whom the writer is married to.

    Who speaks of the husband's semen is a woman: for the writer the partner comes first.
    """
    body = bool(FEMALE.search(text)), bool(MALE.search(text))
    partner = bool(HUSBAND.search(text)), bool(WIFE.search(text))
    first, second = (partner, body) if who == "self" and not body[0] else (body, partner)
    female, male = second if first[0] == first[1] else first
    return "" if female == male else "female" if female else "male"


def _grown(text: str) -> float:
    if SURELY_SMALL.search(text):
        return 0.0
    return GROWN_CHILD if CHILD_WORD.search(text) else GROWN_SON


def _who(text: str, *, child: bool) -> str:
    who = next((name for name, pattern in WHO if pattern.search(text)), "self")
    if who == "self" and (first := FIRST.search(text)):
        who = first.lastgroup or who
    own = bool(OWN.search(text))
    married = {"husband": FEMALE, "wife": MALE}.get(who)
    if who != "self" and (own or MYSELF.search(text) or (married and married.search(text))):
        who = "self"  # 老公不在家，羊水破了
    return "child" if child and who in ("self", "other") and not own else who


def patient_of(text: str, *, age: float | None = None, sex: str = "") -> Patient:
    """Work out who is ill. Given age and sex win over what the text says.

    Source: ours.
    """
    left = NOT_A_CHILD.sub("", text)
    named = age_of(text)
    unborn = named is None and EXPECTED.search(text)
    who = _who(text, child=not unborn and bool(CHILD.search(left)))
    years = age if age is not None else named
    if age == 0:  # whole years were asked for; the text may tell the months
        years = named if named is not None and named < 1 else age
    grown = _grown(left) if years is None and who == "child" else 0.0
    if years is None and grown < GROWN_SON:
        years = AGE_OF.get(who, 4.0 if who == "child" else None)
    if age is not None and 0 < age < WRITES_FROM and who == "self":
        who = "child"
    if who == "child" and years is not None and years >= 18:  # noqa: PLR2004
        who = "other"
    found = sex or SEX_OF.get(who, "") or _sex_in(text, who)
    pregnant = True if PREGNANT.search(NOT_PREGNANT.sub("", text)) else None
    if found == "male" or (years is not None and not 10 <= years <= 58):  # noqa: PLR2004
        pregnant = None
    return Patient(age=years, sex=found, pregnant=pregnant, who=who, grown=grown)
