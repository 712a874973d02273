from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from pave.adapters.postgres.stacks import _packed, _unpacked
from pave.adapters.terraform import planned
from pave.adapters.terraform.access import StateAccess
from pave.adapters.terraform.diagnosis import MASK, Masker, diagnostics, failure
from pave.adapters.terraform.runner import Result, private_folder, sweep
from pave.adapters.terraform.safety import dangerous
from pave.adapters.terraform.working import WorkingCopies
from pave.apply.retry import Cancelled, Stale, Transient
from pave.model.diagnostics import Refused, error
from pave.model.names import Address
from pave.plan.terraform import Call, document
from pave.ports import EngineChange, EnginePlan, Holder

STACK = Address("dev", "orders")


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ('resource "x" "y" {\n  provisioner "local-exec" {\n command = "id" }\n}', "local-exec", 2),
        ("provisioner remote-exec {}", "remote-exec", 1),
        ('data "external" "x" { program = ["id"] }', "external", 1),
        (r'data "ext\u0065rnal" "x" {}', "external", 1),
        ('check "c" {\n  data "external" "x" {}\n}', "external", 2),
        ('data /* a comment */ "external" "x" {}', "external", 1),
        ('terraform {\n  backend "s3" {}\n}', "backend", 2),
        ("terraform {\n  cloud {\n  }\n}", "cloud", 2),
        ('module "a" {\n  source = "git::https://example.org/x"\n}', "git::https", 2),
    ],
)
def test_what_runs_programs_is_found(text: str, said: str, line: int) -> None:
    (found,) = dangerous({"main.tf": text.encode()})
    assert said in found.summary
    assert found.source.line == line
    assert found.remedy


def test_what_runs_programs_is_found_in_json() -> None:
    text = b"""{"resource": {"a": {"b": {"provisioner": [{"local-exec": {"command": "id"}}]}}},
      "data": {"external": {"x": {}}}, "terraform": [{"backend": {"s3": {}}}], "module": {"m": {"source": "a/b/c"}}}"""
    assert len(dangerous({"main.tf.json": text})) == 4
    assert "not valid JSON" in dangerous({"main.tf.json": b"{"})[0].summary


def test_what_is_only_said_is_harmless() -> None:
    text = b"""
    # provisioner "local-exec" {}
    // data "external" "x" {}
    /* backend "s3" {} */
    variable "note" { default = "data is external, # not a comment" }
    module "inner" { source = "./inner" }
    resource "terraform_data" "external" {}
    """
    assert dangerous({"main.tf": text, "README.md": b'provisioner "local-exec" {}'}) == []


def test_secrets_are_masked_in_every_form() -> None:
    secret = 'p"ss/w\u00f6rd'
    mask = Masker((secret, "abc", "first line of key\nsecond line of key"))
    forms = [
        secret,
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode(),
        'p\\"ss/w\u00f6rd',
        'p\\"ss/w\\u00f6rd',
    ]
    assert [mask(f"<{form}>") for form in forms] == [f"<{MASK}>"] * len(forms)
    assert mask("abc second line of key") == f"abc {MASK}"


def test_errors_decide_what_happens_next() -> None:
    assert isinstance(failure(STACK, "apply", (error("Saved plan is stale"),)), Stale)
    assert isinstance(failure(STACK, "plan", (error("Error acquiring the state lock"),)), Transient)
    assert isinstance(failure(STACK, "plan", (error("Unsupported argument"),)), Refused)
    both = failure(STACK, "apply", (error("One"), error("Two")))
    assert "Two" in str(both)


def test_what_was_not_said_in_json_is_said_as_it_is() -> None:
    (found,) = diagnostics(STACK, Result(1, "{not json}", "panic: token s3cr3t-token"), Masker(("s3cr3t-token",)))
    assert found.detail == f"panic: token {MASK}"
    assert found.address == "dev/orders"


def test_sensitive_values_are_found_where_they_are_marked() -> None:
    change = {
        "before": None,
        "after": {"a": {"b": ["x-secret", "y-open"]}, "c": "z-open"},
        "after_sensitive": {"a": {"b": [True]}},
    }
    assert list(planned.secrets({"resource_changes": [{"change": change}]})) == ["x-secret"]
    state = {
        "resources": [
            {
                "instances": [
                    {
                        "attributes": {"keys": [{"secret": "in-state"}], "name": "open"},
                        "sensitive_attributes": [
                            [
                                {"type": "get_attr", "value": "keys"},
                                {"type": "index", "value": {"value": 0, "type": "number"}},
                                {"type": "get_attr", "value": "secret"},
                            ],
                            [{"type": "get_attr", "value": "gone"}],
                        ],
                    }
                ]
            }
        ]
    }
    assert list(planned.state_secrets(state)) == ["in-state"]


