"""What a newcomer does, in order, with the real command line: from nothing to a service, and back."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from command_line_for_tests import pave, pave_json
from platform_for_tests import TINY, Platform, commit_all, platform, repository

from pave.wiring.machine import Places

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Platform]:
    with platform(tmp_path / "data") as running:
        yield running


def answers(there: Platform, stack: str, text: str, path: str = "/", seconds: float = 20) -> None:
    """The workload says `text`, at the latest after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            said = there.fetch(stack, path).text
        except httpx.HTTPError as problem:
            said = str(problem)
        if text in said:
            return
        assert time.monotonic() < deadline, f"{stack} says {said[:200]}\n{there.said()}"
        time.sleep(0.1)


def test_the_golden_path_by_hand(there: Platform, tmp_path: Path) -> None:
    data = there.data
    again = pave(data, "up")
    assert "Pave runs already" in again
    assert there.process is not None
    assert f"process {there.process.pid}" in again

    makes_a_service(there)
    application = repository(tmp_path / "hello", TINY)
    assert "http://hello.dev.localhost" in pave(data, "import", str(application))
    answers(there, "dev/hello", "version 1")
    looks_before_it_leaps(there)
    said = pave(data, "add", "orders", "ledger", "--type", "postgres", "--env", "dev")
    assert re.search(r"Done +resource\.add dev/orders", said), said
    says_how_it_is(there)
    is_refused_with_a_way_out(there)
    goes_forth_and_back(there, application)
    reads_what_happened(there)

    assert "Its data stays" in pave(data, "down")
    there.gone()
    assert there.processes() == []
    assert there.ports() == []
    assert not Places(data).run.is_relative_to(data), "a path this long has its sockets elsewhere"
    assert not Places(data).run.exists()
    assert "pave up" in pave(data, "status", "dev/orders", code=4)
    assert "did not run" in pave(data, "down")
    there.up()
    answers(there, "dev/hello", "version 1")
    answers(there, "dev/orders", "first order", "/items")
    is_healthy(there, "dev/orders")


