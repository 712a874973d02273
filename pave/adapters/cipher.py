"""Envelope encryption for what the database must not show: state, plans, secrets.

Each body gets a data key of its own, sealed under the master key, so rotation means re-sealing small
keys and not every body. It refuses bytes that were moved to another context as well as changed ones.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pave.model.diagnostics import Refused, error

_MAGIC = b"PV1"
_ID_BYTES = 8
_NONCE_BYTES = 12
_KEY_BYTES = 32
_TAG_BYTES = 16
_HEADER = struct.Struct(f">3s{_ID_BYTES}s{_NONCE_BYTES}s{_KEY_BYTES + _TAG_BYTES}s{_NONCE_BYTES}s")


class FileCipher:
    """Implements `pave.ports.Cipher` with AES-256-GCM and master keys in files.

    A sealed body is: magic, id of the master key, nonce and sealed data key, nonce, sealed text.
    `folder` holds one 32-byte file `<id>.key` per master key and `current`, which names the one that seals.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keys: dict[bytes, AESGCM] = {}
        self._current = self._load_current()

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt; `context` (such as `state/dev/orders`) must be given again to open."""
        data_key = secrets.token_bytes(_KEY_BYTES)
        outer, inner = secrets.token_bytes(_NONCE_BYTES), secrets.token_bytes(_NONCE_BYTES)
        bound = self._current + context.encode()
        sealed_key = self._key(self._current).encrypt(outer, data_key, b"key:" + bound)
        header = _HEADER.pack(_MAGIC, self._current, outer, sealed_key, inner)
        return header + AESGCM(data_key).encrypt(inner, plain, b"body:" + bound)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt; raises `ValueError` where the bytes or the context are not the same."""
        if len(sealed) < _HEADER.size or not sealed.startswith(_MAGIC):
            raise ValueError("these bytes were not sealed by Pave")
        _, key_id, outer, sealed_key, inner = _HEADER.unpack_from(sealed)
        bound = key_id + context.encode()
        try:
            data_key = self._key(key_id).decrypt(outer, sealed_key, b"key:" + bound)
            return AESGCM(data_key).decrypt(inner, sealed[_HEADER.size :], b"body:" + bound)
        except InvalidTag as problem:
            raise ValueError("the sealed bytes or their context were changed") from problem

    def rotate(self) -> None:
        """Seal with a new master key from now on; what was sealed before still opens."""
        self._current = self._make_key()
        _write(self._folder / "current", self._current.hex().encode())

    def derive(self, purpose: str) -> bytes:
        """32 bytes for `purpose` that stay the same, made from the first master key (`root.key`)."""
        path = self._folder / "root.key"
        _write_once(path, secrets.token_bytes(_KEY_BYTES))
        return hashlib.blake2b(purpose.encode(), key=path.read_bytes(), digest_size=32).digest()

    def _load_current(self) -> bytes:
        named = self._folder / "current"
        if not named.exists():
            # Two first starts may meet here: whoever names its key first wins, the other key is never used.
            _write_once(named, self._make_key().hex().encode())
        return bytes.fromhex(named.read_text())

    def _make_key(self) -> bytes:
        key_id = secrets.token_bytes(_ID_BYTES)
        _write(self._folder / f"{key_id.hex()}.key", secrets.token_bytes(_KEY_BYTES))
        return key_id

    def _key(self, key_id: bytes) -> AESGCM:
        if key_id not in self._keys:
            path = self._folder / f"{key_id.hex()}.key"
            try:
                key = path.read_bytes()
            except FileNotFoundError as problem:
                raise Refused(
                    error(
                        f"The master key {key_id.hex()} is not there",
                        detail=f"Something in the database was sealed with it; {path} is missing.",
                        remedy="Restore the folder keys/ from the backup that belongs to this database.",
                    )
                ) from problem
            if len(key) != _KEY_BYTES:
                raise Refused(error(f"{path} is not a key of {_KEY_BYTES} bytes", remedy="Restore it from a backup."))
            self._keys[key_id] = AESGCM(key)
        return self._keys[key_id]


def _write(path: Path, content: bytes) -> None:
    temporary = _temporary(path, content)
    temporary.replace(path)
    _sync(path.parent)


def _write_once(path: Path, content: bytes) -> None:
    if path.exists():
        return
    temporary = _temporary(path, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    _sync(path.parent)


def _temporary(path: Path, content: bytes) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # made with mode 0600
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
