"""Stacks: one component in one environment, what it is, and what can be done with it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.applying import health_of
from pave.engine.context import Context, address_of
from pave.engine.operations import Operation
from pave.engine.views import ResourceView, RunView, StackView
from pave.model.deployment_file import path_of
from pave.model.diagnostics import Unknown, error
from pave.observe.health import Health, Status, worst
from pave.ports import StackRecord
from pave.request.intent import Converge, Deploy, Promote, ReleasePin, RemoveStack, Rollback, RollbackAll, Sleep, Wake
from pave.request.roles import Verb

_STACK = Field(description="environment/component, such as dev/orders.")


class OneStack(BaseModel):
    """Names a stack."""

    model_config = ConfigDict(extra="forbid")

    stack: str = _STACK


class DeployStack(OneStack):
    """A commit to a stack; the same commit is not built twice."""

    revision: str = Field("", description="A branch, tag or commit; the default branch's newest by default.")


class RollbackStack(OneStack):
    """An earlier version of a stack, pinned so that automatic deployment waits."""

    to: str = Field("", description="The commit to go back to; the one before by default.")
    reason: str = Field("", description="Why; it stands beside the pin.")


class RollbackStacks(BaseModel):
    """Several stacks as one change: all of them go back, or none."""

    model_config = ConfigDict(extra="forbid")

    stacks: list[str] = Field(description="environment/component of each.", min_length=1)
    reason: str = Field("", description="Why; it stands beside the pins.")


class StackFilter(BaseModel):
    """Which stacks."""

    model_config = ConfigDict(extra="forbid")

    env: str = Field("", description="Only of this environment.")
    component: str = Field("", description="Only of this component.")


class StackList(BaseModel):
    """Stacks, sorted by address."""

    stacks: list[StackView]


class RunSummary(BaseModel):
    """One version that a stack had."""

    commit: str = Field(description="The commit of the platform repository.")
    title: str
    actor: str
    at: str
    version: str = Field("", description="The component's commit at that time.")


class History(BaseModel):
    """Every version of a stack's desired state, newest first."""

    changes: list[RunSummary]


def view(context: Context, record: StackRecord) -> StackView:
    """A stack as doors show it, with its health and that of each resource as it is now, not as it was on record."""
    world, stack = context.world, record.address
    deployment = world.snapshots.current().deployments.get(stack)
    health = health_of(world, stack)
    artifact = world.builder.find(record.artifact) if record.artifact else None
    now = worst(health.values()) if health else Health(Status(record.health), record.reason)
    return StackView(
        address=str(stack),
        environment=stack.environment,
        component=stack.component,
        phase=record.phase,
        status=now.status.value,
        reason=now.reason,
        owner=record.owner,
        repository=record.repository,
        commit=record.commit,
        artifact=record.artifact,
        built_with=artifact.built_with if artifact else "",
        urls=dict(record.urls),
        resources=[
            ResourceView(
                address=str(one.address),
                type=one.type,
                module=one.module,
                version=one.module_version,
                status=health.get(one.address, Health(Status.UNKNOWN)).status.value,
                reason=health.get(one.address, Health(Status.UNKNOWN)).reason,
                outputs=dict(one.outputs),
                until=deployment.ends.get(one.address.resource, "") if deployment else "",
            )
            for one in world.stacks.resources(stack)
        ],
        pin=deployment.pin if deployment else None,
        run=record.run,
        applied_at=record.applied_at,
        checked_at=record.checked_at,
        error=dict(record.error) if record.error else None,
    )


def _known(context: Context, text: str) -> StackRecord:
    stack = address_of(text)
    record = context.world.stacks.get(stack)
    if record is None:
        there = ", ".join(str(one.address) for one in context.world.stacks.all()[:10]) or "none yet"
        raise Unknown(error(f"There is no stack {stack}", remedy=f"There are: {there}.", address=text))
    return record


def _show(context: Context, given: OneStack) -> StackView:
    return view(context, _known(context, given.stack))


def _list(context: Context, given: StackFilter) -> StackList:
    records = context.world.stacks.all(given.env, given.component)
    return StackList(stacks=[view(context, one) for one in records])


def _deploy(context: Context, given: DeployStack) -> RunView:
    return context.ask(Deploy(address_of(given.stack), given.revision))


def _rollback(context: Context, given: RollbackStack) -> RunView:
    return context.ask(Rollback(address_of(given.stack), given.to, given.reason))


def _rollback_all(context: Context, given: RollbackStacks) -> RunView:
    wanted = tuple(Rollback(address_of(one), reason=given.reason) for one in dict.fromkeys(given.stacks))
    return context.ask(RollbackAll(wanted))


def _promote(context: Context, given: OneStack) -> RunView:
    return context.ask(Promote(address_of(given.stack)))


def _sleep(context: Context, given: OneStack) -> RunView:
    return context.ask(Sleep(address_of(given.stack)))


def _wake(context: Context, given: OneStack) -> RunView:
    return context.ask(Wake(address_of(given.stack)))


def _release(context: Context, given: OneStack) -> RunView:
    return context.ask(ReleasePin(address_of(given.stack)))


def _converge(context: Context, given: OneStack) -> RunView:
    return context.ask(Converge(address_of(given.stack)))


