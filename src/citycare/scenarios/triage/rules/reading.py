"""From the files of `knowledge/` to entries, with every fault named at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from citycare.scenarios.triage.model.entries import (
    BANDS,
    Condition,
    Course,
    Cue,
    Department,
    Entries,
    Finding,
    Problem,
    RedFlag,
    Urgency,
    Value,
)

FREQUENCY = {"very_common": 60.0, "common": 20.0, "uncommon": 6.0, "rare": 2.0, "very_rare": 0.6}
STRENGTH = {
    "always": 0.95,
    "usual": 0.75,
    "often": 0.45,
    "some": 0.2,
    "rare": 0.06,
    "never": 0.002,
}
KINDS = frozenset({"symptom", "sign", "history", "value", "alarm"})
SITES = frozenset(
    ("head", "eye", "ear", "nose", "mouth", "throat", "neck", "chest", "breast", "upper_belly",
     "lower_belly", "back", "waist", "groin", "anus", "arm", "leg", "foot", "skin", "body", "mind")
)  # fmt: skip
SEXES = frozenset({"", "female", "male"})
SECTIONS = frozenset({"departments", "findings", "conditions", "cues", "red_flags", "values"})
UNREADABLE = "unreadable"  # what stands in place of entries where a file is no YAML
HEAD = frozenset({"source", "review", "note", "classes", "sounds"})

Document = Mapping[str, Any]


class _Reader:
    """Collects entries and problems over all files."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.found: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        self.classes: dict[str, tuple[str, ...]] = {}
        self.sounds: dict[str, str] = {}
        self.reviewed: dict[str, str] = {}
        self.file = ""
        self.where: dict[tuple[str, str], str] = {}

    def wrong(self, entry: str, words: str) -> None:
        """Note one fault of the file in hand."""
        self.problems.append(Problem(self.file, entry, words))

    def read(self, file: str, document: Document) -> None:
        """Take in one file."""
        self.file = file
        if not isinstance(document, Mapping) or UNREADABLE in document:
            why = document[UNREADABLE] if isinstance(document, Mapping) else "not a mapping"
            self.wrong("", f"cannot be read: {why}")
            return
        if not document.get("source"):
            self.wrong("", "no source: which book, guideline or list can a reader look up?")
        self.reviewed[file] = str((document.get("review") or {}).get("status", "UNVERIFIED"))
        for name, words in (document.get("classes") or {}).items():
            self.classes[name] = _words(words)
        self.sounds |= document.get("sounds") or {}
        for section in document.keys() - HEAD:
            if section not in SECTIONS:
                self.wrong(section, f"unknown section; known: {', '.join(sorted(SECTIONS))}")
                continue
            self._section(section, document[section] or {})

    def _section(self, section: str, entries: Any) -> None:
        if isinstance(entries, list):
            keyed = {
                str(one.get("code") or one.get("pattern") or n): one
                for n, one in enumerate(entries)
            }
        else:
            keyed = {str(key): one for key, one in entries.items()}
        for key, entry in keyed.items():
            if (section, key) in self.where:
                self.wrong(key, f"also in {self.where[section, key]}")
                continue
            self.where[section, key] = self.file
            try:
                self.found[section][key] = MAKERS[section](key, entry)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self.wrong(key, f"cannot be read: {type(error).__name__} {error}")


def _only(entry: Mapping[str, Any], *known: str) -> None:
    unknown = entry.keys() - set(known)
    if unknown:
        raise ValueError(f"unknown fields {', '.join(sorted(map(str, unknown)))}")


def _words(values: Any) -> tuple[str, ...]:
    """Read a list of words; numbers that YAML made of them become words again."""
    if isinstance(values, str):
        raise TypeError(f"a list is wanted, not {values!r}")
    return tuple(dict.fromkeys(str(one) for one in values or ()))


def _department(code: str, entry: Mapping[str, Any]) -> Department:
    _only(entry, "code", "name", "en", "plain", "child", "words", "age_min", "age_max", "sex")
    return Department(**{**entry, "code": code, "words": _words(entry.get("words"))})


