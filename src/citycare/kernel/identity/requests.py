"""Asking to act for somebody, or to be acted for: nothing holds before the other side agrees.

The asker names the other by name and document number and is told the same whether or not such a
person is on record: a wrong guess waits and runs out like a right one nobody answers. Under the
guardian age a guardian decides for the child. Who may ask and answer is `consent`'s question
(`person.relations`); a window clerk with both people's papers uses `add_relation`.

Source: 民法典 art 161–165 (agency by the principal's own will); PIPL art 15 (withdrawal), 31.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from citycare.kernel import audit
from citycare.kernel.context import Context, policy
from citycare.kernel.identity import documents as papers
from citycare.kernel.identity.documents import Document
from citycare.kernel.identity.model import (
    NewPerson,
    Person,
    ProxyScope,
    Relation,
    RelationKind,
    RelationRefused,
)
from citycare.kernel.identity.persons import (
    age_on,
    find_person_by_document,
    get_person,
    is_same_name,
    register_person,
)
from citycare.kernel.identity.proposals import propose_matches
from citycare.kernel.identity.relations import (
    add_relation,
    end_relation,
    get_relation,
    relations_of,
)
from citycare.kit import clock, ids
from citycare.kit.errors import Conflict, Forbidden, Incorrect, NotFound

KINDS = (RelationKind.SPOUSE, RelationKind.CHILD, RelationKind.RELATIVE, RelationKind.FRIEND)
LISTED_MAX = 50
PURGED_MAX = 50_000
DAY = timedelta(days=1)


class Way(StrEnum):
    """Who would act for whom."""

    ACT_FOR = "act_for"  # the asker acts for the other
    BE_ACTED_FOR = "be_acted_for"  # the other acts for the asker


class RequestState(StrEnum):
    """The life of a request; an open one also runs out at `expires_at`."""

    OPEN = "open"
    AGREED = "agreed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked. `kind` says what the proxy is to the person acted for."""

    way: Way
    name: str
    document: Document
    kind: RelationKind
    scopes: tuple[ProxyScope, ...]
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it stands. `other_id` is for the answering side only, never for the asker."""

    id: UUID
    way: Way
    asker_id: UUID
    other_id: UUID | None
    other_name: str
    other_document: str
    kind: RelationKind
    scopes: tuple[ProxyScope, ...]
    ends_at: datetime | None
    created_at: datetime
    expires_at: datetime
    state: RequestState
    answered_at: datetime | None

    def __post_init__(self) -> None:
        """Take the words as enums, also from a database row."""
        object.__setattr__(self, "way", Way(self.way))
        object.__setattr__(self, "kind", RelationKind(self.kind))
        object.__setattr__(self, "scopes", tuple(ProxyScope(scope) for scope in self.scopes))
        object.__setattr__(self, "state", RequestState(self.state))

    @property
    def person_id(self) -> UUID | None:
        """Who would be acted for."""
        return self.other_id if self.way is Way.ACT_FOR else self.asker_id

    @property
    def proxy_id(self) -> UUID | None:
        """Who would act."""
        return self.asker_id if self.way is Way.ACT_FOR else self.other_id

    def is_open(self, now: datetime) -> bool:
        """Tell whether it can still be answered."""
        return self.state is RequestState.OPEN and now < self.expires_at


class RequestUnknown(NotFound):
    """There is no such request."""

    code = "request.not_found"


class RequestOver(Conflict):
    """This request has been answered or has run out."""

    code = "identity.request_over"
    words = "这个申请已经答复过或者过期了。需要的话请对方再提一次。"


class RequestTooMany(Conflict):
    """Too many requests wait for an answer, or were made today."""

    code = "identity.request_too_many"
    words = "您提出的代办申请太多了。等对方答复，或者撤回一个，再提新的；急的话带双方证件到窗口办。"


class ProxyTooYoung(Forbidden):
    """Only an adult may act for somebody."""

    code = "identity.proxy_too_young"
    words = "满 18 岁才能替别人办理。请家里的大人来申请，或者带证件到窗口办。"


class GuardianDecides(Forbidden):
    """For a child under 14 the guardian decides."""

    code = "identity.guardian_decides"
    words = "未满 14 周岁由监护人决定。请监护人登录后来办。"


class RelationStays(Conflict):
    """A guardianship ends by law or at a window with papers, not by a click."""

    code = "identity.relation_stays"
    words = "监护关系不能在网上结束。有变化请带证明到任一医院窗口办理。"


class NotAChild(Incorrect):
    """Only children under 14 are registered by their guardian."""

    code = "identity.not_a_child"
    words = "这里只登记未满 14 周岁的孩子。大孩子和大人请带证件到窗口登记。"


class ChildrenTooMany(Conflict):
    """Several children registered online have not been checked yet."""

    code = "identity.children_too_many"
    words = "有几个孩子的证件还没有核对，暂时不能再登记。带出生证或户口本到任一窗口核对后就可以。"


COLUMNS = """q.id, q.way, q.asker_id, q.other_id, q.other_name, q.other_document, q.kind,
    q.scopes, q.ends_at, q.created_at, q.expires_at, q.state, q.answered_at"""
LOCK_ASKER = "SELECT 1 FROM identity.person WHERE id = %(asker)s FOR NO KEY UPDATE"
COUNTS = """
    SELECT count(*) FILTER (WHERE state = 'open' AND expires_at > %(now)s) AS open,
           count(*) FILTER (WHERE created_at > %(since)s) AS today
      FROM identity.request
     WHERE asker_id = %(asker)s AND (created_at > %(since)s OR state = 'open')
