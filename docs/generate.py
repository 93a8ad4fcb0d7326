"""Writes the pages of docs/ that come from the code; a test fails when they lag.

python docs/generate.py          writes fhir, errors, events, settings, policy, pages and cli
python docs/generate.py --check  only tells which lag
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

import citycare
from citycare import app as application
from citycare import cli, settings, worker
from citycare.kernel import fhir, identity
from citycare.kernel.consent import POLICY
from citycare.kernel.fhir import publish, versions
from citycare.kernel.fhir.exporting import model as exporting
from citycare.kernel.fhir.finding import including, running
from citycare.kernel.fhir.profiles import checking as profiling
from citycare.kernel.fhir.r4 import checking, primitives
from citycare.kernel.fhir.searching import criteria, reading
from citycare.kit.db import Database
from citycare.kit.errors import AppError
from citycare.scenarios.exchange.api import holding, rest
from citycare.scenarios.exchange.rules import bodies, headers, patching, refusing
from citycare.scenarios.exchange.service import batches
from citycare.web.assets import Assets
from citycare.web.edge.errors import status_of
from citycare.web.gates import PUBLIC, list_routes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PACKAGE = ROOT / "src" / "citycare"
INSERT = re.compile(r"INSERT INTO policy\.parameter \(([^)]*)\) VALUES")
NOTE = "<!-- made by docs/generate.py; do not edit -->\n"

EVENTS: dict[str, tuple[str, str]] = {  # name: (when it happens, its facts)
    "booking.booked": ("a place was booked", "booking, slot"),
    "booking.cancelled": ("a booking was given back", "booking"),
    "booking.moved": ("a booking went to another place", "booking, from"),
    "booking.state": ("a clinic noted arrived, seen, not come; or took it back", "booking, state"),
    "booking.stopped": ("the clinic of a booking was stopped", "booking, slot"),
    "booking.offered": ("a waiting person was offered a place", "wait, slot"),
    "booking.drawn": ("a draw was finished and its seed revealed", "draw, won, left"),
    "booking.no_show": ("a missed visit counts, hours after its window", "booking"),
    "booking.slots_made": ("slots were made from a template", "clinic, slots"),
    "consent.given": ("a person agreed to a purpose", "person, purpose"),
    "consent.withdrawn": ("a person took a consent back", "person, purpose"),
    "consent.glass_broken": ("a clinician opened a record in an emergency", "glass, person"),
    "consent.glass_reviewed": ("that opening was reviewed", "glass, person"),
    "identity.match_proposed": (
        "two records may be one person; somebody must look",
        "person, found",
    ),
    "identity.merged": ("two records became one person", "merge, kept, merged"),
    "identity.unmerged": ("a merge was taken back", "merge, kept, merged"),
    "identity.person_registered": ("somebody came on record", "person"),
    "identity.person_corrected": ("a person's facts were corrected", "person"),
    "identity.relation_added": ("somebody may act for somebody", "relation, person"),
    "identity.relation_ended": ("somebody may no longer act for somebody", "relation, person"),
    "identity.session_revoked": ("a session was ended from elsewhere", "session"),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One policy parameter as a migration writes it."""

    key: str
    value: str
    unit: str
    source: str
    status: str
    effective_from: str
    note: str
    migration: str


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(value) for value in row)} |\n" for row in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def page(title: str, intro: str, body: str) -> str:
    """Return a whole page."""
    return f"{NOTE}# {title}\n\n{intro.strip()}\n\n{body.strip()}\n"


def import_everything() -> None:
    """Import every module, so that every error class exists."""
    for found in pkgutil.walk_packages(citycare.__path__, "citycare."):
        importlib.import_module(found.name)


def error_kinds(base: type[AppError] = AppError) -> Iterator[type[AppError]]:
    """Yield every error class of the package that has a code."""
    for kind in base.__subclasses__():
        if kind.__module__.startswith("citycare.") and hasattr(kind, "code"):
            yield kind
        yield from error_kinds(kind)


def _place(kind: type[AppError]) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


def errors() -> str:
    """Return docs/errors.md."""
    import_everything()
    found = {kind.code: kind for kind in sorted(error_kinds(), key=_place)}
    rows = [
        (
            f'<a id="{code}"></a>`{code}`',
            found[code].category,
            status_of(found[code].__new__(found[code])),
            found[code].words,
            found[code].message(),
        )
        for code in sorted(found)
    ]
    intro = """
Every refusal has a stable code. Over HTTP it is an RFC 9457 problem (`application/problem+json`)
with `code`, `title` (English), `detail` (what people read, Chinese), `facts` and `request_id`; in
pages a sentence with the next step. 503 carries `Retry-After`. Codes are added, never renamed.
"""
    return page("Errors", intro, table(("code", "category", "HTTP", "words", "message"), rows))


