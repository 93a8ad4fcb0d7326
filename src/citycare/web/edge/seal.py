"""Sealed values: short facts that travel through the browser and come back unread and unchanged.

AES-256-GCM with the purpose as associated data, so a value sealed for one purpose opens for no
other. The key lies in the settings' home, readable by its owner alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from citycare.kit import keyfile

KEY_FILE = "web.key"
KEY_BYTES = 32
NONCE_BYTES = 12


def load_key(home: Path) -> bytes:
    """Return the web key of this installation; the first start makes it."""
    path = home / KEY_FILE
    key = keyfile.keep(path, lambda: secrets.token_bytes(KEY_BYTES))
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path} is not a key of {KEY_BYTES} bytes")
    return key


class Sealer:
    """Seals and opens values, and signs form tokens, with one key."""

    def __init__(self, key: bytes) -> None:
        """Derive one key per use, so that none serves two."""
        self._box = AESGCM(hmac.digest(key, b"seal", hashlib.sha256))
        self._sign = hmac.digest(key, b"sign", hashlib.sha256)

    def seal(self, purpose: str, value: object, now: datetime, life: timedelta) -> str:
        """Seal a JSON value for a purpose, for a time."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        until = int((now + life).timestamp())
        box = self._box.encrypt(nonce, orjson.dumps([until, value]), purpose.encode())
        return base64.urlsafe_b64encode(nonce + box).decode().rstrip("=")

    def open(self, purpose: str, sealed: str, now: datetime) -> Any | None:
        """Return the value, or None when it is broken, foreign or out of date."""
        try:
            raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
            plain = self._box.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError, binascii.Error):
            return None
        until, value = orjson.loads(plain)
        return value if now.timestamp() < until else None

    def sign(self, purpose: str, text: str) -> str:
        """Return a signature of text for a purpose."""
        return hmac.new(self._sign, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()

    def is_signed(self, purpose: str, text: str, signature: str) -> bool:
        """Tell in constant time whether the signature fits."""
        return hmac.compare_digest(self.sign(purpose, text).encode(), signature.encode())
