"""The thin layer between Terraform's protocol and the provider's plain classes.

A resource here is a schema and four calls. Whatever goes wrong becomes a Terraform diagnostic that says what
happened and what to do, never a traceback and never a secret.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from msgpack import ExtType
from tf.iface import _validate_config as check_fields
from tf.schema import Attribute, Schema
from tf.types import Bool, Number, String, Unknown

from pave.apply.retry import ApplyError
from pave.model.diagnostics import Diagnostic, Refused, Severity
from pave.model.names import Address

State = dict[str, Any]
T = TypeVar("T")


def unknown(value: Any) -> bool:
    """Whether Terraform does not know a value yet, or only something about it (a text's beginning, say)."""
    return value is Unknown or isinstance(value, ExtType)


class Resource(ABC):
    """One resource type. Subclasses give `name`, `about`, `fields` and the four verbs over plain values."""

    name: ClassVar[str]
    about: ClassVar[str]
    fields: ClassVar[tuple[Any, ...]]
    made: ClassVar[tuple[str, ...]] = ()
    """Computed attributes that an update may change; the others stay what they are."""

    def __init__(self, service: Any) -> None:
        self.service = service

    @classmethod
    def get_name(cls) -> str:
        """The type without the provider's prefix."""
        return cls.name

    @classmethod
    def get_schema(cls) -> Any:
        """The schema that Terraform is told."""
        return Schema(attributes=[ADDRESS, OWNER, *cls.fields], version=1, description=cls.about)

    def validate(self, diags: Any, type_name: str, config: State) -> None:
        """Check a configuration; values that are not known yet are left alone."""
        schema = self.get_schema()
        check_fields(diags, type_name, config, schema.attributes, schema.block_types)
        known = {key: value for key, value in config.items() if value is not None and not unknown(value)}
        if "address" in known:
            told(diags, lambda: resource_address(known), None)
        told(diags, lambda: self.check(known), None)

    def plan(self, ctx: Any, current: State | None, planned: State) -> State:
        """What an update will look like: only what it can change, or what was found missing, is unknown."""
        changed = set(ctx.changed_fields)
        for name in self.made:
            if changed or (current or {}).get(name) is None:
                planned[name] = Unknown
        return planned

    def create(self, ctx: Any, planned: State) -> State | None:
        """Make it, or take what a killed attempt left behind."""
        return told(ctx.diagnostics, lambda: {**planned, **self.ensure(_known(planned), {})}, None)

    def read(self, ctx: Any, current: State) -> State | None:
        """The state as it is; None says that it is gone."""

        def look() -> State | None:
            found = self.look(current)
            return None if found is None else {**current, **found}

        unchanged: State | None = current
        return told(ctx.diagnostics, look, unchanged)

    def update(self, ctx: Any, current: State, planned: State) -> State | None:
        """Make it what is planned."""
        return told(ctx.diagnostics, lambda: {**planned, **self.ensure(_known(planned), current)}, current)

    def delete(self, ctx: Any, current: State) -> State | None:
        """Remove it; what could not be removed stays in the state."""

        def remove() -> State | None:
            self.remove(current)
            return None

        kept: State | None = current
        return told(ctx.diagnostics, remove, kept)

    def upgrade(self, ctx: Any, _version: int, old: State) -> State:
        """State of an older schema: fields that are new since are empty, and the next read fills them."""
        del ctx
        names = [one.name for one in self.get_schema().attributes]
        return {name: old.get(name) for name in names}

    def check(self, config: Mapping[str, Any]) -> None:  # noqa: B027 — most have nothing to check
        """Refuse a configuration; it holds only what is known and set. Raises `Refused`."""

    @abstractmethod
    def ensure(self, planned: Mapping[str, Any], current: Mapping[str, Any]) -> State:
        """Make it so; return the computed attributes. `current` is empty on creation."""

    @abstractmethod
    def look(self, current: Mapping[str, Any]) -> State | None:
        """What is really there, as attributes, or None."""

    @abstractmethod
    def remove(self, current: Mapping[str, Any]) -> None:
        """Ensure that it is gone."""


def text(name: str, about: str, **options: Any) -> Any:
    """A text attribute."""
    return Attribute(name, String(), description=about, **options)


def number(name: str, about: str, **options: Any) -> Any:
    """A number attribute."""
    return Attribute(name, Number(), description=about, **options)


def flag(name: str, about: str, **options: Any) -> Any:
    """A yes-or-no attribute."""
    return Attribute(name, Bool(), description=about, **options)


ADDRESS = text(
    "address", "Address of the resource: environment/component/resource.", required=True, requires_replace=True
)
OWNER = text("owner", "Entity reference of the owner.", optional=True)


def resource_address(state: Mapping[str, Any]) -> Address:
    """The address in a state. Raises `Refused` for anything but environment/component/resource."""
    address = Address.parse(str(state["address"]))
    if not address.resource:
        raise Refused(
            Diagnostic(
                Severity.ERROR,
                f"{address} is the address of a stack",
                remedy="Give the resource's own address, such as dev/orders/db.",
                path="address",
            )
        )
    return address


def told(diags: Any, act: Callable[[], T], otherwise: T) -> T:
    """The result of `act`; a failure goes to Terraform as diagnostics, and `otherwise` is the result."""
    try:
        return act()
    except Refused as problem:
        found: tuple[Diagnostic, ...] = problem.diagnostics
    except ApplyError as problem:
        found = (problem.diagnostic,)
    except Exception as problem:  # noqa: BLE001 — Terraform is told, instead of losing the connection
        found = (
            Diagnostic(
                Severity.ERROR,
                f"{type(problem).__name__}: {_first_line(problem)}",
                remedy="Try again; the logs of Pave and of the server behind this resource say more.",
            ),
        )
    for one in found:
        add = diags.add_error if one.severity is Severity.ERROR else diags.add_warning
        place = f"{one.address}: " if one.address and one.address not in one.summary else ""
        add(place + one.summary, " ".join(part for part in (one.detail, one.remedy) if part), path=_path(one))
    return otherwise


def _path(one: Diagnostic) -> list[str] | None:
    return [one.path] if one.path.isidentifier() else None


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or ["no message"])[0][:300]


def _known(planned: State) -> State:
    return {key: None if unknown(value) else value for key, value in planned.items()}
