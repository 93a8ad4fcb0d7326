"""Small files, short functions, one clock, one commit: what linters do not say.

Each banned pattern is shown to pass a good line and to find a bad one.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

import pytest

from tests.arch.sources import (
    Finding,
    Source,
    dotted,
    functions,
    nodes,
    package,
    source,
    suite,
)

FUNCTION_LINES_MAX = 70
TEST_LINES_MAX = 50
FILE_LINES_MAX = 400
LINE_MAX = 100
PRAGMA = re.compile(r"\s*# (noqa|type: ignore)\b.*$")


@dataclass(frozen=True, slots=True)
class Ban:
    """Calls that are not made (but in `allowed` places), and what is done instead."""

    calls: tuple[str, ...]
    instead: str
    inside: tuple[str, ...] = ("",)
    allowed: tuple[str, ...] = ()
    good: str = ""
    bad: tuple[str, ...] = field(default=())


BANS = {
    "clock": Ban(
        ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"),
        "use cx.now: one request has one instant",
        allowed=("kit/clock.py",),
        good="def f(cx):\n    return cx.now",
        bad=("datetime.now(UTC)", "date.today()", "datetime.datetime.now()", "time.time()"),
    ),
    "ids": Ban(
        ("uuid4", "uuid.uuid4", "uuid1", "uuid.uuid1"),
        "use kit.ids.new(), or kit.ids.derive() for ids that come out the same",
        good="ids.new()",
        bad=("uuid4()", "uuid.uuid1()"),
    ),
    "dice": Ban(
        ("random.random", "random.choice", "random.randint", "random.shuffle", "random.sample"),
        "pass a random.Random in",
        good="dice.choice(names)",
        bad=("random.choice(names)",),
    ),
    "commit": Ban(
        (".commit", ".rollback"),
        "the edge commits: one request or job is one transaction",
        inside=("kernel/", "scenarios/", "journeys/", "web/"),
        good="await cx.db.execute(TAKE)",
        bad=("cx.db.commit()", "connection.rollback()"),
    ),
    "environment": Ban(
        ("os.getenv", "os.environ.get", "environ.get"),
        "settings are read once in settings.py and handed down as values",
        allowed=("settings.py", "kit/supervise.py"),
        good="site.base_url",
        bad=("os.getenv('CITYCARE_CITY')", "os.environ.get('HOME')"),
    ),
    "output": Ban(
        ("print", "input"),
        "log, or let the cli say it",
        good="log.info('done')",
        bad=("print('done')",),
    ),
    "code from data": Ban(
        ("eval", "exec", "pickle.loads", "pickle.load", "marshal.loads", "yaml.load"),
        "parse with orjson or ast.literal_eval",
        good="orjson.loads(body)",
        bad=("eval(body)", "pickle.loads(body)"),
    ),
    "blocking": Ban(
        ("time.sleep", "subprocess.run", "subprocess.Popen", "requests.get"),
        "it stops every request of the process; await asyncio.sleep, or a job",
        inside=("kernel/", "scenarios/", "web/", "journeys/"),
        good="await_it(asyncio.sleep(1))",
        bad=("time.sleep(1)",),
    ),
}
TRANSACTIONS = {  # who begins one, beside kit/db.py; a savepoint on cx.db is not beginning one
    "web/edge/contexts.py": "one request, one transaction",
    "web/respond.py": "keeps a form after its request was rolled back",
    "web/assembly.py": "writes a refused access down after the rollback",
    "web/login/routes.py": "signs in before there is an actor",
    "web/login/tokens.py": "prints a token for the command line",
    "web/operator/verify.py": "checks the whole trail while a page waits; keeps the verdict",
    "web/edge/health.py": "asks one read, without an actor",
    "cli/__init__.py": "one command, one transaction",
    "cli/record.py": "one batch, one transaction",
    "kernel/fhir/importing/taking.py": "one batch, one transaction",
    "cli/terminology.py": "one file, one transaction",
    "scenarios/exchange/api/bulk.py": "one request, one transaction",
    "scenarios/exchange/api/creating.py": "creates gathered, one transaction",
    "scenarios/exchange/api/rest.py": "one interaction or entry of a batch, one transaction",
    "scenarios/smart/api.py": "one token, one transaction",
    "scenarios/exchange/service/trail.py": "writes reads down in batches",
    "scenarios/exchange/service/subscriptions/feeding.py": "one look at changes",
    "scenarios/exchange/service/subscriptions/delivering.py": "none while it tells",
    "scenarios/exchange/service/linking.py": "one look at changed Patients",
    "cli/running.py": "one command, one transaction",
    "worker.py": "lets the demo city live",
    "kernel/events/running.py": "one job, one transaction",
    "kernel/events/working.py": "takes jobs",
    "kernel/events/draining.py": "the worker of the tests",
    "journeys/demo/__init__.py": "builds a city in parts",
    "journeys/onboarding/load.py": "one import, one transaction",
    "scenarios/booking/api/rush.py": "many requests, one batch, one transaction (ADR 0003)",
    "scenarios/booking/api/slots.py": "streams the open slots",
    "scenarios/booking/api/draw.py": "streams the published list of a draw",
    "scenarios/booking/service/queue.py": "counts the queue, for all who wait at once",
    "scenarios/booking/service/draw_run.py": "a draw of a million commits lane by lane, resumable",
}


def too_long(one: Source, function_max: int = FUNCTION_LINES_MAX) -> list[Finding]:
    """Return functions, files and lines over the limits."""
    lines = one.text.splitlines()
    full = sum(1 for line in lines if line.strip())
    found = [Finding(one.name, f"{full} lines; make it a package")] if full > FILE_LINES_MAX else []
    for made in functions(one.tree):
        length = (made.end_lineno or made.lineno) - made.lineno + 1
        if length > function_max:
            found.append(Finding(f"{one.name}:{made.lineno}", f"{made.name}: {length} lines"))
    for number, line in enumerate(lines, 1):
        if len(PRAGMA.sub("", line)) > LINE_MAX and '"""  # noqa: E501' not in one.text:
            found.append(Finding(f"{one.name}:{number}", f"a line of {len(line)} characters"))
    return found


