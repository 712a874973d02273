"""One platform, put together: adapters into the world, the world into the engine, the engine into the doors."""

from __future__ import annotations

import json
import os
import signal
import socket
import sysconfig
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pygit2
from sqlalchemy import QueuePool
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from pave.adapters.build.builder import SandboxBuilder
from pave.adapters.build.scratch import remove_tree
from pave.adapters.checks import Limits, SandboxChecker
from pave.adapters.cipher import FileCipher
from pave.adapters.evidence import FileAttestor
from pave.adapters.forges import Gitea, GitHub, GitLab
from pave.adapters.git.platform import GitPlatformRepository
from pave.adapters.git.server import GitServer
from pave.adapters.git.services import GitRepositories
from pave.adapters.git.tree import GitTree
from pave.adapters.logs.collector import Collector as LogCollector
from pave.adapters.logs.loki import Loki
from pave.adapters.logs.store import LocalLogs
from pave.adapters.notify import Addresses, Alertmanager, Mail, Slack, Webhook
from pave.adapters.otlp.access import TelemetryAccess
from pave.adapters.otlp.telemetry import Telemetry
from pave.adapters.postgres import database
from pave.adapters.postgres.catalog import PostgresCatalog
from pave.adapters.postgres.credentials import PostgresCredentials
from pave.adapters.postgres.metrics import PostgresMetrics
from pave.adapters.postgres.queue import PostgresQueue
from pave.adapters.postgres.runs import PostgresRuns
from pave.adapters.postgres.stacks import PostgresStacks
from pave.adapters.postgres.states import PostgresStates
from pave.adapters.prometheus.exposition import CONTENT_TYPE, exposition
from pave.adapters.prometheus.metrics import PrometheusMetrics
from pave.adapters.rego import SandboxPolicyEngine
from pave.adapters.scaffolder import SandboxScaffolder
from pave.adapters.terraform import engine as terraform
from pave.adapters.terraform.access import StateAccess
from pave.adapters.terraform.binary import Binary
from pave.adapters.terraform.pool import Pool
from pave.doors import git, site, state, telemetry, webhooks
from pave.doors.waker import Waker
from pave.engine.catalog import CatalogProjection
from pave.engine.context import Context
from pave.engine.delivery.waking import wake
from pave.engine.forge.messenger import Messenger
from pave.engine.forge.pushes import Pushes, refusal_to
from pave.engine.operations import Call, Nothing
from pave.engine.product.usage import Tally
from pave.engine.reconciler import Reconciler
from pave.engine.registry import OPERATIONS, platform
from pave.engine.registry import logs as log_operations
from pave.engine.rights import may
from pave.engine.signals.alerting import Alerting
from pave.engine.signals.collecting import Collector, hints
from pave.engine.signals.gauging import PlatformMeter
from pave.engine.signals.notifying import Notifier
from pave.engine.snapshots import Snapshots
from pave.engine.upkeep.housekeeping import Housekeeper
from pave.engine.views import Overview, RunView
from pave.engine.work import holder_of_the_moment
from pave.engine.worker import Worker
from pave.engine.world import World, nothing
from pave.model.diagnostics import Refused, error
from pave.model.names import Ref
from pave.ports import PLATFORM_REPOSITORY, AlertMirror, Cloud, Courier, Engine, Forge, Logs, Metrics, Principal
from pave.provider.local import Local, Options
from pave.provider.servers.caddy import TELEMETRY
from pave.provider.services import Programs
from pave.settings import Settings
from pave.wiring.machine import Base, Guard
from pave.wiring.records import records_of

_LIBRARY = Path(__file__).parents[1] / "library"
_YEAR = 365 * 24 * 3600.0
_LINK_SECONDS = 15 * 60.0


