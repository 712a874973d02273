"""What each figure does. Each yields (value, reference) once a run; the reference may be None."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks import clients, plain_terraform
from benchmarks.running import Running, family, folder, platform, proportional_bytes, start

Pairs = Iterator[tuple[float, float | None]]
EIGHT = [
    {"name": f"{name}{number}", "type": type_}
    for number in (1, 2)
    for name, type_ in (("db", "postgres"), ("queue", "queue"), ("files", "s3"), ("cache", "redis"))
]


def up_empty(runs: int) -> Pairs:
    """`pave up` to ready on empty data."""
    for _ in range(runs):
        with platform() as running:
            yield running.ready_seconds, None


def up_existing(runs: int) -> Pairs:
    """`pave up` to ready on data that was used before, everything below the supervisor stopped as by `pave down`."""
    from benchmarks.running import stop  # noqa: PLC0415 — beside its use

    with folder() as data:
        start(data).end()
        for _ in range(runs):
            stop(data)
            running = start(data)
            running.end()
            yield running.ready_seconds, None


def memory_idle(runs: int) -> Pairs:
    """Proportional set size, in MB, of the server and everything that it started, ten seconds after it was ready."""
    for _ in range(runs):
        with platform() as running:
            time.sleep(10)
            supervisor = int((running.data / "supervisor" / "supervisord.pid").read_text())
            yield proportional_bytes(family(running.process.pid) | family(supervisor)) / 1e6, None


def provision_8(runs: int) -> Pairs:
    """2 databases, 2 queues, 2 buckets and 2 caches: from the request until a real client has used each of them."""
    with platform() as running:
        _warm(running)
        for number in range(runs):
            yield _provision(running, f"shop{number}"), None


def provision_8_against_terraform(runs: int) -> Pairs:
    """The same against `terraform apply` of the same files, its provider started per call, on the same servers."""
    with platform() as running:
        _warm(running)
        with plain_terraform.workspace(running.data) as terraform:
            for number in range(runs):
                ours = _provision(running, f"shop{number}")
                reference = terraform.provision(f"plain{number}", EIGHT)
                yield ours, reference


def environment_ready(runs: int) -> Pairs:
    """A new environment with service, database and queue, artifact at hand: until it answers through the router."""
    with platform() as running:
        running.run("POST", "/components", {"name": "orders", "template": "python-service"})
        running.run("POST", "/resources", {"component": "orders", "name": "events", "type": "queue"})
        for number in range(runs):
            name = f"try{number}"
            began = time.monotonic()
            run = running.run("POST", "/environments", {"name": name, "from": "dev", "components": ["orders"]})
            clients.answer(next(iter(run["result"]["urls"].values())))
            yield time.monotonic() - began, None
            running.run("DELETE", f"/environments/{name}")


def resync_1000(runs: int) -> Pairs:
    """One round of the reconciler over 1,000 stacks in which nothing changed."""
    from benchmarks.thousand import thousand_stacks  # noqa: PLC0415 — makes a world of its own

    with thousand_stacks() as reconciler:
        for _ in range(runs):
            began = time.monotonic()
            asked = reconciler.look()
            seconds = time.monotonic() - began
            if asked:
                raise RuntimeError(f"{asked} of 1,000 unchanged stacks were not left alone")
            yield seconds, None


def _warm(running: Running) -> None:
    """Have the servers running, as they are after the first resource of each type."""
    running.run("POST", "/resources/batch", {"component": "warm", "resources": EIGHT[:4]})


def _provision(running: Running, component: str) -> float:
    began = time.monotonic()
    running.run("POST", "/resources/batch", {"component": component, "resources": EIGHT})
    outputs = {one["name"]: running.credentials(f"dev/{component}/{one['name']}") for one in EIGHT}
    clients.use_all([(str(one["type"]), outputs[str(one["name"])]["outputs"]) for one in EIGHT])
    return time.monotonic() - began
