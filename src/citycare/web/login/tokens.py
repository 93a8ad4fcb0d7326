"""Bearer tokens from the machine itself, for `citycare token --as ROLE`."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.context import Actor, Channel, Context, Grant, Role
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.kit.errors import Incorrect
from citycare.web.login.demo_people import NAMES

ISSUER = "urn:citycare:command-line"
LIFE = timedelta(hours=12)
OPERATOR = Actor(None, None, (Grant(Role.SYSTEM),), None, "command-line")


class PersonNeeded(Incorrect):
    """A resident's token needs a person; staff tokens take none."""

    code = "login.person_needed"
    words = "居民的令牌要写明是哪一位(--person)，工作人员的不用写。"


class PlaceNotNeeded(Incorrect):
    """Only staff work in an organisation; a resident's token takes none."""

    code = "login.place_not_needed"
    words = "居民的令牌不写机构(--organisation)，只有工作人员的才写。"


async def issue_token(
    database: Database,
    role: Role,
    person: UUID | None = None,
    organisation: UUID | None = None,
) -> str:
    """Open a session for an account of this role and return its token, second factor given.

    Whoever can run commands on the machine with the database's secret is already trusted with
    both factors. The account is made at first use, one per role, person and organisation.
    """
    if (role is Role.RESIDENT) == (person is None):
        raise PersonNeeded(role=role)
    if role is Role.RESIDENT and organisation is not None:
        raise PlaceNotNeeded(role=role)
    async with database.transaction() as db:
        cx = Context(db, OPERATOR, clock.now(), str(ids.new()), Channel.PHONE, "login.issue_token")
        name = NAMES.get(role, str(role))
        if organisation is not None:
            await identity.get_organisation(cx, organisation)
        if person is not None:
            name = (await identity.get_person(cx, person)).name
        subject = "/".join(str(part) for part in (role, person or "", organisation or ""))
        account = await identity.register_account(cx, ISSUER, subject, name=name, person_id=person)
        if role is not Role.RESIDENT:
            await identity.add_grant(cx, account.id, Grant(role, organisation))
        return await identity.open_session(
            cx, account.id, "citycare token", LIFE, second_factor=True
        )