def event_names() -> tuple[set[str], set[str]]:
    """Return the event names written out in the code, and the beginnings of those put together."""
    whole, beginnings = set(), set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and node.args and _is_event(node.func)):
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                whole.add(first.value)
            elif isinstance(first, ast.JoinedStr) and isinstance(first.values[0], ast.Constant):
                beginnings.add(str(first.values[0].value))
    return whole, beginnings


def _is_event(made: ast.expr) -> bool:
    if isinstance(made, ast.Attribute):
        return made.attr == "Event" and isinstance(made.value, ast.Name)
    return isinstance(made, ast.Name) and made.id == "Event"


def events() -> str:
    """Return docs/events.md."""
    listeners: dict[str, list[str]] = {}
    for handler in worker.HANDLERS:
        listeners.setdefault(handler.event, []).append(handler.name)
    rows = [
        (f"`{name}`", when, facts, ", ".join(sorted(listeners.get(name, []))) or "–")
        for name, (when, facts) in sorted(EVENTS.items())
    ]
    jobs = [(f"`{one.name}`", "a job") for one in worker.JOBS]
    jobs += [(f"`{one.name}`", f"each `{one.cron}`") for one in worker.PERIODICS]
    intro = """
Events are written in the transaction of the change and delivered after it, at least once; a
handler's effect happens exactly once per (event, handler). Facts are ids and numbers, never
clinical text. No order is promised between events.
"""
    body = table(("event", "when", "facts", "handlers"), rows)
    body += "\n## Jobs\n\n" + table(("job", "when"), sorted(jobs))
    return page("Events and jobs", intro, body)


def settings_page() -> str:
    """Return docs/settings.md."""
    default = settings.read({})
    rows = []
    for name, knob in settings.Settings.__dataclass_fields__.items():
        value = getattr(default, name)
        shown = str(value or "").replace(str(ROOT) + "/", "")
        rows.append(
            (f"`{knob.metadata['env']}`", f"`{shown}`" if shown else "–", knob.metadata["help"])
        )
    intro = """
Read from the environment once, at the start. An unknown name that begins with `CITYCARE_` is an
error, since it is a typing error.
"""
    return page("Settings", intro, table(("variable", "default", "what it is"), rows))


def parameters() -> list[Parameter]:
    """Return the policy parameters the migrations set, by key."""
    found: list[Parameter] = []
    for file in sorted((ROOT / "migrations").glob("*.sql")):
        text = file.read_text("utf-8")
        for match in INSERT.finditer(text):
            columns = [column.strip() for column in match[1].split(",")]
            found.extend(
                Parameter(**dict(zip(columns, values, strict=True)), migration=file.name)
                for values in _tuples(text[match.end() :])
            )
    return sorted(found, key=lambda one: (one.key, one.effective_from))


def _tuples(text: str) -> Iterator[list[str]]:
    """Yield the quoted values of each tuple up to the semicolon (quotes are doubled inside)."""
    values: list[str] = []
    at = 0
    while at < len(text) and text[at] != ";":
        if text[at] == "'":
            match = re.compile(r"'((?:[^']|'')*)'").match(text, at)
            assert match is not None, "an unclosed quote in a migration"
            values.append(match[1].replace("''", "'"))
            at = match.end()
            continue
        if text[at] == ")":
            yield values
            values = []
        at += 1


def policy() -> str:
    """Return docs/policy.md."""
    found = parameters()
    rows = [
        (
            f"`{one.key}`",
            f"`{' '.join(one.value.split())}`",
            one.unit,
            f"**{one.status}**" if one.status == "VERIFIED" else one.status,
            one.source,
            one.effective_from,
            one.note,
        )
        for one in found
    ]
    checked = sum(one.status == "VERIFIED" for one in found)
    intro = f"""
Numbers that authorities set, as versioned data in `policy.parameter`: never a constant in code. An
operator changes one with its source; the old value stays as history. **VERIFIED** means somebody
read the source and the value stands in it; UNVERIFIED is a default of ours or from memory that a
city must settle before it relies on it. {checked} of {len(found)} are verified.
"""
    head = ("key", "value", "unit", "status", "source", "from", "note")
    return page("Policy parameters", intro, table(head, rows))


