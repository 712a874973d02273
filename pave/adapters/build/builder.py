"""The builder: a commit's files become an artifact, in the sandbox, or are refused with the reason.

What teams share cannot be poisoned: the download cache is only mounted where nothing but uv or npm itself runs
(wheels unpacked, install scripts off, a repository's own tool settings left out); whatever runs code of a
dependency or of the repository gets a cache that is thrown away. Installed dependencies are kept as layers that
depend on nothing but their manifests, the interpreter and the machine's registries. Where this machine cannot
confine a build, nothing is built.

A build that needs the network to install what has no wheel sees the registries' credentials; the application's
own build steps see neither the network nor them.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from pave.adapters.build import node, python, static
from pave.adapters.build.artifacts import ArtifactStore, Facts, Part
from pave.adapters.build.images import DOCKERFILE, Bakery, Engine
from pave.adapters.build.interpreters import Interpreter, Wanted, choose, installed_nodes, installed_pythons
from pave.adapters.build.kitchen import Kitchen, Watch, failed
from pave.adapters.build.layers import LayerStore
from pave.adapters.build.recipe import APP, TOOLS, Development, Files, Layer, Recipe
from pave.adapters.build.registries import Registries, masked, read_registries
from pave.adapters.build.scratch import disk_full, megabytes, remove_tree, scratch
from pave.adapters.sandbox import Mount, Sandbox
from pave.adapters.subprocesses import LONGEST_LINE
from pave.model.diagnostics import Refused, error
from pave.model.workload import SOURCE_IMAGE, Workload
from pave.observe.masking import Masker
from pave.ports import Artifact, Cancel, Report
from pave.settings import Settings

BUILD = "pave.dev/build"
"""An annotation of a workload; `source` leaves its Dockerfile unused."""


@dataclass(frozen=True)
class _Bench:
    """What one build works with: whom it tells, when it is to stop, and a folder of its own."""

    registries: Registries
    say: Report
    watch: Watch
    work: Path


class SandboxBuilder:
    """Builds in the sandbox and stores in a folder below the data directory; see `ports.Builder`."""

    def __init__(self, settings: Settings, sandbox: Sandbox, environ: Mapping[str, str] | None = None) -> None:
        self._settings = settings
        self._sandbox = sandbox
        self._environ = dict(os.environ if environ is None else environ)
        self._home = Path(self._environ.get("HOME") or Path.home())
        self._cache = settings.data / "cache"
        self._layers = LayerStore(self._cache / "layers")
        self.artifacts = ArtifactStore(settings.data / "artifacts")

    def build(self, source: Path, workload: Workload, report: Report, cancel: Cancel) -> Artifact:
        """Build `source` (a private checkout, changed by this) and store the result. Raises `Refused`, `Cancelled`."""
        if self._sandbox.level == "none":
            raise Refused(
                error(
                    "Nothing is built, because this machine cannot confine a build",
                    detail=self._sandbox.reason,
                    remedy="Allow unprivileged user namespaces, or run Pave as root; `pave doctor` shows the sandbox.",
                )
            )
        registries = read_registries(self._environ, self._home)
        say = _Masked(report, registries)
        with disk_full(self._settings.data), scratch(self._cache / "builds") as work:
            for left in (".git", ".venv", "node_modules", ".pave"):
                _discard(source / left)
            bench = _Bench(registries, say, Watch(cancel, work, self._settings.build_seconds), work)
            engine = self._engine(Files(source), workload)
            if isinstance(engine, Engine):
                part, facts = Bakery(engine, self._sandbox, say, bench.watch).bake(source, workload.name, work)
                _refuse_without_command(workload, facts.processes)
                artifact = self.artifacts.add([part], facts)
            else:
                artifact = self._from_source(source, workload, bench, engine)
        say(f"Stored {artifact.digest} ({megabytes(artifact.size)})")
        return artifact

    def _engine(self, files: Files, workload: Workload) -> Engine | str:
        """The container engine for a repository that is built with one; else why not, or nothing."""
        if not files.has(DOCKERFILE) or workload.annotations.get(BUILD) == "source":
            return ""
        settings = self._settings
        return Engine.found(settings.container_engine, settings.build_network, self._environ, settings.data)

    def _from_source(self, source: Path, workload: Workload, bench: _Bench, unused: str) -> Artifact:
        """Build with a recipe; `unused` says why the Dockerfile is not used."""
        recipe = self._recipe(Files(source), unused)
        _refuse_without_command(workload, recipe.processes)
        for note in (*bench.registries.notes, *recipe.notes):
            bench.say(f"warning: {note}")
        bench.say(f"Building with {recipe.built_with}")
        tools = self._tools(bench.work, recipe.built_with, recipe.mounts)
        kitchen = Kitchen(self._sandbox, tools, bench.registries, bench.say, bench.watch, bench.work)
        parts = self._cook(kitchen, recipe, source, bench.work)
        return self.artifacts.add(parts, _facts(recipe, unused))

    def develop(self, source: Path, report: Report, cancel: Cancel) -> Development | None:
        """What the tests of `source` are run with, dependencies for development included; None for other languages.

        Raises `Refused` where one of them cannot be installed.
        """
        files = Files(source)
        if python.applies(files):
            interpreter, _ = choose(self.pythons, python.wanted(files))
            layer, environment = python.development(files, interpreter)
        elif node.applies(files):
            interpreter, _ = choose(self.nodes, node.wanted(files))
            layer, environment = node.development(files, interpreter)
        else:
            return None
        registries = read_registries(self._environ, self._home)
        say = _Masked(report, registries)
        language = "python" if python.applies(files) else "node"
        # npm's own script is named for as long as the checks last, so it lies beside the checkout.
        tools = self._tools(source.parent, f"npm, {interpreter}" if language == "node" else "", interpreter.mounts)
        with disk_full(self._settings.data), scratch(self._cache / "builds") as work:
            kitchen = Kitchen(
                self._sandbox, tools, registries, say, Watch(cancel, work, self._settings.build_seconds), work
            )
            made = self._layer(kitchen, layer, work)
        named = [(str(one.host), one.inside) for one in tools]
        return Development(language, environment, layer.folder, made, interpreter.mounts, named)

    def find(self, digest: str) -> Artifact | None:
        """A stored artifact."""
        return self.artifacts.find(digest)

    def path(self, digest: str) -> Path:
        """Where its files lie, read-only. Raises `Refused` where it is not stored."""
        return self.artifacts.path(digest)

    def remove(self, digest: str) -> None:
        """Ensure that it is not stored."""
        self.artifacts.remove(digest)

    @cached_property
    def pythons(self) -> tuple[Interpreter, ...]:
        """The Pythons of this machine; found once."""
        return installed_pythons(self._uv, self._cache / "interpreters", self._environ, self._home)

    @cached_property
    def nodes(self) -> tuple[Interpreter, ...]:
        """The Nodes of this machine; found once."""
        return installed_nodes(self._settings.node, self._environ, self._home)

    @cached_property
    def _uv(self) -> str:
        if self._settings.uv:
            return self._settings.uv
        import uv  # noqa: PLC0415 — a wheel that need not be there where a setting names another

        return uv.find_uv_bin()

    def _recipe(self, files: Files, unused: str) -> Recipe:
        if python.applies(files):
            chosen, notes = choose(self.pythons, python.wanted(files))
            made = python.recipe(files, chosen)
        elif node.applies(files):
            chosen, notes = choose(self.nodes, node.wanted(files))
            made = node.recipe(files, chosen, self._own_python())
        elif static.applies(files):
            made, notes = static.recipe(files, self._own_python()), ()
        else:
            raise static.nothing_known(unused)
        without = f"The {DOCKERFILE} is not used: {unused}. It is built from its source."
        return replace(made, notes=(*notes, *made.notes, *([without] if unused else ())))

    def _own_python(self) -> Interpreter:
        return choose(self.pythons, Wanted("python"))[0]

    def _tools(self, work: Path, built_with: str, seen: Sequence[str]) -> tuple[Mount, ...]:
        """Uv itself, and an npm that needs no folder of its own."""
        mounts = [Mount(Path(self._uv), f"{TOOLS}/uv"), *(Mount(Path(one), one) for one in seen)]
        chosen = next((one for one in self.nodes if built_with.startswith(f"npm, {one}")), None)
        if chosen:
            npm = work / "npm"
            npm.write_text(node.npm_script(chosen))
            npm.chmod(0o755)
            mounts += [Mount(npm, f"{TOOLS}/npm"), *(Mount(Path(one), one) for one in chosen.mounts)]
        return tuple(dict.fromkeys(mounts))

    def _cook(self, kitchen: Kitchen, recipe: Recipe, source: Path, work: Path) -> Sequence[Part]:
        """Carry out a recipe; the parts of the artifact."""
        parts = [Part(source)]
        mounts: list[Mount] = []
        if recipe.layer:
            layer = self._layer(kitchen, recipe.layer, work)
            if recipe.writes_layer:
                shutil.copytree(layer, source / recipe.layer.folder, symlinks=True)
                _make_writable(source / recipe.layer.folder)
            elif layer.exists():
                parts.append(Part(layer, at=recipe.layer.folder, shared=True))
                mounts.append(Mount(layer, f"{APP}/{recipe.layer.folder}"))
                (source / recipe.layer.folder).mkdir()
        private = work / "cache"
        private.mkdir()
        self._sandbox.give(private)
        self._sandbox.give(source)
        for step in recipe.steps:
            kitchen.run_or_refuse(step, source, private, mounts)
        for name, content in recipe.add.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
            (source / name).chmod(0o755 if content.startswith(b"#!") else 0o644)
        return parts

    def _layer(self, kitchen: Kitchen, layer: Layer, work: Path) -> Path:
        key = self._layers.key(layer, kitchen.registries)
        found = self._layers.find(key)
        if found:
            kitchen.report("The dependencies have not changed")
            return found
        app, private = work / "layer", work / "layer-cache"
        for name, content in layer.files.items():
            (app / name).parent.mkdir(parents=True, exist_ok=True)
            (app / name).write_bytes(content)
        private.mkdir()
        app.mkdir(exist_ok=True)
        for folder in (app, private):
            self._sandbox.give(folder)
        for step in layer.steps:
            cache = self._shared_cache(step.registries) if step.shared_cache else private
            said = kitchen.run(step, app, cache)
            if said is not None and layer.fallback and re.search(layer.fall_back_on, "\n".join(said)):
                kitchen.report("A dependency has no wheel: it is built from its source, which takes longer")
                for other in layer.fallback:
                    kitchen.run_or_refuse(other, app, private)
            elif said is not None:
                raise failed(step, said)
        for step in layer.last:
            kitchen.run_or_refuse(step, app, private)
        return self._layers.keep(key, app / layer.folder)

    def _shared_cache(self, tool: str) -> Path:
        folder = self._cache / (tool or "uv")
        folder.mkdir(parents=True, exist_ok=True)
        if self._sandbox.user and folder.stat().st_uid != self._sandbox.user[0]:
            self._sandbox.give(folder)
        return folder


class _Masked:
    """A report that lets no credential through."""

    def __init__(self, report: Report, registries: Registries) -> None:
        self._report = report
        self._masker = Masker(registries.secrets)

    def __call__(self, line: str) -> None:
        text = self._masker.feed(line)
        if len(line) < LONGEST_LINE:  # a longer one was cut, and a secret may go on in what follows
            text += self._masker.end()
        self._report(masked(text))


def _facts(recipe: Recipe, unused: str) -> Facts:
    how = f"{recipe.built_with}; without its {DOCKERFILE}: {unused}" if unused else recipe.built_with
    return Facts(recipe.language, recipe.processes, recipe.environment, recipe.mounts, how)


def _refuse_without_command(workload: Workload, processes: Mapping[str, Sequence[str]]) -> None:
    for container in workload.containers:
        built = container.image == SOURCE_IMAGE
        if built and not container.command and not container.args and not processes:
            raise Refused(
                error(
                    f"Nothing says how to start {workload.name}",
                    remedy="Add a Procfile with a line such as `web: python app.py`, or a command in score.yaml.",
                    path=f"containers.{container.name}.command",
                )
            )


def _discard(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        remove_tree(path)


def _make_writable(folder: Path) -> None:
    for one, _, files in os.walk(folder):
        Path(one).chmod(0o755)
        for path in map(partial(Path, one), files):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o200)
