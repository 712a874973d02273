"""How a Python application is built: by uv, into a virtual environment at `/app/.venv`.

Dependencies come from uv.lock, requirements.txt, pyproject.toml or setup.py, in this order. Wheels are
unpacked without running any of their code; only what has no wheel, and the project itself, is built. Lock files
of other tools are refused rather than passed over, because their authors count on them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from pave.adapters.build.interpreters import Interpreter, Wanted, wanted_python
from pave.adapters.build.recipe import APP, TOOLS, Files, Layer, Recipe, Step, path_variable, procfile, shell
from pave.model.diagnostics import Refused, Source, error

MANIFESTS = ("uv.lock", "requirements.txt", "pyproject.toml", "setup.py", "Pipfile", "poetry.lock")
_VENV = f"{APP}/.venv"
_NO_WHEEL = (
    r"(?i)--no-build|building source distributions is disabled|no usable wheels|no wheels|marked as .?--only-binary"
)
_HOST = "${HOST:-0.0.0.0}"
_LISTEN = f"{_HOST}:$PORT"
_FIXED = {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "0", "PYTHONNOUSERSITE": "1"}
_UV = {
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_LINK_MODE": "copy",
    "UV_NO_PROGRESS": "1",
    "UV_COLOR": "never",
    "NO_COLOR": "1",
    **_FIXED,
}


def applies(files: Files) -> bool:
    """Whether this is a Python application."""
    return any(files.has(name) for name in MANIFESTS)


def wanted(files: Files) -> Wanted:
    """Which Python it asks for."""
    requires = str(_project(files).get("requires-python", ""))
    return wanted_python(files.texts(".python-version", "runtime.txt"), requires)


def recipe(files: Files, python: Interpreter) -> Recipe:
    """The recipe for a repository. Raises `Refused` where its dependencies cannot be read."""
    source = _dependencies(files)
    make = Step("Make the virtual environment", _uv("venv", "--python", str(python.path), "--no-project", _VENV), _UV)
    layer, steps = None, []
    if source.local:
        steps += [make, *source.before, _install(*source.arguments, built=True)]
    else:
        layer = Layer(
            folder=".venv",
            key=f"python {python.version} {python.path}",
            files=source.files,
            steps=(make, *source.before, _install(*source.arguments)),
            fallback=(_install(*source.arguments, built=True),),
            fall_back_on=_NO_WHEEL,
            last=(_compile(python, f"{_VENV}/lib"),),
            daily=not source.pinned,
        )
    if source.project:
        steps.append(_install("--no-deps", APP, built=True, name="Install the project"))
    if steps:
        steps.append(_compile(python, f"{_VENV}/lib"))
    if files.has("manage.py"):
        steps.append(_collect_static())
    steps.append(_compile(python, APP, "-x", r"/\.venv/|/node_modules/"))
    return Recipe(
        language="python",
        processes=procfile(files) or _processes(files, source.named),
        environment={
            "PATH": path_variable(f"{_VENV}/bin"),
            "VIRTUAL_ENV": _VENV,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        layer=layer,
        writes_layer=source.project,
        steps=tuple(steps),
        mounts=python.mounts,
        built_with=f"uv, {python}",
        notes=source.notes,
    )


def development(files: Files, python: Interpreter) -> tuple[Layer, Mapping[str, str]]:
    """The layer with everything, also for development, and the variables that tests are run with."""
    source = _dependencies(files)
    further, named = _for_development(files)
    given = {**source.files, **further}
    arguments = source.arguments if not source.local else ()
    before = tuple(_with_development(one) for one in source.before)
    install = [*arguments, *named]
    make = Step("Make the virtual environment", _uv("venv", "--python", str(python.path), "--no-project", _VENV), _UV)
    layer = Layer(
        folder=".venv",
        key=f"development python {python.version} {python.path}",
        files=given or {"requirements.txt": b""},
        steps=(make, *before, *([_install(*install)] if install else ())),
        fallback=(make, *before, _install(*install, built=True)) if install else (),
        fall_back_on=_NO_WHEEL,
        daily=not source.pinned,
    )
    environment = {"PATH": path_variable(f"{_VENV}/bin"), "VIRTUAL_ENV": _VENV, "PYTHONUNBUFFERED": "1", **_FIXED}
    return layer, environment


def _for_development(files: Files) -> tuple[dict[str, bytes], list[str]]:
    """What is installed beside the application's own dependencies: files, and arguments that name them."""
    for name in ("requirements-dev.txt", "dev-requirements.txt", "requirements-test.txt", "test-requirements.txt"):
        if files.has(name):
            found = _from_requirements(files, name)
            return dict(found.files), ["-r", name]
    project = _project(files)
    groups: dict[str, Any] = dict(project.get("optional-dependencies") or {})
    groups |= _toml(files, "pyproject.toml").get("dependency-groups", {})
    wanted = [one for name in ("dev", "test", "tests") for one in groups.get(name, ()) if isinstance(one, str)]
    if not wanted or files.has("uv.lock"):
        return {}, []
    return {"development.txt": "".join(f"{one}\n" for one in wanted).encode()}, ["-r", "development.txt"]


