"""Keys of the index: what a resource holds and what a query asks, as the same 64-bit numbers.

A key is the hash of its lane's name XOR the hash of a kind letter and a value, so that one who
knows a resource's own hash (`resource_hash`, a column of its row) has the key of every reference to
it by one XOR: chains, `_has` and includes can be said in SQL (`hash # lane`).

Functions for queries return the keys of which a resource must have one (`contained_keys`: all). An
empty tuple: no key decides; whoever has the lane is a candidate, and has to be rechecked (but of
`token_keys`: nothing can meet it). Where a docstring does not ask for a recheck, keys decide, but
for two values of one hash: among a thousand million keys, less than one search in 10⁹ meets that.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.8 to §3.1.1.4.17 (string, uri, token, reference, composite).
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

from citycare.kernel.fhir.definitions import RESOURCES
from citycare.kernel.fhir.searching import words as wording
from citycare.kernel.fhir.searching.model import Link, ParamType, Parts, Token
from citycare.kernel.fhir.searching.ways import Lane

Keys = tuple[int, ...]

CODE, CODED, SYSTEM, PHONE, OF_TYPE = "c", "t", "s", "p", "o"
RESOURCE, ADDRESS, URI, BELOW = "r", "a", "u", "b"
BEGINNING, PIECE, LONG, TEXT, TUPLE = "w", "g", "l", "x", "m"
COMPARTMENT, OWNER = "e", "f"
"""Kind letters; stored keys hold them, so that one is never given another meaning."""

WITH_SYSTEM = frozenset(("CodeableConcept", "Coding", "Identifier", "Reference"))
"""Types of which each value says its system, or has none; of a Reference: its identifier."""
GAP = "\x1f"  # between the parts of one value; R4 allows it in no text
FOLDERS_MAX = 32  # of an address, that are indexed for `:below`
LITERAL = re.compile(
    r"(?:(?P<base>.*)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.\-]{1,64})"
    r"(?:/_history/[A-Za-z0-9.\-]{1,64})?",
    re.ASCII,
)


SHORT = 256  # signs: only of such texts is anything remembered; long ones would fill memory


def value_hash(kind: str, value: str) -> int:
    """Return the signed 64-bit hash of a kind and a value; stored, so it never changes."""
    return (_hash if len(value) <= SHORT else _hash.__wrapped__)(kind, value)


@lru_cache(maxsize=65_536)
def _hash(kind: str, value: str) -> int:
    digest = blake2b((kind + value).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def key(lane: Lane, kind: str, value: str) -> int:
    """Return the key of one value in a lane."""
    return lane.hash ^ value_hash(kind, value)


def resource_hash(resource_type: str, id_: str) -> int:
    """Return the own hash of a resource: `resource_hash ^ lane.hash` is the key of links to it."""
    return value_hash(RESOURCE, f"{resource_type}/{id_}")


# Tokens


def coding_hashes(system: str, code: str) -> tuple[int, ...]:
    """Return the hashes of `code`, of `system|code`, and, where it has one, of `system|`."""
    short = len(system) + len(code) <= SHORT
    return (_coding_hashes if short else _coding_hashes.__wrapped__)(system, code)


@lru_cache(maxsize=65_536)
def _coding_hashes(system: str, code: str) -> tuple[int, ...]:
    hashes = value_hash(CODE, code), coded_hash(system, code)
    return (*hashes, value_hash(SYSTEM, system)) if system else hashes


def token_keys(lane: Lane, asked: Token) -> Keys:
    """Return the keys of `code`, `system|code`, `|code` or `system|`; exact.

    For `:not` none of them may be there; for `:in`, `:above` and `:below` the caller asks for each
    concept of the set. Empty: no value of this lane can meet it. Of a
    reference they are those of its `:identifier`, to be rechecked where the parameter's targets are
    fewer than the lane's (see `lanes_for`).

    Raises:
        ValueError: neither system nor code is asked for.
    """
    system, code = asked.system, asked.code
    if not system and code is None:
        raise ValueError("neither system nor code")
    if lane.kind in WITH_SYSTEM:
        return (lane.hash ^ _token_hash(system, code),)
    if lane.codes and system is not None:
        return _bound_keys(lane, system, code)
    if system or code is None:
        return ()  # no value of this type has a system
    if lane.kind == "ContactPoint":
        return key(lane, CODE, code), key(lane, PHONE, wording.phone(code))
    return (key(lane, CODE, code),)


def _token_hash(system: str | None, code: str | None) -> int:
    if code is None:
        return value_hash(SYSTEM, system or "")
    return value_hash(CODE, code) if system is None else coded_hash(system, code)


def coded_hash(system: str, code: str) -> int:
    """Return the hash of `system|code`, with `""` as system where there is none."""
    return value_hash(CODED, f"{system}{GAP}{code}")


def _bound_keys(lane: Lane, system: str, code: str | None) -> Keys:
    """Return the keys of a code whose system its required binding tells."""
    if code is None:
        some = [one for one, systems in lane.codes.items() if system in systems]
    else:
        systems = lane.codes.get(code, frozenset())
        some = [code] if (system in systems if system else not systems) else []
    return tuple(key(lane, CODE, one) for one in some)


def of_type_key(lane: Lane, asked: Parts) -> int:
    """Return the key of `system|code|value`, as Parts of two Tokens; exact.

    Raises:
        ValueError: it is something else.
    """
    match asked.parts:
        case (Token(system=str() as system, code=str() as code), Token(code=str() as number)):
            return lane.hash ^ of_type_hash(system, code, number)
    raise ValueError("not system|code|value")


def of_type_hash(system: str, code: str, number: str) -> int:
    """Return the hash of an identifier with one coding of its type."""
    return value_hash(OF_TYPE, f"{system}{GAP}{code}{GAP}{number}")


# Strings


def word_keys(lane: Lane, text: str) -> Keys:
    """Return the keys of a text that begins so, or has a word that does.

    Recheck what has no more than `long_key`, and all where `words.fold` of the text has more than
    16 signs. For `:exact` the same keys, and recheck all.
    """
    asked = wording.fold(text)
    if not asked:
        return ()
    return key(lane, BEGINNING, asked[: wording.BEGINNING_MAX]), long_key(lane)


def contained_keys(lane: Lane, text: str) -> Keys:
    """Return the keys of `:contains`, which must all be there, or `long_key`; recheck all."""
    asked = wording.fold(text)
    pieces = wording.pieces(asked) if asked else []
    return tuple(sorted({key(lane, PIECE, piece) for piece in pieces}))


def long_key(lane: Lane) -> int:
    """Return the key of a lane with texts too long to be indexed: recheck what is found by it."""
    return key(lane, LONG, "")


# Addresses


def uri_keys(lane: Lane, address: str) -> Keys:
    """Return the keys of an address; exact. Without version (`|2`) any version of a canonical."""
    return (key(lane, URI, address),)


def below_keys(lane: Lane, address: str) -> Keys:
    """Return the keys of an address and all below; exact of a urn.

    Recheck a URL that ends without `/`, or has more than FOLDERS_MAX of them.
    """
    same = key(lane, URI, address)
    if "://" not in address:
        return (same,)
    folders = folders_of(address)
    return (same, key(lane, BELOW, folders[-1])) if folders else ()


def above_keys(lane: Lane, address: str) -> Keys:
    """Return the keys of an address and all it is below of; recheck where a `|` is in it."""
    scheme = address.find("://")
    first = len(address) if scheme < 0 else scheme + len("://")
    ends = range(min(first, len(address)), len(address) + 1)
    return tuple(key(lane, URI, address[:end]) for end in ends)


def folders_of(address: str) -> list[str]:
    """Return the beginnings of a URL that end with `/`, from its host on, FOLDERS_MAX at most."""
    found: list[str] = []
    scheme = address.find("://")
    at = address.find("/", scheme + len("://")) if scheme >= 0 else -1
    while at >= 0 and len(found) < FOLDERS_MAX:
        found.append(address[: at + 1])
        at = address.find("/", at + 1)
    return found


# References


def reference_keys(lane: Lane, asked: Link, targets: frozenset[str] = frozenset()) -> Keys:
    """Return the keys of a link to a resource here, or to an address elsewhere; exact.

    Recheck an address where the parameter's targets are fewer than the lane's (see `lanes_for`).

    Args:
        lane: see there.
        asked: `types` are tried, or `targets` where it has none, or every type of R4.
        targets: of the parameter.
    """
    if asked.address:
        return (key(lane, ADDRESS, asked.address.partition("/_history/")[0]),)
    types = asked.types or targets or RESOURCES
    return tuple(lane.hash ^ resource_hash(one, asked.id) for one in sorted(types))


def target_of(text: str, base: str = "") -> tuple[str, str] | None:
    """Return type and id of the resource here that a reference as written leads to, if it does."""
    return _leads(text, base)[1]


def _leads(text: str, base: str) -> tuple[Keys, tuple[str, str] | None]:
    return (_lead if len(text) <= SHORT else _lead.__wrapped__)(text, base)


@lru_cache(maxsize=16_384)
def _lead(text: str, base: str) -> tuple[Keys, tuple[str, str] | None]:
    """Return the hashes of what a reference leads to, and what it is, if it is here."""
    if text[:1] == "#":
        return (), None
    found = LITERAL.fullmatch(text)
    if found is None or found["type"] not in RESOURCES:
        whole = value_hash(ADDRESS, text)
        if "|" in text and "?" not in text:
            return (whole, value_hash(ADDRESS, text.partition("|")[0])), None
        return (whole,), None
    if not found["base"] or found["base"] == base.rstrip("/"):
        target = found["type"], found["id"]
        return (resource_hash(*target),), target
    return (value_hash(ADDRESS, text.partition("/_history/")[0]),), None


def compartment_key(kind: str, hash_: int) -> int:
    """Return the key of what belongs to the compartment of a resource with this own hash."""
    return value_hash(COMPARTMENT, kind) ^ hash_


def owner_key(organisation_id: str) -> int:
    """Return the key of what this organisation wrote the newest version of."""
    return value_hash(OWNER, organisation_id)


def link_hashes(text: str, base: str = "") -> Keys:
    """Return the hashes of what a reference as written leads to; of what is contained, none.

    An address elsewhere counts without the version of a resource, and with and without that of a
    canonical.
    """
    return _leads(text, base)[0]


# Composites


def tuple_keys(lane: Lane, asked: Parts) -> Keys:
    """Return the keys of a composite of tokens and references, which are of one element; exact.

    Empty where there is a part of another type: ask for each part by its own parameter and recheck;
    also where a token is `system|`: recheck all that has the lane.
    """
    some: list[tuple[int, ...]] = [()]
    for part, value in zip(lane.parts, asked.parts, strict=True):
        if isinstance(value, Token) and value.code is not None:
            hashes: Keys = (_token_hash(value.system, value.code),)
        elif isinstance(value, Link):
            hashes = tuple(each ^ part.hash for each in reference_keys(part, value))
        else:
            return ()
        some = [(*before, each) for before in some for each in hashes]
    return tuple(tuple_key(lane, each) for each in some)


def tuple_key(lane: Lane, hashes: tuple[int, ...]) -> int:
    """Return the key of several values of one element, in the order of the parts."""
    return key(lane, TUPLE, GAP.join(map(str, hashes)))


POINTS = frozenset((ParamType.TOKEN, ParamType.REFERENCE))
"""Types of parts that are in the key of a composite."""
