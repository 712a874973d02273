"""How a static website is served: by Pave's own Python and one small script that becomes part of the artifact.

A web server program need not be there at run time, and the router in front of it does the heavy work. Only
the website's folder is served; a repository's other files are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pave.adapters.build.interpreters import Interpreter
from pave.adapters.build.recipe import APP, Files, Recipe, path_variable, procfile
from pave.model.diagnostics import Refused, error

SERVER = ".pave/serve.py"
_FOLDERS = ("public", "dist", "site", "_site", "build", "docs", "")


def applies(files: Files) -> bool:
    """Whether there is an index.html where websites have theirs."""
    return any(_has_index(files, folder) for folder in _FOLDERS)


def recipe(files: Files, python: Interpreter) -> Recipe:
    """The recipe for a repository that is a website already."""
    folder = next(one for one in _FOLDERS if _has_index(files, one))
    return served(Recipe("static", procfile(files), {}), (folder,), python)


def served(recipe: Recipe, folders: Sequence[str], python: Interpreter) -> Recipe:
    """A recipe whose result is a website in the first of `folders` that exists when it starts."""
    command = (str(python.path), "-I", f"{APP}/{SERVER}", *(f"{APP}/{one}".rstrip("/") for one in folders))
    return replace(
        recipe,
        language="static",
        processes={"web": command, **recipe.processes},
        environment={"PATH": path_variable(python.path.parent), "PYTHONUNBUFFERED": "1"},
        add={SERVER: Path(__file__).with_name("serve.py").read_bytes()},
        mounts=python.mounts,
        built_with=f"{recipe.built_with}; served by {python}".removeprefix("; "),
    )


def nothing_known(unused: str) -> Refused:
    """The refusal of a repository that no recipe knows; `unused` says why its Dockerfile, if it has one, is no help."""
    dockerfile = f" Its Dockerfile is not built: {unused}." if unused else ""
    return Refused(
        error(
            "This repository cannot be built",
            detail=f"It has no requirements.txt, pyproject.toml, package.json or index.html.{dockerfile}",
            remedy="Install docker.io (Debian) or podman for its Dockerfile."
            if unused
            else "Add the file that lists its dependencies, or a Dockerfile.",
        )
    )


def _has_index(files: Files, folder: str) -> bool:
    return files.has(f"{folder}/index.html".lstrip("/"))
