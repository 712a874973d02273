from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pave.adapters.cipher import FileCipher
from pave.model.diagnostics import Refused


def test_what_is_sealed_opens_again_and_nowhere_else(tmp_path: Path) -> None:
    cipher = FileCipher(tmp_path / "keys")
    sealed = cipher.seal(b"password", "state/dev/orders")
    assert b"password" not in sealed
    assert cipher.seal(b"password", "state/dev/orders") != sealed
    assert FileCipher(tmp_path / "keys").open(sealed, "state/dev/orders") == b"password"
    with pytest.raises(ValueError, match="changed"):
        cipher.open(sealed, "state/dev/billing")
    with pytest.raises(ValueError, match="not sealed"):
        cipher.open(b"password", "state/dev/orders")


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    cipher = FileCipher(tmp_path / "keys")
    sealed = cipher.seal(b"x", "c")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises((ValueError, Refused)):
            cipher.open(bytes(changed), "c")


def test_rotation_keeps_the_old_readable_and_seals_with_the_new(tmp_path: Path) -> None:
    cipher = FileCipher(tmp_path / "keys")
    old = cipher.seal(b"old", "c")
    key_of_old = sorted((tmp_path / "keys").glob("*.key"))
    cipher.rotate()
    new = cipher.seal(b"new", "c")
    again = FileCipher(tmp_path / "keys")
    assert (again.open(old, "c"), again.open(new, "c")) == (b"old", b"new")
    key_of_old[0].unlink()
    with pytest.raises(Refused, match="backup"):
        FileCipher(tmp_path / "keys").open(old, "c")


def test_keys_are_private_and_made_once_by_many(tmp_path: Path) -> None:
    made: list[FileCipher] = []
    threads = [threading.Thread(target=lambda: made.append(FileCipher(tmp_path / "keys"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealed = [cipher.seal(b"x", "c") for cipher in made]
    assert {made[0].open(one, "c") for one in sealed} == {b"x"}
    assert len({one[3:11] for one in sealed}) == 1
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "keys").iterdir()} == {0}
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    assert made[0].derive("state") == made[7].derive("state") != made[0].derive("plans")
