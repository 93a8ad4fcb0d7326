"""Tokens, codes and secrets: made here, told once, kept only as hashes.

The beginning says what it is, so that a token is not looked for where it cannot be, and one that
leaked into a log or a repository is found by a search.

Source: RFC 6749 §10.10 (guessing); OWASP ASVS 5.0 §7 (from memory, UNVERIFIED numbering).
"""

from __future__ import annotations

import hashlib
import secrets

ACCESS, REFRESH, CODE, SECRET = "cca_", "ccr_", "ccc_", "ccs_"
BYTES = 32
CHARS_MAX = 100


def new(kind: str) -> str:
    """Make one with 256 random bits."""
    return kind + secrets.token_urlsafe(BYTES)


def hash_of(text: str) -> bytes:
    """Return what is stored of it."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def is_like(kind: str, text: str) -> bool:
    """Tell whether a text could be one of this kind at all."""
    return text.startswith(kind) and len(text) <= CHARS_MAX and text.isascii()
