"""A whole platform for tests, started as a user starts it: killed, restarted, looked through for leftovers.

Nothing is mocked. Whatever a test does to it, `end` takes everything down and says what is still there.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pygit2
from psycopg import sql

from pave.doors.presence import find

ENDED = ("succeeded", "failed", "denied", "cancelled")
OPERATOR = "user:default/dana"


@dataclass
class Platform:
    """A platform on `data`; `variables` are its settings as `PAVE_…` variables."""

    data: Path
    variables: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    client: httpx.Client | None = None

    def begin(self, **variables: str) -> subprocess.Popen[bytes]:
        """Start it and do not wait; further variables are for this start alone."""
        settings = {"PAVE_PORT": "0", "PAVE_ROUTER_PORT": "0", "PAVE_OPERATOR": OPERATOR}
        environment = {**os.environ, **settings, **self.variables, **variables}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pave", "--data", str(self.data), "up"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self.process

    def up(self, **variables: str) -> Platform:
        """Start it and wait until it answers."""
        process = self.begin(**variables)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = find(self.data)
            if found is not None and found.pid == process.pid and self._answers(found.url, found.token):
                return self
            assert process.poll() is None, self.said()
            time.sleep(0.01)
        raise AssertionError(f"the platform did not come up: {self.said()}")

    def _answers(self, url: str, token: str) -> bool:
        client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=httpx.Timeout(60))
        with contextlib.suppress(httpx.HTTPError):
            if client.get("/readyz").status_code == 200:
                self.client = client
                return True
        client.close()
        return False

    @property
    def log(self) -> Path:
        """What the server wrote."""
        return self.data.parent / f"{self.data.name}.log"

    def said(self) -> str:
        """The end of the server's log."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else "it said nothing"

    def kill(self) -> None:
        """SIGKILL of the server, and of it alone."""
        assert self.process is not None
        self.process.kill()
        self.gone()

    def died(self, at: str = "its failpoint", seconds: float = 60) -> None:
        """Wait until the server has killed itself at its failpoint."""
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        assert self.process.returncode == -signal.SIGKILL, f"it did not come to {at}: {self.said()}"
        self.gone()

    def gone(self) -> None:
        """Its process has been killed: wait for that."""
        assert self.process is not None
        self.process.wait(30)
        self.process = None
        if self.client is not None:
            self.client.close()
            self.client = None

    def restart(self, **variables: str) -> Platform:
        """Stop the server as Ctrl-C does, unless it is dead already, and start it again."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.gone()
        return self.up(**variables)

    def down(self) -> None:
        """`pave down`: the server and everything that it runs."""
        subprocess.run(
            [sys.executable, "-m", "pave", "--data", str(self.data), "down"],
            check=True,
            timeout=90,
            stdout=subprocess.DEVNULL,
        )
        if self.process is not None:
            self.gone()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One request below /api/v1."""
        assert self.client is not None
        return self.client.request(method, f"/api/v1{path}", json=body, headers=headers)

    def ask_until_death(self, method: str, path: str, body: Any = None, **headers: str) -> None:
        """Ask for a change during which the server kills itself, perhaps before it has answered."""
        with contextlib.suppress(httpx.TransportError):
            answer = self.ask(method, path, body, **headers)
            assert answer.status_code == 202, answer.text
        self.died()

    def token(self, user: str) -> str:
        """A token of somebody else's."""
        from pave.adapters.postgres import database  # noqa: PLC0415 — only here
        from pave.adapters.postgres.credentials import PostgresCredentials  # noqa: PLC0415
        from pave.model.names import Ref  # noqa: PLC0415

        record = self.record("control", "control")
        records = database.connect(f"postgresql://pave:{record['password']}@127.0.0.1:{record['port']}/pave", size=1)
        try:
            scopes = [
                *("catalog:read", "component:write", "change:write", "stack:read"),
                "stack:write",
                "feedback:write",
            ]
            return PostgresCredentials(records).issue("token", Ref.parse(f"user:default/{user}"), scopes, 3600)
        finally:
            records.dispose()

    def as_user(self, user: str, method: str, path: str, body: Any = None) -> httpx.Response:
        """One request below /api/v1 of somebody else's."""
        return self.ask(method, path, body, Authorization=f"Bearer {self.token(user)}")

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Read something that is there."""
        assert self.client is not None
        answer = self.client.get(f"/api/v1{path}", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def asked(self, method: str, path: str, body: Any = None, **headers: str) -> str:
        """Ask for a change; the run's id."""
        answer = self.ask(method, path, body, **headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def ended(self, run: str, seconds: float = 60) -> dict[str, Any]:
        """A run when it has ended. It must, without help, within `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(f"/runs/{run}", wait=max(min(deadline - time.monotonic(), 20), 0))
            if found["state"] in ENDED:
                return found
            assert time.monotonic() < deadline, f"{run} is {found['state']} after {seconds} s: {found}\n{self.said()}"

    def run(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask for a change and wait for its end, whichever it is."""
        return self.ended(self.asked(method, path, body))

    def done(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask for a change that must succeed."""
        run = self.run(method, path, body)
        assert run["state"] == "succeeded", json.dumps(run, indent=1) + self.said()
        return run

    def refused(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask for what must not be: its first diagnostic, from the answer or from the failed run."""
        answer = self.ask(method, path, body)
        if answer.status_code != 202:
            problem: dict[str, Any] = answer.json()
            return {"status": answer.status_code, **(problem.get("diagnostics") or [{}])[0], "problem": problem}
        run = self.ended(answer.json()["id"])
        assert run["state"] == "failed", run
        assert run["error"], run
        return {"status": 202, **run["error"], "run": run}

    def open_runs(self) -> list[str]:
        """Runs that have not ended."""
        return [one["id"] for one in self.get("/runs", limit=500)["runs"] if one["state"] not in ENDED]

    def settle(self, seconds: float = 30) -> None:
        """Wait until no run is open."""
        deadline = time.monotonic() + seconds
        while self.open_runs():
            assert time.monotonic() < deadline, f"still open: {self.open_runs()}\n{self.said()}"
            time.sleep(0.1)

    def status(self, stack: str) -> dict[str, Any] | None:
        """A stack, or None where it is not."""
        answer = self.ask("GET", f"/stacks/{stack}")
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.status_code == 200 else None

    def fetch(self, stack: str, path: str = "/") -> httpx.Response:
        """An answer of a stack's workload through the router."""
        found = self.status(stack)
        assert found is not None
        assert found["urls"], found
        url = httpx.URL(next(iter(found["urls"].values())))
        return httpx.get(f"http://127.0.0.1:{url.port}{path}", headers={"Host": url.host}, timeout=10)

    def credentials(self, address: str) -> dict[str, Any]:
        """How to reach a resource."""
        answer = self.ask("POST", f"/resources/{address}/credentials")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["outputs"]
        return found

    # What lies below the API: the servers, the repository, the machine.

    def record(self, server: str, purpose: str = "cloud") -> dict[str, Any]:
        """What the inventory knows of a server."""
        found: dict[str, Any] = json.loads(
            (self.data / purpose / "inventory" / "server" / f"{server}.json").read_bytes()
        )
        return found

    @contextlib.contextmanager
    def database(self, name: str = "postgres", *, purpose: str = "cloud") -> Iterator[psycopg.Connection[Any]]:
        """A connection as the administrator of the stacks' PostgreSQL, or of the control plane's own."""
        record = self.record("postgres" if purpose == "cloud" else "control", purpose)
        with psycopg.connect(
            host="127.0.0.1",
            port=record["port"],
            user="pave",
            password=record["password"],
            dbname=name,
            autocommit=True,
            connect_timeout=10,
        ) as connection:
            yield connection

    def databases(self, address: str = "") -> list[str]:
        """The names of the databases that belong to `address` (to anything), those in the trash left out."""
        with self.database() as connection:
            rows = connection.execute(
                "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE NOT datistemplate"
            ).fetchall()
        found = [(name, json.loads(note)) for name, note in rows if note and note.startswith("{")]
        return [name for name, note in found if "removed" not in note and address in ("", note["address"])]

    def unknown_databases(self) -> list[str]:
        """Databases that nobody answers for."""
        with self.database() as connection:
            rows = connection.execute(
                "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE NOT datistemplate"
            ).fetchall()
        return [name for name, note in rows if name != "postgres" and not (note or "").startswith("{")]

    def control(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the control plane's own database."""
        with self.database("pave", purpose="control") as connection:
            return connection.execute(sql.SQL(query)).fetchall()  # type: ignore[arg-type]

    def inventory(self, kind: str) -> list[str]:
        """The addresses that the inventory has of a kind."""
        folder = self.data / "cloud" / "inventory" / kind
        return sorted(path.stem.replace("%2F", "/") for path in folder.glob("[!.]*.json"))

    def streams(self, address: str) -> int:
        """How many JetStream streams on the disk belong to a queue."""
        account = address.replace("/", "_").replace("-", "_")
        return len(list((self.data / "cloud" / "nats" / "data" / "jetstream").glob(f"{account}*/streams/*")))

    def repositories(self) -> list[str]:
        """What lies in the folder of the services' repositories, half-made ones too."""
        return sorted(path.name for path in (self.data / "repositories").iterdir())

    def commits(self) -> list[pygit2.Commit]:
        """The platform repository's commits, newest first."""
        repository = pygit2.Repository(str(self.data / "platform.git"))
        return list(repository.walk(repository.references["refs/heads/main"].target))

    def commits_of(self, run: str) -> list[str]:
        """The commits that a run made."""
        return [str(one.id) for one in self.commits() if f"Pave-Change: {run}" in one.message]

    def commit(self, edits: Mapping[str, str | None], message: str = "Edited by hand") -> None:
        """Edit the platform repository by hand, as ops would."""
        from pave.adapters.git.platform import GitPlatformRepository  # noqa: PLC0415 — only here

        repository = GitPlatformRepository(self.data / "platform.git")
        bytes_ = {path: None if text is None else text.encode() for path, text in edits.items()}
        repository.commit(repository.head(), bytes_, message, "user:default/dana")

    def file(self, path: str) -> str | None:
        """A file of the platform repository as it is now."""
        tree = self.commits()[0].tree
        return tree[path].data.decode() if path in tree else None

    def programs(self) -> dict[str, int]:
        """The supervised programs that run, by name, and their processes."""
        found = {}
        for path in (self.data / "supervisor" / "records").glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                pid = int(json.loads(path.read_bytes())["pid"])
                os.kill(pid, 0)
                found[path.stem] = pid
        return found

    def supervisor(self) -> int:
        """supervisord's process; 0 while it is only just writing it."""
        return int((self.data / "supervisor" / "supervisord.pid").read_text() or 0)

    def processes(self) -> list[int]:
        """Every process that names the data directory: in its command, its variables or what it has mounted."""
        needle = os.fsencode(str(self.data))
        others = [one for one in Path("/proc").iterdir() if one.name.isdigit() and int(one.name) != os.getpid()]
        return [int(one.name) for one in others if needle in _told(one)]

    def locks(self) -> list[str]:
        """Files below the data directory that somebody holds a lock on."""
        held = {line.split()[-3].rpartition(":")[2] for line in Path("/proc/locks").read_text().splitlines()}
        files = (path for path in self.data.rglob("*") if path.is_file() and not path.is_symlink())
        return sorted(str(path) for path in files if str(path.stat().st_ino) in held)

    def ports(self) -> list[int]:
        """Ports on record that somebody listens on; not those that another platform's processes have taken since."""
        known: set[int] = set()
        for path in self.data.glob("*/inventory/*/*.json"):
            known |= set(_ports(json.loads(path.read_bytes())))
        return sorted(port for port in known if _listens(port) and not self._is_anothers(port))

    def _is_anothers(self, port: int) -> bool:
        owners = _listeners(port)
        return bool(owners) and not owners & set(self.processes())

    def end(self) -> None:
        """Everything down, and nothing left."""
        self.down()
        left = {"processes": _described(self.processes()), "ports": self.ports(), "locks": self.locks()}
        assert not any(left.values()), left

    def check(self) -> None:
        """What must hold whenever nothing is under way: no run, job, lock or half-made thing is left."""
        deadline = time.monotonic() + 60  # a promotion may become due while nobody asks for anything
        while jobs := self.control("SELECT id, status, queueing_lock, lock FROM procrastinate_jobs"):
            assert time.monotonic() < deadline, jobs  # a job goes a moment after its run has ended
            self.settle(60)
            time.sleep(0.1)
        assert self.open_runs() == []
        assert self.control("SELECT stack, holder FROM terraform_locks") == []
        assert self.control("SELECT id FROM runs WHERE holder IS NOT NULL OR lease_until IS NOT NULL") == []
        assert [path.name for path in (self.data / "scratch").iterdir()] == []
        assert [path.name for path in (self.data / "cloud" / "inventory" / ".locks").glob("*")] == []
        if (self.data / "cloud" / "inventory" / "server" / "postgres.json").exists():
            assert self.unknown_databases() == []


def _told(process: Path) -> bytes:
    told = b""
    for name in ("cmdline", "environ", "mountinfo"):
        with contextlib.suppress(OSError):
            told += (process / name).read_bytes()
    return told


def _described(processes: list[int]) -> list[str]:
    said = []
    for one in processes:
        with contextlib.suppress(OSError):
            said.append(f"{one}: {Path(f'/proc/{one}/cmdline').read_bytes().replace(bytes(1), b' ').decode()[:200]}")
    return said


def _ports(value: Any, key: str = "") -> Iterator[int]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _ports(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _ports(one, key)
    elif isinstance(value, int) and not isinstance(value, bool) and 1024 < value < 65536:
        yield value


def _listeners(port: int) -> set[int]:
    """The processes that listen on a port; none where they cannot be told."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if line[3] == "0A" and int(line[1].split(":")[1], 16) == port}
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) in sockets:
                found.add(int(descriptor.parts[2]))
    return found


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def platform(data: Path, **variables: str) -> Iterator[Platform]:
    """A platform on empty data, which is all gone at the end."""
    running = Platform(data, variables)
    try:
        yield running.up()
    finally:
        running.end()


def repository(folder: Path, files: Mapping[str, str]) -> Path:
    """A Git repository with one commit."""
    folder.mkdir(parents=True)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit_all(folder, "First")
    return folder


def commit_all(folder: Path, message: str) -> None:
    """Commit everything in a working copy."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", message)


def git(folder: Path, *arguments: str) -> None:
    """The git program in a working copy."""
    author = ["-c", "user.name=Dana", "-c", "user.email=dana@example.com"]
    subprocess.run(["git", *author, "-C", str(folder), *arguments], check=True, stdout=subprocess.DEVNULL)


APP = """\
import http.server
import os

VERSION = "1"

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"version {VERSION}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

TINY = {"Procfile": "web: python app.py\n", "requirements.txt": "", "app.py": APP}
"""An application that needs nothing beyond Python itself."""
