"""What each forge is told, over real HTTPS, and what becomes of each of its answers.

The conversation stands in the stand-in: a request is kept as it came, an answer is the one that was recorded.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from forge_for_tests import Answer, StandIn, stand_in

from pave.adapters.forges import Gitea, GitHub, GitLab
from pave.apply.retry import Transient
from pave.model.diagnostics import Refused
from pave.ports import CommitStatus, Forge

COMMIT = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
TOKEN = "glpat-or-ghp-or-whatever"
STATUS = CommitStatus(
    COMMIT, "failure", "The check failed: " + "x" * 300, "http://localhost:8800/#run-run_1", "pave/check"
)
FORGES = ("github", "gitlab", "gitea")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with stand_in(tmp_path) as forge:
        monkeypatch.setenv("SSL_CERT_FILE", str(forge.certificate))
        monkeypatch.setenv("NO_PROXY", "*")
        yield forge


def forge(name: str, url: str) -> Forge:
    kinds: dict[str, Any] = {"github": GitHub, "gitlab": GitLab, "gitea": Gitea}
    return kinds[name]("", TOKEN, url)


def tell(name: str, there: StandIn, status: CommitStatus = STATUS) -> None:
    forge(name, there.url).tell(f"{there.url}/acme/shop/orders.git" if name == "gitlab" else ORIGIN[name], status)


ORIGIN = {"github": "git@localhost:acme/orders.git", "gitea": "ssh://git@localhost:2222/acme/orders.git"}

EXPECTED = {
    "github": (
        f"/api/v3/repos/acme/orders/statuses/{COMMIT}",
        {
            "authorization": f"Bearer {TOKEN}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        },
        {
            "state": "failure",
            "context": "pave/check",
            "target_url": STATUS.link,
            "description": STATUS.description[:140],
        },
    ),
    "gitlab": (
        f"/api/v4/projects/acme%2Fshop%2Forders/statuses/{COMMIT}",
        {"private-token": TOKEN},
        {"state": "failed", "name": "pave/check", "target_url": STATUS.link, "description": STATUS.description[:255]},
    ),
    "gitea": (
        f"/api/v1/repos/acme/orders/statuses/{COMMIT}",
        {"authorization": f"token {TOKEN}"},
        {"state": "failure", "context": "pave/check", "target_url": STATUS.link, "description": STATUS.description},
    ),
}


@pytest.mark.parametrize("name", FORGES)
def test_a_status_is_told_as_this_forge_wants_it(there: StandIn, name: str) -> None:
    there.answers.append(Answer(201, {"id": 1, "state": "failure", "creator": {"login": "pave"}}))
    tell(name, there)
    path, headers, body = EXPECTED[name]
    (asked,) = there.asked
    assert (asked.path, asked.body) == (path, body)
    assert headers.items() <= asked.headers.items()
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["user-agent"] == "pave"


@pytest.mark.parametrize(
    ("state", "told"), [("pending", "pending"), ("success", "success"), ("failure", "failed"), ("error", "failed")]
)
def test_gitlab_has_words_of_its_own(there: StandIn, state: str, told: str) -> None:
    tell("gitlab", there, CommitStatus(COMMIT, state, "", "", "pave/dev"))
    assert there.asked[0].body["state"] == told


@pytest.mark.parametrize("name", FORGES)
def test_down_and_up_again(there: StandIn, name: str) -> None:
    there.answers += [Answer(503, {"message": "maintenance"}), Answer(201)]
    with pytest.raises(Transient, match="answered 503") as later:
        tell(name, there)
    assert later.value.seconds == 0
    tell(name, there)
    assert len(there.asked) == 2


@pytest.mark.parametrize("name", FORGES)
@pytest.mark.parametrize(
    ("answer", "low", "high"),
    [
        (Answer(429, {"message": "slow down"}, {"Retry-After": "77"}), 77, 77),
        (Answer(429, None, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), 0, 0),
        (Answer(429, None, {"Retry-After": "Fri, 21 Oct 2095 07:28:00 GMT"}), 3600, 3600),
        (Answer(429, None, {"Retry-After": "tomorrow"}), 0, 0),
        (Answer(429, None, {"Retry-After": "-5"}), 0, 0),
        (Answer(429, None, {"Retry-After": "9" * 50}), 3600, 3600),
        (Answer(403, {"message": "secondary rate limit"}, {"Retry-After": "60"}), 60, 60),
        (Answer(403, None, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4000000000"}), 3600, 3600),
        (Answer(403, None, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}), 0, 0),
    ],
    ids=range(9),
)
def test_asked_too_much_waits_as_long_as_the_forge_says(
    there: StandIn, name: str, answer: Answer, low: float, high: float
) -> None:
    there.answers.append(answer)
    with pytest.raises(Transient) as later:
        tell(name, there)
    assert low <= later.value.seconds <= high


@pytest.mark.parametrize("name", FORGES)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(401, {"message": "Bad credentials"}), ("answered 401", "Bad credentials", "_token")),
        (Answer(403, {"message": "Resource not accessible"}), ("answered 403", "must be allowed to set")),
        (Answer(404, {"message": "Not Found"}), ("answered 404", "must be allowed to set")),
        (Answer(422, {"message": "No commit found for SHA"}), ("answered 422", "No commit found")),
        (Answer(400, {"message": "Cannot transition status"}), ("answered 400",)),
        (Answer(301, None, {"Location": "https://elsewhere.example.org/"}), ("answered 301", "import it from its new")),
    ],
    ids=("401", "403", "404", "422", "400", "301"),
)
def test_what_the_forge_does_not_take_is_said_without_the_token(
    there: StandIn, name: str, answer: Answer, words: tuple[str, ...]
) -> None:
    there.answers.append(answer)
    with pytest.raises(Refused) as refused:
        tell(name, there)
    said = str(refused.value)
    assert all(word in said for word in words)
    assert TOKEN not in said
    assert len(there.asked) == 1, "a redirect is not followed: the token stays here"


@pytest.mark.parametrize("name", FORGES)
def test_an_endless_answer_is_not_read_to_its_end(there: StandIn, name: str) -> None:
    there.answers.append(Answer(500, "x" * 3_000_000))
    with pytest.raises(Transient) as later:
        tell(name, there)
    assert len(str(later.value)) < 500


@pytest.mark.parametrize("name", FORGES)
def test_nobody_there_is_said_without_the_token(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(Transient, match="cannot be reached: ConnectError") as later:
        forge(name, f"https://localhost:{port}").tell("https://localhost/acme/orders", STATUS)
    assert TOKEN not in str(later.value)
    assert later.value.__cause__ is None


def test_a_certificate_that_is_not_trusted_gets_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with stand_in(tmp_path) as there:
        with pytest.raises(Transient, match="ConnectError"):
            tell("gitea", there)
        assert there.asked == []


def test_a_forge_that_does_not_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pave.adapters.forges.api._TIMEOUT", httpx.Timeout(0.3))
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        there = forge("gitea", f"http://localhost:{port}")
        with pytest.raises(Transient, match="Timeout"):
            there.tell("https://localhost/acme/orders", STATUS)
