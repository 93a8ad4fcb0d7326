"""Registering one's child, newborn or under 14, on the guardian's word."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import consent, identity
from citycare.kernel.context import Context
from citycare.kernel.identity import Document, Kind, NewPerson, Sex
from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.web import forms, i18n
from citycare.web.edge.contexts import ReadContext, WriteContext, gate
from citycare.web.family import wizard
from citycare.web.family.asking import FORM, paper_field, read_document
from citycare.web.family.base import HOME, me_of
from citycare.web.family.wizard import Field, Plan
from citycare.web.forms import Form
from citycare.web.i18n import mark
from citycare.web.manner import manner_of, words_of
from citycare.web.parts import Option
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
REGISTER = "person.register"
PAPERS: dict[Kind, str] = {
    Kind.BIRTH_CERTIFICATE: mark("出生医学证明"),
    Kind.RESIDENT_ID: mark("居民身份证或户口本上的身份号码"),
    Kind.PASSPORT: mark("护照"),
}


def _plan(request: Request) -> Plan:
    words = words_of(request)
    sexes = ((Sex.FEMALE, words("女")), (Sex.MALE, words("男")))
    return Plan(
        action=f"{HOME}/child",
        title=words("登记我的孩子"),
        words=words("登记后就能为孩子挂号。第一次就诊带上出生证或户口本，窗口核对一次。"),
        back=f"{HOME}/add",
        button=words("登记孩子"),
        fields=(
            Field(name="name", label=words("孩子的姓名"), ask=words("孩子叫什么名字？")),
            Field(
                name="sex",
                label=words("性别"),
                ask=words("男孩还是女孩？"),
                kind="choices",
                options=tuple(Option(value=one, label=label) for one, label in sexes),
            ),
            Field(
                name="born_on",
                label=words("出生日期"),
                ask=words("孩子哪天出生？"),
                kind="day",
            ),
            paper_field(PAPERS, words, "number"),
            Field(
                name="number",
                label=words("证件号码"),
                ask=words("证件号码是多少？"),
                hint=words("出生医学证明是 1 个字母加 9 位数字。"),
                companion="paper",
            ),
        ),
    )


@router.get(HOME + "/child", dependencies=[gate(REGISTER)])
async def ask_child(request: Request, cx: ReadContext) -> Response:
    """Show the form."""
    me_of(cx)
    page, _ = wizard.page_of(request, _plan(request), Form(), {})
    return await respond(request, cx, FORM, page)


@router.post(HOME + "/child", dependencies=[gate(REGISTER)])
async def register(request: Request, cx: WriteContext) -> Response:
    """Register the child; on anything wrong show the form again as it was typed."""
    words = words_of(request)
    await consent.require(cx, REGISTER)
    form = await forms.read(request)
    plan = _plan(request)
    new, document = _read(cx, form, request)
    errors = {field: words(text) for field, text in form.errors.items()}
    if new is None or document is None or not wizard.is_complete(request, form):
        page, status = wizard.page_of(request, plan, form, errors)
        return await respond(request, cx, FORM, page, status=status)
    try:
        async with cx.db.transaction():
            child = await identity.register_child(cx, new, document)
    except AppError as error:
        said = i18n.words_of(error, manner_of(request).lang)
        page, status = wizard.page_of(request, plan, form, errors, said)
        return await respond(request, cx, FORM, page, status=status)
    text = words("%(name)s登记好了，现在就能挂号。第一次就诊请带出生证或户口本。", name=child.name)
    return redirect(request, HOME, notice=Toast(text=text))


def _read(cx: Context, form: Form, request: Request) -> tuple[NewPerson | None, Document | None]:
    """Read child and paper; what is wrong stands in the form's errors."""
    name = form.text("name", chars_max=50)
    sex = form.choice("sex", Sex)
    born_on = form.day("born_on")
    if born_on is not None and born_on > clock.day_of(cx.now):
        ahead = i18n.words_of(identity.model.BornAhead, manner_of(request).lang)
        form.errors.setdefault("born_on", ahead)
    document, refused = read_document(form, request)
    form.errors |= refused
    if form.errors or sex is None or born_on is None:
        return None, document
    return NewPerson(name, sex, born_on, guardian_id=me_of(cx)), document
