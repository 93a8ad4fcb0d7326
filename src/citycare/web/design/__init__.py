"""What the /design pages show: every component in every state, fed by made-up people.

`screen(name, lang)` gives the page and its template. Operator only; nothing here is real.
"""

from __future__ import annotations

from dataclasses import dataclass

from citycare.web import parts as p
from citycare.web import questions
from citycare.web.design import asking, resident, work
from citycare.web.design.say import Say
from citycare.web.shell import Lang

SCREENS = {
    "parts": "design/parts.html",
    "home": "design/home.html",
    "choose": "design/choose.html",
    "question": "design/question.html",
    "form": "design/form.html",
    "questions": "design/questions.html",
    "confirm": "design/confirm.html",
    "clinic": "design/clinic.html",
    "slip": "design/slip.html",
    "error": "error.html",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignPage:
    """Demo content, one field a component."""

    screens: tuple[p.Link, ...]
    next_step: p.NextStep
    next_calm: p.NextStep
    doors: tuple[p.Door, ...]
    days: tuple[p.Day, ...]
    chips: tuple[p.Chip, ...]
    all_chips: tuple[p.Chip, ...]
    doctors: tuple[p.Doctor, ...]
    bookings: tuple[p.Booking, ...]
    links: tuple[p.Link, ...]
    facts: tuple[p.Fact, ...]
    trail: tuple[p.Step, ...]
    question: str
    answers: tuple[p.Option, ...]
    more: p.Link
    kpis: tuple[p.Kpi, ...]
    columns: tuple[p.Column, ...]
    rows: tuple[p.Row, ...]
    record: tuple[p.Fact, ...]
    charts: tuple[p.Chart, ...]
    suggestions: tuple[p.Link, ...]
    asked: questions.Page
    filters: tuple[p.Option, ...]
    long_name: str


def screen(name: str, lang: Lang) -> tuple[str, DesignPage | p.ErrorPage]:
    """Return template and page of one screen; KeyError when there is none of that name."""
    template = SCREENS[name]
    say = Say(lang)
    return template, resident.error(say) if name == "error" else _page(say)


def _page(say: Say) -> DesignPage:
    return DesignPage(
        screens=tuple(p.Link(label=one, href=f"/design/{one}") for one in SCREENS),
        next_step=resident.next_step(say),
        next_calm=resident.next_calm(say),
        doors=resident.doors(say),
        days=resident.days(),
        chips=resident.chips("8:00", "8:30", "9:00", "9:30", "10:00", "10:30"),
        all_chips=resident.all_chips(),
        doctors=resident.doctors(say),
        bookings=resident.bookings(say),
        links=resident.links(say),
        facts=resident.facts(say),
        trail=resident.trail(say),
        question=say(
            "胸口闷的时候，胳膊或下巴疼吗？",
            "When your chest feels tight, does your arm or jaw hurt?",
        ),
        answers=resident.answers(say),
        more=p.Link(label=say("全部", "All"), href="#"),
        kpis=work.kpis(say),
        columns=work.columns(say),
        rows=work.rows(say),
        record=work.record(say),
        charts=work.charts(say),
        suggestions=resident.suggestions(say),
        asked=asking.page(say),
        filters=resident.filters(say),
        long_name=say(
            "阿卜杜热合曼·买买提吐尔逊江",
            "Wolfeschlegelsteinhausenbergerdorff-Fotheringay-Smythe, Maximiliana",
        ),
    )
