"""Evidence: a bill of materials by the real syft, and provenance that only this platform's key signs."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from pave.adapters.evidence import FileAttestor
from pave.adapters.sandbox import probe
from pave.ports import Artifact
from pave.verdict.evidence import CheckOutcome, CheckResult, Provenance

DIGEST = f"sha256:{'a' * 64}"
NOW = datetime(2026, 12, 7, 12, tzinfo=UTC)
STATED = Provenance(
    DIGEST,
    "orders",
    "1" * 40,
    "run_1",
    "uv, Python 3.11",
    NOW,
    NOW,
    (CheckResult("tests", CheckOutcome.PASSED),),
    "b" * 64,
)


@pytest.fixture(scope="module")
def attestor(tmp_path_factory: pytest.TempPathFactory) -> FileAttestor:
    folder = tmp_path_factory.mktemp("attestor")
    return FileAttestor(folder / "keys", probe("", "nobody", folder / "etc"))


def test_a_signed_provenance_holds_and_says_where_it_comes_from(attestor: FileAttestor) -> None:
    found = attestor.verify(attestor.sign(STATED), DIGEST)
    assert (found.ok, found.repository, found.commit, found.run) == (True, "orders", "1" * 40, "run_1")
    assert found.statement["predicateType"] == "https://slsa.dev/provenance/v1"


def test_a_second_implementation_agrees(attestor: FileAttestor) -> None:
    """DSSE by hand: github.com/secure-systems-lab/dsse, protocol.md."""
    envelope = json.loads(attestor.sign(STATED))
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    key = load_pem_public_key(attestor.public_key.encode())
    key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)


def test_another_digest_another_key_and_a_changed_word_do_not_hold(attestor: FileAttestor, tmp_path: Path) -> None:
    envelope = attestor.sign(STATED)
    assert "another artifact" in attestor.verify(envelope, f"sha256:{'c' * 64}").reason
    stranger = FileAttestor(tmp_path / "keys", probe("", "nobody", tmp_path / "etc"))
    assert "this platform's key" in attestor.verify(stranger.sign(STATED), DIGEST).reason
    data = json.loads(envelope)
    data["payload"] = base64.b64encode(base64.b64decode(data["payload"]).replace(b"orders", b"payrol")).decode()
    assert not attestor.verify(json.dumps(data).encode(), DIGEST).ok
    assert attestor.verify(b"", DIGEST).reason == "there is no provenance"


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_whatever_it_is_given_it_says_no_and_never_raises(attestor: FileAttestor, data: st.DataObject) -> None:
    envelope = attestor.sign(STATED)
    cut = data.draw(st.integers(0, len(envelope) - 1))
    noise = data.draw(st.binary(min_size=0, max_size=20))
    assert not attestor.verify(envelope[:cut], DIGEST).ok
    assert not attestor.verify(noise, DIGEST).ok
    shapes = st.recursive(
        st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
    )
    assert not attestor.verify(json.dumps(data.draw(shapes)).encode(), DIGEST).ok


def test_the_key_is_made_once_and_is_nobody_elses(attestor: FileAttestor, tmp_path: Path) -> None:
    first = FileAttestor(tmp_path / "keys", attestor._sandbox)
    again = FileAttestor(tmp_path / "keys", attestor._sandbox)
    assert first.public_key == again.public_key
    (key,) = (tmp_path / "keys").iterdir()
    assert key.stat().st_mode & 0o077 == 0


def test_a_bill_of_materials_names_what_is_inside(attestor: FileAttestor, tmp_path: Path) -> None:
    site = tmp_path / "artifact" / ".venv" / "lib" / "python3.11" / "site-packages" / "idna-3.20.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: idna\nVersion: 3.20\nLicense: BSD-3-Clause\n")
    (site / "RECORD").write_text("")
    artifact = Artifact(DIGEST, 1, "python", {})
    said: list[str] = []
    made = attestor.bill_of_materials(artifact, tmp_path / "artifact", said.append, lambda: False)
    assert made == attestor.bill_of_materials(artifact, tmp_path / "artifact", said.append, lambda: False)
    bill = json.loads(made)
    assert bill["bomFormat"] == "CycloneDX"
    assert ("idna", "3.20") in [(one["name"], one["version"]) for one in bill["components"]]
    assert bill["metadata"]["component"]["hashes"][0]["content"] == "a" * 64
