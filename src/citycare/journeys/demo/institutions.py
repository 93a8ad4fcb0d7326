"""Organisations, departments, doctors, clinics and weekly templates, from `seed/`.

Sources: 沪卫信息〔2022〕3号 三(一) for the 15 institutions and 4 districts; all else as the head
notes of the seed files say. Deterministic: nothing here asks what day it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time
from random import Random
from typing import Any

from citycare.journeys.demo import cast, catalogue
from citycare.journeys.demo.model import (
    Department,
    Desk,
    Doctor,
    Institutions,
    Organisation,
    Scale,
    Specialty,
)
from citycare.journeys.demo.numbers import dice, landline, uscc
from citycare.journeys.demo.people import given_name
from citycare.kernel.identity.documents import Sex
from citycare.kit import ids
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.schedule import Clinic, Template
from citycare.scenarios.booking.rules import schedule

VALID_FROM = date(2025, 9, 1)
PERCENTS: dict[str, dict[Pool, int]] = {
    "general": {Pool.REFERRAL: 20, Pool.ELDER: 10, Pool.ONSITE: 10},
    "expert": {Pool.REFERRAL: 20, Pool.ELDER: 10, Pool.FOLLOWUP: 10},
    "draw": {Pool.REFERRAL: 20},
    "community": {Pool.ELDER: 20, Pool.ONSITE: 20},
}
WEEKDAYS = (1, 2, 3, 4, 5, 6, 7)
WEEKDAY_WEIGHTS = (10, 10, 10, 10, 10, 4, 2)
COMMUNITY_SIZE = 3
BUSY_PULL = 6
FLOOR_DEPARTMENTS = 4


def organisations(*, whole_city: bool) -> list[Organisation]:
    """Read the organisations; community centres hang below their district's commission."""
    found = [*catalogue.rows("organisations.csv")]
    if whole_city:
        found += catalogue.rows("hospitals_city.csv")
    every = [_organisation(row) for row in found]
    commissions = {one.district: one.id for one in every if one.kind == "commission"}
    districts = {one.code: one for one in catalogue.districts()}
    for row in catalogue.rows("community_centres.csv"):
        district = districts[row["district"]]
        street = row["street"].removesuffix("街道")
        every.append(
            _organisation(
                {
                    **row,
                    "kind": "community_centre",
                    "profile": "community",
                    "name": f"上海市{district.name}{row['street']}社区卫生服务中心",
                    "short_name": f"{street}社区",
                    "nicknames": f"{street}|{street}社区医院|{street}地段医院",
                    "level": "一级",
                    "address": f"{district.name}{row['street']}",
                    "size": str(COMMUNITY_SIZE),
                },
                parent=commissions[row["district"]],
            )
        )
    return every


def _organisation(row: dict[str, str], parent: Any = None) -> Organisation:
    serial = int(row["serial"])
    return Organisation(
        id=cast.organisation_id(serial),
        serial=serial,
        uscc=uscc(serial),
        name=row["name"],
        short_name=row["short_name"],
        nicknames=tuple(filter(None, row["nicknames"].split("|"))),
        kind=row["kind"],
        profile=row["profile"],
        level=row["level"],
        district=row["district"],
        address=row["address"],
        phone=landline(serial),
        latitude=float(row["latitude"]),
        longitude=float(row["longitude"]),
        size=int(row["size"]),
        parent_id=parent,
    )


def departments(of: Organisation) -> list[Department]:
    """Give an organisation the departments of its profile, four to a floor."""
    if of.size == 0:
        return []
    building = "门诊楼" if of.kind == "hospital" else "全科楼"
    return [
        Department(
            id=ids.derive("demo", "department", of.serial, specialty.key),
            organisation=of,
            specialty=specialty,
            building=building,
            floor=1 + index // FLOOR_DEPARTMENTS,
        )
        for index, specialty in enumerate(catalogue.specialties()[of.profile])
    ]


def doctors(of: Department) -> Iterator[Doctor]:
    """Staff a department: the cast first, then as many more as the size of the house asks."""
    house, specialty = of.organisation, of.specialty
    throw = dice("doctors", house.serial, specialty.key)
    known = cast.DOCTORS.get((house.serial, specialty.key), ())
    for number, one in enumerate(known):
        yield Doctor(
            id=cast.doctor_id(one.subject),
            name=one.name,
            name_pinyin=one.subject,
            sex=one.sex,
            title=one.title,
            good_at=one.good_at,
            licence=_licence(house, specialty, number),
            department=of,
        )
    titles = catalogue.clinic_rules()["titles"]
    count = max(1, house.size - 2 + throw.randint(0, 1))
    for number in range(len(known), max(count, len(known) + 1) if known else count):
        title = throw.choices(titles, weights=[one["weight"] for one in titles])[0]["title"]
        if house.kind == "community_centre" and title == "主任医师":
            title = "主治医师"
        yield _doctor(of, throw, number, title)


def _doctor(of: Department, throw: Random, number: int, title: str) -> Doctor:
    names = catalogue.names()
    sex = throw.choice((Sex.MALE, Sex.FEMALE))
    sign, sound = throw.choices(names.surnames, weights=names.weights)[0]
    born = throw.randint(1964, 1994) if title != "住院医师" else throw.randint(1992, 1998)
    given, (given_sound, _) = given_name(throw, born, sex)
    good_at = throw.sample(of.specialty.good_at, min(3, len(of.specialty.good_at)))
    return Doctor(
        id=ids.derive("demo", "doctor", of.organisation.serial, of.specialty.key, number),
        name=sign + given,
        name_pinyin=sound.replace(" ", "") + given_sound,
        sex=sex,
        title=title,
        good_at="、".join(good_at),
        licence=_licence(of.organisation, of.specialty, number),
        department=of,
    )