def is_healthy(there: Platform, stack: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while (found := pave_json(there.data, "status", stack))["status"] != "healthy":
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def makes_a_service(there: Platform) -> None:
    data = there.data
    said = pave(data, "new", "orders", "--template", "python-service")
    assert re.search(r"Done +component\.create dev/orders", said), said
    url = httpx.URL(next(iter(pave_json(data, "status", "dev/orders")["urls"].values())))
    assert str(url) in said
    router = f"http://127.0.0.1:{url.port}"
    made = httpx.post(f"{router}/items", headers={"Host": url.host}, json={"name": "first order"}, timeout=10)
    assert made.status_code == 201, made.text
    taken = pave(data, "new", "orders", code=1)
    assert "orders already" in taken
    assert "→ Choose another name" in taken


def looks_before_it_leaps(there: Platform) -> None:
    before = there.commits()[0].id, there.get("/runs", limit=500)
    said = pave(there.data, "add", "orders", "ledger", "--type", "postgres", "--env", "dev", "--dry-run")
    assert "+ dev/orders/ledger" in said
    assert "nothing was changed" in said
    asked = pave_json(there.data, "add", "orders", "ledger", "--type", "postgres", "--dry-run")
    assert (asked["id"], asked["verdict"]["outcome"]) == ("", "allowed")
    assert (there.commits()[0].id, there.get("/runs", limit=500)) == before
    assert there.databases("dev/orders/ledger") == []


def says_how_it_is(there: Platform) -> None:
    stack = pave_json(there.data, "status", "dev/orders")
    assert stack["commit"]
    said = pave(there.data, "status", "dev/orders")
    facts = ["dev/orders  ● Healthy", stack["commit"][:12], "just now", "group:platform", *stack["urls"].values()]
    for text in [*facts, "dev/orders/db", "dev/orders/ledger", "local/postgres"]:
        assert text in said, said
    assert {one["address"]: one["status"] for one in stack["resources"]} == {
        "dev/orders/db": "healthy",
        "dev/orders/ledger": "healthy",
        "dev/orders/workload": "healthy",
    }
    unknown = pave(there.data, "status", "dev/ordres", code=1)
    assert "dev/orders" in unknown


def is_refused_with_a_way_out(there: Platform) -> None:
    wanted = ("add", "orders", "archive", "--type", "postgres", "--env", "prod", "--set")
    before = there.commits()[0].id
    said = pave(there.data, *wanted, "backup_days=1", code=3)
    assert "keep backups for 1 day" in said
    fix = re.search(r"^→ pave (.+)$", said, re.MULTILINE)
    assert fix is not None, said
    assert fix[1].split() == [*wanted, "backup_days=7"]
    assert there.commits()[0].id == before
    assert "Allowed" in pave(there.data, *fix[1].split(), "--dry-run")
    denied = pave_json(there.data, *wanted, "backup_days=1", code=3)
    assert denied["state"] == "denied"
    assert denied["remedy"] == fix[0].removeprefix("→ ")


def goes_forth_and_back(there: Platform, application: Path) -> None:
    source = application / "app.py"
    source.write_text(source.read_text().replace('"1"', '"2"'))
    commit_all(application, "Second")
    pave(there.data, "deploy", "dev/hello")
    answers(there, "dev/hello", "version 2")
    pave(there.data, "rollback", "dev/hello", "--reason", "2 was a mistake")
    answers(there, "dev/hello", "version 1")
    assert "2 was a mistake" in pave(there.data, "status", "dev/hello")


def reads_what_happened(there: Platform) -> None:
    data = there.data
    runs = pave(data, "runs")
    for text in ("■ Denied", "● Done", "stack.rollback", "component.import", "user:dana"):
        assert text in runs, runs
    newest = pave_json(data, "runs")["runs"][0]
    assert newest["id"] in runs
    assert newest["kind"] in pave(data, "run", newest["id"])
    found = pave(data, "catalog", "orders")
    assert "component:orders" in found
    assert "group:platform" in found
    assert {one["ref"] for one in pave_json(data, "catalog", "orders")["entities"]} >= {"component:default/orders"}
    described = pave(data, "describe", "orders")
    for text in ("group:platform", "resource:dev.orders.db", "catalog-info.yaml"):
        assert text in described, described
    history = pave(data, "history", "dev/hello")
    assert len(history.splitlines()) == 1 + 3, history
    assert "user:dana" in history
    reads_the_logs(there)
    for words in (("overview",), ("stacks",), ("templates",), ("env", "list"), ("whoami",), ("guardrail", "list")):
        assert pave(data, *words).strip()
        assert pave_json(data, *words)
    assert there.data.name not in pave(data, "guardrail", "test")


def reads_the_logs(there: Platform) -> None:
    data = there.data
    assert "GET /" in pave(data, "logs", "dev/hello")
    asked = ("--field", "status=200", "--field", "path=/", "--since", "1h", "--source", "router")
    found = pave_json(data, "logs", "dev/hello", *asked)["lines"]
    assert found
    assert {one["fields"]["status"] for one in found} == {"200"}
    delivered = pave_json(data, "deliveries", "--component", "hello")["deliveries"][-1]
    version = shlex.split(delivered["logs"])[1:]
    assert {one["stack"] for one in pave_json(data, *version)["lines"]} == {"dev/hello"}
    said = pave_json(data, *shlex.split(pave_json(data, "run", delivered["run"])["logs"])[1:])["lines"]
    assert {one["fields"]["run"] for one in said} == {delivered["run"]}
    words = ("logs", "dev/hello", "--follow", "--grep", "/new", "--json")
    argv = [sys.executable, "-m", "pave", "--data", str(data), *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        try:
            there.fetch("dev/hello", "/new")
            assert "/new" in json.loads(follower.stdout.readline())["text"]
        finally:
            follower.send_signal(signal.SIGINT)
        assert follower.wait(10) == 130


def test_every_template_makes_what_it_promises(there: Platform) -> None:
    pave(there.data, "new", "shop", "--template", "node-service", "--owner", "group:payments")
    assert '"shop"' in there.fetch("dev/shop").text
    assert there.fetch("dev/shop", "/items").status_code == 200
    assert pave_json(there.data, "describe", "shop")["owner"] == "group:default/payments"

    pave(there.data, "new", "mailer", "--template", "worker", "--set", "description=Sends letters")
    stack = pave_json(there.data, "status", "dev/mailer")
    assert (stack["status"], stack["urls"]) == ("healthy", {})
    publish(pave_json(there.data, "connect", "dev/mailer/queue")["outputs"], b'{"name": "letter 1"}')
    deadline = time.monotonic() + 20
    while "done: letter 1" not in (said := pave(there.data, "logs", "dev/mailer")):
        assert time.monotonic() < deadline, said
        time.sleep(0.3)
    recorded = there.file("catalog/components/mailer.yaml") or ""
    assert "backstage.io/source-template: template:default/worker" in recorded
    assert re.search(r"pave\.dev/template-version: \S{7,}", recorded), recorded
    assert "Sends letters" in recorded


def publish(reached: dict, message: bytes) -> None:
    """Put a job into a queue, as any program with its credentials."""
    import asyncio  # noqa: PLC0415 — only here

    import nats  # noqa: PLC0415 — only here

    async def send() -> None:
        connection = await nats.connect(
            f"nats://{reached['host']}:{reached['port']}", user=reached["username"], password=reached["password"]
        )
        jetstream = connection.jetstream()
        stream = await jetstream.stream_info(reached["stream"])
        subject = (stream.config.subjects or [""])[0].replace("*", "letters").replace(">", "letters")
        await jetstream.publish(subject, message)
        await connection.close()

    asyncio.run(send())


TEMPLATE = """\
apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata:
  name: picky
  title: Picky
spec:
  owner: group:platform
  type: service
  parameters:
    - properties:
        package: {title: A package, type: string, default: ''}
  steps:
    - id: fetch
      name: Write
      action: fetch:template
      input:
        url: ./skeleton
        values: {package: '${{ parameters.package }}'}
    - id: publish
      name: Publish
      action: publish:pave
      input: {name: '${{ parameters.name }}'}
"""


def test_a_creation_that_fails_leaves_nothing(there: Platform) -> None:
    files = {f"templates/picky/skeleton/{path}": text for path, text in TINY.items()}
    there.commit(
        {
            "templates/picky/template.yaml": TEMPLATE,
            **files,
            "templates/picky/skeleton/requirements.txt": "${{ values.package }}\n",
        }
    )
    before = there.commits()[0].id
    said = pave(
        there.data, "new", "odd", "--template", "picky", "--set", "package=a-package-that-nobody-made==1.0", code=1
    )
    assert "a-package-that-nobody-made" in said
    assert "→" in said
    assert there.commits()[0].id == before
    assert there.repositories() == []
    assert there.status("dev/odd") is None
    assert "no component:odd" in pave(there.data, "describe", "component:odd", code=1)
    assert there.programs().keys().isdisjoint({"dev.odd.workload"})
    there.settle()
    there.check()
    # and the name is free
    pave(there.data, "new", "odd", "--template", "picky")
    answers(there, "dev/odd", "version 1")
