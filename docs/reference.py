"""Writes docs/settings.md, operations.md, guardrails.md and access.md from the declarations in the code.

    make docs

It keeps no text of its own beyond the introductions, so the pages cannot say what the code does not; a test
fails where they were not made again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from pave.engine.operations import Operation
from pave.engine.registry import OPERATIONS
from pave.model.guardrail import CATEGORIES
from pave.model.guardrail_file import read_guardrail
from pave.request.roles import CONDITIONS, ROLES, TABLE, VERBS, Role, Verb
from pave.settings import Settings
from pave.verdict.subject import EXAMPLE, KNOWN_AT_THE_DOOR

HERE = Path(__file__).parent
_LIBRARY = HERE.parent / "pave" / "library" / "guardrails"
RULES = [read_guardrail(path.read_bytes(), path.name) for path in sorted(_LIBRARY.glob("*.yaml"))]

_SETTINGS = """\
# Settings

Made from `pave/settings.py` by `make docs`. The first source that says something wins: the command line, the
variable, `pave.toml` in the data directory, the default. An unknown key in `pave.toml` and a value of the wrong type
are refused, with the source that said it. `data` cannot stand in `pave.toml`, which lies in it. A program that is left
empty is the one that came with Pave; `pave doctor` says which are used.

| in `pave.toml` | variable | default | what it is |
|---|---|---|---|
"""

_OPERATIONS = """\
# Operations

Made from `pave/engine/registry` by `make docs`. Each operation is declared once; its command, its route below
`/api/v1`, its entry in `/api/v1/openapi.json` and on the page `/api` follow. A token carries scopes; whether its
holder may touch this very component is decided by who owns it.

What an operation does is one of the verbs of [access.md](access.md), which says who may.
What *starts a run* answers 202 with the run and its address; the command follows it to its end. What can *dry run*
shows the plan and its verdict and changes nothing (`--dry-run`, `?dry_run=true`). A *destructive* operation removes
something. Every command takes `--json`.
"""


_GUARDRAILS = """\
# Guardrails

The rules that Pave comes with, made from `pave/library/guardrails` by `make docs`. In a platform repository they are
files below `guardrails/`, changed like anything else: by a change request, which says how often the changed rule would
have fired on what was judged in the last 30 days. A rule is a condition in CEL that must hold for each planned change;
one that cannot be evaluated denies (`guardrail.error`).

- **advisory** warns, **soft** waits for somebody's approval, **hard** denies.
- `request` is asked before anything is planned, `plan` of every plan and change request, `deploy` right before it is
  recorded, `schedule` of what is there: when a rule or a stack changed, and once a day.

## What a condition may read

Every change has all of this; what is not known says `unknown` or `missing`. Inputs are those of the module, with their
defaults. A rule of the stage `request`
may read {door} only.

```yaml
{shape}```

## What ends, and what there may be of it

`pave add orders trial --type redis --for 3d` and `pave env create try --for 2d` have an end, which stands in Git. A day
before, its owner is told (`resource.ends`, `environment.ends`), with the command that gives more time:
`pave extend dev/orders/trial --by 3d`, `pave env extend try --by 3d`. That is judged like any change; `temporary-ends`
and `preview-ends` say how much there may be. What is over is removed by a change like any other: judged, and a commit
in the platform's own name. `pave quota` shows how much each team has of what it may have; `pave env sleep try` stops
all that runs in an environment, `pave env wake try` or the first request starts it again.

What is denied says what would pass. Where that is a value, `pave fix RUN` asks for the same again with it.

## Exceptions

An approval is for one run and exactly its plan: a member of the team that owns the rule, or of the one that owns what
is changed, answers it (`pave approval list`), never whoever asked; it ends after 24 hours, and with the plan that it
was for. A waiver is a file, `waivers/NAME.yaml`, with who, why, for what and until when, at most a year; it ends by
itself, and of two the one that ends first counts. What is excused stays to be seen.

A waiver is merged by a member of the team that owns the guardrail, or of the platform's own, who neither pushed to the
branch nor is the person that it names: `pave change merge`. Taking one away needs no second person. `pave findings`
names two waivers whose scopes meet, and one for a rule that is not there.

```yaml
# waivers/orders-small-backup.yaml
apiVersion: pave/v1
kind: Waiver
metadata: {{name: orders-small-backup}}
spec:
  guardrail: postgres-backup-in-production
  for: prod/orders/db            # or the beginning of an address, with * for any part
  reason: Rebuilt nightly from the ledger; see the runbook.
  by: user:dana
  until: 2027-02-01
```

## Bring your rules