def test_changes_name_attributes_and_drift_and_no_values() -> None:
    def change(address: str, actions: list[str], before: object, after: object, **more: object) -> dict[str, object]:
        return {
            "address": address,
            "mode": "managed",
            "change": {"actions": actions, "before": before, "after": after, **more},
        }

    update = change("module.db.x.y", ["update"], {"a": 1, "b": 2}, {"a": 1, "b": 3}, after_unknown={"c": True})
    shown = {
        "resource_changes": [
            update,
            change("module.api[0].module.in.x.y", ["delete", "create"], {"a": 1}, {"a": 2}),
            {**change("module.db.data.x.y", ["read"], None, {}), "mode": "data"},
            change("x.y", ["create"], None, {"a": 1}),
        ],
        "resource_drift": [update],
    }
    assert planned.changes(shown) == (
        EngineChange("api", "module.api[0].module.in.x.y", ("delete", "create"), ("a",)),
        EngineChange("db", "module.db.x.y", ("update",), ("b", "c"), drifted=True),
        EngineChange("", "x.y", ("create",)),
    )
    assert planned.digest(shown) == planned.digest({**shown, "timestamp": "now"})
    assert planned.digest(shown) != planned.digest({**shown, "resource_drift": []})


def test_values_leave_for_policies_without_what_is_sensitive() -> None:
    change = {
        "actions": ["update"],
        "before": None,
        "after": {"name": "x", "password": "p", "users": [{"key": "k", "id": 1}, {"key": "l"}], "all": {"a": 1}},
        "after_sensitive": {"password": True, "users": [{"key": True}], "all": True},
        "after_unknown": {"url": True},
    }
    data = {"address": "data.x", "mode": "data", "change": change}
    one = {"address": "module.db.x.y", "mode": "managed", "type": "x", "name": "y", "change": change, "secret": "p"}
    (found,) = planned.resources({"resource_changes": [one, data], "prior_state": {"secret": "p"}})
    assert {key: found[key] for key in ("address", "type", "name")} == {
        "address": "module.db.x.y",
        "type": "x",
        "name": "y",
    }
    assert found["change"]["actions"] == ["update"]
    assert (found["change"]["before"], found["change"]["after_unknown"]) == (None, {"url": True})
    hidden = "(sensitive)"
    users = [{"key": hidden, "id": 1}, {"key": "l"}]
    assert found["change"]["after"] == {"name": "x", "password": hidden, "users": users, "all": hidden}
    assert "secret" not in found


@pytest.mark.parametrize("resources", [None, (), ({"address": "a.b", "change": {"after": "\n7\n"}},)])
def test_a_plan_is_kept_with_its_values_and_one_from_before_without(
    resources: tuple[dict[str, object], ...] | None,
) -> None:
    plan = EnginePlan(b"PK\x03\n1\nfile", "digest", 1, (), resources)
    assert _unpacked(_packed(plan)) == (plan.file, resources)


def test_a_credential_is_for_one_stack_and_one_holder() -> None:
    access = StateAccess(b"k" * 32, lambda: "http://127.0.0.1:1/", lambda _: Holder("host:7:run~1", 3))
    given = access(STACK)
    assert given.address == "http://127.0.0.1:1/internal/state/dev/orders"
    assert ":" not in given.username
    assert given.password not in repr(given)
    assert access.verify(STACK, given.username, given.password) == Holder("host:7:run~1", 3)
    assert access.verify(Address("dev", "billing"), given.username, given.password) is None
    assert access.verify(STACK, given.username.replace("~3", "~4"), given.password) is None
    assert access.verify(STACK, given.username, "é") is None


def never() -> bool:
    return False


def test_a_working_copy_follows_the_modules(tmp_path: Path) -> None:
    modules = {"d1": {"main.tf": b"one", "files/a": b"a"}, "d2": {"main.tf": b"two"}}
    copies = WorkingCopies(tmp_path, modules.__getitem__)
    one, two = document([Call("db", "pg", "d1", {})]), document([Call("db", "pg", "d2", {})])
    with copies.open(STACK, never) as copy:
        copy.write(one)
        assert (copy.path / "modules/pg/files/a").read_bytes() == b"a"
        assert not copy.ready_for(one, "1.15")
        copy.set_ready(one, "1.15")
        assert copy.ready_for(one, "1.15")
        assert not copy.ready_for(one, "1.11")
        assert not copy.ready_for(two, "1.15")
        copy.write(two)
        assert {path.name for path in (copy.path / "modules/pg").iterdir()} == {"main.tf"}
        # A folder that was being made when the power went is made again.
        (copy.path / "modules/.digest-pg").unlink()
        (copy.path / "modules/pg/main.tf").write_bytes(b"ha")
        copy.write(two)
        assert (copy.path / "modules/pg/main.tf").read_bytes() == b"two"
        copy.write(document([]))
        assert list((copy.path / "modules").iterdir()) == []
        with pytest.raises(Cancelled), copies.open(STACK, lambda: True):
            pass
    copies.forget(STACK)
    copies.forget(STACK)
    assert not (tmp_path / "dev/orders").exists()


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    mine = private_folder(tmp_path)
    (tmp_path / "process-4194999-x").mkdir()
    (tmp_path / "stacks").mkdir()
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, tmp_path / "stacks"])


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", ""])
def test_a_module_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    copies = WorkingCopies(tmp_path / "w", lambda _: {name: b"x"})
    with copies.open(STACK, never) as copy, pytest.raises(Refused):
        copy.write(document([Call("db", "pg", "d1", {})]))
    with pytest.raises(Refused), copies.open(STACK, never) as copy:
        copy.write(document([Call("db", "..", "d1", {})]))
