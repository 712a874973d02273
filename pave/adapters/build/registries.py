"""Where packages come from: the machine's own pip, uv and npm configuration, read and never written.

uv does not read pip's configuration, so what pip is told (index, find-links, certificates) is said to uv in
its own variables; what uv is told itself wins. Only settings about where packages are and how to reach them
are taken: a cache folder, a prefix or a shell is not.
Sources: pip "Configuration", uv "Environment variables", npm "npmrc".
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

_NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")
_UV = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_STRATEGY|INDEX_\w+_(USERNAME|PASSWORD)|FIND_LINKS|NO_INDEX"
    r"|INSECURE_HOST|HTTP_TIMEOUT|HTTP_RETRIES|NATIVE_TLS|SYSTEM_CERTS|OFFLINE|EXCLUDE_NEWER)"
)
_NPM = re.compile(
    r"registry|@[^:]+:registry|//.+|proxy|https-proxy|noproxy|strict-ssl|cafile|ca|cert|key|fetch-[\w-]+|maxsockets"
    r"|replace-registry-host|omit-lockfile-registry-resolved"
)
_NPM_PROJECT = re.compile(
    r"registry|@[^:]+:registry|//.+|legacy-peer-deps|strict-peer-deps|engine-strict|install-strategy|prefer-dedupe"
)
_PIP_KEYS = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "proxy", "timeout")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+(?=@)")


@dataclass
class Registries:
    """What the tools are told: variables for uv, an npmrc for npm, and what they name on this machine.

    `read` are existing absolute paths to mount; `notes` are for the build's log; `secrets` are masked there.
    """

    uv: dict[str, str] = field(default_factory=dict)
    npm: dict[str, str] = field(default_factory=dict)
    npmrc: str = ""
    read: set[Path] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)


def read_registries(environ: Mapping[str, str], home: Path, system: Path = Path("/")) -> Registries:
    """Read every configuration file and variable that pip, uv and npm would read for this user.

    `system` is where the machine's own files lie below (`etc/pip.conf` and so on).
    """
    found = Registries()
    shared = {name: environ[name] for name in (*_NETWORK, *_CERTIFICATES) if environ.get(name)}
    found.uv.update(shared)
    found.npm.update(shared)
    _say_to_uv(_pip_options(environ, home, system), found)
    own = {name: value for name, value in environ.items() if _UV.fullmatch(name) and value}
    if own.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_STRATEGY"}:
        found.uv.pop("UV_INDEX_STRATEGY", None)
    found.uv.update(own)
    for name, value in own.items():
        if name.endswith("_PASSWORD"):
            found.secrets.add(value)
    _use_uv_file(environ, [home, system], found)
    _read_npm(environ, [home, system], found)
    for name in _CERTIFICATES:
        _mount(environ.get(name, ""), found)
    for text in [*found.uv.values(), *found.npm.values(), found.npmrc]:
        found.secrets.update(_credentials(text))
    return found


def project_npmrc(text: str) -> tuple[str, tuple[str, ...]]:
    """What of a repository's own .npmrc is taken, and the names that are not.

    A proxy, certificate, cache or program that a repository names could change what other builds get.
    """
    kept, dropped = [], []
    for key, value in _npm_lines(text):
        if _NPM_PROJECT.fullmatch(key):
            kept.append(f"{key}={value}")
        else:
            dropped.append(key)
    return "".join(line + "\n" for line in kept), tuple(dropped)


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """A line of log without credentials in URLs, npm tokens and the given secrets."""
    text = _CREDENTIALS.sub("***", text)
    text = re.sub(r"(_auth(?:Token)?|_password)\s*=\s*\S+", r"\1=***", text)
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _pip_options(environ: Mapping[str, str], home: Path, system: Path) -> dict[str, str]:
    """Pip's effective options: files from the general to the special, `[install]` over `[global]`, then variables."""
    special = environ.get("PIP_CONFIG_FILE", "")
    roots = environ.get("XDG_CONFIG_DIRS", str(system / "etc/xdg")).split(":")
    files = [Path(root) / "pip/pip.conf" for root in roots] + [system / "etc/pip.conf"]
    files += [home / ".pip/pip.conf", Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"]
    files = [] if special == "/dev/null" else [*files, *([Path(special)] if special else [])]
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for file in files:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(file.read_text())
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for name, options in sections.items():
            if parser.has_section(name):
                options.update({key.replace("_", "-"): value for key, value in parser.items(name)})
    variables = {key: environ.get("PIP_" + key.upper().replace("-", "_"), "") for key in _PIP_KEYS}
    return sections["global"] | sections["install"] | {key: value for key, value in variables.items() if value}


def _say_to_uv(pip: Mapping[str, str], found: Registries) -> None:
    extra = [url for url in pip.get("extra-index-url", "").split() if _reachable(url, found)]
    links = [place for place in pip.get("find-links", "").split() if _reachable(place, found)]
    index = pip.get("index-url", "").strip()
    if index and _reachable(index, found):
        found.uv["UV_DEFAULT_INDEX"] = index
    if extra:
        found.uv["UV_INDEX"] = " ".join(extra)
        # pip takes the best version of all its indexes; uv would stop at the first one that has the name.
        found.uv["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if links:
        found.uv["UV_FIND_LINKS"] = ",".join(links)
    if pip.get("trusted-host"):
        found.uv["UV_INSECURE_HOST"] = " ".join(pip["trusted-host"].split())
    if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        found.uv["UV_NO_INDEX"] = "1"
    if pip.get("timeout", "").isdigit():
        found.uv["UV_HTTP_TIMEOUT"] = pip["timeout"]
    if pip.get("proxy"):
        found.uv.update(dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), pip["proxy"]))
    if pip.get("cert") and _mount(pip["cert"], found):
        found.uv.setdefault("SSL_CERT_FILE", pip["cert"])


