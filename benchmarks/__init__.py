"""Figures, measured against a reference in the same run. `make bench` prints one JSON line for each."""
