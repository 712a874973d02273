"""Reads a platform repository at one commit into a `Snapshot`, each file once per content.

A file that cannot be read becomes findings and never stops the rest. A deployment that cannot be read is kept as
`unreadable`: a slip in a file must not look like the wish to remove what it describes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from functools import cache as cache_calls
from typing import Any, TypeVar

from pave.model import budget
from pave.model.alert import SLO, Alert, BrokenRule
from pave.model.alert_file import built_in_alerts, built_in_slos, read_alert, read_slo
from pave.model.backstage import read_entities, refuse_duplicates
from pave.model.dashboard import Dashboard
from pave.model.dashboard_file import read_dashboard
from pave.model.deployment import Deployment
from pave.model.deployment_file import read_deployment
from pave.model.diagnostics import Diagnostic, Findings, Refused, Source, error, warning
from pave.model.entity import Entity
from pave.model.environment import Environment
from pave.model.environment_file import inherit, lineage, read_environment
from pave.model.guardrail import Guardrail
from pave.model.guardrail_file import read_guardrail
from pave.model.module import Module
from pave.model.module_file import read_module
from pave.model.names import Address, Ref
from pave.model.notifications import Notifications, read_notifications
from pave.model.people import wrong_roles
from pave.model.policy import FOLDER as POLICIES
from pave.model.policy import Policies
from pave.model.policy_file import read_policies
from pave.model.price import PriceSheet
from pave.model.price_file import read_sheet
from pave.model.roadmap import RoadmapItem, read_roadmap_item
from pave.model.schema import nearest
from pave.model.scorecard import Scorecard
from pave.model.scorecard_file import read_scorecard
from pave.model.signing import shared_keys
from pave.model.snapshot import Snapshot
from pave.model.software_template import refusal, template_from
from pave.model.substitution import Include
from pave.model.template import Template
from pave.model.tree import Tree
from pave.model.waiver import Waiver, contradictions
from pave.model.waiver_file import read_waiver

FOLDERS = (
    *("catalog", "environments", "modules", "prices", "templates", "guardrails", POLICIES, "waivers", "deployments"),
    *("scorecards", "roadmap", "dashboards"),
    *("alerts", "slos", "notifications"),
)
TEMPLATE_FILE = "template.yaml"
_TARIFF = ("/prices.csv", "/usage.yaml")

Cache = MutableMapping[tuple[str, str], Any]
"""What was read before, by path and Git id; it holds only what the newest snapshot needed."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class _Read:
    """The result for one file or folder; `included` are other files it was made of, with their ids then."""

    value: Any
    findings: tuple[Diagnostic, ...]
    included: tuple[tuple[str, str], ...] = ()


def read_snapshot(tree: Tree, commit: str, cache: Cache | None = None) -> Snapshot:
    """Everything that the platform repository says at `commit`.

    With the same `cache` given again, only what changed is read again; it is updated in place.
    """
    reader = _Reader(tree, {} if cache is None else cache)
    findings = reader.findings
    entities = [*reader.catalog()]
    templates = dict(reader.templates(entities))
    written = reader.named(reader.environments(), "environment")
    environments = inherit(written, findings)
    modules = reader.named(reader.modules(), "module")
    guardrails = reader.named(reader.guardrails(), "guardrail")
    deployments, unreadable = reader.deployments()
    alerts = reader.named(reader.alerts(), "alert")
    slos = reader.named(reader.slos(), "SLO")
    known = refuse_duplicates(entities, findings)
    snapshot = Snapshot(
        commit=commit,
        environments=environments,
        written=written,
        modules=modules,
        sheets=reader.named(reader.sheets(), "price sheet"),
        deployments=deployments,
        entities=known,
        templates=templates,
        guardrails=guardrails,
        policies=reader.policies(),
        waivers=reader.named(reader.waivers(), "waiver"),
        guardrails_digest=_digest(
            [reader.id("guardrails"), reader.id("waivers"), *filter(None, [reader.id(POLICIES)])]
        ),
        scorecards=reader.named(reader.scorecards(), "scorecard"),
        roadmap=reader.named(reader.roadmap(), "item of the roadmap"),
        dashboards=reader.named(reader.dashboards(), "dashboard"),
        alerts={**built_in_alerts(), **alerts},
        slos={**built_in_slos(), **slos},
        broken_rules=tuple(reader.broken_rules),
        notifications={one.who: one for _, one in reader.notifications()},
        inputs=_inputs(reader.id, deployments, written, environments, modules),
        unreadable=unreadable,
    )
    findings.extend(_contradictions(snapshot, written))
    reader.keep()
    return replace(snapshot, findings=tuple(dict.fromkeys(findings)))


