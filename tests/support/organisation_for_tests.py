"""A small organisation as its platform repository says it: somebody for each role, two teams, two environments."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from trees_for_tests import MemoryTree

from pave.engine.context import Context
from pave.engine.operations import Call
from pave.model.names import Ref
from pave.model.reading import read_snapshot
from pave.model.snapshot import Snapshot

PEOPLE = """\
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: vera, annotations: {pave.dev/role: viewer}}
spec: {memberOf: [payments]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: dev}
spec: {memberOf: [search]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: olga}
spec: {memberOf: [payments]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: olaf}
spec: {memberOf: [payments]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: petra}
spec: {memberOf: [platform]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: audra}
spec: {memberOf: []}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: loner}
spec: {memberOf: []}
---
apiVersion: pave/v1
kind: Agent
metadata: {name: helper}
spec: {owner: group:payments}
---
apiVersion: pave/v1
kind: ServiceAccount
metadata: {name: ci}
spec: {memberOf: [payments]}
"""
TEAMS = """\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: platform}
spec: {type: team, children: []}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: shop}
spec: {type: team, children: []}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: payments}
spec: {type: team, children: [], parent: shop}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: search}
spec: {type: team, children: []}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: auditors, annotations: {pave.dev/role: auditor}}
spec: {type: team, children: [], members: [audra]}
"""
COMPONENTS = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: orders}
spec: {type: service, lifecycle: production, owner: payments}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: ledger, annotations: {pave.dev/data-class: confidential}}
spec: {type: service, lifecycle: production, owner: payments}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: finder}
spec: {type: service, lifecycle: production, owner: search}
"""
FILES: Mapping[str, str] = {
    "catalog/people.yaml": PEOPLE,
    "catalog/teams.yaml": TEAMS,
    "catalog/components.yaml": COMPONENTS,
    "environments/dev.yaml": """\
apiVersion: pave/v1
kind: Environment
metadata: {name: dev}
spec:
  kind: development
  owner: group:platform
""",
    "environments/prod.yaml": """\
apiVersion: pave/v1
kind: Environment
metadata: {name: prod}
spec: {kind: production, inherits: dev}
""",
    "environments/try.yaml": """\
apiVersion: pave/v1
kind: Environment
metadata: {name: try}
spec: {kind: development, owner: group:payments}
""",
    "guardrails/keep-backups.yaml": """\
apiVersion: pave/v1
kind: Guardrail
metadata:
  name: keep-backups
  title: Backups are kept
  owner: group:payments
spec: {category: reliability, level: hard, require: 'true', message: No.}
""",
    "guardrails/owner-must-exist.yaml": """\
apiVersion: pave/v1
kind: Guardrail
metadata: {name: owner-must-exist, title: There is an owner, owner: group:platform}
spec: {category: compliance, level: hard, require: 'true', message: No.}
""",
}

BY_ROLE: Mapping[str, tuple[Ref, Ref | None]] = {
    "viewer": (Ref.parse("user:vera"), None),
    "developer": (Ref.parse("user:dev"), None),
    "owner": (Ref.parse("user:olga"), None),
    "platform-engineer": (Ref.parse("user:petra"), None),
    "auditor": (Ref.parse("user:audra"), None),
    "agent": (Ref.parse("agent:helper"), Ref.parse("user:olga")),
}
"""Somebody for each role, seen from what payments owns; the agent acts for a member of payments."""


def organisation(**changed: str) -> Snapshot:
    """The snapshot; `changed` are further files, with `__` for `/` and without `.yaml`."""
    more = {f"{path.replace('__', '/')}.yaml": text for path, text in changed.items()}
    return read_snapshot(MemoryTree({**FILES, **more}), "0" * 40)


def context_of(snapshot: Snapshot, call: Call, **world: Any) -> Context:
    """A real context over a world that knows this snapshot, and of the rest only what is given."""
    there = SimpleNamespace(snapshots=SimpleNamespace(current=lambda: snapshot), **world)
    return Context(there, call)  # type: ignore[arg-type]
