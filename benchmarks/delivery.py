"""What each figure of delivery does: real git, a real load, a service from the template."""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks.running import Running, platform

Pairs = Iterator[tuple[float, float | None]]
_STEPS = ("check", "build", "sbom")
_PATIENCE = 120.0
_LOAD = """
import sys, time, httpx
url, host, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
kept = httpx.Client(headers={"Host": host}, timeout=10, trust_env=False)
asked = failed = 0
until = time.monotonic() + seconds
while time.monotonic() < until and not (sys.stdin in select.select([sys.stdin], [], [], 0)[0]):
    began = time.monotonic()
    try:
        client = kept if asked % 2 else httpx.Client(headers={"Host": host}, timeout=10, trust_env=False)
        failed += client.get(url).status_code != 200
    except httpx.HTTPError:
        failed += 1
    asked += 1
    time.sleep(max(0.02 - (time.monotonic() - began), 0))
print(asked, failed)
"""


@dataclass
class Visitor:
    """A clone of `orders`, pushed with the real git."""

    running: Running
    folder: Path

    def git(self, *arguments: str, at: str = "orders") -> str:
        """The real git; what it said."""
        token = (self.running.data / "server.token").read_text().strip()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {token}",
            "NO_PROXY": "*",
        }
        who = ("-c", "user.name=B", "-c", "user.email=b@example.com")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.folder / at, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout + done.stderr

    def clone(self) -> None:
        """Get the service."""
        self.git("clone", "--quiet", f"{str(self.running.client.base_url).rstrip('/')}/git/orders.git", at=".")

    def commit(self, word: str) -> str:
        """One changed line; the commit."""
        path = self.folder / "orders" / "app" / "main.py"
        path.write_text(re.sub(r'"service": "orders"[^}]*', f'"service": "orders", "word": "{word}"', path.read_text()))
        self.git("commit", "--quiet", "--all", "-m", f"Say {word}")
        return self.git("rev-parse", "HEAD").strip()

    def push(self, branch: str = "main") -> str:
        """Push; the run that follows."""
        said = self.git("push", "origin", branch)
        found = re.search(r"#run-(run_\w+)", said)
        assert found, said
        return found[1]


def address(running: Running) -> str:
    """Where the server answers."""
    return str(running.client.base_url).rstrip("/")


@contextlib.contextmanager
def service() -> Iterator[Visitor]:
    """A platform with `orders` from the template on it, cloned, its caches warm."""
    with platform() as running, tempfile.TemporaryDirectory() as folder:
        running.run("POST", "/components", {"name": "orders", "template": "python-service"})
        visitor = Visitor(running, Path(folder))
        visitor.clone()
        visitor.commit("warm")
        _ended(running, visitor.push())
        yield visitor


def _ended(running: Running, run: str) -> dict[str, Any]:
    while True:
        found = running.get(f"/runs/{run}", wait=30)
        if found["state"] in ("succeeded", "failed", "denied", "cancelled"):
            if found["state"] != "succeeded":
                raise RuntimeError(f"{run} {found['state']}: {found['error'] or found['verdict']}")
            return found


def _await(found: Callable[[], Any]) -> Any:
    until = time.monotonic() + _PATIENCE
    while not (answer := found()):
        if time.monotonic() > until:
            raise RuntimeError("it did not happen")
        time.sleep(0.005)
    return answer


def _page(url: str) -> str:
    parts = httpx.URL(url)
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(parts.copy_with(host="127.0.0.1"), headers={"Host": parts.netloc.decode()}, timeout=10).text
    return ""


def _url(running: Running, stack: str) -> str:
    return str(next(iter(running.get(f"/stacks/{stack}")["urls"].values())))


def _steps(running: Running, run: dict[str, Any], commit: str) -> float:
    """Seconds of install, tests, scans, build and bill of materials; the scan of the push itself among them."""
    own = sum(one["seconds"] or 0 for one in run["steps"] if one["name"] in _STEPS and not one["subject"])
    checks = running.get("/checks/orders", commit=commit)["checks"]
    return float(own) + sum(one["seconds"] for one in checks if one["name"] == "secrets")


def push_overhead(runs: int) -> Pairs:
    """A push until the new text answers, less its install, test, scan, build and bill-of-materials steps."""
    with service() as visitor:
        url = _url(visitor.running, "dev/orders")
        for number in range(runs):
            commit = visitor.commit(f"word{number}")
            began = time.monotonic()
            run = visitor.push()
            _await(lambda: f"word{number}" in _page(url))  # noqa: B023 — awaited within the round
            took = time.monotonic() - began
            yield took - _steps(visitor.running, _ended(visitor.running, run), commit), None


