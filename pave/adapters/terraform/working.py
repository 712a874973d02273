"""Working copies: a stack's root module, its modules and what Terraform keeps beside them.

Modules are stored once by their digest and linked into each copy. A copy belongs to one command at a
time; everything in it can be made again, but for a state that could not be written (`errored.tfstate`).
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

from pave.apply.retry import Cancelled
from pave.model.diagnostics import Refused, error
from pave.model.names import Address
from pave.plan.terraform import RootModule
from pave.ports import Cancel

ModuleFiles = Callable[[str], Mapping[str, bytes]]
"""The files of a module by its digest: paths relative to its folder."""

_WAIT_SECONDS = 0.05


class WorkingCopies:
    """All of them, below `folder`: `modules/<digest>` and `stacks/<environment>/<component>`."""

    def __init__(self, folder: Path, module_files: ModuleFiles) -> None:
        self._folder = folder
        self._module_files = module_files

    @contextlib.contextmanager
    def open(self, stack: Address, cancel: Cancel) -> Iterator[WorkingCopy]:
        """A stack's copy, for the caller alone. Waits for whoever has it. Raises `Cancelled`."""
        path = self._path(stack)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        locked = path.with_name(f".{path.name}.lock")
        with locked.open("w") as handle:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if cancel():
                        raise Cancelled(error("Stopped before Terraform began", address=str(stack))) from None
                    time.sleep(_WAIT_SECONDS)
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            yield WorkingCopy(path, self._materialise)

    def forget(self, stack: Address) -> None:
        """Ensure that a stack has no copy."""
        if not self._path(stack).exists():
            return
        with self.open(stack, lambda: False) as copy:
            shutil.rmtree(copy.path)

    def prune(self) -> None:
        """Remove the stored modules that no copy links to."""
        linked = {link.readlink().name for link in (self._folder / "stacks").glob("*/*/modules/*") if link.is_symlink()}
        for path in (self._folder / "modules").glob("*"):
            if path.name not in linked:
                shutil.rmtree(path, ignore_errors=True)

    def _path(self, stack: Address) -> Path:
        return self._folder / "stacks" / stack.environment / stack.component

    def _materialise(self, digest: str) -> Path:
        path = self._folder / "modules" / _file_name(digest)
        if path.is_dir():
            return path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))
        try:
            for name, content in self._module_files(digest).items():
                target = made / _inside(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                target.chmod(0o444)
            # Of two that make the same one at the same time, one wins and both are equal.
            with contextlib.suppress(OSError):
                made.rename(path)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return path


class WorkingCopy:
    """One stack's copy, held by the caller."""

    def __init__(self, path: Path, materialise: Callable[[str], Path]) -> None:
        self.path = path
        self._materialise = materialise

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
        links = self.path / "modules"
        links.mkdir(exist_ok=True)
        for folder, digest in root.sources.items():
            link = links / _file_name(folder)
            target = Path("../../../../modules") / self._materialise(digest).name
            if not link.is_symlink() or link.readlink() != target:
                fresh = links / f".new-{link.name}"
                fresh.unlink(missing_ok=True)
                fresh.symlink_to(target)
                fresh.replace(link)
        for link in links.iterdir():
            if link.name not in root.sources:
                link.unlink()
        write_private(self.path / "main.tf.json", json.dumps(root.document, sort_keys=True).encode())

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


def _file_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise Refused(error(f"{name!r} cannot be the name of a module's folder"))
    return name


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise Refused(error(f"A module cannot have a file named {name!r}", remedy="Keep its files in its own folder."))
    return path
