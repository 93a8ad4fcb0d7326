"""The rush: bookings a second through the whole stack, against a bare psycopg loop."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import psycopg
import uvloop

from bench import city, load
from citycare.kit import ids

RAW_SECONDS = 6.0
RAW_CONNECTIONS = 16
CONNECTIONS = 256
PORT = 8765

RAW_TABLES = """
    DROP SCHEMA IF EXISTS raw CASCADE; CREATE SCHEMA raw;
    CREATE TABLE raw.slot (id int PRIMARY KEY, taken int NOT NULL, capacity int NOT NULL);
    CREATE TABLE raw.booking (id uuid PRIMARY KEY, slot_id int NOT NULL, person_id uuid NOT NULL,
                              at timestamptz NOT NULL DEFAULT now());
    INSERT INTO raw.slot SELECT n, 0, 1000000 FROM generate_series(1, 4000) n;
"""
RAW_TAKE = "UPDATE raw.slot SET taken = taken + 1 WHERE id = %s AND taken < capacity"
RAW_BOOK = "INSERT INTO raw.booking (id, slot_id, person_id) VALUES (%s, %s, %s)"


def raw_per_s(url: str) -> float:
    """Measure the bare loop: one guarded UPDATE and one INSERT a transaction, 16 connections."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(RAW_TABLES)
    counts = [0] * RAW_CONNECTIONS
    end = time.perf_counter() + RAW_SECONDS

    def loop(number: int) -> None:
        dice = random.Random(number)
        with psycopg.connect(url, autocommit=True) as connection:
            while time.perf_counter() < end:
                slot = dice.randint(1, 4000)
                with connection.transaction():
                    connection.execute(RAW_TAKE, [slot])
                    connection.execute(RAW_BOOK, [ids.new(), slot, ids.new()])
                counts[number] += 1

    threads = [threading.Thread(target=loop, args=(n,)) for n in range(RAW_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / RAW_SECONDS


@dataclass(frozen=True, slots=True)
class Rush:
    """What was measured: confirmed bookings a second, the latency, and the answers."""

    per_s: float
    p99_ms: float
    outcome: load.Outcome


def requests(stage: city.Stage, slots: Sequence[object], claims: range, seed: int) -> list[bytes]:
    """Write one POST for each resident of the range, to these windows in turn, shuffled."""
    dice = random.Random(seed)
    order = [slots[n % len(slots)] for n in range(len(claims))]
    dice.shuffle(order)
    return [
        load.post(
            "/api/v1/bookings",
            orjson.dumps({"slot_id": slot, "person_id": stage.persons[person]}),
            stage.tokens[person],
            f"bench-{seed}-{person}",
        )
        for person, slot in zip(claims, order, strict=True)
    ]


def send(ready: Sequence[bytes], port: int = PORT, *, keep: bool = True) -> Rush:
    """Send claims over 256 connections, each as soon as the one before it was answered."""
    address = ("127.0.0.1", port)
    outcome = uvloop.run(load.run(ready, address, CONNECTIONS, keep=keep))
    booked = outcome.counts[201]
    return Rush(booked / outcome.seconds, outcome.percentile_ms(0.99), outcome)
