"""Templates: one environment for the process; language, frame and page come with each render.

Macros know the words and the frame only when imported so:
`{% from "macros/cards.html" import next_step with context %}` (a test looks).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from gettext import NullTranslations
from pathlib import Path
from typing import Any, Protocol

from babel.dates import format_date
from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    pass_context,
)
from jinja2.runtime import Context as Scope
from markupsafe import Markup, escape

from citycare.kit.clock import CITY
from citycare.kit.money import Money
from citycare.web import assets as built
from citycare.web.shell import Lang, Shell

TEMPLATES = Path(__file__).parent / "templates"
CSRF_FIELD = "csrf"
WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
METRES_PER_KM = 1000
TIMES = re.compile(r"\d{1,2}:\d{2}–\d{1,2}:\d{2}")
SPACED_UNIT = re.compile(r"(?<=\d) (?=[一-鿿])")


class UrlFor(Protocol):
    """Turns a route's name and parameters into its address."""

    def __call__(self, name: str, /, **params: Any) -> str:
        """Return the address."""


def no_routes(name: str, /, **params: Any) -> str:
    """Stand in for the router where there is none."""
    raise LookupError(f"no routes are known here: url({name!r}, {params})")


def nothing_beside(_name: str, _of: object) -> tuple[str, ...]:
    """Stand in for what other parts show beside a thing; see `assembly.Parts.beside`."""
    return ()


def environment(
    directories: Sequence[Path] = (),
    *,
    assets: built.Assets | None = None,
    url: UrlFor = no_routes,
) -> Environment:
    """Build the environment: the shared templates first, then each scenario's directory."""
    files = built.read() if assets is None else assets
    env = Environment(
        loader=ChoiceLoader([FileSystemLoader(one) for one in (TEMPLATES, *directories)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.globals.update(
        asset=files.url, preloads=files.preloads, icon=files.icon, url=url, csrf_name=CSRF_FIELD
    )
    env.globals["beside"] = nothing_beside  # until the composition root says what is there
    env.filters.update(
        local_time=local_time,
        local_day=_local_day,
        weekday=_weekday,
        window=window,
        yuan=_yuan,
        distance=_distance,
        mask=mask,
        units=units,
        times=times,
        month_day=_month_day,
    )
    return env


def render(
    env: Environment, template: str, shell: Shell, page: object, translations: NullTranslations
) -> str:
    """Render one template with its page, its frame and its words."""
    return env.get_template(template).render(
        shell=shell,
        page=page,
        _=_words(translations),
        ngettext=_plurals(translations),
        csrf_field=lambda: Markup('<input type="hidden" name="{}" value="{}">').format(
            CSRF_FIELD, shell.csrf
        ),
    )


def _words(translations: NullTranslations) -> Callable[..., Markup]:
    """Look a Chinese sentence up; facts are escaped and put in by name: `%(n)d`."""

    def words(message: str, /, **facts: object) -> Markup:
        text = Markup(translations.gettext(message))  # noqa: S704 - catalogues are ours
        return text % facts if facts else text

    return words


def _plurals(translations: NullTranslations) -> Callable[..., Markup]:
    """Look up a sentence with a number: `ngettext(one, many, n)`, with `%(n)d` in both."""

    def words(one: str, many: str, n: int, /, **facts: object) -> Markup:
        text = Markup(translations.ngettext(one, many, n))  # noqa: S704 - catalogues are ours
        return text % {"n": n, **facts}

    return words


def local_time(instant: datetime) -> str:
    """Write the wall-clock time in the city: `8:30`."""
    there = instant.astimezone(CITY)
    return f"{there.hour}:{there.minute:02d}"


def window(start: datetime, end: datetime) -> str:
    """Write a window of time: `8:30–9:00`."""
    return f"{local_time(start)}–{local_time(end)}"


def local_day(day: date | datetime, lang: Lang) -> str:
    """Write a day with its weekday: `11月26日 周四`, `Thu 26 Nov`."""
    there = _day(day)
    if lang == "en":
        return format_date(there, "EEE d MMM", locale="en_GB")
    return f"{there.month}月{there.day}日 {WEEKDAYS[there.weekday()]}"


def month_day(day: date | datetime, lang: Lang) -> str:
    """Write a day without its weekday: `11月26日`, `26 Nov`."""
    there = _day(day)
    if lang == "en":
        return format_date(there, "d MMM", locale="en_GB")
    return f"{there.month}月{there.day}日"


def weekday(day: date | datetime, lang: Lang) -> str:
    """Write the weekday alone: `周四`, `Thu`."""
    there = _day(day)
    return format_date(there, "EEE", locale="en_GB") if lang == "en" else WEEKDAYS[there.weekday()]


def yuan(amount: Money, lang: Lang) -> str:
    """Write money: `50 元`, `¥50`."""
    return f"{amount} 元" if lang == "zh" else f"¥{amount}"


def distance(metres: int, lang: Lang) -> str:
    """Write a distance: below one kilometre in metres to ten, else to 0.1 km."""
    near = round(metres, -1)
    if near < METRES_PER_KM:
        return f"{near} 米" if lang == "zh" else f"{near} m"
    far = f"{metres / METRES_PER_KM:.1f}"
    return f"{far} 公里" if lang == "zh" else f"{far} km"


def units(words: str) -> str:
    """Keep a number and its unit on one line: `1 分钟`; and what is counted with it, `3 号`.

    A dot between names stays with the name before it, so no line begins with one.
    """
    return SPACED_UNIT.sub("\u00a0", words).replace(" · ", "\u00a0· ")


def times(words: str) -> Markup:
    """Keep a window of time on one line: `8:30–9:00`."""
    text = str(escape(words))
    whole = TIMES.sub(lambda found: f'<span class="num">{found[0]}</span>', text)
    return Markup(whole)  # noqa: S704 - escaped above


def mask(text: str, head: int = 3, tail: int = 4) -> str:
    """Hide the middle of a number: `138****5678`; short texts keep one sign."""
    if len(text) <= head + tail:
        return text[:1] + "*" * (len(text) - 1)
    return f"{text[:head]}{'*' * 4}{text[-tail:]}"


def _day(day: date | datetime) -> date:
    if isinstance(day, datetime):
        return (day if day.tzinfo else day.replace(tzinfo=UTC)).astimezone(CITY).date()
    return day


def _lang(scope: Scope) -> Lang:
    shell: Shell = scope["shell"]
    return shell.lang


@pass_context
def _local_day(scope: Scope, day: date | datetime) -> str:
    return local_day(day, _lang(scope))


@pass_context
def _month_day(scope: Scope, day: date | datetime) -> str:
    return month_day(day, _lang(scope))


@pass_context
def _weekday(scope: Scope, day: date | datetime) -> str:
    return weekday(day, _lang(scope))


@pass_context
def _yuan(scope: Scope, amount: Money) -> str:
    return yuan(amount, _lang(scope))


@pass_context
def _distance(scope: Scope, metres: int) -> str:
    return distance(metres, _lang(scope))