"""
SAME = f"""
    SELECT {COLUMNS} FROM identity.request q
     WHERE q.asker_id = %(asker)s AND q.way = %(way)s AND q.state = 'open'
       AND q.expires_at > %(now)s AND q.other_name = %(name)s AND q.other_document = %(document)s
"""
ADD = f"""
    INSERT INTO identity.request AS q
           (id, way, asker_id, other_id, other_name, other_document, kind, scopes, ends_at,
            created_at, expires_at)
    VALUES (%(id)s, %(way)s, %(asker)s, %(other)s, %(name)s, %(document)s, %(kind)s, %(scopes)s,
            %(ends_at)s, %(now)s, %(expires_at)s)
 RETURNING {COLUMNS}
"""
GET = f"SELECT {COLUMNS} FROM identity.request q WHERE q.id = %(id)s"
ASKED = f"""
    SELECT {COLUMNS} FROM identity.request q
     WHERE q.asker_id = ANY(%(askers)s) AND q.state IN ('open', 'refused')
       AND q.created_at > %(since)s
     ORDER BY q.created_at DESC, q.id LIMIT %(count)s
"""
TO_ANSWER = f"""
    SELECT {COLUMNS} FROM identity.request q
     WHERE q.state = 'open' AND q.expires_at > %(now)s
       AND (q.other_id = %(me)s OR (q.way = 'act_for' AND q.other_id = ANY(%(wards)s)))
     ORDER BY q.created_at, q.id LIMIT %(count)s
"""
SETTLE = """
    UPDATE identity.request SET state = %(state)s, answered_at = %(now)s
     WHERE id = %(id)s AND state = 'open' AND expires_at > %(now)s
"""
UNVERIFIED = """
    SELECT count(*) AS n FROM identity.relation r
     WHERE r.proxy_id = %(guardian)s AND r.kind = 'guardian'
       AND r.starts_at <= %(now)s AND (r.ends_at IS NULL OR r.ends_at > %(now)s)
       AND NOT EXISTS (SELECT FROM identity.document d
                        WHERE d.person_id = r.person_id AND d.ended_at IS NULL
                          AND d.verified_at IS NOT NULL)
"""
PURGE = """
    DELETE FROM identity.request WHERE id IN (
        SELECT id FROM identity.request WHERE expires_at < %(before)s
         ORDER BY expires_at LIMIT %(most)s)
