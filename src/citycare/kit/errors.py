"""The tree of expected errors. Programmer errors stay plain exceptions and are faults.

AppError
├── Incorrect     what was sent is wrong; sending it again will not help
├── Forbidden     the actor may see the thing but may not do this
├── NotFound      there is no such thing, or the actor may not know of it
├── Conflict      the state of things has moved on; look again
├── Busy          too much at once; try again soon
└── Unavailable   something we need is away; try again soon
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Category(StrEnum):
    """What kind of refusal it is; `kit.http` maps it to protocols."""

    INCORRECT = "incorrect"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"


class AppError(Exception):
    """Something went wrong that we expected could.

    `code` is stable and public (`docs/errors.md`); `words` is the sentence a person reads, in
    Chinese, with the next step; the class docstring is the English message; `facts` are ids and
    numbers, never clinical text.
    """

    category: ClassVar[Category]
    code: ClassVar[str]
    words: ClassVar[str]

    def __init__(self, **facts: object) -> None:
        """Keep the facts of this one case."""
        super().__init__(self.code)
        self.facts = facts

    @classmethod
    def message(cls) -> str:
        """Return the English sentence: the first line of the class docstring."""
        return (cls.__doc__ or cls.code).strip().splitlines()[0]

    def __str__(self) -> str:
        """Show code and facts, for logs."""
        facts = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.code} {facts}".strip()


class Incorrect(AppError):
    """What was sent is not right."""

    category = Category.INCORRECT
    code = "request.incorrect"
    words = "填写的内容不对，请检查后再试。"


class Forbidden(AppError):
    """You may not do this."""

    category = Category.FORBIDDEN
    code = "access.forbidden"
    words = "您没有办理这件事的权限。可以请本人或窗口工作人员办理。"


class NotFound(AppError):
    """There is nothing here that you can see."""

    category = Category.NOT_FOUND
    code = "request.not_found"
    words = "没有找到。它可能已经改动，请返回重新查找。"


class Conflict(AppError):
    """Things have changed since you looked."""

    category = Category.CONFLICT
    code = "request.conflict"
    words = "情况刚刚有了变化，请刷新后再看一次。"


class Busy(AppError):
    """Too many people at once; try again in a moment."""

    category = Category.BUSY
    code = "service.busy"
    words = "现在办理的人很多，您的内容没有丢，请过几秒再试。"


class Unavailable(AppError):
    """A part we need is away for a moment; try again."""

    category = Category.UNAVAILABLE
    code = "service.unavailable"
    words = "系统正在恢复，您的内容没有丢，请过几秒再试。"
