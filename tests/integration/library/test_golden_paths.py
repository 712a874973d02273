"""What the built-in templates make is built, started and used, with the real PostgreSQL and NATS."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from render_naively import render

from pave.adapters.build.builder import SandboxBuilder
from pave.adapters.programs import survey
from pave.adapters.sandbox import probe
from pave.model.score import read_workload
from pave.settings import Settings


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    sandbox = probe("", "nobody", data / "etc")
    if sandbox.level == "none":
        pytest.skip(f"this machine cannot confine a build: {sandbox.reason}")
    return SandboxBuilder(Settings.load({"data": data}), sandbox)


@pytest.fixture
def start(builder, tmp_path):
    """Build a golden path and start it; the caller gets the log file and a client."""
    running = []

    def starting(template: str, environment: dict[str, str], **values):
        files = render(template, **values)
        source = tmp_path / "source"
        for name, content in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
        workload = read_workload(files["score.yaml"], "score.yaml")
        artifact = builder.build(source, workload, lambda _: None, lambda: False)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        app, log = tmp_path / "app", tmp_path / "log"
        app.symlink_to(builder.path(artifact.digest))
        inside = {name: text.replace("/app", str(app)) for name, text in artifact.environment.items()}
        with log.open("wb") as output:
            process = subprocess.Popen(
                _outside(workload.containers[0].command, app),
                cwd=app,
                env={**inside, "PORT": str(port), **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        running.append(process)
        return process, log, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    yield starting
    for process in running:
        process.kill()
        process.wait()


def _outside(command, app):
    programs = {"python": str(app / ".venv/bin/python")}
    return [programs.get(command[0], command[0]), *command[1:]]


def _until(condition, log: Path):
    for _ in range(150):
        with contextlib.suppress(httpx.TransportError):
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.mark.parametrize("template", ["python-service", "node-service"])
def test_a_service_keeps_items_in_its_database(start, builder, database_url, template):
    if template == "node-service" and not builder.nodes:
        pytest.skip("there is no Node.js here")
    process, log, client = start(template, {"DATABASE_URL": database_url})
    with client:
        _until(lambda: client.get("/healthz").status_code == 200, log)
        item = client.post("/items", json={"name": "first"}).json()
        assert item["name"] == "first"
        path = f"/items/{item['id']}"
        assert client.get("/items").json() == [item]
        assert client.put(path, json={"name": "second"}).json()["name"] == "second"
        assert client.get(path).json()["name"] == "second"
        assert client.delete(path).status_code == 204
        assert client.get(path).status_code == 404
        assert client.get("/items/nonsense").status_code in {404, 422}
        assert client.post("/items", json={"name": " "}).status_code == 422
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) in {0, -signal.SIGTERM}, log.read_text()


@pytest.mark.parametrize("template", ["python-service", "node-service"])
def test_a_service_without_a_database_needs_none(start, builder, template):
    if template == "node-service" and not builder.nodes:
        pytest.skip("there is no Node.js here")
    _, log, client = start(template, {}, database=False)
    with client:
        _until(lambda: client.get("/healthz").status_code == 200, log)
        assert client.get("/").json()["service"] == "orders"
        assert client.get("/items").status_code == 404


@pytest.fixture
def nats_url(tmp_path):
    program = next(one.path for one in survey({}) if one.name == "nats-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", tmp_path / "nats"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_a_worker_does_its_jobs_and_stops_when_told(start, nats_url):
    publish = (
        "import asyncio, sys, nats\n"
        "from nats.js.api import RetentionPolicy, StreamConfig\n"
        "async def main():\n"
        "    c = await nats.connect(sys.argv[1], connect_timeout=10)\n"
        "    js = c.jetstream()\n"
        "    kept = {'subjects': ['jobs', 'jobs.>'], 'retention': RetentionPolicy.WORK_QUEUE}\n"
        "    await js.add_stream(StreamConfig('JOBS', **kept))\n"
        "    for subject, data in (('jobs', b'{\"name\": \"report\"}'), ('jobs.new', b'nonsense')):\n"
        "        await js.publish(subject, data)\n"
        "    await c.close()\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", publish, nats_url], check=True, timeout=30)
    process, log, _ = start("worker", {"NATS_URL": nats_url, "NATS_STREAM": "JOBS"})
    _until(lambda: "done: report" in log.read_text() and "put aside: not a job" in log.read_text(), log)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0, log.read_text()
    assert log.read_text().endswith("stopped\n")


@pytest.mark.parametrize("database", [True, False])
@pytest.mark.parametrize("template", ["python-service", "worker"])
def test_its_python_is_tidy_and_its_own_tests_pass(builder, tmp_path, database_url, template, database):
    for name, content in render(template, database=database).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    tidy = [sys.executable, "-m", "ruff"]
    rules = ["--isolated", "--no-cache", "--line-length=120"]
    subprocess.run([*tidy, "check", *rules, "--select=E,F,I,B,UP", "."], check=True, cwd=tmp_path)
    subprocess.run([*tidy, "format", "--check", *rules, "."], check=True, cwd=tmp_path)
    venv = tmp_path / ".venv"
    subprocess.run([builder._uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    python = venv / "bin/python"
    with_tests = ["pip", "install", "--quiet", "--python", python, "-r", "requirements-dev.txt"]
    subprocess.run([builder._uv, *with_tests], check=True, cwd=tmp_path)
    given = {"DATABASE_URL": database_url} if database else {}
    argv = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(argv, cwd=tmp_path, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("database", [True, False])
def test_its_own_node_tests_pass(builder, tmp_path, database_url, database):
    if not builder.nodes:
        pytest.skip("there is no Node.js here")
    files = render("node-service", database=database)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    artifact = builder.build(tmp_path, read_workload(files["score.yaml"], "score.yaml"), lambda _: None, lambda: False)
    given = {"DATABASE_URL": database_url} if database else {}
    done = subprocess.run(
        [builder.nodes[0].path, "--test"],
        cwd=builder.path(artifact.digest),
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "# skipped 0" in done.stdout
