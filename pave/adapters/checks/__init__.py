"""Checks of a commit: tests and scans, each in the sandbox, each with a result of its own."""

from pave.adapters.checks.bench import Limits
from pave.adapters.checks.checker import SandboxChecker

__all__ = ["Limits", "SandboxChecker"]
