"""A container engine of the tests' own: Debian's dockerd on a socket in a folder, with a small base image."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BASE = "pave-tests/busybox:1"
_APPLETS = ("sh", "cat", "echo", "env", "httpd", "id", "ls", "mkdir", "rm", "sleep", "touch", "true", "yes")


@contextmanager
def engine(folder: Path) -> Iterator[dict[str, str]]:
    """The variables that lead to it. Skips where it cannot be had; nothing of it is left afterwards."""
    dockerd, docker, busybox = (shutil.which(one) for one in ("dockerd", "docker", "busybox"))
    if not (dockerd and docker and busybox and os.geteuid() == 0):
        pytest.skip("this needs Debian's docker.io and busybox-static, and root")
    socket = folder / "docker.sock"
    argv = [dockerd, "--host", f"unix://{socket}", "--bridge", "none", "--iptables=false", "--ip6tables=false"]
    argv += ["--storage-driver", "vfs", "--pidfile", f"{folder}/pid"]
    argv += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    variables = {"DOCKER_HOST": f"unix://{socket}", "DOCKER_CONFIG": str(folder), "DOCKER_BUILDKIT": "0"}
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        _wait(docker, variables, child, folder / "log")
        _base(docker, variables, Path(busybox))
        yield variables
    finally:
        child.terminate()
        child.wait(30)


def _wait(docker: str, variables: dict[str, str], child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while subprocess.run(
        [docker, "info"], env={**os.environ, **variables}, capture_output=True, check=False
    ).returncode:
        if child.poll() is not None or time.monotonic() > deadline:
            pytest.skip(f"dockerd does not start here: {log.read_text()[-500:]}")
        time.sleep(0.1)


def _base(docker: str, variables: dict[str, str], busybox: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("bin", "etc", "var", "tmp"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        tar.add(busybox.resolve(), "bin/busybox")
        for name in _APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "/bin/busybox"
            tar.addfile(link)
    subprocess.run(
        [docker, "import", "-", BASE],
        env={**os.environ, **variables},
        input=archive.getvalue(),
        check=True,
        capture_output=True,
    )
