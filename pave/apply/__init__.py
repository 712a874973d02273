"""Carrying it out, as values: runs, their steps and transitions, and when to try again."""
