"""What becomes of a job, without a queue."""

import asyncio

import pytest

from worker.jobs import Job, Unreadable, handle


def test_a_job_is_read_from_its_message():
    assert Job.read(b'{"name": "report"}') == Job("report")


@pytest.mark.parametrize("data", [b"", b"report", b"[]", b'{"title": "report"}'])
def test_what_is_no_job_is_said_to_be_none(data: bytes):
    with pytest.raises(Unreadable):
        Job.read(data)


def test_doing_a_job_twice_is_harmless():
    asyncio.run(handle(Job("report")))
    asyncio.run(handle(Job("report")))
