"""Builds that go wild: each is ended within its time and its room, says why, and leaves nothing."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from pave.adapters.build import kitchen
from pave.adapters.build.builder import SandboxBuilder
from pave.model.diagnostics import Refused
from pave.settings import Settings

SETUP = "import os, time\nfrom setuptools import setup\n{}\nsetup(name='wild', version='1.0', py_modules=['wild'])\n"


def wild(body: str) -> dict[str, str]:
    return {"requirements.txt": "./wild\n", "wild/setup.py": SETUP.format(body), "wild/wild.py": "", "main.py": "1\n"}


def running(needle: bytes) -> list[int]:
    found = []
    for one in Path("/proc").iterdir():
        try:
            if one.name.isdigit() and int(one.name) != os.getpid() and needle in (one / "cmdline").read_bytes():
                found.append(int(one.name))
        except OSError:
            continue
    return found


@pytest.fixture
def short(data, sandbox):
    """A builder whose builds may take some seconds only."""
    return SandboxBuilder(Settings.load({"data": data}, {"PAVE_BUILD_SECONDS": "12"}), sandbox)


@pytest.mark.parametrize("body", ["time.sleep(600)", "while True:\n    os.fork()"], ids=["hangs", "forks"])
def test_a_build_without_an_end_is_ended(short, build, body):
    build.builder = short
    began = time.monotonic()
    with pytest.raises(Refused) as refused:
        build(wild(body))
    assert time.monotonic() - began < 40
    assert "took more than 12 s and was stopped" in str(refused.value)
    assert not list((short._cache / "builds").iterdir())
    assert running(os.fsencode(str(short._cache / "builds"))) == []


def test_a_build_that_fills_the_disk_is_stopped_before_it_is_full(short, build, data, monkeypatch):
    monkeypatch.setattr(kitchen, "RESERVE", shutil.disk_usage(data).free - 100_000_000)
    build.builder = short
    write = "for number in range(100):\n    open(f'big{number}', 'wb').write(b'x' * 20_000_000)\n    time.sleep(0.2)"
    with pytest.raises(Refused, match="There is no room on the disk"):
        build(wild(write))
    assert not list((short._cache / "builds").iterdir())
