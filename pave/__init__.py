"""Pave, a self-service internal developer platform: request, plan, verdict, apply, observe."""

__version__ = "0.1.0"
