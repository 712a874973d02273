"""The hooks of pushed repositories: a program of its own that hands a push over to the running server.

Started by `git receive-pack`, isolated and with nothing but the standard library, so that it costs a few milliseconds.
It sends what it was told over a Unix socket and prints the answer as it comes; git shows that as `remote: …`.
"""

from __future__ import annotations

import json
import os
import socket
import sys

GIVEN = ("GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")


def main() -> int:
    """Hand the push over; the exit status says whether it may be."""
    path, push = os.environ.get("PAVE_HOOKS", ""), os.environ.get("PAVE_PUSH", "")
    if not path or not push:
        print("Push over Pave's address of this repository: a push past it would be seen by nobody.")
        return 1
    options = int(os.environ.get("GIT_PUSH_OPTION_COUNT") or 0)
    told = {
        "phase": os.path.basename(sys.argv[0]),  # noqa: PTH119 — pathlib would cost more than the rest
        "push": push,
        "environment": {name: os.environ[name] for name in GIVEN if name in os.environ},
        "options": [os.environ.get(f"GIT_PUSH_OPTION_{number}", "") for number in range(options)],
        "updates": sys.stdin.buffer.read().decode(errors="surrogateescape").splitlines(),
    }
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(path)
        except OSError:
            print("Pave does not answer; push again when it runs.")
            return 1
        server.sendall(json.dumps(told).encode() + b"\n")
        with server.makefile("r", encoding="utf-8", errors="replace") as answers:
            for line in answers:
                word, _, text = line.rstrip("\n").partition(" ")
                if word == "end":
                    return int(text)
                print(text, flush=True)
    print("Pave ended while it was looking at the push; push again.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
