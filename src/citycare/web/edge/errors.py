"""Errors that only the edge can know: what is wrong with the request itself, not with its meaning.

Source: RFC 9110 §15.5 (client errors), RFC 6585 §4 (429), RFC 9457.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from citycare.kernel import consent
from citycare.kernel.context import ANONYMOUS
from citycare.kit import http
from citycare.kit.errors import AppError, Busy, Conflict, Forbidden, Incorrect, NotFound

SIGN_IN_CODES = frozenset({"access.sign_in_needed", "access.second_factor_needed"})


class Refused:
    """Marks an edge error that has an HTTP status of its own, outside the category map."""

    status: ClassVar[int]


class SignInNeeded(consent.SignInNeeded):
    """Sign in first."""

    def __init__(self, action: str = "") -> None:
        """Name the action that needs a signed-in actor."""
        super().__init__(consent.Refusal(consent.Claim(ANONYMOUS, action)))


class SecondFactorNeeded(Refused, Forbidden):
    """Staff work needs the second sign-in step: the six digit code."""

    status = 401
    code = "access.second_factor_needed"
    words = "工作人员还要输入6位动态码，输完接着办。"


class RoleMissing(Forbidden):
    """Your role does not cover this."""

    code = "access.role_missing"
    words = "您现在的身份不能办这件事。请换一个身份登录，或请管理员开通。"


class StaleForm(Refused, Forbidden):
    """The form is too old to be sure it came from you; send it again."""

    status = 403
    code = "request.form_stale"
    words = "这张表放得太久了。您填的内容还在，请再点一次提交。"


class RequestInvalid(Refused, Incorrect):
    """Some fields are missing or have values that cannot be."""

    status = 422
    code = "request.invalid"
    words = "有几处填得不对，请看标出的地方，改好再提交。"


class BodyBroken(Incorrect):
    """The body cannot be read as what it says it is."""

    code = "request.body_broken"
    words = "发来的内容读不出来，请重新提交。"


class BodyTooLarge(Refused, Incorrect):
    """The body is larger than this address takes."""

    status = 413
    code = "request.too_large"
    words = "发来的内容太大了，请分几次提交。"


class TypeNotAccepted(Refused, Incorrect):
    """This address does not take bodies of this content type."""

    status = 415
    code = "request.type_not_accepted"
    words = "这里收不了这种格式的内容，请换一种格式。"


class MethodNotAllowed(Refused, Incorrect):
    """This address does not answer this method."""

    status = 405
    code = "request.method_not_allowed"
    words = "这个地址不能这样访问，请返回上一页。"


class RouteUnknown(NotFound):
    """There is no such address."""

    code = "request.route_unknown"
    words = "没有这个页面。请返回首页重新查找。"


class TooManyAttempts(Refused, Busy):
    """Too many attempts from here; wait a little."""

    status = 429
    code = "request.too_many_attempts"
    words = "试的次数太多了，请等一分钟再试。"


class HeaderWrong(Incorrect):
    """A header has a value that is not one of those allowed."""

    code = "request.header_wrong"
    words = "请求头的值不对，请检查后再试。"


class ChannelNotYours(Forbidden):
    """Windows, kiosks, telephones and volunteers are spoken for by staff; leave X-Channel out."""

    code = "request.channel_not_yours"
    words = "这个渠道要由工作人员办理。请直接用手机办理，或者请窗口工作人员帮忙。"


class Fault(Refused, Conflict):
    """Something broke on our side; it is logged under the request id."""

    status = 500
    code = "service.fault"
    words = "系统出了问题，不是您的原因。请稍后再试；打电话时请报下面的编号。"


BY_STATUS: dict[int, type[AppError]] = {
    400: BodyBroken,
    401: SignInNeeded,
    403: Forbidden,
    404: RouteUnknown,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: TypeNotAccepted,
    422: RequestInvalid,
    429: TooManyAttempts,
}


def status_of(error: AppError) -> int:
    """Return the HTTP status of an error: its own, or its category's."""
    if isinstance(error, Refused):
        return error.status
    return 401 if error.code in SIGN_IN_CODES else http.STATUS[error.category]


def headers_of(error: AppError) -> Mapping[str, str]:
    """Return the headers that go with an error."""
    found = http.headers(error)
    if isinstance(error, TooManyAttempts):
        found["Retry-After"] = str(error.facts.get("retry_after_s", 60))
    if error.code in SIGN_IN_CODES:
        found["WWW-Authenticate"] = 'Bearer realm="citycare"'
    return found


def problem(error: AppError, request_id: str) -> dict[str, object]:
    """Shape an error as an RFC 9457 problem."""
    return {**http.problem(error, request_id), "status": status_of(error)}


def outcome(error: AppError, request_id: str) -> dict[str, object]:
    """Shape an error as a FHIR R4 OperationOutcome."""
    issue = {
        "severity": "fatal" if isinstance(error, Fault) else "error",
        "code": _issue(error),
        "details": {
            "coding": [{"system": "urn:citycare:error", "code": error.code}],
            "text": error.words,
        },
        "diagnostics": " ".join([error.message(), *(f"{k}={v}" for k, v in error.facts.items())]),
    }
    return {"resourceType": "OperationOutcome", "id": request_id, "issue": [issue]}


def _issue(error: AppError) -> str:
    if isinstance(error, Fault):
        return "exception"
    if isinstance(error, BodyTooLarge):
        return "too-long"
    if error.code in SIGN_IN_CODES:
        return "login"
    if isinstance(error, (MethodNotAllowed, TypeNotAccepted)):
        return "not-supported"
    return http.FHIR_ISSUE[error.category]
