"""Sealed fields: they open for what they are about, under old keys too, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kit import keyring
from citycare.kit.keyfile import KeyFileWrong
from citycare.kit.keyring import SUITES, Key, Keyring, Unreadable

ABOUT = "identity.account.totp_secret/4711"
FIXED = Key("a256gcm", bytes(range(32)))
ring = Keyring(Path("fields.keys"), FIXED.line().encode())


TEXTS = st.text(alphabet=st.characters(codec="utf8"))


@given(TEXTS, TEXTS)
def test_what_was_sealed_opens_and_two_seals_differ(about: str, text: str) -> None:
    sealed = ring.seal(about, text)
    assert ring.open(about, sealed) == text
    assert ring.seal(about, text) != sealed


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_a_sealed_field_names_its_suite_and_key(tmp_path: Path, suite: str) -> None:
    fresh = keyring.open_ring(tmp_path)
    key = keyring.begin_key(tmp_path / "secrets" / "fields.keys", suite)
    sealed = keyring.open_ring(tmp_path).seal(ABOUT, "GEZDGNBV")
    assert sealed.startswith(f"{suite}.{key.id}.")
    assert "GEZDGNBV" not in sealed
    assert fresh.open(ABOUT, sealed) == "GEZDGNBV"  # it looked into the file again


def test_old_keys_go_on_opening_what_they_sealed(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "fields.keys"
    first = keyring.open_ring(tmp_path)
    sealed = [first.seal(ABOUT, "one")]
    for suite in ("a256gcm", "sm4gcm"):
        keyring.begin_key(path, suite)
        sealed.append(keyring.open_ring(tmp_path).seal(ABOUT, suite))
    now = keyring.open_ring(tmp_path)
    assert [now.open(ABOUT, one) for one in sealed] == ["one", "a256gcm", "sm4gcm"]
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(Unreadable, match=f"no key a256gcm.{first.newest.id}"):
        keyring.open_ring(tmp_path).open(ABOUT, sealed[0])


def test_a_value_moved_or_relabelled_or_changed_does_not_open() -> None:
    sealed = ring.seal(ABOUT, "GEZDGNBV")
    suite, key, nonce, body = sealed.split(".")
    other = "A" if body[5] != "A" else "B"
    with pytest.raises(Unreadable):
        ring.open("identity.account.totp_secret/4712", sealed)
    for wrong in (
        f"{suite}.{key}.{nonce}.{body[:5]}{other}{body[6:]}",
        f"{suite}.{key}.{nonce[:-2]}.{body}",
        f"{suite}.{key}.{nonce}.{body[:8]}",
        f"{suite}.{key}..{body}",
        f"{suite}.{key}.{nonce}.",
        "GEZDGNBVGY3TQOJQ",
        "",
    ):
        with pytest.raises(Unreadable):
            ring.open(ABOUT, wrong)


@given(st.text(alphabet=st.characters(codec="utf8"), max_size=80))
def test_no_text_is_a_fault(text: str) -> None:
    with pytest.raises(Unreadable):
        ring.open(ABOUT, f"{FIXED.label}{text}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# only words\n",
        b"short\n",
        FIXED.line().encode()[:-5],
        FIXED.line().replace("a256gcm", "a512gcm").encode(),
        FIXED.line().encode() + b"\xff\xff\n",
        Key("a256gcm", b"short").line().encode(),
    ],
)
def test_a_broken_key_file_says_so(content: bytes) -> None:
    with pytest.raises(KeyFileWrong, match=r"fields\.keys: .*see docs/runbook\.md"):
        Keyring(Path("fields.keys"), content)


def test_a_named_file_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(KeyFileWrong):
        keyring.open_ring(tmp_path, tmp_path / "mounted.keys")
    assert list(tmp_path.iterdir()) == []


def test_a_key_does_not_show_itself() -> None:
    assert "secret" not in repr(FIXED)


def test_a_known_value_of_today_opens_tomorrow() -> None:
    kept = "a256gcm.33826128.npup8DFTbrTiJkBU.rvaQ2WPRQTLspJ5OHTOaT1fXpUW78DAU"
    assert ring.open(ABOUT, kept) == "GEZDGNBV"
