"""What the forges' webhooks say, and that nothing is read of one whose signature does not fit. No socket is opened."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from forge_for_tests import headers, packed, recorded
from hypothesis import given
from hypothesis import strategies as st

from pave.adapters.forges import Gitea, GitHub, GitLab, api, documents
from pave.model.diagnostics import Forbidden, Refused, Unknown
from pave.ports import CommitStatus, Forge, ForgeEvent, Unsigned

SECRET = "a secret of the webhooks"
KEY = base64.b64encode(b"k" * 32).decode()
FORGES = ("github", "gitlab", "gitea")
AFTER, HEAD = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c", "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
MERGE = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"


def forge(name: str, secret: str = SECRET, token: str = "token") -> Forge:
    kinds: dict[str, Any] = {"github": GitHub, "gitlab": GitLab, "gitea": Gitea}
    return kinds[name](secret, token, f"{name}.example.com")


def receive(name: str, document: Any, kind: str = "pull", **more: str) -> ForgeEvent | None:
    body = document if isinstance(document, bytes) else packed(document)
    return forge(name).receive({**headers(name, kind, "d-1", SECRET, body), **more}, body)


def signed(body: bytes, at: float, id_: str = "msg_1", key: bytes = b"k" * 32) -> dict[str, str]:
    content = f"{id_}.{int(at)}.".encode() + body
    value = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    common = {"content-type": "application/json", "x-gitlab-event": "Push Hook"}
    return common | {"webhook-id": id_, "webhook-timestamp": str(int(at)), "webhook-signature": f"v1,{value}"}


@pytest.mark.parametrize("name", FORGES)
def test_a_push_is_read(name: str) -> None:
    event = receive(name, recorded(f"{name}-push"), "push")
    assert event is not None
    assert (event.forge, event.kind, event.delivery, event.branch, event.commit) == (name, "push", "d-1", "main", AFTER)
    assert f"https://{name}.example.com/{event.repository}.git" in event.urls
    assert event.author in ("Codertocat", "jsmith", "robin")


@pytest.mark.parametrize("name", FORGES)
def test_a_branch_that_is_gone_has_no_commit_and_a_tag_means_nothing(name: str) -> None:
    gone = receive(name, recorded(f"{name}-push") | {"after": "0" * 40, "ref": "refs/heads/changes"}, "push")
    assert gone is not None
    assert (gone.branch, gone.commit) == ("changes", "")
    assert receive(name, recorded(f"{name}-push") | {"ref": "refs/tags/v1"}, "push") is None


@pytest.mark.parametrize("name", FORGES)
def test_a_pull_request_is_read(name: str) -> None:
    opened = receive(name, recorded(f"{name}-opened"))
    assert opened is not None
    assert (opened.kind, opened.number, opened.branch, opened.target) == ("opened", 2, "changes", "main")
    assert (opened.commit, opened.fork) == (HEAD, False)
    assert opened.title
    assert opened.link.startswith(f"https://{name}.example.com/acme/")
    merged = receive(name, recorded(f"{name}-merged"))
    assert merged is not None
    assert (merged.kind, merged.commit, merged.link) == ("merged", MERGE, opened.link)


def changed(name: str, **changes: Any) -> dict[str, Any]:
    document = recorded(f"{name}-opened")
    document["object_attributes" if name == "gitlab" else "pull_request"].update(changes)
    return document


@pytest.mark.parametrize(
    ("name", "action", "changes", "kind"),
    [
        ("github", "reopened", {}, "opened"),
        ("github", "synchronize", {}, "updated"),
        ("github", "edited", {}, "updated"),
        ("github", "edited", {"state": "closed"}, ""),
        ("github", "closed", {"state": "closed"}, "closed"),
        ("github", "labeled", {}, ""),
        ("gitea", "synchronized", {}, "updated"),
        ("gitea", "reopened", {}, "opened"),
        ("gitea", "closed", {"state": "closed"}, "closed"),
        ("gitea", "reviewed", {}, ""),
        ("gitlab", "reopen", {}, "opened"),
        ("gitlab", "update", {}, "updated"),
        ("gitlab", "update", {"state": "merged"}, ""),
        ("gitlab", "close", {"state": "closed"}, "closed"),
        ("gitlab", "approved", {}, ""),
    ],
)
def test_what_happened_to_a_pull_request(name: str, action: str, changes: dict[str, Any], kind: str) -> None:
    document = changed(name, **changes)
    (document["object_attributes"] if name == "gitlab" else document)["action"] = action
    event = receive(name, document)
    assert (event.kind if event else "") == kind


@pytest.mark.parametrize("name", FORGES)
def test_a_fork_is_known_as_one(name: str) -> None:
    head = recorded(f"{name}-opened").get("pull_request", {}).get("head")
    cases: list[dict[str, Any]] = [{"source_project_id": 99}]
    if head is not None:
        other = {**head, "repo": {**head["repo"], "full_name": "mallory/orders"}}
        cases = [{"head": other}, {"head": {**head, "repo": None}}]
    for case in cases:
        event = receive(name, changed(name, **case))
        assert event is not None
        assert event.fork


@pytest.mark.parametrize("name", FORGES)
def test_a_squash_and_a_fast_forward_have_a_commit_too(name: str) -> None:
    document = recorded(f"{name}-merged")
    inner = document["object_attributes" if name == "gitlab" else "pull_request"]
    inner["merge_commit_sha"] = None
    event = receive(name, document)
    assert event is not None
    assert event.commit == HEAD


@pytest.mark.parametrize("name", FORGES)
def test_other_events_mean_nothing(name: str) -> None:
    names = {"github": "x-github-event", "gitea": "x-gitea-event", "gitlab": "x-gitlab-event"}
    assert receive(name, {"zen": "Design for failure."}, **{names[name]: "ping"}) is None


@pytest.mark.parametrize("name", ["github", "gitea"])
def test_a_body_that_was_touched_does_not_fit(name: str) -> None:
    body = packed(recorded(f"{name}-push"))
    said = headers(name, "push", "d-1", SECRET, body)
    for other in (body + b" ", body.replace(b"refs/heads/main", b"refs/heads/evil"), b"", b"\xff"):
        with pytest.raises(Unsigned):
            forge(name).receive(said, other)


@pytest.mark.parametrize("name", FORGES)
@pytest.mark.parametrize("broken", ["", "sha256=", "sha256=00", "é", "a" * 64, "sha256=" + "a" * 64, SECRET.upper()])
def test_a_wrong_or_missing_signature_is_refused_before_anything_is_read(name: str, broken: str) -> None:
    header = {"github": "x-hub-signature-256", "gitea": "x-gitea-signature", "gitlab": "x-gitlab-token"}[name]
    body = b"\xff this is not even JSON"
    said = headers(name, "push", "d-1", SECRET, body) | {header: broken}
    for one in (said, {key: value for key, value in said.items() if key != header}):
        with pytest.raises(Unsigned) as refused:
            forge(name).receive(one, body)
        assert SECRET not in str(refused.value)
        assert not broken or broken not in str(refused.value)


@pytest.mark.parametrize("name", FORGES)
def test_without_a_secret_every_webhook_is_refused_with_the_setting(name: str) -> None:
    body = packed(recorded(f"{name}-push"))
    with pytest.raises(Forbidden, match=f"{name}_secret") as refused:
        forge(name, secret="").receive(headers(name, "push", "d-1", "", body), body)
    assert not isinstance(refused.value, Unsigned)


def test_a_signed_webhook_of_gitlab_is_read() -> None:
    body = packed(recorded("gitlab-push"))
    said = signed(body, time.time())
    event = forge("gitlab", f"whsec_{KEY}").receive(said, body)
    assert event is not None
    assert event.delivery == "msg_1"
    said["webhook-signature"] = f"v1,{KEY} {said['webhook-signature']} v2,x"
    assert forge("gitlab", f"whsec_{KEY}").receive(said, body) is not None, "one of several fits"


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2,xyz"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "٣"},
        {"webhook-timestamp": "9" * 40},
        {"webhook-timestamp": "soon"},
    ],
)
def test_a_signed_webhook_that_was_touched_is_refused(change: dict[str, str]) -> None:
    body = packed(recorded("gitlab-push"))
    with pytest.raises(Unsigned):
        forge("gitlab", f"whsec_{KEY}").receive(signed(body, time.time()) | change, body)


def test_an_old_signed_webhook_another_key_and_the_bare_token_are_refused() -> None:
    body = packed(recorded("gitlab-push"))
    strict = forge("gitlab", f"whsec_{KEY}")
    bare = headers("gitlab", "push", "d-1", f"whsec_{KEY}", body)
    for said in (signed(body, time.time() - 301), signed(body, time.time(), key=b"other"), bare):
        with pytest.raises(Unsigned):
            strict.receive(said, body)
    with pytest.raises(Forbidden, match="Base64"):
        forge("gitlab", "whsec_?").receive(signed(body, time.time()), body)


DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000
WIDE = json.dumps({"ref": "refs/heads/main", "a": [[["[" * 100]]]}).encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (DEEP, "not JSON"),
        (b'{"ref": NaN}', "not JSON"),
        (b'{"ref": "a", "ref": "b"}', "not JSON"),
        (b'{"ref": ' + b"1" * 5000 + b"}", "not JSON"),
        (b'{"ref": 7}', "ref is not a text"),
        (b'{"ref": "refs/heads/main"}', "is not a text"),
        (WIDE, "is not a text"),
        (b'"' + b"x" * documents.MOST_BYTES + b'"', "larger than 5 MB"),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("name", FORGES)
def test_what_is_signed_and_cannot_be_read_is_refused(name: str, body: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        receive(name, body, "push")
    assert not isinstance(refused.value, Forbidden)


@pytest.mark.parametrize("name", FORGES)
def test_a_form_a_bad_commit_and_a_link_that_runs_are_refused(name: str) -> None:
    with pytest.raises(Refused, match="application/json"):
        receive(name, recorded(f"{name}-push"), "push", **{"content-type": "application/x-www-form-urlencoded"})
    for commit in ("", "main", "../x", "A" * 40, "a" * 39):
        with pytest.raises(Refused, match="commit"):
            receive(name, recorded(f"{name}-push") | {"after": commit}, "push")
    key = "url" if name == "gitlab" else "html_url"
    for link in ("javascript:alert(1)", "https://x.example.com/ y", 'https://x.example.com/"', ""):
        with pytest.raises(Refused, match="web address"):
            receive(name, changed(name, **{key: link}))


@pytest.mark.parametrize("name", FORGES)
def test_one_forge_has_nothing_to_say_about_what_is_at_another(name: str) -> None:
    place = "project" if name == "gitlab" else "repository"
    document = recorded(f"{name}-push")
    key = "git_http_url" if name == "gitlab" else "clone_url"
    elsewhere = "https://other.example.com/acme/orders.git"
    mixed = receive(name, document | {place: document[place] | {key: elsewhere}}, "push")
    assert mixed is not None
    assert elsewhere not in mixed.urls
    foreign = json.loads(json.dumps(document).replace(f"{name}.example.com", "other.example.com"))
    with pytest.raises(Unknown, match=f"{name}_url"):
        receive(name, foreign, "push")
    link = "url" if name == "gitlab" else "html_url"
    document = changed(name, **{link: "https://other.example.com/acme/orders/1"})
    with pytest.raises(Unknown):
        receive(name, document)


def test_a_title_is_one_line_of_a_bounded_length() -> None:
    event = receive("gitea", changed("gitea", title="A\r\nB\x1b[31m\t" + "c" * 5000))
    assert event is not None
    assert event.title.startswith("A B [31m c")
    assert len(event.title) <= 1000


@pytest.mark.parametrize("name", FORGES)
@given(delivery=st.text(max_size=300))
def test_a_delivery_has_a_name_whatever_is_sent(name: str, delivery: str) -> None:
    body = packed(recorded(f"{name}-push"))
    event = forge(name).receive(headers(name, "push", delivery, SECRET, body), body)
    assert event is not None
    assert 0 < len(event.delivery) <= 200
    assert event.delivery.isprintable()


@given(st.binary(max_size=400))
def test_nothing_but_a_refusal_comes_of_any_body(body: bytes) -> None:
    for name in FORGES:
        for kind in ("push", "pull"):
            with contextlib.suppress(Refused):
                receive(name, body, kind)


@pytest.mark.parametrize(
    ("url", "api_of"),
    [
        ("github.com", "api.github.com/repos"),
        ("https:" + "//github.com/", "api.github.com/repos"),
        ("git.example.com", "git.example.com/api/v3/repos"),
    ],
)
def test_the_api_is_found_by_the_forges_address(monkeypatch: pytest.MonkeyPatch, url: str, api_of: str) -> None:
    asked: list[str] = []
    monkeypatch.setattr(api, "post", lambda _site, to, _headers, _body: asked.append(to))
    there = GitHub("", "token", url)
    host = "github.com" if "github.com" in url else "git.example.com"
    there.tell(f"git@{host}:acme/orders.git", CommitStatus("c", "success", "", ""))
    assert asked == [f"https://{api_of}/acme/orders/statuses/c"]


def test_a_gitlab_below_a_path_has_its_projects_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(api, "post", lambda _site, to, _headers, _body: asked.append(to))
    there = GitLab("", "token", "https://code.example.com/gitlab")
    there.tell("https://code.example.com/gitlab/acme/shop/orders.git", CommitStatus("c", "error", "", ""))
    assert asked == ["https://code.example.com/gitlab/api/v4/projects/acme%2Fshop%2Forders/statuses/c"]


@pytest.mark.parametrize("name", FORGES)
def test_only_repositories_of_this_forge_are_spoken_of(name: str) -> None:
    there = forge(name)
    assert there.hosts(f"https://{name}.example.com/acme/orders.git")
    assert there.hosts(f"ssh://git@{name}.example.com:2222/acme/orders")
    for other in (
        f"https://{name}.example.com.evil.example.org/acme/orders",
        f"https://evil.example.org/{name}.example.com/acme",
        f"https://{name}.example.com@evil.example.org/acme/orders",
        f"https://{name}.example.com/acme/../admin",
        "/srv/git/orders.git",
        "",
    ):
        assert not there.hosts(other), other
    assert not forge(name, token="").hosts(f"https://{name}.example.com/acme/orders.git")


@pytest.mark.parametrize(
    "url", ["http://git.example.com", "ftp://git.example.com", "https://", "https://a@b.example.com"]
)
def test_an_address_that_would_give_the_token_away_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="gitea_url"):
        Gitea("", "token", url)


def test_a_site_never_shows_its_token() -> None:
    assert "s3cret" not in repr(api.site("git.example.com", "s3cret", "gitea"))