class _Reader:
    """One walk over the tree. Every method yields what could be read and leaves the rest in `findings`."""

    def __init__(self, tree: Tree, cache: Cache) -> None:
        self.tree, self.cache = tree, cache
        self.id = cache_calls(tree.id)
        self.used: dict[tuple[str, str], _Read] = {}
        self.findings = Findings()
        self.broken_rules: list[BrokenRule] = []
        self.files: dict[str, list[str]] = {name: [] for name in FOLDERS}
        for path in tree.paths():
            folder, separator, _ = path.partition("/")
            if folder in self.files:
                self.files[folder].append(path)
            elif separator and not folder.startswith("."):
                self.files.setdefault("", []).append(folder)
        for folder in sorted(set(self.files.pop("", []))):
            remedy = nearest(folder, FOLDERS)
            self.findings.add(warning(f"{folder}/ is no folder that Pave reads", remedy=remedy, source=Source(folder)))

    def keep(self) -> None:
        """Let the cache hold what this walk used, and nothing else."""
        self.cache.clear()
        self.cache.update(self.used)

    def once(self, path: str, read: Callable[[str, Findings, Include], Value]) -> Value | None:
        """What `read` makes of `path`, from the cache where the same content was read before; None where refused."""
        key = (path, self.id(path))
        found: _Read | None = self.cache.get(key)
        if found is None or any(self.id(other) != id_ for other, id_ in found.included):
            found = self._fresh(path, read)
        self.used[key] = found
        self.findings.extend(found.findings)
        value: Value | None = found.value
        return value

    def _fresh(self, path: str, read: Callable[[str, Findings, Include], Any]) -> _Read:
        findings, included = Findings(), list[tuple[str, str]]()

        def include(other: str) -> bytes | None:
            included.append((other, self.id(other)))
            return self.tree.read(other)

        try:
            value = read(path, findings, include)
        except Refused as refused:
            findings.extend(refused.diagnostics)
            value = None
        return _Read(value, tuple(findings), tuple(included))

    def text(self, path: str) -> bytes:
        return self.tree.read(path) or b""

    def yaml(self, folder: str) -> Iterator[str]:
        yield from (path for path in self.files[folder] if path.endswith((".yaml", ".yml")))

    def folders(self, folder: str) -> Iterator[str]:
        """The folders right below `folder` that hold files."""
        parts = (path.split("/", 2) for path in self.files[folder])
        yield from dict.fromkeys(f"{part[0]}/{part[1]}" for part in parts if len(part) == 3)

    def named(self, found: Iterable[tuple[str, Any]], what: str) -> dict[str, Any]:
        """Values by their name; a second of the same name is reported."""
        by_name: dict[str, Any] = {}
        places: dict[str, str] = {}
        for path, value in found:
            if value.name in by_name:
                summary = f"there is already a {what} {value.name} in {places[value.name]}"
                self.findings.add(error(summary, remedy="Give one of them another name.", source=Source(path)))
            else:
                by_name[value.name], places[value.name] = value, path
        return by_name

    def catalog(self) -> Iterator[Entity]:
        for path in self.yaml("catalog"):
            yield from self.once(path, self.entities) or ()

    def entities(self, path: str, findings: Findings, include: Include) -> tuple[Entity, ...]:
        entities, diagnostics = read_entities(self.text(path), path, include)
        findings.extend(diagnostics)
        return entities

    def environments(self) -> Iterator[tuple[str, Environment]]:
        for path in self.yaml("environments"):
            value = self.once(path, lambda at, *_: read_environment(self.text(at), at))
            if value is not None and self.placed(path, f"environments/{value.name}"):
                yield path, value

    def guardrails(self) -> Iterator[tuple[str, Guardrail]]:
        for path in self.yaml("guardrails"):
            if (value := self.once(path, lambda at, *_: read_guardrail(self.text(at), at))) is not None:
                yield path, value

    def policies(self) -> Policies:
        found = self.once(POLICIES, self.policy_files) if self.files[POLICIES] else None
        return found if found is not None else Policies()

    def policy_files(self, folder: str, findings: Findings, _: Include) -> Policies:
        found = read_policies({path: self.text(path) for path in self.files[folder]})
        wrong = {**found.problems, **{one.path: one.problem for one in found.files if one.problem}}
        for path, problem in wrong.items():
            findings.add(error(f"{path} cannot be used: {problem}", remedy="Mend it.", source=Source(path)))
        return found

    def waivers(self) -> Iterator[tuple[str, Waiver]]:
        for path in self.yaml("waivers"):
            if (value := self.once(path, lambda at, *_: read_waiver(self.text(at), at))) is not None:
                yield path, value

    def scorecards(self) -> Iterator[tuple[str, Scorecard]]:
        for path in self.yaml("scorecards"):
            if (value := self.once(path, lambda at, *_: read_scorecard(self.text(at), at))) is not None:
                yield path, value

    def roadmap(self) -> Iterator[tuple[str, RoadmapItem]]:
        for path in self.yaml("roadmap"):
            if (value := self.once(path, lambda at, *_: read_roadmap_item(self.text(at), at))) is not None:
                yield path, value

    def dashboards(self) -> Iterator[tuple[str, Dashboard]]:
        for path in self.yaml("dashboards"):
            if (value := self.once(path, lambda at, *_: read_dashboard(self.text(at), at))) is not None:
                yield path, value

    def alerts(self) -> Iterator[tuple[str, Alert]]:
        for path in self.yaml("alerts"):
            if (value := self.once(path, lambda at, *_: read_alert(self.text(at), at))) is not None:
                yield path, value
            else:
                self.broken(path)

    def slos(self) -> Iterator[tuple[str, SLO]]:
        for path in self.yaml("slos"):
            if (value := self.once(path, lambda at, *_: read_slo(self.text(at), at))) is not None:
                yield path, value
            else:
                self.broken(path)

    def broken(self, path: str) -> None:
        """Keep a rule that cannot be read: that nothing is watched by it must be told, not only found."""
        found = next((one for one in self.findings if one.source.file == path), error(f"{path} cannot be read"))
        self.broken_rules.append(BrokenRule(path.rpartition("/")[2].rsplit(".", 1)[0], found))

    def notifications(self) -> Iterator[tuple[str, Notifications]]:
        for path in self.yaml("notifications"):
            value = self.once(path, lambda at, *_: read_notifications(self.text(at), at))
            if value is not None and self.placed(path, f"notifications/{value.who.kind}/{value.who.name}"):
                yield path, value

    def modules(self) -> Iterator[tuple[str, Module]]:
        for folder in self.folders("modules"):
            if (value := self.once(folder, self.module)) is not None:
                yield folder, value

    def module(self, folder: str, *_: object) -> Module:
        files = self.files_of("modules", folder, (".tf", ".tf.json", "/module.yaml", *_TARIFF))
        return read_module(files, folder, self.id(folder))

    def sheets(self) -> Iterator[tuple[str, PriceSheet]]:
        for folder in self.folders("prices"):
            if (value := self.once(folder, self.sheet)) is not None:
                yield folder, value

    def sheet(self, folder: str, *_: object) -> PriceSheet:
        return read_sheet(self.files_of("prices", folder, ("/sheet.yaml", *_TARIFF)), folder, self.id(folder))

    def files_of(self, kind: str, folder: str, ends: tuple[str, ...]) -> dict[str, bytes]:
        """The files below `folder` whose names end so, by their name within it."""
        paths = [path for path in self.files[kind] if path.startswith(f"{folder}/") and path.endswith(ends)]
        return {path.removeprefix(f"{folder}/"): self.text(path) for path in paths}

    def templates(self, entities: list[Entity]) -> Iterator[tuple[str, Template]]:
        """Templates that can be run, by name; their entities are added to the catalog's."""
        for folder in self.folders("templates"):
            path = f"{folder}/{TEMPLATE_FILE}"
            if path not in self.files["templates"]:
                remedy = f"Add {path}, or remove the folder."
                self.findings.add(error(f"{folder} holds no {TEMPLATE_FILE}", remedy=remedy, source=Source(folder)))
                continue
            found = self.once(path, self.entities) or ()
            entities += found
            for entity in (one for one in found if one.kind == "Template"):
                try:
                    template = template_from(entity, folder, self.id(folder))
                except Refused as refused:
                    self.findings.extend(refused.diagnostics)
                    continue
                if problem := refusal(template, entity.source):
                    self.findings.add(problem)
                else:
                    yield template.ref.name, template

    def deployments(self) -> tuple[dict[Address, Deployment], frozenset[Address]]:
        found: dict[Address, Deployment] = {}
        unreadable = set()
        for path in self.yaml("deployments"):
            value = self.once(path, lambda at, *_: read_deployment(self.text(at), at))
            if value is not None and self.placed(path, f"deployments/{value.address}"):
                found[value.address] = value
            else:
                unreadable |= set(_address_of(path))
        return found, frozenset(unreadable - set(found))

    def placed(self, path: str, wanted: str) -> bool:
        """Whether a file lies where its own name says; reported where it does not."""
        if path.rsplit(".", 1)[0] == wanted:
            return True
        remedy = f"Move it to {wanted}.yaml, or change the name in it."
        self.findings.add(error(f"{path} describes {wanted.partition('/')[2]}", remedy=remedy, source=Source(path)))
        return False


