"""Pave's own files: modules, environments, deployments, guardrails."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pave.model.deployment import Deployment
from pave.model.deployment_file import path_of, read_deployment, write_deployment
from pave.model.diagnostics import Findings, Refused
from pave.model.environment import Binding, Deploy, Environment
from pave.model.environment_file import NOBODY, inherit, read_environment, write_environment
from pave.model.guardrail_file import read_guardrail
from pave.model.module import Module
from pave.model.module_file import read_module
from pave.model.names import Address, Ref
from pave.model.workload import Need

MODULE = """\
apiVersion: pave/v1
kind: Module
metadata: {name: local/postgres, title: PostgreSQL, owner: group:platform, version: 1.2.0}
spec:
  provides: {type: postgres, class: large}
  engine: terraform
  stateful: true
  inputs:
    size: {choices: [small, medium], default: medium}
    backup_days: {minimum: 0}
"""
MAIN = """\
variable "address" { type = string }
variable "size" {
  type        = string
  description = "How \\"large\\" it is"
  default     = "small"
}
variable "backup_days" {
  type    = number
  default = 1
  validation {
    condition     = var.backup_days >= 0
    error_message = "Not ${var.backup_days}."
  }
}
variable "options" {
  type      = object({ a = string, b = optional(number, 3) })
  default   = { a = "x", b = null }
  sensitive = true
}
output "host" { value = "${var.address}.internal" }
output "password" {
  value     = random_password.this.result
  sensitive = true
}
"""
PLATFORM = Ref("group", "default", "platform")


def module(files: dict[str, str]) -> Module:
    return read_module({name: text.encode() for name, text in files.items()}, "modules/local-postgres", "tree")


def refusal(read, text: str) -> str:
    with pytest.raises(Refused) as caught:
        read(text.encode(), "f.yaml")
    assert all(one.source.line for one in caught.value.diagnostics)
    return str(caught.value)


def test_a_modules_own_variables_are_its_inputs() -> None:
    found = module({"module.yaml": MODULE, "main.tf": MAIN, "README.md": "", "tests/x.tf": "nonsense ="})
    assert (found.name, found.version, found.provides, found.klass, found.stateful) == (
        "local/postgres",
        "1.2.0",
        "postgres",
        "large",
        True,
    )
    assert found.inputs["address"].required
    size = found.inputs["size"]
    assert (size.type, size.default, size.choices, size.required) == ("string", "medium", ("small", "medium"), False)
    assert size.description == 'How "large" it is'
    assert (found.inputs["backup_days"].default, found.inputs["backup_days"].minimum) == (1, 0)
    options = found.inputs["options"]
    assert options.type == "object({a = string, b = optional(number, 3)})"
    assert (options.default, options.sensitive) == ({"a": "x", "b": None}, True)
    assert found.outputs["password"].sensitive
    assert not found.outputs["host"].sensitive


def test_terraform_in_json_is_read_too() -> None:
    text = '{"variable": {"size": {"default": "small"}, "backup_days": [{}]}, "output": {"host": {"value": "x"}}}'
    found = module({"module.yaml": MODULE, "main.tf.json": text})
    assert found.inputs["backup_days"].required
    assert set(found.outputs) == {"host"}


def test_a_bare_terraform_module_is_refused_with_a_module_yaml_that_works() -> None:
    with pytest.raises(Refused) as caught:
        module({"main.tf": MAIN})
    remedy = caught.value.diagnostics[0].remedy.split("\n", 1)[1]
    assert module({"main.tf": MAIN, "module.yaml": remedy}).name == "local-postgres"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "neither module.yaml nor Terraform"),
        ({"module.yaml": MODULE}, "holds no Terraform file"),
        ({"module.yaml": MODULE.replace("engine: terraform", "engine: helm"), "main.tf": MAIN}, "Use terraform"),
        ({"module.yaml": MODULE.replace("size:", "sise:"), "main.tf": MAIN}, "Did you mean 'size'"),
        ({"module.yaml": MODULE.replace("default: medium", "default: huge"), "main.tf": MAIN}, "one of small, medium"),
        ({"module.yaml": MODULE.replace("minimum: 0", "minimum: 7"), "main.tf": MAIN}, "at least 7"),
        ({"module.yaml": MODULE, "main.tf": MAIN + "\nvariable {"}, "main.tf:2"),
        ({"module.yaml": MODULE.replace("1.2.0", "1.2"), "main.tf": MAIN}, "Three numbers as text"),
        ({"module.yaml": MODULE.replace("stateful", "statefull"), "main.tf": MAIN}, "Did you mean 'stateful'"),
    ],
)
def test_a_wrong_module_is_refused(files: dict[str, str], said: str) -> None:
    with pytest.raises(Refused) as caught:
        module(files)
    assert said in str(caught.value)


DEV = """\
apiVersion: pave/v1
kind: Environment
metadata: {name: dev, title: Development}
spec:
  kind: development
  owner: group:platform
  resources:
    - {type: postgres, module: local/postgres}
    - {type: postgres, class: large, module: local/postgres, inputs: {connections: 100}}
    - {type: redis, module: local/cache}
  deploy: {from: main}
  drift: report
  budget: 200 USD per month
