"""Big forms: counted in evaluations, which do not depend on the machine."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel.fhir import forms
from tests.kernel.fhir.forms.made import NOW, calculated, form, item, of, options

GROUPS = 50


def group(number: int) -> dict[str, Any]:
    """Twenty items: questions, conditions between them, a sum."""
    name = f"g{number}"
    asked = [
        item(
            f"{name}.{each}",
            "integer" if each % 2 else "choice",
            **({} if each % 2 else {"answerOption": options("x", "y", "z")}),
            **(
                {"when": {"question": f"{name}.1", "operator": ">", "answerInteger": each}}
                if each > 4
                else {}
            ),
        )
        for each in range(18)
    ]
    total = f"{of(name + '.1')} + {of(name + '.3')}"
    return item(name, "group", *asked, item(f"{name}.sum", "integer", ext=[calculated(total)]))


BIG = form(*(group(number) for number in range(GROUPS)))
CONDITIONS = 13  # of each group
RULES = GROUPS * (CONDITIONS + 1)


def test_each_rule_is_evaluated_a_fixed_number_of_times() -> None:
    assert len(BIG.ordered) == 1_000
    assert forms.resume(BIG, {}, now=NOW).evaluations == RULES
    assert forms.begin(BIG, now=NOW).evaluations == 2 * RULES


def test_an_answer_evaluates_only_what_reads_it() -> None:
    filling = forms.begin(BIG, now=NOW)
    before = filling.evaluations
    filling.answer({"g7/g7.1": [{"valueInteger": 3}]})
    assert filling.evaluations - before == CONDITIONS + 1
    before = filling.evaluations
    filling.answer({"g7/g7.0": [{"valueCoding": {"code": "x"}}]})
    assert filling.evaluations == before


def test_a_form_that_asks_too_much_is_refused_not_endless() -> None:
    many = [item(f"c{number}", "integer", ext=[calculated("1")]) for number in range(450)]
    made = form(item("g", "group", *many, repeats=True))
    rows = [{"linkId": "g", "item": [{"linkId": "c0", "answer": [{"valueInteger": 1}]}]}]
    with pytest.raises(forms.ResponseTooLong):
        forms.resume(made, {"item": rows * 500}, now=NOW)
