"""How fast turns are: one process a core, as the web runs them."""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import quantiles

import psutil

from bench.triage import truth
from citycare.scenarios.triage.rules import simulate
from citycare.scenarios.triage.rules.advise import Triage
from citycare.scenarios.triage.service.knowledge import load

SECONDS = 8


def speed(_: Triage) -> dict[str, float]:
    """Turns of written patients: the first message understood, believed and answered."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(_turns, range(cores)))
    times = [one for times, _ in found for one in times]
    return {
        "turn_p95_ms": quantiles(times, n=20)[-1] * 1000,
        "turns_per_s": sum(len(times) for times, _ in found) / SECONDS,
        "rss_mb": max(memory for _, memory in found),
    }


def _turns(seed: int) -> tuple[list[float], float]:
    triage = load(truth.ROOT / "knowledge")
    cases = [
        simulate.case_of(entry)
        for path in sorted(truth.CASES.glob("patients_*.jsonl"))
        for entry in truth.lines_of(path)
    ]
    random.Random(seed).shuffle(cases)
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        case = cases[len(times) % len(cases)]
        before = time.perf_counter()
        triage.advise(triage.hear(case.says, age=case.age, sex=case.sex))
        times.append(time.perf_counter() - before)
    return times, psutil.Process().memory_info().rss / 2**20
