"""Residents: the same every time, numbers that pass every check, families that could be."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import islice, pairwise

import pytest
from stdnum.cn import ric, uscc

from citycare.journeys.demo import cast, catalogue, people
from citycare.journeys.demo.model import Family, Resident
from citycare.journeys.demo.numbers import Births, landline, mobile
from citycare.journeys.demo.numbers import uscc as make_uscc
from citycare.kernel.identity import documents, names
from citycare.kernel.identity.documents import Kind, Sex
from citycare.kernel.identity.model import RelationKind
from citycare.kernel.identity.persons import age_on

COUNT = 8_000


@pytest.fixture(scope="module")
def families() -> list[Family]:
    births = Births()
    own = cast.family(births)
    return [own, *people.families(COUNT - len(own.residents), births)]


@pytest.fixture(scope="module")
def residents(families: list[Family]) -> list[Resident]:
    return [one for family in families for one in family.residents]


def age(one: Resident) -> int:
    return age_on(one.person.born_on, people.AGES_ON)


def test_the_same_seed_gives_the_same_people(families: list[Family]) -> None:
    births = Births()
    own = cast.family(births)
    again = [own, *islice(people.families(COUNT - len(own.residents), births), 400)]
    assert again == families[:401]


def test_the_number_of_residents_comes_out_exactly(residents: list[Resident]) -> None:
    assert len(residents) == COUNT


def test_numbers_are_valid_synthetic_and_never_given_twice(residents: list[Resident]) -> None:
    seen = {one.number for one in residents}
    assert len(seen) == COUNT
    for one in residents:
        document = documents.parse(Kind.RESIDENT_ID, one.number)
        assert document.born_on == one.person.born_on
        assert document.sex == one.person.sex
        assert documents.is_synthetic(document)
    # python-stdnum, written by others, agrees on the check character.
    assert all(ric.calc_check_digit(one.number) == one.number[17] for one in residents[:500])


def test_ids_and_phones_belong_to_one_person(residents: list[Resident]) -> None:
    assert len({one.person.id for one in residents}) == COUNT
    phones = Counter(one.person.phone for one in residents if one.person.phone)
    shared = [phone for phone, count in phones.items() if count > 1]
    assert len(shared) == 1  # the man who was registered twice
    assert all(phone.startswith("160") and len(phone) == 11 for phone in phones)


def test_every_child_under_14_has_a_grown_guardian(families: list[Family]) -> None:
    for family in families:
        by_id = {one.person.id: one for one in family.residents}
        guardians = {
            relation.person_id: by_id[relation.proxy_id]
            for relation in family.relations
            if relation.kind is RelationKind.GUARDIAN
        }
        for one in family.residents:
            if age(one) < 14:
                assert age(guardians[one.person.id]) >= 18


def test_relations_stay_in_the_family_and_elders_proxies_are_younger(
    families: list[Family],
) -> None:
    proxies = 0
    for family in families:
        by_id = {one.person.id: one for one in family.residents}
        for relation in family.relations:
            person, proxy = by_id[relation.person_id], by_id[relation.proxy_id]
            assert person is not proxy
            if relation.kind is RelationKind.CHILD:
                proxies += 1
                assert age(person) >= 59
                assert 18 <= age(person) - age(proxy) <= 45
                assert "booking" in relation.scopes
    assert proxies > COUNT // 20


def test_ages_come_near_the_pyramid(residents: list[Resident]) -> None:
    ages = [age(one) for one in residents]
    assert min(ages) >= 0
    assert max(ages) <= 104
    for row in catalogue.rows("ages.csv"):
        share = sum(int(row["from"]) <= one <= int(row["to"]) for one in ages) / COUNT * 100
        assert abs(share - float(row["percent"])) <= 4, row


def test_names_sound_as_identity_says(residents: list[Resident]) -> None:
    for one in residents:
        sound = (one.person.name_pinyin, one.person.name_initials)
        assert sound == names.pinyin(one.person.name)


def test_addresses_are_streets_never_homes(residents: list[Resident]) -> None:
    assert not any(sign.isdigit() for one in residents for sign in one.person.address)
    known = {district.code for district in catalogue.districts()}
    assert {one.person.district for one in residents} <= known


def test_a_leap_day_child_grows_up_on_the_first_of_march() -> None:
    assert people._birthday(date(2012, 2, 29), 18) == date(2030, 3, 1)
    assert people._birthday(date(2012, 2, 29), 16) == date(2028, 2, 29)


def test_one_day_and_sex_runs_out_of_numbers_loudly() -> None:
    births = Births()
    given = [births.number(date(2000, 1, 1), Sex.MALE) for _ in range(500)]
    assert len(set(given)) == 500
    assert all(left < right for left, right in pairwise(number[:17] for number in given))
    with pytest.raises(ValueError, match="no synthetic number"):
        births.number(date(2000, 1, 1), Sex.MALE)


@pytest.mark.parametrize("serial", [1, 19, 101, 226])
def test_social_credit_codes_pass_the_checks_of_others(serial: int) -> None:
    code = make_uscc(serial)
    assert uscc.is_valid(code)
    assert documents.parse(Kind.USCC, code).number == code
    assert "DEM" in code


def test_made_up_numbers_show_that_they_are() -> None:
    assert mobile(7) == "16000000007"
    assert landline(6) == "021-00000006"