def _remove(context: Context, given: OneStack) -> RunView:
    return context.ask(RemoveStack(address_of(given.stack)))


def _history(context: Context, given: OneStack) -> History:
    stack = address_of(given.stack)
    changes = []
    for commit in context.world.platform.log(path_of(stack), limit=50):
        then = context.world.snapshots.deployment_at(commit.id, stack)
        changes.append(
            RunSummary(
                commit=commit.id,
                title=commit.message.split("\n", 1)[0],
                actor=commit.trailers.get("Pave-Actor", commit.author),
                at=commit.at.isoformat(),
                version=then.commit if then else "",
            )
        )
    return History(changes=changes)


_WRITE: dict[str, Any] = {"scopes": ("stack:write",), "output": RunView, "starts_run": True}
_READ: dict[str, Any] = {"scopes": ("stack:read",), "read_only": True, "verb": Verb.READ}

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="stack.list",
        summary="All stacks, or those of an environment or a component",
        rest="GET /stacks",
        cli="stacks",
        input=StackFilter,
        output=StackList,
        handler=_list,
        **_READ,
    ),
    Operation(
        name="stack.deploy",
        summary="Deploy a commit",
        rest="POST /stacks/{stack:path}/deploy",
        cli="deploy {stack}",
        input=DeployStack,
        handler=_deploy,
        examples=("pave deploy dev/orders", "pave deploy dev/orders --revision 4b825dc"),
        verb=Verb.DEPLOY,
        about="{stack}",
        **_WRITE,
    ),
    Operation(
        name="stack.promote",
        summary="Move what runs well in the environment before to this one, by digest",
        rest="POST /stacks/{stack:path}/promote",
        cli="promote {stack}",
        input=OneStack,
        handler=_promote,
        dry_run=True,
        examples=("pave promote staging/orders", "pave promote prod/orders --dry-run"),
        verb=Verb.DEPLOY,
        about="{stack}",
        **_WRITE,
    ),
    Operation(
        name="stacks.rollback",
        summary="Go back with several stacks in one change: all, or none",
        rest="POST /rollbacks",
        cli="rollback-all",
        input=RollbackStacks,
        handler=_rollback_all,
        dry_run=True,
        examples=("pave rollback-all --stacks dev/orders --stacks dev/payments",),
        verb=Verb.DEPLOY,
        about="{stacks}",
        **_WRITE,
    ),
    Operation(
        name="stack.sleep",
        summary="Run nothing of a stack until somebody asks it for something",
        rest="POST /stacks/{stack:path}/sleep",
        cli="sleep {stack}",
        input=OneStack,
        handler=_sleep,
        dry_run=True,
        verb=Verb.DEPLOY,
        about="{stack}",
        **_WRITE,
    ),
    Operation(
        name="stack.wake",
        summary="Run a sleeping stack again",
        rest="POST /stacks/{stack:path}/wake",
        cli="wake {stack}",
        input=OneStack,
        handler=_wake,
        dry_run=True,
        verb=Verb.DEPLOY,
        about="{stack}",
        **_WRITE,
    ),
    Operation(
        name="stack.rollback",
        summary="Go back to an earlier version and stay there",
        rest="POST /stacks/{stack:path}/rollback",
        cli="rollback {stack}",
        input=RollbackStack,
        handler=_rollback,
        dry_run=True,
        examples=("pave rollback dev/orders", "pave rollback dev/orders --reason 'prices are wrong'"),
        verb=Verb.DEPLOY,
        about="{stack}",
        **_WRITE,
    ),
    Operation(
        name="stack.release",
        summary="Let automatic deployment go on after a rollback",
        rest="POST /stacks/{stack:path}/release",
        cli="release {stack}",
        input=OneStack,
        handler=_release,
        dry_run=True,
        verb=Verb.DEPLOY,
        about="{stack}",
        **_WRITE,
    ),
    Operation(
        name="stack.converge",
        summary="Make a stack what Git says, now",
        rest="POST /stacks/{stack:path}/converge",
        cli="converge {stack}",
        input=OneStack,
        handler=_converge,
        dry_run=True,
        verb=Verb.DEPLOY,
        about="{stack}",
        **_WRITE,
    ),
    Operation(
        name="stack.history",
        summary="Every version a stack had, and who changed it",
        rest="GET /stacks/{stack:path}/history",
        cli="history {stack}",
        input=OneStack,
        output=History,
        handler=_history,
        about="{stack}",
        **_READ,
    ),
    Operation(
        name="stack.remove",
        summary="Remove a component from an environment",
        rest="DELETE /stacks/{stack:path}",
        cli="remove {stack}",
        input=OneStack,
        handler=_remove,
        destructive=True,
        dry_run=True,
        examples=("pave remove dev/orders --dry-run",),
        verb=Verb.DELETE,
        about="{stack}",
        **_WRITE,
    ),
    Operation(
        name="stack.show",
        summary="What runs, where, since which commit, healthy or why not, who owns it",
        rest="GET /stacks/{stack:path}",
        cli="status {stack}",
        input=OneStack,
        output=StackView,
        handler=_show,
        examples=("pave status dev/orders",),
        about="{stack}",
        **_READ,
    ),
)
