"""Commands: they talk to a server over HTTP, or start one."""
