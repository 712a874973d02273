"""The `git` program against repositories of strangers: fetched into a bare repository of Pave's own, nothing more.

No hook, filter, helper, pager, submodule or second repository is ever run or read; only https, ssh and
an existing local folder are spoken to. What a repository's own configuration says counts for nothing.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pave.adapters.git.export import Limits
from pave.adapters.subprocesses import PATH, Command, Result, run
from pave.apply.retry import Cancelled, Transient
from pave.model.diagnostics import Refused, error

_CONFIGURATION: Mapping[str, Mapping[str, str]] = {
    "core": {"hooksPath": "/dev/null", "fsmonitor": "false", "symlinks": "false", "askPass": "", "pager": "cat"},
    "credential": {"helper": ""},
    "protocol": {"allow": "never"},
    'protocol "https"': {"allow": "always"},
    'protocol "ssh"': {"allow": "always"},
    'protocol "file"': {"allow": "always"},
    "http": {"followRedirects": "false", "lowSpeedLimit": "1000", "lowSpeedTime": "60"},
    "submodule": {"recurse": "false"},
    "fetch": {"recurseSubmodules": "false", "fsckObjects": "true", "unpackLimit": "1"},
    # Blemishes of old clients that many honest histories carry.
    'fetch "fsck"': dict.fromkeys(("badTimezone", "missingSpaceBeforeDate", "zeroPaddedFilemode"), "ignore"),
    "transfer": {"fsckObjects": "true", "bundleURI": "false"},
    "gc": {"auto": "0"},
    "maintenance": {"auto": "false"},
}
_SCP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9_~/][^\s:]*")
_URL = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<user>[^/@:\s]*)(?P<secret>:[^/@\s]*)?@)?(?P<host>[A-Za-z0-9\[][^/@\s]*)/(?P<path>\S+)"
)
_SYMREF = re.compile(r"^ref: (refs/heads/\S+)\tHEAD$", re.MULTILINE)
_NETWORK = (
    "Could not resolve",
    "Couldn't connect",
    "Failed to connect",
    "Connection timed out",
    "Connection refused",
    "Connection reset",
    "unexpected disconnect",
    "Temporary failure in name resolution",
    "The requested URL returned error: 5",
)
_BETWEEN_LOOKS = 16


@dataclass(frozen=True)
class Place:
    """Where to fetch from: an https or ssh URL, or the Git folder of a local repository."""

    url: str
    protocol: str
    folder: Path | None = None


def check_url(text: str) -> Place:
    """Read a path or Git URL. Raises `Refused` for everything but https, ssh and an existing local folder."""
    text = text.strip()
    if not text or text.startswith("-") or "::" in text or any(ord(one) < 32 for one in text):
        raise _refused(text, "That is not the address of a repository.")
    if _SCP.fullmatch(text):
        return Place(text, "ssh")
    if match := _URL.fullmatch(text):
        if match["scheme"] not in ("https", "ssh", "file"):
            raise _refused(text, f"Pave does not speak {match['scheme']}.")
        if match["secret"]:
            raise Refused(
                error(
                    f"The URL of {match['host']} holds a password",
                    detail="A URL is recorded and shown; a password in it would be too.",
                    remedy="Use an ssh URL, or put the password into ~/.netrc of the user that Pave runs as.",
                )
            )
        if match["scheme"] != "file":
            return Place(text, match["scheme"])
    path = text.removeprefix("file://")
    if not Path(path).is_dir():
        raise _refused(text, "There is no such folder on the server.")
    return _folder(Path(path).resolve())


def _refused(text: str, detail: str) -> Refused:
    shown = re.sub(r"//[^/@]*@", "//…@", text[:200])
    return Refused(
        error(
            f"{shown!r} cannot be imported",
            detail=detail,
            remedy="Give an https or ssh URL, or the path of a folder on the server that holds a Git repository.",
        )
    )


def _folder(path: Path) -> Place:
    inside = path / ".git"
    if inside.is_symlink() or inside.is_file():
        raise _refused(str(path), "Its .git leads to another place: give the path of the main repository.")
    folder = inside if inside.is_dir() else path
    if not ((folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()):
        raise Refused(
            error(
                f"{path} is not a Git repository",
                remedy="Make it one there: git init && git add --all && git commit -m 'Begin'",
            )
        )
    if (folder / "objects").is_symlink() or (folder / "objects" / "info" / "alternates").exists():
        raise Refused(
            error(
                f"{path} takes objects from another repository",
                detail="Pave reads only the folder that was named.",
                remedy="Make it whole: git repack -a -d && rm .git/objects/info/alternates",
            )
        )
    return Place(str(folder), "file", folder)


class GitProgram:
    """Runs hardened `git` for one repository store."""

    def __init__(self, program: str, limits: Limits) -> None:
        self._program = program or "git"
        self._limits = limits

    def default_branch(self, place: Place, cancel: Callable[[], bool]) -> str:
        """The branch that the other side's HEAD names; empty where it names none."""
        result = self._run(place, ("ls-remote", "--symref", "--", place.url, "HEAD"), Path("/"), cancel)
        match = _SYMREF.search(result.text)
        return match[1] if match else ""

    def fetch(self, place: Place, target: Path, cancel: Callable[[], bool]) -> None:
        """Bring the branches and tags of `place` into the bare repository `target`, all of them or none."""
        arguments = (
            "--git-dir",
            str(target),
            "fetch",
            "--quiet",
            "--atomic",
            "--force",
            "--prune",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--",
            place.url,
            "+refs/heads/*:refs/heads/*",
            "+refs/tags/*:refs/tags/*",
        )
        watch = _Size(target, self._limits.repository_bytes, cancel)
        try:
            self._run(place, arguments, target, watch)
        except Cancelled:
            if not watch.exceeded:
                raise
        if watch.exceeded or watch.too_large():
            raise Refused(
                error(
                    f"{place.url} is larger than {self._limits.repository_bytes:,} bytes",
                    remedy="Keep large files outside Git, or import a repository without them.",
                )
            )

    def _run(self, place: Place, arguments: tuple[str, ...], directory: Path, cancel: Callable[[], bool]) -> Result:
        with _configuration(place) as file:
            environment = {
                "PATH": os.environ.get("PATH", PATH),
                "HOME": os.environ.get("HOME", "/"),
                "LANG": "C.UTF-8",
                "LC_ALL": "C.UTF-8",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": str(file),
                "GIT_ALLOW_PROTOCOL": place.protocol,
                "GIT_PROTOCOL_FROM_USER": "0",
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_NO_LAZY_FETCH": "1",
                "GIT_NO_REPLACE_OBJECTS": "1",
                "GIT_ATTR_NOSYSTEM": "1",
                "GIT_OPTIONAL_LOCKS": "0",
                "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ForwardAgent=no -o ForwardX11=no",
                "GIT_SSH_VARIANT": "ssh",
            }
            for name in ("SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "https_proxy", "no_proxy"):
                if os.environ.get(name):
                    environment[name] = os.environ[name]
            command = Command(
                (self._program, *arguments),
                directory=directory,
                environment=environment,
                seconds=self._limits.seconds,
                output_bytes=100_000,
            )
            result = run(command, cancel=cancel)
        _raise_for(result, place, self._limits)
        return result


def _raise_for(result: Result, place: Place, limits: Limits) -> None:
    if result.cancelled:
        raise Cancelled(error(f"Fetching {place.url} was stopped"))
    if result.timed_out:
        raise Transient(
            error(
                f"Fetching {place.url} took longer than {limits.seconds:.0f} s", remedy="It is tried again by itself."
            )
        )
    if result.ok:
        return
    said = " ".join(result.text.split())[-600:]
    if any(word in said for word in _NETWORK):
        raise Transient(error(f"{place.url} cannot be reached", detail=said, remedy="It is tried again by itself."))
    raise Refused(
        error(
            f"{place.url} cannot be fetched",
            detail=said,
            remedy="Check the address, and that the server that Pave runs on may read it without a password.",
        )
    )


@contextmanager
def _configuration(place: Place) -> Iterator[Path]:
    """A file with all the configuration there is. A file, because git hides `-c` from the side that it reads."""
    sections = dict(_CONFIGURATION)
    if place.folder is not None:
        # Whose it is does not matter: no hook, no alias and no command of that repository is run.
        sections["safe"] = {"directory": str(place.folder)}
    lines = [
        f"[{name}]\n" + "".join(f'\t{key} = "{_quoted(value)}"\n' for key, value in values.items())
        for name, values in sections.items()
    ]
    descriptor, name = tempfile.mkstemp(prefix="pave-git-")
    try:
        os.fchmod(descriptor, stat.S_IRUSR | stat.S_IWUSR)
        os.write(descriptor, "".join(lines).encode(errors="surrogateescape"))
        os.close(descriptor)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


class _Size:
    """Asked while git runs: stops it once the repository grows beyond its limit."""

    def __init__(self, folder: Path, most: int, cancel: Callable[[], bool]) -> None:
        self._folder, self._most, self._cancel = folder, most, cancel
        self._asked = 0
        self.exceeded = False

    def __call__(self) -> bool:
        self._asked += 1
        if self._asked % _BETWEEN_LOOKS == 0:
            self.exceeded = self.too_large()
        return self.exceeded or self._cancel()

    def too_large(self) -> bool:
        """Whether the packs are larger than allowed now."""
        total = 0
        for file in (self._folder / "objects" / "pack").glob("*"):
            try:
                total += file.stat().st_size
            except FileNotFoundError:  # renamed meanwhile
                continue
        return total > self._most