def _finding(key: str, entry: Mapping[str, Any]) -> Finding:
    _only(
        entry,
        "name",
        "en",
        "ask",
        "ask_en",
        "kind",
        "site",
        "base",
        "implies",
        "words",
        "except",
        "unless",
        "means",
        "sex",
    )
    made = Finding(
        id=key,
        name=str(entry["name"]),
        en=str(entry["en"]),
        ask=entry.get("ask") or "",
        ask_en=entry.get("ask_en") or "",
        kind=entry.get("kind", "symptom"),
        site=entry.get("site", "body"),
        base=float(entry.get("base", 0.02)),
        implies=_words(entry.get("implies")),
        words=_words(entry.get("words")),
        excepted=_words(entry.get("except")),
        unless=_words(entry.get("unless")),
        means=_words(entry.get("means")),
        sex=entry.get("sex") or "",
    )
    if made.kind not in KINDS or made.site not in SITES or made.sex not in SEXES:
        raise ValueError(f"kind {made.kind}, site {made.site} or sex {made.sex} is not known")
    if made.means and made.kind != "alarm":
        raise ValueError("only the kind alarm means other findings; others imply them")
    if not 0 < made.base < 1:
        raise ValueError("base is a share between 0 and 1")
    return made


def _condition(key: str, entry: Mapping[str, Any]) -> Condition:
    _only(
        entry,
        "name",
        "en",
        "icd",
        "names",
        "frequency",
        "ages",
        "sex",
        "departments",
        "urgency",
        "gp",
        "course",
        "drugs",
        "tests",
        *STRENGTH,
    )
    findings: dict[str, float] = {}
    for word, share in STRENGTH.items():
        for finding in _words(entry.get(word)):
            if finding in findings:
                raise ValueError(f"{finding} stands twice")
            findings[finding] = share
    ages = tuple(float(one) for one in entry.get("ages", [1] * len(BANDS)))
    female, male = (float(one) for one in entry.get("sex", (1, 1)))
    if len(ages) != len(BANDS):
        raise ValueError(f"ages has {len(ages)} numbers, not {len(BANDS)}")
    departments = {str(code): float(share) for code, share in entry["departments"].items()}
    if not departments or min(departments.values()) <= 0:
        raise ValueError("departments need positive shares")
    return Condition(
        id=key,
        name=str(entry["name"]),
        en=str(entry.get("en") or ""),
        icd=str(entry.get("icd") or ""),
        names=_words(entry.get("names")),
        frequency=FREQUENCY[entry["frequency"]],
        ages=ages,
        sex=(female, male),
        departments={c: share / sum(departments.values()) for c, share in departments.items()},
        urgency=Urgency(entry.get("urgency", "routine")),
        gp=bool(entry.get("gp", False)),
        course=tuple(Course(one) for one in _words(entry.get("course"))),
        findings=findings,
        drugs=_words(entry.get("drugs")),
        tests=_words(entry.get("tests")),
    )


def _cue(key: str, entry: Mapping[str, Any]) -> Cue:
    _only(entry, "words", "departments", "intent", "name", "advice", "advice_en", "sex")
    return Cue(
        id=key,
        words=_words(entry["words"]),
        departments={str(c): float(n) for c, n in (entry.get("departments") or {}).items()},
        intent=entry.get("intent") or "",
        name=entry.get("name") or "",
        advice=entry.get("advice") or "",
        advice_en=entry.get("advice_en") or "",
        sex=entry.get("sex") or "",
    )


