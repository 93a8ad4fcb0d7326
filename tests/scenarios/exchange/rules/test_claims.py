"""What a Patient says, in the words of the person index; whatever it holds, nothing breaks."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.scenarios.exchange.rules import claims

KINDS = {"urn:oid:1.2": "resident_id", "1.2": "resident_id", "urn:p": "passport"}
SOUND = {
    "text": "shenyulan",
    "extension": [{"url": claims.SOUND, "valueCode": "SYL"}],
}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([{"text": " 沈玉兰 "}, SOUND], "沈玉兰"),
        ([SOUND, {"family": "沈", "given": ["玉兰"]}], "沈玉兰"),
        ([{"family": "Smith", "given": ["Anna", "Eva"]}], "Anna Eva Smith"),
        ([{"family": "Smith"}], "Smith"),
        ([{"use": "maiden", "text": "李玉兰"}, {"use": "official", "text": "沈玉兰"}], "沈玉兰"),
        ([{"use": "usual", "text": "小玉"}, {"use": "official", "text": "沈玉兰"}], "沈玉兰"),
        ([{"use": "old", "text": "李玉兰"}], ""),
        ([SOUND], ""),
        ([{"text": ""}], ""),
        (None, ""),
    ],
)
def test_the_name_is_the_one_people_write_now(names: Any, said: str) -> None:
    assert claims.name_of({"name": names}) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("13900008831", "13900008831"),
        ("+86 139-0000-8831", "13900008831"),
        ("0086 13900008831", "13900008831"),
        ("021 5555 8831", None),
        ("", None),
        (None, None),
    ],
)
def test_a_phone_is_a_mobile_of_eleven_digits(value: Any, said: str | None) -> None:
    first = {"system": "email", "value": "13900000000"}
    old = {"system": "phone", "use": "old", "value": "13900000001"}
    told = {"telecom": [first, old, {"system": "phone", "value": value}]}
    assert claims.phone_of(told) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [("1962-04-17", date(1962, 4, 17)), ("1962-04", None), ("1962", None), (None, None)],
)
def test_a_day_of_birth_is_a_whole_day(text: Any, said: date | None) -> None:
    assert claims.born_of({"birthDate": text}) == said


def test_identifiers_count_in_name_spaces_of_documents_that_are_in_use() -> None:
    some = [
        {"system": "urn:oid:1.2", "value": "a"},
        {"system": "1.2", "value": "b"},
        {"system": "urn:p", "use": "old", "value": "c"},
        {"system": "urn:p"},
        {"system": "urn:other", "value": "d"},
        {"value": "e"},
    ]
    found = claims.identifiers_of({"identifier": some}, KINDS)
    assert found == [("resident_id", "a"), ("resident_id", "b")]
    assert claims.same_systems("urn:oid:1.2") == ("urn:oid:1.2", "1.2")
    assert claims.same_systems("urn:p") == ("urn:p",)


def test_what_is_far_too_long_or_too_many_is_cut() -> None:
    assert len(claims.name_of({"name": [{"text": "沈" * 1_000_000}]})) == claims.CHARS_MAX
    some = [{"system": "urn:p", "value": f"E{n:08d}" + "0" * 10_000} for n in range(1_000)]
    found = claims.identifiers_of({"identifier": some}, KINDS)
    assert len(found) == claims.IDENTIFIERS_MAX
    assert {len(number) for _, number in found} == {claims.CHARS_MAX}


def test_a_district_is_told_by_its_code() -> None:
    some = [{"district": "黄浦区"}, {"use": "old", "district": "310101"}, {"district": "310106"}]
    assert claims.district_of({"address": some}) == "310106"
    assert claims.district_of({"address": some[:2]}) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda some: (
        st.lists(some, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["system", "value", "use", "text", "family", "given", "extension", "url"]
            ),
            some,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_a_use_that_is_no_text_is_of_a_name_all_the_same() -> None:
    assert claims.name_of({"name": [{"use": [], "text": "林静"}]}) == "林静"


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(
    ("name", "telecom", "identifier", "address", "birthDate"), ANYTHING)))  # fmt: skip
def test_whatever_is_kept_is_read(told: dict[str, Any]) -> None:
    assert isinstance(claims.name_of(told), str)
    claims.phone_of(told)
    claims.born_of(told)
    claims.district_of(told)
    assert isinstance(claims.identifiers_of(told, KINDS), list)
