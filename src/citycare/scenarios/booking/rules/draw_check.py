"""Checking a published draw from its file alone. Pure; reads once, front to back.

What is wrong is named by line. With the commitment and the list digest noted down when they were
published (both are public), a file that was replaced as a whole is found too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import orjson

from citycare.scenarios.booking.model.draw import DrawSlot, Report
from citycare.scenarios.booking.rules import draw as rules


class _Differs(Exception):
    """A line is not what it must be."""

    def __init__(self, line: int, fault: str) -> None:
        super().__init__(fault)
        self.line = line
        self.fault = fault


class _Reader:
    """Lines with their number and the running digest of all bytes before the next line."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self.number = 0
        self.so_far = hashlib.sha256()

    def take(self) -> bytes:
        """Return the next line; the digest does not hold it yet."""
        self.number += 1
        line = next(self._lines, None)
        if line is None:
            raise _Differs(self.number, "the file ends too early")
        return line

    def rest(self) -> Iterator[bytes]:
        return self._lines


def verify(
    lines: Iterable[bytes],
    *,
    seed: bytes | None = None,
    commitment: bytes | None = None,
    list_digest: bytes | None = None,
) -> Report:
    """Recompute a draw from its published file and compare every byte.

    Args:
        lines: the file, line by line, each with its line end.
        seed: the seed as revealed elsewhere; None: trust the file's against its commitment.
        commitment: as noted when the draw opened; None: the one in the file.
        list_digest: as noted when the list was frozen; None: the one in the file.

    Returns:
        ok, and how many requests and winners; or the first line that differs and how.

    Source:
        docs/scenarios/draw.md; the rules are `rules.draw`.
    """
    reader = _Reader(lines)
    counted = [0, 0]
    try:
        _check(reader, counted, seed=seed, commitment=commitment, list_digest=list_digest)
    except _Differs as differs:
        return Report(False, counted[0], counted[1], differs.line, differs.fault)
    return Report(True, counted[0], counted[1])


def _check(
    reader: _Reader,
    counted: list[int],
    *,
    seed: bytes | None,
    commitment: bytes | None,
    list_digest: bytes | None,
) -> None:
    header, slots = _head(reader)
    promised = bytes.fromhex(header["commitment"])
    if commitment is not None and commitment != promised:
        raise _Differs(1, "the commitment is not the one published at opening")
    records = _requests(reader, header["requests"], {slot.n for slot in slots})
    counted[0] = len(records)
    digest = reader.so_far.digest()
    line = reader.take()
    told = _fields(reader, line, {"list_sha256": str, "seed": str, "beacon": str, "key": str})
    if told["list_sha256"] != digest.hex() or list_digest not in (None, digest):
        raise _Differs(reader.number - 1, "the list is not the one whose digest was published")
    revealed = _hex(reader, told["seed"])
    if rules.commitment(revealed) != promised or seed not in (None, revealed):
        raise _Differs(reader.number, "the seed is not the one committed to")
    if bool(header["beacon_source"]) != bool(told["beacon"]):
        raise _Differs(reader.number, "a beacon is used if one was announced, and only then")
    _same(reader, line, rules.draw_line(revealed, digest, told["beacon"]))
    tickets = rules.ranked(rules.lottery_key(revealed, digest, told["beacon"]), records)
    del records
    for position, result in enumerate(rules.allot(tickets, slots), start=1):
        _same(reader, reader.take(), rules.result_line(position, *result))
        counted[1] += result[1] > 0
    end = rules.end_line(reader.so_far)
    _same(reader, reader.take(), end)
    if next(reader.rest(), None) is not None:
        raise _Differs(reader.number + 1, "there are lines after the end")


def _head(reader: _Reader) -> tuple[dict[str, Any], list[DrawSlot]]:
    line = reader.take()
    kinds = {
        "format": str,
        "draw": str,
        "opens_at": str,
        "closes_at": str,
        "commitment": str,
        "beacon_source": str,
        "slots": int,
        "requests": int,
    }
    header = _fields(reader, line, kinds)
    if header["format"] != rules.FORMAT or len(_hex(reader, header["commitment"])) != rules.DIGEST:
        raise _Differs(1, f"this is not a file of {rules.FORMAT}")
    reader.so_far.update(line)
    slots: list[DrawSlot] = []
    known: set[UUID] = set()
    for n in range(1, header["slots"] + 1):
        line = reader.take()
        fields = _fields(reader, line, {"slot": int, "id": str, "places": list})
        numbers = fields["places"]
        good = all(type(number) is int and number > 0 for number in numbers)
        if fields["slot"] != n or not good or len(set(numbers)) != len(numbers):
            raise _Differs(reader.number, "the windows are not numbered 1, 2, 3 with own places")
        try:
            slots.append(DrawSlot(n, UUID(fields["id"]), numbers))
        except ValueError as error:
            raise _Differs(reader.number, "the window's id is not an id") from error
        if slots[-1].slot_id in known:
            raise _Differs(reader.number, "this window stands there twice")
        known.add(slots[-1].slot_id)
        reader.so_far.update(line)
    return header, slots


def _requests(reader: _Reader, expected: int, known: set[int]) -> list[bytes]:
    records: list[bytes] = []
    last = b""
    for _ in range(expected):
        line = reader.take()
        fields = _fields(reader, line, {"id": str, "wishes": list, "before": str})
        mark = reader.so_far.hexdigest()[: rules.MARK]
        if fields["before"] != mark:
            raise _Differs(max(1, reader.number - 1), "this line or one before it was changed")
        id_, wishes = _hex(reader, fields["id"]), fields["wishes"]
        if len(id_) != rules.ID or id_ <= last:
            raise _Differs(reader.number, "ids must rise, each once")
        if not rules.check_wishes(wishes) or not all(
            type(wish) is int and wish in known for wish in wishes
        ):
            raise _Differs(reader.number, "the wishes are not one to three windows of this draw")
        record = rules.pack(id_, wishes)
        _same(reader, line, next(rules.request_lines((record,), reader.so_far.copy())))
        records.append(record)
        last = id_
    return records


def _same(reader: _Reader, line: bytes, expected: bytes) -> None:
    if line != expected:
        raise _Differs(reader.number, f"it should read {expected.decode().strip()}")
    reader.so_far.update(line)


def _fields(reader: _Reader, line: bytes, kinds: dict[str, type]) -> dict[str, Any]:
    try:
        fields = orjson.loads(line)
    except ValueError as error:
        raise _Differs(reader.number, "the line is not JSON") from error
    if (
        not isinstance(fields, dict)
        or {name: type(value) for name, value in fields.items()} != kinds
    ):
        raise _Differs(reader.number, f"the line must have {', '.join(kinds)}")
    return fields


def _hex(reader: _Reader, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise _Differs(reader.number, "a digest is not written in hex") from error
