"""Renders Backstage Software Templates, each in a sandbox of its own without network."""

from pave.adapters.scaffolder.sandboxed import SandboxScaffolder

__all__ = ["SandboxScaffolder"]
