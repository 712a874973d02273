"""A stack as a Terraform root module: one module call per resource, outputs wired by reference.

The root module is data (`main.tf.json`), so nothing a user writes is ever parsed as HCL: text is
escaped and only the placeholders that `pave.plan.stack` resolved become references.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RootModule:
    """`document` is main.tf.json without its backend; `sources` maps each call's module folder to its Git tree id."""

    document: Mapping[str, Any]
    sources: Mapping[str, str]
