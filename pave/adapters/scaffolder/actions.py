"""The actions: what a step does to the workspace. Each takes its rendered input and returns its output.

Publishing publishes nothing: it records what the repository is to be called; the engine makes it.
"""

from __future__ import annotations

import fnmatch
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pave.adapters.scaffolder import expressions, places
from pave.adapters.scaffolder.failure import failed

LONGEST_WAIT = 10.0


@dataclass
class Workshop:
    """What actions work on: the template's files (`root`, and `base` in it), the workspace, and what came of it."""

    root: Path
    base: Path
    workspace: Path
    user: Mapping[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    entities: list[Mapping[str, Any]] = field(default_factory=list)
    repository: str = ""
    source: str = ""

    def place(self, text: object, what: str = "path") -> Path:
        """A path in the workspace."""
        return places.inside(self.workspace, text, what)

    def named(self, path: Path) -> str:
        """A template file's name, as errors say it: below the template's folder where it is there."""
        near = path.is_relative_to(self.base)
        return str(path.relative_to(self.base if near else self.root))


def fetch_template(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Render a folder into the workspace: names and contents; binary files are copied."""
    folder = places.source(shop.root, shop.base, given["url"])
    target = shop.place(given.get("targetPath", "."), "targetPath")
    verbatim = [str(one) for one in given.get("copyWithoutTemplating") or given.get("copyWithoutRender") or ()]
    extension = given.get("templateFileExtension")
    extension = ".njk" if extension is True else str(extension or "")
    context = {"values": given.get("values") or {}}
    used = expressions.environment(
        trim_blocks=bool(given.get("trimBlocks")), lstrip_blocks=bool(given.get("lstripBlocks"))
    )
    for relative in places.files(folder):
        origin = folder / relative
        name = str(relative)
        copied = any(
            fnmatch.fnmatch(name, pattern.removesuffix("/**") + ("*" if pattern.endswith("/**") else ""))
            for pattern in verbatim
        )
        if not copied:
            name = expressions.render_text(name, context, shop.named(origin), used)
        if not all(part.strip() for part in name.split("/")):
            continue  # a name that renders to nothing leaves the file out
        rendered = not copied and (not extension or name.endswith(extension))
        name = name.removesuffix(extension) if rendered and extension else name
        path = places.inside(target, name, "file name")
        if path.exists() and not given.get("replace"):
            continue
        places.write(path, _rendered(shop, origin, context, used) if rendered else origin.read_bytes(), origin)
    return {}


def fetch_template_file(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Render one file into the workspace."""
    origin = _one_file(shop, given["url"])
    path = shop.place(given["targetPath"], "targetPath")
    if path.exists() and not given.get("replace"):
        raise failed(f"{given['targetPath']} is there already", "Set replace: true to write over it.")
    used = expressions.environment(
        trim_blocks=bool(given.get("trimBlocks")), lstrip_blocks=bool(given.get("lstripBlocks"))
    )
    places.write(path, _rendered(shop, origin, {"values": given.get("values") or {}}, used), origin)
    return {}


def fetch_plain(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a folder into the workspace."""
    folder = places.source(shop.root, shop.base, given["url"])
    target = shop.place(given.get("targetPath", "."), "targetPath")
    for relative in places.files(folder):
        places.write(places.inside(target, relative, "file name"), (folder / relative).read_bytes(), folder / relative)
    return {}


def fetch_plain_file(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Copy one file into the workspace."""
    origin = _one_file(shop, given["url"])
    places.write(shop.place(given["targetPath"], "targetPath"), origin.read_bytes(), origin)
    return {}


def catalog_write(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Write an entity as YAML."""
    text = yaml.safe_dump(given["entity"], sort_keys=False, allow_unicode=True)
    places.write(shop.place(given.get("filePath", "catalog-info.yaml"), "filePath"), text.encode())
    return {}


def catalog_register(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Take the entities of the workspace's catalog file as those to register."""
    url = str(given.get("catalogInfoUrl") or "")
    named = str(given.get("catalogInfoPath") or (PurePosixPath(url).name if url else "catalog-info.yaml"))
    path = places.inside(shop.workspace / shop.source, named.lstrip("/"), "catalogInfoPath")
    if not path.is_file():
        if given.get("optional"):
            return {"catalogInfoUrl": url or named}
        raise failed(
            f"there is no {named} in the workspace to register", "Write one with catalog:write or the skeleton."
        )
    try:
        found = [one for one in yaml.safe_load_all(path.read_text()) if isinstance(one, dict)]
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise failed(
            f"{named} is not YAML once it is rendered: {problem}", "Quote what the values put into it."
        ) from problem
    shop.entities.extend(found)
    first = found[0] if found else {}
    metadata = first.get("metadata") or {}
    namespace = metadata.get("namespace", "default")
    ref = f"{str(first.get('kind', 'component')).lower()}:{namespace}/{metadata.get('name', '')}"
    return {"entityRef": ref, "catalogInfoUrl": url or f"{given.get('repoContentsUrl', '')}{named}"}


def catalog_fetch(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Look an entity up: the user who asks is known here, and what the template registered."""
    wanted = given.get("entityRefs") or [given.get("entityRef")]
    found = [_entity(shop, str(one), given) for one in wanted]
    return {"entities": found} if given.get("entityRefs") else {"entity": found[0]}


def fs_delete(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Remove files and folders; patterns with `*` are allowed."""
    for pattern in _listed(given, "files"):
        shop.place(pattern, "file")
        matching = sorted(shop.workspace.glob(str(pattern))) if any(sign in str(pattern) for sign in "*?[") else []
        for path in matching or [shop.place(pattern, "file")]:
            if path.is_dir() and path != shop.workspace:
                shutil.rmtree(path)
            elif path != shop.workspace:
                path.unlink(missing_ok=True)
    return {}


def fs_rename(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Move files and folders."""
    for one in _listed(given, "files"):
        origin, target = shop.place(one["from"], "from"), shop.place(one["to"], "to")
        if not origin.exists():
            raise failed(f"there is no {one['from']} to rename")
        if target.exists() and not one.get("overwrite"):
            raise failed(f"{one['to']} is there already", "Set overwrite: true to replace it.")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.rmtree(target)
        origin.replace(target)
    return {}


def fs_readdir(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """List files and folders."""
    result: dict[str, list[dict[str, str]]] = {"files": [], "folders": []}
    for text in _listed(given, "paths"):
        folder = shop.place(text)
        if not folder.is_dir():
            raise failed(f"there is no folder {text}")
        for path in sorted(folder.rglob("*") if given.get("recursive") else folder.iterdir()):
            row = {"name": path.name, "path": str(path.relative_to(shop.workspace)), "fullPath": str(path)}
            result["folders" if path.is_dir() else "files"].append(row)
    return result


def debug_log(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Write to the log."""
    if given.get("message") is not None:
        shop.log.append(expressions.as_text(given["message"]))
    if given.get("listWorkspace"):
        shop.log.extend(str(path) for path in places.files(shop.workspace))
    return {}


def debug_wait(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Wait, at most 10 s."""
    wanted = float(given.get("seconds") or 0) + 60 * float(given.get("minutes") or 0)
    wanted += float(given.get("milliseconds") or 0) / 1000
    if wanted > LONGEST_WAIT:
        shop.log.append(f"waiting {LONGEST_WAIT:.0f} s instead of {wanted:.0f} s")
    time.sleep(min(max(wanted, 0.0), LONGEST_WAIT))
    return {}


def publish(shop: Workshop, given: Mapping[str, Any]) -> dict[str, Any]:
    """Record what the repository is to be called, and which folder of the workspace it is."""
    named = given.get("name") or given.get("repo") or ""
    if not named and given.get("repoUrl"):
        named = expressions.parse_repo_url(str(given["repoUrl"])).get("repo", "")
    if not named:
        raise failed("the repository has no name", "Give publish a name or a repoUrl with repo=….")
    folder = str(given.get("sourcePath") or ".")
    if not shop.place(folder, "sourcePath").is_dir():
        raise failed(f"there is no folder {folder} to publish", "Correct sourcePath.")
    shop.repository, shop.source = str(named), "" if folder == "." else folder
    url = f"/repositories/{named}"
    return {"remoteUrl": url, "repoContentsUrl": url, "commitHash": ""}


Action = Callable[[Workshop, Mapping[str, Any]], dict[str, Any]]

ACTIONS: Mapping[str, tuple[Action, tuple[str, ...]]] = {
    "fetch:template": (fetch_template, ("url",)),
    "fetch:template:file": (fetch_template_file, ("url", "targetPath")),
    "fetch:plain": (fetch_plain, ("url",)),
    "fetch:plain:file": (fetch_plain_file, ("url", "targetPath")),
    "catalog:write": (catalog_write, ("entity",)),
    "catalog:register": (catalog_register, ()),
    "catalog:fetch": (catalog_fetch, ()),
    "fs:delete": (fs_delete, ("files",)),
    "fs:rename": (fs_rename, ("files",)),
    "fs:readdir": (fs_readdir, ("paths",)),
    "debug:log": (debug_log, ()),
    "debug:wait": (debug_wait, ()),
}
"""Actions by name, with the inputs that they cannot do without. Every `publish:` is one more."""


def act(shop: Workshop, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Carry one action out. Raises `Failed`."""
    if action.startswith("publish:"):
        return publish(shop, given)
    if action not in ACTIONS:
        raise failed(f"there is no action {action}", f"There are: {', '.join(sorted(ACTIONS))} and publish:*.")
    function, needed = ACTIONS[action]
    missing = [name for name in needed if given.get(name) is None]
    if missing:
        raise failed(f"{action} needs {', '.join(missing)}", "Add it to the step's input.")
    return function(shop, given)


def _rendered(shop: Workshop, origin: Path, context: Mapping[str, Any], used: Any) -> bytes:
    content = origin.read_bytes()
    if b"\0" in content:
        return content
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return content
    return expressions.render_text(text, context, shop.named(origin), used).encode()


def _one_file(shop: Workshop, url: object) -> Path:
    path = places.source(shop.root, shop.base, url)
    if not path.is_file():
        raise failed(f"{url} is not a file", "Use the action without :file for a folder.")
    return path


def _entity(shop: Workshop, text: str, given: Mapping[str, Any]) -> Any:
    wanted = expressions.parse_entity_ref(text, given)
    user = shop.user.get("entity")
    for one in [*([{"kind": "user", **user}] if isinstance(user, Mapping) else []), *shop.entities]:
        metadata = one.get("metadata") or {}
        if str(one.get("kind", "")).lower() == wanted["kind"].lower() and metadata.get("name") == wanted["name"]:
            return one
    if given.get("optional"):
        return None
    raise failed(f"{text} is not known while rendering", "Ask for it as a parameter, or set optional: true.")


def _listed(given: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = given[name]
    if not isinstance(found, list):
        raise failed(f"{name} must be a list")
    return found
