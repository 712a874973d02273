"""Snapshots: what a platform repository says, what contradicts itself, and what is read again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pave.model.deployment import Deployment
from pave.model.diagnostics import Severity
from pave.model.names import Address, Ref
from pave.model.reading import read_snapshot

MODULE = """\
apiVersion: pave/v1
kind: Module
metadata: {name: local/postgres, owner: group:platform, version: 1.0.0}
spec: {provides: {type: postgres}, engine: terraform}
"""
DEV = """\
apiVersion: pave/v1
kind: Environment
metadata: {name: dev}
spec:
  kind: development
  owner: group:platform
  resources: [{type: postgres, module: local/postgres}]
"""
STAGING = """\
apiVersion: pave/v1
kind: Environment
metadata: {name: staging}
spec: {kind: staging, inherits: dev}
"""
GROUP = """\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: platform}
spec: {type: team, children: []}
"""
TEMPLATE = """\
apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: service}
spec: {type: service, owner: group:platform, steps: [{action: 'fetch:template', input: {url: ./skeleton}}]}
"""
POLICY = "package main\n\ndeny contains 1 if input.inputs.public\n"
GUARDRAIL = """\
apiVersion: pave/v1
kind: Guardrail
metadata: {name: rule, title: A rule, owner: group:platform}
spec: {category: cost, level: soft, require: 'true', message: No.}
"""


def deployment(component: str, environment: str = "dev") -> str:
    return (
        "apiVersion: pave/v1\nkind: Deployment\n"
        f"metadata: {{name: {component}, environment: {environment}}}\nspec: {{component: {component}}}\n"
    )


@pytest.fixture
def files() -> dict[str, str]:
    return {
        "README.md": "# The platform",
        "catalog/teams.yaml": GROUP,
        "catalog/README.md": "not read",
        "environments/dev.yaml": DEV,
        "environments/staging.yaml": STAGING,
        "modules/local-postgres/module.yaml": MODULE,
        "modules/local-postgres/main.tf": 'variable "address" {}\noutput "host" { value = "x" }\n',
        "templates/service/template.yaml": TEMPLATE,
        "templates/service/skeleton/catalog-info.yaml": "{% if x %}",
        "guardrails/rule.yaml": GUARDRAIL,
        "policies/rule.rego": POLICY,
        "policies/data/limits.yaml": "limits: {}\n",
        "deployments/dev/orders.yaml": deployment("orders"),
        "deployments/staging/orders.yaml": deployment("orders", "staging"),
    }


DEV_ORDERS, STAGING_ORDERS = Address("dev", "orders"), Address("staging", "orders")


def test_a_whole_repository_is_read(files, tree_of) -> None:
    snapshot = read_snapshot(tree_of(files), "abc")
    assert snapshot.findings == ()
    assert set(snapshot.deployments) == {DEV_ORDERS, STAGING_ORDERS} == set(snapshot.inputs)
    assert snapshot.environments["staging"].bindings == snapshot.environments["dev"].bindings
    module = snapshot.modules["local/postgres"]
    assert (module.path, module.digest) == ("modules/local-postgres", tree_of(files).id("modules/local-postgres"))
    assert set(snapshot.entities) == {Ref("group", "default", "platform"), Ref("template", "default", "service")}
    assert snapshot.templates["service"].path == "templates/service"
    assert set(snapshot.guardrails) == {"rule"}


def test_only_what_changed_is_read_again(files, tree_of) -> None:
    cache: dict = {}
    first = read_snapshot(tree_of(files), "a", cache)
    again = tree_of(files | {"deployments/dev/orders.yaml": deployment("orders") + "#\n"})
    second = read_snapshot(again, "b", cache)
    assert again.reads == ["deployments/dev/orders.yaml"]
    assert second.deployments[DEV_ORDERS] == first.deployments[DEV_ORDERS]
    assert second.findings == first.findings
    assert len(cache) == len({key[0] for key in cache})


def test_findings_are_said_again_from_the_cache(files, tree_of) -> None:
    files["environments/odd.yaml"] = "kind: Environment\n"
    cache: dict = {}
    assert (
        read_snapshot(tree_of(files), "a", cache).findings == read_snapshot(tree_of(files), "a", cache).findings != ()
    )


def test_an_included_file_that_changes_is_read_again(files, tree_of) -> None:
    files["catalog/api.yaml"] = (
        "apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {name: a}\n"
        "spec: {type: openapi, lifecycle: x, owner: platform, definition: {$text: ./spec.txt}}\n"
    )
    cache: dict = {}
    for text in ("one", "two"):
        found = read_snapshot(tree_of(files | {"catalog/spec.txt": text}), "a", cache)
        assert found.entities[Ref("api", "default", "a")].spec["definition"] == text


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("deployments/dev/orders.yaml", {DEV_ORDERS}),
        ("environments/staging.yaml", {STAGING_ORDERS}),
        ("environments/dev.yaml", {DEV_ORDERS, STAGING_ORDERS}),
        ("modules/local-postgres/main.tf", {DEV_ORDERS, STAGING_ORDERS}),
        ("catalog/teams.yaml", set()),
        ("guardrails/rule.yaml", set()),
        ("policies/rule.rego", set()),
        ("policies/data/limits.yaml", set()),
    ],
)
def test_a_stacks_change_detector_moves_with_what_it_depends_on(files, tree_of, path, changed) -> None:
    before = read_snapshot(tree_of(files), "a")
    after = read_snapshot(tree_of(files | {path: files[path] + "\n# note\n"}), "b")
    assert {stack for stack in before.inputs if before.inputs[stack] != after.inputs[stack]} == changed
    assert (before.guardrails_digest != after.guardrails_digest) == path.startswith(("guardrails/", "policies/"))


def test_a_deployment_that_cannot_be_read_is_not_gone(files, tree_of) -> None:
    files["deployments/dev/orders.yaml"] = "apiVersion: pave/v1\nkind: ["
    snapshot = read_snapshot(tree_of(files), "a")
    assert snapshot.unreadable == {DEV_ORDERS}
    assert set(snapshot.deployments) == {STAGING_ORDERS}
    assert [one.source.file for one in snapshot.findings] == ["deployments/dev/orders.yaml"]


def test_a_deployment_of_a_broken_environment_is_not_gone_either(files, tree_of) -> None:
    files["environments/dev.yaml"] = "nonsense: true\n"
    snapshot = read_snapshot(tree_of(files), "a")
    assert set(snapshot.deployments) == {DEV_ORDERS, STAGING_ORDERS}
    assert not snapshot.environments
    assert {one.address for one in snapshot.findings if one.address.endswith("/orders")} == {
        "dev/orders",
        "staging/orders",
    }


@pytest.mark.parametrize(
    ("path", "text", "file", "said"),
    [
        (
            "environments/dev.yaml",
            DEV.replace("local/postgres", "local/postgers"),
            "environments/dev.yaml",
            "Did you mean",
        ),
        (
            "environments/dev.yaml",
            DEV.replace("type: postgres", "type: queue"),
            "environments/dev.yaml",
            "provides postgres",
        ),
        ("environments/dev.yaml", DEV.replace("name: dev", "name: test"), "environments/dev.yaml", "describes test"),
        (
            "deployments/dve/orders.yaml",
            deployment("orders", "dve"),
            "deployments/dve/orders.yaml",
            "Did you mean 'dev'",
        ),
        ("deployments/dev/other.yaml", deployment("orders"), "deployments/dev/other.yaml", "describes dev/orders"),
        ("modules/bare/main.tf", "", "modules/bare", "without a module.yaml"),
        ("modules/second/module.yaml", MODULE, "modules/second/module.yaml", "no Terraform file"),
        ("templates/empty/skeleton/x", "", "templates/empty", "no template.yaml"),
        (
            "templates/service/template.yaml",
            TEMPLATE.replace("fetch:template", "fetch:rails"),
            "templates/service/template.yaml",
            "fetch:rails",
        ),
        ("guardrails/again.yaml", GUARDRAIL, "guardrails/rule.yaml", "already a guardrail rule"),
        ("catalog/again.yaml", GROUP, "catalog/teams.yaml", "already defined"),
        ("catalog/broken.yaml", "a: [", "catalog/broken.yaml", "not YAML"),
    ],
)
def test_one_bad_file_becomes_a_finding_and_stops_nothing(files, tree_of, path, text, file, said) -> None:
    snapshot = read_snapshot(tree_of(files | {path: text}), "a")
    found = [one for one in snapshot.findings if said in str(one)]
    assert found, [str(one) for one in snapshot.findings]
    assert (found[0].source.file, found[0].severity) == (file, Severity.ERROR)
    assert snapshot.guardrails
    assert DEV_ORDERS in snapshot.deployments


def test_an_owner_outside_the_catalog_is_said(files, tree_of) -> None:
    files["catalog/teams.yaml"] = GROUP.replace("platform", "plattform")
    snapshot = read_snapshot(tree_of(files), "a")
    said = " ".join(map(str, snapshot.findings))
    assert "environment dev is owned by group:platform, which is not in the catalog" in said
    assert "Did you mean 'group:plattform'" in said
    assert {one.severity for one in snapshot.findings} == {Severity.WARNING}


def test_an_owner_that_is_no_reference_stops_nothing(files, tree_of) -> None:
    files["catalog/odd.yaml"] = (
        "apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata: {name: odd}\nspec: {owner: nobody in particular}\n"
    )
    snapshot = read_snapshot(tree_of(files), "a")
    assert snapshot.entities[Ref("system", "default", "odd")].owner is None
    assert ["not an entity reference" in str(one) for one in snapshot.findings] == [True]


def test_a_folder_that_nobody_reads_is_said(files, tree_of) -> None:
    snapshot = read_snapshot(tree_of(files | {"deployment/dev/x.yaml": "", ".github/x.yaml": ""}), "a")
    assert [str(one) for one in snapshot.findings] == [
        "deployment: deployment/ is no folder that Pave reads. Did you mean 'deployments'?"
    ]


def test_a_thousand_stacks_are_looked_at_again_quickly(files, tree_of) -> None:
    for number in range(1000):
        files[f"deployments/dev/s{number}.yaml"] = deployment(f"s{number}")
    cache: dict = {}
    tree = tree_of(files)
    ids = {path: tree.id(path) for path in [*files, "guardrails", "modules/local-postgres", "templates/service"]}
    tree.id = lambda path: ids.get(path, "")
    assert len(read_snapshot(tree, "a", cache).deployments) == 1002
    begun = time.perf_counter()
    read_snapshot(tree, "b", cache)
    assert time.perf_counter() - begun < 0.3


class Folder:
    """A folder of this package as a tree."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def paths(self, under: str = ""):
        found = (one.relative_to(self.root).as_posix() for one in self.root.rglob("*") if one.is_file())
        return iter(sorted(one for one in found if not under or one.startswith(f"{under}/")))

    def read(self, path: str) -> bytes | None:
        file = self.root / path
        return file.read_bytes() if file.is_file() else None

    def id(self, path: str) -> str:
        return path if (self.root / path).exists() else ""


def test_the_library_is_a_platform_repository_without_a_finding() -> None:
    root = Path(__file__).parents[3] / "pave" / "library"
    snapshot = read_snapshot(Folder(root), "library")
    assert [str(one) for one in snapshot.findings] == []
    assert {"dev", "staging", "prod"} <= set(snapshot.environments)
    members = [one.ref.name for one in snapshot.entities.values() if "platform" in one.spec.get("memberOf", ())]
    assert members == ["dana"]
    assert all(isinstance(one, Deployment) for one in snapshot.deployments.values())