def _address_of(path: str) -> Iterator[Address]:
    try:
        yield Address.parse(path.removeprefix("deployments/").rsplit(".", 1)[0]).stack
    except Refused:
        return


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _inputs(
    id_of: Callable[[str], str],
    deployments: Mapping[Address, Deployment],
    written: Mapping[str, Environment],
    environments: Mapping[str, Environment],
    modules: Mapping[str, Module],
) -> dict[Address, str]:
    """The change detector of each stack: its file, its environments' files and the modules bound there."""
    around: dict[str, list[str]] = {}
    for name in {stack.environment for stack in deployments}:
        files = (f"environments/{one}" for one in lineage(name, written))
        bound = {one.module for one in environments[name].bindings} if name in environments else set()
        around[name] = [
            *(id_of(f"{file}.yaml") or id_of(f"{file}.yml") for file in files),
            *(f"{module}={modules[module].digest if module in modules else ''}" for module in sorted(bound)),
        ]
    return {
        stack: _digest(
            [id_of(f"deployments/{stack}.yaml") or id_of(f"deployments/{stack}.yml"), *around[stack.environment]]
        )
        for stack in deployments
    }


def _contradictions(snapshot: Snapshot, written: Mapping[str, Environment]) -> Iterator[Diagnostic]:
    """What each file says alone is right, but not together."""
    for stack in snapshot.deployments:
        if stack.environment not in snapshot.environments:
            known = stack.environment in written
            said = "cannot be used" if known else "is not there"
            yield error(
                f"{stack} is for the environment {stack.environment}, which {said}",
                remedy="Correct the environment." if known else nearest(stack.environment, list(snapshot.environments)),
                source=Source(f"deployments/{stack}.yaml"),
                address=str(stack),
            )
    for environment in written.values():
        yield from _wrong_bindings(environment, snapshot.modules)
    rules = [*snapshot.guardrails, *(one.name for one in snapshot.policies.rules)]
    yield from contradictions(snapshot.waivers.values(), rules)
    yield from wrong_roles(snapshot.entities)
    yield from _missing_owners(snapshot)
    yield from budget.contradictions(snapshot)
    yield from shared_keys(snapshot.entities.values())


