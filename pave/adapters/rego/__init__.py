"""Rego, in a process of its own that the sandbox ends in time."""

from pave.adapters.rego.engine import SandboxPolicyEngine

__all__ = ["SandboxPolicyEngine"]
