"""Templates rendered in the real sandbox: the built-in ones, and one that uses every feature."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pave.adapters.sandbox import Sandbox, probe
from pave.adapters.scaffolder import SandboxScaffolder
from pave.model.diagnostics import Refused
from pave.model.names import Ref
from pave.model.template import Template, TemplateStep
from pave.ports import Rendered

LIBRARY = Path(__file__).parents[3] / "pave" / "library"


class Files:
    """A tree in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def paths(self, under: str = "") -> Iterator[str]:
        yield from sorted(path for path in self.files if not under or path.startswith(under.rstrip("/") + "/"))

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def id(self, path: str) -> str:
        return path


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = probe("", "nobody", tmp_path_factory.mktemp("sandbox") / "etc")
    if sandbox.level == "none":
        pytest.skip(f"no sandbox here: {sandbox.reason}")
    return sandbox


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def scaffolder(sandbox: Sandbox, scratch: Path) -> Iterator[SandboxScaffolder]:
    yield SandboxScaffolder(sandbox, scratch)
    assert not scratch.exists() or list(scratch.iterdir()) == [], "something half-made stayed behind"


def template(document: str, path: str = "templates/mine") -> Template:
    spec = yaml.safe_load(document)
    steps = [
        TemplateStep(
            one.get("id", f"step-{number + 1}"),
            one["action"],
            one.get("name", ""),
            one.get("input", {}),
            one.get("if", True),
            one.get("each"),
        )
        for number, one in enumerate(spec["steps"])
    ]
    pages = spec.get("parameters", [])
    pages = pages if isinstance(pages, list) else [pages]
    ref = Ref("template", "default", "mine")
    return Template(ref, "Mine", "", None, "service", tuple(pages), tuple(steps), spec.get("output", {}), (), path)


def render(
    scaffolder: SandboxScaffolder, document: str, files: dict[str, bytes] | None = None, **values: object
) -> Rendered:
    placed = {"templates/mine/" + path: content for path, content in (files or {}).items()}
    text = yaml.safe_dump({"spec": yaml.safe_load(document)}, sort_keys=False)
    placed["templates/mine/template.yaml"] = text.encode()
    return scaffolder.render(template(document), Files(placed), values, {"entity": {"metadata": {"name": "dana"}}})


def refusal(
    scaffolder: SandboxScaffolder, document: str, files: dict[str, bytes] | None = None, **values: object
) -> Refused:
    with pytest.raises(Refused) as refused:
        render(scaffolder, document, files, **values)
    return refused.value


PUBLISH = "{id: publish, action: publish:github, input: {repoUrl: 'github.com?owner=acme&repo=orders'}}"


