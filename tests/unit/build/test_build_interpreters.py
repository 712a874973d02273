"""Which installed interpreter an application gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from pave.adapters.build.interpreters import Interpreter, Wanted, choose, wanted_node, wanted_python
from pave.model.diagnostics import Refused

PYTHONS = tuple(
    Interpreter("python", version, Path(f"/opt/{version}/bin/python"), own=version == "3.11.7")
    for version in ("3.9.18", "3.10.13", "3.11.7", "3.12.1")
)
NODES = tuple(Interpreter("node", version, Path(f"/opt/{version}/bin/node")) for version in ("18.20.0", "20.20.2"))


@pytest.mark.parametrize(
    ("files", "requires", "version"),
    [
        ({}, "", "3.11.7"),
        ({}, ">=3.12", "3.12.1"),
        ({}, "<3.11", "3.10.13"),
        ({".python-version": "3.12\n"}, "", "3.12.1"),
        ({".python-version": "# ours\n3.9\n"}, ">=3.9", "3.9.18"),
        ({"runtime.txt": "python-3.10.2"}, "", "3.10.13"),
        ({".python-version": "3.7.1"}, ">=3.7", "3.11.7"),
        ({".python-version": ">=3.12"}, "", "3.12.1"),
        ({".python-version": "my-venv"}, "", "3.11.7"),
        ({".python-version": "3.12", "runtime.txt": "python-3.9.1"}, "", "3.12.1"),
    ],
)
def test_python(files, requires, version):
    chosen, _ = choose(PYTHONS, wanted_python(files, requires))
    assert chosen.version == version


@pytest.mark.parametrize(
    ("files", "engines", "version"),
    [
        ({}, "", "20.20.2"),
        ({}, "^18 || ^22", "18.20.0"),
        ({}, "20.x", "20.20.2"),
        ({".nvmrc": "v18.1.0"}, "", "18.20.0"),
        ({".nvmrc": "lts/*"}, "", "20.20.2"),
        ({".node-version": "16"}, ">=16", "20.20.2"),
    ],
)
def test_node(files, engines, version):
    chosen, _ = choose(NODES, wanted_node(files, engines))
    assert chosen.version == version


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            wanted_python({".python-version": "3.8"}, ""),
            r"^\.python-version: .*wants Python 3\.8.*Installed: 3\.10\.13",
        ),
        (wanted_python({}, ">=3.13"), r"^pyproject.toml: .*wants Python >=3\.13.*requires-python"),
        (wanted_python({}, "three"), "'three' is not a range of Python versions"),
    ],
)
def test_what_cannot_be_met_is_refused_with_what_is_installed(wanted, message):
    with pytest.raises(Refused, match=message):
        choose(PYTHONS, wanted)


def test_without_node_the_extra_is_the_remedy():
    with pytest.raises(Refused, match=r"Node.js is not installed.*\[node\]"):
        choose((), Wanted("node"))


def test_going_on_with_another_version_is_said():
    _, notes = choose(PYTHONS, wanted_python({".python-version": "3.7.1"}, ">=3.7"))
    told = (
        ".python-version names Python 3.7.1, which is not installed; "
        "pyproject.toml allows >=3.7, so it is built with 3.11.7"
    )
    assert notes == (told,)
    _, notes = choose(PYTHONS, wanted_python({"runtime.txt": "python-3.10.2"}, ""))
    assert notes == ("runtime.txt names Python 3.10.2; it is built with 3.10.13",)


def test_only_what_lies_outside_of_the_system_is_mounted(tmp_path):
    assert Interpreter("python", "3.11.2", Path("/usr/bin/python3.11")).mounts == ()
    assert Interpreter("python", "3.12.1", tmp_path / "3.12.1/bin/python").mounts == (str(tmp_path / "3.12.1"),)