def application_of() -> FastAPI:
    """Return the application, on a database that is not there."""
    with TemporaryDirectory() as home:
        chosen = settings.read({"CITYCARE_HOME": home})
        parts = replace(application.PARTS, assets=Assets({}, {}, frozenset()))  # none are needed
        return application.create(chosen, Database("postgresql:///none?host=/nowhere"), parts)


def pages() -> str:
    """Return docs/pages.md: every route, what it is for and who may."""
    app = application_of()
    told = {
        (route.path, method): _summary(getattr(route, "endpoint", None))
        for route in reversed(list(iter_route_contexts(app.routes)))
        for method in route.methods or ()
    }
    rows: dict[bool, list[Sequence[object]]] = {True: [], False: []}
    seen = set()
    for one in list_routes(app):
        for method in sorted(one.methods - {"HEAD"}) or ["GET"]:
            if (one.path, method) in seen:
                continue
            seen.add((one.path, method))
            action = one.gate.action if one.gate else "–"
            line = (f"{method} `{one.path}`", told.get((one.path, method), ""), action, _who(one))
            rows[one.path.startswith("/api/v")].append(line)
    head = ("address", "what it is", "action", "who")
    intro = """
Who: *anybody* needs no sign-in; *signed in* is any account; about a person, the action's rule in
`kernel/consent/policy.py` decides as well, and what one may not see is not found.
"""
    body = "## Pages\n\n" + table(head, sorted(rows[False], key=_by_path))
    body += "\n## API (JSON; described in full at `/api/openapi.json`)\n\n"
    return page("Pages and routes", intro, body + table(head, sorted(rows[True], key=_by_path)))


def _by_path(row: Sequence[object]) -> tuple[str, str]:
    method, _, path = str(row[0]).partition(" ")
    return path.strip("`"), method


def _who(one: Any) -> str:
    if one.gate is None:
        return f"anybody: {PUBLIC.get(one.path, '')}"
    if one.gate.anonymous:
        return "anybody"
    purpose = POLICY[one.gate.action].purpose if one.gate.action in POLICY else ""
    roles = ", ".join(sorted(one.gate.roles))
    return (roles or "signed in") + (f" ({purpose})" if purpose else "")


def _summary(endpoint: Callable[..., Any] | None) -> str:
    text = (endpoint.__doc__ or "").strip() if endpoint is not None else ""
    return text.splitlines()[0] if text else ""


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command of the command line with its full name."""
    yield from _commands("citycare", typer.main.get_command(cli.app))


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for part in sorted(inner):
        yield from _commands(f"{name} {part}", inner[part])


def command_line() -> str:
    """Return docs/cli.md."""
    body = ""
    for name, command in commands():
        body += f"## `{name}`\n\n{(command.help or '').strip()}\n\n"
        rows = [
            (
                " ".join(f"`{flag}`" for flag in getattr(one, "opts", ())) or f"`{one.name}`",
                _help(one),
            )
            for one in command.params
            if one.name != "help"
        ]
        body += table(("option", "what it is"), rows) + "\n" if rows else ""
    intro = """
