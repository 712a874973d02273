"""Real Terraform in a folder, for tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

MODULES = Path(__file__).parents[3] / "pave" / "library" / "modules"
TERRAFORM = shutil.which("terraform")


class Terraform:
    """Real Terraform in a folder, attached to the provider."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TF_IN_AUTOMATION": "1", **environment}

    def write(self, document):
        (self.folder / "main.tf.json").write_text(json.dumps(document))
        self.run("init", "-input=false")

    def run(self, *arguments, ok=(0,)):
        result = subprocess.run(
            [TERRAFORM, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert result.returncode in ok, result.stdout + result.stderr
        return result

    def apply(self):
        return self.run("apply", "-auto-approve", "-input=false", "-no-color").stdout

    def destroy(self):
        return self.run("destroy", "-auto-approve", "-input=false", "-no-color").stdout

    def plan(self):
        """Planned actions by resource address."""
        self.run("plan", "-input=false", "-out=plan")
        shown = json.loads(self.run("show", "-json", "plan").stdout)
        return {
            one["address"]: one["change"]["actions"]
            for one in shown.get("resource_changes", [])
            if one["change"]["actions"] != ["no-op"]
        }

    def outputs(self):
        return {key: one["value"] for key, one in json.loads(self.run("output", "-json").stdout).items()}


def call(module, address, **inputs):
    """A root module with one module call named `it`, its outputs passed on."""
    return {
        "module": {"it": {"source": str(MODULES / module), "address": address, **inputs}},
        "output": {"it": {"value": "${module.it}", "sensitive": True}},
    }