class SystemClock:
    """Implements `pave.ports.Clock` with the machine's own time."""

    def now(self) -> datetime:
        """Aware UTC time."""
        return datetime.now(UTC)


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
        truth = GitPlatformRepository(data / "platform.git")
        truth.ensure(library_files())
        repositories = GitRepositories(data / "repositories", self.settings.git)
        self.builder = SandboxBuilder(self.settings, self.base.sandbox)
        self._git = GitServer(self.settings.git, self.base.places.run, lambda name: _place(truth, repositories, name))
        cloud = self._cloud()
        logs = _logs(self.settings)
        self._closing.callback(logs.close)
        stacks, catalog = PostgresStacks(self.records), PostgresCatalog(self.records)
        self.world = World(
            **records_of(self.records, self.cipher),
            clock=SystemClock(),
            platform=truth,
            snapshots=Snapshots(truth, repositories),
            repositories=repositories,
            builder=self.builder,
            checker=self._checker(),
            attestor=FileAttestor(data / "keys", self.base.sandbox),
            scaffolder=SandboxScaffolder(self.base.sandbox, data / "scratch"),
            engine=self._engine(truth),
            cloud=cloud,
            stacks=stacks,
            policies=SandboxPolicyEngine(self.base.sandbox),
            credentials=self.credentials,
            forges=_forges(self.settings),
            logs=logs,
            metrics=self._metrics(),
            queue=self.queue,
            catalog=catalog,
            projection=CatalogProjection(truth, repositories, stacks, catalog),
            couriers=_couriers(self.settings),
            mirror=_mirror(self.settings, self.url),
            scratch=data / "scratch",
            domain=self.settings.domain,
            url=self.settings.public_url.rstrip("/") or self.url,
            holder=self.holder,
            reached=failpoint(os.environ.get("PAVE_FAILPOINT", "")),
        )
        self._make_workers()

    def _make_workers(self) -> None:
        """What works by itself once it is started."""
        self.log_collector = LogCollector(self.world.logs, self.local.log_files, self.world.events, self.world.clock)
        self.worker = Worker(self.world)
        self.reconciler = Reconciler(self.world, self.settings.resync_seconds)
        self.housekeeper = Housekeeper(self.world)
        self.tally = Tally(self.world)
        self.messenger = Messenger(self.world, tells=_tells(self.settings))
        self.telemetry = Telemetry(self.world.traces)
        self.own = PlatformMeter(self.world, self._own_parts)
        meters = (*self.local.meters(partial(hints, self.world)), self.telemetry, self.own)
        self.collector = Collector(self.world, meters)
        self.alerting = Alerting(self.world)
        self.notifier = Notifier(self.world)

    def work(self) -> None:
        """Begin to carry out runs, to take pushes and to look for differences."""
        guard = Guard(self.base.machine)
        guard.start()
        self._closing.callback(guard.close)
        self._git.start(Pushes(self.world))
        self._closing.callback(self._git.stop)
        waker = Waker(self.local.router.waker, partial(wake, self.world))
        waker.start()
        self._closing.callback(waker.stop)
        self.log_collector.start()
        self._closing.callback(self.log_collector.close)
        taking = telemetry.door(self.local.router.telemetry, self._telemetry_access.whose, self.telemetry)
        taking.start()
        self._closing.callback(taking.stop)
        self.queue.work(self.worker.carry_out, self.settings.workers)
        # Closed first: what a worker holds is ended well before the engine below it goes.
        self._closing.callback(self.queue.close)
        self.reconciler.start()
        self._closing.callback(self.reconciler.close)
        self.housekeeper.start()
        self._closing.callback(self.housekeeper.close)
        self.tally.start()
        self._closing.callback(self.tally.close)
        self.collector.start()
        self._closing.callback(self.collector.close)
        self.messenger.start()
        self._closing.callback(self.messenger.close)
        self.notifier.start()
        self._closing.callback(self.notifier.close)
        self.alerting.start()
        self._closing.callback(self.alerting.close)

    def close(self) -> None:
        """Stop what `open` and `work` began, newest first."""
        self._closing.close()

    def site(self) -> site.Site:
        """The HTTP doors."""
        return site.assemble(
            site.Parts(
                operations=OPERATIONS,
                context=lambda call: Context(self.world, call, self.tally),
                authenticate=lambda token: self.credentials.check("token", token),
                sessions=_Sessions(self.credentials),
                events=self.world.events,
                logs=(self.world.logs, partial(log_operations.question, self.world)),
                hosts=_hosts(self.settings.public_url),
                run=self._run_view,
                overview=self._overview,
                may=lambda principal, verb: may(self.world, principal.actor, verb, principal.behalf),
                exposition=lambda: (exposition(self.own.samples(self.world.clock.now())), CONTENT_TYPE),
                note=self.own.note,
                mounts={
                    "/internal": _unmounted(Starlette(routes=state.routes(self.states, self._access.verify))),
                    "/git": _unmounted(Starlette(routes=git.routes(self._git, self._rights()))),
                    "/webhooks": _unmounted(Starlette(routes=webhooks.routes(self.messenger.hear))),
                },
            )
        )

    def _rights(self) -> git.Rights:
        return git.Rights(
            authenticate=lambda token: self.credentials.check("token", token) if token else None,
            refusal=lambda actor, repository, write: refusal_to(self.world, actor, repository, write=write),
        )

    def sign_in(self) -> tuple[str, str]:
        """A token for the owner of the data, and a one-time login link."""
        operator, scopes = Ref.parse(self.settings.operator, kind="user"), sorted(ALL_SCOPES)
        token = self.credentials.issue("token", operator, scopes, _YEAR)
        link = self.credentials.issue("link", operator, scopes, _LINK_SECONDS)
        return token, f"{self.url}/login?token={link}"

    def _overview(self, principal: Principal) -> Overview:
        call = Call(principal.actor, "portal", behalf=principal.behalf)
        found: Overview = platform.OVERVIEW.carry_out(Context(self.world, call), Nothing())
        return found

    def _run_view(self, run: str) -> RunView | None:
        found = self.world.runs.get(run)
        return (
            Context(self.world, Call(Ref.parse(self.settings.operator, kind="user"), "rest")).show(found)
            if found
            else None
        )

    def _checker(self) -> SandboxChecker:
        limits = Limits(seconds=self.settings.check_seconds)
        return SandboxChecker(self.base.sandbox, self.builder, limits, self.settings.checkov)

    def _engine(self, truth: GitPlatformRepository) -> Engine:
        folder = self.settings.data / "terraform"
        folder.mkdir(mode=0o700, exist_ok=True)
        size = self.settings.workers
        runner = Binary(self.settings.terraform, folder, size) if self.settings.terraform else Pool(folder, size)
        self._access = StateAccess(self.cipher.derive("state"), lambda: self._inner_url, holder_of_the_moment)
        around = terraform.Surroundings(
            states=self.states,
            access=self._access,
            module_files=lambda digest: _files_of(truth.path, digest),
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
        self._telemetry_access = TelemetryAccess(self.cipher.derive("telemetry"), TELEMETRY)
        told = self._telemetry_access.variables
        options = Options(
            programs, caddy, settings.router_port, settings.trash_days, settings.start_seconds, self._last_words, told
        )
        self.local = Local(self.base.ground("cloud"), self.base.sandbox, self.builder, options)
        self._provider = self.local.serve(self.base.places.run / "provider" / "socket")
        self._closing.callback(self._provider.stop)
        return self.local.cloud

    def _last_words(self, log: Path) -> None:
        self.log_collector.finish(log)

    def _own_parts(self) -> Mapping[str, float]:
        told, pool = self.collector.collected, self.records.pool
        return {
            "pave_reconciler_rounds_total": self.reconciler.rounds,
            "pave_reconciler_failures_total": self.reconciler.failures,
            "pave_reconciler_seconds": self.reconciler.seconds,
            "pave_database_connections": pool.checkedout() if isinstance(pool, QueuePool) else 0,
            "pave_database_connections_most": pool.size() if isinstance(pool, QueuePool) else 0,
            "pave_collector_seconds": told.seconds,
            "pave_collector_samples": told.samples,
            "pave_collector_left_out_total": told.left_out,
            "pave_collector_problems": len(told.problems),
        }

    def _metrics(self) -> Metrics:
        if not self.settings.prometheus_url:
            return PostgresMetrics(self.records)
        found = PrometheusMetrics(self.settings.prometheus_url, self.settings.prometheus_token)
        self._closing.callback(found.close)
        return found

    def _free_what_the_dead_held(self) -> None:
        """Only one server works on this data, and it is this one: whoever held something on this host is dead."""
        for left in (self.settings.data / "scratch").iterdir():
            remove_tree(left)
        if self.settings.database_url:
            return  # another machine's server may be working on the same database: leases decide
        prefix = f"{socket.gethostname()}:"
        PostgresRuns(self.records).free(prefix)
        self.queue.free()


"""Bytes that one push may bring."""


def _forges(settings: Settings) -> Mapping[str, Forge]:
    """The outside forges. Raises `Refused` for an address that is none."""
    found: tuple[Forge, ...] = (
        GitHub(settings.github_secret, settings.github_token, settings.github_url),
        GitLab(settings.gitlab_secret, settings.gitlab_token, settings.gitlab_url),
        Gitea(settings.gitea_secret, settings.gitea_token, settings.gitea_url),
    )
    return {one.name: one for one in found}


def _logs(settings: Settings) -> Logs:
    """Where log lines are kept. Raises `Refused` for a Loki whose address is none."""
    folder = settings.data / "logs" / "kept"
    if settings.loki_url:
        return Loki(settings.loki_url, settings.loki_tenant, settings.loki_token, folder / "loki.json")
    return LocalLogs(folder, settings.log_megabytes * 10**6, settings.log_days)


def _tells(settings: Settings) -> bool:
    """Whether any forge may be told of statuses."""
    return bool(settings.github_token or settings.gitlab_token or settings.gitea_token)


def _couriers(settings: Settings) -> Mapping[str, Courier]:
    """How messages go out. Raises `Refused` for addresses that are none."""
    addresses = Addresses.read(settings.notify_addresses, settings.notify_hosts)
    found: dict[str, Courier] = {"slack": Slack(addresses), "webhook": Webhook(addresses)}
    return found | ({"mail": Mail(settings.smtp_url, settings.mail_from)} if settings.smtp_url else {})


def _mirror(settings: Settings, url: str) -> AlertMirror | None:
    """The Alertmanager that is shown every alert, where there is one. Raises `Refused`."""
    link = settings.public_url.rstrip("/") or url
    return Alertmanager(settings.alertmanager_url, link) if settings.alertmanager_url else None


def _hosts(public_url: str) -> tuple[str, ...]:
    """The host that people and forges outside of this machine ask for. Raises `Refused`."""
    if not public_url:
        return ()
    parts = urlsplit(public_url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        remedy = "Give the whole address, as people type it: https://pave.example.com"
        raise Refused(error(f"public_url cannot be {public_url[:200]!r}", remedy=remedy))
    return (parts.netloc,)


def _place(platform: GitPlatformRepository, repositories: GitRepositories, name: str) -> tuple[Path, str]:
    """Where a repository lies, and its protected branch. Raises `Unknown`."""
    if name == PLATFORM_REPOSITORY:
        return platform.path, "main"
    return repositories.path(name), repositories.default_branch(name)


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


_IN_FORCE = ("alerts", "slos")
"""Folders of the library that hold everywhere, also where a repository began before them, and are not copied."""


def library_files() -> Mapping[str, bytes]:
    """What a new platform repository begins with: the library, laid out as the repository is."""
    return {
        str(path.relative_to(_LIBRARY)): path.read_bytes()
        for path in sorted(_LIBRARY.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.relative_to(_LIBRARY).parts[0] not in _IN_FORCE
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