"""
PROD = """\
apiVersion: pave/v1
kind: Environment
metadata: {name: prod}
spec:
  kind: production
  inherits: dev
  resources: [{type: postgres, module: aws/postgres, inputs: {backup_days: 7}}]
  deploy:
    from: staging
    after: 10m
    strategy: canary
    windows: [{allow: "Mon-Fri 08:00-16:00 Europe/Berlin"}, {freeze: 2026-12-20 .. 2027-01-03}]
  lifetime: 3d
  sleep: after 30m idle
  seed: python -m orders.seed
  budget: 900 USD per month
"""


def environment(text: str) -> Environment:
    return read_environment(text.encode(), "f.yaml")


def test_a_child_says_only_what_differs() -> None:
    dev, prod = environment(DEV), environment(PROD)
    assert prod.owner == NOBODY
    whole = inherit({"dev": dev, "prod": prod})["prod"]
    assert whole.binding_for(Need("db", "postgres")) == Binding("postgres", "aws/postgres", inputs={"backup_days": 7})
    assert whole.binding_for(Need("db", "postgres", "large")).inputs == {"connections": 100}
    assert whole.binding_for(Need("c", "redis")).module == "local/cache"
    assert whole.binding_for(Need("q", "queue")) is None
    assert (whole.owner, whole.drift, whole.deploy.source, whole.budget) == (
        PLATFORM,
        "report",
        "staging",
        "900 USD per month",
    )


def test_circles_orphans_and_missing_parents_are_left_out_and_said() -> None:
    def child(name: str, parent: str) -> Environment:
        return Environment(name, "development", NOBODY, inherits=parent)

    findings = Findings()
    found = inherit(
        {
            one.name: one
            for one in (child("a", "b"), child("b", "a"), child("c", "dve"), child("d", ""), environment(DEV))
        },
        findings,
    )
    assert set(found) == {"dev"}
    said = " ".join(map(str, findings))
    assert "a → b → a" in said
    assert "Did you mean 'dev'" in said
    assert "environment d has no owner" in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: development", "kind: devlopment", "one of development"),
        ("budget: 200 USD per month", "budget: 200", "200 USD per month"),
        ("drift: report", "drift: never", "repair, report"),
        ("module: local/cache", "modul: local/cache", "Did you mean 'module'"),
        ("deploy: {from: main}", "deploy: {after: 10}", "10m, 8h"),
        ("owner: group:platform", "owner: 'a b'", "not an entity reference"),
        ("kind: Environment", "kind: Guardrail", "'Environment'"),
    ],
)
def test_a_wrong_environment_is_refused(old: str, new: str, said: str) -> None:
    assert said in refusal(read_environment, DEV.replace(old, new, 1))


words = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12)
names = st.from_regex(r"[a-z]([a-z0-9]{0,5}-)?[a-z0-9]{1,6}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(words, values, max_size=3)
needs = st.builds(
    Need, st.just(""), names.filter(lambda one: len(one) > 1), st.sampled_from(["default", "large"]), names, mappings
)


@settings(max_examples=40)
@given(
    st.builds(
        Environment,
        names,
        st.sampled_from(["development", "production"]),
        st.sampled_from([PLATFORM, NOBODY]),
        words,
        st.lists(
            st.builds(Binding, st.just("postgres"), names, st.sampled_from(["", "large"]), st.just(""), mappings)
        ).map(tuple),
        st.builds(Deploy, st.sampled_from(["", "main", "1e3"]), st.sampled_from(["", "10m"])),
        st.sampled_from(["", "repair"]),
        st.just(""),
        seed=words,
    )
)
def test_an_environment_that_is_written_is_read_back(value: Environment) -> None:
    assert environment(write_environment(value).decode()) == value


@settings(max_examples=40)
@given(
    st.builds(
        Deployment,
        st.builds(Address, names, names),
        st.builds(Ref, st.just("component"), names, names),
        repository=names,
        commit=st.from_regex(r"[0-9]{40}|[0-9a-f]{40}|[0-9]{3}e[0-9]{36}", fullmatch=True),
        artifact=st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True) | st.just(""),
        workload=words,
        resources=st.dictionaries(names, needs, max_size=3),
        inputs=st.dictionaries(names, mappings.filter(bool), max_size=2),
        scale=st.integers(0, 100),
        pin=st.none() | words,
    )
)
def test_a_deployment_that_is_written_is_read_back_and_written_the_same(value: Deployment) -> None:
    written = write_deployment(value)
    found = read_deployment(written, "f.yaml")
    expected = {name: Need(name, one.type, one.klass, one.id, one.params) for name, one in value.resources.items()}
    assert found == Deployment(**{**vars(value), "resources": expected})
    assert write_deployment(found) == written


def test_a_deployment_is_written_for_people() -> None:
    stack = Address("dev", "orders")
    written = write_deployment(
        Deployment(
            stack,
            Ref("component", "default", "orders"),
            "orders",
            "4" * 40,
            resources={"db": Need("db", "postgres")},
            inputs={"db": {"size": "medium"}, "cache": {"memory": "64Mi"}},
            pin="too slow",
        )
    )
    assert path_of(stack) == "deployments/dev/orders.yaml"
    assert written.decode() == (
        "apiVersion: pave/v1\n"
        "kind: Deployment\n"
        "metadata:\n"
        "  name: orders\n"
        "  environment: dev\n"
        "spec:\n"
        "  component: component:default/orders\n"
        f'  source: {{repository: orders, commit: "{"4" * 40}"}}\n'
        "  workload: score.yaml\n"
        "  resources:\n"
        "    cache: {inputs: {memory: 64Mi}}\n"
        "    db: {type: postgres, inputs: {size: medium}}\n"
        "  pin: too slow\n"
    )


DEPLOYMENT = """\
apiVersion: pave/v1
kind: Deployment
metadata: {name: orders, environment: dev}
spec:
  component: orders
  source: {repository: orders, commit: 4b825dc642cb6eb9a060e54bf8d69288fbee4904}
  resources:
    db: {type: postgres, inputs: {size: medium}}
  scale: 2
  pin: null
