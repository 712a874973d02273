"""The keys that people sign commits with: an annotation of a User, one public SSH key a line.

`spec` of a User is Backstage's own, so they stand in `metadata.annotations["pave.dev/signing-keys"]`, as in the
`.pub` file that `ssh-keygen` writes. Source of the form: RFC 4253 section 6.6, sshd(8) "AUTHORIZED_KEYS FILE FORMAT".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping

from pave.model.diagnostics import Diagnostic, Source, error
from pave.model.document import Document, show
from pave.model.entity import Entity
from pave.model.names import Ref

SIGNING_KEYS = "pave.dev/signing-keys"
TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
"""What a key may be; DSA is not among them, as it is not in OpenSSH any more."""

_PATH = ("metadata", "annotations", SIGNING_KEYS)
_REMEDY = "Write one key a line below `pave.dev/signing-keys: |`, as it stands in the .pub file: ssh-ed25519 AAAA…"


def signing_keys(entity: Entity) -> tuple[str, ...]:
    """The public keys of a user (`ssh-ed25519 AAAA…`, without comments); they were checked when it was read."""
    annotations = entity.metadata.get("annotations") or {}
    if entity.ref.kind != "user" or not isinstance(annotations, Mapping):
        return ()
    return tuple(" ".join(line.split()[:2]) for _, line in _lines(str(annotations.get(SIGNING_KEYS) or "")))


def signers(entities: Mapping[Ref, Entity]) -> dict[str, tuple[str, ...]]:
    """Whoever has keys, with them; a key that two people claim is nobody's."""
    keys = {str(ref): signing_keys(entity) for ref, entity in entities.items()}
    claimed = [key for found in keys.values() for key in set(found)]
    sole = {who: tuple(key for key in found if claimed.count(key) == 1) for who, found in keys.items() if found}
    return {who: found for who, found in sorted(sole.items()) if found}


def wrong_keys(document: Document) -> Iterator[Diagnostic]:
    """What is wrong with the keys of a User document, each with its line."""
    text = (document.data["metadata"].get("annotations") or {}).get(SIGNING_KEYS, "")
    for number, line in _lines(str(text)):
        problem = _problem(line)
        if problem:
            # A block of text knows where its first line stands; anything else is one line.
            first = document.places.get((*_PATH, 0))
            source = document.source(_PATH)
            source = Source(source.file, first[0] + number, 1) if first else source
            yield error(problem, remedy=_REMEDY, source=source, path=show(_PATH))


def shared_keys(entities: Iterable[Entity]) -> Iterator[Diagnostic]:
    """Keys that two users claim: nobody could tell who signed."""
    owners: dict[str, Ref] = {}
    for entity in entities:
        for key in signing_keys(entity):
            if owners.setdefault(key, entity.ref) != entity.ref:
                summary = (
                    f"{entity.ref.short} and {owners[key].short} have the same signing key, so it counts for neither"
                )
                yield error(
                    summary, remedy="Each person has keys of their own: remove it from one.", source=entity.source
                )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines()):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip()


def _problem(line: str) -> str:
    kind, _, rest = line.partition(" ")
    body, *comment = rest.split() or [""]
    if "PRIVATE KEY" in line:
        return "a private key does not belong here, or anywhere in Git: make a new one, and keep it to yourself"
    if kind not in TYPES:
        return f"{kind[:60]!r} is no kind of public SSH key: there are {', '.join(TYPES)}"
    if any(one in TYPES for one in comment):
        return "two keys stand in one line"
    try:
        fields = tuple(_fields(base64.b64decode(body, validate=True)))
    except (binascii.Error, ValueError):
        return f"the {kind} key is not whole"
    if len(fields) < 2 or fields[0] != kind.encode():
        return f"the {kind} key is not whole, or of another kind"
    return ""


def _fields(data: bytes) -> Iterator[bytes]:
    """The parts of a key, each with its length before it. Raises `ValueError` where one is cut off."""
    while data:
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise ValueError(size)
        yield data[4 : 4 + size]
        data = data[4 + size :]