@pytest.mark.parametrize("name", sorted(path.name for path in (LIBRARY / "templates").iterdir()))
@pytest.mark.parametrize("database", [True, False])
def test_the_built_in_templates_render(scaffolder: SandboxScaffolder, name: str, database: bool) -> None:
    folder = LIBRARY / "templates" / name
    files = {
        str(path.relative_to(LIBRARY)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    spec = (yaml.safe_load((folder / "template.yaml").read_text()))["spec"]
    made = template(yaml.safe_dump(spec), f"templates/{name}")
    given = {"name": "orders", "owner": "group:default/payments"}
    if any("database" in page.get("properties", {}) for page in made.pages):
        given["database"] = database
    result = scaffolder.render(made, Files(files), given, {})
    assert result.repository == "orders"
    assert {"catalog-info.yaml", "score.yaml", "README.md"} <= set(result.files)
    [entity, *_] = [one for one in result.entities if one["kind"] == "Component"]
    assert entity["metadata"]["name"] == "orders"
    assert entity["spec"]["owner"] == "group:default/payments"
    for path, content in result.files.items():
        assert b"${{" not in content or path.startswith(".github"), path
    assert not any("database" in path for path in result.files) or database


def test_every_feature_of_a_template(scaffolder: SandboxScaffolder) -> None:
    document = Path(__file__).with_name("every-feature.yaml").read_text()
    files = {
        "skeleton/README.md": b"# ${{ values.name }}\n{% for tag in values.tags %}* ${{ tag }}\n{% endfor %}"
        b"${{ values.flag }}[${{ values.none }}][${{ values.missing.deep }}]\n",
        "skeleton/${{ values.name }}/port.txt": b"${{ values.port + 1 }} ${{ values.team.slug | upper }}",
        "skeleton/{% if values.none %}left-out{% endif %}": b"never",
        "skeleton/raw/${{ values.name }}.txt": b"${{ values.name }}",
        "skeleton/run.sh": b"#!/bin/sh\necho ${{ values.name }}\n",
        "skeleton/logo.png": b"\x89PNG\0${{ values.name }}",
        "skeleton/latin.txt": b"caf\xe9 ${{ values.name }}",
        "skeleton/junk.tmp": b"",
        "plain/a.txt": b"${{ untouched }}",
    }
    result = render(scaffolder, document, files, name="orders")
    made = result.files
    assert made["README.md"] == b"# orders\n* one\n* two\ntrue[][]\n"
    assert made["orders/port.txt"] == b"8001 PAYMENTS"
    assert made["raw/${{ values.name }}.txt"] == b"${{ values.name }}"
    assert made["run.sh"] == b"#!/bin/sh\necho orders\n"
    assert made["logo.png"] == files["skeleton/logo.png"]
    assert made["latin.txt"] == files["skeleton/latin.txt"]
    assert made["moved/b.txt"] == made["single/a.txt"] == b"${{ untouched }}"
    assert made["again.md"].startswith(b"# again\n")
    assert yaml.safe_load(made["tags/two.yaml"])["metadata"] == {"name": "two", "index": 1}
    assert not {path for path in made if "junk" in path or "left-out" in path or path.startswith("copied")}
    assert result.repository == "orders"
    assert [one["metadata"]["name"] for one in result.entities] == ["orders"]
    assert result.links == [
        {"title": "Repository", "url": "/repositories/orders"},
        {"title": "Catalog", "entityRef": "component:default/orders"},
    ]
    for line in ("a=2", "b=3", "2 files, one.yaml", "by dana dana", 'acme/x x a {"k": [1, true]}', "Done: port 8000"):
        assert line in result.log, (line, result.log)
    assert any("skipped" in line and line.startswith("never") for line in result.log)


def test_a_form_says_all_that_is_wrong_and_repeats_no_value(scaffolder: SandboxScaffolder) -> None:
    document = f"""
    parameters:
      - required: [name, owner]
        properties:
          name: {{type: string, pattern: '^[a-z]+$'}}
          owner: {{type: string}}
          port: {{type: integer}}
          kind: {{enum: [a, b]}}
    steps: [{PUBLISH}]
    """
    refused = refusal(scaffolder, document, name="HUNTER2", port="HUNTER2", kind="HUNTER2", prot=1)
    said = {one.path: one for one in refused.diagnostics}
    assert set(said) == {"", "name", "port", "kind", "prot"}
    assert "owner is needed" in said[""].summary
    assert "port" in said["prot"].remedy
    assert "HUNTER2" not in str(refused)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{action: 'fetch:template', input: {url: ./skeleton, targetPath: ../out}}", "leaves the workspace"),
        ("{action: 'fetch:template', input: {url: ./skeleton, targetPath: /etc}}", "leaves the workspace"),
        ("{action: 'fetch:plain', input: {url: ../../../../etc}}", "leaves the template's files"),
        ("{action: 'fetch:plain', input: {url: '${{ parameters.where }}'}}", "leaves the template's files"),
        ("{action: 'fetch:plain', input: {url: /etc}}", "outside of the platform repository"),
        ("{action: 'fetch:plain', input: {url: 'https://example.com/x'}}", "outside of the platform repository"),
        ("{action: 'fs:delete', input: {files: ['../*']}}", "leaves the workspace"),
        ("{action: 'fs:rename', input: {files: [{from: a, to: ../b}]}}", "leaves the workspace"),
        ("{action: 'fs:readdir', input: {paths: ['/']}}", "leaves the workspace"),
        ("{action: 'catalog:write', input: {filePath: .git/config, entity: {}}}", "Git's own"),
        ("{action: 'catalog:write', input: {filePath: a/.GIT/hooks/x, entity: {}}}", "Git's own"),
        ("{action: 'publish:github', input: {name: x, sourcePath: ../..}}", "leaves the workspace"),
        ("{action: 'catalog:register', input: {catalogInfoPath: ../../answer.json}}", "leaves the workspace"),
        ("{action: 'fetch:template', input: {url: ./evil, values: {name: ../../escaped}}}", "leaves the workspace"),
        ("{action: 'fetch:template', input: {url: ./none}}", "there is no ./none"),
        ("{action: 'fetch:template', input: {}}", "needs url"),
        ("{action: 'node:run', input: {}}", "no action node:run"),
        ("{action: 'debug:log', input: {message: '${{ 1 / 0 }}'}}", "cannot be evaluated"),
        ("{action: 'debug:log', each: '${{ 3 }}', input: {}}", "a list or an object"),
    ],
)
def test_a_step_that_is_wrong_is_refused_at_its_line(scaffolder: SandboxScaffolder, step: str, said: str) -> None:
    document = f"steps:\n  - {{id: first, action: 'debug:log'}}\n  - {step.replace('{', '{id: second, ', 1)}"
    files = {"skeleton/a.txt": b"a", "evil/${{ values.name }}": b"evil"}
    refused = refusal(scaffolder, document, files, where="../../../../../../etc")
    [one] = refused.diagnostics
    assert said in one.summary
    assert "step second" in one.summary
    assert one.source.file == "templates/mine/template.yaml"
    assert one.source.line > 2