"""


def test_a_deployment_by_hand_is_read() -> None:
    found = read_deployment(DEPLOYMENT.encode(), "f.yaml")
    assert (found.address, found.scale, found.pin) == (Address("dev", "orders"), 2, None)
    assert found.resources == {"db": Need("db", "postgres")}
    assert found.inputs == {"db": {"size": "medium"}}


def test_a_resource_may_end() -> None:
    text = DEPLOYMENT.replace("inputs: {size: medium}", 'until: "2026-12-20T09:00:00+01:00"')
    found = read_deployment(text.encode(), "f.yaml")
    assert found.ends == {"db": "2026-12-20T08:00:00Z"}
    assert read_deployment(write_deployment(found), "f.yaml") == found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("inputs: {size: medium}", "until: soon", "'soon' is no time"),
        ("type: postgres, inputs: {size: medium}", 'until: "2026-12-20"', "type"),
        ("4b825dc642cb6eb9a060e54bf8d69288fbee4904", "main", "whole commit id"),
        ("name: orders", "name: ../etc", "a-z"),
        ("name: orders", "name: " + "a" * 64, "a-z"),
        ("scale: 2", "scale: two", "whole number"),
        ("scale: 2", "scale: -1", "at least 0"),
        ("scale: 2", "scael: 2", "Did you mean 'scale'"),
        ("db: {type: postgres, ", "Db: {type: postgres, ", "cannot be used as a name"),
        ("type: postgres, inputs", "class: large, inputs", "type"),
    ],
)
def test_a_wrong_deployment_is_refused(old: str, new: str, said: str) -> None:
    assert said in refusal(read_deployment, DEPLOYMENT.replace(old, new, 1))


GUARDRAIL = """\
apiVersion: pave/v1
kind: Guardrail
metadata: {name: small-queues, title: Queues stay small, owner: platform}
spec:
  category: cost
  level: soft
  applies: {type: queue, action: [create, update]}
  require: inputs.max_size <= 64
  message: "{address} is large."
  remedy: {say: Make it smaller., patch: {inputs: {max_size: 64}}}
  examples:
    - {given: {inputs: {max_size: 1}}, expect: allowed}
"""


def test_a_guardrail_is_read_whole() -> None:
    found = read_guardrail(GUARDRAIL.encode(), "f.yaml")
    assert (found.name, found.level, found.stages, found.owner) == ("small-queues", "soft", ("plan",), PLATFORM)
    assert found.applies == {"type": "queue", "action": ["create", "update"]}
    assert (found.remedy, found.patch) == ("Make it smaller.", {"inputs": {"max_size": 64}})
    assert found.examples[0].expect == "allowed"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("level: soft", "level: strict", "advisory, soft, hard"),
        ("[create, update]", "[creat]", "create, update, replace, delete"),
        ("[create, update]", "creat", "create, update, replace, delete"),
        ("type: queue", "types: queue", "Did you mean 'type'"),
        ("  require: inputs.max_size <= 64\n", "", "CEL condition"),
        ("expect: allowed", "expect: fine", "allowed, allowed-with-warnings"),
    ],
)
def test_a_wrong_guardrail_is_refused(old: str, new: str, said: str) -> None:
    assert said in refusal(read_guardrail, GUARDRAIL.replace(old, new, 1))
