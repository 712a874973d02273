"""Signing keys in the catalog: what is no public key is said with its file and line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.model.backstage import read_entities
from pave.model.signing import shared_keys, signers, signing_keys

DANA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
KIM = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP9jX0WQ3XpR2Q7cHtYw3WJ0q5Yb1n8Zk6bq3o8h2K4d"
USER = """\
apiVersion: backstage.io/v1alpha1
kind: User
metadata:
  name: {name}
  annotations:
    pave.dev/signing-keys: {keys}
spec: {{memberOf: [platform]}}
"""


def read(keys: str, name: str = "dana"):
    return read_entities(USER.format(name=name, keys=keys).encode(), "catalog/people.yaml", lambda _: None)


def block(*lines: str) -> str:
    return "|" + "".join(f"\n      {line}" for line in lines)


def test_each_line_is_a_key_with_or_without_a_comment() -> None:
    [dana], problems = read(block(f"{DANA} dana@laptop", "", "# the other machine", KIM))
    assert problems == ()
    assert signing_keys(dana) == (DANA, KIM)
    assert signers({dana.ref: dana}) == {"user:default/dana": (DANA, KIM)}


@pytest.mark.parametrize(
    ("keys", "line", "said"),
    [
        (block(DANA, "ssh-ed25519 AAAA"), 8, "is not whole"),
        (block(DANA, "", DANA[:-8]), 9, "is not whole"),
        (block(DANA.replace("ssh-ed25519 ", "ssh-rsa ")), 7, "of another kind"),
        (block("-----BEGIN OPENSSH PRIVATE KEY-----"), 7, "a private key does not belong here"),
        (block(f'cert-authority,namespaces="*" {DANA}'), 7, "is no kind of public SSH key"),
        (block("ssh-dss AAAAB3NzaC1kc3M="), 7, "is no kind of public SSH key"),
        (block(f"* {DANA}"), 7, "is no kind of public SSH key"),
        (f"{DANA} {KIM}", 6, "two keys stand in one line"),
        ('"ssh-ed25519"', 6, "is not whole"),
        ("nothing", 6, "'nothing' is no kind of public SSH key"),
    ],
)
def test_what_is_no_key_is_refused_with_its_line(keys: str, line: int, said: str) -> None:
    entities, [problem] = read(keys)
    assert entities == ()
    assert said in problem.summary
    assert (problem.source.file, problem.source.line) == ("catalog/people.yaml", line)
    assert problem.path == "metadata.annotations.'pave.dev/signing-keys'"
    assert "one key a line" in problem.remedy


def test_a_key_that_two_people_claim_is_nobodys() -> None:
    [dana], _ = read(block(DANA))
    [kim], _ = read(block(DANA, KIM), "kim")
    assert signers({one.ref: one for one in (dana, kim)}) == {"user:default/kim": (KIM,)}
    [problem] = shared_keys([dana, kim])
    assert problem.summary == "user:kim and user:dana have the same signing key, so it counts for neither"


def test_only_a_user_has_keys() -> None:
    text = USER.format(name="orders", keys=block(DANA)).replace("kind: User", "kind: Group")
    text = text.replace("memberOf: [platform]", "type: team, children: []")
    [group], problems = read_entities(text.encode(), "catalog/teams.yaml", lambda _: None)
    assert problems == ()
    assert signing_keys(group) == ()


@given(st.text(max_size=200))
def test_whatever_passes_as_a_key_is_three_words_at_most_of_a_known_kind(text: str) -> None:
    shown = "".join(one if one.isprintable() and one not in '\\"' else "x" for one in text)
    entities, _ = read(f'"{shown}"')
    for entity in entities:
        for key in signing_keys(entity):
            assert key.split()[0] in ("ssh-ed25519", "ssh-rsa") or key.startswith(("ecdsa-", "sk-"))
