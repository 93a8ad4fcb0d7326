"""One answer for a request that comes twice: the Idempotency-Key of every POST that changes things.

Whoever got no answer sends the same request again with the same key: nothing happens twice, and
the first answer comes back. Only successes are kept, so what was refused may be tried again.

Source: IETF draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import Header
from starlette.responses import Response

from citycare.kernel import events
from citycare.kernel.context import Context
from citycare.web.edge import Json

KEY = "Idempotency-Key"
KEY_CHARS_MAX = 200
KEY_WORDS = (
    "a name you give this request, new for each thing you want, the same when you repeat it: then "
    "nothing happens twice and the first answer comes again, for 7 days; with another content "
    "409 `request.key_reused`"
)
KeyHeader = Annotated[
    str, Header(alias=KEY, min_length=1, max_length=KEY_CHARS_MAX, description=KEY_WORDS)
]
NO_CONTENT = 204


async def once(
    cx: Context,
    key: str,
    what: object,
    run: Callable[[], Awaitable[tuple[int, dict[str, Any] | None]]],
) -> Response:
    """Answer by the reply kept for this key, or run it and keep the reply.

    Raises:
        KeyReused: the key came before with another `what`, or came first while this ran.
    """
    assert cx.actor.account_id is not None
    account = cx.actor.account_id
    digest = hashlib.sha256(orjson.dumps(what, default=str)).digest()
    await events.lock_key(cx, key)
    found = await events.find_replies(cx.db, [(account, key)])
    kept = events.reply_to(found, account, key, digest)
    if kept is not None:
        return _answer(kept.status, kept.body)
    status, body = await run()
    if not await events.keep_replies(cx, [events.Reply(account, key, digest, status, body)]):
        raise events.KeyReused(key=key)  # by the rush, which takes no lock on keys
    return _answer(status, body)


def _answer(status: int, body: Any) -> Response:
    return Response(status_code=status) if status == NO_CONTENT else Json(body, status)
