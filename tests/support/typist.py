"""Types `pave` commands: this process has everything imported and forks one of its own for each of them.

A command is a whole process with its own arguments, variables and exit code, as in a terminal; only the half second in
which Python imports is spent once. One JSON line asks for a command, one answers with its exit code.

    python typist.py      {"words": […], "variables": {…}, "out": PATH, "err": PATH} on stdin, a line each
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

from pave.cli.main import main
from pave.engine.registry import OPERATIONS

assert OPERATIONS  # what `main` would import


def type_(asked: dict[str, Any]) -> int:
    """Run one command in a process of its own; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 70
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        opened = [os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for name in ("out", "err")]
        for number, descriptor in enumerate((nothing, *opened)):
            os.dup2(descriptor, number)
        os.environ.clear()
        os.environ.update(asked["variables"])
        sys.argv = ["pave", *asked["words"]]
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 — it is told as Python would tell it
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(type_(json.loads(line))) + "\n")
        sys.stdout.flush()
