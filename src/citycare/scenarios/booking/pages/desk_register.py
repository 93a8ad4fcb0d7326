"""Registering somebody new at the window, by a document the clerk has in hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context, Role, policy
from citycare.kernel.identity import documents
from citycare.kernel.identity.documents import Document
from citycare.kit.errors import AppError
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.desk import has_digit
from citycare.scenarios.booking.service import desk as service
from citycare.web import forms
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.errors import status_of
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.parts import Option
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
CLERK = [Role.CLERK]
KINDS = {
    identity.Kind.RESIDENT_ID: mark("居民身份证"),
    identity.Kind.HMT_RESIDENT: mark("港澳台居民居住证"),
    identity.Kind.HK_MACAO_PASS: mark("港澳居民来往内地通行证"),
    identity.Kind.TAIWAN_PASS: mark("台湾居民来往大陆通行证"),
    identity.Kind.PASSPORT: mark("护照"),
    identity.Kind.FOREIGN_RESIDENT: mark("外国人永久居留身份证"),
    identity.Kind.BIRTH_CERTIFICATE: mark("出生医学证明"),
}
FIELD_OF = {
    "identity.name_missing": "name",
    "identity.document_name_differs": "name",
    "identity.born_ahead": "born_on",
    "identity.document_contradicts": "born_on",
    "identity.guardian_missing": "guardian",
    "identity.relation_refused": "guardian",
}
GUARDIAN_UNKNOWN = mark("没有登记过这位监护人。请先登记监护人，再登记孩子。")
PAPERS_UNSEEN = mark("请先核对证件原件，再勾这里。")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPage:
    """The form as typed, with what is wrong at its field."""

    kinds: tuple[Option, ...]
    sexes: tuple[Option, ...]
    values: Mapping[str, str]
    errors: Mapping[str, str]
    back: str
    young: int


@router.get("/desk/register", dependencies=[gate("person.register", roles=CLERK)])
async def ask(request: Request, cx: WriteContext, org: UUID | None = None) -> Response:
    """Show the empty form."""
    form = forms.Form()
    form.values["org"] = str(org or "")
    return await respond(request, cx, "booking/desk_register.html", await _page(request, cx, form))


@router.post("/desk/register/start", dependencies=[gate("person.register", roles=CLERK)])
async def start(
    request: Request,
    cx: WriteContext,
    typed: Annotated[str, Form(max_length=100)] = "",
    org: Annotated[str, Form(max_length=36)] = "",
) -> Response:
    """Show the form with what was searched for where it fits; writes nothing."""
    form = forms.Form()
    form.values |= {"number" if has_digit(typed) else "name": typed.strip(), "org": org}
    return await respond(request, cx, "booking/desk_register.html", await _page(request, cx, form))


async def _page(request: Request, cx: Context, form: forms.Form) -> RegisterPage:
    words = words_of(request)
    kind = form.values.get("kind", identity.Kind.RESIDENT_ID)
    sex = form.values.get("sex", "")
    return RegisterPage(
        kinds=tuple(
            Option(value=str(one), label=words(label), selected=one == kind)
            for one, label in KINDS.items()
        ),
        sexes=(
            Option(value="", label=words("按证件号"), selected=not sex),
            *(
                Option(value=str(one), label=words(label), selected=one == sex)
                for one, label in staff.SEXES.items()
            ),
        ),
        values=form.values,
        errors={name: words(sentence) for name, sentence in form.errors.items()},
        back=staff.address("/desk", org=form.values.get("org")),
        young=int(await policy.value(cx, "identity.guardian.age")),
    )


@router.post("/desk/register", dependencies=[gate("person.register", roles=CLERK)])
async def register(request: Request, cx: WriteContext) -> Response:
    """Register the person, or find whoever holds the document already, and serve them."""
    cx = staff.at_window(cx)
    words = words_of(request)
    form = await forms.read(request)
    status = 422
    new, document = await _read(request, cx, form)
    if new is not None and document is not None and not form.errors:
        try:
            async with cx.db.transaction():
                person = await service.register(cx, new, document)
        except AppError as error:
            form.errors[FIELD_OF.get(error.code, "number")] = staff.error_words(request, error)
            status = status_of(error)
        else:
            there = staff.address("/desk", person=person.id, org=form.values.get("org"))
            text = _said(person, cx, words)
            return redirect(request, there, notice=Toast(text=text))
    return await respond(
        request, cx, "booking/desk_register.html", await _page(request, cx, form), status=status
    )


def _said(person: identity.Person, cx: Context, words: Words) -> str:
    if person.created_at >= cx.now:
        return words("登记好了：%(name)s。", name=person.name)
    return words("%(name)s以前登记过，直接办就行。", name=person.name)


async def _read(
    request: Request, cx: Context, form: forms.Form
) -> tuple[identity.NewPerson | None, Document | None]:
    """Read the form; the card's own birthday and sex count where nothing else was typed."""
    name = form.text("name", chars_max=50)
    kind = form.choice("kind", identity.Kind) or identity.Kind.RESIDENT_ID
    number = form.text("number", chars_max=40)
    document = _document(request, kind, number, form) if number else None
    born_on = form.day("born_on", required=document is not None and document.born_on is None)
    sex = form.choice("sex", identity.Sex, required=False)
    phone = form.text("phone", required=False, chars_max=20)
    address = form.text("address", required=False, chars_max=120)
    guardian = await _guardian(request, cx, form)
    if not form.is_checked("seen"):
        form.errors.setdefault("seen", PAPERS_UNSEEN)
    born_on = born_on or (document.born_on if document else None)
    if form.errors or not isinstance(born_on, date):
        return None, document
    return (
        identity.NewPerson(
            name=name,
            sex=sex or (document.sex if document else None) or identity.Sex.UNKNOWN,
            born_on=born_on,
            phone=phone or None,
            address=address,
            guardian_id=guardian,
        ),
        document,
    )


def _document(
    request: Request, kind: identity.Kind, number: str, form: forms.Form
) -> Document | None:
    try:
        return documents.parse(kind, number)
    except AppError as error:
        form.errors.setdefault("number", staff.error_words(request, error))
        return None


async def _guardian(request: Request, cx: Context, form: forms.Form) -> UUID | None:
    number = form.text("guardian", required=False, chars_max=40)
    if not number:
        return None
    try:
        document = documents.parse(identity.Kind.RESIDENT_ID, number)
    except AppError as error:
        form.errors.setdefault("guardian", staff.error_words(request, error))
        return None
    found = await identity.find_person_by_document(cx, document)
    if found is None:
        form.errors.setdefault("guardian", GUARDIAN_UNKNOWN)
        return None
    return found.id