def push_first_line(runs: int) -> Pairs:
    """From the push being taken in to the first line of its log at somebody who watches."""
    with service() as visitor:
        running = visitor.running
        for number in range(runs):
            visitor.commit(f"line{number}")
            seen: list[float] = []
            watching = threading.Event()
            thread = threading.Thread(target=_watch, args=(running, watching, seen))
            thread.start()
            watching.wait()
            run = visitor.push()
            told = time.monotonic()
            thread.join()
            _ended(running, run)
            yield max(seen[0] - told, 0.0), None


def _watch(running: Running, watching: threading.Event, seen: list[float]) -> None:
    with running.client.stream("GET", "/api/v1/events", timeout=60) as stream:
        watching.set()
        for line in stream.iter_lines():
            if (line.startswith("data:") and "run.log" in line) or line.strip() == "event: run.log":
                seen.append(time.monotonic())
                return


def rollback_live(runs: int) -> Pairs:
    """From asking for a rollback until the version before answers."""
    with service() as visitor:
        url = _url(visitor.running, "dev/orders")
        for number in range(runs):
            for word in (f"good{number}", f"bad{number}"):
                visitor.commit(word)
                _ended(visitor.running, visitor.push())
            began = time.monotonic()
            answer = visitor.running.client.post("/api/v1/stacks/dev/orders/rollback", json={"reason": "bench"})
            answer.raise_for_status()
            _await(lambda: f"good{number}" in _page(url))  # noqa: B023 — awaited within the round
            took = time.monotonic() - began
            _ended(visitor.running, answer.json()["id"])
            visitor.running.run("POST", "/stacks/dev/orders/release")
            yield took, None


