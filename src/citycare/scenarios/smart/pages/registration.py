"""The form with which an app is registered: its fields, its choices, what can be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from citycare.kernel.identity import Organisation
from citycare.scenarios.smart.model import Audience, Auth, ClientWrong, Wrong
from citycare.web.forms import Form
from citycare.web.i18n import mark
from citycare.web.manner import Words
from citycare.web.parts import Option

AUDIENCES: dict[Audience, str] = {
    Audience.RESIDENT: mark("居民的应用"),
    Audience.STAFF: mark("医护的应用"),
    Audience.BACKEND: mark("机构的后台系统"),
}
AUTHS: dict[Auth, str] = {
    Auth.KEY: mark("用私钥签名（private_key_jwt）"),
    Auth.SECRET: mark("用密码（client_secret_basic）"),
    Auth.NONE: mark("不能保密，只靠 PKCE（手机或网页应用）"),
}
FIELDS: dict[Wrong, str] = {
    Wrong.REDIRECT: "redirect_uris",
    Wrong.LAUNCH: "launch_url",
    Wrong.SCOPES: "scopes",
    Wrong.KEYS: "jwks",
    Wrong.KEYS_URL: "jwks_url",
}
WHY: dict[tuple[Wrong, str], str] = {
    (Wrong.KEYS, "backend_needs_keys"): mark("后台系统只能用私钥签名，请选私钥签名并给公钥。"),
    (Wrong.KEYS, "count"): mark("用私钥签名的，公钥清单和公钥地址填一样；其他的都不填。"),
    (Wrong.KEYS, "no_keys"): mark("公钥清单里没有公钥，或者超过 10 把。"),
    (Wrong.KEYS, "not_public"): mark("这里面有私钥。请让开发方马上作废它，只给公钥。"),
    (Wrong.KEYS, "unreadable"): mark("公钥清单读不出来，请开发方重新导出。"),
    (Wrong.KEYS, "kid"): mark("每把公钥要有自己的编号（kid），不能重复。"),
    (Wrong.KEYS, "weak"): mark("公钥不够强。请用 P-384 椭圆曲线，或 2048 位以上的 RSA。"),
    (Wrong.KEYS_URL, "form"): mark("公钥地址要以 https:// 开头，写完整。"),
    (Wrong.REDIRECT, "count"): mark("居民和医护的应用填 1 到 20 个返回地址；后台系统不填。"),
    (Wrong.REDIRECT, "form"): mark(
        "返回地址要以 https:// 开头；手机应用可以用自己的倒写域名，例如 cn.example.app:/back。"
    ),
    (Wrong.LAUNCH, "form"): mark("打开地址要以 https:// 开头，写完整。"),
    (Wrong.SCOPES, "organisation"): mark("医护的应用和后台系统要选机构，居民的应用不选。"),
    (Wrong.SCOPES, "audience"): mark(
        "居民的应用只能要 patient/…，医护的可以要 patient/… 和 user/…，后台系统只能要 system/…。"
    ),
}
NO_SCOPE = mark("这一项看不懂，请对照规范改正：%(scope)s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `kind`: text, area, select or box."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    hint: str = ""
    error: str = ""
    required: bool = True
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPage:
    """A form of fields."""

    title: str
    action: str
    back: str
    button: str
    fields: tuple[Field, ...]


def fields(
    form: Form, errors: dict[str, str], places: Sequence[Organisation], words: Words
) -> tuple[Field, ...]:
    """Lay the fields out, with what was typed and what is wrong."""

    def one(name: str, label: str, kind: str = "text", hint: str = "", **more: bool) -> Field:
        return Field(
            name=name,
            label=label,
            kind=kind,
            hint=hint,
            value=form.values.get(name, ""),
            error=errors.get(name, ""),
            required=more.get("required", False),
        )

    def chosen(name: str, label: str, options: Sequence[tuple[str, str]]) -> Field:
        now = form.values.get(name, options[0][0] if options else "")
        shown = (Option(value=v, label=text, selected=v == now) for v, text in options)
        error = errors.get(name, "")
        return Field(name=name, label=label, kind="select", options=tuple(shown), error=error)

    houses = [("", words("不属于机构（居民的应用）")), *((str(at.id), at.name) for at in places)]
    return (
        one("name", words("名称"), hint=words("居民会看到它。"), required=True),
        one("publisher", words("谁提供"), hint=words("对数据负责的单位全名。"), required=True),
        chosen("audience", words("给谁用"), [(of, words(AUDIENCES[of])) for of in Audience]),
        chosen("organisation", words("机构"), houses),
        chosen("auth", words("怎样证明自己"), [(of, words(text)) for of, text in AUTHS.items()]),
        one(
            "redirect_uris",
            words("返回地址"),
            "area",
            words("每行一个，要和应用用的一字不差；后台系统不填。"),
        ),
        one("launch_url", words("打开地址"), hint=words("医生从工作台打开应用时用，可以不填。")),
        one(
            "scopes",
            words("最多能要什么"),
            "area",
            words(
                "例如 launch/patient patient/Observation.rs offline_access；后台例如 system/*.rs。"
            ),
            required=True,
        ),
        one("jwks", words("公钥清单（JWKS）"), "area", words("只要公钥，不要把私钥给任何人。")),
        one("jwks_url", words("公钥地址"), hint=words("和公钥清单只填一样；要能从公网访问。")),
        one("introspects", words("可以查别的应用的令牌（只给数据服务方）"), "box"),
    )


def sentence(error: ClientWrong, words: Words) -> tuple[str, str]:
    """Say at which field a registration is wrong, and what to do."""
    known = WHY.get((error.wrong, error.why))
    text = words(known) if known else words(NO_SCOPE, scope=error.why)
    return FIELDS[error.wrong], text
