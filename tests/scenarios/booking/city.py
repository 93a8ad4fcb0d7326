"""A handful of clinics with schedules, for tests of schedules, the finder and stopped clinics."""

from __future__ import annotations

from datetime import date, time
from uuid import UUID

from citycare.kit import ids
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.schedule import Clinic, Template

HOSPITALS = {
    "瑞金医院": ("上海交通大学医学院附属瑞金医院", "310101", 31.2113, 121.4664),
    "九院": ("上海交通大学医学院附属第九人民医院", "310101", 31.2076, 121.4877),
    "市六医院": ("上海市第六人民医院", "310104", 31.1794, 121.4214),
    "松江中心医院": ("上海市松江区中心医院", "310117", 31.0093, 121.2311),
}
DEPARTMENTS = {"心血管内科": "03.04", "口腔科": "12", "骨科": "04.03", "皮肤科": "13"}


def named(*parts: object) -> UUID:
    return ids.derive("test.city", *parts)


def clinic(
    hospital: str,
    department: str,
    doctor: str = "",
    *,
    title: str = "主任医师",
    fee_fen: int = 3_800,
    good_at: str = "",
) -> Clinic:
    name, district, latitude, longitude = HOSPITALS[hospital]
    return Clinic(
        id=named("clinic", hospital, department, doctor),
        organisation_id=named("organisation", hospital),
        organisation_name=name,
        organisation_short=hospital,
        district=district,
        latitude=latitude,
        longitude=longitude,
        department_id=named("department", hospital, department),
        department_code=DEPARTMENTS[department],
        department_name=department,
        practitioner_id=named("doctor", hospital, doctor) if doctor else None,
        practitioner_name=doctor,
        title=title if doctor else "",
        good_at=good_at,
        kind="expert" if doctor else "general",
        fee_fen=fee_fen,
    )


CHEN = clinic("瑞金医院", "心血管内科", "陈静", good_at="高血压、早搏")
WANG = clinic("瑞金医院", "心血管内科", "王重阳")
TEETH = clinic("九院", "口腔科")
TEETH_FAR = clinic("松江中心医院", "口腔科")
BONES = clinic("市六医院", "骨科", "单明")
SKIN = clinic("瑞金医院", "皮肤科", "周一鸣")
CLINICS = (CHEN, WANG, TEETH, TEETH_FAR, BONES, SKIN)


def template(
    of: Clinic,
    weekday: int,
    *,
    starts: time = time(8),
    ends: time = time(11),
    capacity: int = 5,
    shares: dict[Pool, int] | None = None,
) -> Template:
    return Template(
        id=named("template", of.id, weekday, starts),
        clinic_id=of.id,
        weekday=weekday,
        starts=starts,
        ends=ends,
        capacity=capacity,
        shares=shares or {Pool.PUBLIC: capacity},
        valid_from=date(2026, 1, 1),
    )
