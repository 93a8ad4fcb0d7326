"""What policy parameters and their units are called by people; the key stands beside the name."""

from __future__ import annotations

from citycare.web.i18n import mark

NAMES = {
    "booking.cancel.before_min": mark("就诊前多久还能退号"),
    "booking.draw.wishes_max": mark("摇号一次最多填几个时段"),
    "booking.elder.age": mark("长者号源从几岁起"),
    "booking.give_back.hours": mark("预留的号提前多久放给大家"),
    "booking.give_back.onsite_minutes": mark("现场的号提前多久放给大家"),
    "booking.horizon_days": mark("最早提前几天放号"),
    "booking.limit.per_day": mark("一人一天最多几个号"),
    "booking.limit.per_department_day": mark("一人一天一个科最多几个号"),
    "booking.limit.per_period": mark("一人最多同时约几个号"),
    "booking.no_show.count": mark("约了不来几次就暂停"),
    "booking.no_show.hold_days": mark("线上预约暂停几天"),
    "booking.no_show.months": mark("约了不来按几个月算"),
    "booking.offer.minutes": mark("候补的号留多久等答复"),
    "booking.queue.after_min": mark("放号后排队多久结束"),
    "booking.queue.before_min": mark("放号前多久可以来排"),
    "booking.queue.gather_s": mark("放号后多久内到的一起随机排"),
    "booking.queue.kept_days": mark("排队记录保留几天"),
    "booking.queue.rate_per_s": mark("排队每秒放进几位"),
    "booking.queue.use_s": mark("轮到以后多久内选好"),
    "booking.release.clock": mark("几点放号"),
    "booking.release.days_extra": mark("各类号早几天放"),
    "booking.replacement.answer_hours": mark("停诊改约等多久答复"),
    "booking.replacement.days_max": mark("停诊改约最多晚几天"),
    "booking.replacement.notice_minutes": mark("停诊改约至少留多久"),
    "booking.return.max_minutes": mark("退的号最晚多久再放出"),
    "booking.return.min_minutes": mark("退的号最早多久再放出"),
    "booking.share.elder_percent": mark("留给长者的比例"),
    "booking.share.percents": mark("留给现场和复诊的比例"),
    "booking.share.referral_percent": mark("留给社区转诊的比例"),
    "booking.window.minutes_default": mark("一个时段一般多长"),
    "booking.window.minutes_max": mark("一个时段最长多久"),
    "consent.break_glass.hours": mark("紧急查阅开放多久"),
    "consent.care.after_days": mark("就诊后几天内可以查阅"),
    "consent.care.before_days": mark("就诊前几天起可以查阅"),
    "identity.adult.age": mark("几岁算成年"),
    "identity.child.unverified_max": mark("一位监护人最多登记几个没核对证件的孩子"),
    "identity.guardian.age": mark("不满几岁要监护人"),
    "identity.match.odds": mark("两份档案相像各值多少"),
    "identity.match.propose_weight": mark("像到多少就请人核对"),
    "identity.request.day_max": mark("一人一天最多提几次代办申请"),
    "identity.request.days": mark("代办申请等几天答复"),
    "identity.request.kept_days": mark("过期的代办申请保留几天"),
    "identity.request.open_max": mark("一人最多几件代办申请在等"),
    "identity.totp.failures_max": mark("动态码错几次就暂停"),
    "identity.totp.lock_minutes": mark("动态码暂停多久"),
    "preconsult.told.days": mark("多少天内的导诊回答带进诊前问卷"),
    "preconsult.typing.chars_per_min": mark("医生每分钟录入多少字"),
    "triage.crisis.phone": mark("想伤害自己的人打哪个电话"),
    "triage.minor.age": mark("几岁以下请家长一起来"),
    "triage.nobody.kept_hours": mark("没登录的导诊对话保留几小时"),
    "triage.outcome.days": mark("导诊后几天内的诊断拿来核对"),
    "triage.youth.phone": mark("未成年人自己来问时给哪个电话"),
    "web.elder.age": mark("几岁起先给长辈版"),
    "smart.access.minutes": mark("应用的访问令牌多久有效"),
    "smart.backend.minutes": mark("后台系统的访问令牌多久有效"),
    "smart.consent.days": mark("居民可以同意应用读取多少天"),
}
UNITS = {
    "min": mark("分钟"),
    "h": mark("小时"),
    "s": mark("秒"),
    "人/s": mark("人/秒"),
    "字/min": mark("字/分钟"),
    "bit": mark("比特"),
    "m,u": mark("两个概率"),
    "天": mark("天"),
    "月": mark("个月"),
    "岁": mark("岁"),
    "次": mark("次"),
    "人": mark("人"),
    "件": mark("件"),
    "个": mark("个"),
    "个/人": mark("个/人"),
    "个/人/日": mark("个/人/日"),
    "个/人/科/日": mark("个/人/科/日"),
    "时刻": mark("几点几分"),
    "%": "%",
}


def name_of(key: str) -> str:
    """Return the name of a parameter, to be looked up; a new one has only its key."""
    return NAMES.get(key, key)


def unit_of(unit: str) -> str:
    """Return the words for a unit, to be looked up."""
    return UNITS.get(unit, unit)
