"""A repository at an outside forge: pushed there with the real git, told by a webhook, live here and said so there.

The forge is a stand-in on loopback: git's own `http-backend` behind HTTPS, and an API that keeps what it is told. The
tests are the chapters of one story, in order, on one platform.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line_for_tests import pave
from forge_for_tests import Answer, StandIn, headers, packed, recorded, stand_in
from platform_for_tests import TINY, Platform, commit_all, git, platform, repository
from visitor_for_tests import wait_for

pytestmark = pytest.mark.timeout(240)

SECRET, TOKEN = "the webhooks' secret", "a token for statuses"


@dataclass
class Story:
    """A working copy, the forge that it is pushed to, and the platform that mirrors the forge."""

    there: Platform
    forge: StandIn
    folder: Path
    number: int = 0

    def commit(self, version: str) -> str:
        """Another version of the application; its commit."""
        (self.folder / "app.py").write_text(TINY["app.py"].replace('VERSION = "1"', f'VERSION = "{version}"'))
        commit_all(self.folder, f"Version {version}")
        return self.head()

    def head(self) -> str:
        argv = ["git", "-C", str(self.folder), "rev-parse", "HEAD"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def push(self, *refs: str) -> None:
        git(self.folder, "push", "--quiet", "origin", *refs)

    def document(self, name: str, **changes: Any) -> dict[str, Any]:
        """A recorded webhook of this forge; `changes` are of the pull request, or of the push."""
        text = packed(recorded(f"gitea-{name}")).decode().replace("https://gitea.example.com", self.forge.url)
        document: dict[str, Any] = httpx.Response(200, text=text).json()
        changed = document if name == "push" else document["pull_request"]
        changed.update(changes)
        return document

    def send(self, document: dict[str, Any], kind: str, delivery: str = "", secret: str = SECRET) -> httpx.Response:
        """Send it as the forge does."""
        self.number += 1
        body = packed(document)
        said = headers("gitea", kind, delivery or f"delivery-{self.number}", secret, body)
        assert self.there.client is not None
        return httpx.post(f"{self.there.client.base_url}/webhooks/gitea", content=body, headers=said, timeout=10)

    def live(self, commit: str) -> bool:
        found = self.there.status("dev/orders")
        return found is not None and found["commit"] == commit and found["phase"] == "live"

    def runs(self) -> list[str]:
        return [one["id"] for one in self.there.get("/runs", limit=200)["runs"]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A component that was imported from the forge."""
    folder = tmp_path_factory.mktemp("forges")
    working = repository(folder / "orders", TINY)
    with stand_in(folder) as forge:
        bare = forge.repositories / "acme" / "orders.git"
        subprocess.run(["git", "clone", "--quiet", "--bare", str(working), str(bare)], check=True)
        git(working, "remote", "add", "origin", str(bare))
        variables = {
            "PAVE_GITEA_URL": forge.url,
            "PAVE_GITEA_SECRET": SECRET,
            "PAVE_GITEA_TOKEN": TOKEN,
            "GIT_SSL_CAINFO": str(forge.certificate),
            "SSL_CERT_FILE": str(forge.certificate),
            "NO_PROXY": "*",
        }
        with platform(folder / "data", **variables) as there:
            pave(there.data, "import", f"{forge.url}/acme/orders.git")
            yield Story(there, forge, working)
            there.check()


def test_a_push_at_the_forge_is_live_here_and_said_there(story: Story) -> None:
    commit = story.commit("2")
    story.push("main")
    answer = story.send(story.document("push", after=commit), "push", "first")
    assert (answer.status_code, answer.text) == (202, "Pave fetches orders and does what follows from it.\n")
    wait_for(lambda: story.live(commit), "the new version", story.there)
    assert "version 2" in story.there.fetch("dev/orders").text
    wait_for(lambda: "success" in story.forge.said(commit, "pave/dev"), "the status", story.there)
    assert story.forge.said(commit, "pave/dev")[0] == "pending"
    told = story.forge.asked[-1]
    assert told.path == f"/api/v1/repos/acme/orders/statuses/{commit}"
    assert told.headers["authorization"] == f"token {TOKEN}"
    assert "#run-run_" in told.body["target_url"]
    assert told.body["description"] == "dev/orders is live"


def test_what_was_sent_before_is_seen_and_nothing_is_done(story: Story) -> None:
    before = story.runs()
    answer = story.send(story.document("push", after=story.head()), "push", "first")
    assert (answer.status_code, answer.text) == (200, "It was seen already; nothing to do.\n")
    assert story.runs() == before


def test_a_wrong_signature_does_nothing_not_even_a_fetch(story: Story) -> None:
    commit, before = story.commit("3"), story.runs()
    story.push("main")
    answer = story.send(story.document("push", after=commit), "push", secret="a guess")
    assert answer.status_code == 401
    assert SECRET not in answer.text
    assert story.there.control("SELECT count(*) FROM letters WHERE handled_at IS NULL") == [(0,)]
    assert story.runs() == before
    mirrored = story.there.data / "repositories" / "orders.git"
    found = subprocess.run(["git", "-C", str(mirrored), "cat-file", "-e", commit], capture_output=True, check=False)
    assert found.returncode != 0
    assert story.send(story.document("push", after=commit), "push").status_code == 202
    wait_for(lambda: story.live(commit), "the version that was pushed", story.there)