def _with_development(step: Step) -> Step:
    """The same step of a lock's export, with its groups for development."""
    argv = tuple("--all-extras" if one == "--no-dev" else one for one in step.argv)
    return replace(step, argv=argv)


@dataclass(frozen=True)
class _Dependencies:
    """What is to be installed: arguments for `uv pip install`, and the files that they need.

    `local` means that it depends on more of the repository than `files`. `named` are the distributions' names.
    """

    arguments: tuple[str, ...]
    files: Mapping[str, bytes]
    before: tuple[Step, ...] = ()
    local: bool = False
    project: bool = False
    pinned: bool = True
    named: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def _dependencies(files: Files) -> _Dependencies:
    if files.has("uv.lock"):
        return _from_lock(files)
    if files.has("requirements.txt"):
        return _from_requirements(files)
    for name, remedy in (
        ("poetry.lock", "Write one with `poetry export -o requirements.txt`, or move to uv with `uvx migrate-to-uv`."),
        ("Pipfile", "Write one with `pipenv requirements > requirements.txt`, or move to uv with `uvx migrate-to-uv`."),
    ):
        if files.has(name):
            raise Refused(
                error(
                    f"Pave does not read {name}, and there is no requirements.txt or uv.lock beside it",
                    remedy=remedy,
                    source=Source(name),
                )
            )
    project = _project(files)
    if not project and not files.has("setup.py"):
        return _without_project(files)
    if "dependencies" in project.get("dynamic", ()) or not project or _tool(files, "uv").get("sources"):
        return _Dependencies((APP,), {}, local=True, pinned=False)
    needed = [str(one) for one in project.get("dependencies", ())]
    return _Dependencies(
        ("-r", "requirements.txt"),
        {"requirements.txt": "".join(one + "\n" for one in needed).encode()},
        project=_is_package(files),
        named=_names(needed),
        **_pins(needed, "pyproject.toml"),
    )


def _without_project(files: Files) -> _Dependencies:
    """A pyproject.toml that only configures tools is an application without dependencies; Poetry's own is not."""
    if _tool(files, "poetry").get("dependencies"):
        raise Refused(
            error(
                "pyproject.toml lists its dependencies for Poetry only",
                remedy="Move them to [project] dependencies, or write `poetry export -o requirements.txt`.",
                source=Source("pyproject.toml"),
                path="tool.poetry.dependencies",
            )
        )
    return _Dependencies(("-r", "requirements.txt"), {"requirements.txt": b""})


def _from_lock(files: Files) -> _Dependencies:
    project = _project(files)
    locked = _toml(files, "uv.lock").get("package", ())
    name = _normal(str(project.get("name", "")))
    own: Mapping[str, Any] = next((one for one in locked if _normal(str(one.get("name", ""))) == name), {})
    asked = _names([str(one) for one in project.get("dependencies", ())])
    known = {_normal(str(one.get("name", ""))) for one in own.get("dependencies", ())}
    if missing := sorted(asked - known):
        raise Refused(
            error(
                f"uv.lock does not know {', '.join(missing)}, which pyproject.toml asks for",
                remedy="Run `uv lock` and commit uv.lock.",
                source=Source("uv.lock"),
            )
        )
    local = (
        any(one.get("source", {}).keys() & {"directory", "path"} for one in locked)
        or len([one for one in locked if one.get("source", {}).keys() & {"editable", "virtual"}]) > 1
    )
    export = Step(
        "Read uv.lock",
        _uv("export", "--frozen", "--no-dev", "--no-emit-project", "--quiet", "--output-file", "requirements.lock"),
        _UV,
    )
    return _Dependencies(
        ("-r", "requirements.lock"),
        {name: files.raw(name) for name in ("pyproject.toml", "uv.lock")},
        before=(export,),
        local=local,
        project=_is_package(files),
        named=frozenset(_normal(str(one.get("name", ""))) for one in locked),
    )


