"""Pave's own formats as they were first drawn, where the drawings lie beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from pave.model.deployment_file import read_deployment, write_deployment
from pave.model.environment_file import inherit, read_environment, write_environment
from pave.model.guardrail_file import read_guardrail
from pave.model.module_file import read_module

EXAMPLES = Path(__file__).resolve().parents[4] / "shared" / "examples"
pytestmark = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="the drawings are not beside this checkout (../shared/examples)"
)


def read(reader, path: str):
    return reader((EXAMPLES / path).read_bytes(), path)


def test_environments_are_read_inherited_and_written_back() -> None:
    found = {name: read(read_environment, f"environments/{name}.yaml") for name in ("dev", "preview", "prod")}
    assert set(inherit(found)) == set(found)
    for one in found.values():
        assert read_environment(write_environment(one), one.name) == one


def test_a_deployment_is_read_and_written_back() -> None:
    found = read(read_deployment, "deployments/dev/orders.yaml")
    assert read_deployment(write_deployment(found), "x") == found


def test_a_guardrail_and_a_module_are_read() -> None:
    assert read(read_guardrail, "guardrails/postgres-backup-in-production.yaml").patch == {"inputs": {"backup_days": 7}}
    folder = EXAMPLES / "modules" / "local-postgres"
    main = b'variable "size" {}\nvariable "backup_days" {}\n'
    files = {"module.yaml": (folder / "module.yaml").read_bytes(), "main.tf": main}
    assert read_module(files, "modules/local-postgres", "x").inputs["size"].default == "small"
