"""What scalpers get under three ways to release places, with the rules this system runs by.

One department, one day, `PLACES` places, more residents than places. A scalper has borrowed
identities, bots, and clients who gave him their own identity beforehand. He books what he can at
the release, then hands places over: he cancels and takes the place again at once in the buyer's
name. Compared: `plain` (first come, a cancelled place is free at once), `queue` (our first come:
queue ticket, cancelled places go to the waiting list) and `draw` (our lottery, then the same).
`…_fifo_wait` is the same with a waiting list in order of arrival: what we do not do, and why.

What is assumed is in docs/scenarios/draw.md. Last line: one JSON object, ready to plot.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from citycare.kernel.context import ANONYMOUS, Channel
from citycare.kit import clock
from citycare.scenarios.booking.model.core import Claim, Pool, Slot
from citycare.scenarios.booking.model.draw import DrawSlot
from citycare.scenarios.booking.rules import draw as draw_rules
from citycare.scenarios.booking.rules import queue as queue_rules
from citycare.scenarios.booking.rules import wait as wait_rules
from citycare.scenarios.booking.rules.limits import Limits, Standing, check_limits
from citycare.scenarios.booking.rules.places import return_at

SEEDS = 30
WINDOWS = 20
A_WINDOW = 10
PLACES = WINDOWS * A_WINDOW
OPENS = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
CLINIC = UUID(int=999)
CLINIC_AT = OPENS + timedelta(days=7)
LIMITS = Limits(
    per_day=2, per_department_day=1, per_period=6, cancel_before_min=30, return_min_minutes=10,
    return_max_minutes=120, offer_minutes=120, no_show_count=3, no_show_months=12, hold_days=90,
    elder_age=60, horizon_days=14, care_before_days=1, care_after_days=30,
)  # fmt: skip
T_95 = {20: 2.093, 30: 2.045}


@dataclass(frozen=True, slots=True)
class World:
    """The assumptions, all of them; see docs/scenarios/draw.md."""

    residents: int = 800
    clients: int = 40  # gave the scalper their identity before the release
    borrowed: int = 150  # identities of people who do not want to see a doctor
    early: float = 0.3  # share of residents who wait before the opening
    late: float = 0.2  # share of residents who come a minute to an hour later
    buyers: float = 0.3  # share of residents left without a place who would pay
    waits: float = 0.5  # share of residents left without a place who join the waiting list
    watchers: float = 0.1  # share of those left who look at the page again, once a minute
    gather_s: int = 30


@dataclass(frozen=True, slots=True)
class Agent:
    """One identity: resident, client or borrowed; when it presses, in seconds from the opening."""

    id: UUID
    kind: str
    at: float


@dataclass(slots=True)
class Outcome:
    """Who sits in front of the doctor in the end."""

    grabbed: int = 0  # places in the scalper's hands right after the release
    paid: int = 0  # places whose user got them through the scalper
    residents: int = 0  # residents with a place they did not pay for
    clients: int = 0  # clients with a place, by release or hand-over
    idle: int = 0  # places held by a borrowed identity to the end


def agents_of(world: World, dice: Random) -> list[Agent]:
    """Make everybody: residents with human latency, bots within 5 to 50 ms."""
    agents = []
    for _ in range(world.residents):
        chance = dice.random()
        if chance < world.early:
            at = -dice.uniform(1, 600)
        elif chance < world.early + world.late:
            at = dice.uniform(60, 3600)
        else:
            at = dice.uniform(0.5, 5)
        agents.append(Agent(_uuid(dice), "resident", at))
    for kind, count in (("client", world.clients), ("borrowed", world.borrowed)):
        agents.extend(Agent(_uuid(dice), kind, dice.uniform(0.005, 0.05)) for _ in range(count))
    dice.shuffle(agents)
    return agents


def _uuid(dice: Random) -> UUID:
    return UUID(int=dice.getrandbits(128))


def _slots() -> list[Slot]:
    return [
        Slot(
            UUID(int=n), CLINIC, UUID(int=998), "03.01", None,
            CLINIC_AT + timedelta(minutes=30 * n), CLINIC_AT + timedelta(minutes=30 * n + 30),
            "open", "first_come", A_WINDOW, A_WINDOW,
        )
        for n in range(1, WINDOWS + 1)
    ]  # fmt: skip


def first_come(agents: Sequence[Agent]) -> set[UUID]:
    """Serve in the given order; each may claim three times, the limits let each hold one."""
    slots, standing = _slots(), Standing((), ())
    left = dict.fromkeys(range(WINDOWS), A_WINDOW)
    holders: set[UUID] = set()
    for agent in agents:
        for _ in range(3):
            n = next((n for n, count in left.items() if count), None)
            if n is None:
                return holders
            claim = Claim(slots[n].id, agent.id, Pool.PUBLIC, ANONYMOUS, Channel.PHONE, "sim")
            if check_limits(claim, slots[n], standing, LIMITS, OPENS) is not None:
                break
            standing.add(claim, slots[n])
            left[n] -= 1
            holders.add(agent.id)
    return holders


def plain(world: World, agents: Sequence[Agent], _key: bytes, _dice: Random) -> set[UUID]:
    """Today: no waiting room; who waits early presses like everybody else, in human time."""
    del world
    pressed = [replace(one, at=0.5 + one.at % 4.5) if one.at < 0 else one for one in agents]
    return first_come(sorted(pressed, key=lambda one: one.at))


def queue(world: World, agents: Sequence[Agent], key: bytes, _dice: Random) -> set[UUID]:
    """Our first come: the order is that of the queue tickets."""
    queue_id = UUID(bytes=key[:16])

    def place(agent: Agent) -> tuple[int, int]:
        now = OPENS + timedelta(seconds=agent.at)
        second = queue_rules.arrival_second(now, OPENS, world.gather_s)
        ticket = queue_rules.new_ticket(key, queue_id, agent.id, second)
        return ticket.second, ticket.tie

    return first_come(sorted(agents, key=place))


def draw(_world: World, agents: Sequence[Agent], key: bytes, dice: Random) -> set[UUID]:
    """Our lottery, three wishes each; it runs when the list is closed, so time does not matter."""
    windows = [
        DrawSlot(n, UUID(int=n), list(range(1, A_WINDOW + 1))) for n in range(1, WINDOWS + 1)
    ]
    records = sorted(
        draw_rules.pack(agent.id.bytes, dice.sample(range(1, WINDOWS + 1), 3)) for agent in agents
    )
    results = draw_rules.allot(draw_rules.ranked(key, records), windows)
    won = {UUID(bytes=id_) for id_, wish, _, _ in results if wish}
    others = [agent for agent in agents if agent.id not in won]
    dice.shuffle(others)  # what is left opens first-come at a random minute; nobody knows it
    return won | {agent.id for agent in others[: PLACES - len(won)]}


@dataclass(frozen=True, slots=True)
class Regime:
    """A way to release, and what happens to cancelled places.

    As built, those who join the waiting list on the same day stand by lot (rules.wait).
    `fifo_wait`: they stand as they came, and a bot comes first.
    """

    release: Callable[[World, Sequence[Agent], bytes, Random], set[UUID]]
    instant: bool
    fifo_wait: bool = False


REGIMES = {
    "plain": Regime(plain, instant=True),
    "queue": Regime(queue, instant=False),
    "draw": Regime(draw, instant=False),
    "queue_fifo_wait": Regime(queue, instant=False, fifo_wait=True),
    "draw_fifo_wait": Regime(draw, instant=False, fifo_wait=True),
}


def simulate(world: World, regime: Regime, seed: int) -> Outcome:
    """Run one release and its aftermarket."""
    dice = Random(seed)
    agents = agents_of(world, dice)
    holders = regime.release(world, agents, dice.randbytes(32), dice)
    kinds = {agent.id: agent.kind for agent in agents}
    outcome = Outcome()
    outcome.clients = sum(kinds[one] == "client" for one in holders)
    outcome.residents = sum(kinds[one] == "resident" for one in holders)
    held = sum(kinds[one] == "borrowed" for one in holders)
    outcome.grabbed = held + outcome.clients
    outcome.paid = outcome.clients
    left = [agent for agent in agents if agent.id not in holders]
    _hand_over(world, regime, outcome, held, left, dice)
    return outcome


def _hand_over(
    world: World, regime: Regime, outcome: Outcome, held: int, left: list[Agent], dice: Random
) -> None:
    """Sell the borrowed places one by one: to clients first, then to residents who would pay."""
    clients = deque(one.id for one in left if one.kind == "client")
    residents = [one.id for one in left if one.kind == "resident"]
    buyers = deque(one for one in residents if dice.random() < world.buyers)
    waiting = _waiting(world, regime, clients, residents, dice)
    served: set[UUID] = set()
    for _ in range(held):
        buyer = _next(clients, served) or _next(buyers, served)
        if buyer is None:
            outcome.idle += 1
            continue
        winner = buyer if regime.instant else _returned(world, buyer, waiting, served, dice)
        served.add(winner)
        if winner == buyer:
            outcome.paid += 1
            outcome.clients += winner not in residents
        elif winner in residents:
            outcome.residents += 1
        else:
            outcome.paid += 1
            outcome.clients += 1


def _next(people: deque[UUID], served: set[UUID]) -> UUID | None:
    while people and people[0] in served:
        people.popleft()
    return people[0] if people else None


def _waiting(
    world: World, regime: Regime, clients: Sequence[UUID], residents: Sequence[UUID], dice: Random
) -> deque[UUID]:
    """Return the waiting list: the scalper's bots enter his clients at once, people later."""
    people = [one for one in residents if dice.random() < world.waits]
    dice.shuffle(people)
    both = [*clients, *people]
    if not regime.fifo_wait:
        both.sort(key=lambda one: wait_rules.turn(one, CLINIC, clock.day_of(OPENS)))
    return deque(both)


