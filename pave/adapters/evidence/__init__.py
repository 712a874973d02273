"""Evidence about artifacts: what is in them, and where they come from, signed by the control plane."""

from pave.adapters.evidence.attestor import FileAttestor

__all__ = ["FileAttestor"]
