"""Policy parameters are named in people's words, not by their keys."""

from __future__ import annotations

import re

from citycare.settings import ROOT
from citycare.web.operator.rule_names import NAMES, UNITS, name_of

PARAMETER = re.compile(r"^\('([a-z_.]+)', '\d{4}-\d\d-\d\d', '[^']*', '([^']*)', '", re.MULTILINE)


def parameters() -> dict[str, str]:
    """Each parameter of the migrations with its unit."""
    texts = (one.read_text("utf-8") for one in sorted((ROOT / "migrations").glob("*.sql")))
    return dict(PARAMETER.findall("\n".join(texts)))


def test_every_parameter_has_a_name_and_no_name_is_left_over() -> None:
    assert set(parameters()) == set(NAMES)


def test_every_unit_is_said_in_words() -> None:
    assert {unit for unit in parameters().values() if unit} <= set(UNITS)


def test_one_that_nobody_named_yet_is_shown_by_its_key() -> None:
    assert name_of("booking.new.thing") == "booking.new.thing"
