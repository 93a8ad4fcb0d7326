"""Whatever a person is told has words on the page of messages."""

import re
from pathlib import Path

from citycare.scenarios.booking.pages.waiting import MESSAGES

BOOKING = Path(__file__).resolve().parents[3] / "src" / "citycare" / "scenarios" / "booking"
# How a message is made: (person, "kind", facts), or a constant in SQL.
MADE = re.compile(
    r"person(?:_id)?\"?\]?,\s*\"([a-z_]+)\",\s*(?:\{|_facts|facts)"
    r"|, '([a-z_]+)',\s+jsonb_build_object"
)
ENDS = re.compile(r"person(?:_id)?, f\"([a-z_]+)\{")


def made() -> set[str]:
    """Every kind that a use case or a statement makes."""
    text = "".join(
        path.read_text("utf8")
        for folder in ("service", "store")
        for path in sorted((BOOKING / folder).glob("*.py"))
    )
    whole = {one or other for one, other in MADE.findall(text)}
    return whole | {begin + end for begin in ENDS.findall(text) for end in ("lifted", "kept")}


def test_every_kind_of_message_has_words() -> None:
    kinds = made()
    assert {"offer", "draw_won", "draw_lost", "draw_missed", "hold_lifted", "hold"} <= kinds
    assert kinds - set(MESSAGES) == set()


def test_no_words_stand_for_a_message_nobody_makes() -> None:
    assert set(MESSAGES) - made() == set()
