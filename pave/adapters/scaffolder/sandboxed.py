"""The scaffolder that the engine sees: takes a template's files into a sandbox and what it made out of it.

A template is a program of somebody else's. It gets its own files, its inputs and 60 seconds, and
nothing of this machine; what it leaves is read without following a link, within limits.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pave.adapters.sandbox import Confinement, Mount, Sandbox, interpreter_mounts
from pave.apply.retry import Terminal
from pave.model.diagnostics import Diagnostic, Refused, Source, error
from pave.model.template import Template, TemplateStep
from pave.model.tree import Tree
from pave.ports import Rendered

SECONDS = 60.0
MEMORY = 1024**3
MOST_FILES = 10_000
MOST_BYTES = 100 * 1024**2
_INSIDE = "/scaffold"


class SandboxScaffolder:
    """Implements `pave.ports.Scaffolder`. `scratch` is a folder for what is rendered, emptied after each."""

    def __init__(self, sandbox: Sandbox, scratch: Path) -> None:
        self._sandbox = sandbox
        self._scratch = scratch
        for left in scratch.glob("render-*"):  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)

    def render(self, template: Template, files: Tree, values: Mapping[str, Any], user: Mapping[str, Any]) -> Rendered:
        """Run the template's steps; publishing is left to the engine. Raises `Refused`."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="render-", dir=self._scratch) as name:
            folder = Path(name)
            _lay_out(template, files, folder / "template")
            made = folder / "made"
            (made / "workspace").mkdir(parents=True)
            self._sandbox.give(made)
            answer = self._run(template, folder, _job(template, values, user))
            if "faults" in answer:
                raise Refused(*(_diagnostic(one, template, files) for one in answer["faults"]))
            result = answer["result"]
            return Rendered(
                files=_collect(made / "workspace" / result["source"]),
                repository=result["repository"],
                entities=result["entities"],
                links=result["links"],
                log=result["log"],
            )

    def _run(self, template: Template, folder: Path, job: Mapping[str, Any]) -> Any:
        package = Path(__file__).parents[3]
        confinement = Confinement(
            argv=(sys.executable, "-s", "-P", "-B", "-m", "pave.adapters.scaffolder"),
            directory=_INSIDE,
            environment={"PYTHONPATH": str(package), "PYTHONHASHSEED": "0"},
            read=(*interpreter_mounts(packages=True), Mount(folder / "template", f"{_INSIDE}/template")),
            write=(Mount(folder / "made", f"{_INSIDE}/made"),),
            memory_bytes=MEMORY,
            processes=64,
            file_bytes=MOST_BYTES,
            seconds=SECONDS,
        )
        result = self._sandbox.execute(confinement, stdin=json.dumps(job, default=str).encode())
        if result.timed_out:
            raise Refused(
                error(
                    f"{template.ref.short} was not rendered within {SECONDS:.0f} s", remedy="Make the template simpler."
                )
            )
        answer = _read(folder / "made" / "answer.json")
        if not result.ok or answer is None:
            lines = result.text.strip().splitlines()
            raise Terminal(
                error(
                    f"{template.ref.short} could not be rendered",
                    detail=lines[-1] if lines else f"The renderer ended with {result.code}.",
                    remedy="Look at the template; see also pave doctor.",
                )
            )
        return json.loads(answer)


def _job(template: Template, values: Mapping[str, Any], user: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "template": f"{_INSIDE}/template",
        "base": template.path,
        "workspace": f"{_INSIDE}/made/workspace",
        "answer": f"{_INSIDE}/made/answer.json",
        "pages": list(template.pages),
        "steps": [_step(one) for one in template.steps],
        "output": template.output,
        "values": values,
        "user": user,
    }


def _step(step: TemplateStep) -> Mapping[str, Any]:
    return {
        "id": step.id,
        "name": step.name,
        "action": step.action,
        "input": step.input,
        "if": step.condition,
        "each": step.each,
    }


def _lay_out(template: Template, files: Tree, folder: Path) -> None:
    """The template's folder, and what its steps name beside it, as files that anybody may read."""
    folder.mkdir(mode=0o755)
    (folder / template.path).mkdir(parents=True, exist_ok=True)
    for path in sorted({one for under in _needed(template) for one in files.paths(under)}):
        content = files.read(path)
        if content is None or ".." in PurePosixPath(path).parts:
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        # As the platform's Git writes them: what begins with #! is a program.
        target.chmod(0o755 if content.startswith(b"#!") else 0o644)
    for one in (folder, *folder.rglob("*")):
        if one.is_dir():
            one.chmod(0o755)


def _needed(template: Template) -> Iterator[str]:
    yield template.path
    for step in template.steps:
        url = str(step.input.get("url", "")).partition("${{")[0]
        if step.action.startswith("fetch:") and url.startswith("../"):
            named = os.path.normpath(PurePosixPath(template.path, url))
            if named != "." and not named.startswith(".."):
                yield named


def _collect(workspace: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    size = 0
    for folder, folders, names in os.walk(workspace):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            content = _read(path)
            if content is None:
                continue
            size += len(content)
            if len(found) >= MOST_FILES or size > MOST_BYTES:
                said = f"A template may make at most {MOST_FILES} files of {MOST_BYTES // 1024**2} MB together"
                raise Refused(error(said, remedy="Leave out what a build can fetch."))
            found[str(path.relative_to(workspace))] = content
    return found


def _read(path: Path) -> bytes | None:
    """A regular file's bytes; None for everything else: what a sandbox leaves may be a trap."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            return None
        return file.read()


def _diagnostic(fault: Mapping[str, Any], template: Template, files: Tree) -> Diagnostic:
    """A fault, placed: in the file that it names, or at its step in template.yaml."""
    file, line, step = str(fault["file"]), int(fault["line"]), str(fault["step"])
    if step and file in ("", "template.yaml"):
        file, line = "template.yaml", _line_of(step, template, files)
    source = Source(f"{template.path}/{file}".lstrip("/"), line) if file else Source()
    said = f"step {step}: {fault['summary']}" if step else str(fault["summary"])
    return error(
        said, remedy=str(fault["remedy"]), source=source, path=str(fault["path"]) or (f"steps.{step}" if step else "")
    )


def _line_of(step: str, template: Template, files: Tree) -> int:
    """Where a step stands in template.yaml; 0 where that cannot be told."""
    content = files.read(f"{template.path}/template.yaml".lstrip("/")) or b""
    try:
        tokens = list(yaml.compose_all(content, Loader=yaml.SafeLoader))
    except yaml.YAMLError:
        return 0
    for document in tokens:
        steps = _child(_child(document, "spec"), "steps")
        for number, one in enumerate(steps.value if isinstance(steps, yaml.SequenceNode) else ()):
            named = _child(one, "id")
            if (named.value if isinstance(named, yaml.ScalarNode) else f"step-{number + 1}") == step:
                return int(one.start_mark.line) + 1
    return 0


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if getattr(name, "value", None) == key), None)
