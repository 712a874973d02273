"""Git over HTTP: the real `git upload-pack` and `git receive-pack`, with Pave's hooks and nobody's configuration.

A push is known by a one-time id that only the server and the process it started know; hooks bring it back. Before the
receiver is asked, what nobody may do is refused here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygit2

from pave.adapters.git import hook
from pave.adapters.git.merging import contains
from pave.adapters.git.objects import open_repository
from pave.adapters.subprocesses import PATH, Child, Command, spawn
from pave.model.diagnostics import Diagnostic, Forbidden, Refused, error
from pave.model.names import Ref
from pave.ports import Push, Receiver, RefUpdate

SERVICES = ("git-upload-pack", "git-receive-pack")
_NOTHING = re.compile(r"^0+$")
_HOOKS = ("pre-receive", "post-receive")
_SHOWN = 10
_CONFIGURATION = {
    "core.bigFileThreshold": "32m",  # larger objects are streamed, however small they were sent
    "core.fsmonitor": "false",
    "gc.auto": "0",
    "receive.autogc": "false",
    "maintenance.auto": "false",
    "receive.advertisePushOptions": "true",
    "receive.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "receive.unpackLimit": "100",
    "receive.denyDeletes": "false",
    "receive.denyCurrentBranch": "ignore",
    "receive.shallowUpdate": "false",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "false",
    "protocol.version": "2",
    "safe.directory": "*",
}


@dataclass(frozen=True)
class Pushed:
    """What `Incoming` of the ports needs: a repository that also sees the objects in quarantine."""

    git_dir: Path
    environment: Mapping[str, str]

    def descends(self, new: str, old: str) -> bool:
        """Whether `new` has `old` among its ancestors (or is it)."""
        return contains(self.repository(), old, new)

    def repository(self) -> pygit2.Repository:
        """The repository with the quarantine's objects."""
        repository = open_repository(self.git_dir)
        quarantine = self.environment.get("GIT_QUARANTINE_PATH")
        if quarantine:
            repository.odb.add_disk_alternate(quarantine)
        return repository


@dataclass(frozen=True)
class PushLimits:
    """How much one push may bring: bytes as they are sent, objects, and the bytes of an object unpacked."""

    sent_bytes: int = 2 * 1024**3
    objects: int = 1_000_000
    object_bytes: int = 200_000_000


@dataclass(frozen=True)
class _Open:
    """A push that is under way."""

    repository: str
    path: Path
    actor: Ref
    protected: str


class GitServer:
    """Serves repositories. `place` tells where a repository lies and which branch of it is protected."""

    def __init__(
        self, program: str, run: Path, place: Callable[[str], tuple[Path, str]], limits: PushLimits | None = None
    ) -> None:
        self._program = program or "git"
        self._place = place
        self._limits = limits or PushLimits()
        self._socket = run / "hooks.sock"
        self._hooks = run / "hooks"
        self._open: dict[str, _Open] = {}
        self._receiver: Receiver | None = None
        self._listener: socket.socket | None = None

    def start(self, receiver: Receiver) -> None:
        """Write the hooks and listen for them."""
        self._receiver = receiver
        self._hooks.mkdir(exist_ok=True, mode=0o700)
        text = f"#!{sys.executable} -IS\n" + Path(str(hook.__file__)).read_text(encoding="utf-8")
        for name in _HOOKS:
            path = self._hooks / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o700)
        self._socket.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._socket))
        self._socket.chmod(0o600)
        self._listener.listen(64)
        threading.Thread(target=self._listen, name="pave-hooks", daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self._socket.unlink(missing_ok=True)

    def advertise(self, repository: str, service: str, protocol: str) -> Child:
        """The process that says which refs there are."""
        return self._spawn(repository, service, protocol, ("--advertise-refs",), {})

    @contextlib.contextmanager
    def serve(self, repository: str, service: str, protocol: str, actor: Ref) -> Iterator[Child]:
        """The process that takes a request and answers it; it ends with the context."""
        push = secrets.token_hex(16)
        path, protected = self._place(repository)
        self._open[push] = _Open(repository, path, actor, protected)
        try:
            child = self._spawn(repository, service, protocol, (), {"PAVE_PUSH": push})
            try:
                yield child
            finally:
                child.kill()
        finally:
            self._open.pop(push, None)

    def _spawn(
        self, repository: str, service: str, protocol: str, options: tuple[str, ...], more: Mapping[str, str]
    ) -> Child:
        path, _ = self._place(repository)
        configuration = {
            **_CONFIGURATION,
            "core.hooksPath": str(self._hooks),
            "receive.maxInputSize": str(self._limits.sent_bytes),
        }
        settings = [part for key, value in configuration.items() for part in ("-c", f"{key}={value}")]
        environment = {
            "PATH": os.environ.get("PATH", PATH),
            "HOME": "/",
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_PROTOCOL": protocol,
            "PAVE_HOOKS": str(self._socket),
            **more,
        }
        name = service.removeprefix("git-")
        argv = (self._program, *settings, name, "--stateless-rpc", *options, str(path))
        return spawn(Command(argv, path, environment))

    def _listen(self) -> None:
        assert self._listener is not None
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), name="pave-hook", daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rw", encoding="utf-8", errors="surrogateescape") as talk:
            told = json.loads(talk.readline() or "{}")

            def say(text: str) -> None:
                for line in text.splitlines() or [""]:
                    talk.write(f"say {line}\n")
                talk.flush()

            code = 1
            try:
                code = self._decide(told, say)
            except Refused as refused:
                say(_legible(refused.diagnostics))
            except BrokenPipeError:
                return  # whoever pushed is gone; what is in is in, and the reconciler acts on it
            except Exception:
                say("Pave met an error that it did not expect; its log has the whole story.")
                raise
            finally:
                with contextlib.suppress(OSError, ValueError):
                    talk.write(f"end {code}\n")
                    talk.flush()

    def _decide(self, told: Mapping[str, Any], say: Callable[[str], None]) -> int:
        found = self._open.get(str(told.get("push", "")))
        if found is None or self._receiver is None:
            say("This push is not known; push again.")
            return 1
        updates = tuple(_update(line) for line in told["updates"])
        push = Push(found.repository, found.actor, updates, tuple(told.get("options", ())))
        if told["phase"] == "pre-receive":
            incoming = Pushed(found.path, {**told["environment"], "GIT_DIR": str(found.path)})
            _refuse_what_nobody_may(push, incoming, found.protected)
            _refuse_what_is_too_much(push, incoming, self._limits)
            _tell(self._receiver.before(push, incoming), say, only_long=True)
        else:
            _tell(self._receiver.after(push), say)
        return 0