"""


async def ask_relation(cx: Context, asker_id: UUID, wish: Wish) -> Request:
    """Ask the other side; the same question again while it is open answers the same.

    Writes the request and audit entries. The caller has asked
    `consent.require(cx, "person.relations", asker_id)`.

    Raises:
        RelationRefused: no scope, over before it starts, a kind that is not for asking, oneself.
        ProxyTooYoung, GuardianDecides, RequestTooMany.
    """
    await cx.db.execute(LOCK_ASKER, {"asker": asker_id})
    asker = await get_person(cx, asker_id)
    _check(cx, wish)
    rules = await policy.values(cx, "identity.")
    await _check_age(cx, asker, wish.way, rules)
    name, shown = wish.name.strip(), papers.mask(wish.document)
    asked = {"asker": asker_id, "way": wish.way, "name": name, "document": shown, "now": cx.now}
    same = await _one(cx, SAME, asked)
    if same is not None:
        return same
    counts = {"asker": asker_id, "now": cx.now, "since": cx.now - DAY}
    row = await (await cx.db.execute(COUNTS, counts)).fetchone()
    if row is not None and (
        row["open"] >= int(rules["request.open_max"])
        or row["today"] >= int(rules["request.day_max"])
    ):
        raise RequestTooMany
    other = await _other(cx, wish, asker, int(rules["adult.age"]))
    made = await _one(cx, ADD, asked | {
        "id": ids.new(), "other": other.id if other else None, "kind": wish.kind,
        "scopes": [str(scope) for scope in wish.scopes], "ends_at": wish.ends_at,
        "expires_at": cx.now + timedelta(days=int(rules["request.days"])),
    })  # fmt: skip
    assert made is not None
    await _tell(cx, "asked", made)
    return made


def _check(cx: Context, wish: Wish) -> None:
    over = wish.ends_at is not None and wish.ends_at <= cx.now
    if not wish.scopes or over or wish.kind not in KINDS or not wish.name.strip():
        raise RelationRefused


async def _check_age(cx: Context, asker: Person, way: Way, rules: dict[str, Any]) -> None:
    age = age_on(asker.born_on, clock.day_of(cx.now))
    if way is Way.ACT_FOR and age < int(rules["adult.age"]):
        raise ProxyTooYoung
    await _check_guardian(cx, asker)


async def _check_guardian(cx: Context, person: Person) -> None:
    """Refuse a young child's own word; the guardian's counts."""
    age = age_on(person.born_on, clock.day_of(cx.now))
    young = age < int(await policy.value(cx, "identity.guardian.age"))
    if young and cx.actor.person_id == person.id:
        raise GuardianDecides


async def _other(cx: Context, wish: Wish, asker: Person, adult: int) -> Person | None:
    """Find whom the asker means; None, and not a word, when name or age does not fit."""
    found = await find_person_by_document(cx, wish.document)
    if found is None or not is_same_name(found.name, wish.name):
        return None
    if found.id == asker.id:
        raise RelationRefused
    is_proxy = wish.way is Way.BE_ACTED_FOR
    if is_proxy and age_on(found.born_on, clock.day_of(cx.now)) < adult:
        return None
    return found


async def agree(cx: Context, request_id: UUID) -> Relation:
    """Say yes: the relation holds from now on. An older one of the same two ends with it.

    The caller has asked `consent.require` for `person_id` (ACT_FOR) or knows that the actor is
    `proxy_id` (BE_ACTED_FOR).

    Raises:
        RequestUnknown, RequestOver, GuardianDecides, RelationRefused.
    """
    request = await get_request(cx, request_id)
    person_id, proxy_id = request.person_id, request.proxy_id
    if person_id is None or proxy_id is None:
        raise RequestUnknown
    await _check_guardian(cx, await get_person(cx, person_id))
    await _settle(cx, request, RequestState.AGREED)
    for one in (await relations_of(cx, person_id)).proxies:
        if one.proxy_id == proxy_id and one.kind in KINDS:
            await end_relation(cx, one.id)
    return await add_relation(
        cx,
        person_id,
        proxy_id,
        request.kind,
        request.scopes,
        ends_at=request.ends_at,
        evidence=f"request:{request.id}",
    )


async def refuse(cx: Context, request_id: UUID) -> None:
    """Say no: nothing changes, and the asker is told so."""
    await _settle(cx, await get_request(cx, request_id), RequestState.REFUSED)


async def withdraw_request(cx: Context, request_id: UUID) -> None:
    """Take one's own request back."""
    await _settle(cx, await get_request(cx, request_id), RequestState.WITHDRAWN)


