"""Renders one template inside the sandbox: a job as JSON on stdin, files in the workspace, an answer as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pave.adapters.scaffolder.actions import Workshop
from pave.adapters.scaffolder.failure import Failed
from pave.adapters.scaffolder.steps import render


def main() -> None:
    """Do what stdin says; the answer holds either the result or the faults."""
    job = json.load(sys.stdin)
    root = Path(job["template"]).resolve()
    shop = Workshop(root, (root / job["base"]).resolve(), Path(job["workspace"]).resolve(), job["user"])
    answer: dict[str, Any]
    try:
        answer = {"result": render(shop, job["pages"], job["steps"], job["values"], job["output"])}
    except Failed as problem:
        answer = {"faults": [one.as_data() for one in problem.faults]}
    Path(job["answer"]).write_text(json.dumps(answer, default=str))


if __name__ == "__main__":
    main()
