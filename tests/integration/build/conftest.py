"""A builder with the real sandbox, and applications running from their artifacts as they do on the platform."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from pave.adapters.build.builder import SandboxBuilder
from pave.adapters.sandbox import Confinement, Mount, Sandbox, probe
from pave.apply.retry import Cancelled
from pave.model.workload import Container, Workload
from pave.ports import Artifact
from pave.settings import Settings

APPS = Path(__file__).parents[2] / "fixtures" / "apps"
WORKLOAD = Workload("app", (Container("web", "."),))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def sandbox(data: Path) -> Sandbox:
    found = probe("", "nobody", data / "etc")
    if found.level == "none":
        pytest.skip(f"this machine cannot confine a build: {found.reason}")
    return found


@pytest.fixture(scope="session")
def builder(data: Path, sandbox: Sandbox) -> SandboxBuilder:
    return SandboxBuilder(Settings.load({"data": data}), sandbox)


class Build:
    """Builds repositories given as files or as the name of a fixture, and keeps the log."""

    def __init__(self, builder: SandboxBuilder, folder: Path) -> None:
        self.builder = builder
        self.folder = folder
        self.log: list[str] = []

    def __call__(
        self,
        what: str | Mapping[str, str],
        cancel: Callable[[], bool] = lambda: False,
        report: Callable[[str], None] = lambda _: None,
    ) -> Artifact:
        source = self.folder / uuid.uuid4().hex
        if isinstance(what, str):
            shutil.copytree(APPS / what, source)
        else:
            for name, text in what.items():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_text(text)
        self.log.clear()

        def hear(line: str) -> None:
            self.log.append(line)
            report(line)

        return self.builder.build(source, WORKLOAD, hear, cancel)

    @property
    def text(self) -> str:
        return "\n".join(self.log)


@pytest.fixture
def build(builder: SandboxBuilder, tmp_path: Path) -> Build:
    return Build(builder, tmp_path)


@pytest.fixture
def serve(builder: SandboxBuilder, sandbox: Sandbox) -> Callable[..., contextlib.AbstractContextManager[httpx.Client]]:
    @contextlib.contextmanager
    def serving(artifact: Artifact, environment: Mapping[str, str] | None = None) -> Iterator[httpx.Client]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        confinement = Confinement(
            argv=tuple(artifact.processes["web"]),
            directory="/app",
            environment={**artifact.environment, "PORT": str(port), **(environment or {})},
            read=(Mount(builder.path(artifact.digest), "/app"), *(Mount(Path(one), one) for one in artifact.mounts)),
            network=True,
        )
        said: list[str] = []
        stop = threading.Event()

        def live() -> None:
            with contextlib.suppress(Cancelled):
                sandbox.run(confinement, said.append, stop.is_set)

        thread = threading.Thread(target=live)
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                _wait(client, thread, said)
                yield client
        finally:
            stop.set()
            thread.join(10)

    return serving


def _wait(client: httpx.Client, thread: threading.Thread, said: list[str]) -> None:
    for _ in range(100):
        with contextlib.suppress(httpx.TransportError):
            client.get("/")
            return
        assert thread.is_alive(), said
        time.sleep(0.1)
    raise AssertionError(said)
