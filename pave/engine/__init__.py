"""Puts the stages in order and lets them act through the ports."""
