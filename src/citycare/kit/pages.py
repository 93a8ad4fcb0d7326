"""Keyset pages: a page of results and the opaque token of the next."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import orjson

from citycare.kit.errors import Incorrect

T = TypeVar("T")
PAGE_MAX = 200


class TokenBroken(Incorrect):
    """The page token is not one of ours; start again without it."""

    code = "page.token_broken"
    words = "这一页的链接已经失效，请从第一页重新查看。"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the token to ask for more, or None at the end."""

    items: Sequence[T]
    next: str | None


def encode(*keys: str | int) -> str:
    """Write the keys of the last item as a token."""
    return base64.urlsafe_b64encode(orjson.dumps(keys)).decode().rstrip("=")


def decode(token: str, length: int) -> list[str | int]:
    """Read a token back into exactly `length` keys, or raise TokenBroken."""
    try:
        keys = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, binascii.Error) as error:
        raise TokenBroken from error
    if not isinstance(keys, list) or len(keys) != length:
        raise TokenBroken
    if not all(isinstance(key, (str, int)) for key in keys):
        raise TokenBroken
    return keys
