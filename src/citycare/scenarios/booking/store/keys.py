"""The key file of booking, and sealing the seed of a draw under it.

Whoever reads the database (a dump, a replica, a curious administrator) cannot open the seed of a
running draw: it is AES-256-GCM under a key that lies in `home/secrets/booking.key` (mode 0600),
bound to the draw's id. Whoever reads that file as well can; against them stands the beacon (see
docs/scenarios/draw.md). The file belongs in the backup: without it an open draw cannot be drawn.

Source: NIST SP 800-38D (GCM); RFC 5869 (HKDF: one file, three keys).
"""

from __future__ import annotations

import secrets
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from citycare.kit import keyfile
from citycare.scenarios.booking.model.draw import Keys, SeedUnreadable

FILE = "booking.key"
KEY_BYTES = 32
NONCE_BYTES = 12


def read_keys(home: Path) -> Keys:
    """Read the key file, or make it on the first start, and derive the keys from it."""
    root = keyfile.keep(home / "secrets" / FILE, lambda: secrets.token_bytes(KEY_BYTES))
    if len(root) != KEY_BYTES:
        raise SeedUnreadable(file=FILE)
    return Keys(*(_derive(root, use) for use in (b"seal", b"public", b"queue")))


def _derive(root: bytes, use: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, None, b"citycare booking " + use).derive(root)


def new_seed() -> bytes:
    """Return 32 bytes from the system's generator."""
    return secrets.token_bytes(KEY_BYTES)


def seal(keys: Keys, draw_id: UUID, seed: bytes) -> bytes:
    """Encrypt a seed for the database: nonce, then ciphertext and tag."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(keys.seal).encrypt(nonce, seed, draw_id.bytes)


def unseal(keys: Keys, draw_id: UUID, sealed: bytes) -> bytes:
    """Decrypt a sealed seed, or raise SeedUnreadable when the key file is another one."""
    nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return AESGCM(keys.seal).decrypt(nonce, body, draw_id.bytes)
    except InvalidTag as error:
        raise SeedUnreadable(draw=draw_id) from error
