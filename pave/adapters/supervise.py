"""supervisord with a poll set made anew each round; run as `python -m pave.adapters.supervise -c FILE`.

supervisord 4.3 never takes a closed connection out of its poll set. When the descriptor's number comes again as
the pipe to a program that has closed its stdin, poll reports that at once, for ever, and one core is gone.
"""

from __future__ import annotations

import select

from supervisor import poller
from supervisor.supervisord import main

_READ = select.POLLIN | select.POLLPRI | select.POLLHUP


class FreshPoller(poller.BasePoller):  # type: ignore[misc]
    """Polls what was registered since the last round, and nothing that is left from before."""

    def initialize(self) -> None:
        """Begin with nothing."""
        self._masks: dict[int, int] = {}

    def register_readable(self, fd: int) -> None:
        """Ask for what can be read."""
        self._masks[fd] = self._masks.get(fd, 0) | _READ

    def register_writable(self, fd: int) -> None:
        """Ask for what can be written."""
        self._masks[fd] = self._masks.get(fd, 0) | select.POLLOUT

    def unregister_readable(self, fd: int) -> None:
        """Nothing is to be forgotten: each round begins anew."""

    def unregister_writable(self, fd: int) -> None:
        """Nothing is to be forgotten: each round begins anew."""

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        """Wait up to `timeout` seconds for what was registered; descriptors to read, and to write."""
        fresh = select.poll()
        for fd, mask in self._masks.items():
            fresh.register(fd, mask)
        self._masks = {}
        events = fresh.poll(timeout * 1000)
        return [fd for fd, seen in events if seen & _READ], [fd for fd, seen in events if seen & select.POLLOUT]


if __name__ == "__main__":
    poller.Poller = FreshPoller
    main()
