"""CityCare 城医通: one platform with which a city runs convenient care."""