def test_a_broken_skeleton_names_its_file_and_line(scaffolder: SandboxScaffolder) -> None:
    document = "steps: [{id: fetch, action: 'fetch:template', input: {url: ./skeleton}}]"
    files = {"skeleton/app/main.py": b"one\ntwo\n{% if x %}\nthree\n{% endfor %}\n"}
    [one] = refusal(scaffolder, document, files).diagnostics
    assert str(one.source) == "templates/mine/skeleton/app/main.py:5"
    late = {"skeleton/a.txt": b"one\n${{ 'x' + 1 }}\n"}
    [one] = refusal(scaffolder, document, late).diagnostics
    assert str(one.source) == "templates/mine/skeleton/a.txt:2"


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__.__mro__[1].__subclasses__()",
        "cycler.__init__.__globals__.os.popen('id').read()",
        "'{0.__class__.__init__.__globals__}'.format(parameters)",
        "parameters | attr('__class__')",
        "range(999999999) | list | length",
    ],
)
def test_an_expression_gets_nowhere(scaffolder: SandboxScaffolder, expression: str) -> None:
    document = yaml.safe_dump(
        {"steps": [{"id": "x", "action": "debug:log", "input": {"message": f"got ${{{{ {expression} }}}}"}}]}
    )
    try:
        result = render(scaffolder, document)
    except Refused:
        return
    assert result.log[-1] == "got ", result.log


def test_files_beside_the_template_can_be_named(scaffolder: SandboxScaffolder) -> None:
    made = template("steps: [{id: a, action: 'fetch:plain', input: {url: ../shared/files}}]", "templates/mine")
    files = Files({"templates/mine/template.yaml": b"", "templates/shared/files/x": b"1", "secret": b"no"})
    assert dict(scaffolder.render(made, files, {}, {}).files) == {"x": b"1"}


def test_only_the_published_folder_becomes_the_repository(scaffolder: SandboxScaffolder) -> None:
    document = """
    steps:
      - {id: a, action: 'fetch:plain', input: {url: ./all}}
      - {id: p, action: 'publish:gitlab', input: {repoUrl: 'gitlab.com?owner=a&repo=b', sourcePath: app}}
    """
    result = render(scaffolder, document, {"all/app/x": b"1", "all/notes": b"2"})
    assert dict(result.files) == {"x": b"1"}
    assert result.repository == "b"
