"""What is depended on: known vulnerabilities, and licences.

An audit that cannot reach its database has looked at nothing and says so: "not scanned" is never "passed". That the
database cannot be reached is remembered for a while, so that not every push waits for it again.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from pave.adapters.build.recipe import TOOLS
from pave.adapters.checks.bench import Bench
from pave.adapters.sandbox import Mount, interpreter_mounts
from pave.verdict.evidence import CheckFinding, CheckOutcome, CheckResult

_AGAIN_SECONDS = 600.0
_PATIENCE = "4"
DENIED = re.compile(r"\b(AGPL|SSPL|Affero|Server Side Public|Commons Clause|BUSL|Business Source)", re.IGNORECASE)
"""Licences whose terms reach a service's own code, or forbid to offer it."""


class Audit:
    """Known vulnerabilities of the installed packages: pip-audit, npm audit.

    The same packages are looked up once in some minutes, whoever depends on them: a layer never changes.
    """

    def __init__(self) -> None:
        self._unreachable_until: dict[str, float] = {}
        self._known: dict[str, tuple[float, tuple[CheckFinding, ...]]] = {}

    def dependencies(self, bench: Bench) -> CheckResult:
        """Look them up."""
        language, layer = bench.installed.get("language"), bench.installed.get("layer")
        if language not in ("python", "node") or not layer:
            return bench.nothing("dependencies", "nothing is depended on")
        tool = f"pip-audit {importlib.metadata.version('pip-audit')}" if language == "python" else "npm audit"
        if time.monotonic() < self._unreachable_until.get(language, 0.0):
            return bench.not_scanned("dependencies", "the vulnerability database could not be reached lately", tool)
        found = self._found(bench, language, layer)
        if found is None:
            self._unreachable_until[language] = time.monotonic() + _AGAIN_SECONDS
            return bench.not_scanned("dependencies", "the vulnerability database cannot be reached from here", tool)
        outcome = CheckOutcome.FAILED if any(one.severity == "high" for one in found) else CheckOutcome.PASSED
        return bench.result("dependencies", outcome, f"{len(found)} known vulnerabilities", found, tool)

    def _found(self, bench: Bench, language: str, layer: str) -> tuple[CheckFinding, ...] | None:
        now = time.monotonic()
        self._known = {key: one for key, one in self._known.items() if one[0] > now}
        if layer in self._known:
            return self._known[layer][1]
        found = _pip_audit(bench, Path(layer)) if language == "python" else _npm_audit(bench)
        if found is not None:
            self._known[layer] = (now + _AGAIN_SECONDS, found)
        return found


def _pip_audit(bench: Bench, layer: Path) -> tuple[CheckFinding, ...] | None:
    site = next(iter(sorted(layer.glob("lib/python*/site-packages"))), None)
    if site is None:
        return ()
    argv = (sys.executable, "-I", "-B", "-m", "pip_audit", "--strict", "--format", "json", "--progress-spinner", "off")
    options = ("--path", "/packages", "--timeout", _PATIENCE, "--cache-dir", "/tmp/audit")  # noqa: S108 — a private one
    mounts = (Mount(site, "/packages"), *interpreter_mounts(packages=True))
    result = bench.scan((*argv, *options), mounts, network=True)
    report = _json(result.text)
    if not isinstance(report, dict) or any("skip_reason" in one for one in report.get("dependencies", ())):
        return None
    return tuple(
        CheckFinding(
            flaw["id"],
            f"{one['name']} {one['version']}: {flaw['description'][:200]}",
            "high",
            remedy=f"Use {one['name']} {' or '.join(flaw['fix_versions'])}." if flaw["fix_versions"] else "",
        )
        for one in report["dependencies"]
        for flaw in one.get("vulns", ())
    )


def _npm_audit(bench: Bench) -> tuple[CheckFinding, ...] | None:
    tools = tuple(Mount(Path(host), inside) for host, inside in bench.installed.get("tools", ()))
    mounts = tuple(Mount(Path(one), one) for one in bench.installed.get("mounts", ()))
    argv = (f"{TOOLS}/npm", "audit", "--json", f"--fetch-timeout={_PATIENCE}000", "--fetch-retries=0")
    report = _json(bench.scan(argv, (*tools, *mounts), network=True).text)
    if not isinstance(report, dict) or "vulnerabilities" not in report:
        return None
    words = {"critical": "high", "high": "high", "moderate": "medium"}
    return tuple(
        CheckFinding("npm", f"{name}: {one.get('severity')}", words.get(one.get("severity"), "low"), "package.json")
        for name, one in sorted(report["vulnerabilities"].items())
    )


def licences(bench: Bench) -> CheckResult:
    """The licences of what is installed; one whose terms reach the service fails."""
    layer = bench.installed.get("layer")
    if not layer:
        return bench.nothing("licences", "nothing is depended on")
    found = dict(_python(Path(layer)) if bench.installed.get("language") == "python" else _node(Path(layer)))
    findings = tuple(_findings(found))
    outcome = CheckOutcome.FAILED if any(one.severity == "high" for one in findings) else CheckOutcome.PASSED
    unknown = sum(not one for one in found.values())
    return bench.result(
        "licences", outcome, f"{len(found)} packages, {unknown} without a licence", findings, "metadata"
    )


def _findings(found: Mapping[str, str]) -> Iterator[CheckFinding]:
    for name, licence in sorted(found.items()):
        if DENIED.search(licence):
            remedy = "Replace it, or ask the platform's owners for an exception."
            yield CheckFinding("licence", f"{name} is under {licence}", "high", remedy=remedy)
        elif not licence:
            yield CheckFinding("licence", f"{name} does not say its licence", "low")


def _python(layer: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(layer.glob("lib/python*/site-packages/*.dist-info/METADATA")):
        said = HeaderParser().parsestr(path.read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0])
        classified = [one.rpartition(" :: ")[2] for one in said.get_all("Classifier", ()) if "License ::" in one]
        short = str(said.get("License", "")).split("\n", 1)[0].strip()
        text = str(said.get("License-Expression", "")) or ", ".join(classified) or (short if len(short) < 100 else "")
        yield f"{said.get('Name')} {said.get('Version')}", "" if text in ("UNKNOWN", "None") else text


def _node(layer: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((*layer.glob("*/package.json"), *layer.glob("@*/*/package.json"))):
        package = _json(path.read_text(encoding="utf-8", errors="replace"))
        if isinstance(package, dict) and package.get("name"):
            licence = package.get("license")
            text = str(licence.get("type", "")) if isinstance(licence, dict) else str(licence or "")
            yield f"{package['name']} {package.get('version', '')}", text


def _json(text: str) -> Any:
    start = text.find("{")
    try:
        return json.loads(text[start:]) if start >= 0 else None
    except json.JSONDecodeError:
        return None