def deploy_failed_requests(runs: int) -> Pairs:
    """Failed requests at 50 a second, over kept and over new connections, during 20 deployments in a row."""
    with service() as visitor:
        running = visitor.running
        first = running.get("/stacks/dev/orders")["commit"]
        second = visitor.commit("second")
        _ended(running, visitor.push())
        url = httpx.URL(_url(running, "dev/orders"))
        for _ in range(runs):
            argv = [sys.executable, "-c", "import select\n" + _LOAD]
            plain = f"http://127.0.0.1:{url.port}/"
            load = subprocess.Popen(
                [*argv, plain, str(url.host), "600"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for number in range(20):
                running.run("POST", "/stacks/dev/orders/deploy", {"revision": (first, second)[number % 2]})
            said, _ = load.communicate("stop\n")
            asked, failed = map(int, said.split())
            if asked < 200:
                raise RuntimeError(f"only {asked} requests were made")
            yield float(failed), None


def preview_ready(runs: int) -> Pairs:
    """A branch's push until its preview answers with a database of its own, less the same steps as above."""
    with service() as visitor:
        for number in range(runs):
            visitor.git("checkout", "--quiet", "-B", f"try{number}", "origin/main")
            commit = visitor.commit(f"preview{number}")
            began = time.monotonic()
            run = _ended(visitor.running, visitor.push(f"try{number}"))
            url = str(next(iter(run["result"]["urls"].values())))
            _await(lambda: "[]" in _page(f"{url}/items").replace(" ", ""))  # noqa: B023 — awaited within the round
            took = time.monotonic() - began
            yield took - _steps(visitor.running, run, commit), None
            visitor.git("push", "--quiet", "origin", f":try{number}")


def preview_leftovers(runs: int) -> Pairs:
    """What is left of 30 previews that were opened and closed: processes, ports, databases, files, rows."""
    with service() as visitor:
        for round_ in range(runs):
            before = _standing(visitor.running)
            for number in range(30):
                branch = f"left{round_}-{number}"
                visitor.git("checkout", "--quiet", "-B", branch, "origin/main")
                visitor.commit(branch.replace("-", ""))
                _ended(visitor.running, visitor.push(branch))
                visitor.git("push", "--quiet", "origin", f":{branch}")
            _await(lambda: not _previews(visitor.running))
            left = {*_left(visitor.running), *(_standing(visitor.running) - before)}
            for one in sorted(left):
                print(f"left over: {one}", file=sys.stderr)
            yield float(len(left)), None


def _previews(running: Running) -> list[str]:
    found = [one["address"] for one in running.get("/stacks")["stacks"] if one["address"].startswith("preview-")]
    runs = running.get("/runs", limit=100)["runs"]
    return found + [one["id"] for one in runs if one["state"] in ("pending", "running", "waiting")]


def _left(running: Running) -> list[str]:
    """Every file below the data directory, every process and every row of what is there now that names a preview."""
    files = [
        str(path)
        for folder in ("cloud", "logs", "terraform", "supervisor", "scratch")
        for path in (running.data / folder).rglob("*preview-orders-*")
        if "access" not in path.parts
    ]
    said = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    with _server(running, "control", "control", "pave") as connection:
        rows = [
            f"{table}: {row[0]}"
            for table, column in _STATE.items()
            for row in connection.execute(f"SELECT {column} FROM {table} WHERE {column} LIKE '%preview-orders-%'")  # type: ignore[arg-type]
        ]
    return files + rows + [line for line in said.splitlines() if "preview-orders-" in line]


_STATE = {
    "stacks": "address",
    "resources": "address",
    "terraform_states": "stack",
    "terraform_locks": "stack",
    "plans": "stack",
    "entities": "document::text",
}
"""Tables of what is there now, and where they name it. Runs, events and deliveries are records: they stay."""


def _standing(running: Running) -> set[str]:
    """Databases and roles of the stacks' PostgreSQL, those in the trash too, and ports that the platform listens on."""
    with _server(running, "cloud", "postgres", "postgres") as connection:
        names = connection.execute(
            "SELECT 'database ' || datname FROM pg_database UNION SELECT 'role ' || rolname FROM pg_roles"
        )
        found = {str(name) for (name,) in names}
    needle, sockets = os.fsencode(str(running.data)), set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if needle not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
                continue
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    sockets.add(str(descriptor.readlink()))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [line for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets]
    return found | {f"port {int(line[1].rpartition(':')[2], 16)}" for line in listening}


def _server(running: Running, purpose: str, server: str, database: str) -> psycopg.Connection[Any]:
    record = json.loads((running.data / purpose / "inventory" / "server" / f"{server}.json").read_bytes())
    login = {"user": "pave", "password": record["password"], "dbname": database}
    return psycopg.connect(host="127.0.0.1", port=record["port"], autocommit=True, connect_timeout=10, **login)


def push_fairness(runs: int) -> Pairs:
    """50 services of five teams pushed at once: the worst team's median wait to the best team's."""
    with platform() as running:
        teams = [f"team-{letter}" for letter in "abcde"]
        _add_teams(running, teams)
        names = [f"{team}-{number}" for number in range(10) for team in teams]
        for name in names:
            body = {"name": name, "template": "worker", "owner": name.rpartition("-")[0], "env": "dev"}
            running.run("POST", "/components", body)
        for round_ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                waits = _push_all(running, Path(folder), names, round_)
            medians = [statistics.median(waits[team]) for team in teams]
            yield max(medians) / max(min(medians), 0.001), None


def _add_teams(running: Running, teams: list[str]) -> None:
    from pave.adapters.git.platform import GitPlatformRepository  # noqa: PLC0415 — as ops would, by hand

    repository = GitPlatformRepository(running.data / "platform.git")
    text = "".join(
        "---\napiVersion: backstage.io/v1alpha1\nkind: Group\n"
        f"metadata: {{name: {team}}}\nspec: {{type: team, children: [], members: []}}\n"
        for team in teams
    )
    repository.commit(repository.head(), {"catalog/bench.yaml": text.encode()}, "Teams", "user:default/dana")


def _push_all(running: Running, folder: Path, names: list[str], round_: int) -> dict[str, list[float]]:
    visitors = Visitor(running, folder)
    for name in names:
        visitors.git("clone", "--quiet", f"{str(running.client.base_url).rstrip('/')}/git/{name}.git", at=".")
        (folder / name / "note.txt").write_text(f"{round_}\n")
        visitors.git("add", ".", at=name)
        visitors.git("commit", "--quiet", "-m", "Note", at=name)
    said: dict[str, str] = {}

    def push(name: str) -> None:
        said[name] = visitors.git("push", "origin", "main", at=name)

    threads = [threading.Thread(target=push, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waits: dict[str, list[float]] = {}
    for name in names:
        found = re.search(r"#run-(run_\w+)", said[name])
        assert found, said[name]
        run = _ended(running, found[1])
        asked, began = (_time(run[key]) for key in ("created_at", "started_at"))
        waits.setdefault(name.rpartition("-")[0], []).append(began - asked)
    return waits


def _time(text: str) -> float:
    from datetime import datetime  # noqa: PLC0415 — beside its use

    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    for figure in sys.argv[1:]:
        print(json.dumps([figure, [value for value, _ in globals()[figure](1)]]))