def _returned(
    world: World, buyer: UUID, waiting: deque[UUID], served: set[UUID], dice: Random
) -> UUID:
    """Say who gets a place that the scalper cancels: the waiting list, else a random minute."""
    first = _next(waiting, served)
    if first is not None:
        return first
    opens = return_at(OPENS, CLINIC_AT, dice.random(), LIMITS)
    watchers = int(world.residents * world.watchers)
    human = min((dice.uniform(0, 60) + dice.uniform(0.5, 5) for _ in range(watchers)), default=1e9)
    bot = dice.uniform(0, 5)  # polls every five seconds: faster is cut off by the rate limit
    return buyer if bot < human and opens < CLINIC_AT else UUID(int=dice.getrandbits(128))


def measure(world: World, regime: Regime) -> dict[str, list[float]]:
    """Return the figures of every seed."""
    runs = [simulate(world, regime, 1_000 + seed) for seed in range(SEEDS)]
    return {
        "grabbed_share": [one.grabbed / PLACES for one in runs],
        "scalper_share": [one.paid / PLACES for one in runs],
        "idle_share": [one.idle / PLACES for one in runs],
        "honest_served": [one.residents / world.residents for one in runs],
        "client_served": [one.clients / world.clients for one in runs],
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the half width of its 95 % confidence interval (Student's t)."""
    width = T_95[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    return round(statistics.mean(values), 4), round(width, 4)


def figures(world: World) -> dict[str, float]:
    """Return mean and confidence interval of every figure of every regime, by flat names."""
    found: dict[str, float] = {}
    for name, regime in REGIMES.items():
        for figure, values in measure(world, regime).items():
            found[f"{name}_{figure}"], found[f"{name}_{figure}_ci"] = interval(values)
    return found


def sweep() -> list[dict[str, float]]:
    """Vary what we know least: borrowed identities, who waits early, how long we gather."""
    cases: list[dict[str, Any]] = [
        *({"borrowed": count} for count in (0, 50, 150, 500, 2_000)),
        *({"early": share} for share in (0.0, 0.3, 0.7)),
        *({"gather_s": seconds} for seconds in (1, 5, 30)),
        *({"clients": count} for count in (10, 40, 200)),
    ]
    rows = []
    for case in cases:
        world = replace(World(), **case)
        row: dict[str, float] = dict(case)
        for name, regime in REGIMES.items():
            shares = measure(world, regime)
            row[f"{name}_scalper_share"] = interval(shares["scalper_share"])[0]
            row[f"{name}_honest_served"] = interval(shares["honest_served"])[0]
        rows.append(row)
    return rows


def main() -> None:
    """Print a table to look at and the JSON to keep."""
    found = figures(World())
    for name in REGIMES:
        shares = "  ".join(
            f"{figure} {found[f'{name}_{figure}']:6.1%} ± {found[f'{name}_{figure}_ci']:5.1%}"
            for figure in ("grabbed_share", "scalper_share", "honest_served", "client_served")
        )
        sys.stderr.write(f"{name:16} {shares}\n")
    ratios = {
        f"scalper_{name}_vs_plain": _ratio(found, name, "plain", "scalper_share")
        for name in REGIMES
        if name != "plain"
    }
    result = {"bench": "scalpers", "figures": found, "ratios": ratios, "sweep": sweep()}
    sys.stdout.write(json.dumps(result) + "\n")


def _ratio(found: dict[str, float], ours: str, theirs: str, figure: str) -> float:
    base = found[f"{theirs}_{figure}"]
    return round(found[f"{ours}_{figure}"] / base, 4) if base else math.inf


if __name__ == "__main__":
    main()
