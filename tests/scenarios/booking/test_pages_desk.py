"""The window: three key presses for somebody with no phone, and everything else a clerk does."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html import unescape
from uuid import UUID

import httpx
import pytest

from citycare.kernel import identity
from citycare.kernel.context import Channel, Context, Role
from citycare.kernel.identity.documents import synthetic_number
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import Pool, State
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import book, lists
from tests.conftest import NOW
from tests.scenarios.booking.conftest import (
    Enter,
    acting,
    clinic_of,
    committed,
    open_slot,
    staff,
)

BORN = date(1951, 4, 2)
NUMBER = synthetic_number(BORN, identity.Sex.MALE, 7)
SOON = NOW + timedelta(hours=1)


async def somebody(cx: Context, name: str = "王大爷") -> UUID:
    new = identity.NewPerson(name=name, sex=identity.Sex.MALE, born_on=BORN)
    person = await identity.register_person(cx, new, [NUMBER], verified_by="window:test")
    return person.id


@pytest.fixture
async def person_id(database: Database) -> UUID:
    found: UUID = await committed(database, somebody)
    return found


@pytest.fixture
async def today(database: Database) -> NewSlot:
    """A window in an hour with one place for the window and two for everybody."""
    shares = {Pool.PUBLIC: 2, Pool.ONSITE: 1}
    slot: NewSlot = await committed(
        database, lambda cx: open_slot(cx, starts_at=SOON, shares=shares)
    )
    return slot


class Keys:
    """A clerk's hand: counts the keys pressed, and finds on the page what a key does."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.pressed = 0
        self.page = ""

    async def enter_search(self, typed: str) -> None:
        """Enter in the search box, which has the cursor; an ID reader sends the same."""
        assert re.search(r'name="q"[^>]*autofocus', self.page)
        self.pressed += 1
        answer = await self.client.post("/desk/find", data={"q": typed}, follow_redirects=True)
        assert typed not in str(answer.url)
        self.page = answer.text

    async def number(self, key: str) -> None:
        """Press a number: the row with that key."""
        found = re.search(rf'href="([^"]+)"\s+data-key="{key}"', self.page)
        assert found is not None
        self.pressed += 1
        answer = await self.client.get(unescape(found.group(1)))
        assert answer.status_code == 200
        self.page = answer.text

    async def confirm(self) -> httpx.Response:
        """Enter on the button that has the cursor."""
        form = re.search(r'<form[^>]*method="post"\s+action="(/desk/book/[^"]+)".*?</form>',
                         self.page, re.DOTALL)  # fmt: skip
        assert form is not None
        assert re.search(r"<button[^>]*autofocus", form.group(0), re.DOTALL)
        fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form.group(0)))
        self.pressed += 1
        return await self.client.post(form.group(1), data=fields)


async def booked(database: Database, booking_id: UUID) -> dict[str, object]:
    async def read(cx: Context) -> dict[str, object]:
        row, _ = await lists.get_booking(acting(cx, staff(Role.CLERK)), booking_id)
        return dict(row)

    row: dict[str, object] = await committed(database, read)
    return row


@pytest.mark.usefixtures("today")
async def test_a_clerk_books_in_three_key_presses(
    enter: Enter, person_id: UUID, database: Database
) -> None:
    keys = Keys(await enter(Role.CLERK))
    keys.page = (await keys.client.get("/desk")).text
    await keys.enter_search(NUMBER.number)
    assert "王大爷" in keys.page
    await keys.number("1")
    answer = await keys.confirm()
    assert keys.pressed == 3
    assert answer.status_code == 303
    slip = await keys.client.get(answer.headers["location"])
    assert "预约凭条" in slip.text
    row = await booked(database, UUID(answer.headers["location"].split("/")[3]))
    assert (row["person_id"], row["channel"], row["pool"]) == (
        person_id,
        Channel.WINDOW,
        Pool.ONSITE,
    )


async def test_pressed_twice_it_is_one_booking_and_the_same_slip(
    enter: Enter, today: NewSlot, person_id: UUID
) -> None:
    client = await enter(Role.CLERK)
    form = {"person": str(person_id), "pool": "onsite"}
    first = await client.post(f"/desk/book/{today.id}", data=form)
    again = await client.post(f"/desk/book/{today.id}", data=form)
    assert first.headers["location"] == again.headers["location"]


