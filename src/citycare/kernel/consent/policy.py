"""The one table of who may do what. What is not here is not allowed.

Each action names its purpose in people's words and the grounds on which it is allowed; one is
enough. To add an action, add a row, and its line to the truth table in
`tests/kernel/consent/test_truth.py`, which fails until you do.

Source: PIPL art 6 (minimum necessary), 28 (health data is sensitive); default deny: ADR 11.
"""

from __future__ import annotations

from dataclasses import dataclass

from citycare.kernel.context import Role


@dataclass(frozen=True, slots=True)
class Self:
    """The person whom it is about."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Somebody with a relation in force that carries this scope (`identity.ProxyScope`)."""

    scope: str


@dataclass(frozen=True, slots=True)
class Guardian:
    """The guardian, while the guardianship is in force (PIPL art 31; 民法典 art 34)."""


@dataclass(frozen=True, slots=True)
class RoleHere:
    """Staff in this role in the thing's organisation; a city-wide grant is enough."""

    role: Role


@dataclass(frozen=True, slots=True)
class RoleAnywhere:
    """Anybody in this role, in whatever organisation: for what belongs to no organisation."""

    role: Role


@dataclass(frozen=True, slots=True)
class RoleInCity:
    """Staff in this role for the whole city (a grant without organisation)."""

    role: Role


@dataclass(frozen=True, slots=True)
class Care:
    """Staff in this role in an organisation that treats the person now (`consent.care`)."""

    role: Role


@dataclass(frozen=True, slots=True)
class BrokenGlass:
    """A clinician who opened this person's record in an emergency, with a reason, for a while."""


Ground = Self | Proxy | Guardian | RoleHere | RoleAnywhere | RoleInCity | Care | BrokenGlass


@dataclass(frozen=True, slots=True)
class Rule:
    """One action: what it is for, in words people read in the access log, and who may."""

    purpose: str
    grounds: tuple[Ground, ...]


CLERK, SCHEDULER = RoleHere(Role.CLERK), RoleHere(Role.SCHEDULER)
CLINICIAN, OPERATOR = RoleHere(Role.CLINICIAN), RoleInCity(Role.OPERATOR)
JOB = RoleInCity(Role.SYSTEM)
TREATING, FAMILY_GP = Care(Role.CLINICIAN), Care(Role.COMMUNITY_GP)
FOR_ME = (Self(), Proxy("booking"))

POLICY: dict[str, Rule] = {
    "booking.read": Rule(
        "查看预约", (*FOR_ME, CLERK, SCHEDULER, CLINICIAN, FAMILY_GP, BrokenGlass(), JOB)
    ),
    "booking.book": Rule("预约挂号", (*FOR_ME, CLERK, FAMILY_GP, JOB)),
    "booking.cancel": Rule("取消预约", (*FOR_ME, CLERK, FAMILY_GP, JOB)),
    "booking.reschedule": Rule("改约", (*FOR_ME, CLERK, FAMILY_GP, JOB)),
    "booking.wait": Rule("候补登记", (*FOR_ME, CLERK, FAMILY_GP, JOB)),
    "booking.enter_draw": Rule("摇号登记", (*FOR_ME, CLERK, FAMILY_GP, JOB)),
    "booking.arrive": Rule("到院报到", (*FOR_ME, CLERK, CLINICIAN, JOB)),
    "booking.list_day": Rule("查看当日预约名单", (CLERK, SCHEDULER, CLINICIAN, JOB)),
    "booking.schedule": Rule("排班放号", (SCHEDULER, JOB)),
    "booking.stop_clinic": Rule("停诊", (SCHEDULER, JOB)),
    "booking.draw": Rule("摇号", (SCHEDULER, JOB)),
    "triage.ask": Rule("智能导诊", (*FOR_ME, CLERK, FAMILY_GP, JOB)),
    "preconsult.answer": Rule("就诊前答题", (*FOR_ME, CLERK, JOB)),
    "preconsult.read": Rule("查看诊前回答", (TREATING, FAMILY_GP, BrokenGlass(), JOB)),
    "preconsult.review": Rule("采用诊前回答", (TREATING, FAMILY_GP, JOB)),
    "hold.appeal": Rule("爽约申诉", (*FOR_ME, RoleAnywhere(Role.CLERK), JOB)),
    "hold.decide": Rule("处理爽约申诉", (OPERATOR, JOB)),
    "person.register": Rule(
        "登记人员信息",
        (
            RoleAnywhere(Role.RESIDENT),
            RoleAnywhere(Role.CLERK),
            RoleAnywhere(Role.CLINICIAN),
            RoleAnywhere(Role.COMMUNITY_GP),
            OPERATOR,
            JOB,
        ),
    ),
    "person.search": Rule("窗口查找人员", (RoleAnywhere(Role.CLERK), OPERATOR, JOB)),
    "person.read": Rule(
        "查看人员信息",
        (
            Self(),
            Proxy("person"),
            RoleAnywhere(Role.CLERK),
            TREATING,
            FAMILY_GP,
            BrokenGlass(),
            OPERATOR,
            JOB,
        ),
    ),
    "person.correct": Rule("更正人员信息", (Self(), Proxy("person"), RoleAnywhere(Role.CLERK))),
    "person.relations": Rule("管理代办关系", (Self(), Guardian(), RoleAnywhere(Role.CLERK), JOB)),
    "record.read": Rule(
        "查看健康档案",
        (Self(), Proxy("record"), TREATING, FAMILY_GP, BrokenGlass(), JOB),
    ),
    "record.write": Rule("书写病历", (TREATING, FAMILY_GP, JOB)),
    "record.exchange": Rule(
        "机构系统交换健康档案", (RoleHere(Role.EXCHANGE), Care(Role.EXCHANGE), JOB)
    ),
    "record.break_glass": Rule("紧急查阅", (RoleAnywhere(Role.CLINICIAN),)),
    "record.access_log": Rule("查看谁看过我的档案", (Self(), Proxy("record"), OPERATOR)),
    "consent.give": Rule("签署或撤回同意", (Self(), Guardian())),
    "session.manage": Rule("管理登录设备", (Self(),)),
    "operator.jobs": Rule("查看和重放任务", (OPERATOR,)),
    "operator.audit": Rule("审计与紧急查阅审核", (OPERATOR,)),
    "operator.policy": Rule("维护规则参数", (OPERATOR,)),
    "operator.questionnaires": Rule("查看诊前问卷", (OPERATOR,)),
    "operator.people": Rule("合并与拆分人员档案", (OPERATOR,)),
    "operator.accounts": Rule("管理账号和角色", (OPERATOR,)),
    "operator.record": Rule("运维查看健康档案", (OPERATOR,)),
}


def purpose(action: str) -> str:
    """Return what an action is for, in words a person reads. Unknown actions are a fault."""
    return POLICY[action].purpose
