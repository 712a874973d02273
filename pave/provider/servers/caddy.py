"""The router: Caddy in front of the workloads, configured through its admin API on a Unix socket.

The whole configuration is made from the routes and loaded at once, so there is never half of one, and what was
loaded last is also what Caddy starts with. Loading closes idle connections of clients, though; so the port behind
a route is not in the configuration but in a file that Caddy reads with each request, and to switch from one version
to the next is to replace a file. It serves plain HTTP on loopback and nothing else.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pave.apply.retry import Terminal, Transient
from pave.model.diagnostics import error
from pave.provider.servers.ports import LOOPBACK, free_port, listener, taken
from pave.provider.servers.server import Ground, Record, Server

_NOBODY_HERE = (
    "Nothing answers at {http.request.host} here.\n"
    "`pave status` lists what runs on this platform and where it answers.\n"
)
_NOT_RUNNING = "%s has a route here, but nothing runs behind it yet.\n`pave status %s` says why.\n"
TELEMETRY = "/.pave/otlp"
"""The path below which the router leads to where telemetry is taken."""
_LONGEST_SOCKET = 100
_RETRY_SECONDS = 5


@dataclass(frozen=True)
class Route:
    """`host` and everything below `path` goes to `upstreams`, ports of this machine, in turn; none: not running.

    What is `asleep` is led to whoever wakes it.
    """

    host: str
    path: str
    upstreams: tuple[int, ...]
    stack: str = ""
    asleep: bool = False


class Router(Server):
    """One Caddy for all workloads of this machine."""

    name = "router"
    title = "The router"

    def __init__(self, ground: Ground, program: Path, port: int, routes: Callable[[], Sequence[Route]]) -> None:
        """`port` 0 takes a free one, once. `routes` tells what is to be routed, whenever that is asked."""
        super().__init__(ground)
        self.program, self._port, self._routes = program, port, routes
        self._written: dict[Path, int] = {}

    @property
    def logs(self) -> Path:
        """The folder with the access logs, one JSON file per host: `<host>.log`."""
        return self.ground.logs / "access"

    @property
    def port(self) -> int:
        """The port that workloads answer on; the router is started where it is not running."""
        return int(self.ensure()["port"])

    @property
    def record(self) -> Record | None:
        """What is known of the router; a changed setting of the port wins over what was used before."""
        found = super().record
        return {**found, "port": self._port} if found and self._port and found["port"] != self._port else found

    def first_record(self) -> dict[str, Any]:
        """The port. Raises `Terminal` where a stranger has it."""
        if self._port and taken(self._port):
            raise Terminal(
                error(
                    f"The router cannot start: {listener(self._port)} listens on port {self._port}",
                    remedy="Stop that program, or set router_port to another port (0: a free one).",
                )
            )
        return {"port": self._port or free_port()}

    def publish(self) -> None:
        """Have exactly the present routes in force. Raises `Transient` where Caddy does not take them."""
        with self.exclusive():
            try:
                self._publish()
            except Transient:  # it was started anew a moment ago, perhaps: now it is waited for
                self._publish()

    def _publish(self) -> None:
        port = int(self.ensure()["port"])
        routes = self._routes()
        wanted = self._render(port, routes)
        self._write_ports(routes)
        if self._ask("GET", "/config/") != wanted:
            content = json.dumps(wanted).encode()
            self.ground.write(self._config, content)
            self._ask("POST", "/load", content)
        current = {self._port_file(one, at).name for one in routes for at in range(len(one.upstreams))}
        for path in self._ports.iterdir():
            if path.name not in current:
                path.unlink(missing_ok=True)
                self._written.pop(path, None)

    def metrics(self) -> str:
        """Caddy's metrics in Prometheus' text format, per host."""
        return str(self._ask("GET", "/metrics", text=True))

    def prepare(self, record: Record) -> None:
        """Write the configuration that Caddy starts with."""
        if len(str(self._socket).encode()) >= _LONGEST_SOCKET:
            raise ValueError(f"{self._socket} is too long for a Unix socket")
        for folder in (self._socket.parent, self.logs):
            self.ground.folder(folder)
        if self._runs() and not self._socket.exists():
            self.ground.machine.stop(self.name)  # nobody can speak to it any more: it is started anew
        if not self._runs():
            self._socket.unlink(missing_ok=True)
        routes = self._routes()
        self._write_ports(routes)
        self.ground.write(self._config, json.dumps(self._render(int(record["port"]), routes)))

    def argv(self, record: Record) -> tuple[str, ...]:
        """Caddy with its configuration, confined."""
        del record
        own = [self.directory, self._socket.parent, self.logs]
        return self.ground.confine([str(self.program), "run", "--config", str(self._config)], write=own)

    def answers(self, record: Record) -> bool:
        """Whether the admin API answers."""
        del record
        return bool(self._ask("GET", "/config/"))

    @property
    def _config(self) -> Path:
        return self.directory / "caddy.json"

    @property
    def _socket(self) -> Path:
        return self.ground.run / "router" / "admin.sock"

    def _ask(self, method: str, path: str, body: bytes | None = None, *, text: bool = False) -> Any:
        connection = http.client.HTTPConnection("localhost", timeout=30)
        try:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(30)
            connection.sock.connect(str(self._socket))
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        except OSError as problem:
            self.doubt()
            raise Transient(
                error(f"The router does not answer: {problem}", remedy="It is tried again by itself.")
            ) from problem
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise Transient(
                error(
                    f"The router refuses {method} {path} ({answer.status}): {content.decode(errors='replace')[:300]}",
                    remedy=f"Its log may say more: {self.ground.logs / 'router.log'}.",
                )
            )
        return content.decode() if text else json.loads(content or b"null")

    @property
    def waker(self) -> Path:
        """The socket that requests for what sleeps are led to; whoever wakes listens there."""
        return self._socket.with_name("waker.sock")

    @property
    def telemetry(self) -> Path:
        """The socket that what applications send of themselves is led to."""
        return self._socket.with_name("telemetry.sock")

    @property
    def _ports(self) -> Path:
        return self.directory / "ports"

    def _port_file(self, route: Route, at: int) -> Path:
        """Holds the port of one replica behind a route."""
        return self._ports / f"{hashlib.sha256(f'{route.host}{route.path}'.encode()).hexdigest()[:24]}.{at}"

    def _write_ports(self, routes: Sequence[Route]) -> None:
        self.ground.folder(self._ports)
        for route in routes:
            for at, port in enumerate(route.upstreams):
                path = self._port_file(route, at)
                if self._written.get(path) != port or not path.exists():
                    self.ground.write(path, str(port))
                    self._written[path] = port

    def _render(self, port: int, routes: Sequence[Route]) -> dict[str, Any]:
        """Caddy's configuration. Source of the format: caddyserver.com/docs/json."""
        routes = sorted(routes, key=lambda one: (one.host, -len(one.path), one.path))
        hosts = sorted({one.host for one in routes})
        loggers = {host: re.sub(r"[^a-z0-9]", "_", host) for host in hosts}
        return {
            "admin": {"listen": f"unix/{self._socket}|0600", "config": {"persist": False}},
            "logging": {
                "logs": {
                    "default": {"level": "WARN", "exclude": ["http.log.access"]},
                    **{loggers[host]: self._access_log(host, loggers[host]) for host in hosts},
                }
            },
            "apps": {
                "http": {
                    "metrics": {"per_host": True},
                    "servers": {
                        "workloads": {
                            "listen": [f"{LOOPBACK}:{port}"],
                            "automatic_https": {"disable": True},
                            "logs": {
                                "logger_names": {host: [loggers[host]] for host in hosts},
                                "skip_unmapped_hosts": True,
                            },
                            "routes": [self._for_telemetry(), *map(self._route, routes), _answer(404, _NOBODY_HERE)],
                        }
                    },
                }
            },
        }

    def _for_telemetry(self) -> dict[str, Any]:
        """Its own host is the address itself: no workload can have that one."""
        handle: list[dict[str, Any]] = [
            {"handler": "rewrite", "strip_path_prefix": TELEMETRY},
            {"handler": "reverse_proxy", "upstreams": [{"dial": f"unix/{self.telemetry}"}]},
        ]
        return {"match": [{"host": [LOOPBACK], "path": [f"{TELEMETRY}/*"]}], "handle": handle, "terminal": True}

    def _access_log(self, host: str, logger: str) -> dict[str, Any]:
        return {
            "writer": {
                "output": "file",
                "filename": str(self.logs / f"{host}.log"),
                "roll_size_mb": 10,
                "roll_keep": 2,
                "roll_gzip": False,  # what the router saw is read from the newest one too
            },
            "encoder": {"format": "json"},
            "include": [f"http.log.access.{logger}"],
        }

    def _route(self, route: Route) -> dict[str, Any]:
        match: dict[str, Any] = {"host": [route.host]}
        path = route.path.rstrip("/")
        if path:
            match["path"] = [path, f"{path}/*"]
        if route.asleep:
            waker = {
                "handler": "reverse_proxy",
                "upstreams": [{"dial": f"unix/{self.waker}"}],
                "headers": {"request": {"set": {"X-Pave-Stack": [route.stack]}}},
            }
            return {"match": [match], "handle": [waker], "terminal": True}
        if not route.upstreams:
            return {"match": [match], **_answer(503, _NOT_RUNNING % (route.host, route.stack))}
        proxy = {
            "handler": "reverse_proxy",
            "upstreams": [
                {"dial": f"{LOOPBACK}:{{file.{self._port_file(route, at)}}}"} for at in range(len(route.upstreams))
            ],
            # A process that is being started again is waited for, and of several replicas another one is asked.
            "load_balancing": {
                "selection_policy": {"policy": "round_robin"},
                "try_duration": f"{_RETRY_SECONDS}s",
                "try_interval": "100ms",
            },
            # An idle connection to a process that is to go looks like a request in flight: it must not stay long.
            "transport": {"protocol": "http", "keep_alive": {"idle_timeout": "300ms"}},
            "stream_close_delay": "10s",
        }
        served = {"handler": "log_append", "key": "served_by", "value": "{http.reverse_proxy.upstream.port}"}
        return {"match": [match], "handle": [served, proxy], "terminal": True}


def _answer(status: int, body: str) -> dict[str, Any]:
    headers = {"Content-Type": ["text/plain; charset=utf-8"]}
    handler = {"handler": "static_response", "status_code": status, "headers": headers, "body": body}
    return {"handle": [handler], "terminal": True}
