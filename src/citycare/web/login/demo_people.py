"""Whom one can sign in as in the demo: one subject per role.

The demo city registers accounts for these subjects under `DEMO_ISSUER`, with real workplaces. A
subject nobody registered is completed at its first sign-in, so that the demo works without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from citycare.kernel import identity
from citycare.kernel.context import Context, Grant, Role
from citycare.kernel.identity import Account, documents, factors
from citycare.kit.errors import Incorrect
from citycare.kit.keyring import Keyring
from citycare.web.i18n import mark

DEMO_ISSUER = "https://demo.citycare.invalid/oidc"
PREFIX = "demo-"
NAMES = {
    Role.RESIDENT: mark("演示居民"),
    Role.CLINICIAN: mark("演示医生"),
    Role.CLERK: mark("演示窗口"),
    Role.SCHEDULER: mark("演示排班"),
    Role.COMMUNITY_GP: mark("演示家庭医生"),
    Role.OPERATOR: mark("演示管理员"),
}
RESIDENT_BORN_ON = date(1988, 8, 8)
RESIDENT_SEQUENCE = 499  # the demo city counts from 0


class RoleUnknown(Incorrect):
    """There is no such role to sign in as."""

    code = "login.role_unknown"
    words = "没有这个身份，请从列表里选一个。"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """One line of the provider's list."""

    subject: str
    name: str

    @property
    def hint(self) -> str:
        """What `/login/demo?as=` takes for this person."""
        return self.subject.removeprefix(PREFIX)


PEOPLE = tuple(DemoPerson(f"{PREFIX}{role}", name) for role, name in NAMES.items())


def subject_of(hint: str, people: Sequence[DemoPerson]) -> str:
    """Return the subject a hint (a role, or a person of the demo city) stands for.

    Raises:
        RoleUnknown: nobody in the demo is called so.
    """
    subject = f"{PREFIX}{hint}"
    if all(one.subject != subject for one in people):
        raise RoleUnknown(role=hint[:20])
    return subject


async def complete(cx: Context, ring: Keyring, account: Account) -> tuple[Account, str | None]:
    """Give a demo account what its role needs; return it, and the code secret of staff.

    Staff get a new second factor at each demo sign-in, because the page shows them its code.
    """
    if account.issuer != DEMO_ISSUER:
        return account, None
    role = account.subject.removeprefix(PREFIX)
    if role == Role.RESIDENT and account.person_id is None:
        account = await _with_person(cx, account)
    held = await identity.list_grants(cx, account.id)
    if not held and role in NAMES and role != Role.RESIDENT:
        await identity.add_grant(cx, account.id, Grant(Role(role)))
        held = await identity.list_grants(cx, account.id)
    if not held:
        return account, None
    return account, (await factors.enrol_second_factor(cx, ring, account.id)).secret


async def _with_person(cx: Context, account: Account) -> Account:
    number = documents.synthetic_number(RESIDENT_BORN_ON, identity.Sex.FEMALE, RESIDENT_SEQUENCE)
    document = {"kind": number.kind, "number": number.number, "verified": True}
    claims = {"name": account.name, "id_document": document}
    return await identity.find_or_make_account(cx, account.issuer, account.subject, claims)
