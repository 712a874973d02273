"""How a Node application is built: by npm, from package-lock.json where there is one.

Packages are unpacked without their install scripts first; those that have one get it in a second step, away from
the cache that builds share. A build script runs with the development dependencies, which are then removed.
An application that builds a website and starts nothing is served as a static one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pave.adapters.build import static
from pave.adapters.build.interpreters import Interpreter, Wanted, wanted_node
from pave.adapters.build.recipe import APP, TOOLS, Files, Layer, Recipe, Step, path_variable, procfile, shell
from pave.adapters.build.registries import project_npmrc
from pave.model.diagnostics import Refused, Source, error

_FOREIGN = {"pnpm-lock.yaml": "pnpm", "bun.lock": "bun", "bun.lockb": "bun"}
_LOCKS = ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock")
_SITES = ("dist", "build", "out", "public")
_NPM = {
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "npm_config_progress": "false",
    "npm_config_color": "false",
    "npm_config_globalconfig": "/nonexistent/global",
    "npm_config_git": "/usr/bin/git",
    "npm_config_script_shell": "/bin/sh",
    "CI": "true",
}


def applies(files: Files) -> bool:
    """Whether this is a Node application."""
    return files.has("package.json")


def wanted(files: Files) -> Wanted:
    """Which Node it asks for."""
    engines = _package(files).get("engines", {})
    return wanted_node(files.texts(".nvmrc", ".node-version"), str(engines.get("node", "") if engines else ""))


def recipe(files: Files, node: Interpreter, python: Interpreter) -> Recipe:
    """The recipe for a repository; `python` serves a website that the build makes. Raises `Refused`."""
    package = _package(files)
    _refuse_foreign_locks(files)
    scripts: Mapping[str, str] = package.get("scripts") or {}
    path = path_variable(TOOLS, f"{APP}/node_modules/.bin", node.path.parent)
    build = next((name for name in ("heroku-postbuild", "build") if name in scripts), "")
    own = [name for name in ("preinstall", "install", "postinstall", "prepare") if name in scripts]
    environment = {**_NPM, "PATH": path}
    steps = [_script(name, environment) for name in [*own, *([build] if build else [])]]
    if build:
        steps.append(Step("Remove development dependencies", _npm("prune", "--omit=dev", "--offline"), environment))
    local = _is_local(package)
    layer, notes = (None, ()) if local else _layer(files, node, environment, omit_dev=not build)
    if local:
        steps.insert(0, _npm_install(files, environment, omit_dev=not build, private=True))
    processes = {name: _without_npm(command, scripts) for name, command in procfile(files).items()}
    processes = processes or _processes(files, package)
    made = Recipe(
        language="node",
        processes=processes,
        environment={
            "PATH": path_variable(f"{APP}/.pave/bin", f"{APP}/node_modules/.bin", node.path.parent),
            "NODE_ENV": "production",
        },
        add={".pave/bin/npm": npm_script(node).encode()},
        layer=layer,
        writes_layer=bool(steps),
        steps=tuple(steps),
        mounts=node.mounts,
        built_with=f"npm, {node}",
        notes=notes,
    )
    return made if processes or not build else static.served(made, _SITES, python)


def development(files: Files, node: Interpreter) -> tuple[Layer, Mapping[str, str]]:
    """The layer with everything, also for development, and the variables that scripts are run with."""
    environment = {**_NPM, "PATH": path_variable(TOOLS, f"{APP}/node_modules/.bin", node.path.parent)}
    return _layer(files, node, environment, omit_dev=False)[0], environment


def npm_script(node: Interpreter) -> str:
    """A program `npm` that needs no folder of its own beside it."""
    return f'#!/bin/sh\nexec "{node.path}" "{node.npm}" "$@"\n'


def _layer(
    files: Files, node: Interpreter, environment: Mapping[str, str], *, omit_dev: bool
) -> tuple[Layer, tuple[str, ...]]:
    taken = {name: files.raw(name) for name in ("package.json", *_LOCKS) if files.has(name)}
    own, dropped = project_npmrc(files.text(".npmrc"))
    taken[".npmrc"] = own.encode()
    locked = any(name in taken for name in _LOCKS)
    notes: tuple[str, ...] = ()
    if not locked:
        notes += ("There is no package-lock.json: another day's build may install other versions",)
    if dropped:
        notes += (f".npmrc: {', '.join(dropped)} are not taken from a repository",)
    layer = Layer(
        folder="node_modules",
        key=f"node {node.version} {node.path}",
        files=taken,
        steps=(_npm_install(files, environment, omit_dev=omit_dev),),
        last=(_run_install_scripts(environment),),
        daily=not locked,
    )
    return layer, notes


def _npm_install(files: Files, environment: Mapping[str, str], *, omit_dev: bool, private: bool = False) -> Step:
    exact = any(files.has(name) for name in _LOCKS[:2])
    return Step(
        "Install dependencies",
        _npm(
            "ci" if exact else "install",
            *(["--omit=dev"] if omit_dev else ["--include=dev"]),
            *([] if private else ["--ignore-scripts"]),
        ),
        environment,
        registries="npm",
        shared_cache=not private,
    )


def _run_install_scripts(environment: Mapping[str, str]) -> Step:
    """Runs what packages bring, if one brings any: npm notes that in its own record of what it installed."""
    has_any = ("node_modules/.package-lock.json", '"hasInstallScript"')
    return Step("Run the install scripts of packages", _npm("rebuild"), environment, registries="npm", when=has_any)


def _script(name: str, environment: Mapping[str, str]) -> Step:
    return Step(f"Run the {name} script", _npm("run", name), environment)


def _npm(*arguments: str) -> tuple[str, ...]:
    return (f"{TOOLS}/npm", *arguments)


def _is_local(package: Mapping[str, Any]) -> bool:
    """Whether installing needs more of the repository than its manifests."""
    kinds = ("dependencies", "devDependencies", "optionalDependencies")
    versions = [str(version) for kind in kinds for version in (package.get(kind) or {}).values()]
    return bool(package.get("workspaces")) or any(re.match(r"(file|link|workspace):|[./~]", one) for one in versions)


def _processes(files: Files, package: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    start = (package.get("scripts") or {}).get("start")
    if start:
        return {"web": shell(str(start))}
    for name in (str(package.get("main") or ""), "server.js", "index.js", "app.js"):
        if name.endswith((".js", ".mjs", ".cjs")) and files.has(name):
            return {"web": ("node", name)}
    return {}


def _without_npm(command: tuple[str, ...], scripts: Mapping[str, str]) -> tuple[str, ...]:
    """What `npm start` would start, so that no npm stands between the process and its signals."""
    match = re.fullmatch(r"(?:exec )?npm (?:run(?:-script)? )?([\w:-]+)", command[-1])
    if match is None or match[1] not in scripts or f"pre{match[1]}" in scripts:
        return command
    return shell(scripts[match[1]])


def _refuse_foreign_locks(files: Files) -> None:
    for name, tool in _FOREIGN.items():
        if files.has(name) and not any(files.has(other) for other in _LOCKS):
            raise Refused(
                error(
                    f"Pave does not read {name}, and there is no package-lock.json beside it",
                    detail=f"Installing without it would give other versions than {tool} locked.",
                    remedy="Write one with `npm install --package-lock-only` and commit it.",
                    source=Source(name),
                )
            )


def _package(files: Files) -> dict[str, Any]:
    try:
        package = json.loads(files.text("package.json"))
    except json.JSONDecodeError as problem:
        source = Source("package.json", problem.lineno, problem.colno)
        raise Refused(
            error(f"package.json is not valid JSON: {problem.msg}", remedy="Correct the file.", source=source)
        ) from problem
    if not isinstance(package, dict):
        raise Refused(error("package.json is not an object", remedy="Correct the file.", source=Source("package.json")))
    return package
