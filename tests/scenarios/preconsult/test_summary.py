"""What the doctor reads: only what was answered, every sentence with its answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycare.kernel.fhir import forms
from citycare.scenarios.preconsult.model import Origin
from citycare.scenarios.preconsult.rules.difference import chars_kept, difference, seconds_saved
from citycare.scenarios.preconsult.rules.paper import Paper, link_of, paper_of
from citycare.scenarios.preconsult.rules.records import parts_of
from citycare.scenarios.preconsult.rules.summary import SECTIONS, sections_of, text_of
from tests.scenarios.preconsult.papers import EMPTY, FORMS, NOW, Json, coding

READ = {name: (forms.read(form), paper_of(form)) for name, form in FORMS.items()}
HEART = READ["chest-palpitation"][1]


def told(answers: dict[str, list[Json]], **origins: str) -> dict[str, list[str]]:
    found = sections_of(HEART, answers, origins)
    return {one.code: [each.words for each in one.fragments] for one in found}


def tick(link: str, *codes: str) -> list[Json]:
    return [coding("chest-palpitation", link, code) for code in codes]


def test_nothing_answered_nothing_told() -> None:
    assert told({}) == {}
    assert text_of(()) == ""


def test_what_is_ticked_and_the_pertinent_negatives() -> None:
    found = told({"also": tick("also", "fever")})["present"]
    assert found[0] == "发热"
    assert "否认冷汗" in found
    assert "否认发热" not in found
    none = told({"also": tick("also", "none")})["present"]
    assert "否认发热" in none
    assert "都没有" not in none


@pytest.mark.parametrize("origin", [Origin.TRIAGE, Origin.RECORD])
def test_what_nobody_confirmed_denies_nothing(origin: Origin) -> None:
    assert told({"past": tick("past", "hypertension_history")}, past=origin)["past"] == [
        "高血压病史"
    ]


def test_values_stand_in_their_words_with_units() -> None:
    answers: dict[str, list[Json]] = {
        "chief": [{"valueString": " 胸闷，上楼要歇。 "}],
        "since": tick("since", "today"),
        "systolic": [{"valueQuantity": {"value": 151, "unit": "mmHg"}}],
        "smoke-daily": [{"valueInteger": 20}],
    }
    units = {"smoke-daily": {"code": "{cigarette}", "display": "支"}}
    found = {one.code: one for one in sections_of(HEART, answers, {}, units)}
    assert [each.words for each in found["chief"].fragments] == ["胸闷，上楼要歇", "病程1天"]
    assert found["present"].fragments[0].words == "最近收缩压151 mmHg"
    assert found["social"].fragments[0].words == "每日20 支"
    assert text_of((found["chief"],)) == "主诉：胸闷，上楼要歇，病程1天。"


def test_a_medicine_and_how_it_is_taken_belong_together() -> None:
    paper = READ["chronic-follow-up"][1]
    answers = {
        "g/medicine[0]/medicine-name": [{"valueString": "缬沙坦"}],
        "g/medicine[0]/medicine-use": [{"valueString": "每天1片"}],
        "g/medicine[1]/medicine-name": [{"valueString": "二甲双胍"}],
    }
    [section] = sections_of(paper, answers, {})
    assert [one.words for one in section.fragments] == ["服用缬沙坦，用法每天1片", "服用二甲双胍"]
    assert [each.path for each in section.fragments[0].said] == list(answers)[:2]


def test_blanks_and_stops_alone_say_nothing() -> None:
    _, paper = READ["chronic-follow-up"]
    answers = {"g/medicine[0]/medicine-name": [{"valueString": " 。"}]}
    assert sections_of(paper, answers, {}) == ()


# --- property: never more than was answered


def _drawn(draw: Any, one: forms.Shown) -> list[Json]:
    if one.options:
        some = draw(st.lists(st.sampled_from(one.options), max_size=3, unique_by=lambda o: o.text))
        answers = [each.answer for each in some]
        return answers if one.repeats else answers[:1]
    kinds: dict[str, st.SearchStrategy[Json]] = {
        "boolean": st.booleans().map(lambda value: {"valueBoolean": value}),
        "integer": st.integers(0, 200).map(lambda value: {"valueInteger": value}),
        "decimal": st.integers(0, 200).map(lambda value: {"valueDecimal": value}),
        "date": st.just({"valueDate": "2026-10-01"}),
        "quantity": st.integers(1, 99).map(
            lambda n: {"valueQuantity": {"value": n, "unit": "厘米"}}
        ),
    }
    text = st.text("胸闷咳嗽。, ", min_size=1, max_size=8).map(lambda value: {"valueString": value})
    return [draw(kinds.get(one.type, text))] if draw(st.booleans()) else []


@st.composite
def filled(draw: Any) -> tuple[Paper, dict[str, Any], dict[str, str]]:
    form, paper = READ[draw(st.sampled_from(sorted(READ)))]
    filling = forms.begin(form, now=NOW, sources=EMPTY)
    for one in list(forms.flat(filling.shown())):
        if one.type not in ("group", "display") and not one.read_only:
            filling.answer({one.path: _drawn(draw, one)})
    answers = filling.answers()
    origins = {path: draw(st.sampled_from([o.value for o in Origin])) for path in answers}
    return paper, answers, origins


@settings(max_examples=120)
@given(filled())
def test_never_tells_what_was_not_answered_and_every_sentence_has_its_answers(
    case: tuple[Paper, dict[str, Any], dict[str, str]],
) -> None:
    paper, answers, origins = case
    sections = sections_of(paper, answers, origins)
    for section in sections:
        assert section.code in SECTIONS
        assert section.fragments
        for one in section.fragments:
            assert one.said
            assert one.words
            for said in one.said:
                assert said.path in answers
                assert said.origin == origins[said.path]
                assert said.link_id == link_of(said.path)
                question = paper.questions[said.link_id]
                is_list = question.options and not question.value
                if one.negative and is_list:
                    assert said.origin is Origin.RESIDENT
    silent = {link for link in paper.questions if link not in {link_of(path) for path in answers}}
    words = {each.words for section in sections for each in section.fragments}
    for link in silent:
        for text in (paper.questions[link].yes, paper.questions[link].no):
            assert not text or text not in words or _elsewhere(paper, text, link)


def _elsewhere(paper: Paper, text: str, link: str) -> bool:
    """Tell whether another question has the same words."""
    others = (one for name, one in paper.questions.items() if name != link)
    return any(
        text in (one.yes, one.no) or any(text in (o.yes, o.no) for o in one.options)
        for one in others
    )


@settings(max_examples=60)
@given(filled())
def test_the_text_is_parted_into_its_sections_again(
    case: tuple[Paper, dict[str, Any], dict[str, str]],
) -> None:
    sections = sections_of(*case)
    names = [name for name, _ in parts_of(text_of(sections))]
    assert names == [SECTIONS[one.code] for one in sections]


# --- what became of the text


def test_difference_and_characters_kept() -> None:
    offered, kept = "主诉：胸闷。\n现病史：发热。", "主诉：胸闷3周。\n现病史：发热。"
    assert difference(offered, offered) == ""
    told = difference(offered, kept)
    assert "-主诉：胸闷。" in told
    assert "+主诉：胸闷3周。" in told
    assert chars_kept(offered, offered) == len(offered)
    assert chars_kept(offered, kept) == len(offered)
    assert chars_kept(offered, "") == 0


@given(st.text("胸闷痛，。\n", max_size=40), st.text("胸闷痛，。\n", max_size=40))
def test_no_more_characters_are_kept_than_either_text_has(offered: str, kept: str) -> None:
    count = chars_kept(offered, kept)
    assert 0 <= count <= min(len(offered), len(kept)) or offered == kept


def test_seconds_saved_follow_the_speed() -> None:
    assert seconds_saved(160, 40) == 240
    assert seconds_saved(1, 40) == 1
    assert seconds_saved(100, 0) == 0


def test_lines_without_a_name_stay_with_what_is_before_them() -> None:
    assert parts_of("先写的\n主诉：胸闷\n又一行") == [
        ("预问诊病史", "先写的"),
        ("主诉", "胸闷\n又一行"),
    ]
    assert parts_of("  \n") == []