def _reachable(place: str, found: Registries) -> bool:
    """Whether an index or find-links can be used; a folder of this machine is mounted, a missing one noted."""
    parts = urlsplit(place)
    if parts.scheme not in {"", "file"}:
        return True
    folder = Path(unquote(parts.path))
    if not folder.is_absolute() or not os.access(folder, os.R_OK):
        found.notes.append(f"{place} is configured as a package source but is not there, or may not be read: skipped")
        return False
    # An index's pages link to files beside it (simple/ and packages/ in one folder).
    found.read.add(folder.parent if folder.name == "simple" else folder)
    return True


def _mount(place: str, found: Registries) -> bool:
    path = Path(place)
    if not place or not path.is_absolute() or not os.access(path, os.R_OK):
        return False
    found.read.add(path)
    return True


def _readable(file: Path) -> bool:
    """Whether it is a file for this user; a variable may still name another user's."""
    return os.access(file, os.R_OK) and file.is_file()


def _use_uv_file(environ: Mapping[str, str], places: Sequence[Path], found: Registries) -> None:
    """Name the one uv.toml that applies to this user, or say that there is none, so that uv does not look itself."""
    home, system = places
    roots = environ.get("XDG_CONFIG_DIRS", str(system / "etc/xdg")).split(":")
    files = [Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "uv/uv.toml"]
    files += [*(Path(root) / "uv/uv.toml" for root in roots), system / "etc/uv/uv.toml"]
    if environ.get("UV_CONFIG_FILE"):
        files = [Path(environ["UV_CONFIG_FILE"])]
    file = next((one for one in files if _readable(one)), None)
    if file is None or environ.get("UV_NO_CONFIG"):
        found.uv["UV_NO_CONFIG"] = "1"
        return
    found.uv["UV_CONFIG_FILE"] = str(file)
    found.read.add(file)
    text = file.read_text(errors="replace")
    found.secrets.update(_credentials(text))
    for place in re.findall(r'"(file://[^"]+|/[^"]+)"', text):
        _reachable(place, found)


def _read_npm(environ: Mapping[str, str], places: Sequence[Path], found: Registries) -> None:
    home, system = places
    lower = {key.lower(): value for key, value in environ.items()}
    files = [system / folder / "npmrc" for folder in ("etc", "usr/etc", "usr/local/etc")]
    files += [
        Path(lower.get("npm_config_globalconfig", "")),
        Path(lower.get("npm_config_userconfig") or home / ".npmrc"),
    ]
    options: dict[str, str] = {}
    for file in files:
        if _readable(file):
            options.update(_npm_lines(file.read_text(errors="replace")))
    prefixed = {key[len("npm_config_") :]: value for key, value in lower.items() if key.startswith("npm_config_")}
    options.update({key if key[:1] in "@/" else key.replace("_", "-"): value for key, value in prefixed.items()})
    taken = {key: _expanded(value, environ) for key, value in options.items() if _NPM.fullmatch(key) and value}
    found.npmrc = "".join(f"{key}={value}\n" for key, value in taken.items())
    found.secrets.update(value for key, value in taken.items() if re.search(r":_(auth|authToken|password)$", key))
    for key in ("cafile", "cert", "key"):
        _mount(taken.get(key, ""), found)


def _npm_lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith(("#", ";", "[")):
            yield key.strip().removesuffix("[]"), value.strip().strip("\"'")


def _expanded(value: str, environ: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\??\}", lambda match: environ.get(match[1], ""), value)


def _credentials(text: str) -> Iterator[str]:
    for match in _CREDENTIALS.finditer(text):
        password = match[0].partition(":")[2]
        if len(password) > 3:
            yield password
            yield unquote(password)
