"""Keyset pages: a page of results and the opaque token of the next."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson

from citycare.kit.errors import Incorrect

T = TypeVar("T")
PAGE_MAX = 200
INT_MAX = 2**63 - 1  # a bigint


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


def read(token: str, *kinds: type) -> tuple[Any, ...]:
    """Read a token back into keys of these kinds, which a statement can compare with.

    Kinds are int (64 bits), str, datetime and UUID. A token is the caller's text: with other keys
    in it the statement would be a fault.

    Raises:
        TokenBroken: it is not one of ours.
    """
    try:
        return tuple(map(_key, decode(token, len(kinds)), kinds))
    except ValueError as error:
        raise TokenBroken from error


def _key(key: str | int, kind: type) -> object:
    if kind is datetime:
        return datetime.fromisoformat(str(key))
    if kind is UUID:
        return UUID(str(key))
    if type(key) is not kind or (isinstance(key, int) and abs(key) > INT_MAX):
        raise ValueError(key)
    return key
