"""Correct what is on record about a person, and end a document that is lost or was wrong.

Source: PIPL art 46 (people may have wrong or incomplete data corrected).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

from citycare.kernel import audit, events
from citycare.kernel.context import Context
from citycare.kernel.identity.documents import Document, Kind, Sex
from citycare.kernel.identity.model import (
    BornAhead,
    DocumentContradicts,
    DocumentUnknown,
    NameMissing,
    Person,
)
from citycare.kernel.identity.names import pinyin
from citycare.kernel.identity.persons import get_person, list_documents
from citycare.kit import clock

CORRECT = """
    UPDATE identity.person
       SET name = %(name)s, name_pinyin = %(name_pinyin)s, name_initials = %(name_initials)s,
           sex = %(sex)s, born_on = %(born_on)s, phone = %(phone)s, district = %(district)s,
           address = %(address)s
     WHERE id = %(id)s
"""
LOCK = "SELECT 1 FROM identity.person WHERE id = %(id)s FOR UPDATE"
END = """
    UPDATE identity.document SET ended_at = %(now)s
     WHERE id = %(id)s AND ended_at IS NULL RETURNING person_id, kind
"""
FIELDS = ("name", "sex", "born_on", "phone", "district", "address")


async def correct_person(
    cx: Context,
    person_id: UUID,
    *,
    name: str | None = None,
    sex: Sex | None = None,
    born_on: date | None = None,
    phone: str | None = None,
    district: str | None = None,
    address: str | None = None,
) -> Person:
    """Change what is given, keep the rest; an empty phone or district takes it away.

    Writes the person, an audit entry (which fields, never what they held) and the event
    `identity.person_corrected`. The caller has asked `consent.require(cx, "person.correct")`.

    Raises:
        NameMissing, BornAhead.
        DocumentContradicts: a verified document on file says otherwise; end it first.
    """
    await cx.db.execute(LOCK, {"id": person_id})
    before = await get_person(cx, person_id)
    after = replace(
        before,
        name=before.name if name is None else name.strip(),
        sex=before.sex if sex is None else sex,
        born_on=before.born_on if born_on is None else born_on,
        phone=before.phone if phone is None else phone or None,
        district=before.district if district is None else district or None,
        address=before.address if address is None else address,
    )
    if not after.name:
        raise NameMissing
    if after.born_on > clock.day_of(cx.now):
        raise BornAhead
    await _check_documents(cx, after)
    if after.name != before.name:
        sound, initials = pinyin(after.name)
        after = replace(after, name_pinyin=sound, name_initials=initials)
    changed = [field for field in FIELDS if getattr(before, field) != getattr(after, field)]
    if changed:
        values = {field: getattr(after, field) for field in FIELDS}
        sounds = {"name_pinyin": after.name_pinyin, "name_initials": after.name_initials}
        await cx.db.execute(CORRECT, values | sounds | {"id": person_id})
        await _tell(cx, "person.corrected", person_id, {"fields": " ".join(changed)})
        facts = {"person": str(person_id)}
        await events.emit(cx, [events.Event("identity.person_corrected", facts)])
    return after


async def _check_documents(cx: Context, after: Person) -> None:
    for held in await list_documents(cx, after.id):
        document = Document(Kind(held.kind), held.number)
        agrees = document.born_on in (None, after.born_on) and document.sex in (None, after.sex)
        if held.verified_at is not None and not agrees:
            raise DocumentContradicts(kind=held.kind)


async def end_document(cx: Context, document_id: UUID, reason: str) -> None:
    """End a document (lost, replaced, entered for the wrong person): it matches nobody any more.

    Writes the document, an audit entry and the event `identity.person_corrected`.

    Raises:
        DocumentUnknown: there is none, or it has ended.
    """
    parameters = {"id": document_id, "now": cx.now}
    row = await (await cx.db.execute(END, parameters)).fetchone()
    if row is None:
        raise DocumentUnknown
    detail = {"kind": str(row["kind"]), "reason": reason[:200]}
    await _tell(cx, "document.ended", row["person_id"], detail)
    facts = {"person": str(row["person_id"])}
    await events.emit(cx, [events.Event("identity.person_corrected", facts)])


async def _tell(cx: Context, action: str, person_id: UUID, detail: dict[str, str]) -> None:
    record = f"person/{person_id}"
    await audit.append(cx, [audit.Entry(action, person_id, record, "ok", detail)])
