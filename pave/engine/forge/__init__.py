"""Repositories and what happens at them: pushes, change requests, outside forges."""