def banned(one: Source, ban: Ban) -> list[Finding]:
    """Return the calls of a file that a ban forbids there."""
    if not one.name.startswith(ban.inside) or one.name in ban.allowed:
        return []
    return [
        Finding(f"{one.name}:{node.lineno}", f"{dotted(node.func)}(): {ban.instead}")
        for node in nodes(one.tree)
        if isinstance(node, ast.Call)
        and any(_is_call(dotted(node.func), call) for call in ban.calls)
    ]


def _is_call(made: str, named: str) -> bool:
    """Tell whether a call is the named one: a built-in by itself, others by their end."""
    if "." not in named:
        return made == named
    return made == named or made.endswith(named if named.startswith(".") else f".{named}")


def floats_near_money(one: Source) -> list[Finding]:
    """Return `float` used on what is named or typed as money."""
    return [
        Finding(f"{one.name}:{node.lineno}", "money is an int of fen (kit.money), never a float")
        for node in nodes(one.tree)
        if (
            isinstance(node, ast.Call)
            and dotted(node.func) == "float"
            and re.search(r"fen|money|price|fee", ast.unparse(node))
        )
        or (
            isinstance(node, ast.AnnAssign | ast.arg)
            and node.annotation is not None
            and "float" in ast.unparse(node.annotation)
            and re.search(r"_fen\b|money|price|\bfee", ast.unparse(node).partition(":")[0])
        )
    ]