def _from_requirements(files: Files, first: str = "requirements.txt") -> _Dependencies:
    read: dict[str, bytes] = {}
    lines: list[str] = []
    pending = [first]
    local = False
    while pending:
        name = pending.pop()
        if name in read or not files.has(name):
            local = local or not files.has(name)
            continue
        text = files.text(name)
        read[name] = text.encode()
        for raw in text.replace("\\\n", " ").splitlines():
            line = re.sub(r"(^|\s)#.*", "", raw).strip()
            include = re.fullmatch(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", line)
            if include:
                pending.append(str(PurePosixPath(name).parent / include[1]))
            elif line and not line.startswith("--"):
                lines.append(line)
                local = local or bool(re.match(r"-e\b|[./]|file:", line) or re.search(r"@\s*(file:|\.)", line))
    return _Dependencies(("-r", first), read, local=local, named=_names(lines), **_pins(lines, first))


def _install(*arguments: str, built: bool = False, name: str = "Install dependencies") -> Step:
    """`built` allows to run what has no wheel, so the cache that all builds share is kept away from it."""
    options = () if built else ("--no-build",)
    return Step(
        f"{name}{', building what has no wheel' if built and name == 'Install dependencies' else ''}",
        _uv("pip", "install", "--python", f"{_VENV}/bin/python", *options, *arguments),
        _UV,
        registries="uv",
        shared_cache=not built,
    )


def _compile(python: Interpreter, folder: str, *options: str) -> Step:
    """Byte code that does not depend on times, for a quick start; -S, so that no code of a dependency runs."""
    argv = (str(python.path), "-s", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
    return Step(
        "Compile", (*argv, *options, folder), _FIXED, unless_it_fails="Some files do not compile", directory="/"
    )


def _collect_static() -> Step:
    return Step(
        "Collect Django's static files",
        (f"{_VENV}/bin/python", "manage.py", "collectstatic", "--noinput", "--verbosity", "1"),
        {"PATH": path_variable(f"{_VENV}/bin"), **_FIXED},
        unless_it_fails="Static files were not collected; set STATIC_ROOT if the application serves its own",
    )


def _uv(*arguments: str) -> tuple[str, ...]:
    return (f"{TOOLS}/uv", *arguments)


def _processes(files: Files, named: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """What to start where nobody said it; empty if it is not plain."""
    scripts = list(_project(files).get("scripts", {}))
    wsgi = next(iter(sorted(path.parent.name for path in files.folder.glob("*/wsgi.py"))), "")
    if files.has("manage.py"):
        if wsgi and "gunicorn" in named:
            return {"web": shell(f"gunicorn {wsgi}.wsgi --bind {_LISTEN}")}
        return {"web": shell(f"python manage.py runserver --noreload {_LISTEN}")}
    for name in ("main", "app", "server", "wsgi"):
        text = files.text(f"{name}.py")
        application = re.search(r"^(\w+)\s*(?::\s*\w+\s*)?=\s*(FastAPI|Starlette|Flask)\(", text, re.MULTILINE)
        if application and application[2] == "Flask" and "gunicorn" in named:
            return {"web": shell(f"gunicorn {name}:{application[1]} --bind {_LISTEN}")}
        if application and application[2] != "Flask" and "uvicorn" in named:
            return {"web": shell(f"uvicorn {name}:{application[1]} --host {_HOST} --port $PORT")}
        if text:
            return {"web": ("python", f"{name}.py")}
    return {"web": (scripts[0],)} if len(scripts) == 1 and _is_package(files) else {}


def _is_package(files: Files) -> bool:
    return "build-system" in _toml(files, "pyproject.toml") or _tool(files, "uv").get("package") is True


def _pins(lines: list[str], file: str) -> dict[str, Any]:
    loose = [line for line in lines if not re.search(r"===?[^*]*$|@", line.split(";")[0].split("--hash")[0])]
    if not loose:
        return {"pinned": True}
    note = f"{len(loose)} of {len(lines)} requirements in {file} are not pinned: another day's build may differ"
    return {"pinned": False, "notes": (note,)}


def _names(lines: list[str]) -> frozenset[str]:
    matches = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) for line in lines)
    return frozenset(_normal(match[0]) for match in matches if match)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _project(files: Files) -> Mapping[str, Any]:
    project = _toml(files, "pyproject.toml").get("project", {})
    return project if isinstance(project, dict) else {}


def _tool(files: Files, name: str) -> Mapping[str, Any]:
    tool = _toml(files, "pyproject.toml").get("tool", {}).get(name, {})
    return tool if isinstance(tool, dict) else {}


def _toml(files: Files, name: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(files.text(name))
    except tomllib.TOMLDecodeError as problem:
        raise Refused(
            error(f"{name} is not valid TOML: {problem}", remedy="Correct the file.", source=Source(name))
        ) from problem
