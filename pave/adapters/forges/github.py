"""GitHub, and GitHub Enterprise Server.

Sources: GitHub's documentation of webhook events and payloads, of validating webhook deliveries, and of the REST API's
commit statuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pave.adapters.forges import api, documents, signatures
from pave.ports import CommitStatus, ForgeEvent

_OPENED = ("opened", "reopened")
_UPDATED = ("synchronize", "edited", "ready_for_review")
_DESCRIPTION = 140


class GitHub:
    """Implements `pave.ports.Forge`."""

    name = "github"

    def __init__(self, secret: str, token: str, url: str) -> None:
        self._secret = secret
        self._site = api.site(url, token, self.name)

    def receive(self, headers: Mapping[str, str], body: bytes) -> ForgeEvent | None:
        """What a webhook says; signed with HMAC-SHA256 in `X-Hub-Signature-256: sha256=…`."""
        signatures.need_secret(self._secret, "github_secret")
        given = headers.get("x-hub-signature-256", "")
        if given and not given.startswith("sha256="):
            signatures.unsigned("Its X-Hub-Signature-256 does not fit")
        signatures.check_hex(self._secret, body, given.removeprefix("sha256="), "X-Hub-Signature-256")
        delivery = documents.delivery(headers, body, "x-github-delivery")
        match headers.get("x-github-event", ""):
            case "push":
                return self._site.own(push(self.name, documents.read(headers, body), delivery))
            case "pull_request":
                return self._site.own(pull_request(self.name, documents.read(headers, body), delivery))
            case _:
                return None

    def hosts(self, repository_url: str) -> bool:
        """Whether it is at this GitHub, and a token is set."""
        return bool(self._site.token and self._site.path_of(repository_url))

    def tell(self, repository_url: str, status: CommitStatus) -> None:
        """POST /repos/{owner}/{repo}/statuses/{sha}."""
        headers = {
            "Authorization": f"Bearer {self._site.token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        body = {
            "state": status.state,
            "description": status.description[:_DESCRIPTION],
            "context": status.context,
            "target_url": status.link,
        }
        path = self._site.path_of(repository_url)
        api.post(self._site, f"{self._api()}/repos/{path}/statuses/{status.commit}", headers, body)

    def _api(self) -> str:
        scheme, _, host = self._site.url.partition("://")
        return f"{scheme}://api.{host}" if host == "github.com" else f"{self._site.url}/api/v3"


def push(forge: str, document: Mapping[str, Any], delivery: str) -> ForgeEvent | None:
    """A push as GitHub tells it, and Gitea after it; None for a tag."""
    branch = documents.branch_of(documents.text(document, "ref"))
    if not branch:
        return None
    return ForgeEvent(
        forge,
        "push",
        delivery,
        documents.text(document, "repository", "full_name"),
        _addresses(document),
        branch,
        commit=documents.commit_of(documents.text(document, "after")),
        author=documents.text(document, "sender", "login", default=""),
    )


def pull_request(forge: str, document: Mapping[str, Any], delivery: str) -> ForgeEvent | None:
    """What happened to a pull request as GitHub tells it, and Gitea after it; None for what does not matter."""
    action = documents.text(document, "action")
    merged = documents.flag(document, "pull_request", "merged")
    kinds = dict.fromkeys(_OPENED, "opened") | dict.fromkeys((*_UPDATED, "synchronized"), "updated")
    kind = ("merged" if merged else "closed") if action == "closed" else kinds.get(action, "")
    if not kind or (kind == "updated" and documents.text(document, "pull_request", "state") != "open"):
        return None
    head = documents.text(document, "pull_request", "head", "repo", "full_name", default="")
    base = documents.text(document, "repository", "full_name")
    became = documents.text(document, "pull_request", "merge_commit_sha", default="") if merged else ""
    who = ("pull_request", "merged_by", "login") if merged else ("pull_request", "user", "login")
    return ForgeEvent(
        forge,
        kind,
        delivery,
        base,
        _addresses(document),
        documents.text(document, "pull_request", "head", "ref"),
        target=documents.text(document, "pull_request", "base", "ref"),
        commit=documents.commit_of(became or documents.text(document, "pull_request", "head", "sha")),
        number=documents.number(document, "pull_request", "number"),
        title=documents.text(document, "pull_request", "title"),
        author=documents.text(document, *who, default=""),
        link=documents.link(document, "pull_request", "html_url"),
        fork=head.lower() != base.lower(),  # a fork that was deleted has no name
    )


def _addresses(document: Mapping[str, Any]) -> tuple[str, ...]:
    found = document.get("repository")
    names = ("clone_url", "ssh_url", "html_url")
    return documents.addresses(found, *names) if isinstance(found, dict) else ()