async def test_own_doctors_come_first_then_today_on_site_then_the_soonest(
    enter: Enter, person_id: UUID, database: Database
) -> None:
    seen_by = clinic_of(practitioner_name="老熟人")
    on_site = clinic_of(practitioner_name="现场医生", department_code="04.03")
    other = clinic_of(practitioner_name="最近的号", department_code="13")

    async def prepare(cx: Context) -> None:
        clerk = acting(cx, staff(Role.CLERK), Channel.WINDOW)
        past = await open_slot(cx, clinic=seen_by, starts_at=SOON)
        one = await book.book(clerk, past.id, person_id)
        await book.set_state(clerk, one.id, State.ARRIVED)
        await book.set_state(clerk, one.id, State.FULFILLED)
        await open_slot(cx, clinic=seen_by, starts_at=NOW + timedelta(days=3))
        await open_slot(
            cx, clinic=on_site, starts_at=SOON + timedelta(hours=2), shares={Pool.ONSITE: 1}
        )
        await open_slot(cx, clinic=other, starts_at=NOW + timedelta(minutes=40))

    await committed(database, prepare)
    page = await (await enter(Role.CLERK)).get("/desk", params={"q": NUMBER.number})
    order = [page.text.index(name) for name in ("老熟人", "现场医生", "最近的号")]
    rows = re.findall(r"data-key=\"([1-9])\">", page.text)
    assert order == sorted(order)
    assert rows[:3] == ["1", "2", "3"]


async def test_a_card_number_that_cannot_be_right_is_told_with_its_code(enter: Enter) -> None:
    wrong = NUMBER.number[:-1] + ("0" if NUMBER.number[-1] != "0" else "1")
    page = await (await enter(Role.CLERK)).post("/desk/find", data={"q": wrong})
    assert "identity.document_checksum" in page.text
    assert wrong in page.text


async def test_of_several_the_first_is_served_and_the_clerk_is_told_to_look(
    enter: Enter, person_id: UUID, database: Database
) -> None:
    async def twin(cx: Context) -> None:
        new = identity.NewPerson("王大爷", identity.Sex.MALE, date(1970, 1, 1))
        await identity.register_person(cx, new)

    await committed(database, twin)
    page = await (await enter(Role.CLERK)).get("/desk", params={"q": "王大爷"})
    assert "符合的有 2 位" in page.text
    assert str(person_id) in page.text


async def test_a_full_window_is_told_and_the_waiting_list_offered(
    enter: Enter, person_id: UUID, today: NewSlot, database: Database
) -> None:
    async def fill(cx: Context) -> None:
        new = identity.NewPerson("别人", identity.Sex.FEMALE, date(1980, 1, 1))
        other = await identity.register_person(cx, new)
        clerk = acting(cx, staff(Role.CLERK), Channel.WINDOW)
        await book.book(clerk, today.id, other.id, Pool.ONSITE)

    await committed(database, fill)
    client = await enter(Role.CLERK)
    form = {"person": str(person_id), "pool": "onsite"}
    answer = await client.post(f"/desk/book/{today.id}", data=form)
    assert answer.status_code == 409
    assert "booking.slot_unavailable" in answer.text
    assert "/desk/wait" in answer.text


FORM = {"kind": "resident_id", "name": "赵新", "phone": "", "seen": "yes"}


async def test_a_wrong_digit_is_told_at_its_field_and_nothing_typed_is_lost(enter: Enter) -> None:
    wrong = NUMBER.number[:-1] + ("0" if NUMBER.number[-1] != "0" else "1")
    client = await enter(Role.CLERK)
    answer = await client.post("/desk/register", data={**FORM, "number": wrong})
    assert answer.status_code == 422
    assert "identity.document_checksum" in answer.text
    assert 'value="赵新"' in answer.text
    assert wrong in answer.text


async def test_somebody_new_is_registered_from_the_card_alone(enter: Enter) -> None:
    client = await enter(Role.CLERK)
    number = synthetic_number(date(1962, 2, 3), identity.Sex.FEMALE, 3).number
    answer = await client.post("/desk/register", data={**FORM, "number": number})
    assert answer.status_code == 303
    page = await client.get(answer.headers["location"])
    assert "赵新" in page.text
    assert "女 64" in page.text


async def test_a_child_needs_a_guardian_who_is_registered(enter: Enter, person_id: UUID) -> None:
    client = await enter(Role.CLERK)
    number = synthetic_number(date(2019, 2, 3), identity.Sex.FEMALE, 3).number
    alone = await client.post("/desk/register", data={**FORM, "number": number})
    assert alone.status_code == 400
    assert "identity.guardian_missing" in alone.text
    with_him = {**FORM, "number": number, "guardian": NUMBER.number}
    answer = await client.post("/desk/register", data=with_him)
    assert answer.status_code == 303
    page = await client.get(answer.headers["location"])
    assert "王大爷" in page.text
    assert person_id