def _licence(house: Organisation, specialty: Specialty, number: int) -> str:
    """Write a staff number that nobody takes for a real licence."""
    return f"DEMO-{house.serial:03d}-{specialty.key}-{number + 1}"


def desk_of_doctor(doctor: Doctor, number: int, scale: Scale) -> Desk:
    """Open a doctor's clinic: fee, windows and pools by title."""
    rules = catalogue.clinic_rules()
    title = next(one for one in rules["titles"] if one["title"] == doctor.title)
    house = doctor.department.organisation
    throw = dice("clinic", doctor.id)
    community = house.kind == "community_centre"
    star = doctor.id in CAST_IDS
    drawn = title["kind"] == "expert" and not star and throw.randrange(rules["draw_every"]) == 0
    kind = title["kind"]
    if kind == "general" and throw.randrange(100) < rules["special_share_percent"]:
        kind = "special"
    clinic = _clinic(
        doctor.department,
        doctor=doctor,
        kind=kind,
        release="draw" if drawn and not community else "first_come",
        fee_fen=rules["community_fee_fen"] if community else title["fee_fen"],
        number=number,
    )
    low, high = title["capacity"]
    capacity = 5 if star else throw.randint(low, high) * scale.capacity_factor
    pools = "community" if community else "draw" if clinic.release == "draw" else title["kind"]
    if star:
        halves = [(day, half) for day in WEEKDAYS for half in ("morning", "afternoon")]
    else:
        halves = _halves(throw, title["halves"] * scale.halves_factor)
    return _desk(clinic, doctor.department.specialty, halves, capacity, pools)


CAST_IDS = frozenset(
    cast.doctor_id(one.subject) for doctors_ in cast.DOCTORS.values() for one in doctors_
)


def _halves(throw: Random, count: int) -> list[tuple[int, str]]:
    chosen: dict[tuple[int, str], None] = {}
    while len(chosen) < count:
        day = throw.choices(WEEKDAYS, weights=WEEKDAY_WEIGHTS)[0]
        chosen[day, throw.choice(("morning", "morning", "afternoon"))] = None
    return sorted(chosen)


def desk_of_department(of: Department, scale: Scale) -> Desk:
    """Open the general clinic of a department: some mornings, every day in the story."""
    rules = catalogue.clinic_rules()
    throw = dice("general clinic", of.id)
    community = of.organisation.kind == "community_centre"
    clinic = _clinic(
        of,
        doctor=None,
        kind="general",
        release="first_come",
        fee_fen=rules["community_fee_fen"] if community else rules["general"]["fee_fen"],
        number=0,
    )
    days: tuple[int, ...] = (1, 4)
    if of.specialty.pull >= BUSY_PULL or scale.whole_city:
        days = (1, 2, 3, 5) if scale.whole_city else (1, 3, 5)
    if of.specialty.key in (cast.STORY_DEPARTMENT, "family", "child_internal"):
        days = WEEKDAYS
    capacity = throw.randint(*rules["general"]["capacity"]) * scale.capacity_factor
    halves = [(day, "morning") for day in days]
    return _desk(clinic, of.specialty, halves, capacity, "community" if community else "general")


def _clinic(
    of: Department, *, doctor: Doctor | None, kind: str, release: str, fee_fen: int, number: int
) -> Clinic:
    house = of.organisation
    owner = doctor.id if doctor else "general"
    return Clinic(
        id=ids.derive("demo", "clinic", of.id, owner),
        organisation_id=house.id,
        organisation_name=house.name,
        organisation_short=house.short_name,
        district=house.district,
        department_id=of.id,
        department_code=of.specialty.code,
        department_name=of.specialty.name,
        kind=kind,
        fee_fen=fee_fen,
        practitioner_id=doctor.id if doctor else None,
        practitioner_name=doctor.name if doctor else "",
        title=doctor.title if doctor else "",
        good_at=doctor.good_at if doctor else "、".join(of.specialty.good_at[:4]),
        release=release,
        room=f"{of.place} {of.specialty.name} {number + 1} 诊室",
        latitude=house.latitude,
        longitude=house.longitude,
        nicknames=house.nicknames,
    )


def _desk(
    clinic: Clinic, of: Specialty, halves: list[tuple[int, str]], capacity: int, pools: str
) -> Desk:
    rules = catalogue.clinic_rules()
    shares = schedule.shares(capacity, PERCENTS[pools])
    templates = tuple(
        Template(
            id=ids.derive("demo", "template", clinic.id, weekday, half),
            clinic_id=clinic.id,
            weekday=weekday,
            starts=time.fromisoformat(rules[half][0]),
            ends=time.fromisoformat(rules[half][1]),
            capacity=capacity,
            shares=shares,
            valid_from=VALID_FROM,
            window_min=rules["window_min"],
        )
        for weekday, half in halves
    )
    return Desk(clinic, templates, of.audience, of.pull)


def build(scale: Scale) -> Institutions:
    """Make the whole fixed side of the city."""
    houses = organisations(whole_city=scale.whole_city)
    wards = [ward for house in houses for ward in departments(house)]
    booked = [ward for ward in wards if not ward.specialty.walk_in]
    staff = [list(doctors(ward)) for ward in booked]
    desks = []
    for ward, own in zip(booked, staff, strict=True):
        desks.append(desk_of_department(ward, scale))
        desks += [desk_of_doctor(one, number + 1, scale) for number, one in enumerate(own)]
    return Institutions(
        tuple(houses), tuple(wards), tuple(one for own in staff for one in own), tuple(desks)
    )
