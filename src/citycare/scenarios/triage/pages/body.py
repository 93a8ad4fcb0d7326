"""The body to point at: its places, and what people complain of at each."""

from __future__ import annotations

from dataclasses import dataclass

from citycare.scenarios.triage.pages.base import PATH, Speech
from citycare.scenarios.triage.service import looking
from citycare.web.i18n import mark
from citycare.web.parts import Action, Link, Option

SITES: dict[str, str] = {  # in the order of the body, from head to foot
    "head": mark("头"),
    "eye": mark("眼睛"),
    "ear": mark("耳朵"),
    "nose": mark("鼻子"),
    "mouth": mark("嘴和牙"),
    "throat": mark("嗓子"),
    "neck": mark("脖子"),
    "chest": mark("胸口"),
    "breast": mark("乳房"),
    "upper_belly": mark("上腹"),
    "lower_belly": mark("小肚子"),
    "groin": mark("下身"),
    "anus": mark("肛门"),
    "back": mark("后背"),
    "waist": mark("腰"),
    "arm": mark("胳膊和手"),
    "leg": mark("腿"),
    "foot": mark("脚"),
    "skin": mark("皮肤"),
    "body": mark("全身"),
    "mind": mark("心情和睡眠"),
}
ROWS_MAX = 5
ELDER_SITES = (
    ("head", "eye", "ear", "mouth", "throat"),
    ("chest", "breast", "upper_belly", "lower_belly"),
    ("waist", "back", "neck", "arm"),
    ("leg", "foot", "skin", "nose"),
    ("groin", "anus", "body", "mind"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One place of the picture."""

    site: str
    href: str
    label: str
    selected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The picture, the place pointed at (empty: none yet), and its complaints."""

    spots: dict[str, Spot]
    chosen: str
    complaints: tuple[Option, ...]


def body_of(speech: Speech, chosen: str) -> Body:
    """Shape the picture with a place chosen, or none."""
    words = speech.words
    spots = {
        site: Spot(
            site=site,
            href=_href(site),
            label=words(label),
            selected=site == chosen,
        )
        for site, label in SITES.items()
    }
    return Body(
        spots=spots,
        chosen=spots[chosen].label if chosen in spots else "",
        complaints=complaints_of(speech, chosen),
    )


def complaints_of(speech: Speech, site: str) -> tuple[Option, ...]:
    """Return what people complain of at a place; a tap on one begins the dialogue."""
    if site not in SITES:
        return ()
    return tuple(
        Option(value=one.id, label=speech.name(one))
        for one in looking.complaints(speech.triage, site)
    )


def rows_of(speech: Speech, part: int) -> tuple[tuple[Link, ...], tuple[Action, ...]]:
    """Return some places as rows for elders, and the way to the next ones."""
    words = speech.words
    sites = ELDER_SITES[part % len(ELDER_SITES)]
    rows = tuple(Link(label=words(SITES[site]), href=_href(site)) for site in sites)
    following = (part + 1) % len(ELDER_SITES)
    more = Action(label=words("别的地方"), href=f"{PATH}?step=body&part={following}")
    return rows, (more,)


def _href(site: str) -> str:
    return f"{PATH}?site={site}#complaints"
