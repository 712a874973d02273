"""Gitea, and Forgejo, which speaks as it does.

Sources: Gitea's documentation of webhooks, its `services/webhook/deliver.go`, and its API's commit statuses.
"""

from __future__ import annotations

from collections.abc import Mapping

from pave.adapters.forges import api, documents, signatures
from pave.adapters.forges.github import pull_request, push
from pave.ports import CommitStatus, ForgeEvent


class Gitea:
    """Implements `pave.ports.Forge`."""

    name = "gitea"

    def __init__(self, secret: str, token: str, url: str) -> None:
        self._secret = secret
        self._site = api.site(url, token, self.name)

    def receive(self, headers: Mapping[str, str], body: bytes) -> ForgeEvent | None:
        """What a webhook says; signed with HMAC-SHA256 in `X-Gitea-Signature`, in hexadecimal digits."""
        signatures.need_secret(self._secret, "gitea_secret")
        given = headers.get("x-gitea-signature", "") or headers.get("x-forgejo-signature", "")
        signatures.check_hex(self._secret, body, given, "X-Gitea-Signature")
        delivery = documents.delivery(headers, body, "x-gitea-delivery", "x-forgejo-delivery")
        match headers.get("x-gitea-event", "") or headers.get("x-forgejo-event", ""):
            case "push":
                return self._site.own(push(self.name, documents.read(headers, body), delivery))
            case "pull_request" | "pull_request_sync":
                return self._site.own(pull_request(self.name, documents.read(headers, body), delivery))
            case _:
                return None

    def hosts(self, repository_url: str) -> bool:
        """Whether it is at this Gitea, and a token is set."""
        return bool(self._site.token and self._site.path_of(repository_url))

    def tell(self, repository_url: str, status: CommitStatus) -> None:
        """POST /api/v1/repos/{owner}/{repo}/statuses/{sha}."""
        body = {
            "state": status.state,
            "description": status.description,
            "context": status.context,
            "target_url": status.link,
        }
        path = self._site.path_of(repository_url)
        url = f"{self._site.url}/api/v1/repos/{path}/statuses/{status.commit}"
        api.post(self._site, url, {"Authorization": f"token {self._site.token}"}, body)