`./run citycare …` on a checkout. What answers takes `--json` and then prints one JSON object.
An expected error is one sentence and exit code 1.
"""
    return page("Command line", intro, body)


def _help(option: Any) -> str:
    needed = " (needed)" if option.required else ""
    return f"{getattr(option, 'help', None) or ''}{needed}".strip()


def fhir_page() -> str:
    """Return docs/fhir.md: fhir.in.md, filled in from the CapabilityStatement and the limits."""
    told = fhir.loads(application_of().state.exchange.capabilities())["rest"][0]
    common = " ".join(f"`{one['name']}`" for one in told["searchParam"])
    parts = {
        "interactions": _interactions(told),
        "faults": f"{refusing.ISSUES_MAX:,}",
        "limits": table(("what", "at most"), FHIR_LIMITS),
        "candidates": f"{running.CANDIDATES_MAX:,}",
        "included": f"{including.INCLUDED_MAX:,}",
        "characters": f"{versions.BODIES_MAX:,}",
        "answers": f"{batches.ANSWERS_MAX:,}",
        "body_s": f"{rest.BODY_S_MAX:.0f}",
        "looks": f"{batches.LOOKS_S_MAX:.0f}",
        "small": f"{holding.SMALL:,}",
        "steps": f"{profiling.CALL_STEPS_MAX:,}",
        "modifiers": "; ".join(
            f"{kind} " + " ".join(f"`:{one}`" for one in sorted(some))
            for kind, some in sorted(criteria.MODIFIERS.items())
            if some
        ),
        "common": common,
        "documents": "`, `".join(
            publish.SYSTEMS[kind] for kind in identity.Kind if kind is not identity.Kind.USCC
        ),
        "parameters": table(
            ("type", "parameters"),
            [(f"`{one['type']}`", _by_kind(one)) for one in told["resource"]],
        ),
    }
    text = (HERE / "fhir.in.md").read_text("utf-8")
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part.strip())
    return NOTE + text


def _interactions(told: Any) -> str:
    everywhere = ", ".join(one["code"] for one in told["resource"][0]["interaction"])
    system = ", ".join(one["code"] for one in told["interaction"])
    offered: dict[tuple[str, str], list[str]] = {}
    for kind, some in [("", told), *((one["type"], one) for one in told["resource"])]:
        for one in some.get("operation", ()):
            offered.setdefault((one["name"], one["definition"]), []).append(kind)
    rows = [
        (f"`${name}`", definition, _where(kinds))
        for (name, definition), kinds in sorted(offered.items())
    ]
    compartments = ", ".join(one.rpartition("/")[2] for one in told["compartment"])
    return (
        f"## Interactions\n\nOf each of the {len(told['resource'])} types: {everywhere}; create, "
        "update, patch, delete and read also by a condition. Of the whole system: "
        f"{system}. Compartments: {compartments}.\n\n"
        + (table(("operation", "definition", "at"), rows) if rows else "")
    )


def _where(kinds: Sequence[str]) -> str:
    few = 10
    if kinds == [""]:
        return "the system"
    return f"{len(kinds)} types" if len(kinds) > few else ", ".join(f"`{one}`" for one in kinds)


def _by_kind(resource: Any) -> str:
    kinds: dict[str, list[str]] = {}
    for one in resource.get("searchParam", ()):
        kinds.setdefault(one["type"], []).append(f"`{one['name']}`")
    return "; ".join(f"{kind} {' '.join(some)}" for kind, some in sorted(kinds.items())) or "–"


FHIR_LIMITS = [
    ("bytes of a body", f"{rest.BODY_MAX:,}"),
    ("bytes of all bodies that one process holds", f"{rest.BODIES_MAX:,}"),
    ("objects, arrays and commas of a body", f"{bodies.PARTS_MAX:,}"),
    ("levels of a resource", f"{checking.DEPTH_MAX}"),
    ("characters of a string", f"{primitives.TEXT_MAX:,}"),
    (
        "digits, and power of ten, of a decimal",
        f"{primitives.DIGITS_MAX}, {primitives.EXPONENT_MAX}",
    ),
    ("entries of a Bundle", "no limit but that of the body"),
    ("operations of a JSON Patch", f"{patching.OPERATIONS_MAX:,}"),
    ("parameters of a search", f"{reading.PAIRS_MAX}"),
    ("characters of a value", f"{reading.VALUE_MAX:,}"),
    ("alternatives of a value", f"{criteria.ALTERNATIVES_MAX}"),
    ("links of a chain or `_has`", f"{criteria.DEPTH_MAX}"),
    ("includes of a search", f"{reading.INCLUDES_MAX}"),
    ("rounds of `:iterate`", f"{including.ROUNDS_MAX}"),
    ("keys of `_sort`", f"{reading.SORTS_MAX}"),
    (
        "`_count` (more means this; without: " + f"{reading.COUNT_DEFAULT})",
        f"{reading.COUNT_MAX:,}",
    ),
    ("characters of a header", f"{headers.HEADER_MAX:,}"),
    (
        "bulk exports under way at a time; of one account",
        f"{exporting.RUNNING_MAX}; {exporting.ACCOUNT_MAX}",
    ),
    ("minutes a link to a page lives", f"{rest.PAGE_LIFE.total_seconds() / 60:.0f}"),
]
PAGES: dict[str, Callable[[], str]] = {
    "fhir.md": fhir_page,
    "errors.md": errors,
    "events.md": events,
    "settings.md": settings_page,
    "policy.md": policy,
    "pages.md": pages,
    "cli.md": command_line,
}


def lagging() -> list[str]:
    """Return the pages that are not what the code says."""
    return [
        name
        for name, make in PAGES.items()
        if not (HERE / name).exists() or (HERE / name).read_text("utf-8") != make()
    ]


def main() -> int:
    """Write the pages, or only check them."""
    if "--check" in sys.argv:
        late = lagging()
        sys.stdout.write(f"these lag: {', '.join(late)}\n" if late else "all up to date\n")
        return 1 if late else 0
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
