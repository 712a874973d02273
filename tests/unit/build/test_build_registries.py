"""What the tools are told about where packages come from."""

from __future__ import annotations

from pave.adapters.build import registries
from pave.adapters.build.registries import masked, project_npmrc


def read_registries(environ, home):
    """With nothing set for the machine as a whole."""
    return registries.read_registries(environ, home, system=home / "system")


def test_pips_configuration_is_said_to_uv_in_its_own_words(tmp_path):
    index, wheels, authority = tmp_path / "pypi" / "simple", tmp_path / "wheels", tmp_path / "ca.pem"
    for folder in (index, wheels, tmp_path / ".config/pip"):
        folder.mkdir(parents=True)
    authority.touch()
    (tmp_path / ".config/pip/pip.conf").write_text(
        f"[global]\nindex-url = https://packages.example/simple\nextra-index-url =\n  file://{index}\n  https://more.example\n"
        f"find_links = {wheels}\ncert = {authority}\n[install]\ntrusted-host = packages.example more.example\n"
    )
    found = read_registries({"PIP_CONFIG_FILE": ""}, tmp_path)
    assert found.uv == {
        "UV_DEFAULT_INDEX": "https://packages.example/simple",
        "UV_INDEX": f"file://{index} https://more.example",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": str(wheels),
        "UV_INSECURE_HOST": "packages.example more.example",
        "SSL_CERT_FILE": str(authority),
        "UV_NO_CONFIG": "1",
    }
    assert found.read == {tmp_path / "pypi", wheels, authority}


def test_variables_win_over_files_and_uvs_own_over_pips(tmp_path):
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip/pip.conf").write_text(
        "[global]\nindex-url = https://file.example\nextra-index-url = https://a.example\n"
    )
    given = {"PIP_INDEX_URL": "https://variable.example"}
    assert read_registries(given, tmp_path).uv["UV_DEFAULT_INDEX"] == "https://variable.example"
    found = read_registries({**given, "UV_DEFAULT_INDEX": "https://uv.example"}, tmp_path)
    assert found.uv["UV_DEFAULT_INDEX"] == "https://uv.example"
    assert "UV_INDEX_STRATEGY" not in found.uv


def test_a_folder_that_is_not_there_is_left_out_with_a_note(tmp_path):
    found = read_registries({"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "/nowhere/wheels"}, tmp_path)
    assert "UV_FIND_LINKS" not in found.uv
    assert found.notes == [
        "/nowhere/wheels is configured as a package source but is not there, or may not be read: skipped"
    ]


def test_pips_files_are_left_alone_where_it_is_told_so(tmp_path):
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip/pip.conf").write_text("[global]\nindex-url = https://file.example\n")
    assert "UV_DEFAULT_INDEX" not in read_registries({"PIP_CONFIG_FILE": "/dev/null"}, tmp_path).uv


def test_uvs_own_file_is_used_and_mounted(tmp_path):
    file = tmp_path / ".config/uv/uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[[index]]\nurl = "https://me:secret-word@uv.example/simple"\n')
    found = read_registries({"PIP_CONFIG_FILE": "/dev/null"}, tmp_path)
    assert found.uv["UV_CONFIG_FILE"] == str(file)
    assert "UV_NO_CONFIG" not in found.uv
    assert file in found.read
    assert "secret-word" in found.secrets


def test_npm_settings_about_packages_are_taken_and_others_not(tmp_path):
    (tmp_path / ".npmrc").write_text(
        "registry=https://npm.example/\n//npm.example/:_authToken=${TOKEN}\ncache=/elsewhere\nscript-shell=/bin/evil\n"
    )
    environ = {"TOKEN": "abcdef", "npm_config_fetch_timeout": "9", "npm_config_prefix": "/elsewhere"}
    found = read_registries(environ, tmp_path)
    lines = found.npmrc.splitlines()
    assert "registry=https://npm.example/" in lines
    assert "//npm.example/:_authToken=abcdef" in lines
    assert "fetch-timeout=9" in lines
    assert "/elsewhere" not in found.npmrc
    assert "evil" not in found.npmrc
    assert "abcdef" in found.secrets


def test_a_repository_cannot_put_a_proxy_or_a_program_into_npm():
    kept, dropped = project_npmrc(
        "@acme:registry=https://npm.acme.example\nlegacy-peer-deps=true\nhttps-proxy=http://evil\ncafile=evil.pem\ngit=./evil\n"
    )
    assert kept == "@acme:registry=https://npm.acme.example\nlegacy-peer-deps=true\n"
    assert dropped == ("https-proxy", "cafile", "git")


def test_credentials_do_not_reach_the_log():
    line = "GET https://dana:hunter2@packages.example/simple with tok-123 //npm.example/:_authToken=abc"
    assert masked(line, ["tok-123"]) == "GET https://***@packages.example/simple with *** //npm.example/:_authToken=***"
