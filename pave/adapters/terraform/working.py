"""Working copies: a stack's root module, its modules and what Terraform keeps beside them.

Modules are copied, not linked: Terraform follows links, and `path.module` would change with each version.
A copy belongs to one command at a time; everything in it can be made again, but for a state that could
not be written (`errored.tfstate`).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from pave.apply.retry import Cancelled
from pave.model.diagnostics import Refused, error
from pave.model.names import Address
from pave.plan.terraform import RootModule
from pave.ports import Cancel

ModuleFiles = Callable[[str], Mapping[str, bytes]]
"""The files of a module by its digest: paths relative to its folder."""

_WAIT_SECONDS = 0.05
_MARK = ".digest-"


class WorkingCopies:
    """All of them: `<folder>/<environment>/<component>`."""

    def __init__(self, folder: Path, module_files: ModuleFiles) -> None:
        self._folder = folder
        self._module_files = module_files

    @contextlib.contextmanager
    def open(self, stack: Address, cancel: Cancel) -> Iterator[WorkingCopy]:
        """A stack's copy, for the caller alone. Waits for whoever has it. Raises `Cancelled`."""
        path = self._path(stack)
        locked = path.with_name(f".{path.name}.lock")
        while True:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked.open("w") as handle:
                _wait_for(handle, stack, cancel)
                if not _is(handle, locked):
                    continue  # it went with the copy: somebody forgot the stack meanwhile
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                yield WorkingCopy(path, self._module_files)
                return

    def forget(self, stack: Address) -> None:
        """Ensure that a stack has no copy."""
        if not self._path(stack).exists():
            return
        with self.open(stack, lambda: False) as copy:
            shutil.rmtree(copy.path)
            copy.path.with_name(f".{copy.path.name}.lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other stacks of the environment are there
            self._path(stack).parent.rmdir()

    def _path(self, stack: Address) -> Path:
        return self._folder / stack.environment / stack.component


def _wait_for(handle: IO[str], stack: Address, cancel: Cancel) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if cancel():
                raise Cancelled(error("Stopped before Terraform began", address=str(stack))) from None
            time.sleep(_WAIT_SECONDS)
        else:
            return


def _is(handle: IO[str], path: Path) -> bool:
    try:
        return os.fstat(handle.fileno()).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


class WorkingCopy:
    """One stack's copy, held by the caller."""

    def __init__(self, path: Path, module_files: ModuleFiles) -> None:
        self.path = path
        self._module_files = module_files

    @property
    def plan(self) -> Path:
        """Where the plan lies while a command needs it; it may hold secrets."""
        return self.path / "plan"

    @property
    def errored(self) -> Path:
        """Where Terraform leaves a state that it could not write."""
        return self.path / "errored.tfstate"

    def write(self, root: RootModule) -> None:
        """Make the files equal to `root`."""
        modules = self.path / "modules"
        modules.mkdir(exist_ok=True)
        for folder, digest in root.sources.items():
            self._write_module(modules / _file_name(folder), digest)
        for path in modules.iterdir():
            if path.name.removeprefix(_MARK) not in root.sources:
                _remove(path)
        write_private(self.path / "main.tf.json", json.dumps(root.document, sort_keys=True).encode())

    def _write_module(self, path: Path, digest: str) -> None:
        # The mark goes first and comes last: a folder with a mark is whole.
        mark = path.with_name(_MARK + path.name)
        if mark.exists() and mark.read_text() == digest:
            return
        mark.unlink(missing_ok=True)
        _remove(path)
        path.mkdir()
        for name, content in self._module_files(digest).items():
            target = path / _inside(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        write_private(mark, digest.encode())

    def ready_for(self, root: RootModule, version: str) -> bool:
        """Whether `terraform init` was done for these module calls with this Terraform."""
        with contextlib.suppress(OSError):
            return (self.path / ".ready").read_text() == _key(root, version)
        return False

    def set_ready(self, root: RootModule, version: str) -> None:
        """Remember that it was done."""
        write_private(self.path / ".ready", _key(root, version).encode())

    def unset_ready(self) -> None:
        """Have it done again next time."""
        (self.path / ".ready").unlink(missing_ok=True)


def _key(root: RootModule, version: str) -> str:
    calls = {name: body.get("source") for name, body in root.document.get("module", {}).items()}
    document = {key: value for key, value in root.document.items() if key not in ("module", "output")}
    parts = {"version": version, "calls": calls, "sources": dict(root.sources), "document": document}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only we can read, whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _file_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise Refused(error(f"{name!r} cannot be the name of a module's folder"))
    return name


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise Refused(error(f"A module cannot have a file named {name!r}", remedy="Keep its files in its own folder."))
    return path
