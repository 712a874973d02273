"""A `terraform` or `tofu` program, started for each command."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from pathlib import Path

from pave.adapters.subprocesses import Child, Command, find, run, spawn
from pave.adapters.terraform.runner import Invocation, Limits, LineReport, Lines, Result, private_folder, sweep
from pave.apply.retry import Cancelled, Terminal
from pave.model.diagnostics import error
from pave.ports import Cancel

_VERSION_SECONDS = 20.0


class Binary:
    """Implements `Runner`; `folder` is for temporary files, at most `size` commands run at the same time."""

    def __init__(self, program: str, folder: Path, size: int = 2) -> None:
        self._program = find(program) or program
        self._folder = folder
        self._slots = threading.BoundedSemaphore(size)
        self._version = ""
        self._running: set[Child] = set()
        sweep(folder)

    def version(self) -> str:
        """What the program says. Raises `Terminal` where it is no Terraform."""
        if not self._version:
            command = Command(
                (self._program, "version", "-json"),
                environment={"CHECKPOINT_DISABLE": "1"},
                seconds=_VERSION_SECONDS,
                apart=True,
            )
            answer = run(command)
            try:
                self._version = f"{Path(self._program).name} {json.loads(answer.text)['terraform_version']}"
            except (ValueError, KeyError) as problem:
                raise Terminal(
                    error(
                        f"{self._program} does not say which version of Terraform it is",
                        remedy="Name a terraform or tofu program in the setting `terraform`, or leave it empty.",
                    )
                ) from problem
        return self._version

    def run(self, invocation: Invocation, cancel: Cancel, report: LineReport | None = None) -> Result:
        """Start the program, read it to its end; SIGINT once to stop it, kill it if that does not help."""
        while not self._slots.acquire(timeout=0.1):
            if cancel():
                raise Cancelled(error("Stopped before Terraform began"))
        temporary = private_folder(self._folder)
        try:
            return self._converse(invocation, Limits(invocation, cancel), temporary, report)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            self._slots.release()

    def close(self) -> None:
        """Kill what runs."""
        for child in tuple(self._running):
            child.kill()

    def _converse(self, invocation: Invocation, limits: Limits, temporary: Path, report: LineReport | None) -> Result:
        log = temporary / "errors"
        command = Command(
            (self._program, *invocation.argv),
            directory=invocation.directory,
            environment={**invocation.environment, **invocation.access.environment(), "TMPDIR": str(temporary)},
        )
        child = spawn(command, log=log)
        self._running.add(child)
        output: list[str] = []
        killed = False
        try:
            for line in Lines(child):
                if limits.stop_now():
                    child.signal(signal.SIGINT)
                if limits.kill_now():
                    killed = True
                    break
                if line:
                    output.append(line.decode(errors="replace"))
                    if report:
                        report(output[-1])
            code = -1 if killed else child.wait()
        finally:
            self._running.discard(child)
            child.kill()
        died = killed or code is None or code < 0
        text, errors = "\n".join(output), log.read_text(errors="replace")[-100_000:]
        return Result(-1 if code is None else code, text, errors, limits.cancelled, limits.timed_out, died)
