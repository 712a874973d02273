"""Commit signatures by the real git and ssh-keygen, also where a repository tries to have a say in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pygit2
import pytest

from pave.adapters.git.services import GitRepositories
from pave.model.diagnostics import Unknown
from pave.verdict.evidence import CheckOutcome, Signature, SignatureState

DANA = "user:default/dana"


@dataclass
class Desk:
    """A developer's working copy with keys of their own, and the store that it is pushed to."""

    folder: Path
    repositories: GitRepositories

    def git(self, *arguments: str, stdin: bytes | None = None) -> str:
        who = ("-c", "user.name=Dana", "-c", "user.email=dana@example.com")
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", *who, *arguments]
        at = self.folder / "orders"
        done = subprocess.run(command, cwd=at, env=environment, input=stdin, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def key(self, name: str, kind: str = "ed25519") -> str:
        """A new key; its public half."""
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(self.folder / name)]
        subprocess.run(command, check=True, capture_output=True)
        return " ".join((self.folder / f"{name}.pub").read_text().split()[:2])

    def commit(self, key: str = "") -> str:
        """An empty commit, signed with the key called `key`, pushed; its id."""
        sign = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={self.folder / key}") if key else ()
        self.git(*sign, "commit", "--quiet", "--allow-empty", "-m", "More", *(["-S"] if key else []))
        return self.pushed(self.git("rev-parse", "HEAD"))

    def forged(self, text: str, commit: str = "HEAD") -> str:
        """The commit with other words in it and the signature as it is."""
        raw = self.git("cat-file", "commit", commit).replace("\n\nMore", f"\n\n{text}") + "\n"
        return self.pushed(self.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.encode()))

    def pushed(self, commit: str) -> str:
        self.git("push", "--quiet", "--force", str(self.repositories.path("orders")), f"{commit}:refs/heads/pushed")
        return commit

    def signature(self, commit: str, **keys: str) -> Signature:
        """What Pave says, when the catalog has these keys by user."""
        known = {f"user:default/{who}": [key] for who, key in keys.items()}
        return self.repositories.signature("orders", commit, known)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    repositories = GitRepositories(tmp_path / "repositories")
    repositories.create("orders", {"README": b"hello\n"}, "Begin", "user:default/dana")
    desk = Desk(tmp_path, repositories)
    command = ["git", "-c", "safe.directory=*", "clone", "--quiet", str(repositories.path("orders")), "orders"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return desk


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_known_key_says_who_signed(desk: Desk, kind: str) -> None:
    key = desk.key("dana", kind)
    found = desk.signature(desk.commit("dana"), kim=desk.key("kim"), dana=key)
    assert (found.state, found.signer, found.reason) == (SignatureState.VERIFIED, DANA, "signed by user:dana")
    assert found.key.startswith("SHA256:")
    assert found.as_check().outcome is CheckOutcome.PASSED


def test_no_signature_an_unknown_key_and_words_that_were_changed_are_told_apart(desk: Desk) -> None:
    dana, stranger = desk.key("dana"), desk.key("stranger")
    assert desk.signature(desk.commit(), dana=dana).state is SignatureState.UNSIGNED
    signed = desk.commit("stranger")
    unknown = desk.signature(signed, dana=dana)
    assert (unknown.state, unknown.signer) == (SignatureState.UNKNOWN_KEY, "")
    assert "which is no user's key" in unknown.reason
    assert desk.signature(signed).state is SignatureState.UNKNOWN_KEY, "also where nobody has a key"
    assert desk.signature(signed, kim=stranger).signer == "user:default/kim", "a key that is added counts at once"
    assert desk.signature(signed, dana=dana).state is SignatureState.UNKNOWN_KEY, "and one that is removed no more"
    bad = desk.signature(desk.forged("Evil"), kim=stranger)
    assert (bad.state, bad.signer, bad.as_check().outcome) == (SignatureState.BAD, "", CheckOutcome.FAILED)
    with pytest.raises(Unknown):
        desk.signature("0" * 40)


def test_what_was_signed_as_something_else_is_no_signature_of_a_commit(desk: Desk) -> None:
    """The same bytes signed as a file: an attacker may get that from a person more easily."""
    key = desk.key("dana")
    raw = desk.git("cat-file", "commit", "HEAD") + "\n"
    (desk.folder / "payload").write_text(raw)
    command = ["ssh-keygen", "-Y", "sign", "-n", "file", "-f", str(desk.folder / "dana"), str(desk.folder / "payload")]
    subprocess.run(command, check=True, capture_output=True)
    armor = (desk.folder / "payload.sig").read_text().rstrip("\n").replace("\n", "\n ")
    head, _, message = raw.partition("\n\n")
    signed = f"{head}\ngpgsig {armor}\n\n{message}"
    commit = desk.pushed(desk.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed.encode()))
    assert not desk.signature(commit, dana=key).ok


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        ("-----BEGIN PGP SIGNATURE-----", "signed with OpenPGP, not checked"),
        ("-----BEGIN SIGNED MESSAGE-----", "signed with X.509, not checked"),
        ("-----BEGIN SOMETHING-----", "signed with something unknown, not checked"),
    ],
)
def test_what_cannot_be_checked_never_counts_as_signed(desk: Desk, begin: str, said: str) -> None:
    head, _, message = (desk.git("cat-file", "commit", "HEAD") + "\n").partition("\n\n")
    signed = f"{head}\ngpgsig {begin}\n \n iQ==\n {begin.replace('BEGIN', 'END')}\n\n{message}"
    commit = desk.pushed(desk.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed.encode()))
    found = desk.signature(commit, dana=desk.key("dana"))
    assert (found.state, found.reason) == (SignatureState.NOT_CHECKED, said)
    assert found.as_check().outcome is CheckOutcome.NOT_SCANNED


def test_without_ssh_keygen_nothing_is_verified(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    key, commit = desk.key("dana"), desk.commit("dana")
    only_git = desk.folder / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(only_git))
    assert desk.signature(commit, dana=key).state is SignatureState.NOT_CHECKED


def test_a_repository_has_no_say_in_how_it_is_checked(desk: Desk) -> None:
    """Its configuration would run a program, trust a key and put another commit in the place of this one."""
    dana, stranger = desk.key("dana"), desk.key("stranger")
    honest, theirs = desk.commit("dana"), desk.commit("stranger")
    canary, store = desk.folder / "canary", desk.repositories.path("orders")
    program = desk.folder / "program"
    program.write_text(
        f"#!/bin/sh\ntouch {canary}\necho 'Good \"git\" signature for {DANA} with ED25519 key SHA256:x'\n"
    )
    program.chmod(0o755)
    (desk.folder / "trusted").write_text(f"{DANA} {stranger}\n")
    with (store / "config").open("a") as configuration:
        configuration.write(
            f'[gpg]\n\tformat = ssh\n\tprogram = {program}\n[gpg "ssh"]\n\tprogram = {program}\n'
            f"\tallowedSignersFile = {desk.folder / 'trusted'}\n\tdefaultKeyCommand = {program}\n"
            f"[core]\n\tfsmonitor = {program}\n\tpager = {program}\n[log]\n\tshowSignature = true\n"
        )
    (store / "refs" / "replace").mkdir()
    (store / "refs" / "replace" / theirs).write_text(f"{honest}\n")
    assert pygit2.Repository(str(store)).references[f"refs/replace/{theirs}"].target == honest
    assert desk.signature(theirs, dana=dana).state is SignatureState.UNKNOWN_KEY
    assert desk.signature(honest, dana=dana).ok
    assert not canary.exists()
