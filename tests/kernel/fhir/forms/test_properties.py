"""Whatever is answered: nothing breaks, the state is settled, and it does not depend on the way."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from citycare.kernel.fhir import forms
from tests.kernel.fhir.forms.made import (
    NOW,
    calculated,
    core,
    form,
    item,
    of,
    options,
    sdc,
    variable,
)

Json = dict[str, Any]

KINDS = (
    *("boolean", "decimal", "integer", "date", "dateTime", "time", "string", "text", "url"),
    *("choice", "open-choice", "attachment", "reference", "quantity"),
)
CONDITIONS: list[tuple[str, str, Json]] = [
    ("integer", ">", {"answerInteger": 3}),
    ("date", "<=", {"answerDate": "2026-11"}),
    ("quantity", "!=", {"answerQuantity": {"value": 1, "code": "kg"}}),
    ("choice", "=", {"answerCoding": {"code": "x"}}),
    ("text", "exists", {"answerBoolean": False}),
    ("time", "<", {"answerTime": "08:00:00"}),
]
FORM = form(
    *(item(kind, kind, ext=[core("minValue", valueInteger=1)]) for kind in KINDS),
    item("g", "group", item("n", "integer", item("why", "string"), repeats=True), repeats=True),
    item("sum", "integer", readOnly=True, ext=[calculated(f"{of('n')}.sum()")]),
    item("any", "string", ext=[calculated("%context.answer.value.toString() & %all.toString()")]),
    item("x", "integer", ext=[calculated(f"{of('y')} + 1")]),
    item("y", "integer", ext=[calculated(f"{of('x')} + 1")]),
    *(
        item(f"when-{number}", "string", when={"question": kind, "operator": operator, **compared})
        for number, (kind, operator, compared) in enumerate(CONDITIONS)
    ),
    item(
        "off",
        "choice",
        answerOption=options("x"),
        ext=[sdc("enableWhenExpression", f"{of('boolean')} or {of('decimal')} > 2")],
    ),
    ext=[variable("all", "%resource.descendants().where(linkId.exists()).count()")],
)
QUESTIONS = [each.link_id for each in FORM.ordered if each.is_question and each.above is None]

KEYS = ["value", "code", "system", "unit", "display", "reference", "linkId", "item"]


def json_of(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | numbers | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
        ),
        max_leaves=8,
    )


tame = json_of(st.integers(-(10**9), 10**9) | st.decimals(-1000, 1000, places=2))
json = json_of(st.integers() | st.decimals(allow_nan=True) | st.floats())
plausible = st.sampled_from(
    [
        {"valueInteger": 7},
        {"valueBoolean": True},
        {"valueDecimal": 2.5},
        {"valueDate": "2026-10"},
        {"valueTime": "07:00:00"},
        {"valueString": "好"},
        {"valueCoding": {"code": "x"}},
        {"valueQuantity": {"value": 2, "unit": "kg", "code": "kg"}},
    ]
)
names = st.sampled_from(
    [
        f"value{kind}"
        for kind in (
            *(
                "Boolean",
                "Integer",
                "Decimal",
                "Date",
                "DateTime",
                "Time",
                "String",
                "Uri",
                "Coding",
            ),
            *("Quantity", "Reference", "Attachment", "Nonsense", ""),
        )
    ]
)
tame_answers = st.lists(
    plausible | st.dictionaries(names, tame, min_size=1, max_size=1), max_size=3
)
answers = st.lists(plausible | st.dictionaries(names, json, min_size=1, max_size=1), max_size=3)
item_of_response = st.recursive(
    st.fixed_dictionaries(
        {"linkId": st.sampled_from([*(each.link_id for each in FORM.ordered), "unknown"])},
        optional={"answer": answers | json},
    ),
    lambda inner: st.fixed_dictionaries(
        {"linkId": st.sampled_from(["g", "n", "integer", "x"])},
        optional={
            "item": st.lists(inner, max_size=3),
            "answer": st.lists(
                st.fixed_dictionaries(
                    {"valueInteger": st.integers(0, 9)},
                    optional={"item": st.lists(inner, max_size=2)},
                ),
                max_size=2,
            ),
        },
    ),
    max_leaves=12,
)
response = st.fixed_dictionaries({"item": st.lists(item_of_response | json, max_size=8)})


def state(filling: forms.Filling) -> Any:
    return filling.shown("zh", filling.problems(complete=True)), filling.faults()


@settings(max_examples=150)
@given(response)
def test_any_response_is_read_checked_drawn_and_settled(given_response: Json) -> None:
    filling = forms.resume(FORM, given_response, now=NOW)
    filling.problems(complete=True)
    filling.shown("en")
    before = state(filling)
    filling._changing.settle()
    assert state(filling) == before, "settling again changes nothing"


@settings(max_examples=150)
@given(response)
def test_what_is_sent_comes_back_the_same(given_response: Json) -> None:
    sent = forms.resume(FORM, given_response, now=NOW).response("in-progress")
    again = forms.resume(FORM, sent, now=NOW)
    assert again.response("in-progress") == sent


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(QUESTIONS), tame_answers, max_size=6))
def test_any_answers_lead_where_they_lead_at_once(given_answers: dict[str, list[Json]]) -> None:
    people = {
        place: each for place, each in given_answers.items() if not FORM.by_link[place].is_fixed
    }
    at_once, one_by_one = (forms.begin(FORM, now=NOW) for _ in range(2))
    at_once.answer(people)
    for place, each in reversed(people.items()):
        one_by_one.answer({place: [{"valueString": "erst"}]})
        one_by_one.answer({place: each})
    assert state(one_by_one) == state(at_once)


moves_of_people = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "answer", "why", "clear"]), st.integers(0, 4)),
    max_size=8,
)


@settings(max_examples=120)
@given(moves_of_people)
def test_repetitions_come_and_go(moves: list[tuple[str, int]]) -> None:
    filling = forms.begin(FORM, now=NOW)
    for number, (move, at) in enumerate(moves):
        shown = [each.path for each in forms.flat(filling.shown())]
        groups = [path for path in shown if path.startswith("g[") and "/" not in path]
        whys = [path for path in shown if path.endswith("/why")]
        place = groups[at % len(groups)]
        if move == "add":
            filling.add(place)
        elif move == "remove":
            filling.remove(place)
        elif move == "why":
            filling.answer({whys[at % len(whys)]: [{"valueString": str(number)}]})
        else:
            given = [{"valueInteger": number}, {"valueInteger": at}] if move == "answer" else []
            filling.answer({f"{place}/n": given})
    numbers = [
        entry.value
        for each in forms.flat(filling.shown())
        if each.link_id == "n"
        for entry in each.entries
    ]
    found = [each["valueInteger"] for each in filling.answers().get("sum", ())]
    assert found == ([sum(numbers)] if numbers else [])
    before = state(filling), filling.response("in-progress")
    filling._changing.settle()  # writes everything anew
    assert (state(filling), filling.response("in-progress")) == before
    again = forms.resume(FORM, filling.response("in-progress"), now=NOW)
    assert again.response("in-progress") == filling.response("in-progress")


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(["item", "extension", "contained", "url"]), json) | json)
def test_any_json_is_read_as_a_questionnaire_or_refused(source: Any) -> None:
    given_source = (
        {"resourceType": "Questionnaire"} | source if isinstance(source, dict) else source
    )
    with suppress(forms.FormBroken):
        forms.begin(forms.read(given_source), now=NOW)
