"""The people with names: whoever signs in to the demo, and the patients of the story at 9:12.

Like everybody in the city they are made up; the names are those of the reference screens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from citycare.journeys.demo.model import Family, Login, Resident
from citycare.journeys.demo.numbers import Births, mobile
from citycare.journeys.demo.people import REGISTERED_AT
from citycare.kernel.context import Role
from citycare.kernel.identity import names
from citycare.kernel.identity.documents import Sex
from citycare.kernel.identity.model import Person, ProxyScope, Relation, RelationKind
from citycare.kit import clock, ids

RUIJIN, SHISHI, COMMUNITY = 6, 9, 101
STORY_DEPARTMENT = "cardiology"
FIRST_PHONE = 99_000_000


@dataclass(frozen=True, slots=True)
class CastDoctor:
    """A doctor with a fixed name, first of a department."""

    subject: str
    name: str
    sex: Sex
    title: str
    good_at: str


DOCTORS: dict[tuple[int, str], tuple[CastDoctor, ...]] = {
    (RUIJIN, STORY_DEPARTMENT): (
        CastDoctor("chenli", "陈立", Sex.MALE, "主任医师", "高血压、心悸"),
        CastDoctor("guminghua", "顾明华", Sex.MALE, "副主任医师", "冠心病、胸闷胸痛"),
    ),
    (SHISHI, STORY_DEPARTMENT): (
        CastDoctor("wangfang", "王芳", Sex.FEMALE, "副主任医师", "高血压、心力衰竭"),
    ),
    (COMMUNITY, "family"): (
        CastDoctor("wuhai", "吴海", Sex.MALE, "主治医师", "高血压随访、慢病配药、转诊评估"),
    ),
}


def doctor_id(subject: str) -> UUID:
    """Return the practitioner id of a cast doctor."""
    return ids.derive("demo", "doctor", "cast", subject)


def person_id(key: str) -> UUID:
    """Return the person id of somebody of the cast."""
    return ids.derive("demo", "cast", key)


def account_id(key: str) -> UUID:
    """Return the account id of a demo sign-in."""
    return ids.derive("demo", "account", key)


def organisation_id(serial: int) -> UUID:
    """Return the id of an organisation by its serial in the seed."""
    return ids.derive("demo", "organisation", serial)


# key, name, sex, born on, district, address
PEOPLE: tuple[tuple[str, str, Sex, date, str, str], ...] = (
    ("linxiuying", "林秀英", Sex.FEMALE, date(1959, 3, 12), "310106", "静安区胶州路"),
    ("linjing", "林静", Sex.FEMALE, date(1986, 6, 20), "310105", "长宁区新华路"),
    ("zhouzian", "周子安", Sex.MALE, date(2018, 9, 8), "310105", "长宁区新华路"),
    ("zhouming", "周明", Sex.MALE, date(1985, 2, 3), "310105", "长宁区新华路"),
    ("zhoujianguo", "周建国", Sex.MALE, date(1968, 5, 1), "310101", "黄浦区复兴中路"),
    ("hemin", "何敏", Sex.FEMALE, date(1985, 4, 17), "310104", "徐汇区肇嘉浜路"),
    ("xuguoqiang", "徐国强", Sex.MALE, date(1947, 1, 30), "310106", "静安区北京西路"),
    ("shenjie", "沈洁", Sex.FEMALE, date(1993, 8, 25), "310101", "黄浦区瑞金二路"),
    ("wugang", "吴刚", Sex.MALE, date(1974, 10, 2), "310112", "闵行区七莘路"),
    # Two records of one man: registered again at a window with a number nobody checked.
    ("lijianguo", "李建国", Sex.MALE, date(1955, 7, 19), "310106", "静安区延长路"),
    ("lijianguo2", "李建国", Sex.MALE, date(1955, 7, 19), "310106", "静安区延长路"),
)
TODAY = ("linxiuying", "zhoujianguo", "hemin", "xuguoqiang", "shenjie", "wugang")
TWICE = ("lijianguo", "lijianguo2")


def family(births: Births) -> Family:
    """Make the cast, with who may act for whom."""
    residents = []
    for key, name, sex, born_on, district, address in PEOPLE:
        sound, initials = names.pinyin(name)
        phone_of = PEOPLE.index(next(one for one in PEOPLE if one[1] == name))
        person = Person(
            id=person_id(key),
            name=name,
            name_pinyin=sound,
            name_initials=initials,
            sex=sex,
            born_on=born_on,
            phone=None if key == "zhouzian" else mobile(FIRST_PHONE + phone_of),
            district=district,
            address=address,
            created_at=REGISTERED_AT,
        )
        doubtful = key == TWICE[1]
        residents.append(Resident(person, births.number(born_on, sex), doubtful))
    return Family(tuple(residents), _relations())


def _relations() -> tuple[Relation, ...]:
    every = tuple(ProxyScope)
    booking = (ProxyScope.BOOKING, ProxyScope.RECORD)
    wanted = (
        ("linxiuying", "linjing", RelationKind.CHILD, booking, None),
        ("zhouzian", "linjing", RelationKind.GUARDIAN, every, date(2036, 9, 8)),
        ("zhouzian", "zhouming", RelationKind.GUARDIAN, every, date(2036, 9, 8)),
        ("linjing", "zhouming", RelationKind.SPOUSE, (ProxyScope.BOOKING,), date(2027, 6, 30)),
    )
    return tuple(
        Relation(
            id=ids.derive("demo", "relation", person, proxy),
            person_id=person_id(person),
            proxy_id=person_id(proxy),
            kind=kind,
            scopes=scopes,
            starts_at=REGISTERED_AT,
            ends_at=clock.bounds(ends_on)[0] if ends_on else None,
            evidence="示例数据",
        )
        for person, proxy, kind, scopes, ends_on in wanted
    )


def demo_logins() -> list[Login]:
    """List the demo accounts, one line per role and one for the daughter who is a proxy."""
    ruijin, community = organisation_id(RUIJIN), organisation_id(COMMUNITY)
    doctor, gp = doctor_id("chenli"), doctor_id("wuhai")
    return [
        Login(
            Role.RESIDENT,
            "linxiuying",
            "resident",
            "林秀英",
            "居民，67 岁，高血压复诊，女儿可代办",
            person_id("linxiuying"),
        ),
        Login(
            Role.RESIDENT,
            "linjing",
            "daughter",
            "林静",
            "居民，替母亲林秀英和儿子周子安挂号",
            person_id("linjing"),
        ),
        _staff(Role.CLINICIAN, "chenli", "陈立", "瑞金医院心血管内科，主任医师", ruijin, doctor),
        _staff(Role.SCHEDULER, "wangmin", "王敏", "瑞金医院门诊办公室，排班", ruijin),
        _staff(Role.CLERK, "zhaofang", "赵芳", "瑞金医院挂号窗口", ruijin),
        _staff(Role.COMMUNITY_GP, "wuhai", "吴海", "江宁路社区卫生服务中心，全科", community, gp),
        _staff(Role.OPERATOR, "shenguoqiang", "沈国强", "城市平台管理员", None),
    ]


def _staff(
    role: Role,
    key: str,
    name: str,
    words: str,
    organisation: UUID | None,
    practitioner: UUID | None = None,
) -> Login:
    return Login(
        role,
        key,
        str(role),
        name,
        words,
        practitioner_id=practitioner,
        organisation_id=organisation,
    )
