"""What the database says after a rush: places sold twice, answers that were confirmed and lost."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import psycopg

from bench.load import Outcome

OVERSOLD = """
    SELECT coalesce(sum(greatest(booked - capacity, 0)), 0)
      FROM (SELECT s.capacity, count(b.id) AS booked FROM booking.slot s
              LEFT JOIN booking.booking b ON b.slot_id = s.id AND b.state = 'booked'
             GROUP BY s.id) AS counted
"""
WRONG = """
    SELECT count(*) FROM booking.slot s
     WHERE (s.free, s.busy) IS DISTINCT FROM
           (SELECT (count(*) FILTER (WHERE state = 'free')::smallint,
                    count(*) FILTER (WHERE state <> 'free')::smallint)
              FROM booking.place p WHERE p.slot_id = s.id)
"""
UNHELD = """
    SELECT count(*) FROM booking.place p
     WHERE p.state = 'taken' AND NOT EXISTS (SELECT 1 FROM booking.booking b
            WHERE b.slot_id = p.slot_id AND b.number = p.number AND b.state = 'booked')
"""
MISSING = """
    SELECT count(*) FROM unnest(%(ids)s::uuid[]) AS t (id)
     WHERE NOT EXISTS (SELECT 1 FROM booking.booking b WHERE b.id = t.id AND b.state = 'booked')
        OR NOT EXISTS (SELECT 1 FROM fhir.resource r
                        WHERE r.type = 'Appointment' AND r.id = t.id::text)
"""
CREATED = 201


def confirmed(outcome: Outcome) -> list[str]:
    """Return the booking ids that were confirmed to somebody."""
    ids = []
    for status, answer in zip(outcome.statuses, outcome.answers, strict=True):
        if status == CREATED:
            ids.append(orjson.loads(answer[answer.index(b"\r\n\r\n") + 4 :])["id"])
    return ids


def check(url: str, outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """Return (places sold twice or miscounted, bookings confirmed and lost)."""
    ids = [one for outcome in outcomes for one in confirmed(outcome)]
    with psycopg.connect(url) as connection:
        counts = [connection.execute(query).fetchone() for query in (OVERSOLD, WRONG, UNHELD)]
        lost = connection.execute(MISSING, {"ids": ids}).fetchone()
    assert lost is not None
    return sum(int(row[0]) for row in counts if row is not None), int(lost[0])