def _wrong_bindings(environment: Environment, modules: Mapping[str, Module]) -> Iterator[Diagnostic]:
    source = Source(f"environments/{environment.name}.yaml")
    for binding in environment.bindings:
        module = modules.get(binding.module)
        if module is None:
            summary = f"{environment.name} binds {binding.type} to the module {binding.module}, which is not there"
            yield error(summary, remedy=nearest(binding.module, list(modules)), source=source, path="spec.resources")
        elif module.provides != binding.type:
            yield error(
                f"{environment.name} binds {binding.type} to {binding.module}, which provides {module.provides}",
                remedy=f"Bind {module.provides} to it, or {binding.type} to another module.",
                source=source,
                path="spec.resources",
            )


def _missing_owners(snapshot: Snapshot) -> Iterator[Diagnostic]:
    owned: list[tuple[str, Ref | None, Source]] = [
        *((f"module {one.name}", one.owner, Source(f"{one.path}/module.yaml")) for one in snapshot.modules.values()),
        *(
            (f"environment {one.name}", one.owner, Source(f"environments/{one.name}.yaml"))
            for one in snapshot.environments.values()
        ),
        *((f"policy {one.name}", one.owner, Source(one.file, one.line)) for one in snapshot.policies.rules),
        *((f"scorecard {one.name}", one.owner, Source("scorecards")) for one in snapshot.scorecards.values()),
        *((f"guardrail {one.name}", one.owner, one.source) for one in snapshot.guardrails.values()),
        *((f"dashboard {one.name}", one.owner, Source("dashboards")) for one in snapshot.dashboards.values()),
        *((f"alert {one.name}", one.owner, Source(one.file)) for one in snapshot.alerts.values()),
        *((f"SLO {one.name}", one.owner, Source(one.file)) for one in snapshot.slos.values()),
        *((str(one.ref), one.owner, one.source) for one in snapshot.entities.values()),
    ]
    people = [ref.short for ref in snapshot.entities if ref.kind in ("group", "user")]
    for what, owner, source in owned:
        if owner is not None and owner not in snapshot.entities:
            summary = f"{what} is owned by {owner.short}, which is not in the catalog"
            yield warning(summary, remedy=nearest(owner.short, people), source=source)
