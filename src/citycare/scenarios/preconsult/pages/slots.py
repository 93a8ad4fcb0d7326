"""A form parted into slots: one question each, at a place of the page that stays the same.

What is typed on one page is held against what was drawn there (`was`), so that a page that has
been open for long changes only what somebody changed on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import orjson

from citycare.kernel.fhir import forms
from citycare.scenarios.preconsult.model import Origin
from citycare.scenarios.preconsult.rules.paper import link_of
from citycare.scenarios.preconsult.service.interviews import Opened
from citycare.web.forms import Form
from citycare.web.manner import Words
from citycare.web.parts import Fact
from citycare.web.questions import Asked, Page
from citycare.web.questions.parts import DRAWN, name_of, token
from citycare.web.shell import Lang

WAS = "was"
DIGEST_CHARS = 12
ID_CHARS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One question of the page, or a repeating group of them.

    Attributes:
        id: of its element.
        items: what is drawn; none: it is not asked for now.
        known: triage or record have answered it; `said` is what they know.
        closed: it comes from the record, which this reader may not see.
        places: of the questions in it, answered or not.
        answered: some of them are.
    """

    id: str
    items: tuple[Asked, ...]
    known: bool
    closed: bool
    said: tuple[Fact, ...]
    source: Origin
    places: tuple[str, ...]
    answered: bool
    wrong: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Questions under one heading."""

    title: str
    slots: tuple[Slot, ...]

    @property
    def is_open(self) -> bool:
        """Whether anything in it is asked now."""
        return any(one.items and not one.known for one in self.slots)


def groups_of(opened: Opened, page: Page, lang: Lang, words: Words) -> tuple[Group, ...]:
    """Return the form as the page draws it: a slot also for what is not asked for now."""
    making = _Making(opened, words)
    drawn = {one.place: one for one in page.items}
    loose: list[Slot] = []
    groups: list[Group] = []
    for shown in opened.sheet.filling.shown(lang):
        asked = drawn.get(shown.path)
        if shown.type == "group" and not shown.repeats:
            inner = asked.items if asked else ()
            slots = tuple(making.slots(shown.items, inner))
            if slots:
                groups.append(Group(title=shown.text, slots=slots))
        elif not shown.hidden:
            loose += making.slots((shown,), (asked,) if asked else ())
    return (Group(title="", slots=tuple(loose)), *groups) if loose else tuple(groups)


def slots_in(groups: Iterable[Group]) -> list[Slot]:
    """Return all slots, from top to bottom."""
    return [slot for group in groups for slot in group.slots]


class _Making:
    """Makes slots of one form."""

    def __init__(self, opened: Opened, words: Words) -> None:
        """Look up what is known once."""
        self.opened = opened
        self.words = words
        self.known = opened.sheet.known()
        self.answers = opened.sheet.answers()

    def slots(self, shown: Iterable[forms.Shown], drawn: Iterable[Asked]) -> Iterator[Slot]:
        by_link: dict[str, list[forms.Shown]] = {}
        for one in shown:
            if not one.hidden:
                by_link.setdefault(one.link_id, []).append(one)
        items = list(drawn)
        for link, found in by_link.items():
            mine = (one for one in items if link_of(one.place) == link)
            named = tuple(self.named(found[0], one, number) for number, one in enumerate(mine))
            yield self.slot(found, named)

    def named(self, first: forms.Shown, one: Asked, number: int) -> Asked:
        """Say the heading of a repeating group once; the next ones are only counted."""
        if first.type != "group":
            return one
        label = first.text if number == 0 else self.words("第 %(n)d 个", n=number + 1)
        return replace(one, label=label, text="")

    def slot(self, found: list[forms.Shown], items: tuple[Asked, ...]) -> Slot:
        leaves = [
            one for one in forms.flat(found) if one.type not in ("group", "display") and one.enabled
        ]
        places = tuple(one.path for one in leaves)
        answered = [one for one in leaves if one.path in self.answers]
        known = bool(answered) and all(one.path in self.known for one in answered)
        origins = {self.opened.sheet.origins.get(one.path, Origin.RESIDENT) for one in answered}
        source = Origin.RECORD if Origin.RECORD in origins else Origin.TRIAGE
        closed = bool(items) and Origin.RECORD in origins and not self.opened.sees_record
        return Slot(
            id=f"slot-{_digest(found[0].path)[:ID_CHARS]}",
            items=() if closed else items,
            known=known or closed,
            closed=closed,
            said=() if closed else tuple(_fact(one) for one in answered),
            source=source,
            places=places,
            answered=bool(answered),
            wrong=any(_wrong(items)),
        )


def _fact(shown: forms.Shown) -> Fact:
    """Write a question with its answer; of an option the text it is offered with now."""
    offered = {token(each.answer): each.text for each in shown.options}
    texts = (
        offered.get(token({f"value{entry.kind}": entry.value}), entry.text)
        for entry in shown.entries
    )
    return Fact(name=shown.text, text="、".join(texts))


def _wrong(items: Iterable[Asked]) -> Iterator[bool]:
    for one in items:
        yield bool(one.error)
        yield from _wrong(one.items)


def leaves(items: Iterable[Asked]) -> Iterator[Asked]:
    """Yield the questions that have fields, within groups and answers too."""
    for one in items:
        if one.look not in ("group", "words", "fixed", "unsupported"):
            yield one
        yield from leaves(one.items)
        for box in one.boxes:
            yield from leaves(box.items)


def was_of(slots: Iterable[Slot]) -> tuple[str, ...]:
    """Return what stands in each question as drawn: `place digest`, for hidden fields.

    What is shown with an error is left out: it is not what is kept, and must be read again.
    """
    return tuple(
        f"{one.place} {_digest_of(_values(one), _units(one), one.other or '')}"
        for slot in slots
        for one in leaves(slot.items)
        if not one.error
    )


def changed_only(sent: Form) -> Form:
    """Return a form with only those questions that somebody changed on the page."""
    was = _was(sent)
    drawn = [
        place
        for place in sent.many.get(DRAWN, ())
        if place not in was or was[place] != posted(sent, place)
    ]
    return replace(sent, many={**sent.many, DRAWN: drawn})


def _was(sent: Form) -> dict[str, str]:
    return dict(one.rpartition(" ")[::2] for one in sent.many.get(WAS, ()))


def posted(sent: Form, place: str) -> str:
    """Return the digest of what was sent for a question."""
    name = name_of(place)
    values, units = sent.many.get(name, ()), sent.many.get(f"{name}.unit", ())
    return _digest_of(values, units, sent.values.get(f"{name}.other", ""))


def stale(sent: Form, slots: Iterable[Slot]) -> set[str]:
    """Return the ids of slots that are not as the page has them: it must draw them anew."""
    drawn, was = set(sent.many.get(DRAWN, ())), _was(sent)
    found = set()
    for slot in slots:
        now = {one.place: one for one in leaves(slot.items)}
        on_page = {place for place in drawn if place in slot.places or place in now}
        if on_page != now.keys():
            found.add(slot.id)
            continue
        for place, one in now.items():
            kept = _digest_of(_values(one), _units(one), one.other or "")
            if one.error or place not in was or kept != posted(sent, place):
                found.add(slot.id)
    return found


def _values(one: Asked) -> list[str]:
    chosen = [option.value for option in one.options if option.selected]
    return chosen if one.options else [box.value for box in one.boxes]


def _units(one: Asked) -> list[str]:
    return [box.unit for box in one.boxes] if one.units or one.free_unit else []


def _digest_of(values: Iterable[str], units: Iterable[str], other: str) -> str:
    """Write down what stands in the fields of a question; the unit of no number does not count."""
    texts = sorted(" ".join(one.split()) for one in values if one.strip())
    plain = [texts, list(units) if texts else [], " ".join(other.split())]
    return _digest(orjson.dumps(plain).decode())[:DIGEST_CHARS]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
