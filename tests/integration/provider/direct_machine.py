"""A machine that starts programs itself and ends them with the test: what the provider's tests run on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from pave.adapters.sandbox import confined, handed_over
from pave.ports.machine import Program, ProgramState


class DirectMachine:
    """Child processes of the test."""

    def __init__(self):
        self._defined: dict[str, tuple[Program, subprocess.Popen]] = {}

    def ensure(self, program: Program) -> None:
        found = self._defined.get(program.name)
        if found is not None and found[0] == program and found[1].poll() is None:
            return
        if found is not None:
            self.stop(program.name)
        with program.log.open("ab") as log:
            child = subprocess.Popen(
                program.argv,
                env=dict(program.environment),
                cwd=program.directory,
                stdout=log,
                stderr=log,
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
        if confined(program.argv):
            child.stdin.write(handed_over(program.environment))
        child.stdin.close()
        self._defined[program.name] = (program, child)

    def state(self, name: str) -> ProgramState | None:
        if name not in self._defined:
            return None
        child = self._defined[name][1]
        return ProgramState(running=child.poll() is None, pid=child.pid, detail=f"exit status {child.poll()}")

    def states(self) -> dict[str, ProgramState]:
        return {name: state for name in self._defined if (state := self.state(name)) is not None}

    def programs(self) -> Sequence[str]:
        return sorted(self._defined)

    def stop(self, name: str) -> None:
        program, child = self._defined[name]
        if child.poll() is None:
            os.kill(innermost(child.pid), getattr(signal, f"SIG{program.stop_signal}"))
            try:
                child.wait(program.stop_seconds)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def remove(self, name: str) -> None:
        if name in self._defined:
            self.stop(name)
            del self._defined[name]

    def kill(self, name: str) -> None:
        """As a crash would."""
        child = self._defined[name][1]
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        time.sleep(0.1)


def innermost(pid: int, depth: int = 2) -> int:
    """The program itself: below bubblewrap and the first process of its namespace."""
    for _ in range(depth):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not children:
            break
        pid = int(children[0])
    return pid
