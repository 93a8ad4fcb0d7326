"""The ways people say hospitals, departments, doctors and districts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice, product

READINGS_MAX = 8

# Part of a department's official name → what people call it. Names only, no symptoms: those are
# triage's. After 《医疗机构诊疗科目名录》; the lay names are ours.
LAY_NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("口腔", ("牙科", "看牙", "牙医", "牙齿", "口腔", "拔牙", "补牙", "洗牙", "种牙")),
    ("眼", ("眼科", "看眼睛", "眼睛")),
    ("耳鼻", ("五官科", "耳鼻喉", "耳鼻喉科", "鼻子", "喉咙", "耳朵")),
    ("皮肤", ("皮肤科", "看皮肤", "皮肤")),
    ("心血管", ("心内", "心内科", "心脏科", "心脏内科", "心血管科", "心脏")),
    ("心脏大血管", ("心外", "心外科", "心脏外科")),
    ("心胸外", ("胸外科", "心外科")),
    ("呼吸", ("呼吸科", "呼吸内科", "肺科")),
    ("消化", ("消化科", "消化内科", "肠胃科", "胃肠科", "胃肠", "肠胃", "胃镜", "肠镜")),
    ("神经内", ("神内", "神经科", "脑内科", "脑科")),
    ("神经外", ("神外", "脑外科", "脑科")),
    ("内分泌", ("内分泌科", "糖尿病科", "甲状腺科")),
    ("肾", ("肾内", "肾内科", "肾脏科", "肾科")),
    ("血液", ("血液科",)),
    ("免疫", ("风湿科", "风湿免疫", "风湿免疫科")),
    ("风湿", ("风湿科", "风湿免疫科")),
    ("普通外", ("普外", "普外科")),
    ("骨", ("骨科", "骨伤", "骨头")),
    ("泌尿", ("泌尿科", "泌尿外科")),
    ("妇产", ("妇科", "产科", "妇产", "产检", "孕检", "生孩子")),
    ("妇科", ("妇科",)),
    ("产科", ("产检", "产科", "孕检", "生孩子")),
    ("儿", ("儿科", "小儿科", "儿童", "小孩", "孩子", "儿子", "女儿", "宝宝", "娃")),
    ("精神", ("精神科", "心理科", "心理门诊", "精神卫生")),
    ("心理", ("心理科", "心理门诊")),
    ("肿瘤", ("肿瘤科",)),
    ("中医", ("中医", "中医科", "看中医")),
    ("针灸", ("针灸科", "针灸")),
    ("推拿", ("推拿科", "推拿")),
    ("康复", ("康复科", "理疗", "理疗科")),
    ("疼痛", ("疼痛科",)),
    ("急诊", ("急诊", "急诊科")),
    ("全科", ("全科", "全科门诊", "家庭医生")),
    ("乳腺", ("乳腺科", "乳腺外科")),
    ("肛肠", ("肛肠科",)),
    ("感染", ("感染科", "传染科", "肝炎门诊")),
    ("传染", ("感染科", "传染科")),
    ("预防保健", ("体检", "打疫苗", "预防接种", "疫苗", "打预防针")),
    ("老年", ("老年科", "老年病科")),
    ("麻醉", ("麻醉科",)),
    ("整形", ("整形科", "医美", "美容科")),
    ("视光", ("配眼镜", "验光", "近视")),
)
# The same in English, word by word: what is typed comes apart at spaces. Ours.
ENGLISH_NAMES: tuple[tuple[str, str], ...] = (
    ("口腔", "dentist dentists dental dentistry tooth teeth"),
    ("眼", "eye eyes ophthalmology ophthalmologist"),
    ("耳鼻", "ent ear ears nose throat"),
    ("皮肤", "skin dermatology dermatologist"),
    ("心血管", "heart cardiology cardiologist cardiac"),
    ("心脏", "heart cardiology"),
    ("呼吸", "lung lungs respiratory chest pulmonology"),
    ("消化", "stomach digestive gastroenterology gastroscopy"),
    ("神经内", "neurology neurologist brain nerve"),
    ("神经外", "neurosurgery neurosurgeon"),
    ("内分泌", "endocrinology endocrinologist diabetes thyroid"),
    ("肾", "kidney kidneys nephrology"),
    ("血液", "blood haematology hematology"),
    ("风湿", "rheumatology"),
    ("普通外", "surgery surgeon"),
    ("普外", "surgery surgeon"),
    ("胸外", "thoracic"),
    ("骨", "bone bones orthopaedic orthopaedics orthopedic orthopedics"),
    ("泌尿", "urology urologist"),
    ("妇", "women womens woman gynaecology gynecology gynaecologist gynecologist"),
    ("产科", "obstetrics obstetrician maternity pregnancy antenatal"),
    ("儿", "child children kid kids baby paediatric paediatrics pediatric pediatrics"),
    ("精神", "psychiatry psychiatrist mental"),
    ("心理", "psychology psychologist mental"),
    ("肿瘤", "cancer oncology oncologist"),
    ("中医", "tcm chinese"),
    ("针灸", "acupuncture"),
    ("康复", "rehabilitation rehab physiotherapy"),
    ("全科", "gp general family"),
    ("预防保健", "vaccine vaccination vaccinations checkup"),
    ("老年", "geriatrics elderly"),
)
AFFILIATED = re.compile(r"附属(.+?)医院")
NUMBERED = re.compile(r"第([一二三四五六七八九十]+)人民医院")
CITY = re.compile(r"^(?:[一-鿿]{2,3}(?:省|市))?(?:([一-鿿]{2,3})(?:区|县))?(.+)$")
COMMUNITY = re.compile(r"(.+?)(?:街道|镇|乡)?社区卫生服务中心")
DOCTOR_TITLES = ("医生", "大夫", "主任")
HANZI = re.compile(r"^[一-鿿]+$")
# Characters read in more than one way in names of people, places and departments.
READINGS = {
    "行": ("xing", "hang"),
    "重": ("zhong", "chong"),
    "长": ("chang", "zhang"),
    "单": ("shan", "dan"),
    "曾": ("zeng", "ceng"),
    "仇": ("qiu", "chou"),
    "区": ("qu", "ou"),
    "朴": ("piao", "pu"),
    "解": ("xie", "jie"),
    "查": ("zha", "cha"),
    "盖": ("ge", "gai"),
    "乐": ("yue", "le"),
    "翟": ("zhai", "di"),
    "尉": ("yu", "wei"),
    "盛": ("sheng", "cheng"),
    "覃": ("qin", "tan"),
    "血": ("xue", "xie"),
    "大": ("da", "dai"),
    "都": ("du", "dou"),
    "调": ("tiao", "diao"),
    "朝": ("chao", "zhao"),
    "缪": ("miao", "mou"),
    "柏": ("bai", "bo"),
    "适": ("shi", "kuo"),
    "泌": ("mi", "bi"),
    "屏": ("ping", "bing"),
    "参": ("can", "shen"),
    "召": ("zhao", "shao"),
}
COMPOUND_SURNAMES = ("欧阳", "上官", "司马", "诸葛", "夏侯", "皇甫", "尉迟", "公孙", "慕容")


def nicknames_of(name: str, short: str = "") -> set[str]:
    """Derive what people call a hospital from its official name.

    附属瑞金医院 → 瑞金; 第九人民医院 → 九院, 市九; city and district prefixes are left off.
    Nicknames that do not follow from the name come from identity.organisation.

    Source: ours, from the names in S0 三(一) and common use in Shanghai.
    """
    names = {name, short}
    for found in AFFILIATED.findall(name):
        names |= {found, f"{found}医院"}
    for number in NUMBERED.findall(name):
        names |= {f"{number}院", f"市{number}", f"第{number}人民医院", f"{number}医院"}
    bare = CITY.match(name)
    if bare is not None:
        names.add(bare[2])
    for base in tuple(names):
        community = COMMUNITY.fullmatch(base)
        if community is not None:
            names |= {community[1], f"{community[1]}社区"}
        elif base.endswith("医院") and len(base) >= 4:  # noqa: PLR2004 - 瑞金医院 → 瑞金
            names.add(base.removesuffix("医院"))
    return {one for one in names if len(one) > 1}


def lay_names_of(department: str) -> set[str]:
    """List the everyday names of a department, its own included.

    Source: 《医疗机构诊疗科目名录》 (卫医发〔1994〕第27号) for the names; lay names ours.
    """
    names = {department, department.removesuffix("专业").removesuffix("门诊")}
    english = ((part, tuple(said.split())) for part, said in ENGLISH_NAMES)
    for part, lay in (*LAY_NAMES, *english):
        if part in department and not (part == "儿" and "儿科" not in department):
            names.update(lay)
    return {one for one in names if one}


def doctor_names_of(name: str) -> set[str]:
    """List how people name a doctor: whole name, or surname with 医生, 大夫, 主任.

    陈静医生 needs no word of its own: taken apart it is 陈静 and a generic 医生.

    Source: ours.
    """
    surname = name[:2] if name.startswith(COMPOUND_SURNAMES) else name[:1]
    return {name, *(surname + title for title in DOCTOR_TITLES)} if name else set()


@lru_cache(maxsize=50_000)
def latin_of(name: str) -> frozenset[str]:
    """Write a name in pinyin without tones, and in initials, with other readings of 行 or 重.

    At most eight combinations, the usual one first. Names that are not all Chinese give none.

    Source: pypinyin's dictionaries (GB/T 16159 without tones).
    """
    if not HANZI.match(name):
        return frozenset()
    from pypinyin import Style, pinyin  # noqa: PLC0415 - 45 MB of readings, only where names are written

    whole = pinyin(name, style=Style.NORMAL)
    usual = tuple(one[0] for one in whole)
    singles = [
        tuple(dict.fromkeys((common, *READINGS.get(char, ()))))
        for char, common in zip(name, usual, strict=False)
    ]
    combinations = list(islice(product(*singles), READINGS_MAX))
    return frozenset("".join(one) for one in combinations) | frozenset(
        "".join(syllable[0] for syllable in one) for one in combinations if len(one) > 1
    )


def tails_of(names: Iterable[str]) -> set[str]:
    """List the tails of names from the second character on, two characters or longer.

    Source: ours; a prefix search on tails finds the middle of a name without an extension.
    """
    return {name[at:] for name in names if HANZI.match(name) for at in range(1, len(name) - 1)}
