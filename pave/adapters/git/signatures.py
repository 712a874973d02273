"""Commit signatures, by the real `git` and `ssh-keygen`, in a repository that is nobody's.

Git runs in an empty folder of its own and sees nothing of the repository but its objects: no configuration, no
replaced objects, no hook. What is checked, with which keys and by which program is said on the command line, which
is stronger than any file. Source: git-log(1) `%G?`, git-config(1) `gpg.*`, ssh-keygen(1) "ALLOWED SIGNERS".
"""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path

from pave.adapters.subprocesses import PATH, Command, find, run
from pave.apply.retry import Transient
from pave.model.diagnostics import error
from pave.model.names import Ref
from pave.verdict.evidence import Signature, SignatureState

Keys = tuple[tuple[str, tuple[str, ...]], ...]
"""Who has which public keys, sorted."""

_SECONDS = 20.0
_SSH = "-----BEGIN SSH SIGNATURE-----"
_KINDS = {"-----BEGIN PGP": "OpenPGP", "-----BEGIN SIGNED MESSAGE-----": "X.509"}


class Signatures:
    """Looks at signatures; what was found is kept, because it follows from the commit and the keys alone."""

    def __init__(self, program: str) -> None:
        self._program = program or "git"
        self._asked = lru_cache(maxsize=4096)(self._ask)

    def of(self, raw: bytes, commit: str, objects: Path, keys: Keys) -> Signature:
        """The signature of the commit object `raw`, called `commit`, that lies in the folder `objects`."""
        header = raw.partition(b"\n\n")[0].decode(errors="replace").split("\n")
        signed = next((line.removeprefix("gpgsig ") for line in header if line.startswith("gpgsig ")), "")
        if not signed:
            return Signature(SignatureState.UNSIGNED, reason="not signed")
        if not signed.startswith(_SSH):
            kind = next((name for begin, name in _KINDS.items() if signed.startswith(begin)), "something unknown")
            return Signature(SignatureState.NOT_CHECKED, reason=f"signed with {kind}, not checked")
        return self._asked(commit, objects, keys)

    def _ask(self, commit: str, objects: Path, keys: Keys) -> Signature:
        environment = {
            "PATH": os.environ.get("PATH", PATH),
            "HOME": "/",
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_OBJECT_DIRECTORY": str(objects),
        }
        keygen = find("ssh-keygen", environment)
        if not keygen:
            return Signature(SignatureState.NOT_CHECKED, reason="signed with SSH, not checked: no ssh-keygen here")
        with tempfile.TemporaryDirectory(prefix="pave-signature-") as name:
            folder = Path(name)
            for part in ("refs", "objects"):
                (folder / part).mkdir()
            (folder / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
            lines = (f'{who} namespaces="git" {key}\n' for who, known in keys for key in known)
            (folder / "signers").write_text("".join(lines), encoding="utf-8")
            settings = {
                "gpg.ssh.allowedSignersFile": str(folder / "signers"),
                "gpg.ssh.program": keygen,
                "gpg.ssh.revocationFile": "",
                "gpg.minTrustLevel": "undefined",
                "gpg.program": "/bin/false",
                "gpg.x509.program": "/bin/false",
                "core.hooksPath": "/dev/null",
                "log.showSignature": "false",
            }
            options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
            told = ("log", "--no-walk", "-1", "--no-color", "--format=%G?%x00%GS%x00%GF", commit)
            argv = (self._program, "--git-dir", name, *options, *told)
            found = run(Command(argv, folder, environment, seconds=_SECONDS, output_bytes=10_000, apart=True))
        if found.timed_out:
            raise Transient(
                error(f"Looking at the signature of {commit[:7]} took too long", remedy="It is tried again.")
            )
        return _signature(found.output.decode(errors="replace").strip("\n").split("\0"))


def _signature(told: list[str]) -> Signature:
    word, signer, key = told if len(told) == 3 else ("E", "", "")
    if word == "G" and signer:
        return Signature(SignatureState.VERIFIED, signer, key, f"signed by {Ref.parse(signer, kind='user').short}")
    if word in ("G", "U"):
        return Signature(SignatureState.UNKNOWN_KEY, "", key, f"signed with {key}, which is no user's key")
    if word == "B":
        return Signature(SignatureState.BAD, "", key, "its signature does not fit it")
    return Signature(SignatureState.NOT_CHECKED, "", key, "signed with SSH, but git could not check it")
