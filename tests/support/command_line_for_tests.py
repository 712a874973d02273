"""The real `pave` command for tests: a process of its own, as somebody types it in a terminal 100 columns wide."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def pave(data: Path, *words: str, code: int = 0, **variables: str) -> str:
    """Type a command; what it prints. It must exit with `code`."""
    done = subprocess.run(
        [sys.executable, "-m", "pave", "--data", str(data), *words],
        env={**os.environ, "COLUMNS": "100", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == code, f"pave {' '.join(words)} exits with {done.returncode}:\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout if code == 0 or done.stdout else done.stderr


def pave_json(data: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """Type a command with --json; its answer."""
    found: dict[str, Any] = json.loads(pave(data, *words, "--json", code=code))
    return found
