"""Log lines: files followed through their turns, kept in segments on this machine or in a Loki."""
