"""Edits over a tree are what Git would make of them: the same files, and the same ids."""

from __future__ import annotations

from pathlib import Path

import pytest

import pave
from pave.adapters.git.platform import GitPlatformRepository
from pave.engine.snapshots import Overlay
from pave.model.deployment import Deployment
from pave.model.deployment_file import write_deployment
from pave.model.names import Address, Ref
from pave.model.reading import read_snapshot
from pave.model.workload import Need

LIBRARY = Path(pave.__file__).parent / "library"
ORDERS = Address("dev", "orders")
FILE = "deployments/dev/orders.yaml"


def deployment(stack: Address = ORDERS, **parts: object) -> bytes:
    return write_deployment(Deployment(stack, Ref("component", "default", stack.component), **parts))


@pytest.fixture
def repository(tmp_path: Path) -> GitPlatformRepository:
    git = GitPlatformRepository(tmp_path / "platform.git")
    folders = ("environments", "guardrails", "modules")
    paths = [one for folder in folders for one in (LIBRARY / folder).rglob("*") if one.is_file()]
    files = {str(one.relative_to(LIBRARY)): one.read_bytes() for one in paths}
    git.ensure({**files, FILE: deployment()})
    return git


EDITS = {
    "a new file": {"deployments/dev/shop.yaml": deployment(Address("dev", "shop"))},
    "a changed file": {FILE: deployment(resources={"db": Need("db", "postgres")})},
    "a file taken away": {FILE: None, "environments/staging.yaml": None},
    "a file without a byte": {"catalog/empty.yaml": b""},
    "letters beyond ASCII": {"catalog/grüße.yaml": "kind: Grüße\n".encode()},
}


@pytest.mark.parametrize("edits", EDITS.values(), ids=EDITS)
def test_files_and_ids_are_those_of_the_commit(repository: GitPlatformRepository, edits: dict) -> None:
    over = Overlay(repository.tree(), edits)
    committed = repository.tree(repository.commit(repository.head(), edits, "Try", "dana"))
    assert set(over.paths()) == set(committed.paths())
    assert set(over.paths("deployments")) == set(committed.paths("deployments"))
    for path in {*committed.paths(), *edits}:
        assert over.id(path) == committed.id(path), path
        assert over.read(path) == committed.read(path), path


@pytest.mark.parametrize("edits", EDITS.values(), ids=EDITS)
def test_a_plan_made_before_the_commit_is_bound_to_the_same_inputs(
    repository: GitPlatformRepository, edits: dict
) -> None:
    base = repository.head()
    before = read_snapshot(repository.tree(base), base)
    candidate = read_snapshot(Overlay(repository.tree(base), edits), base)
    after = read_snapshot(repository.tree(repository.commit(base, edits, "Try", "dana")), "x")
    assert candidate.inputs == after.inputs
    assert candidate.guardrails_digest == after.guardrails_digest
    assert (candidate.inputs == before.inputs) == (not any(one.endswith(("orders.yaml", "shop.yaml")) for one in edits))


def test_a_folder_is_another_one_as_soon_as_something_in_it_is(repository: GitPlatformRepository) -> None:
    below, folder = repository.tree(), "modules/local-postgres"
    variants: list[dict[str, bytes | None]] = [
        {},
        {f"{folder}/main.tf": b"x"},
        {f"{folder}/main.tf": None},
        {f"{folder}/a.tf": b"x"},
        {f"{folder}/b.tf": b"x"},
        {f"{folder}/a.tf": b"x", f"{folder}/b.tf": b"x"},
    ]
    ids = [Overlay(below, one).id(folder) for one in variants]
    assert len(set(ids)) == len(variants)
    assert ids[0] == below.id(folder)
    assert len({Overlay(below, one).id("") for one in variants}) == len(variants)
    assert Overlay(below, {f"{folder}/main.tf": b"x"}).id("modules/local-queue") == below.id("modules/local-queue")


def test_a_folder_that_lost_its_last_file_is_not_there(repository: GitPlatformRepository) -> None:
    assert Overlay(repository.tree(), {FILE: None}).id("deployments/dev") == ""
