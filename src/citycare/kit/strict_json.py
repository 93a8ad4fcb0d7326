"""JSON from outside, read as every reader would read it, or not at all.

Source: RFC 8259 §4 (names), §6 (numbers), §7 (surrogates), §9 (limits); RFC 7493 (I-JSON) §2.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn


def loads(text: str) -> Any:
    """Read JSON; numbers with a point or an exponent as Decimal, with the digits they have.

    Two members of one name are refused: who takes the first and who takes the last of them would
    read two different things. So is half of a surrogate pair, which Python holds and nothing else.

    Raises:
        ValueError: it is none of this, is nested too deeply, or has a number that cannot be held.

    Source:
        RFC 7493 §2.1 (surrogates), §2.2 (numbers), §2.3 (names).
    """
    try:
        value = DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        raise ValueError("half of a surrogate pair") from error
    except ArithmeticError as error:
        raise ValueError("a number that cannot be held") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("two members of one name")
    return made


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_members)
