"""The stages between a commit and its artifact: `verify`, `check`, `sbom` and `provenance`.

What was found is kept by commit, so that the same commit is not checked twice; what did not pass is.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from pave.apply.retry import ApplyError
from pave.apply.run import ORDER, StepState
from pave.engine.delivery.signatures import signature_of
from pave.engine.work import Skipped, Work
from pave.model.diagnostics import Diagnostic, Refused, Source, error
from pave.model.workload import Workload
from pave.request.intent import ImportComponent
from pave.verdict.evidence import SIGNATURE, CheckFinding, CheckOutcome, CheckResult, Provenance

_KEPT = (CheckOutcome.PASSED, CheckOutcome.NOT_APPLICABLE)
_POSITION = ORDER.index("check")
_SHOWN = 10


def verify(work: Work) -> dict[str, Any]:
    """Where the commit comes from, and who vouches for it. Raises `Refused` for one that no branch leads to.

    What its signature is worth is recorded as a check of the commit; whether it has to be worth anything says the
    environment (`deploy.signature`), and a guardrail judges that.
    """
    made = work.output("source")
    if not made.get("commit"):
        raise Skipped("It is not about a commit of a service")
    repositories, name, commit = work.world.repositories, made["repository"], made["commit"]
    found = repositories.resolve(name, commit)
    branches = [
        branch
        for branch, head in sorted(repositories.branches(name).items())
        if repositories.contains(name, commit, head)
    ]
    if not branches:
        raise Refused(
            error(
                f"{commit[:7]} is on no branch of {name}",
                remedy="Push the branch that it belongs to, then deploy it.",
                address=work.run.subject,
            )
        )
    signature = signature_of(work.world, name, commit)
    work.world.evidence.put_check(name, commit, signature.as_check(), work.run.id)
    work.world.runs.journal(
        work.run, "verify", SIGNATURE, StepState.DONE, position=ORDER.index("verify"), detail=signature.reason[:300]
    )
    return {
        "branches": branches[:_SHOWN],
        "author": found.author,
        "committed_at": found.at.isoformat(),
        "signature": signature.as_data(),
    }


def check(work: Work) -> dict[str, Any]:
    """Install, then run every check that has not passed for this commit before, side by side."""
    made = work.output("source")
    if not made.get("commit"):
        raise Skipped("It is not about a commit of a service")
    repository, commit = made["repository"], made["commit"]
    before = [one for one in work.world.evidence.checks(repository, commit) if one.name != SIGNATURE]
    known = {one.name: one for one in before if one.outcome in _KEPT}
    for name in work.world.checker.names:
        if name in known:
            _journal(work, name, StepState.DONE, f"{known[name].summary} (this commit was checked before)")
    names = [name for name in work.world.checker.names if name not in known]
    found = [*known.values(), *(_run(work, repository, commit, names) if names else ())]
    failed = [one for one in found if one.outcome is CheckOutcome.FAILED]
    told = {one.name: one.outcome.value for one in sorted(found, key=lambda one: one.name)}
    if failed and isinstance(work.run.request.intent, ImportComponent):
        work.report("What is taken in is taken in as it is: from its next commit on, these checks count")
    elif failed:
        raise Refused(*(diagnostic for one in failed for diagnostic in diagnostics(one)))
    return {"checks": told}


def _run(work: Work, repository: str, commit: str, names: list[str]) -> list[CheckResult]:
    world = work.world
    workload = world.snapshots.inspection(repository, commit).workload
    with tempfile.TemporaryDirectory(dir=world.scratch, prefix="check-") as folder:
        checkout = Path(folder) / "source"
        world.repositories.export(repository, commit, checkout)
        _journal(work, "install", StepState.RUNNING)
        installed = _install(work, checkout, workload)
        work.check()

        def one(name: str) -> CheckResult:
            _journal(work, name, StepState.RUNNING)
            began = time.monotonic()
            try:
                result = world.checker.run(name, checkout, installed, partial(_say, work, name), work.cancel)
            except Refused as refused:
                found = tuple(CheckFinding(name, item.summary, remedy=item.remedy) for item in refused.diagnostics)
                summary = refused.diagnostics[0].summary
                result = CheckResult(name, CheckOutcome.FAILED, summary, "", found, time.monotonic() - began)
            world.evidence.put_check(repository, commit, result, work.run.id)
            state = StepState.FAILED if result.outcome is CheckOutcome.FAILED else StepState.DONE
            _journal(work, name, state, f"{result.outcome.value.replace('-', ' ')}: {result.summary}", result.as_data())
            return result

        with ThreadPoolExecutor(len(names), thread_name_prefix="check") as pool:
            return list(pool.map(one, names))


def _install(work: Work, checkout: Path, workload: Workload | None) -> Mapping[str, Any]:
    """What the checks need; a repository that is taken in as it is may lack it."""
    _journal(work, "install", StepState.RUNNING)
    try:
        installed = work.world.checker.install(checkout, workload, work.report, work.cancel)
    except (Refused, ApplyError) as problem:
        _journal(work, "install", StepState.FAILED, str(problem).split("\n", 1)[0])
        if isinstance(problem, Refused) and isinstance(work.run.request.intent, ImportComponent):
            return {}
        raise
    _journal(work, "install", StepState.DONE)
    return installed


def _say(work: Work, name: str, line: str) -> None:
    work.report(f"{name}: {line}")


def _journal(work: Work, name: str, state: StepState, detail: str = "", data: dict[str, Any] | None = None) -> None:
    shown = {key: value for key, value in (data or {}).items() if key in ("outcome", "tool", "findings")}
    work.world.runs.journal(
        work.run, "check", name, state, position=_POSITION, detail=detail[:300], **({"output": shown} if shown else {})
    )
    type_ = "step.started" if state is StepState.RUNNING else "step.finished"
    work.emit(type_, step="check", check=name, state=state, detail=detail[:300])


def diagnostics(result: CheckResult) -> Iterable[Diagnostic]:
    """What a failed check found, as diagnostics: what, where and how to fix it."""
    said = "\n".join(result.output[-_SHOWN:])
    if not result.findings:
        yield error(f"{result.name}: {result.summary}", detail=said, remedy="Correct it and push again.")
    for number, one in enumerate(result.findings[:_SHOWN]):
        yield error(
            f"{result.name}: {one.message}",
            detail=said if number == 0 else "",
            remedy=one.remedy or "Correct it and push again.",
            source=Source(one.file, one.line),
        )


def sbom(work: Work) -> dict[str, Any]:
    """What the artifact consists of, once per artifact."""
    world, digest = work.world, str(work.output("build").get("artifact", ""))
    if not digest:
        raise Skipped("Nothing was built")
    known = world.evidence.materials(digest)
    if not known:
        artifact = world.builder.find(digest)
        assert artifact is not None
        known = world.attestor.bill_of_materials(artifact, world.builder.path(digest), work.report, work.cancel)
        world.evidence.attest(digest, materials=known)
    return {"digest": f"sha256:{hashlib.sha256(known).hexdigest()}"}


def provenance(work: Work) -> dict[str, Any]:
    """Sign where the artifact comes from; the key never leaves the control plane."""
    world, made, digest = work.world, work.output("source"), str(work.output("build").get("artifact", ""))
    if not digest:
        raise Skipped("Nothing was built")
    verified = world.attestor.verify(world.evidence.envelope(digest), digest)
    if not verified.ok:
        artifact = world.builder.find(digest)
        assert artifact is not None
        now = world.clock.now()
        statement = Provenance(
            digest=digest,
            repository=made["repository"],
            commit=made["commit"],
            run=work.run.id,
            built_with=artifact.built_with,
            started=work.run.started_at or now,
            finished=now,
            checks=world.evidence.checks(made["repository"], made["commit"]),
            materials=str(work.output("sbom").get("digest", "")),
        )
        world.evidence.attest(digest, envelope=world.attestor.sign(statement))
        verified = world.attestor.verify(world.evidence.envelope(digest), digest)
    if not verified.ok:
        raise Refused(
            error(f"The provenance of {digest[:19]} does not verify: {verified.reason}", remedy="Deploy it again.")
        )
    return {"provenance": {"builder": verified.builder, "commit": verified.commit, "repository": verified.repository}}