**Policies in Rego**, laid out as for Conftest, go below `policies/` and are asked like guardrails. They need an engine,
the extra `rego`: without it a platform that has policies denies, and says `pip install pave-platform[rego]`.

    policies/**/*.rego         any package; rules deny, deny_x, violation, violation_x: hard; warn, warn_x: advisory
    policies/**/*_test.rego    rules test_x, run by pave guardrail test
    policies/data/**           JSON or YAML, seen as data.x; a folder's name comes first: data.folder.x

```rego
# policies/backups.rego
package main

import rego.v1

# METADATA
# title: Databases keep backups
# description: Nightly dumps are what a database is made anew from.
# custom:
#   owner: group:payments            # else the platform's team
#   category: reliability            # else compliance
#   stages: [plan, schedule]         # else plan
#   remedy: Set backup_days to 7 or more.
deny_backups contains msg if {{
    input.change.type == "postgres"
    not input.inputs.backup_days >= 7
    msg := sprintf("%s keeps too few backups", [input.change.address])
}}
```

- A rule says texts, or objects with `msg` and perhaps `remedy`; its id is package and rule, `main.deny_backups`. With
  that a waiver excuses from it, and `pave guardrail list`, `explain` and `test` show it. Rules of the same package and
  name in several files are one rule, as in Rego, and a finding names all of the files.
- `# METADATA` before `package` is for the whole file. Rego of before 1.0 is read too, file by file.
- `input` is what a condition reads, above. At the stage `plan` it also has `resource_changes` as in `terraform show
  -json`: those of the resource that the change is about, with `(sensitive)` for what Terraform marks as that. Nothing
  else of that document is there, and at other stages neither is this.
- **Whatever goes wrong denies** (`guardrail.error`): a file that is no Rego or has no package, a division by zero, no
  end within ten seconds or half a gigabyte for all changes together, a field of `input` that no change has, data that
  cannot be read, no engine. `http.send`, `opa.runtime` and `net.lookup_ip_addr` are refused: a policy sees its input
  and its data, in the sandbox without network.
- **What Rego leaves open.** A field that is not there is undefined, and what is undefined does not deny: `deny if
  input.inputs.public` passes a module without such an input, where `not input.inputs.private` denies. Pave refuses
  fields that no change has, but a module's inputs and Terraform's values it cannot know, nor what is read through
  another name for `input`. Write `not`, or `object.get(input.inputs, "public", true)`, where missing must mean no.
  Conftest's `exception` rules are not asked: use a waiver.

An approval is bound to the policies as to the guardrails: a changed policy is another question.

**Checkov** looks at Terraform, CloudFormation, Helm charts, kustomizations and Dockerfiles of a commit, as the check
`infrastructure`, in the sandbox and without network. It cannot share an environment with Pave (each pins versions that
the other cannot use), so install it into one of its own and name it in the setting `checkov`, or put it on the server's
`PATH`:

    python3 -m venv /opt/checkov
    /opt/checkov/bin/pip install checkov
    PAVE_CHECKOV=/opt/checkov/bin/checkov pave up

A finding has file, line, checkov's id and what it is about; what is right as it is gets a comment,
`checkov:skip=CKV_AWS_20:why`, and is counted; a `.checkov.yaml` in the repository has its say, and that is told. Any
finding fails the check, but for those in a Dockerfile, about which the check `dockerfile` decides. Without checkov,
where a file cannot be read, and where a chart needs a `helm` that is not there, it is `not-scanned`, which is not
passed. Guardrails read it as `evidence.checks.infrastructure`:

```yaml
require: '!("infrastructure" in evidence.checks) || evidence.checks.infrastructure in ["passed", "not-applicable"]'
```

## The rules
"""


_ACCESS = """\
# Who may what

Made from `pave/request/roles.py` by `make docs`. One judge is asked before every operation, push and stream, at every
door. What no role allows is refused, and every answer says why, and in which file and line of the platform repository
the reason is written:

    pave can user:sam deploy prod/orders --explain    # yes or no, the whole chain, what would have to change
    pave can user:sam prod/orders                     # all verbs at one place
    pave can                                          # what you may do to the platform as a whole
    pave audit credentials prod/orders/db             # who saw how to reach it

`pave can` exits with 3 where the answer is no. A place is a stack (`prod/orders`), a resource (`prod/orders/db`), an
environment, a component, or `guardrail:NAME`; `component:` and `environment:` tell two of one name apart.

## Roles

Nobody is given a role by name, but for two: roles follow from the catalog (`catalog/*.yaml`), and so from Git.

| role | who has it |
|---|---|
{roles}
- Teams are read from `memberOf` of a User, from `members` of a Group, and up through `parent`.
- Who owns a resource is found link by link: the user is in a team, the team owns the component, the component has a
  stack in the environment, and the resource is in the stack. What nobody owns yet belongs to whoever starts it.
- A role that is written counts instead of all that teams would say: an auditor in the platform's own team changes
  nothing. One's own annotation counts before those of one's teams, and auditor before viewer. Any other word gives no
  rights at all; `pave findings` names it.
- People, teams, agents and service accounts are changed by the platform's own team alone, in whatever file they stand.
- `serviceaccount:NAME` with `memberOf` has the rights of its teams, and never answers for a person. An `agent:NAME` has
  the table's rights only where the person that it acts for has them too.

```yaml
apiVersion: backstage.io/v1alpha1
kind: Group
metadata:
  name: auditors
  annotations: {{pave.dev/role: auditor}}   # or viewer; on a User it counts for that person
spec: {{type: team, children: [], members: [kim]}}
---
apiVersion: pave/v1
kind: Agent
metadata: {{name: helper}}
spec: {{owner: group:payments}}
```

## What a role may

{verbs}
{table}
{conditions}
The owner of a guardrail is who `waive` is about; guardrails themselves, modules and templates are the platform's. Who
may merge a change to the platform repository is decided by each path that it touches: a deployment and a component's
entry by who owns the component, an environment by who owns it, a waiver by who owns its guardrail, everything else by
the platform's own team.

## What each operation takes

`run.cancel` and `run.retry` take what it took to ask for the run.

| verb | operations |
|---|---|
{operations}"""


def access() -> str:
    """The page about rights."""
    letters = {one: f"({number})" for number, one in enumerate(CONDITIONS, 1)}

    def cell(role: Role, verb: Verb) -> str:
        conditions = TABLE[role].get(verb)
        return "" if conditions is None else " ".join(["yes", *(letters[one] for one in conditions)])

    head = "| | " + " | ".join(one.value for one in Role) + " |\n|---|" + "---|" * len(Role) + "\n"
    rows = "".join(f"| `{verb.value}` | {' | '.join(cell(role, verb) for role in Role)} |\n" for verb in Verb)
    asked = {verb: [f"`{one.name}`" for one in OPERATIONS if one.verb is verb] for verb in Verb}
    return _ACCESS.format(
        roles="".join(f"| {role.value} | {text} |\n" for role, text in ROLES.items()),
        verbs="".join(f"- `{verb.value}`: {text}\n" for verb, text in VERBS.items()),
        table=head + rows,
        conditions="".join(f"- {letters[one]} {text}\n" for one, text in CONDITIONS.items()),
        operations="".join(f"| `{verb.value}` | {', '.join(names)} |\n" for verb, names in asked.items() if names),
    )


def guardrails() -> str:
    """The page about guardrails."""
    shape = yaml.safe_dump(plain(EXAMPLE), sort_keys=False, default_flow_style=None, width=118)
    page = _GUARDRAILS.format(shape=shape, door=", ".join(f"`{one}`" for one in KNOWN_AT_THE_DOOR))
    for category, group in groupby(sorted(RULES, key=lambda one: (CATEGORIES.index(one.category), one.name)),
                                   key=lambda one: one.category):  # fmt: skip
        page += f"\n### {category.capitalize()}\n\n"
        page += "| guardrail | level | stages | for | what it says | what would pass |\n|---|---|---|---|---|---|\n"
        for one in group:
            looks = "; ".join(f"{key}: {_listed(value)}" for key, value in one.applies.items()) or "everything"
            row = (f"`{one.name}`: {one.title}", one.level, ", ".join(one.stages), looks, one.message, one.remedy)
            page += f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n"
    return page


def plain(value: Any) -> Any:
    """Mappings and lists as YAML writes them."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return value


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def settings() -> str:
    """The page about settings."""
    rows = ""
    for one in fields(Settings):
        if one.name != "sources":
            key = "" if one.name == "data" else f"`{one.name}`"
            default = f"`{one.default}`" if one.default != "" else ""
            rows += f"| {key} | `PAVE_{one.name.upper()}` | {default} | {one.metadata['about']} |\n"
    return _SETTINGS + rows


def operations() -> str:
    """The page about operations."""
    page = _OPERATIONS
    for noun, group in groupby(OPERATIONS, key=lambda one: one.name.partition(".")[0]):
        page += f"\n## {noun}\n"
        for one in group:
            page += "".join(_operation(one))
    return page


def _operation(one: Operation[Any, Any]) -> Iterator[str]:
    method, _, path = one.rest.partition(" ")
    flags = {
        "read only": one.read_only,
        "starts a run": one.starts_run,
        "dry run": one.dry_run,
        "destructive": one.destructive,
        "idempotent": one.idempotent and not one.read_only,
    }
    said = [flag for flag, holds in flags.items() if holds]
    scopes = ", ".join(f"`{scope}`" for scope in one.scopes) or "none"
    yield f"\n### {one.name}\n\n{one.summary}.\n\n"
    yield f"    pave {_typed(one.cli)}\n"
    yield f"    {method} /api/v1{path.replace(':path}', '}')}\n\n"
    verb = f"`{one.verb.value}`" if one.verb else "nobody's"
    yield f"Scopes: {scopes} · verb: {verb}{''.join(f' · {flag}' for flag in said)}\n"
    inputs = [
        f"| `{info.alias or name}` | {_shown(info)} | {info.description or ''} |"
        for name, info in one.input.model_fields.items()
    ]
    if inputs:
        yield "\n| input | default | what it is |\n|---|---|---|\n" + "\n".join(inputs) + "\n"


def _typed(cli: str) -> str:
    """`add {component} {name}` as people type it: `add COMPONENT NAME`."""
    return re.sub(r"{(\w+)}", lambda found: found[1].upper(), cli)


def _shown(info: Any) -> str:
    if info.is_required():
        return "required"
    default = info.get_default(call_default_factory=True)
    return f"`{default}`" if default not in ("", None, [], {}, ()) else ""


PAGES = {"settings.md": settings, "operations.md": operations, "guardrails.md": guardrails, "access.md": access}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