def test_others_repositories_forges_and_sizes_are_refused(story: Story) -> None:
    document = story.document("push", after=story.head())
    document["repository"] |= dict.fromkeys(("clone_url", "ssh_url", "html_url"), "https://elsewhere.example.com/a/b")
    assert story.send(document, "push").status_code == 404
    assert story.there.client is not None
    base = f"{story.there.client.base_url}/webhooks"
    assert httpx.post(f"{base}/sourcehut", content=b"{}").status_code == 404
    assert httpx.post(f"{base}/github", content=b"{}").status_code == 403, "no secret is set for it"
    assert httpx.post(f"{base}/gitea", content=b"x" * (5 * 1024 * 1024 + 1)).status_code == 413
    assert httpx.get(f"{base}/gitea").status_code == 405


def test_a_pull_request_gets_a_preview_and_goes_with_it_when_it_is_merged(story: Story) -> None:
    git(story.folder, "checkout", "--quiet", "-b", "changes")
    head = story.commit("4")
    story.push("changes")
    assert story.send(story.document("opened"), "pull").status_code == 202
    there = story.there
    wait_for(lambda: there.ask("GET", "/changes/orders/1").status_code == 200, "the change request", there)
    change = there.get("/changes/orders/1")
    link = f"{story.forge.url}/acme/orders/pulls/2"
    assert (change["title"], change["forge"], change["head"]) == ("Greet with a wave", link, head)
    assert change["author"] == "user:gitea/robin"
    wait_for(lambda: there.get("/changes/orders/1")["run"], "its check", there)
    run = there.ended(there.get("/changes/orders/1")["run"])
    assert run["state"] == "succeeded", run
    assert "version 4" in there.fetch("preview-orders-1/orders").text
    wait_for(lambda: "success" in story.forge.said(head, "pave/check"), "the status of the check", there)
    refused = there.refused("POST", "/changes/orders/1/merge", {})
    assert link in refused["remedy"]

    git(story.folder, "checkout", "--quiet", "main")
    git(story.folder, "merge", "--quiet", "--no-ff", "-m", "Merge pull request 2", "changes")
    merged = story.head()
    story.push("main", ":changes")
    facts = {"merge_commit_sha": merged, "merged_by": {"login": "kim"}}
    assert story.send(story.document("merged", **facts), "pull").status_code == 202
    wait_for(lambda: there.get("/changes/orders/1")["state"] == "merged", "the merge", there)
    assert there.get("/changes/orders/1")["merged"] == merged
    wait_for(lambda: story.live(merged), "main", there)
    wait_for(lambda: there.status("preview-orders-1/orders") is None, "the end of the preview", there)
    again = story.document("opened")
    assert story.send(again, "pull").text.startswith("It was seen already"), "a replay under another name"


def test_a_strangers_branch_is_not_checked_and_the_forge_says_why(story: Story) -> None:
    fork = recorded("gitea-opened")["pull_request"]["head"]
    fork["repo"] = {**fork["repo"], "full_name": "mallory/orders"}
    fork["sha"] = "a" * 40
    before = story.runs()
    answer = story.send(story.document("opened", head=fork, html_url=f"{story.forge.url}/acme/orders/pulls/3"), "pull")
    assert answer.status_code == 202
    assert "a stranger's code is not run" in answer.text
    wait_for(lambda: story.forge.said("a" * 40, "pave/check") == ["error"], "the reason at the forge", story.there)
    assert story.there.ask("GET", "/changes/orders/2").status_code == 404
    assert story.runs() == before


def test_a_forge_that_is_down_loses_nothing(story: Story) -> None:
    story.forge.answers += [Answer(503, {"message": "maintenance"}) for _ in range(3)]
    commit = story.commit("5")
    story.push("main")
    assert story.send(story.document("push", after=commit), "push").status_code == 202
    wait_for(lambda: story.live(commit), "the version, whatever the forge says", story.there)
    wait_for(lambda: story.forge.said(commit, "pave/dev")[-1:] == ["success"], "the status at last", story.there)
    wait_for(
        lambda: story.there.control("SELECT count(*) FROM notes WHERE told_at IS NULL") == [(0,)],
        "an empty table",
        story.there,
    )


def test_a_server_that_is_killed_has_forgotten_nothing(story: Story) -> None:
    commit = story.commit("6")
    story.push("main")
    story.forge.down = True
    assert story.send(story.document("push", after=commit), "push", "before the end").status_code == 202
    story.there.kill()
    story.forge.down = False
    story.there.up()
    wait_for(lambda: story.live(commit), "what was taken in before", story.there)
    wait_for(lambda: story.forge.said(commit, "pave/dev")[-1:] == ["success"], "its status", story.there)
    answer = story.send(story.document("push", after=commit), "push", "before the end")
    assert answer.status_code == 200, "the memory has survived, too"


def test_secrets_are_in_no_log_and_no_answer(story: Story) -> None:
    there = story.there
    assert there.client is not None
    said = [path.read_text(errors="replace") for path in (there.data / "logs").rglob("*") if path.is_file()]
    said += [there.said(), there.client.get("/api/v1/openapi.json").text, str(there.control("SELECT * FROM events"))]
    said += [str(there.control(f"SELECT * FROM {table}")) for table in ("letters", "notes", "runs")]
    assert not [one for one in said if SECRET in one or TOKEN in one]
