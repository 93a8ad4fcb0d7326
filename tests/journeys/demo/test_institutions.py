"""The fixed side: the pilot units of the paper, departments that fit, clinics that may run."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from citycare.journeys.demo import cast, catalogue, institutions
from citycare.journeys.demo.model import CITY, SMALL, Institutions
from citycare.kernel.identity.specialties import get_specialty
from citycare.scenarios.booking.rules import schedule
from citycare.web.login import demo_people

PILOTS = [
    "复旦大学附属中山医院",
    "复旦大学附属华山医院",
    "复旦大学附属儿科医院",
    "上海交通大学医学院附属新华医院",
    "上海交通大学医学院附属仁济医院",
    "上海交通大学医学院附属瑞金医院",
    "上海市第一人民医院",
    "上海市第六人民医院",
    "上海市第十人民医院",
    "上海市儿童医院",
    "复旦大学附属眼耳鼻喉科医院",
    "上海中医药大学附属龙华医院",
    "上海中医药大学附属岳阳中西医结合医院",
    "上海市中医医院",
    "上海市医疗急救中心",
]


@pytest.fixture(scope="module")
def city() -> Institutions:
    return institutions.build(SMALL)


def test_the_same_seed_gives_the_same_institutions(city: Institutions) -> None:
    assert institutions.build(SMALL) == city


def test_the_fifteen_institutions_and_four_districts_of_the_paper(city: Institutions) -> None:
    by_kind = defaultdict(list)
    for one in city.organisations:
        by_kind[one.kind].append(one)
    assert {one.name for one in by_kind["hospital"] + by_kind["emergency_centre"]} == set(PILOTS)
    assert {one.district for one in by_kind["commission"]} == {
        "310106",
        "310117",
        "310105",
        "310112",
    }
    centres = Counter(one.district for one in by_kind["community_centre"])
    assert set(centres) == {one.district for one in by_kind["commission"]}
    assert min(centres.values()) >= 5
    commissions = {one.id: one.district for one in by_kind["commission"]}
    for one in by_kind["community_centre"]:
        assert one.parent_id is not None
        assert commissions[one.parent_id] == one.district


@pytest.mark.outside_data
def test_the_names_stand_in_the_paper() -> None:
    paper = Path(__file__).parents[4] / "shared" / "seeds" / "000_3ea8cb44c55f11fb.txt"
    if not paper.exists():
        pytest.skip(f"{paper} is not here")
    text = paper.read_text(encoding="utf8")
    assert all(name in text for name in PILOTS)


def test_codes_names_and_ids_are_used_once(city: Institutions) -> None:
    for values in (
        [one.uscc for one in city.organisations],
        [one.name for one in city.organisations],
        [one.id for one in city.organisations],
        [one.id for one in city.departments],
        [one.id for one in city.doctors],
        [one.licence for one in city.doctors],
        [one.clinic.id for one in city.desks],
        [template.id for one in city.desks for template in one.templates],
    ):
        assert len(values) == len(set(values))


def test_departments_are_in_the_official_list_and_fit_the_house(city: Institutions) -> None:
    codes = defaultdict(set)
    for one in city.departments:
        get_specialty(one.specialty.code)
        codes[one.organisation.short_name].add(one.specialty.code.split(".")[0])
    assert codes["五官科医院"] <= {"10", "11", "12"}
    assert codes["龙华医院"] == {"50"}
    assert "03" not in codes["儿科医院"]
    assert "急救中心" not in codes


def test_there_are_at_least_600_doctors_each_with_a_clinic(city: Institutions) -> None:
    assert len(city.doctors) >= 600
    clinics = Counter(one.clinic.practitioner_id for one in city.desks)
    assert all(clinics[doctor.id] == 1 for doctor in city.doctors)
    assert clinics[None] == sum(not one.specialty.walk_in for one in city.departments)


def test_general_and_childrens_hospitals_see_emergencies_and_fever_without_booking(
    city: Institutions,
) -> None:
    for code in ("20", "16.02"):
        wards = [one for one in city.departments if one.specialty.code == code]
        assert {one.organisation.profile for one in wards} == {"general", "children"}
        assert not {one.id for one in wards} & {one.clinic.department_id for one in city.desks}


def test_templates_pass_the_rules_of_booking(city: Institutions) -> None:
    templates = [template for one in city.desks for template in one.templates]
    for one in templates:
        schedule.check_template(one, 60)
        assert one.window_min == 30
    schedule.check_clashes(templates)
    assert {one.clinic.release for one in city.desks} == {"first_come", "draw"}


def test_coordinates_lie_in_the_city(city: Institutions) -> None:
    for one in city.organisations:
        assert 30.7 < one.latitude < 31.6
        assert 120.9 < one.longitude < 122.0


def test_the_whole_city_has_38_hospitals_and_says_which_are_examples() -> None:
    houses = [one for one in institutions.build(CITY).organisations if one.kind == "hospital"]
    assert len(houses) == 38
    real = {one.name for one in houses if not one.name.startswith("示例")}
    assert real - set(PILOTS) == {
        "上海交通大学医学院附属上海儿童医学中心",
        "上海中医药大学附属曙光医院",
    }


def test_every_seed_file_says_where_it_comes_from() -> None:
    for path in catalogue.SEED_FOLDER.iterdir():
        head = path.read_text(encoding="utf8")[:40]
        assert head.startswith("#") or '"source"' in head, path.name


def test_each_role_has_one_sign_in_line() -> None:
    logins = cast.demo_logins()
    assert len({one.subject for one in logins}) == len(logins)
    assert {one.subject for one in demo_people.PEOPLE} <= {one.subject for one in logins}
    assert {one.role for one in logins} >= {
        "resident",
        "clinician",
        "scheduler",
        "clerk",
        "community_gp",
        "operator",
    }