def _update(line: str) -> RefUpdate:
    old, new, ref = line.split(" ", 2)
    return RefUpdate(ref, "" if _NOTHING.match(old) else old, "" if _NOTHING.match(new) else new)


def _refuse_what_nobody_may(push: Push, incoming: Pushed, protected: str) -> None:
    for one in push.updates:
        if not one.ref.startswith(("refs/heads/", "refs/tags/")):
            raise Forbidden(error(f"{one.ref} cannot be pushed", remedy="Push branches and tags only."))
        if one.ref.startswith("refs/tags/") and one.old:
            raise Forbidden(
                error(f"The tag {one.ref.removeprefix('refs/tags/')} is there already", remedy="Make another one.")
            )
        if one.branch != protected or not one.old:
            continue
        if not one.new:
            raise Forbidden(error(f"{protected} cannot be deleted", remedy="It is what is deployed."))
        if not incoming.descends(one.new, one.old):
            raise Forbidden(
                error(
                    f"{protected} is not rewritten: the push leaves commits out that are in it",
                    remedy=f"git pull --rebase origin {protected}, then push again; git revert takes a commit back.",
                )
            )


def _refuse_what_is_too_much(push: Push, incoming: Pushed, limits: PushLimits) -> None:
    """What was sent small may be large: objects are counted and weighed as they will be, before they are taken in."""
    quarantine = incoming.environment.get("GIT_QUARANTINE_PATH", "")
    if not quarantine:
        return
    brought = pygit2.Odb(quarantine)
    count, large = 0, []
    for id_ in brought:
        count += 1
        _, size = brought.read_header(id_)
        if size > limits.object_bytes:
            large.append((str(id_), size))
    if count > limits.objects:
        raise Refused(
            error(f"The push brings more than {limits.objects:,} objects", remedy="Push its history in parts.")
        )
    names = _names_of({one for one, _ in large}, push, incoming) if large else {}
    if large:
        raise Refused(
            *(
                error(
                    f"{names.get(one, one)} has {size:,} bytes, more than the {limits.object_bytes:,} of a file",
                    remedy="Take it out of every commit (git rebase), and keep it outside Git, in a bucket.",
                )
                for one, size in large[:_SHOWN]
            )
        )


def _names_of(ids: Collection[str], push: Push, incoming: Pushed) -> Mapping[str, str]:
    """The paths that these objects have in the commits of a push."""
    repository = incoming.repository()
    known = [repository.references[name].target for name in repository.references]
    found: dict[str, str] = {}
    for new in {one.new for one in push.updates if one.new}:
        walker = repository.walk(new)
        for one in known:
            walker.hide(one)
        for commit in walker:
            found |= {id_: path for id_, path in _files(commit.tree, "") if id_ in ids}
            if len(found) == len(ids):
                return found
    return found


def _files(tree: pygit2.Tree, at: str) -> Iterator[tuple[str, str]]:
    for entry in tree:
        if isinstance(entry, pygit2.Tree):
            yield from _files(entry, f"{at}{entry.name}/")
        else:
            yield str(entry.id), f"{at}{entry.name}"


def _tell(lines: Iterable[str], say: Callable[[str], None], *, only_long: bool = False) -> None:
    """Say each line; `before` iterates for its effect, and what went well there needs no word."""
    for line in lines:
        if not only_long:
            say(line)


def _legible(diagnostics: Iterable[Diagnostic]) -> str:
    parts = []
    for one in diagnostics:
        where = f"{one.source}: " if str(one.source) else ""
        parts += [f"{where}{one.summary}", *one.detail.splitlines(), *([f"→ {one.remedy}"] if one.remedy else [])]
    return "\n".join(parts)
