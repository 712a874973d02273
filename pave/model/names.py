"""Names, entity references and stack addresses: the one place that decides what may be called what.

Everything that ends in a path, a database role, a host name or a branch is a `Name` first, so a
`../` never gets further than this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pave.model.diagnostics import Refused, error

_NAME = re.compile(r"^[a-z](?:[a-z0-9]|-(?!-)){0,61}[a-z0-9]$|^[a-z]$")
_ENTITY_NAME = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$")
_SEPARATORS_TOGETHER = re.compile(r"[-_.]{2}")


def check_name(text: str, what: str = "name") -> str:
    """Return `text` if it can name a component, an environment or a resource; raise `Refused` otherwise.

    The rule is RFC 1123's DNS label, starting with a letter: 1–63 of a–z, 0–9 and single inner dashes.
    """
    if not isinstance(text, str) or not _NAME.match(text):
        raise Refused(
            error(
                f"{text!r} cannot be used as {what}",
                detail="A name is 1 to 63 characters of a-z, 0-9 and single dashes, and starts with a letter.",
                remedy=f"Try {suggest_name(str(text))!r}.",
            )
        )
    return text


def suggest_name(text: str) -> str:
    """The nearest valid name to `text`."""
    letters = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return (re.sub(r"^[^a-z]+", "", letters) or "service")[:63].rstrip("-")


def is_entity_name(text: object) -> bool:
    """Whether Backstage would accept `text` as `metadata.name` (1–63 of [a-zA-Z0-9], single [-_.] between)."""
    return isinstance(text, str) and bool(_ENTITY_NAME.match(text)) and not _SEPARATORS_TOGETHER.search(text)


@dataclass(frozen=True, order=True)
class Ref:
    """A reference to a catalog entity: `kind:namespace/name`, compared in lower case as Backstage does."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.namespace}/{self.name}"

    @property
    def short(self) -> str:
        """The form people read: the default namespace is left away."""
        return f"{self.kind}:{self.name}" if self.namespace == "default" else str(self)

    @classmethod
    def parse(cls, text: str, kind: str = "component", namespace: str = "default") -> Ref:
        """Read `[kind:][namespace/]name`; the defaults fill what is left out. Raises `Refused`."""
        match = re.fullmatch(
            r"(?:(?P<kind>[^:/\s]+):)?(?:(?P<namespace>[^:/\s]+)/)?(?P<name>[^:/\s]+)", str(text).strip()
        )
        if match is None:
            raise Refused(
                error(
                    f"{text!r} is not an entity reference",
                    detail="A reference is [kind:][namespace/]name.",
                    remedy="For example group:default/payments, or payments where a group is expected.",
                )
            )
        return cls((match["kind"] or kind).lower(), (match["namespace"] or namespace).lower(), match["name"].lower())


@dataclass(frozen=True, order=True)
class Address:
    """Where something is: `environment/component` is a stack, `environment/component/resource` is in it."""

    environment: str
    component: str
    resource: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.environment, self.component, self.resource) if part)

    @property
    def stack(self) -> Address:
        """The stack that this address lies in."""
        return Address(self.environment, self.component)

    def at(self, resource: str) -> Address:
        """The address of a resource of this stack."""
        return Address(self.environment, self.component, resource)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `env/component` or `env/component/resource`. Raises `Refused`."""
        parts = text.split("/")
        if len(parts) not in (2, 3):
            raise Refused(
                error(
                    f"{text!r} is not an address",
                    detail="An address is environment/component or environment/component/resource.",
                    remedy="For example dev/orders, or dev/orders/db.",
                )
            )
        for part, what in zip(parts, ("an environment", "a component", "a resource"), strict=False):
            check_name(part, what)
        return cls(*parts)
