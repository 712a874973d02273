"""A small registry and site: enough operations to show every kind of route."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pave.apply.retry import Stale, Transient
from pave.doors.site import Parts, Server, Site, assemble, listen
from pave.engine.operations import Call, Operation
from pave.engine.views import EnvironmentView, Overview, ResourceView, RunView, StackView, StepView
from pave.model.diagnostics import Conflict, Refused, Source, Unknown, error
from pave.model.names import Address, Ref, check_name
from pave.ports import Event, Principal

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DANA = Principal(Ref("user", "default", "dana"), frozenset({"read", "write"}))
GUEST = Principal(Ref("user", "default", "guest"), frozenset({"read"}))
TOKENS = {"good": DANA, "weak": GUEST}


class StackInput(BaseModel):
    environment: str = Field(description="Where.")
    component: str = Field(description="What.")


class AddInput(BaseModel):
    """A resource for a component."""

    model_config = ConfigDict(populate_by_name=True)
    component: str = Field(description="The component that gets it.")
    name: str = Field(description="What the component calls it.")
    type: Literal["postgres", "queue", "s3", "redis"] = Field(description="The resource type.")
    environment: str = Field("dev", description="The environment.")
    klass: str = Field("default", alias="class", description="The class, such as large.")
    inputs: dict[str, Any] = Field(default_factory=dict, description="The module's inputs.")
    count: int = Field(1, ge=1, le=9, description="How many.")


class FindInput(BaseModel):
    state: Literal["", "running", "failed"] = Field("", description="Only these.")
    limit: int = Field(50, ge=1, le=500, description="At most this many.")


class RunInput(BaseModel):
    id: str


class RunList(BaseModel):
    runs: list[RunView]


class RemoveInput(StackInput):
    name: str
    reason: str = ""


class FakeEvents:
    """Events in memory; `wait` blocks as the real source does."""

    def __init__(self) -> None:
        self.items: list[Event] = []
        self.changed = threading.Condition()
        self.waiting_threads: set[str] = set()

    def emit(self, type_: str, subject: str, *, run: str = "", actor: str = "", **data: Any) -> None:
        with self.changed:
            self.items.append(Event(len(self.items) + 1, NOW, type_, subject, run, actor, data))
            self.changed.notify_all()

    def read(self, after: int, *, subject: str = "", run: str = "", limit: int = 500) -> Sequence[Event]:
        found = [one for one in self.items if one.id > after and (not run or one.run == run)]
        wanted = [one for one in found if not subject or (one.subject + "/").startswith(subject + "/")]
        return wanted[:limit]

    def last(self) -> int:
        return len(self.items)

    def wait(self, after: int, seconds: float) -> bool:
        self.waiting_threads.add(threading.current_thread().name)
        with self.changed:
            return self.changed.wait_for(lambda: len(self.items) > after, min(seconds, 0.2))


class FakeSessions:
    def __init__(self) -> None:
        self.links = {"once": DANA}
        self.sessions: dict[str, Principal] = {}

    def invite(self, principal: Principal) -> str:
        self.links["again"] = principal
        return "again"

    def exchange(self, one_time: str) -> str | None:
        principal = self.links.pop(one_time, None)
        if principal is None:
            return None
        self.sessions["s-1"] = principal
        return "s-1"

    def whoami(self, session: str) -> Principal | None:
        return self.sessions.get(session)


@dataclass
class World:
    """What the handlers act on; `calls` records how each was asked for."""

    calls: list[Call] = field(default_factory=list)
    runs: dict[str, RunView] = field(default_factory=dict)
    events: FakeEvents = field(default_factory=FakeEvents)
    sessions: FakeSessions = field(default_factory=FakeSessions)
    seen: Overview = field(default_factory=Overview)
    waiting: dict[str, str] = field(default_factory=dict)
    on_add: Callable[[RunView], None] = lambda _: None


@dataclass
class Context:
    world: World
    call: Call

    def count(self, operation: Operation[Any, Any]) -> AbstractContextManager[None]:
        return nullcontext()

    def admit(self, operation: Operation[Any, Any], given: BaseModel) -> None:
        """Everybody may everything here; what the real judge says has tests of its own."""


def view(identifier: str, state: str = "pending", **parts: Any) -> RunView:
    values = {"kind": "resource.add", "subject": "dev/orders", "actor": str(DANA.actor), "door": "rest"} | parts
    return RunView(id=identifier, state=state, created_at=NOW, **values)  # type: ignore[arg-type]


def add(context: Context, asked: AddInput) -> RunView:
    check_name(asked.name, "a resource name")
    world = context.world
    world.calls.append(context.call)
    if context.call.dry_run:
        return view("", "succeeded", verdict={"outcome": "allowed", "findings": []})
    for run in world.runs.values():
        if context.call.key and run.result.get("key") == context.call.key:
            return run
    run = view(
        f"run-{len(world.runs) + 1}",
        door=context.call.door,
        subject=f"{asked.environment}/{asked.component}",
        result={"key": context.call.key, "asked": asked.model_dump(by_alias=True)},
    )
    world.runs[run.id] = run
    world.on_add(run)
    return run


def status(context: Context, asked: StackInput) -> StackView:
    context.world.calls.append(context.call)
    match asked.component:
        case "stale":
            raise Stale(error("Moved meanwhile", remedy="Ask again."))
        case "busy":
            raise Transient(error("The database restarts", remedy="Wait."))
        case "broken":
            raise RuntimeError("password=hunter2")
        case "taken":
            raise Conflict(error("There is one already"))
        case "gone":
            raise Unknown(error("dev/gone is not there", remedy="See pave status."))
        case "wrong":
            placed = error("image is null", path="containers.main.image", source=Source("score.yaml", 7))
            raise Refused(placed, error("and one more"))
    Address.parse(f"{asked.environment}/{asked.component}")
    return StackView(
        address=f"{asked.environment}/{asked.component}",
        environment=asked.environment,
        component=asked.component,
        status="healthy",
        commit="9f2c1e0d1",
        urls={"main": f"http://{asked.component}.{asked.environment}.localhost:8080"},
        resources=[
            ResourceView(address=f"{asked.environment}/{asked.component}/db", type="postgres", status="healthy")
        ],
    )


def find_runs(context: Context, asked: FindInput) -> RunList:
    context.world.calls.append(context.call)
    return RunList(runs=[one for one in context.world.runs.values() if asked.state in ("", one.state)][: asked.limit])


def get_run(context: Context, asked: RunInput) -> RunView:
    if asked.id not in context.world.runs:
        raise Unknown(error(f"There is no run {asked.id}", remedy="See pave runs."))
    return context.world.runs[asked.id]


def remove(context: Context, asked: RemoveInput) -> RunView:
    context.world.calls.append(context.call)
    run = view(f"run-{len(context.world.runs) + 1}", kind="resource.remove", remedy=asked.reason)
    context.world.runs[run.id] = run
    return run


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        "resource.add",
        "Give a component a resource",
        "POST /stacks/{environment}/{component}/resources",
        "add {component} {name}",
        AddInput,
        RunView,
        add,
        ("write",),
        starts_run=True,
        dry_run=True,
        examples=("pave add orders db --type postgres",),
    ),
    Operation(
        "resource.remove",
        "Take a resource away",
        "DELETE /stacks/{environment}/{component}/resources/{name}",
        "remove {component} {name}",
        RemoveInput,
        RunView,
        remove,
        ("write",),
        destructive=True,
        starts_run=True,
    ),
    Operation(
        "stack.status",
        "What runs, where and how it is",
        "GET /stacks/{environment}/{component}",
        "stack {environment} {component}",
        StackInput,
        StackView,
        status,
        ("read",),
        read_only=True,
    ),
    Operation("run.list", "Find runs", "GET /runs", "runs", FindInput, RunList, find_runs, ("read",), read_only=True),
    Operation(
        "run.show", "One run", "GET /runs/{id}", "run {id}", RunInput, RunView, get_run, ("read",), read_only=True
    ),
)


def site(world: World, **parts: Any) -> Site:
    """The site over `world`."""
    return assemble(
        Parts(
            operations=OPERATIONS,
            context=lambda call: Context(world, call),
            authenticate=TOKENS.get,
            sessions=world.sessions,
            events=world.events,
            run=world.runs.get,
            overview=lambda _: world.seen,
            may=lambda _principal, _verb: True,
            unready=lambda: world.waiting,
            **parts,
        )
    )


def sample_overview() -> Overview:
    """A platform with everything that the page can show."""

    def stack(environment: str, component: str, status: str = "healthy", **more: Any) -> StackView:
        resources = [
            ResourceView(
                address=f"{environment}/{component}/db",
                type="postgres",
                module="local/postgres",
                version="1.2.0",
                status="healthy",
            ),
            ResourceView(
                address=f"{environment}/{component}/events",
                type="queue",
                module="local/queue",
                version="1.0.3",
                status="healthy",
            ),
        ]
        return StackView(
            address=f"{environment}/{component}",
            environment=environment,
            component=component,
            status=status,
            owner="group:default/team-payments",
            commit="9f2c1e0d14b825dc",
            applied_at=NOW,
            urls={"main": f"http://{component}.{environment}.localhost:8080"},
            resources=resources,
            **more,
        )

    degraded = {
        "reason": "GET /healthz answers 503 since 11:58",
        "status": "degraded",
        "built_with": "uv, Python 3.11; without its Dockerfile: there is no container engine",
    }
    failed = {
        "summary": "The database of dev/ledger is full",
        "remedy": "Give it more room: pave add ledger db --type postgres --set size=medium",
    }
    return Overview(
        environments=[
            EnvironmentView(name="dev", title="Development"),
            EnvironmentView(name="staging", title="Staging", kind="staging"),
            EnvironmentView(name="prod", title="Production", kind="production"),
        ],
        stacks=[
            stack("dev", "orders"),
            stack("staging", "orders", "progressing", reason="Soaking for 6 of 10 min"),
            stack("prod", "orders", pin="0.9 lost orders"),
            stack("dev", "checkout", **degraded),
            stack("dev", "ledger", "missing", error=failed),
        ],
        runs=[
            view("run-9", "running", seconds=1.4, kind="stack.deploy"),
            view(
                "run-8",
                "denied",
                seconds=0.3,
                subject="prod/orders",
                remedy="pave add orders db --env prod --set backup_days=7",
            ),
            view(
                "run-7",
                "failed",
                seconds=72,
                subject="dev/ledger",
                error={"summary": "The database of dev/ledger is full"},
            ),
            view(
                "run-6",
                "succeeded",
                seconds=6.1,
                steps=[StepView(name="apply", subject="dev/orders", state="done", seconds=2.2)],
            ),
        ],
        last_event=41,
    )


class Running:
    """A real server in a thread."""

    def __init__(self, world: World, port: int = 0, **parts: Any) -> None:
        self.listener = listen("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.server = Server(site(world, **parts), self.listener)
        self.thread = threading.Thread(target=self.server.run_here, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def stop(self) -> float:
        began = time.monotonic()
        self.server.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.listener.close()
        return time.monotonic() - began