def _red_flag(key: str, entry: Mapping[str, Any]) -> RedFlag:
    _only(
        entry,
        "name",
        "en",
        "group",
        "every",
        "none",
        "age",
        "sex",
        "pregnant",
        "days_max",
        "urgency",
        "say",
        "say_en",
        "ask",
        "source",
    )
    low, high = entry.get("age", (0, 200))
    return RedFlag(
        id=key,
        name=str(entry["name"]),
        en=str(entry["en"]),
        group=str(entry["group"]),
        every=tuple((one,) if isinstance(one, str) else _words(one) for one in entry["every"]),
        none=_words(entry.get("none")),
        age=(float(low), float(high)),
        sex=entry.get("sex") or "",
        pregnant=entry.get("pregnant"),
        days_max=None if entry.get("days_max") is None else float(entry["days_max"]),
        urgency=Urgency(entry.get("urgency", "now")),
        say=entry.get("say") or "",
        say_en=entry.get("say_en") or "",
        ask=bool(entry.get("ask", True)),
        source=str(entry.get("source") or ""),
    )


def _value(_: str, entry: Mapping[str, Any]) -> Value:
    _only(entry, "pattern", "finding", "at_least", "below")
    return Value(**entry)


MAKERS: Mapping[str, Callable[[str, Mapping[str, Any]], Any]] = {
    "departments": _department,
    "findings": _finding,
    "conditions": _condition,
    "cues": _cue,
    "red_flags": _red_flag,
    "values": _value,
}


def read(documents: Mapping[str, Document]) -> tuple[Entries, tuple[Problem, ...]]:
    """Read all files, by name; return what they say and what is wrong with them.

    Entries that cannot be read are left out and named. Unknown references are faults too.

    Source: the format is ours, `knowledge/README.md`.
    """
    reader = _Reader()
    for file, document in sorted(documents.items()):
        reader.read(file, document)
    found = reader.found
    entries = Entries(
        departments=tuple(found["departments"].values()),
        findings=tuple(found["findings"].values()),
        conditions=tuple(found["conditions"].values()),
        cues=tuple(found["cues"].values()),
        red_flags=tuple(found["red_flags"].values()),
        values=tuple(found["values"].values()),
        classes=reader.classes,
        sounds=reader.sounds,
        reviewed=reader.reviewed,
    )
    problems = (*reader.problems, *_references(entries, reader.where))
    return entries, problems


def _references(entries: Entries, where: Mapping[tuple[str, str], str]) -> list[Problem]:
    findings = {one.id for one in entries.findings}
    codes = {one.code for one in entries.departments}
    problems: list[Problem] = []

    def look(section: str, key: str, names: Any, known: set[str], what: str) -> None:
        problems.extend(
            Problem(where[section, key], key, f"{what} {name} is not known")
            for name in names
            if name not in known
        )

    for finding in entries.findings:
        look("findings", finding.id, finding.implies + finding.means, findings, "finding")
        _patterns(problems, where["findings", finding.id], finding.id, finding.words, entries)
    for one in entries.conditions:
        look("conditions", one.id, one.findings, findings, "finding")
        look("conditions", one.id, one.departments, codes, "department")
        words = one.names + one.drugs + one.tests
        _patterns(problems, where["conditions", one.id], one.id, words, entries)
    for cue in entries.cues:
        look("cues", cue.id, cue.departments, codes, "department")
        _patterns(problems, where["cues", cue.id], cue.id, cue.words, entries)
    for flag in entries.red_flags:
        names = [name for group in flag.every for name in group] + list(flag.none)
        look("red_flags", flag.id, names, findings, "finding")
    for department in entries.departments:
        child = [department.child] if department.child else []
        look("departments", department.code, child, codes, "department")
    problems.extend(
        Problem("values", value.pattern, f"finding {value.finding} is not known")
        for value in entries.values
        if value.finding not in findings
    )
    return problems


def _patterns(
    problems: list[Problem], file: str, key: str, words: tuple[str, ...], entries: Entries
) -> None:
    for word in words:
        for part in word.split("~"):
            name = part.strip("<>")
            if part.startswith("<") != part.endswith(">") or ("<" in name or ">" in name):
                problems.append(Problem(file, key, f"{word}: a class fills a whole part"))
            elif part.startswith("<") and name not in entries.classes:
                problems.append(Problem(file, key, f"{word}: no class <{name}>"))
            elif not part:
                problems.append(Problem(file, key, f"{word}: an empty part"))
