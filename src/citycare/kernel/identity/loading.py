"""Set a known second factor, for accounts that come with one: the demo's, a move from elsewhere.

Beside `bulk.load_accounts`, which leaves it empty. For the command line only.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from citycare.kernel.context import Context
from citycare.kernel.identity.model import AccountUnknown

SET_FACTOR = """
    UPDATE identity.account SET totp_secret = %(secret)s, totp_last_step = NULL
     WHERE id = %(account)s
"""


async def load_second_factors(cx: Context, secrets: Iterable[tuple[UUID, str]]) -> None:
    """Give accounts these TOTP secrets (base32, RFC 6238).

    Raises:
        AccountUnknown: one of them is not there.
    """
    for account_id, secret in secrets:
        found = await cx.db.execute(SET_FACTOR, {"account": account_id, "secret": secret})
        if found.rowcount != 1:
            raise AccountUnknown
