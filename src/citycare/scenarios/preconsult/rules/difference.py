"""What became of the text offered: kept, changed, and how much writing that saved."""

from __future__ import annotations

import difflib

SECONDS_A_MINUTE = 60


def difference(offered: str, kept: str) -> str:
    """Return the unified diff from the text offered to the one kept; "" where they are the same.

    Source: ours; the form is that of GNU diff -u.
    """
    lines = difflib.unified_diff(
        offered.splitlines(), kept.splitlines(), "offered", "kept", lineterm=""
    )
    return "\n".join(lines)


def chars_kept(offered: str, kept: str) -> int:
    """Return how many characters of the text offered stand in the one kept, in their order.

    Source: ours; Ratcliff and Obershelp's matching, as `difflib` does it.
    """
    if offered == kept:
        return len(kept)
    matcher = difflib.SequenceMatcher(None, offered, kept, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks())


def seconds_saved(chars: int, chars_per_min: float) -> int:
    """Estimate the seconds of typing that so many characters would have cost; rounded down.

    Source: ours; the speed is the policy parameter `preconsult.typing.chars_per_min` (UNVERIFIED).
    """
    return int(chars * SECONDS_A_MINUTE / chars_per_min) if chars_per_min > 0 else 0
