"""`citycare triage`: for clinicians who read, change and test the knowledge, and for machines."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.progress import track

from citycare import settings as knobs
from citycare.cli.running import Json, console, in_transaction, run, say
from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.scenarios.triage.model.answer import Advice
from citycare.scenarios.triage.model.dialogue import Answer
from citycare.scenarios.triage.model.heard import Kind
from citycare.scenarios.triage.rules import simulate
from citycare.scenarios.triage.rules.advise import Triage
from citycare.scenarios.triage.rules.reading import read
from citycare.scenarios.triage.rules.telling import plain
from citycare.scenarios.triage.service import outcomes
from citycare.scenarios.triage.service.knowledge import documents_of, load, version_of
from citycare.settings import ROOT

app = typer.Typer(no_args_is_help=True, help="triage and its knowledge")
KNOWLEDGE = ROOT / "knowledge"
SHOWN = 30

Age = Annotated[float | None, typer.Option(help="years; 0.5 is six months", min=0, max=130)]
Sex = Annotated[str, typer.Option(help="female or male")]
Folder = Annotated[Path, typer.Option(help="the folder of the knowledge")]
AnswersFile = Annotated[
    Path | None, typer.Option(help="JSON: {question or finding: yes|no|unsure}")
]


def _load(folder: Path) -> Triage:
    try:
        return load(folder)
    except AppError as error:
        console.print(f"[red]{error.words}[/red] ({error})", soft_wrap=True)
        raise typer.Exit(1) from error


def _sex(value: str) -> str:
    if value not in ("", "female", "male"):
        raise typer.BadParameter(f"{value}: female or male")
    return value


def answers_of(entry: Any) -> tuple[Answer, ...]:
    """Read answers: findings by id to yes, no or unsure."""
    return tuple(
        Answer(name, (name,), (name,) if said == "yes" else (), unsure=said == "unsure")
        for name, said in (entry or {}).items()
    )


@app.command()
def ask(
    text: Annotated[str, typer.Option(help="where it hurts, in one's own words")],
    age: Age = None,
    sex: Sex = "",
    answers: AnswersFile = None,
    folder: Folder = KNOWLEDGE,
    *,
    as_json: Json = False,
) -> None:
    """Say where to go, how soon, and what to ask next."""
    triage = _load(folder)
    told = answers_of(orjson.loads(answers.read_bytes())) if answers else ()
    advice = triage.advise(triage.hear(text, age=age, sex=_sex(sex)), told)
    answer = plain(triage.knowledge, advice)
    lines = [f"{one['name']} {one['code']}  {one['probability']:.0%}  {'、'.join(one['reasons'])}"
             for one in answer["departments"]]  # fmt: skip
    lines.append(f"urgency: {advice.urgency}")
    lines += [f"! {one.name}: {one.say}" for one in advice.alarms]
    if advice.question:
        lines.append(f"? {advice.question.text}")
    say(answer, as_json=as_json, text="\n".join(lines))


@app.command()
def batch(cases: Path, out: Path, folder: Folder = KNOWLEDGE, *, as_json: Json = False) -> None:
    """Answer one case a line: the first answer, without questions."""
    triage = _load(folder)
    count = 0
    with out.open("wb") as target:
        for number, entry in _lines(cases):
            answer = plain(triage.knowledge, _first(triage, entry))
            row = {
                "id": entry.get("id", number),
                "departments": [
                    {key: one[key] for key in ("code", "name", "probability")}
                    for one in answer["departments"]
                ],
                "urgency": answer["urgency"],
                "red_flags": [one["id"] for one in answer["red_flags"]],
            }
            target.write(orjson.dumps(row) + b"\n")
            count += 1
    say({"cases": count, "out": str(out)}, as_json=as_json, text=f"{count} cases → {out}")


def _first(triage: Triage, entry: Any) -> Advice:
    case = simulate.case_of(entry)
    heard = triage.hear(case.says, age=case.age, sex=case.sex)
    return triage.advise(heard, answers_of(entry.get("answers")))


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as source:
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                entry = orjson.loads(line)
                simulate.case_of(entry)
            except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
                console.print(f"[red]{path}:{number}: {error}[/red]", soft_wrap=True)
                raise typer.Exit(1) from error
            yield number, entry


@app.command()
def lint(folder: Folder = KNOWLEDGE, *, as_json: Json = False) -> None:
    """Check the knowledge: every fault with its file and entry."""
    entries, problems = read(documents_of(folder))
    counts = {
        "departments": len(entries.departments),
        "findings": len(entries.findings),
        "conditions": len(entries.conditions),
        "conditions_with_findings": sum(bool(one.findings) for one in entries.conditions),
        "cues": len(entries.cues),
        "red_flags": len(entries.red_flags),
        "files_reviewed": sum(status == "REVIEWED" for status in entries.reviewed.values()),
        "files": len(entries.reviewed),
    }
    lines = [f"{one.file}: {one.entry}: {one.words}" for one in problems]
    lines.append("  ".join(f"{name} {count}" for name, count in counts.items()))
    lines.append(f"{len(problems)} faults" if problems else "no faults")
    answer = {"ok": not problems, "problems": problems, **counts}
    say(answer, as_json=as_json, text="\n".join(lines))
    if problems:
        raise typer.Exit(1)


@app.command()
def explain(
    text: str, age: Age = None, sex: Sex = "", folder: Folder = KNOWLEDGE, *, as_json: Json = False
) -> None:
    """Show what was understood of a text and which conditions stand behind the answer."""
    triage = _load(folder)
    heard = triage.hear(text, age=age, sex=_sex(sex))
    entries = triage.knowledge.entries
    ids = {
        Kind.FINDING: [one.id for one in entries.findings],
        Kind.CUE: [one.id for one in entries.cues],
        Kind.DEPARTMENT: [one.code for one in entries.departments],
    }
    conditions = [one.id for one in entries.conditions]
    understood = [
        {"kind": one.kind, "id": ids.get(one.kind, conditions)[one.index], "said": one.said,
         "when": one.when, "words": one.words}
        for one in heard.mentions
    ]  # fmt: skip
    behind = [
        {"id": conditions[place], "name": entries.conditions[place].name, "probability": share}
        for place, share in triage.behind(heard)
    ]
    answer = {
        "understood": understood,
        "patient": heard.patient,
        "days": heard.days,
        "behind": behind,
        **plain(triage.knowledge, triage.advise(heard)),
    }
    lines = [f"{one['kind']:10} {one['id']:28} {one['said']:4} {one['when']:7} {one['words']}"
             for one in understood]  # fmt: skip
    lines.append(f"{heard.patient}  days {heard.days}")
    lines += [f"  {one['probability']:6.1%} {one['name']}" for one in behind]
    lines += [f"→ {one['probability']:6.1%} {one['name']}" for one in answer["departments"]]
    lines.append(f"urgency {answer['urgency']}  {[one['id'] for one in answer['red_flags']]}")
    say(answer, as_json=as_json, text="\n".join(lines))


@app.command()
def diff(
    revision: Annotated[str, typer.Argument(help="a git revision to compare with")] = "HEAD",
    folder: Folder = KNOWLEDGE,
    *,
    as_json: Json = False,
) -> None:
    """Show what the knowledge in the folder changes over all written cases since a revision."""
    with tempfile.TemporaryDirectory() as place:
        before = _checkout(folder, revision, Path(place))
        changed, counts = _compare(_load(before), _load(folder), _cases(folder))
    answer = {"from": revision, "to": version_of(folder), **counts, "changed": changed}
    lines = [f"{one['id']}: {one['before']} → {one['after']}  {one['says'][:40]}"
             for one in changed[:SHOWN]]  # fmt: skip
    lines.append("  ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    say(answer, as_json=as_json, text="\n".join(lines))


def _checkout(folder: Path, revision: str, place: Path) -> Path:
    git = shutil.which("git")
    if git is None:
        raise typer.BadParameter("git is needed")
    packed = subprocess.run(
        [git, "archive", "--format=tar", revision, "--", "."],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    if packed.returncode:
        raise typer.BadParameter(packed.stderr.decode().strip())
    tar = place / "before.tar"
    tar.write_bytes(packed.stdout)
    shutil.unpack_archive(tar, place / "before", filter="data")
    return place / "before"


def _cases(folder: Path) -> list[simulate.Case]:
    return [
        simulate.case_of(entry)
        for path in sorted((folder / "cases").glob("*.jsonl"))
        for _, entry in _lines(path)
    ]


def _compare(
    before: Triage, after: Triage, cases: Sequence[simulate.Case]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    counts: Counter[str] = Counter(cases=len(cases))
    changed = []
    for case in track(cases, console=console, description="cases"):
        old, new = (
            one.advise(one.hear(case.says, age=case.age, sex=case.sex)) for one in (before, after)
        )
        was, now = (
            [*(one.code for one in advice.departments), advice.urgency] for advice in (old, new)
        )
        if was == now:
            continue
        counts["changed"] += 1
        for name, right in (
            ("better", _is_right(case, new) and not _is_right(case, old)),
            ("worse", _is_right(case, old) and not _is_right(case, new)),
        ):
            counts[name] += right
        changed.append({"id": case.id, "says": case.says, "before": was, "after": now})
    return changed, dict(counts)


def _is_right(case: simulate.Case, advice: Advice) -> bool:
    now = (case.urgency == "now") == (advice.urgency == "now")
    return now and (
        not case.departments or any(one.code in case.departments for one in advice.departments)
    )


@app.command("simulate")
def simulate_command(
    files: Annotated[list[Path] | None, typer.Argument(help="files of written patients")] = None,
    drawn: Annotated[int, typer.Option(help="patients drawn from the network", min=0)] = 0,
    noise: Annotated[float, typer.Option(help="share of wrong answers", min=0, max=1)] = 0.05,
    seed: int = 1,
    folder: Folder = KNOWLEDGE,
    *,
    as_json: Json = False,
) -> None:
    """Let patients go through whole dialogues; say how often right and how long it took."""
    triage = _load(folder)
    dice = random.Random(seed)  # noqa: S311  # repeatable patients; nothing is guarded by them
    cases = [simulate.draw(triage.knowledge, n, dice) for n in range(drawn)]
    cases += [simulate.case_of(entry) for path in files or () for _, entry in _lines(path)]
    if not files and not drawn:
        cases = [one for one in _cases(folder) if one.facts]
    played = [
        simulate.play(triage, one, noise, dice)
        for one in track(cases, console=console, description="patients")
    ]
    answer = _summary(played)
    text = "  ".join(f"{name} {value:.3g}" for name, value in answer.items())
    say(answer, as_json=as_json, text=text)


def _summary(played: Sequence[simulate.Played]) -> dict[str, float]:
    def share(right: Callable[[simulate.Played], bool]) -> float:
        return sum(right(one) for one in played) / len(played) if played else 0.0

    asked = [len(one.asked) for one in played]
    return {
        "patients": float(len(played)),
        "top1": share(lambda one: one.last.departments[0].code in one.case.departments),
        "top3": share(
            lambda one: any(s.code in one.case.departments for s in one.last.departments)
        ),
        "questions_mean": sum(asked) / len(asked) if asked else 0.0,
        "questions_max": float(max(asked, default=0)),
    }


@app.command()
def report(
    days: Annotated[int, typer.Option(help="look back so many days", min=1, max=3650)] = 365,
    folder: Folder = KNOWLEDGE,
    *,
    as_json: Json = False,
) -> None:
    """Say how often the advice was right, by what was diagnosed later, and whether it drifts."""
    triage = _load(folder)

    async def work(cx: Context) -> outcomes.Report:
        since = clock.now() - timedelta(days=days)
        return await outcomes.report(cx, triage, since)

    found: outcomes.Report = run(in_transaction(knobs.read(), work))
    lines = [_told("all", found.total)]
    for title, group in (
        ("by department", found.departments),
        ("by hospital", found.organisations),
        ("by month", found.months),
    ):
        lines += [title, *(f"  {_told(one.name, one)}" for one in group)]
    if not found.total.count:
        lines = ["no diagnosis has come back yet"]
    if found.drifted:
        lines.append("! the last 30 days differ from before by more than chance")
    say(asdict(found), as_json=as_json, text="\n".join(lines))


def _told(name: str, line: outcomes.Line) -> str:
    return (
        f"{name}: first {line.top1:.1%} ({line.low:.1%}–{line.high:.1%}), "
        f"among three {line.top3:.1%}, of {line.count}"
    )
