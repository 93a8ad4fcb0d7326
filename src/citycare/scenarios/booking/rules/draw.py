"""The lottery: commitment, key, order, allotment, and the lines of the published list. Pure.

Sources: Hakimov, Heller, Kübler, Kurino, "How to Avoid Black Markets for Appointments with Online
Booking Systems", American Economic Review 111(7):2127–2151, 2021 (a batch and a lottery take the
scalper's gain away); Abdulkadiroğlu & Sönmez, Econometrica 66(3):689–701, 1998 (random serial
dictatorship); Blum, "Coin flipping by telephone", CRYPTO 1981 (commit, then reveal).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import orjson

from citycare.scenarios.booking.model.draw import WISHES_MAX, Draw, DrawSlot, DrawState

FORMAT = "citycare-draw-1"
ID = 16
WISH = 4
RECORD = ID + WISHES_MAX * WISH
DIGEST = 32
MARK = 8

NEXT: dict[DrawState, frozenset[DrawState]] = {
    DrawState.OPEN: frozenset({DrawState.FROZEN}),
    DrawState.FROZEN: frozenset({DrawState.DRAWN}),
    DrawState.DRAWN: frozenset({DrawState.DONE}),
    DrawState.DONE: frozenset(),
}


def commitment(seed: bytes) -> bytes:
    """Return sha256(seed), 32 bytes, published when the draw opens.

    It binds the operator: another seed with this digest cannot be found. It hides the seed,
    because that is 32 random bytes.

    Source: Blum 1981; FIPS 180-4 (SHA-256).
    """
    return hashlib.sha256(seed).digest()


def public_id(key: bytes, draw_id: UUID, person_id: UUID) -> UUID:
    """Return the id under which a request is published: HMAC-SHA256, 122 bits kept.

    It is the same for the same person in the same draw, so that nobody gets a second ticket by
    withdrawing and asking again, and without the key it says nothing about the person. Written
    as a version 8 UUID.

    Source: RFC 2104 (HMAC); RFC 9562 §5.8 (version 8).
    """
    mac = hmac.digest(key, draw_id.bytes + person_id.bytes, "sha256")
    value = int.from_bytes(mac[:ID], "big")
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def lottery_key(seed: bytes, list_digest: bytes, beacon: str) -> bytes:
    """Return sha256(seed || digest of the frozen list || UTF-8 text of the beacon), 32 bytes.

    Requesters cannot steer it, for they do not know the seed; the operator is bound to the seed
    before the list exists; and with a beacon that is published only after the list, an operator
    who reads the seed early and adds requests cannot know what they will do. Empty text: no
    beacon was announced.

    Source: as the module; NIST IR 8213 (2019) §7 on combining a beacon with a commitment.
    """
    return hashlib.sha256(seed + list_digest + beacon.encode()).digest()


def ranked(key: bytes, records: Iterable[bytes]) -> list[bytes]:
    """Return the records in the order of the lottery, each led by its 32-byte ticket.

    The ticket is sha256(key || public id); the smallest comes first. A record is the public id
    (16 bytes) and three wishes (4 bytes each, big-endian, 0 for none). The order does not depend
    on the order in which requests came.

    Source: Abdulkadiroğlu & Sönmez 1998: every order equally likely.
    """
    start = hashlib.sha256(key)
    tickets = []
    for record in records:
        ticket = start.copy()
        ticket.update(record[:ID])
        tickets.append(ticket.digest() + record)
    tickets.sort()
    return tickets


def allot(
    tickets: Iterable[bytes], slots: Sequence[DrawSlot]
) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield (public id, wish, slot number, place number) for each ticket, in order.

    Random serial dictatorship: each in turn gets the first of its wishes that still has a place,
    and there the lowest number left. Wish, slot and place are 0 where nothing was left. One who
    gets a worse wish than another came later in the order: nobody has justified envy, and naming
    the true order of wishes is the best anyone can do.

    Source: Abdulkadiroğlu & Sönmez 1998; Svensson, Social Choice and Welfare 16, 1999.
    """
    left = {slot.n: sorted(slot.numbers, reverse=True) for slot in slots}
    end = DIGEST + ID
    for ticket in tickets:
        id_ = ticket[DIGEST:end]
        for wish in range(1, WISHES_MAX + 1):
            at = end + (wish - 1) * WISH
            n = int.from_bytes(ticket[at : at + WISH], "big")
            if n and left[n]:
                yield id_, wish, n, left[n].pop()
                break
        else:
            yield id_, 0, 0, 0


