"""Builds: from a commit to an immutable, content-addressed artifact."""
