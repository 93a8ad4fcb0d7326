"""Words for relations: what somebody is to whom, what they may do, until when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from starlette.requests import Request

from citycare.kernel.identity import Kind, ProxyScope, RelationKind
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of
from citycare.web.rendering import local_day

# What the proxy is to the person acted for.
KINDS: dict[RelationKind, str] = {
    RelationKind.GUARDIAN: mark("监护人"),
    RelationKind.SPOUSE: mark("配偶"),
    RelationKind.CHILD: mark("子女"),
    RelationKind.RELATIVE: mark("亲属"),
    RelationKind.FRIEND: mark("朋友"),
    RelationKind.FAMILY_DOCTOR: mark("家庭医生"),
    RelationKind.COMMUNITY_WORKER: mark("社区工作者"),
}
SCOPES: dict[ProxyScope, tuple[str, str]] = {
    ProxyScope.BOOKING: (mark("挂号"), mark("预约、改约、退号、候补、摇号")),
    ProxyScope.PERSON: (mark("个人信息"), mark("看和改姓名、电话、住址")),
    ProxyScope.RECORD: (mark("病历和报告"), mark("看病历、检查和化验结果")),
    ProxyScope.PAYMENT: (mark("付费"), mark("付钱、看账单和票据")),
}
# What a resident can hand on. Of the record only the access log is there, of paying nothing yet:
# both stay in the model, and their words for relations that hold them already.
OFFERED = (ProxyScope.BOOKING, ProxyScope.PERSON)
SPANS: dict[str, tuple[str, int]] = {
    "365": (mark("一年"), 365),
    "180": (mark("半年"), 180),
    "1095": (mark("三年"), 1095),
    "0": (mark("一直，直到有人结束"), 0),
}
PAPERS: dict[Kind, str] = {
    Kind.RESIDENT_ID: mark("居民身份证"),
    Kind.HMT_RESIDENT: mark("港澳台居民居住证"),
    Kind.FOREIGN_RESIDENT: mark("外国人永久居留身份证"),
    Kind.PASSPORT: mark("护照"),
    Kind.HK_MACAO_PASS: mark("港澳居民来往内地通行证"),
    Kind.TAIWAN_PASS: mark("台湾居民来往大陆通行证"),
}


def scope_words(scopes: Iterable[ProxyScope], words: Words) -> str:
    """Name what a proxy may do: '挂号、病历和报告'."""
    return words("、").join(words(SCOPES[one][0]) for one in ProxyScope if one in set(scopes))


def scopes_in_full(scopes: Iterable[ProxyScope], words: Words) -> str:
    """Say in plain words what a proxy may do."""
    return words("；").join(words(SCOPES[one][1]) for one in ProxyScope if one in set(scopes))


def until(request: Request, ends_at: datetime | None, words: Words) -> str:
    """Say until when a relation holds: the last whole day."""
    if ends_at is None:
        return words("一直有效")
    last = ends_at - timedelta(seconds=1)
    year = last.year
    day = local_day(last, manner_of(request).lang)
    return words("到 %(year)d 年%(day)s", year=year, day=day)