def pack(id_: bytes, wishes: Sequence[int]) -> bytes:
    """Return a record: public id, then three wishes of 4 bytes, 0 for none.

    Source: ours; see `ranked`.
    """
    padded = [*wishes, 0, 0, 0][:WISHES_MAX]
    return id_ + b"".join(n.to_bytes(WISH, "big") for n in padded)


def wishes_allowed(policy_most: int) -> int:
    """Return how many wishes a request may name: what policy says, but one to three.

    Source: policy `booking.draw.wishes_max`; a record of the published list holds three (`pack`).
    """
    return max(1, min(policy_most, WISHES_MAX))


def check_wishes(wishes: Sequence[object], most: int = WISHES_MAX) -> bool:
    """Tell whether there are one to `most` wishes, all different.

    Source: `wishes_allowed`; a published list is checked against three, whatever policy said then.
    """
    return 1 <= len(wishes) <= most and None not in wishes and len(set(wishes)) == len(wishes)


def instant(at: datetime) -> str:
    """Write an instant as RFC 3339 in UTC to the second.

    Source: RFC 3339 §5.6.
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def head(draw: Draw, slots: Sequence[DrawSlot]) -> Iterator[bytes]:
    """Yield the first lines of the published list: the draw, then each window with its places.

    Source: docs/scenarios/draw.md, "The file".
    """
    yield _line(
        {
            "format": FORMAT,
            "draw": str(draw.id),
            "opens_at": instant(draw.opens_at),
            "closes_at": instant(draw.closes_at),
            "commitment": draw.commitment.hex(),
            "beacon_source": draw.beacon_source,
            "slots": len(slots),
            "requests": draw.requests,
        }
    )
    for slot in slots:
        yield _line({"slot": slot.n, "id": str(slot.slot_id), "places": slot.numbers})


def request_lines(records: Iterable[bytes], so_far: hashlib._Hash) -> Iterator[bytes]:
    """Yield one line a request, in the order of public ids, and hash them into `so_far`.

    Each line carries `before`: the first 8 hex digits of the sha256 of all bytes before it, so
    that a change can be named by its line.

    Source: docs/scenarios/draw.md, "The file".
    """
    for record in records:
        mark = so_far.copy().hexdigest()[:MARK]
        wishes = b",".join(
            b"%d" % n
            for at in range(ID, RECORD, WISH)
            if (n := int.from_bytes(record[at : at + WISH], "big"))
        )
        line = b'{"id":"%s","wishes":[%s],"before":"%s"}\n' % (
            record[:ID].hex().encode(),
            wishes,
            mark.encode(),
        )
        so_far.update(line)
        yield line


def draw_line(seed: bytes, list_digest: bytes, beacon: str) -> bytes:
    """Return the line between the requests and the results: what the order was made from.

    Source: docs/scenarios/draw.md, "The file".
    """
    return _line(
        {
            "list_sha256": list_digest.hex(),
            "seed": seed.hex(),
            "beacon": beacon,
            "key": lottery_key(seed, list_digest, beacon).hex(),
        }
    )


def result_line(position: int, id_: bytes, wish: int, n: int, number: int) -> bytes:
    """Return the line of one result; `wish` 0 means no place.

    Source: docs/scenarios/draw.md, "The file".
    """
    if wish == 0:
        return b'{"order":%d,"id":"%s","wish":0}\n' % (position, id_.hex().encode())
    return b'{"order":%d,"id":"%s","wish":%d,"slot":%d,"place":%d}\n' % (
        position,
        id_.hex().encode(),
        wish,
        n,
        number,
    )


def result_lines(first: int, records: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of stored results: packed id, wish, slot and place from position `first`.

    Source: docs/scenarios/draw.md, "The file".
    """
    for position, record in enumerate(records, start=first):
        wish, n, number = (
            int.from_bytes(record[at : at + WISH], "big") for at in range(ID, RECORD, WISH)
        )
        yield result_line(position, record[:ID], wish, n, number)


def end_line(so_far: hashlib._Hash) -> bytes:
    """Return the last line: the sha256 of every byte before it.

    Source: docs/scenarios/draw.md, "The file".
    """
    return b'{"sha256":"%s"}\n' % so_far.hexdigest().encode()


def _line(fields: dict[str, object]) -> bytes:
    return orjson.dumps(fields) + b"\n"
