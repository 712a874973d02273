"""The projection of stacks and resources, plans and builds, on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, Row, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.schema import builds, plans, resources, stacks
from pave.model.names import Address
from pave.plan.change import Action, Change, Plan
from pave.ports import Cipher, EngineChange, EnginePlan, ResourceRecord, StackRecord


class PostgresStacks:
    """Implements `pave.ports.Stacks`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, stack: Address) -> StackRecord | None:
        """One stack."""
        with self._engine.connect() as connection:
            row = connection.execute(select(stacks).where(stacks.c.address == str(stack))).one_or_none()
        return _stack(row) if row is not None else None

    def all(self, environment: str = "", component: str = "") -> Sequence[StackRecord]:
        """Stacks, sorted by address."""
        query = select(stacks).order_by(stacks.c.address)
        if environment:
            query = query.where(stacks.c.environment == environment)
        if component:
            query = query.where(stacks.c.component == component)
        with self._engine.connect() as connection:
            return tuple(_stack(row) for row in connection.execute(query))

    def put(self, stack: Address, **changes: Any) -> None:
        """Record what changed about a stack; one that is not there yet is made."""
        values = {key: dict(value) if key == "urls" else value for key, value in changes.items()}
        new = {"environment": stack.environment, "component": stack.component, "phase": "pending"}
        statement = insert(stacks).values(address=str(stack), **(new | values))
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["address"], set_=values or new))

    def remove(self, stack: Address) -> None:
        """Forget a stack and its resources."""
        with self._engine.begin() as connection:
            connection.execute(delete(resources).where(resources.c.stack == str(stack)))
            connection.execute(delete(stacks).where(stacks.c.address == str(stack)))

    def resources(self, stack: Address | None = None) -> Sequence[ResourceRecord]:
        """A stack's resources (None: those of all stacks), sorted by address."""
        query = select(resources).order_by(resources.c.address)
        if stack is not None:
            query = query.where(resources.c.stack == str(stack))
        with self._engine.connect() as connection:
            return tuple(
                ResourceRecord(
                    Address.parse(row.address),
                    row.type,
                    row.module,
                    row.module_version,
                    row.stateful,
                    row.inputs,
                    row.outputs,
                )
                for row in connection.execute(query)
            )

    def put_resources(self, stack: Address, records: Sequence[ResourceRecord]) -> None:
        """Replace a stack's resources."""
        rows = [
            {
                "address": str(one.address),
                "stack": str(stack),
                "type": one.type,
                "module": one.module,
                "module_version": one.module_version,
                "stateful": one.stateful,
                "inputs": dict(one.inputs),
                "outputs": dict(one.outputs),
            }
            for one in records
        ]
        with self._engine.begin() as connection:
            connection.execute(delete(resources).where(resources.c.stack == str(stack)))
            if rows:
                connection.execute(insert(resources), rows)


class PostgresPlans:
    """Implements `pave.ports.Plans`; the engine's plan is sealed with the plan's digest as context."""

    def __init__(self, engine: Engine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    def put(self, run: str, plan: Plan, engine_plan: EnginePlan) -> None:
        """Keep a plan of a run."""
        values = {
            "digest": plan.digest,
            "run": run,
            "stack": str(plan.stack),
            "plan": _plan_data(plan, engine_plan),
            "sealed": self._cipher.seal(_packed(engine_plan), f"plan/{plan.digest}"),
        }
        statement = insert(plans).values(values)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["digest", "run"], set_=values))

    def get(self, run: str, stack: Address) -> tuple[Plan, EnginePlan] | None:
        """The newest plan of a run for a stack."""
        query = select(plans).where(plans.c.run == run, plans.c.stack == str(stack))
        with self._engine.connect() as connection:
            row = connection.execute(query.order_by(plans.c.created_at.desc()).limit(1)).one_or_none()
        if row is None:
            return None
        engine_plan = _engine_plan(row.plan, self._cipher.open(row.sealed, f"plan/{row.digest}"))
        return replace(_plan(row.plan), resources=engine_plan.resources), engine_plan

    def drop(self, run: str) -> None:
        """Forget a run's plans once it has ended."""
        with self._engine.begin() as connection:
            connection.execute(delete(plans).where(plans.c.run == run))


class PostgresBuilds:
    """Implements `pave.ports.Builds`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, repository: str, commit: str) -> str:
        """The artifact's digest, or an empty text."""
        query = select(builds.c.artifact).where(builds.c.repository == repository, builds.c.commit == commit)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar() or ""

    def put(self, repository: str, commit: str, artifact: str) -> None:
        """Remember it."""
        values = {"artifact": artifact, "built_at": func.now()}
        statement = insert(builds).values(repository=repository, commit=commit, **values)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["repository", "commit"], set_=values))


def _stack(row: Row[Any]) -> StackRecord:
    columns = {name: value for name, value in row._mapping.items() if name not in ("environment", "component")}  # noqa: SLF001 — SQLAlchemy's documented way to a row's mapping
    return StackRecord(**(columns | {"address": Address.parse(row.address), "run": row.run or ""}))


def _plan_data(plan: Plan, engine_plan: EnginePlan) -> dict[str, Any]:
    data = {
        "stack": str(plan.stack),
        "changes": [one.as_data() for one in plan.changes],
        "inputs": plan.inputs,
        "serial": plan.serial,
        "guardrails": plan.guardrails,
        "engine_digest": plan.engine_digest,
        "destroy": plan.destroy,
        "engine_changes": [vars(one) for one in engine_plan.changes],
    }
    return dict(json.loads(json.dumps(data, default=str)))


def _plan(data: dict[str, Any]) -> Plan:
    changes = tuple(
        Change(
            **{
                **one,
                "address": Address.parse(one["address"]),
                "action": Action(one["action"]),
                "attributes": tuple(one["attributes"]),
            }
        )
        for one in data["changes"]
    )
    return Plan(
        Address.parse(data["stack"]),
        changes,
        data["inputs"],
        data["serial"],
        data["guardrails"],
        data["engine_digest"],
        data["destroy"],
    )


_WITH_RESOURCES = b"pave:plan:2\n"


def _packed(engine_plan: EnginePlan) -> bytes:
    """What is sealed: the engine's file, behind the values of its changes where they are known."""
    if engine_plan.resources is None:
        return engine_plan.file
    values = json.dumps(engine_plan.resources, default=str).encode()
    return b"%b%d\n%b%b" % (_WITH_RESOURCES, len(values), values, engine_plan.file)


def _unpacked(packed: bytes) -> tuple[bytes, tuple[Mapping[str, Any], ...] | None]:
    if not packed.startswith(_WITH_RESOURCES):
        return packed, None
    length, _, rest = packed.removeprefix(_WITH_RESOURCES).partition(b"\n")
    return rest[int(length) :], tuple(json.loads(rest[: int(length)]))


def _engine_plan(data: dict[str, Any], packed: bytes) -> EnginePlan:
    changes = tuple(
        EngineChange(**{**one, "actions": tuple(one["actions"]), "attributes": tuple(one["attributes"])})
        for one in data["engine_changes"]
    )
    file, values = _unpacked(packed)
    return EnginePlan(file, data["engine_digest"], data["serial"], changes, values)
