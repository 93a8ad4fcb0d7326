"""Encrypting single fields for the database, under keys that lie in a file and can be changed.

A sealed field names its suite and its key, so that both can be changed while old values open:

    a256gcm.5d0c6f1e.<nonce>.<ciphertext and tag>        base64url without padding

`about` says whose value it is (`identity.account.totp_secret/<id>`); it is authenticated with the
suite and the key, so a value copied to another row, or relabelled, does not open.

The file has one key a line, `id suite secret`; the first seals, all open. The id is a fingerprint
of the secret, so a line that was mistyped is noticed. A key this process has not seen is looked
for in the file again: another process may have begun a new one.

Source: NIST SP 800-38D §8.2.2 (GCM, random nonces of 96 bits: at most 2^32 values a key); RFC 8998
(SM4-GCM).
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256, SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

from citycare.kit import keyfile
from citycare.kit.keyfile import KeyFileWrong

FILE = "fields.keys"
NONCE_BYTES = 12
TAG_BYTES = 16
PARTS = 4


@dataclass(frozen=True, slots=True)
class Suite:
    """A way to encrypt: the block cipher, in Galois counter mode."""

    cipher: Callable[[bytes], BlockCipherAlgorithm]
    key_bytes: int


SUITES = {"a256gcm": Suite(AES256, 32), "sm4gcm": Suite(SM4, 16)}
DEFAULT = "a256gcm"


class Unreadable(Exception):
    """A sealed field does not open: another key file, another row, or changed bytes."""


@dataclass(frozen=True, slots=True)
class Key:
    """One line of the file."""

    suite: str
    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """A fingerprint; it says nothing about the secret."""
        text = f"citycare field key {self.suite} ".encode()
        return hashlib.sha256(text + self.secret).hexdigest()[:8]

    @property
    def label(self) -> str:
        """What a sealed field begins with."""
        return f"{self.suite}.{self.id}."

    def line(self) -> str:
        """Write it down for the file."""
        return f"{self.id} {self.suite} {_text(self.secret)}\n"


class Keyring:
    """The keys of one file. `open_ring` makes it."""

    def __init__(self, path: Path, content: bytes) -> None:
        """Read the lines.

        Raises:
            KeyFileWrong: a line is not a key.
        """
        self._path = path
        self._keys = parse(path, content)

    @property
    def newest(self) -> Key:
        """The key that seals."""
        return self._keys[0]

    def seal(self, about: str, text: str) -> str:
        """Encrypt a text under the newest key."""
        key = self.newest
        nonce = secrets.token_bytes(NONCE_BYTES)
        box = Cipher(SUITES[key.suite].cipher(key.secret), GCM(nonce)).encryptor()
        box.authenticate_additional_data((key.label + about).encode())
        sealed = box.update(text.encode()) + box.finalize() + box.tag
        return f"{key.label}{_text(nonce)}.{_text(sealed)}"

    def open(self, about: str, sealed: str) -> str:
        """Decrypt what `seal` made about the same thing.

        Raises:
            Unreadable: it was not, or its key is not in the file.
        """
        parts = sealed.split(".")
        if len(parts) != PARTS:
            raise Unreadable("not a sealed field")
        key = self._find(f"{parts[0]}.{parts[1]}.")
        try:
            nonce, body = _bytes(parts[2]), _bytes(parts[3])
            tag = body[-TAG_BYTES:]
            box = Cipher(SUITES[key.suite].cipher(key.secret), GCM(nonce, tag)).decryptor()
            box.authenticate_additional_data((key.label + about).encode())
            return (box.update(body[:-TAG_BYTES]) + box.finalize()).decode()
        except (InvalidTag, ValueError) as error:
            raise Unreadable(f"key {key.id} does not open it") from error

    def _find(self, label: str) -> Key:
        known = {key.label: key for key in self._keys}
        if label not in known:
            try:
                self._keys = parse(self._path, keyfile.read(self._path))
            except KeyFileWrong as error:
                raise Unreadable(str(error)) from error
            known = {key.label: key for key in self._keys}
        if label not in known:
            raise Unreadable(f"no key {label[:40]} in {self._path.name}")
        return known[label]


def open_ring(home: Path, named: Path | None = None) -> Keyring:
    """Read the key file: the one named, which must be there, or the home's own, made if missing.

    Raises:
        KeyFileWrong: it cannot be used; the sentence says why.
    """
    if named is not None:
        return Keyring(named, keyfile.read(named))
    path = path_of(home)
    return Keyring(path, keyfile.keep(path, lambda: new_key().line().encode()))


def path_of(home: Path, named: Path | None = None) -> Path:
    """Return where the key file lies."""
    return named or home / "secrets" / FILE


def begin_key(path: Path, suite: str = DEFAULT) -> Key:
    """Put a new key before the others in a key file; from now on it seals.

    Raises:
        KeyFileWrong: the file cannot be used, or the suite is not there on this machine.
    """
    if suite not in SUITES:
        raise KeyFileWrong(f"there is no suite {suite}; take one of {', '.join(SUITES)}")
    key = new_key(suite)
    probe = Keyring(path, key.line().encode())
    try:
        probe.open("", probe.seal("", "probe"))
    except UnsupportedAlgorithm as error:
        raise KeyFileWrong(f"{suite} is not there on this machine; take {DEFAULT}") from error

    def put_first(old: bytes) -> bytes:
        parse(path, old)
        return key.line().encode() + old

    keyfile.change(path, put_first)
    return key


def new_key(suite: str = DEFAULT) -> Key:
    """Make a key from the system's generator."""
    return Key(suite, secrets.token_bytes(SUITES[suite].key_bytes))


def parse(path: Path, content: bytes) -> tuple[Key, ...]:
    """Read the lines of a key file.

    Raises:
        KeyFileWrong: a line is not a key, or there is none.
    """
    keys = []
    for number, line in enumerate(content.decode("ascii", "replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split()
        try:
            named, suite, secret = words
            key = Key(suite, _bytes(secret))
            fits = key.id == named and len(key.secret) == SUITES[suite].key_bytes
        except (ValueError, KeyError):
            fits = False
        if not fits:
            why = f"line {number} is not a key, or was changed"
            raise KeyFileWrong(f"{path}: {why}. {keyfile.NEXT}")
        keys.append(key)
    if not keys:
        raise KeyFileWrong(f"{path}: there is no key in it. {keyfile.NEXT}")
    return tuple(keys)


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
