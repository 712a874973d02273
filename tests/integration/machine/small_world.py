"""An application to run on a real machine, a world to run it in, and a client that counts what failed."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from pave.adapters.subprocesses import find
from pave.adapters.supervisor import SupervisorMachine
from pave.model.names import Address
from pave.ports import Artifact
from pave.provider.inventory import Inventory
from pave.provider.routes import Routes
from pave.provider.servers.caddy import Router
from pave.provider.volumes import Volumes
from pave.provider.workload import Workloads
from pave.provider.workload_spec import ContainerSpec, PortSpec, WorkloadSpec

APP = """
import json, os, signal, sys, time, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

print("starting", os.environ.get("VERSION"), "token", os.environ.get("API_TOKEN"), flush=True)
if "crash" in sys.argv:
    print("no database at", os.environ.get("DATABASE_URL"), flush=True)
    sys.exit(3)
if "never" in sys.argv:
    time.sleep(600)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(1.5)
        if self.path == "/pid":
            body = json.dumps({"pid": os.getpid(), "uid": os.getuid(), "environ": dict(os.environ)}).encode()
        elif self.path.startswith("/read"):
            body = open(self.path[5:]).read().encode()
        else:
            body = os.environ.get("VERSION", "?").encode()
        self.send_response(500 if "sick" in sys.argv and self.path == "/health" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

port = int(os.environ["PORT"]) if "stubborn" not in sys.argv else 0
server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
server.daemon_threads = True
if "stubborn" in sys.argv:
    print("on", server.server_address[1], flush=True)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server.serve_forever()
"""
DIGEST = "sha256:" + "0" * 64
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else find("python3")


@dataclass
class StoredArtifacts:
    """One artifact, as a builder would have stored it: readable, owned by Pave."""

    folder: Path
    artifact: Artifact = field(default_factory=lambda: Artifact(DIGEST, 1, "python", {"web": (PYTHON, "app.py")}))

    def find(self, digest):
        return self.artifact if digest == self.artifact.digest else None

    def path(self, digest):
        return self.folder


@dataclass
class World:
    """Everything that a test of workloads touches."""

    workloads: Workloads
    routes: Routes
    router: Router
    machine: SupervisorMachine
    inventory: Inventory
    artifacts: StoredArtifacts
    volumes: Volumes

    def get(self, host, path="/"):
        """Status and body through the router, as a browser would see them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.router.port, timeout=20)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def spec(version="1", *, args=(), address="dev/orders/workload", host="orders.dev.localhost", **parts):
    """A workload that answers with its version."""
    variables = {"VERSION": version, **parts.pop("variables", {})}
    fields = {key: parts.pop(key) for key in ("scale", "artifact") if key in parts}
    container = ContainerSpec("web", args=tuple(args), variables=variables, **parts)
    ports = fields.pop("ports", (PortSpec("http", 80, 8080),))
    return WorkloadSpec(
        Address.parse(address), fields.pop("artifact", DIGEST), (container,), host=host, ports=ports, **fields
    )


class Load:
    """A small client that asks all the time, over one connection or a new one each time, and counts what failed."""

    def __init__(self, world, host, *, keep=False):
        self._port, self._host, self._keep = world.router.port, host, keep
        self.failed, self.answered, self.seen = [], 0, set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _work(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._stop.is_set():
            try:
                connection.request("GET", "/", headers={"Host": self._host})
                answer = connection.getresponse()
                status, body = answer.status, answer.read().decode()
            except (OSError, http.client.HTTPException) as problem:
                self.failed.append(repr(problem))
                connection.close()
                continue
            if not self._keep:
                connection.close()
            self.answered += 1
            self.seen.add(body)
            if status != 200:
                self.failed.append(f"{status} {body}")
            time.sleep(0.002)
        connection.close()
