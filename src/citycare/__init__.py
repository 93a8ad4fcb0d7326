"""CityCare 城医通: one platform with which a city runs convenient care."""

VERSION = "0.1.0"
"""Of the software; a test holds it to pyproject.toml."""