def silent(one: Source) -> list[Finding]:
    """Return `except` blocks that do nothing and do not say why (a comment within them)."""
    lines = one.text.splitlines()
    found = []
    for node in nodes(one.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        idle = all(isinstance(part, ast.Pass) or _is_dots(part) for part in node.body)
        said = any("#" in line for line in lines[node.lineno - 1 : node.end_lineno])
        if node.type is None or (idle and not said):
            found.append(Finding(f"{one.name}:{node.lineno}", "a silent except; say why, or act"))
    return found


def _is_dots(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)


def openers(one: Source) -> list[Finding]:
    """Return where a file takes a connection or begins a transaction of its own."""
    return [
        Finding(f"{one.name}:{node.lineno}", "begins a transaction; take cx, which has one")
        for node in nodes(one.tree)
        if isinstance(node, ast.Call)
        and dotted(node.func).endswith((".transaction", ".autocommit"))
        and not dotted(node.func).endswith(("cx.db.transaction", "connection.transaction"))
        and dotted(node.func) != "db.transaction"
    ]


def skips(one: Source) -> list[Finding]:
    """Return tests that may not run without anybody noticing."""
    return [
        Finding(
            f"{one.name}:{node.lineno}", "a test runs or does not exist; only outside_data skips"
        )
        for node in nodes(one.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("skip", "skipif", "xfail", "importorskip")
        and dotted(node).startswith("pytest.")
        and "outside" not in one.text
    ]


def texts(found: list[Finding]) -> list[str]:
    """Return findings as lines, for a readable failure."""
    return [str(one) for one in found]


def test_nothing_is_too_long() -> None:
    assert texts([f for one in package() for f in too_long(one)]) == []
    assert texts([f for one in suite() for f in too_long(one, TEST_LINES_MAX)]) == []


@pytest.mark.parametrize("ban", BANS.values(), ids=list(BANS))
def test_banned_calls_are_not_made(ban: Ban) -> None:
    assert texts([found for one in package() for found in banned(one, ban)]) == []


@pytest.mark.parametrize("ban", BANS.values(), ids=list(BANS))
def test_each_ban_passes_the_good_and_finds_the_bad(ban: Ban) -> None:
    assert banned(source("kernel/planted.py", ban.good), ban) == []
    for bad in ban.bad:
        assert len(banned(source("kernel/planted.py", bad), ban)) == 1, bad


def test_money_is_no_float() -> None:
    assert texts([found for one in package() for found in floats_near_money(one)]) == []
    assert floats_near_money(source("a.py", "fee_fen: int = 3\nfloat(row['latitude'])")) == []
    for bad in ("float(slot.fee_fen)", "def f(price: float): ...", "total_fen: float = 0"):
        assert len(floats_near_money(source("a.py", bad))) == 1, bad


def test_no_except_is_silent() -> None:
    assert texts([found for one in package() for found in silent(one)]) == []
    said = "try:\n    link()\nexcept OSError:\n    pass  # another was first\n"
    assert silent(source("a.py", said)) == []
    assert len(silent(source("a.py", said.replace("  # another was first", "")))) == 1
    assert len(silent(source("a.py", "try:\n    link()\nexcept:\n    stop()\n"))) == 1


def test_transactions_begin_at_the_edge() -> None:
    found = [f for one in package() if one.name not in TRANSACTIONS for f in openers(one)]
    assert texts([f for f in found if not f.place.startswith("kit/")]) == []
    begin = {one.name for one in package() if openers(one)}
    assert set(TRANSACTIONS) - begin == set(), "no longer needed"
    bad = "async def f(database):\n    async with database.transaction() as db:\n        pass\n"
    assert len(openers(source("a.py", bad))) == 1
    assert openers(source("a.py", bad.replace("database.", "cx.db."))) == []


def test_no_test_is_skipped_unseen() -> None:
    assert texts([f for one in suite() for f in skips(one)]) == []
    assert len(skips(source("a.py", "@pytest.mark.xfail\ndef test_a(): ..."))) == 1
    assert len(skips(source("a.py", "def test_a():\n    pytest.skip('later')"))) == 1
    assert skips(source("a.py", "@pytest.mark.race\ndef test_a(): ...")) == []


def test_a_long_function_file_and_line_are_found() -> None:
    body = "def f():\n" + "    step()\n" * 70
    assert len(too_long(source("a.py", body))) == 1
    assert too_long(source("a.py", body.replace("    step()\n", "", 1))) == []
    assert len(too_long(source("a.py", "step()\n" * 401))) == 1
    assert len(too_long(source("a.py", f"x = '{'y' * 96}'"))) == 1
    assert too_long(source("a.py", f"x = '{'y' * 90}'  # noqa: S105 - no password")) == []
