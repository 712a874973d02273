"""The real `pave` command for tests: a process of its own, as somebody types it in a terminal 100 columns wide."""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

_SECONDS = 100.0
_TYPIST = Path(__file__).with_name("typist.py")


@cache
def _typist() -> subprocess.Popen[str]:
    """Who types: see `typist.py`."""
    process = subprocess.Popen(
        [sys.executable, str(_TYPIST)],
        env={**os.environ, "COLUMNS": "100"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.kill)
    return process


def pave(data: Path, *words: str, code: int = 0, **variables: str) -> str:
    """Type a command; what it prints. It must exit with `code`."""
    with tempfile.TemporaryDirectory(prefix="pave-typed-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        asked = {"words": ["--data", str(data), *words], "out": str(out), "err": str(err)}
        there = {**os.environ, "COLUMNS": "100", **variables}
        typist = _typist()
        assert typist.stdin is not None
        assert typist.stdout is not None
        typist.stdin.write(json.dumps({**asked, "variables": there}) + "\n")
        typist.stdin.flush()
        assert select.select([typist.stdout], [], [], _SECONDS)[0], f"pave {' '.join(words)} does not end"
        ended, stdout, stderr = int(typist.stdout.readline()), out.read_text(), err.read_text()
    assert ended == code, f"pave {' '.join(words)} exits with {ended}:\n{stdout}{stderr}"
    assert "Traceback" not in stderr, stderr
    return stdout if code == 0 or stdout else stderr


def pave_json(data: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """Type a command with --json; its answer."""
    found: dict[str, Any] = json.loads(pave(data, *words, "--json", code=code))
    return found
