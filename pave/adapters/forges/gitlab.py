"""GitLab.

Sources: GitLab's documentation of webhooks and their events, and of its commits API; the Standard Webhooks
specification for signed ones.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pave.adapters.forges import api, documents, signatures
from pave.ports import CommitStatus, ForgeEvent

_KINDS = {"open": "opened", "reopen": "opened", "update": "updated", "merge": "merged", "close": "closed"}
_STATES = {"pending": "pending", "success": "success", "failure": "failed", "error": "failed"}
_DESCRIPTION = 255


class GitLab:
    """Implements `pave.ports.Forge`."""

    name = "gitlab"

    def __init__(self, secret: str, token: str, url: str) -> None:
        self._secret = secret
        self._site = api.site(url, token, self.name)

    def receive(self, headers: Mapping[str, str], body: bytes) -> ForgeEvent | None:
        """What a webhook says.

        A secret that begins with `whsec_` is a signing token: the body must be signed with it. Any other one is
        GitLab's older secret token, which comes as it is in `X-Gitlab-Token`.
        """
        signatures.need_secret(self._secret, "gitlab_secret")
        if self._secret.startswith(signatures.STANDARD_SECRET):
            signatures.check_standard(self._secret, headers, body, time.time())
        else:
            signatures.check_token(self._secret, headers.get("x-gitlab-token", ""), "X-Gitlab-Token")
        delivery = documents.delivery(headers, body, "webhook-id", "idempotency-key", "x-gitlab-event-uuid")
        match headers.get("x-gitlab-event", ""):
            case "Push Hook":
                return self._site.own(_push(documents.read(headers, body), delivery))
            case "Merge Request Hook":
                return self._site.own(_merge_request(documents.read(headers, body), delivery))
            case _:
                return None

    def hosts(self, repository_url: str) -> bool:
        """Whether it is at this GitLab, and a token is set."""
        return bool(self._site.token and self._site.path_of(repository_url))

    def tell(self, repository_url: str, status: CommitStatus) -> None:
        """POST /api/v4/projects/{path}/statuses/{sha}."""
        body = {
            "state": _STATES[status.state],
            "description": status.description[:_DESCRIPTION],
            "name": status.context,
            "target_url": status.link,
        }
        project = quote(self._site.path_of(repository_url), safe="")
        url = f"{self._site.url}/api/v4/projects/{project}/statuses/{status.commit}"
        api.post(self._site, url, {"PRIVATE-TOKEN": self._site.token}, body)


def _push(document: Mapping[str, Any], delivery: str) -> ForgeEvent | None:
    branch = documents.branch_of(documents.text(document, "ref"))
    if not branch:
        return None
    return ForgeEvent(
        "gitlab",
        "push",
        delivery,
        documents.text(document, "project", "path_with_namespace"),
        _addresses(document),
        branch,
        commit=documents.commit_of(documents.text(document, "after")),
        author=documents.text(document, "user_username", default=""),
    )


def _merge_request(document: Mapping[str, Any], delivery: str) -> ForgeEvent | None:
    kind = _KINDS.get(documents.text(document, "object_attributes", "action", default=""), "")
    if not kind or (kind == "updated" and documents.text(document, "object_attributes", "state") != "opened"):
        return None
    ours = ("object_attributes",)
    became = ""
    if kind == "merged":
        names = ("merge_commit_sha", "squash_commit_sha")
        became = next((found for one in names if (found := documents.text(document, *ours, one, default=""))), "")
    source = documents.number(document, *ours, "source_project_id")
    return ForgeEvent(
        "gitlab",
        kind,
        delivery,
        documents.text(document, "project", "path_with_namespace"),
        _addresses(document),
        documents.text(document, *ours, "source_branch"),
        target=documents.text(document, *ours, "target_branch"),
        commit=documents.commit_of(became or documents.text(document, *ours, "last_commit", "id")),
        number=documents.number(document, *ours, "iid"),
        title=documents.text(document, *ours, "title"),
        author=documents.text(document, "user", "username", default=""),
        link=documents.link(document, *ours, "url"),
        fork=source != documents.number(document, *ours, "target_project_id"),
    )


def _addresses(document: Mapping[str, Any]) -> tuple[str, ...]:
    found = document.get("project")
    names = ("git_http_url", "git_ssh_url", "web_url")
    return documents.addresses(found, *names) if isinstance(found, dict) else ()