async def test_papers_nobody_looked_at_register_nobody(enter: Enter) -> None:
    client = await enter(Role.CLERK)
    number = synthetic_number(date(1962, 2, 3), identity.Sex.FEMALE, 3).number
    answer = await client.post("/desk/register", data={**FORM, "number": number, "seen": ""})
    assert answer.status_code == 422
    assert "请先核对证件原件" in answer.text


async def test_a_booking_is_moved_arrived_and_given_back(
    enter: Enter, person_id: UUID, today: NewSlot, database: Database
) -> None:
    client = await enter(Role.CLERK)
    form = {"person": str(person_id), "pool": "public"}
    made = await client.post(f"/desk/book/{today.id}", data=form)
    old = UUID(made.headers["location"].split("/")[3])
    arrived = await client.post(f"/desk/bookings/{old}/state", data={"state": "arrived"})
    assert arrived.status_code == 303
    assert (await booked(database, old))["state"] is State.ARRIVED
    await client.post(f"/desk/bookings/{old}/undo")
    later: NewSlot = await committed(database, open_slot)
    page = await client.get("/desk", params={"person": str(person_id), "move": str(old)})
    assert "改到" in page.text
    moved = await client.post(f"/desk/book/{later.id}", data={**form, "move": str(old)})
    new = UUID(moved.headers["location"].split("/")[3])
    assert (await booked(database, old))["state"] is State.MOVED
    gone = await client.post(f"/desk/bookings/{new}/cancel", data={"reason": "家里有事"})
    assert gone.status_code == 303
    assert (await booked(database, new))["state"] is State.CANCELLED


async def test_the_clerk_puts_somebody_on_the_waiting_list_and_takes_them_off(
    enter: Enter, person_id: UUID, today: NewSlot
) -> None:
    client = await enter(Role.CLERK)
    form = {"person": str(person_id), "clinic": str(today.clinic.id)}
    days = {"from_day": "2026-11-23", "to_day": "2026-11-30"}
    wrong = await client.post("/desk/wait", data={**form, **days, "to_day": "2026-11-20"})
    assert wrong.status_code == 400
    assert "booking.period_wrong" in wrong.text
    assert "2026-11-20" in wrong.text
    assert (await client.post("/desk/wait", data={**form, **days})).status_code == 303
    page = await client.get("/desk", params={"person": str(person_id)})
    leave = re.search(r'action="(/desk/waiting/[^"]+/leave[^"]*)"', page.text)
    assert leave is not None
    assert (await client.post(unescape(leave.group(1)))).status_code == 303
    after = await client.get("/desk", params={"person": str(person_id)})
    assert "/leave" not in after.text


async def test_nobody_found_leads_to_registering(enter: Enter) -> None:
    client = await enter(Role.CLERK)
    page = await client.post("/desk/find", data={"q": "查无此人"})
    assert "没有找到" in page.text
    form = await client.post("/desk/register/start", data={"typed": "查无此人"})
    assert 'value="查无此人"' in form.text


async def test_broken_hidden_fields_break_nothing(
    enter: Enter, person_id: UUID, today: NewSlot
) -> None:
    client = await enter(Role.CLERK)
    broken = {"person": str(person_id), "move": "x", "org": "y", "clinic": "z", "q": "王大爷"}
    for path in ("/desk/find", "/desk/wait", "/desk/register", f"/desk/book/{today.id}"):
        answer = await client.post(path, data=broken)
        assert answer.status_code < 500, path


async def test_what_the_limits_forbid_is_not_offered_and_the_reason_is_told(
    enter: Enter, person_id: UUID, today: NewSlot, database: Database
) -> None:
    async def hold(cx: Context) -> None:
        other = clinic_of(practitioner_name="同科另一位")
        slot = await open_slot(cx, clinic=other, starts_at=SOON + timedelta(hours=2))
        await book.book(acting(cx, staff(Role.CLERK), Channel.WINDOW), slot.id, person_id)

    await committed(database, hold)
    page = await (await enter(Role.CLERK)).get("/desk", params={"person": str(person_id)})
    assert 'data-key="1"' not in page.text
    assert "booking.too_many" in page.text
    assert today
