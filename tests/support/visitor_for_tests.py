"""A developer with the real git against a platform for tests: clones, commits, pushes, waits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_for_tests import Platform

SECONDS = 60.0


@dataclass
class Visitor:
    """Works in `folder`, with the token of the platform's owner or another one."""

    there: Platform
    folder: Path
    token: str = ""

    def git(self, *arguments: str, at: str = ".", check: bool = True) -> str:
        """The real git; what it said. The token is in its environment and nowhere else."""
        token = self.token or (self.there.data / "server.token").read_text().strip()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "NO_PROXY": "*",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {token}",
        }
        who = ("-c", "user.name=Dana", "-c", "user.email=dana@example.com", "-c", "init.defaultBranch=main")
        done = subprocess.run(
            ["git", *who, *arguments],
            cwd=self.folder / at,
            env=environment,
            capture_output=True,
            timeout=90,
            check=False,
        )
        said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        assert (done.returncode == 0) is check, said
        return said

    def clone(self, name: str) -> Path:
        """A clone over HTTP."""
        url = json.loads((self.there.data / "server.json").read_text())["url"]
        self.git("clone", "--quiet", f"{url}/git/{name}.git")
        return self.folder / name

    def commit(self, name: str, path: str, content: str, message: str = "") -> str:
        """Write a file and commit; the commit."""
        (self.folder / name / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name / path).write_text(content)
        self.git("add", "--all", at=name)
        self.git("commit", "--quiet", "-m", message or f"Change {path}", at=name)
        return self.git("rev-parse", "HEAD", at=name).strip()

    def edit(self, name: str, path: str, pattern: str, replacement: str) -> str:
        """Replace something in a file and commit; the commit."""
        text, count = re.subn(pattern, replacement, (self.folder / name / path).read_text())
        assert count, f"nothing like {pattern} in {path}"
        return self.commit(name, path, text)

    def push(self, name: str, branch: str = "main", *options: str, check: bool = True) -> str:
        """Push a branch; what git said."""
        return self.git("push", *options, "origin", branch, at=name, check=check)

    def run_of(self, said: str) -> str:
        """The run that a push was told of."""
        found = re.search(r"#run-(run_\w+)", said)
        assert found, said
        return found[1]


def wait_for(found: Callable[[], Any], what: str, there: Platform, seconds: float = SECONDS) -> Any:
    """Wait until `found` finds something."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"{what} did not happen\n{there.said()[-1500:]}"
        time.sleep(0.05)
    return answer
