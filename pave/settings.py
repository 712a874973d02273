"""Settings: one frozen value, made once at start. Each setting knows where it came from.

Precedence: the command line, then `PAVE_…` variables, then `pave.toml` in the data directory, then
the default. The table in docs/settings.md is made from the fields below, and a test holds it there.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pave.model.diagnostics import Refused, error


def _secret(about: str) -> Any:
    """A setting that is never shown: not where settings are listed, and not in what is said of a mistake."""
    return field(default="", repr=False, metadata={"about": about, "secret": True})


@dataclass(frozen=True)
class Settings:
    """Everything that can be set. Paths are absolute once loaded; an empty program means the bundled one."""

    data: Path = field(default=Path(".pave"), metadata={"about": "Where Pave keeps everything"})
    host: str = field(default="127.0.0.1", metadata={"about": "Address that the API and the portal listen on"})
    port: int = field(default=8800, metadata={"about": "Port of the API and the portal; 0 takes a free one"})
    router_port: int = field(
        default=8080, metadata={"about": "Port of the router in front of workloads; 0 takes a free one"}
    )
    domain: str = field(
        default="localhost", metadata={"about": "Domain below which workloads answer: orders.dev.localhost"}
    )
    database_url: str = field(default="", metadata={"about": "An external PostgreSQL; empty: the embedded one"})
    operator: str = field(
        default="user:default/dana", metadata={"about": "Whom the local token and the login link stand for"}
    )
    run_as: str = field(
        default="nobody", metadata={"about": "User that servers and workloads run as when Pave itself runs as root"}
    )
    workers: int = field(default=4, metadata={"about": "Runs that are carried out at the same time"})
    resync_seconds: int = field(default=60, metadata={"about": "Seconds between two looks for drift, with 20 % jitter"})
    build_seconds: int = field(default=600, metadata={"about": "Seconds that a build of a commit may take"})
    check_seconds: int = field(default=300, metadata={"about": "Seconds that each check of a commit may take"})
    start_seconds: int = field(
        default=30, metadata={"about": "Seconds that a workload may take until it answers; then the old version stays"}
    )
    trash_days: int = field(
        default=7, metadata={"about": "Days for which a removed database or bucket can be restored"}
    )
    log_days: int = field(default=14, metadata={"about": "Days for which log lines are kept"})
    log_megabytes: int = field(
        default=2000, metadata={"about": "Megabytes of disk that log lines may take, compressed; the oldest go first"}
    )
    loki_url: str = field(
        default="", metadata={"about": "A Loki that keeps the log lines instead; empty: files on this machine"}
    )
    loki_tenant: str = field(default="", metadata={"about": "The tenant to be at Loki (X-Scope-OrgID)"})
    loki_token: str = _secret("A bearer token for Loki; empty: none is sent")
    log_level: str = field(default="INFO", metadata={"about": "How much Pave says in its own log, logs/server.log"})
    public_url: str = field(
        default="", metadata={"about": "Where people and forges reach Pave from outside; empty: on this machine only"}
    )
    github_url: str = field(default="github.com", metadata={"about": "GitHub, or where an Enterprise Server is"})
    github_secret: str = _secret("The secret of GitHub's webhooks; empty: none is taken")
    github_token: str = _secret("A token that may set commit statuses at GitHub; empty: none are set")
    gitlab_url: str = field(default="gitlab.com", metadata={"about": "GitLab, or where one's own is"})
    gitlab_secret: str = _secret(
        "The signing token (whsec_…) or secret token of GitLab's webhooks; empty: none is taken"
    )
    gitlab_token: str = _secret("A token that may set commit statuses at GitLab; empty: none are set")
    gitea_url: str = field(default="", metadata={"about": "Where a Gitea or Forgejo is: git.example.com"})
    gitea_secret: str = _secret("The secret of Gitea's webhooks; empty: none is taken")
    gitea_token: str = _secret("A token that may set commit statuses at Gitea; empty: none are set")
    prometheus_url: str = field(
        default="", metadata={"about": "A Prometheus that takes remote writes, for what is measured; empty: PostgreSQL"}
    )
    prometheus_token: str = _secret("A bearer token for it; empty: none")
    notify_addresses: str = _secret(
        "Addresses of chats and webhooks by name, `name=https://… key=…` a line: what channels name"
    )
    notify_hosts: str = field(
        default="", metadata={"about": "Hosts, by comma, at which channels may name https addresses themselves"}
    )
    smtp_url: str = _secret("The mail server, smtp://user:password@host:587 or smtps://…; empty: no mail is sent")
    mail_from: str = field(default="pave@localhost", metadata={"about": "The sender of what is sent by mail"})
    alertmanager_url: str = field(
        default="", metadata={"about": "An Alertmanager that is shown every alert; empty: none"}
    )
    terraform: str = field(default="", metadata={"about": "A terraform or tofu program; empty: Terraform in process"})
    postgres: str = field(default="", metadata={"about": "Folder with PostgreSQL's programs; empty: the bundled ones"})
    nats_server: str = field(default="", metadata={"about": "The nats-server program; empty: the bundled one"})
    redis_server: str = field(default="", metadata={"about": "The redis-server program; empty: the bundled one"})
    weed: str = field(default="", metadata={"about": "The weed program (SeaweedFS); empty: the bundled one"})
    caddy: str = field(default="", metadata={"about": "The caddy program; empty: the bundled one"})
    bwrap: str = field(default="", metadata={"about": "The bwrap program; empty: the bundled one"})
    checkov: str = field(
        default="",
        metadata={"about": "The checkov program, of an environment of its own; empty: the machine's, if it has one"},
    )
    uv: str = field(default="", metadata={"about": "The uv program; empty: the bundled one"})
    node: str = field(
        default="", metadata={"about": "Folder with node and npm; empty: the machine's, then the bundled one"}
    )
    container_engine: str = field(
        default="",
        metadata={"about": "docker or podman, for repositories with a Dockerfile; empty: the machine's; none: none"},
    )
    build_network: str = field(
        default="", metadata={"about": "The engine's network that a Dockerfile's steps see; empty: the engine's own"}
    )
    git: str = field(default="", metadata={"about": "The git program; empty: the machine's"})
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def load(cls, given: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Put the sources together. Raises `Refused` for an unknown key in pave.toml or a value of the wrong type."""
        environ = os.environ if environ is None else environ
        given = {key: value for key, value in (given or {}).items() if value is not None}
        data = Path(given.get("data") or environ.get("PAVE_DATA") or ".pave").absolute()
        filed = _read_file(data / "pave.toml")
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for one in fields(cls):
            variable = f"PAVE_{one.name.upper()}"
            if one.name == "sources":
                continue
            if one.name in given:
                values[one.name], sources[one.name] = given[one.name], "command line"
            elif environ.get(variable):
                values[one.name], sources[one.name] = environ[variable], variable
            elif one.name in filed:
                values[one.name], sources[one.name] = filed[one.name], str(data / "pave.toml")
            else:
                values[one.name], sources[one.name] = one.default, "default"
            secret = bool(one.metadata.get("secret"))
            values[one.name] = _convert(one.name, values[one.name], (type(one.default), secret), sources[one.name])
        values["data"] = data
        return cls(**values, sources=sources)


def _read_file(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        filed = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise Refused(error(f"{path} is not valid TOML: {problem}", remedy="Correct the file.")) from problem
    known = {one.name for one in fields(Settings)} - {"sources", "data"}
    unknown = sorted(set(filed) - known)
    if unknown:
        raise Refused(
            error(
                f"{path} sets {', '.join(unknown)}, which Pave does not know",
                remedy=f"Known settings: {', '.join(sorted(known))}.",
            )
        )
    return filed


def _convert(name: str, value: Any, of: tuple[type[Any], bool], source: str) -> Any:
    """Variables are text, so text that reads as a number is one; nothing else is taken for what it is not."""
    kind, secret = of
    wanted = "a whole number" if kind is int else "text"
    if kind is int and isinstance(value, str) and value.strip().removeprefix("-").isdecimal():
        return int(value)
    if kind is not int and isinstance(value, str | Path):
        return Path(value) if issubclass(kind, Path) else str(value)
    if kind is int and type(value) is int:
        return value
    shown = "something else" if secret else repr(value)
    raise Refused(error(f"{name} must be {wanted}, but {source} says {shown}", remedy="Correct it there."))
