"""Dockerfiles, built by a real container engine and running from their artifacts in the sandbox."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from engine_for_tests import BASE, engine

from pave.adapters.build.builder import SandboxBuilder
from pave.adapters.build.images import Engine
from pave.adapters.sandbox import Confinement, Sandbox
from pave.apply.retry import Cancelled
from pave.model.diagnostics import Refused
from pave.model.workload import Container, Workload
from pave.ports import Artifact
from pave.settings import Settings

APP = Workload("app", (Container("web", "."),))
SITE = f"""\
FROM {BASE} AS made
RUN mkdir -p /made && echo "built in a container" > /made/index.html

FROM {BASE}
ENV GREETING=hello
COPY --from=made /made /srv/www
COPY start /start
RUN mkdir -p /var/lib/site && ln -s /srv/www /www
WORKDIR /srv
EXPOSE 9000
ENTRYPOINT ["/bin/sh", "/start"]
CMD ["-v"]
"""
START = 'echo "$GREETING $@ $(id -u)"; exec httpd -f -p "$PORT" -h /www "$@"\n'


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with engine(tmp_path_factory.mktemp("engine")) as found:
        yield found


@pytest.fixture
def images(variables: dict[str, str], data: Path, sandbox: Sandbox) -> SandboxBuilder:
    settings = Settings.load({"data": data, "build_network": "none"})
    return SandboxBuilder(settings, sandbox, {**os.environ, **variables})


def written(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def built(images: SandboxBuilder, folder: Path, **files: str) -> tuple[Artifact, list[str]]:
    said: list[str] = []
    return images.build(written(folder, **files), APP, said.append, lambda: False), said


def docker(variables: dict[str, str], *argv: str) -> str:
    found = subprocess.run(
        ["docker", *argv], env={**os.environ, **variables}, check=True, capture_output=True, text=True
    )
    return found.stdout


def test_a_dockerfile_becomes_an_artifact_that_runs(
    images: SandboxBuilder, tmp_path: Path, variables: dict[str, str]
) -> None:
    artifact, said = built(images, tmp_path / "a", Dockerfile=SITE, start=START)
    assert artifact.language == "image"
    assert artifact.directory == "/srv"
    assert artifact.processes == {"web": ["/bin/sh", "/start", "-v"], "entrypoint": ["/bin/sh", "/start"]}
    assert artifact.environment["GREETING"] == "hello"
    assert artifact.built_with.startswith("docker ")
    assert any("listens on 9000/tcp; here it is to listen on $PORT" in line for line in said), said
    assert any("Step" in line for line in said), "what the engine says is in the log"
    files = images.path(artifact.digest)
    assert (files / "www").readlink() == Path("/srv/www")
    assert (files / "srv/www/index.html").read_text() == "built in a container\n"
    assert images.artifacts.verify(artifact.digest) == ()
    again, _ = built(images, tmp_path / "b", Dockerfile=SITE, start=START)
    assert again.digest == artifact.digest, "the same content has the same name"
    assert docker(variables, "ps", "--all", "--quiet") == "", "no container is left"


def test_it_sees_the_image_and_nothing_else(images: SandboxBuilder, tmp_path: Path, sandbox: Sandbox) -> None:
    artifact, _ = built(images, tmp_path / "a", Dockerfile=SITE, start=START)
    script = "id -u; ls /; touch /bin/x; touch /srv/x; touch /tmp/x /run/x && echo writable; cat /etc/shadow; ls /work"
    confinement = Confinement(
        ("sh", "-c", script), "/srv", root=images.path(artifact.digest), processes=50, memory_bytes=10**9
    )
    result = sandbox.execute(confinement)
    lines = result.text.splitlines()
    assert lines[0] == str(sandbox.user[0] if sandbox.user else os.getuid())
    assert {"srv", "www", "proc", "dev", "tmp"} <= set(lines)
    assert "usr" not in lines
    assert "writable" in lines
    assert result.text.count("Read-only file system") == 2, result.text
    assert "'/etc/shadow': No such file" in result.text


def test_a_workload_of_an_image_answers(images: SandboxBuilder, tmp_path: Path, sandbox: Sandbox) -> None:
    artifact, _ = built(images, tmp_path / "a", Dockerfile=SITE, start=START)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    confinement = Confinement(
        tuple(artifact.processes["web"]),
        artifact.directory,
        {**artifact.environment, "PORT": str(port)},
        root=images.path(artifact.digest),
        network=True,
    )
    stop, said = threading.Event(), []

    def live() -> None:
        with pytest.raises(Cancelled):
            sandbox.run(confinement, said.append, stop.is_set)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport, trust_env=False) as client:
            answer = client.get(f"http://127.0.0.1:{port}/")
    finally:
        stop.set()
        thread.join(10)
    assert answer.text == "built in a container\n", said
    assert said[0].startswith("hello -v "), said


def test_what_cannot_be_built_says_why(images: SandboxBuilder, tmp_path: Path, variables: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        built(images, tmp_path / "a", Dockerfile=f"FROM {BASE}\nRUN echo first && false\n")
    assert "returned a non-zero code: 1" in refused.value.diagnostics[0].detail
    with pytest.raises(Refused) as refused:
        built(images, tmp_path / "b", Dockerfile=f"FROM {BASE}\nCOPY nothing /\n")
    assert ".dockerignore" in refused.value.diagnostics[0].remedy
    with pytest.raises(Refused) as refused:
        built(images, tmp_path / "c", Dockerfile="FROM localhost:1/nothing\n")
    assert "base image" in refused.value.diagnostics[0].remedy
    with pytest.raises(Refused, match="Nothing says how to start"):
        built(images, tmp_path / "d", Dockerfile=f"FROM {BASE}\n")
    assert docker(variables, "ps", "--all", "--quiet") == ""


def test_a_build_can_be_stopped(images: SandboxBuilder, tmp_path: Path, variables: dict[str, str]) -> None:
    said: list[str] = []
    source = written(tmp_path / "a", Dockerfile=f"FROM {BASE}\nRUN echo begun && sleep 60\n")
    with pytest.raises(Cancelled):
        images.build(source, APP, said.append, lambda: any("begun" in line and "Step" not in line for line in said))
    deadline = time.monotonic() + 15
    while docker(variables, "ps", "--all", "--quiet"):
        assert time.monotonic() < deadline, "nothing goes on running"
        time.sleep(0.1)


def test_replaced_images_go(images: SandboxBuilder, tmp_path: Path, variables: dict[str, str]) -> None:
    for word in ("one", "two", "three"):
        built(images, tmp_path / word, Dockerfile=f'FROM {BASE}\nRUN echo {word} > /word\nCMD ["true"]\n')
    listed = docker(variables, "image", "ls", "--quiet", "--filter", "label=dev.pave.data")
    assert len(listed.split()) == 1


def test_without_an_engine_the_source_is_built_and_that_is_said(data: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    without = SandboxBuilder(Settings.load({"data": data, "container_engine": "none"}), sandbox)
    page = {"index.html": "<h1>source</h1>"}
    artifact, said = built(without, tmp_path / "a", Dockerfile="FROM anything\n", **page)
    assert artifact.language == "static"
    assert "without its Dockerfile: the setting container_engine is none" in artifact.built_with
    assert any("The Dockerfile is not used" in line for line in said)
    with pytest.raises(Refused) as refused:
        built(without, tmp_path / "b", Dockerfile="FROM anything\n")
    assert "docker.io" in refused.value.diagnostics[0].remedy


def test_source_can_be_wanted(images: SandboxBuilder, tmp_path: Path) -> None:
    source = written(tmp_path / "a", Dockerfile="FROM anything\n")
    (source / "index.html").write_text("<h1>source</h1>")
    wanted = Workload("app", (Container("web", "."),), annotations={"pave.dev/build": "source"})
    assert images.build(source, wanted, lambda _: None, lambda: False).language == "static"


def test_an_engine_that_does_not_answer_is_named(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "DOCKER_HOST": f"unix://{tmp_path}/nowhere.sock"}
    found = Engine.found("docker", "", environ, tmp_path)
    assert isinstance(found, str)
    assert Engine.found("nothing-of-the-kind", "", environ, tmp_path) == "nothing-of-the-kind is not installed"
