"""What a job is, and what is done with it. Replace `handle` by what your worker is about."""

import json
import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)


class Unreadable(ValueError):
    """A message that is no job and never will be: it is put aside at once instead of being tried again."""


@dataclass(frozen=True)
class Job:
    """One job, as it is written in a message."""

    name: str

    @classmethod
    def read(cls, data: bytes) -> "Job":
        """Read a message such as `{"name": "…"}`; raises `Unreadable`."""
        try:
            return cls(name=str(json.loads(data)["name"]))
        except (ValueError, KeyError, TypeError) as problem:
            raise Unreadable(f"not a job: {data[:100]!r}") from problem


async def handle(job: Job) -> None:
    """Do the job. It may be called twice for the same job, so doing it again must be harmless."""
    log.info("done: %s", job.name)
