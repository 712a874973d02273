"""Where settings come from, which source wins, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pave.model.diagnostics import Refused
from pave.settings import Settings


def load(tmp_path: Path, given: dict | None = None, environ: dict | None = None, file: str = "") -> Settings:
    if file:
        (tmp_path / "pave.toml").write_text(file)
    return Settings.load({"data": tmp_path, **(given or {})}, environ or {})


@pytest.mark.parametrize(
    ("given", "environ", "file", "port", "source"),
    [
        ({"port": 1}, {"PAVE_PORT": "2"}, "port = 3", 1, "command line"),
        ({"port": 0}, {"PAVE_PORT": "2"}, "", 0, "command line"),
        ({"port": None}, {"PAVE_PORT": "2"}, "port = 3", 2, "PAVE_PORT"),
        ({}, {}, "port = 3", 3, "pave.toml"),
        ({}, {"PAVE_PORT": ""}, "", 8800, "default"),
    ],
)
def test_the_nearest_source_wins_and_is_named(
    tmp_path: Path, given: dict, environ: dict, file: str, port: int, source: str
) -> None:
    settings = load(tmp_path, given, environ, file)
    assert settings.port == port
    assert settings.sources["port"].endswith(source)


def test_paths_are_absolute_and_the_data_may_be_named_by_the_environment(tmp_path: Path) -> None:
    (tmp_path / "pave.toml").write_text("workers = 2")
    settings = Settings.load({}, {"PAVE_DATA": str(tmp_path)})
    assert (settings.data, settings.workers) == (tmp_path, 2)
    assert settings.sources["data"] == "PAVE_DATA"
    assert Settings.load({"data": "x"}, {}).data == Path.cwd() / "x"


def test_a_key_that_nobody_knows_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="prot") as refused:
        load(tmp_path, file="prot = 8800")
    assert "router_port" in refused.value.diagnostics[0].remedy


@pytest.mark.parametrize("key", ["data", "sources"])
def test_the_file_cannot_say_where_it_is_or_where_settings_come_from(tmp_path: Path, key: str) -> None:
    with pytest.raises(Refused, match=key):
        load(tmp_path, file=f'{key} = "x"')


@pytest.mark.parametrize(
    ("environ", "file", "source"),
    [
        ({"PAVE_WORKERS": "many"}, "", "PAVE_WORKERS"),
        ({}, 'workers = "many"', "pave.toml"),
        ({}, "workers = 2.5", "pave.toml"),
        ({}, "workers = true", "pave.toml"),
        ({}, "workers = [4]", "pave.toml"),
        ({}, "domain = 5", "pave.toml"),
        ({}, "terraform = []", "pave.toml"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_its_source(
    tmp_path: Path, environ: dict, file: str, source: str
) -> None:
    with pytest.raises(Refused, match=source):
        load(tmp_path, {}, environ, file)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not valid TOML"):
        load(tmp_path, file="port: 8800")
    (tmp_path / "pave.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="not valid TOML"):
        load(tmp_path)


SECRETS = [one.name for one in dataclasses.fields(Settings) if one.metadata.get("secret")]


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    forges = {f"{forge}_{kind}" for forge in ("github", "gitlab", "gitea") for kind in ("secret", "token")}
    assert set(SECRETS) == {*forges, "loki_token", "prometheus_token", "notify_addresses", "smtp_url"}
    settings = load(tmp_path, environ={f"PAVE_{name.upper()}": f"hidden-{name}" for name in SECRETS})
    assert settings.gitlab_token == "hidden-gitlab_token"
    assert "hidden" not in repr(settings)
    with pytest.raises(Refused, match="gitea_token must be text") as refused:
        load(tmp_path, file="gitea_token = 1234567890")
    assert "1234567890" not in str(refused.value)
