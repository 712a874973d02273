"""Signed commits where an environment asks for them: whose signature counts, what a merge by Pave is worth."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from platform_for_tests import Platform, platform
from visitor_for_tests import Visitor

pytestmark = pytest.mark.timeout(200)

PEOPLE = "catalog/people.yaml"


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A service in dev and staging; dana's key is in the catalog, the stranger's is not."""
    folder = tmp_path_factory.mktemp("signed")
    with platform(folder / "data") as there:
        there.done("POST", "/components", {"name": "orders", "template": "worker"})
        visiting = Visitor(there, folder)
        visiting.clone("orders")
        for name in ("dana", "stranger"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
            subprocess.run(command, check=True)
        people = there.file(PEOPLE) or ""
        key = (folder / "dana.pub").read_text().strip()
        noted = f"  name: dana\n  annotations:\n    pave.dev/signing-keys: |\n      {key}\n"
        staging = there.file("environments/staging.yaml") or ""
        there.commit(
            {
                PEOPLE: people.replace("  name: dana\n", noted, 1),
                "environments/staging.yaml": staging.replace("from: dev", "from: dev\n    signature: required"),
            }
        )
        yield visiting
        there.settle()
        there.check()


@pytest.fixture
def there(visitor: Visitor) -> Platform:
    return visitor.there


def push(visitor: Visitor, word: str, key: str = "", branch: str = "main", path: str = "note.txt") -> tuple[str, str]:
    """A commit, signed with a key or not; its id and the run that the push began."""
    (visitor.folder / "orders" / path).write_text(f"{word}\n")
    visitor.git("add", "--all", at="orders")
    sign = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={visitor.folder / key}") if key else ()
    visitor.git(*sign, "commit", "--quiet", "--allow-empty", "-m", word, *(["-S"] if key else []), at="orders")
    said = visitor.push("orders", branch)
    return visitor.git("rev-parse", "HEAD", at="orders").strip(), visitor.run_of(said)


def verified(run: dict[str, Any]) -> str:
    return next(one["detail"] for one in run["steps"] if (one["name"], one["subject"]) == ("verify", "signature"))


def to_staging(there: Platform) -> dict[str, Any]:
    """The promotion: asked for the first time, then it comes by itself."""
    there.settle(60)
    if there.status("staging/orders") is None:
        return there.ended(there.asked("POST", "/stacks/staging/orders/promote", {}))
    runs = there.get("/runs", limit=20)["runs"]
    return there.ended(next(one["id"] for one in runs if one["kind"] == "stack.promote"))


def in_staging(there: Platform, commit: str) -> dict[str, Any]:
    return next(one for one in there.get(f"/commits/{commit}/where")["places"] if one["environment"] == "staging")


def test_an_unsigned_commit_runs_in_dev_and_stops_before_staging(visitor: Visitor, there: Platform) -> None:
    commit, run = push(visitor, "unsigned")
    done = there.ended(run)
    assert done["state"] == "succeeded", done
    assert verified(done) == "not signed"
    assert done["result"]["signature"]["state"] == "unsigned"
    denied = to_staging(there)
    assert denied["state"] == "denied"
    (finding,) = denied["verdict"]["findings"]
    assert finding["guardrail"] == "signature-where-required"
    assert finding["message"].startswith("staging requires signed commits; that of staging/orders/workload is unsigned")
    place = in_staging(there, commit)
    assert place["reason"] == "staging requires signed commits, and it is not signed"
    assert "git commit --allow-empty -S" in place["remedy"]


def test_a_key_that_nobody_in_the_catalog_has_counts_for_nothing(visitor: Visitor, there: Platform) -> None:
    commit, run = push(visitor, "stranger", "stranger")
    assert verified(there.ended(run)).endswith("which is no user's key")
    assert to_staging(there)["state"] == "denied"
    assert "pave.dev/signing-keys" in in_staging(there, commit)["remedy"]


def test_a_signed_commit_goes_on_and_says_who_signed(visitor: Visitor, there: Platform) -> None:
    commit, run = push(visitor, "signed", "dana")
    done = there.ended(run)
    assert verified(done) == "signed by user:dana"
    assert done["result"]["signature"]["signer"] == "user:default/dana"
    promoted = to_staging(there)
    assert promoted["state"] == "succeeded", promoted
    assert in_staging(there, commit)["state"] == "live"
    checks = {one["name"]: one for one in there.get("/checks/orders", commit=commit)["checks"]}
    assert (checks["signature"]["outcome"], checks["signature"]["summary"]) == ("passed", "signed by user:dana")


def test_a_merge_by_pave_counts_as_what_it_merged(visitor: Visitor, there: Platform) -> None:
    visitor.git("checkout", "--quiet", "-b", "side", at="orders")
    _, checked = push(visitor, "side", "dana", "side", "side.txt")
    visitor.git("checkout", "--quiet", "main", at="orders")
    there.ended(push(visitor, "main goes on", "dana")[1])
    assert there.ended(checked)["state"] == "succeeded"
    merge = there.done("POST", "/changes/orders/1/merge", {})
    deployed = there.ended(merge["result"]["next"])
    merged = there.get("/changes/orders/1")["merged"]
    assert verified(deployed) == "merged by Pave from what user:dana signed"
    promoted = to_staging(there)
    assert promoted["state"] == "succeeded", promoted
    assert in_staging(there, merged)["state"] == "live"


def test_a_forged_trailer_makes_no_merge_of_paves(visitor: Visitor, there: Platform) -> None:
    """A merge commit like Pave's, with the run of a real one, and something that nobody signed in it."""
    visitor.git("pull", "--quiet", "origin", "main", at="orders")
    message = visitor.git("log", "-1", "--format=%B", at="orders")
    assert re.search(r"Pave-Change: run_\w+", message)
    parents = visitor.git("log", "-1", "--format=%P", at="orders").split()
    visitor.git("checkout", "--quiet", "-b", "forged", at="orders")
    (visitor.folder / "orders" / "evil.txt").write_text("evil\n")
    visitor.git("add", "--all", at="orders")
    tree = visitor.git("write-tree", at="orders").strip()
    head = visitor.git("rev-parse", "HEAD", at="orders").strip()
    again = ["commit-tree", tree, "-p", head, "-p", parents[1], "-m", message]
    forged = visitor.git(*again, at="orders").strip()
    visitor.git("checkout", "--quiet", "main", at="orders")
    visitor.git("reset", "--quiet", "--hard", forged, at="orders")
    run = there.ended(visitor.run_of(visitor.push("orders")))
    assert verified(run) == "not signed"
    assert to_staging(there)["state"] == "denied"


def test_a_merge_does_not_sign_what_was_not(visitor: Visitor, there: Platform) -> None:
    """The head is signed, main is not: what came to main before stays unsigned until somebody signs it."""
    visitor.git("checkout", "--quiet", "-b", "late", at="orders")
    _, checked = push(visitor, "late", "dana", "late", "late.txt")
    visitor.git("checkout", "--quiet", "main", at="orders")
    _, run = push(visitor, "main without a signature")
    there.ended(run)
    there.ended(checked)
    merge = there.done("POST", "/changes/orders/2/merge", {})
    assert re.search(r"Pave's merge into \w{7}, which is not signed", verified(there.ended(merge["result"]["next"])))
    assert to_staging(there)["state"] == "denied"
    visitor.git("pull", "--quiet", "origin", "main", at="orders")
    there.ended(push(visitor, "late", "dana", path="late.txt")[1])  # the same content: the same artifact
    promoted = to_staging(there)
    assert promoted["state"] == "succeeded", promoted
