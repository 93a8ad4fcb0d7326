"""Words for what the audit trail holds: actions, channels, roles, outcomes.

The words of actions in `consent.POLICY` are the same as there (a test compares); here they are
marked for translation, and with them what is written without asking the policy.
"""

from __future__ import annotations

from citycare.kernel.context import Channel, Role
from citycare.web.i18n import mark
from citycare.web.manner import Words

POLICY_WORDS: dict[str, str] = {
    "booking.read": mark("查看预约"),
    "booking.book": mark("预约挂号"),
    "booking.cancel": mark("取消预约"),
    "booking.reschedule": mark("改约"),
    "booking.wait": mark("候补登记"),
    "booking.enter_draw": mark("摇号登记"),
    "booking.arrive": mark("到院报到"),
    "booking.list_day": mark("查看当日预约名单"),
    "booking.schedule": mark("排班放号"),
    "booking.stop_clinic": mark("停诊"),
    "booking.draw": mark("摇号"),
    "triage.ask": mark("智能导诊"),
    "preconsult.answer": mark("就诊前答题"),
    "preconsult.read": mark("查看诊前回答"),
    "preconsult.review": mark("采用诊前回答"),
    "hold.appeal": mark("爽约申诉"),
    "hold.decide": mark("处理爽约申诉"),
    "person.register": mark("登记人员信息"),
    "person.search": mark("窗口查找人员"),
    "person.read": mark("查看人员信息"),
    "person.correct": mark("更正人员信息"),
    "person.relations": mark("管理代办关系"),
    "record.read": mark("查看健康档案"),
    "record.write": mark("书写病历"),
    "record.break_glass": mark("紧急查阅"),
    "record.access_log": mark("查看谁看过我的档案"),
    "consent.give": mark("签署或撤回同意"),
    "session.manage": mark("管理登录设备"),
    "operator.jobs": mark("查看和重放任务"),
    "operator.audit": mark("审计与紧急查阅审核"),
    "operator.policy": mark("维护规则参数"),
    "operator.questionnaires": mark("查看诊前问卷"),
    "operator.people": mark("合并与拆分人员档案"),
    "operator.accounts": mark("管理账号和角色"),
}
OTHER_WORDS: dict[str, str] = {
    "triage.outcome": mark("核对导诊对不对"),
    "account.closed": mark("停用账号"),
    "account.grant_ended": mark("收回角色"),
    "account.granted": mark("授予角色"),
    "audit.verified": mark("核对审计链"),
    "booking.arrived": mark("到院报到"),
    "booking.booked": mark("预约挂号"),
    "booking.cancelled": mark("取消预约"),
    "booking.clinics.save": mark("维护门诊"),
    "booking.closures.delete": mark("撤回不出诊的日子"),
    "booking.closures.save": mark("维护停诊日"),
    "booking.draw.beacon": mark("公布摇号随机数"),
    "booking.draw.done": mark("摇号完成"),
    "booking.draw.freeze": mark("摇号名单封存"),
    "booking.draw.open": mark("开放摇号"),
    "booking.extend_schedule": mark("按排班自动放号"),
    "booking.fulfilled": mark("看诊完成"),
    "booking.home": mark("打开首页"),
    "booking.keep": mark("接受停诊改约"),
    "booking.leave_draw": mark("退出摇号"),
    "booking.list": mark("查看我的预约"),
    "booking.list_stopped": mark("查看停诊影响到谁"),
    "booking.list_waits": mark("查看候补"),
    "booking.load": mark("导入预约"),
    "booking.holds.load": mark("导入预约"),
    "booking.messages.load": mark("导入预约"),
    "booking.moved": mark("改约"),
    "booking.no_show": mark("记为没有来"),
    "booking.places.give_back": mark("号源转为公开"),
    "booking.queue": mark("排队进入预约"),
    "booking.queue.set": mark("设置放号前排队"),
    "booking.read_draw": mark("查看摇号结果"),
    "booking.release.set": mark("设置放号方式"),
    "booking.slots": mark("查找号源"),
    "booking.slots.make": mark("放号"),
    "booking.stopped": mark("停诊"),
    "booking.templates.delete": mark("维护排班模板"),
    "booking.templates.save": mark("维护排班模板"),
    "booking.waits.load": mark("导入预约"),
    "break_glass.justified": mark("紧急查阅审核：理由成立"),
    "break_glass.unjustified": mark("紧急查阅审核：理由不成立"),
    "cli": mark("服务器命令行"),
    "consent.given": mark("签署同意"),
    "consent.withdrawn": mark("撤回同意"),
    "demo": mark("演示数据"),
    "document.ended": mark("注销证件"),
    "hold.correct": mark("更正就诊记录，解除暂停"),
    "job.discarded": mark("放弃失败的任务"),
    "job.replayed": mark("重放失败的任务"),
    "login.callback": mark("登录"),
    "login.continue": mark("登录"),
    "login.issue_token": mark("登录"),
    "login.second_factor": mark("登录"),
    "login.sessions": mark("查看登录的设备"),
    "login.sign_in": mark("登录"),
    "login.sign_out": mark("退出登录"),
    "onboarding.import": mark("导入机构数据"),
    "operator.design": mark("查看界面零件"),
    "person.corrected": mark("更正人员信息"),
    "person.match_rejected": mark("判定为两个人"),
    "person.merged": mark("合并档案"),
    "person.unmerged": mark("拆回档案"),
    "policy.changed": mark("修改规则参数"),
    "portal.clinic": mark("打开工作台"),
    "portal.desk": mark("打开工作台"),
    "portal.me": mark("打开“我的”"),
    "portal.operator": mark("打开工作台"),
    "portal.resident": mark("打开首页"),
    "portal.scheduler": mark("打开工作台"),
    "portal.switch_person": mark("换家人办理"),
    "preconsult.accepted": mark("采用诊前回答"),
    "preconsult.edited": mark("改过后采用诊前回答"),
    "preconsult.ordered": mark("按诊前回答开检查"),
    "preconsult.rejected": mark("不采用诊前回答"),
    "preconsult.sent": mark("把回答发给医生"),
    "relation.added": mark("增加代办关系"),
    "relation.agreed": mark("同意代办申请"),
    "relation.asked": mark("提出代办申请"),
    "relation.ended": mark("结束代办关系"),
    "relation.refused": mark("没有同意代办申请"),
    "relation.withdrawn": mark("撤回代办申请"),
    "second_factor.enrolled": mark("设置动态码"),
    "second_factor.proved": mark("输入动态码"),
    "second_factor.refused": mark("动态码不对"),
    "second_factor.resealed": mark("更换动态码的密钥"),
    "second_factor.reset": mark("清除动态码"),
    "session.opened": mark("登录"),
    "session.revoked": mark("退出登录"),
}
ACTIONS = POLICY_WORDS | OTHER_WORDS
ROLES: dict[Role, str] = {
    Role.RESIDENT: mark("居民"),
    Role.CLINICIAN: mark("医生"),
    Role.SCHEDULER: mark("排班"),
    Role.CLERK: mark("窗口"),
    Role.COMMUNITY_GP: mark("家庭医生"),
    Role.OPERATOR: mark("平台管理员"),
    Role.SYSTEM: mark("系统"),
}
CHANNELS: dict[Channel, str] = {
    Channel.PHONE: mark("手机或网页"),
    Channel.KIOSK: mark("自助机"),
    Channel.WINDOW: mark("窗口"),
    Channel.TELEPHONE: mark("电话"),
    Channel.VOLUNTEER: mark("志愿者代办"),
    Channel.HOSPITAL: mark("医院系统"),
}
BUILT_IN: dict[str, str] = {
    "system": mark("系统自动"),
    "anonymous": mark("没有登录的人"),
    "sign-in": mark("登录入口"),
    "command-line": mark("服务器命令行"),
}


def action_words(action: str, words: Words) -> str:
    """Say what was done; an action nobody has words for shows its name."""
    known = ACTIONS.get(action)
    return words(known) if known else action


def channel_words(channel: str, words: Words) -> str:
    """Say through what."""
    return words(CHANNELS[Channel(channel)]) if channel in set(Channel) else channel
