"""How a commit becomes what runs: made, checked, followed, promoted, rolled out, and where it is."""
