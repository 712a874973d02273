"""Addresses of repositories at forges: one repository has many, and they are compared without what differs."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SCP = re.compile(r"(?:[A-Za-z0-9_.-]+@)?(?P<host>[A-Za-z0-9.-]+):(?!//)(?P<path>\S+)")
_URL = re.compile(
    r"(?:https?|ssh|git)://(?:[A-Za-z0-9_.%:-]*@)?(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?/(?P<path>\S+)"
)
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|\.[A-Za-z0-9_-][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class RepositoryUrl:
    """Which repository on which host: `host` without its port, `path` without `.git`, as it was written."""

    host: str
    path: str

    @property
    def key(self) -> str:
        """What two addresses of one repository have in common: forges do not tell upper from lower case."""
        return f"{self.host}/{self.path}".lower()

    @classmethod
    def read(cls, text: str) -> RepositoryUrl | None:
        """Read an https, ssh or `user@host:path` address; None for everything else, such as a folder.

        A path with a segment that could lead elsewhere (`..`, an escaped character) is no address of a forge.
        """
        match = _URL.fullmatch(text.strip()) or _SCP.fullmatch(text.strip())
        if match is None:
            return None
        path = match["path"].strip("/").removesuffix(".git")
        segments = path.split("/")
        if len(segments) < 2 or not all(_SEGMENT.fullmatch(one) for one in segments):
            return None
        return cls(match["host"].lower(), path)


def same_repository(one: str, other: str) -> bool:
    """Whether two addresses name the same repository."""
    first, second = RepositoryUrl.read(one), RepositoryUrl.read(other)
    return first is not None and second is not None and first.key == second.key
