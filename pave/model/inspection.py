"""Looks at a repository as it is and says what Pave makes of it: its workload, its entities, its owner, its docs.

The repository's own word comes first: score.yaml, then a Procfile, then the entry points that everybody uses. What
cannot be run is said with what would be needed. Nothing is ever written into the repository.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pave.model.backstage import read_entities, refuse_duplicates
from pave.model.diagnostics import Diagnostic, Findings, Refused, Source, error, warning
from pave.model.entity import Entity
from pave.model.names import Ref, is_entity_name
from pave.model.procfile import RELEASE, WEB, as_workload, detect, read_procfile
from pave.model.score import read_workload
from pave.model.substitution import resolve
from pave.model.tree import Tree
from pave.model.workload import Workload

CATALOG_FILES = (
    "catalog-info.yaml",
    "catalog-info.yml",
    "backstage.yaml",
    ".backstage/catalog-info.yaml",
)
SCORE_FILES = ("score.yaml", "score.yml")
MAX_CATALOG_FILES = 200

_LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "python": ("requirements.txt", "pyproject.toml", "uv.lock", "Pipfile", "setup.py", "manage.py"),
    "node": ("package.json",),
    "static": ("index.html", "public/index.html", "dist/index.html", "site/index.html", "docs/index.html"),
}
_PYTHON_STARTS = ("manage.py", "main.py", "app.py", "server.py", "wsgi.py")
_NODE_STARTS = ("server.js", "index.js", "app.js")
_CODEOWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
_DOCS = ("mkdocs.yml", "mkdocs.yaml", "docs/index.md", "docs/README.md", "README.md", "README.rst", "README")


@dataclass(frozen=True)
class Inspection:
    """What a repository holds. Without a `workload`, `findings` say why; `file` is where it was read from.

    `language` is python, node, static or empty; `docs` are the paths of its documentation, the best first.
    """

    name: str
    language: str = ""
    file: str = ""
    workload: Workload | None = None
    processes: Mapping[str, str] = field(default_factory=dict)
    entities: tuple[Entity, ...] = ()
    owner: Ref | None = None
    docs: tuple[str, ...] = ()
    findings: tuple[Diagnostic, ...] = ()


def inspect(tree: Tree, name: str) -> Inspection:
    """Look at the repository `name`. Whatever is wrong in it stands in `findings`; nothing is raised."""
    findings = Findings()
    language = next((one for one, signs in _LANGUAGES.items() if any(_has(tree, sign) for sign in signs)), "")
    file, processes, workload = _workload(tree, name, language, findings)
    entities = tuple(refuse_duplicates(_entities(tree, findings), findings).values())
    return Inspection(
        name=name,
        language=language,
        file=file,
        workload=workload,
        processes=processes,
        entities=entities,
        owner=_owner(tree, entities),
        docs=tuple(path for path in _DOCS if _has(tree, path)),
        findings=tuple(findings),
    )


def _has(tree: Tree, path: str) -> bool:
    return tree.read(path) is not None


def _workload(
    tree: Tree, name: str, language: str, findings: Findings
) -> tuple[str, Mapping[str, str], Workload | None]:
    procfile = tree.read("Procfile")
    processes = read_procfile(procfile, "Procfile", findings) if procfile is not None else {}
    for file in SCORE_FILES:
        if (data := tree.read(file)) is not None:
            try:
                return file, processes, read_workload(data, file, findings)
            except Refused as refused:
                findings.extend(refused.diagnostics)
                return file, processes, None
    file = "Procfile"
    if not set(processes) - {RELEASE}:
        file = _entry_point(tree, language, findings)
        if not file:
            return "", processes, None
        processes = {**processes, WEB: ""}
    detected = detect(tree)
    for type_, (sign, path) in detected.resources.items():
        findings.add(
            warning(
                f"a {type_} is taken to be needed, because {path} names {sign}",
                remedy="Write a score.yaml to say it exactly.",
                source=Source(path),
            )
        )
    return file, processes, as_workload(name, processes, detected)


def _entry_point(tree: Tree, language: str, findings: Findings) -> str:
    """The file by which a program without a Procfile is started, or an empty text and the reason."""
    if language == "python":
        found = next((one for one in _PYTHON_STARTS if _has(tree, one)), "")
        found = found or ("pyproject.toml" if b"[project.scripts]" in (tree.read("pyproject.toml") or b"") else "")
    elif language == "node":
        found = _node_start(tree)
    else:
        found = next((one for one in _LANGUAGES["static"] if _has(tree, one)), "")
    if not found and _has(tree, "Dockerfile"):
        return "Dockerfile"  # it says how its image is started
    if not found:
        findings.add(_unknown(language))
    return found


def _node_start(tree: Tree) -> str:
    package = _package(tree)
    scripts = package.get("scripts")
    if isinstance(scripts, dict) and (scripts.get("start") or scripts.get("build")):
        return "package.json"
    main = package.get("main")
    return next((one for one in (str(main or ""), *_NODE_STARTS) if one.endswith("js") and _has(tree, one)), "")


def _package(tree: Tree) -> dict[str, Any]:
    try:
        package = json.loads(tree.read("package.json") or b"{}")
    except ValueError:
        return {}
    return package if isinstance(package, dict) else {}


def _unknown(language: str) -> Diagnostic:
    if language:
        return error(
            f"nothing says how to start this {language} program",
            remedy="Add a Procfile with a line such as `web: python app.py`, or a score.yaml.",
            source=Source("Procfile"),
        )
    return error(
        "nothing in this repository says what to run",
        detail="Looked for score.yaml, Procfile, Dockerfile, package.json, requirements.txt, pyproject.toml, "
        "index.html.",
        remedy="Add a score.yaml, or a Procfile with a line such as `web: python app.py`.",
    )


def _entities(tree: Tree, findings: Findings) -> Iterator[Entity]:
    """Entities of the catalog files, and of the files of the same repository that their Locations name."""
    waiting = [path for path in CATALOG_FILES if _has(tree, path)][:1]
    seen: set[str] = set()
    while waiting and len(seen) < MAX_CATALOG_FILES:
        path = waiting.pop(0)
        data = tree.read(path)
        if path in seen or data is None:
            continue
        seen.add(path)
        entities, diagnostics = read_entities(data, path, tree.read)
        findings.extend(diagnostics)
        yield from entities
        waiting += [target for entity in entities for target in _targets(entity, path)]


def _targets(location: Entity, file: str) -> Iterator[str]:
    if location.kind != "Location":
        return
    for target in (location.spec.get("target"), *location.spec.get("targets", ())):
        if isinstance(target, str) and "://" not in target and (path := resolve(file, target)):
            yield path


def _owner(tree: Tree, entities: tuple[Entity, ...]) -> Ref | None:
    """Whose it is: what its component says, or else who owns everything by CODEOWNERS."""
    stated = sorted((one for one in entities if one.owner is not None), key=lambda one: one.kind != "Component")
    if stated:
        return stated[0].owner
    for path in _CODEOWNERS:
        if (data := tree.read(path)) is not None:
            return _codeowner(data.decode(errors="replace"))
    return None


def _codeowner(text: str) -> Ref | None:
    """The first team (or else person) of the last rule for everything; the last rule wins, as Git hosts have it."""
    rules = [line.split("#")[0].split() for line in text.splitlines()]
    everything = [rule[1:] for rule in rules if rule and rule[0] in ("*", "/", "**", "/**")]
    names = [one for one in (everything[-1] if everything else []) if re.fullmatch(r"@[\w.-]+(/[\w.-]+)?", one)]
    for owner in sorted(names, key=lambda one: "/" not in one):
        name = owner.removeprefix("@").rpartition("/")[2].lower()
        if is_entity_name(name):
            return Ref("group" if "/" in owner else "user", "default", name)
    return None