async def _settle(cx: Context, request: Request, state: RequestState) -> None:
    parameters = {"id": request.id, "state": state, "now": cx.now}
    if (await cx.db.execute(SETTLE, parameters)).rowcount != 1:
        raise RequestOver
    await _tell(cx, state, request)


async def _tell(cx: Context, what: str, request: Request) -> None:
    people = [request.asker_id, *([request.other_id] if request.other_id else [])]
    detail = {"way": str(request.way), "kind": str(request.kind)}
    entries = [
        audit.Entry(f"relation.{what}", person, f"request/{request.id}", "ok", detail)
        for person in people
    ]
    await audit.append(cx, entries)


async def get_request(cx: Context, request_id: UUID) -> Request:
    """Return one request, or raise RequestUnknown."""
    found = await _one(cx, GET, {"id": request_id})
    if found is None:
        raise RequestUnknown
    return found


async def list_asked(cx: Context, asker_ids: Collection[UUID]) -> list[Request]:
    """Return what these people asked in the last 30 days and is open, refused or has run out."""
    since = cx.now - timedelta(days=30)
    parameters = {"askers": list(asker_ids), "since": since, "count": LISTED_MAX}
    return await _many(cx, ASKED, parameters)


async def list_to_answer(cx: Context, me: UUID, wards: Collection[UUID] = ()) -> list[Request]:
    """Return what waits for a person's answer, also as guardian of these children."""
    parameters = {"me": me, "wards": list(wards), "now": cx.now, "count": LISTED_MAX}
    return await _many(cx, TO_ANSWER, parameters)


async def leave_relation(cx: Context, relation_id: UUID) -> Relation:
    """End a relation on the word of either side; a guardianship stays.

    Raises:
        RelationUnknown, RelationStays.
    """
    if (await get_relation(cx, relation_id)).kind is RelationKind.GUARDIAN:
        raise RelationStays
    return await end_relation(cx, relation_id)


async def register_child(cx: Context, new: NewPerson, document: Document) -> Person:
    """Register one's child on the guardian's word: a record of its own, its papers unproven.

    It opens nobody's existing record: an unverified number matches nobody, a window joins the
    two. How many unproven children one guardian may have is policy. The caller has asked
    `consent.require(cx, "person.register")` and `new.guardian_id` is the actor's person.

    Raises:
        NotAChild, ProxyTooYoung, ChildrenTooMany; as `register_person`.
    """
    if new.guardian_id is None:
        raise RelationRefused
    rules = await policy.values(cx, "identity.")
    await cx.db.execute(LOCK_ASKER, {"asker": new.guardian_id})
    guardian = await get_person(cx, new.guardian_id)
    today = clock.day_of(cx.now)
    if age_on(guardian.born_on, today) < int(rules["adult.age"]):
        raise ProxyTooYoung
    if age_on(new.born_on, today) >= int(rules["guardian.age"]):
        raise NotAChild
    counted = await cx.db.execute(UNVERIFIED, {"guardian": guardian.id, "now": cx.now})
    row = await counted.fetchone()
    if row is not None and row["n"] >= int(rules["child.unverified_max"]):
        raise ChildrenTooMany
    child = await register_person(cx, new, [document])
    await propose_matches(cx, child.id)
    return child


async def purge_requests(cx: Context) -> int:
    """Delete requests long over, with the names that were typed; return how many.

    At most 50,000 a run; the next run takes the rest.
    """
    days = int(await policy.value(cx, "identity.request.kept_days"))
    parameters = {"before": cx.now - timedelta(days=days), "most": PURGED_MAX}
    return (await cx.db.execute(PURGE, parameters)).rowcount


async def _one(cx: Context, statement: str, parameters: dict[str, object]) -> Request | None:
    found = await _many(cx, statement, parameters)
    return found[0] if found else None


async def _many(cx: Context, statement: str, parameters: dict[str, object]) -> list[Request]:
    async with cx.db.cursor(row_factory=class_row(Request)) as cursor:
        return await (await cursor.execute(statement.encode(), parameters)).fetchall()
