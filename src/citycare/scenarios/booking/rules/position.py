"""Where somebody is: the districts; from what a browser measures to what the city's map says."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi, radians, sin, sqrt

from citycare.scenarios.booking.model.finder import Point

AXIS_M = 6_378_245.0  # Krasovsky 1940
FLATNESS = 0.00669342162296594323  # its first eccentricity, squared
MIDDLE = (35.0, 105.0)
CHINA = ((0.8293, 55.8271), (72.004, 137.8347))  # latitudes, longitudes; a rough frame

# GB/T 2260 of Shanghai's districts, for the demo city; others come as an argument.
DISTRICTS: Mapping[str, str] = {
    "310101": "黄浦区",
    "310104": "徐汇区",
    "310105": "长宁区",
    "310106": "静安区",
    "310107": "普陀区",
    "310109": "虹口区",
    "310110": "杨浦区",
    "310112": "闵行区",
    "310113": "宝山区",
    "310114": "嘉定区",
    "310115": "浦东新区",
    "310116": "金山区",
    "310117": "松江区",
    "310118": "青浦区",
    "310120": "奉贤区",
    "310151": "崇明区",
}


def point_of(latitude: float, longitude: float) -> Point:
    """Turn a measured position (WGS 84 degrees) into the map's (GCJ-02 degrees).

    In the city the two are about 450 m apart, at most 700 m in the country. Right to a few metres;
    outside a rough frame of China they are the same.

    Source: GB 20263-2006 obliges maps to GCJ-02 and publishes no formula; this is the one in
    common use (eviltransform, 2013), checked against its published example.
    """
    if not all(
        low <= x <= high for x, (low, high) in zip((latitude, longitude), CHINA, strict=True)
    ):
        return Point(latitude, longitude)
    north, east = latitude - MIDDLE[0], longitude - MIDDLE[1]
    angle = radians(latitude)
    bent = 1 - FLATNESS * sin(angle) ** 2
    up = _north(east, north) * 180 / (AXIS_M * (1 - FLATNESS) / (bent * sqrt(bent)) * pi)
    right = _east(east, north) * 180 / (AXIS_M / sqrt(bent) * cos(angle) * pi)
    return Point(latitude + up, longitude + right)


def _waves(x: float, *steps: tuple[float, float]) -> float:
    return sum(height * sin(x * step * pi) for height, step in steps) * 2 / 3


def _north(x: float, y: float) -> float:
    plain = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
    fine = _waves(x, (20, 6), (20, 2))
    return plain + fine + _waves(y, (20, 1), (40, 1 / 3)) + _waves(y, (160, 1 / 12), (320, 1 / 30))


def _east(x: float, y: float) -> float:
    plain = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
    fine = _waves(x, (20, 6), (20, 2))
    return plain + fine + _waves(x, (20, 1), (40, 1 / 3)) + _waves(x, (150, 1 / 12), (300, 1 / 30))
